"""The dialect with `in_shape` and `layers`, as RTNeural writes it from Keras, and what AIDA-X adds to it.

dense: [kernel [n, m], bias [m]]; lstm: [kernel [n, 4H], recurrent [H, 4H], bias [4H]], gates in PyTorch's order;
batchnorm: [gamma, beta, mean, variance], or the last two alone. The last number of `shape` is the layer's outputs.
AIDA-X: y = out_gain f(in_gain x), gains in dB, in_gain of input 0 alone; in_skip adds the input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import Problem, ShapeError, unsupported
from penstock.importing.chain import Activation, Affine, Array, Linear, Lstm, Softmax, Step
from penstock.importing.found import Answer, Found
from penstock.importing.independent import LstmLayer, activated
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.importing.values import matrix, vector
from penstock.rtneural.skip import judge

_DENSE = ("dense", "time-distributed-dense")
_NONE = ("", "linear")
_FUNCTIONS = ("tanh", "relu", "sigmoid", "elu", "softmax")
# Keys of AIDA-X that do not change what the model computes: the rate it was trained at, who made it, and recordings of
# what went in and out.
_IGNORED = ("samplerate", "metadata", "input_batch", "output_batch")
_SILENT = -90.0  # dB, and below: AIDA-X takes the gain as 0


@dataclass(frozen=True)
class _Layer:
    """type, outputs, activation: as the file says, the activation "" where there is none."""

    where: str
    type: str
    outputs: int
    activation: str
    weights: list[Any]
    epsilon: float


def _width(fields: Fields, key: str) -> int:
    """The last number of a Keras shape; those before it, time and batch, are numbers or null."""
    shape = fields.items(key)
    for size in shape[:-1]:
        if size is not None and (type(size) is not int or size < 1):
            raise fields.bad(key, f"must hold whole numbers and null, is {shown(shape)}")
    if not 1 <= len(shape) <= 3:
        raise fields.bad(key, f"must have 1 to 3 dimensions, is {shown(shape)}")
    return Fields({key: shape[-1]}, fields.source, fields.where).whole(key)


def _plan(value: Any, index: int, source: str, problems: list[Problem]) -> _Layer | None:
    """The layer, judged by what it is called; None where it is refused, with the reasons in `problems`."""
    fields = Fields(value, source, f"layers[{index}]")
    kind = fields.text("type")
    where = f"layers[{index}] ({kind if kind.isprintable() and len(kind) < 40 else shown(kind)})"
    if kind not in (*_DENSE, "lstm", "activation", "batchnorm"):
        problems.append(Problem(where, "a type of layer that this version does not run"))
        return None
    activation = fields.text("activation", "") if fields.values.get("activation") is not None else ""
    weights = fields.items("weights", [])
    outputs = _width(fields, "shape")
    epsilon = fields.number("epsilon") if kind == "batchnorm" else 0.0
    found = [Problem(where, f"{shown(key)}: a key that this version does not know") for key in fields.rest()]
    if kind == "lstm":
        # RTNeural's LSTM always is tanh's; this is how Keras's own one is called, no function behind it.
        if activation not in ("", "tanh"):
            found.append(Problem(where, f"activation {shown(activation)}: an LSTM is only run with tanh"))
        activation = ""
    elif kind == "batchnorm" and activation not in _NONE:
        found.append(Problem(where, f"activation {shown(activation)}: RTNeural runs none behind a batchnorm"))
    elif activation not in (*_NONE, *_FUNCTIONS):
        found.append(Problem(where, f"activation {shown(activation)}: one that this version does not run"))
    if kind == "activation" and weights:
        found.append(Problem(where, "weights of an activation"))
    problems += found
    return None if found else _Layer(where, kind, outputs, "" if activation in _NONE else activation, weights, epsilon)


def _disagree(source: str, layer: _Layer, found: int, unit: str) -> None:
    if found != layer.outputs:
        raise ShapeError(
            f"{source}: {layer.where}: shape says {layer.outputs} {unit}, the weights are for {found}",
            file=source,
            item=layer.where,
            field="shape",
            expected=layer.outputs,
            found=found,
        )


def _arrays(source: str, layer: _Layer, *counts: int) -> list[Any]:
    if len(layer.weights) not in counts:
        what = f"must hold {' or '.join(map(str, counts))} arrays, holds {len(layer.weights)}"
        raise corrupt(source, layer.where, f"weights {what}", "weights")
    return layer.weights


def _steps(source: str, layer: _Layer, width: int) -> list[Step]:
    """What the layer does to `width` features."""
    steps: list[Step] = []
    m, where = layer.outputs, layer.where
    if layer.type in _DENSE:
        first, second = _arrays(source, layer, 2)
        kernel = matrix(first, source, f"{where}, kernel")
        _disagree(source, layer, kernel.shape[1], "outputs")
        kernel = matrix(first, source, f"{where}, kernel", (width, m))
        steps.append(Linear(kernel.T, vector(second, source, f"{where}, bias", m), where))
    elif layer.type == "lstm":
        first, second, third = _arrays(source, layer, 3)
        _disagree(source, layer, len(second) if isinstance(second, list) else m, "units")
        kernel = matrix(first, source, f"{where}, kernel", (width, 4 * m))
        recurrent = matrix(second, source, f"{where}, recurrent", (m, 4 * m))
        bias = vector(third, source, f"{where}, bias", 4 * m)
        steps.append(Lstm(kernel.T, recurrent.T, bias, where=where))
    else:
        if m != width:
            raise ShapeError(
                f"{source}: {where}: shape says {m} outputs, the layer before has {width}",
                file=source,
                item=where,
                field="shape",
                expected=width,
                found=m,
            )
        if layer.type == "batchnorm":
            steps.append(_batchnorm(source, layer))
    if layer.activation == "softmax":
        steps.append(Softmax(where))
    elif layer.activation:
        steps.append(Activation(layer.activation, where=where))
    return steps


def _batchnorm(source: str, layer: _Layer) -> Affine:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta."""
    arrays = _arrays(source, layer, 2, 4)
    names = ("gamma", "beta", "mean", "variance")[-len(arrays) :]
    m = layer.outputs
    got = {n: vector(v, source, f"{layer.where}, {n}", m) for n, v in zip(names, arrays, strict=True)}
    if np.any(got["variance"] + layer.epsilon <= 0):
        raise corrupt(source, layer.where, "variance + epsilon must be above 0", "epsilon")
    scale = got.get("gamma", np.ones(m)) / np.sqrt(got["variance"] + layer.epsilon)
    return Affine(scale, got.get("beta", np.zeros(m)) - got["mean"] * scale, layer.where)


