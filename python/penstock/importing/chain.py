"""A chain: what every importer makes of its source. Steps in the data's order, with float64 weights in PyTorch's
layout; each but Lstm acts on the features of one timestep alone. `fold` merges the Affine steps into matrices, and what
is left is a model's layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.errors import Problem

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lstm:
    """One layer of torch.nn.LSTM: weight_ih [4H, n], weight_hh [4H, H], biases [4H], gates in the order i, f, g, o;
    h0 and c0 [H], the initial state. None: zeros."""

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array | None = None
    bias_hh: Array | None = None
    h0: Array | None = None
    c0: Array | None = None
    where: str = "lstm"

    @property
    def inputs(self) -> int:
        return int(self.weight_ih.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weight_hh.shape[1])


@dataclass(frozen=True, eq=False)
class Linear:
    """weight [m, n], bias [m] or None: y = weight x + bias."""

    weight: Array
    bias: Array | None = None
    where: str = "linear"

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weight.shape[0])


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale x + shift, feature by feature; each is [n], or [1] for all features alike."""

    scale: Array
    shift: Array
    where: str = "affine"


@dataclass(frozen=True)
class Activation:
    """A function of penstock.h's list (struct pst_layer) of each feature."""

    function: str
    alpha: float | None = None
    beta: float | None = None
    where: str = "activation"


@dataclass(frozen=True)
class Softmax:
    """Over all features of the last layer."""

    where: str = "softmax"


Step = Lstm | Linear | Affine | Activation | Softmax
Layer = Lstm | Linear | Activation | Softmax


def affine_after(a: Affine, b: Affine) -> Affine:
    """b(a(x))."""
    return Affine(b.scale * a.scale, b.scale * a.shift + b.shift, f"{a.where}, {b.where}")


def _into_inputs(weight: Array, bias: Array | None, a: Affine) -> tuple[Array, Array | None]:
    """weight (scale x + shift) + bias, as a matrix and a bias."""
    n = weight.shape[1]
    scale, shift = np.broadcast_to(a.scale, (n,)), np.broadcast_to(a.shift, (n,))
    moved = weight @ shift
    if bias is not None:
        moved = moved + bias
    return weight * scale, moved if bias is not None or np.any(moved) else None


def _before(a: Affine, step: Lstm | Linear) -> Lstm | Linear:
    if isinstance(step, Linear):
        weight, bias = _into_inputs(step.weight, step.bias, a)
        return replace(step, weight=weight, bias=bias)
    weight, bias = _into_inputs(step.weight_ih, step.bias_ih, a)
    return replace(step, weight_ih=weight, bias_ih=bias)


def _after(step: Linear, a: Affine) -> Linear:
    m = step.outputs
    scale, shift = np.broadcast_to(a.scale, (m,)), np.broadcast_to(a.shift, (m,))
    bias = shift + scale * step.bias if step.bias is not None else shift
    return replace(
        step, weight=step.weight * scale[:, None], bias=bias.copy() if step.bias is not None or np.any(shift) else None
    )


def _own(a: Affine, n: int) -> Linear:
    """An Affine with no matrix beside it: a diagonal one of its own."""
    shift = np.broadcast_to(a.shift, (n,)).copy()
    return Linear(np.diag(np.broadcast_to(a.scale, (n,))), shift if np.any(shift) else None, a.where)


def fold(chain: Sequence[Step], inputs: int) -> list[Layer]:
    """Merges every Affine into the matrix before it, else into the one behind it, in float64; one that stands between
    no two (an Affine of an activation's or LSTM's output that goes out, or into another activation) becomes a diagonal
    Linear, and so does nothing before an activation that comes first. `inputs`: features of x."""
    folded: list[Step] = []
    width = inputs
    for step in chain:
        last = folded[-1] if folded else None
        if isinstance(step, Affine):
            if np.all(step.scale == 1) and not np.any(step.shift):
                continue
            if isinstance(last, Affine):
                folded[-1] = affine_after(last, step)
            elif isinstance(last, Linear):
                folded[-1] = _after(last, step)
            else:
                folded.append(step)
            continue
        if isinstance(last, Affine):
            if isinstance(step, Lstm | Linear):
                folded[-1] = _before(last, step)
                width = step.outputs
                continue
            folded[-1] = _own(last, width)
        if isinstance(step, Activation | Softmax) and not folded:
            folded.append(Linear(np.eye(inputs), None, step.where))  # the engine wants a matrix below it
        folded.append(step)
        if isinstance(step, Lstm | Linear):
            width = step.outputs
    if folded and isinstance(folded[-1], Affine):
        folded[-1] = _own(folded[-1], width)
    layers: list[Layer] = [step for step in folded if not isinstance(step, Affine)]
    return layers


def problems_of(layers: Sequence[Layer]) -> list[Problem]:
    """What the engine does not run, of a chain that is otherwise well formed: docs/format.md's rules on order."""
    return [
        Problem(layer.where, "a softmax is only run as the last layer")
        for layer in layers[:-1]
        if isinstance(layer, Softmax)
    ]