def _gain(top: Fields, key: str) -> float:
    """The factor of a gain in dB; 1 where there is none. At most 240 dB, about what the formats hold."""
    if top.get(key, None) is None:
        return 1.0
    db = top.number(key)
    if db > 240:
        raise top.bad(key, f"must be at most 240 dB, is {shown(db)}")
    return float(10.0 ** (db / 20.0)) if db > _SILENT else 0.0


def _answer(top: Fields, plans: list[_Layer], gains: tuple[float, float]) -> Answer:
    """By code apart from the chain, from the file's own lists."""

    def stage(layer: _Layer) -> Callable[[Array], Array]:
        arrays = [np.array(value, np.float64) for value in layer.weights]
        if layer.type == "lstm":
            return LstmLayer(np.swapaxes(arrays[0], 0, 1), np.swapaxes(arrays[1], 0, 1), arrays[2])
        if layer.type in _DENSE:
            return lambda v: np.einsum("tn,nm->tm", v, arrays[0]) + arrays[1]
        if layer.type == "batchnorm":
            gamma, beta = arrays[:-2] or (np.array(1.0), np.array(0.0))
            mean, variance = arrays[-2:]
            return lambda v: (v - mean) / (variance + layer.epsilon) ** 0.5 * gamma + beta
        return lambda v: v

    def answer(x: Array) -> Array:
        v = np.array(x, np.float64)
        v[:, 0] *= gains[0]
        for layer in plans:
            v = stage(layer)(v)
            if layer.activation:
                v = activated(layer.activation, v)
        return gains[1] * v

    return answer


def read(top: Fields, without_skip: bool) -> tuple[Found, Answer]:
    """The chain of the file, and its own answer."""
    source = top.source
    inputs = _width(top, "in_shape")
    listed = top.items("layers")
    if not listed:
        raise corrupt(source, "layers", "is empty")
    problems: list[Problem] = []
    notes: list[str] = []
    plans = [_plan(value, index, source, problems) for index, value in enumerate(listed)]
    gains = _gain(top, "in_gain"), _gain(top, "out_gain")
    if top.get("in_skip", None) is not None:
        skip = top.whole("in_skip", lowest=0)
        judge(top, "in_skip", skip, without_skip, "AIDA-X", problems, notes)
        if skip and gains != (1.0, 1.0):
            # Its versions differ: out_gain was the network's alone, then the sum's; in_gain came later.
            what = "with a gain that is not 0 dB: AIDA-X's versions differ in what they multiply by it"
            problems.append(Problem("in_skip", what))
        last = plans[-1]
        if skip and last and last.outputs != 1:
            problems.append(Problem("in_skip", f"adds the input to {last.outputs} outputs"))
    top.ignore(*_IGNORED)
    problems += [Problem(key, "a key that this version does not know") for key in top.rest()]
    if problems:
        raise unsupported(source, problems)
    layers = [layer for layer in plans if layer]
    chain: list[Step] = []
    if gains[0] != 1:
        scale = np.ones(inputs)
        scale[0] = gains[0]  # the others are the settings of knobs
        chain.append(Affine(scale, np.zeros(1), "in_gain"))
    width = inputs
    for layer in layers:
        chain += _steps(source, layer, width)
        width = layer.outputs
    if gains[1] != 1:
        chain.append(Affine(np.array([gains[1]]), np.zeros(1), "out_gain"))
    return Found(source, chain, inputs, notes=notes), _answer(top, layers, gains)
