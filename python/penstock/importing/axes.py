"""Axis tracking: values of a source's graph that depend on its inputs, each axis of which is known to be time, batch,
feature or not yet known. A front end (torch.export, ONNX) maps its operations to the methods here. What mixes timesteps
or batch rows is refused where it stands; the rest leaves a chain.

An axis is told by what is done to it: an LSTM says which axis is time, a matrix which one holds features. Sizes tell
nothing. A dimension of a tensor is a product of axes, in order: reshape(-1, H) makes one dimension of time and batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.chain import Activation, Affine, Linear, Lstm, Softmax, Step
from penstock.importing.pointwise import Pointwise, composed, is_scalar, recognise

TIME, BATCH, FEATURE, LAYER = "time", "batch", "feature", "layer"
_PLURAL = {TIME: "timesteps", BATCH: "batch rows", FEATURE: "features", LAYER: "layers"}


class Refused(Exception):
    """An operation that no stream can do. `what`: a clause, for errors.Problem."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Axis:
    """One axis, the same object in every value that has it; or a part of one, which is of the same kind. kind: None
    until something tells."""

    def __init__(self, size: int, kind: str | None = None, whole: Axis | None = None) -> None:
        self.size = size
        self._kind = kind
        self._whole = whole

    @property
    def kind(self) -> str | None:
        return self._whole.kind if self._whole else self._kind

    def become(self, kind: str, doing: str) -> None:
        """Settles the kind. doing: what needs it to be that, for the error where it already is another."""
        if self._whole:
            self._whole.become(kind, doing)
        elif self._kind is None:
            self._kind = kind
        elif self._kind != kind:
            if TIME in (self._kind, kind):
                raise Refused(f"mixes timesteps ({doing})")
            raise Refused(f"mixes {_PLURAL[self._kind if self._kind != FEATURE else kind]} ({doing})")

    def __repr__(self) -> str:
        return f"{self.kind or 'axis'}[{self.size}]"


Group = tuple[Axis, ...]  # one dimension of a tensor, outermost axis first; () is a dimension of 1 that holds nothing


def _size(group: Group) -> int:
    return math.prod(a.size for a in group)


def _large(group: Group) -> Group:
    return tuple(a for a in group if a.size != 1)


def _kind(group: Group) -> str | None:
    kinds = {a.kind for a in _large(group)} or {a.kind for a in group}
    return kinds.pop() if len(kinds) == 1 else None


@dataclass(frozen=True, eq=False)
class Part:
    """A chain step that takes [start, start + axis.size) of `whole`, or one index of it (axis None), whose kind was not
    known then."""

    whole: Axis
    start: int
    axis: Axis | None
    where: str


Link = Step | Pointwise | Part


@dataclass(frozen=True, eq=False)
class Tracked:
    """Dimensions, and what moves them. Every method gives a new value; `where` names the node for messages."""

    dims: tuple[Group, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(_size(g) for g in self.dims)

    @property
    def rank(self) -> int:
        return len(self.dims)

    def _dim(self, dim: int) -> int:
        if not -self.rank <= dim < self.rank:
            raise Refused(f"has no dimension {dim} among {self.rank}")
        return dim % self.rank

    def with_dims(self, dims: Sequence[Group]) -> Any:
        return replace(self, dims=tuple(dims))

    def permute(self, order: Sequence[int]) -> Any:
        """torch.permute, ONNX Transpose."""
        return self.with_dims([self.dims[self._dim(i)] for i in order])

    def squeeze(self, dims: Sequence[int] | None = None) -> Any:
        """Drops dimensions of size 1: those given (which must be), or all."""
        chosen = range(self.rank) if dims is None else [self._dim(d) for d in dims]
        drop = {d for d in chosen if _size(self.dims[d]) == 1}
        if dims is not None and len(drop) != len(set(chosen)):
            raise Refused(f"squeezes a dimension that is not 1, of shape {list(self.shape)}")
        return self.with_dims([g for d, g in enumerate(self.dims) if d not in drop])

    def unsqueeze(self, dims: Sequence[int]) -> Any:
        """Dimensions of 1 at these places of the result (negative: from its end)."""
        rank = self.rank + len(dims)
        places = {d % rank for d in dims}
        old = iter(self.dims)
        return self.with_dims([() if d in places else next(old) for d in range(rank)])

    def reshape(self, shape: Sequence[int]) -> Any:
        """To these sizes; one may be -1. Refused where an axis would be divided."""
        sizes = list(shape)
        total = math.prod(self.shape)
        if -1 in sizes:
            known = math.prod(s for s in sizes if s != -1)
            if sizes.count(-1) > 1 or known == 0 or total % known:
                raise Refused(f"reshapes {list(self.shape)} to {list(shape)}")
            sizes[sizes.index(-1)] = total // known
        if math.prod(sizes) != total:
            raise Refused(f"reshapes {list(self.shape)} to {list(shape)}")
        atoms = [a for g in self.dims for a in g]
        dims: list[Group] = []
        for size in sizes:
            group: list[Axis] = []
            while atoms and (_size(tuple(group)) < size or size == 1 and not group and atoms[0].size == 1):
                group.append(atoms.pop(0))
            if _size(tuple(group)) != size:
                raise Refused(f"reshapes {list(self.shape)} to {list(shape)}, which divides an axis")
            dims.append(tuple(group))
        if atoms and dims:
            dims[-1] += tuple(atoms)  # axes of size 1
        return self.with_dims(dims)

    def flatten(self, first: int, last: int) -> Any:
        """torch.flatten: dimensions [first, last] into one."""
        first, last = self._dim(first), self._dim(last)
        joined: Group = tuple(a for g in self.dims[first : last + 1] for a in g)
        return self.with_dims([*self.dims[:first], joined, *self.dims[last + 1 :]])

    def expand(self, shape: Sequence[int]) -> Any:
        """Broadcasting to a shape (-1: as it is); refused where it would repeat anything."""
        if len(shape) < self.rank:
            raise Refused(f"expands {list(self.shape)} to {list(shape)}")
        more = self.unsqueeze(range(len(shape) - self.rank)) if len(shape) > self.rank else self
        for now, wanted in zip(more.shape, shape, strict=True):
            if wanted not in (-1, now, 1):
                raise Refused(f"repeats values: expands {list(self.shape)} to {list(shape)}")
        return more


@dataclass(frozen=True, eq=False)
class Signal(Tracked):
    """What a timestep's input has become. chain: by which steps. name: of the graph input it comes from. last: of all
    timesteps only the last one's."""

    chain: tuple[Link, ...] = ()
    name: str = ""
    last: bool = False

    def _then(self, *links: Link) -> Signal:
        return replace(self, chain=(*self.chain, *links))

    def _feature_dim(self, dim: int, doing: str) -> int:
        """The dimension as the one that holds features, and no other axis."""
        dim = self._dim(dim)
        for axis in _large(self.dims[dim]):
            axis.become(FEATURE, doing)
        if not _large(self.dims[dim]) and _kind(self.dims[dim]) == TIME:
            raise Refused(f"mixes timesteps ({doing})")
        return dim

    # ---- steps -------------------------------------------------------------------------------------------------------

    def linear(self, weight: NDArray[Any], bias: NDArray[Any] | None, where: str, dim: int = -1) -> Signal:
        """weight [m, n], bias [m]: W x + b over the features in `dim`, which then holds m."""
        dim = self._feature_dim(dim, "a matrix over it")
        if weight.ndim != 2 or weight.shape[1] != self.shape[dim]:
            raise Refused(f"multiplies {self.shape[dim]} features by a matrix of shape {list(weight.shape)}")
        dims = [*self.dims[:dim], (Axis(weight.shape[0], FEATURE),), *self.dims[dim + 1 :]]
        made = Linear(np.asarray(weight, np.float64), None if bias is None else np.asarray(bias, np.float64), where)
        return replace(self, dims=tuple(dims))._then(made)

    def activation(self, function: str, where: str, alpha: float | None = None, beta: float | None = None) -> Signal:
        """A function of penstock.h's list."""
        return self._then(Activation(function, alpha, beta, where))

    def pointwise(self, function: Callable[[NDArray[Any]], NDArray[Any]], where: str) -> Signal:
        """Any function of each value (NumPy, float64): recognised at the end, or refused."""
        return self._then(Pointwise(function, where))

    def softmax(self, dim: int, where: str) -> Signal:
        self._feature_dim(dim, "softmax over it")
        return self._then(Softmax(where))

    def _per_feature(self, value: NDArray[Any]) -> NDArray[np.float64]:
        """A constant that is broadcast against this, as [n] or [1]; the axis that it varies along holds features."""
        value = np.asarray(value, np.float64)
        if value.ndim > self.rank and any(s != 1 for s in value.shape[: value.ndim - self.rank]):
            raise Refused(f"broadcasts {list(self.shape)} against a constant of shape {list(value.shape)}")
        value = value.reshape((1,) * (self.rank - value.ndim) + value.shape[max(0, value.ndim - self.rank) :])
        varies = []
        for dim, (mine, its) in enumerate(zip(self.shape, value.shape, strict=True)):
            if its not in (1, mine):
                raise Refused(f"broadcasts {list(self.shape)} against a constant of shape {list(value.shape)}")
            first = value.take([0], axis=dim)
            if its > 1 and np.array_equal(np.broadcast_to(first, value.shape), value):
                value = first
            elif its > 1:
                varies.append(dim)
        if not varies:
            return value.reshape(1)
        for dim in varies:
            self._feature_dim(dim, "a constant that differs along it")
        if len(varies) > 1:
            raise Refused("takes a constant that differs along more than the features")
        return value.reshape(-1)

    def affine(self, scale: NDArray[Any] | float, shift: NDArray[Any] | float, where: str) -> Signal:
        """scale x + shift, constants broadcast against this."""
        return self._then(Affine(self._per_feature(np.asarray(scale)), self._per_feature(np.asarray(shift)), where))

    # ---- parts of axes -----------------------------------------------------------------------------------------------

    def select(self, dim: int, index: int, where: str) -> Signal:
        """One index of a dimension, which goes away (torch.select, Gather of a scalar)."""
        dim = self._dim(dim)
        group, size = self.dims[dim], self.shape[dim]
        if not -size <= index < size:
            raise Refused(f"takes index {index} of {size}")
        index %= size
        rest = replace(self, dims=(*self.dims[:dim], *self.dims[dim + 1 :]))
        if _kind(group) == TIME:
            if index != size - 1:
                raise Refused(f"takes timestep {index} of {size}; only the last one can be told in a stream")
            return replace(rest, last=True)
        large = _large(group)
        if not large:
            return rest
        if len(large) > 1:
            raise Refused("takes an index of joined axes")
        if large[0].kind == BATCH:
            raise Refused("takes one batch row")
        return rest._then(Part(large[0], index, None, where))

    def slice(self, dim: int, start: int, stop: int, where: str, step: int = 1) -> Signal:
        """[start:stop:step] of a dimension, by Python's rules."""
        dim = self._dim(dim)
        group, size = self.dims[dim], self.shape[dim]
        if step == 1 and not _large(group) and len(range(size)[start:stop]) == 1:
            return self
        taken = range(size)[start:stop:step]
        if len(taken) == size and step == 1:
            return self
        if not taken:
            raise Refused(f"takes nothing of a dimension of {size}")
        if _kind(group) == TIME:
            if list(taken) == [size - 1]:
                return replace(self, dims=(*self.dims[:dim], (), *self.dims[dim + 1 :]), last=True)
            if step < 0:
                raise Refused("mixes timesteps (takes them in reverse order)")
            raise Refused(f"takes timesteps {taken.start} to {taken[-1]} of {size}")
        large = _large(group)
        if len(large) != 1 or large[0].kind == BATCH:
            raise Refused("takes a part of batch rows or of joined axes")
        if step != 1:
            raise Refused(f"takes every {step}th value, or reverses them")
        axis = Axis(len(taken), whole=large[0])
        part = Part(large[0], taken.start, axis, where)
        return replace(self, dims=(*self.dims[:dim], (axis,), *self.dims[dim + 1 :]))._then(part)

    def mixing(self, dims: Sequence[int], doing: str) -> Refused:
        """The refusal of an operation along dimensions ("mean over it"), after what they hold."""
        kinds = {_kind(self.dims[self._dim(d)]) for d in dims}
        if TIME in kinds:
            return Refused(f"mixes timesteps ({doing})")
        if kinds == {FEATURE}:
            return Refused(f"mixes features ({doing}), which this version does not run")
        return Refused(f"mixes timesteps, batch rows or features ({doing})")

    # ---- two signals -------------------------------------------------------------------------------------------------

    @staticmethod
    def combine(
        function: Callable[..., NDArray[Any]], operands: Sequence[Signal | NDArray[Any]], doing: str, where: str
    ) -> Signal:
        """function(operands), value by value, where the signals among them come from one signal by scalar functions and
        constants are scalars; else refused: doing says what ("adds two signals")."""
        signals = [o for o in operands if isinstance(o, Signal)]
        first = signals[0]
        common = 0
        while all(len(s.chain) > common and s.chain[common] is first.chain[common] for s in signals):
            common += 1
            if common == len(first.chain):
                break
        for s in signals:
            same = [_large(g) for g in s.dims] == [_large(g) for g in first.dims]
            if not same or s.last != first.last or s.name != first.name or not all(map(is_scalar, s.chain[common:])):
                raise Refused(f"{doing} (a residual connection or a gate between signals)")
        parts: list[Callable[[NDArray[Any]], NDArray[Any]]] = []
        for o in operands:
            if isinstance(o, Signal):
                parts.append(composed(o.chain[common:]))
            else:
                value = np.asarray(o, np.float64)
                if value.size != 1:
                    raise Refused(f"{doing}, with a constant that is no scalar")
                parts.append(lambda v, value=value: np.broadcast_to(value.reshape(()), v.shape))  # type: ignore[misc]
        made = Pointwise(lambda v: function(*(part(v) for part in parts)), where)
        return replace(first, chain=(*first.chain[:common], made))

    # ---- LSTM --------------------------------------------------------------------------------------------------------

    def sequence(self, time: int | None, batch: int | None) -> tuple[Group, Group]:
        """Settles the axes of an LSTM's input: the dimension of time (None: a cell's single step), of the batch (None:
        none), the other one holding features. Gives the groups of time and batch."""
        if self.last:
            raise Refused("an LSTM reads only the last timestep of what is below")
        places = {d for d in (time, batch) if d is not None}
        features = [d for d in range(self.rank) if d not in places]
        if len(features) != 1:
            raise Refused(f"an LSTM reads a tensor of shape {list(self.shape)}")
        for axis in self.dims[time] if time is not None else ():
            if len(_large(self.dims[time])) > 1:  # type: ignore[index]
                raise Refused("an LSTM reads joined axes as timesteps")
            if axis.size > 1 or axis.kind is None and not _large(self.dims[time]):  # type: ignore[index]
                axis.become(TIME, "an LSTM reads another axis as timesteps")
        for axis in _large(self.dims[batch]) if batch is not None else ():
            axis.become(BATCH, "an LSTM reads it as batch rows")
        self._feature_dim(features[0], "an LSTM reads it as features")
        return self.dims[time] if time is not None else (), self.dims[batch] if batch is not None else ()

    def lstm(self, layer: Lstm, dims: Sequence[str | None], time: Group, batch: Group) -> Signal:
        """Behind one LSTM layer. dims: what each dimension of its output holds, TIME, BATCH, FEATURE or None (of 1);
        time, batch: from `sequence`."""
        groups: dict[str | None, Group] = {
            TIME: time,
            BATCH: batch,
            FEATURE: (Axis(layer.outputs, FEATURE),),
            None: (),
        }
        return replace(self, dims=tuple(groups[d] for d in dims))._then(layer)


@dataclass(frozen=True, eq=False)
class State:
    """h or c of one LSTM layer after the last timestep. behind: the signal that its y is, with any dimensions."""

    kind: str  # "h" or "c"
    layer: Lstm
    behind: Signal


@dataclass(frozen=True, eq=False)
class States(Tracked):
    """h_n or c_n of some layers, in order. layers: the axis that counts them, as long as there is one."""

    parts: tuple[State, ...] = ()
    layers: Axis = field(default_factory=lambda: Axis(1, LAYER))
    step: bool = False  # of a cell, which makes one timestep: not "only the last one"

    @staticmethod
    def of(parts: Sequence[State], batch: Group, dims: Sequence[str | None], step: bool = False) -> States:
        """dims: what each dimension holds: LAYER, BATCH, FEATURE or None (of 1)."""
        layers = Axis(len(parts), LAYER)
        width = Axis(parts[0].layer.outputs, FEATURE)
        groups: dict[str | None, Group] = {LAYER: (layers,), BATCH: batch, FEATURE: (width,), None: ()}
        return States(tuple(groups[d] for d in dims), tuple(parts), layers, step)

    def _layer_dim(self, dim: int) -> bool:
        return self.layers in self.dims[dim]

    def select(self, dim: int, index: int, where: str) -> States:
        dim = self._dim(dim)
        size = self.shape[dim]
        if not -size <= index < size:
            raise Refused(f"takes index {index} of {size}")
        rest = (*self.dims[:dim], *self.dims[dim + 1 :])
        if self._layer_dim(dim) and size == len(self.parts):
            return replace(self, dims=rest, parts=(self.parts[index],), layers=Axis(1, LAYER))
        if size == 1:
            return replace(self, dims=rest)
        raise Refused("takes a part of an LSTM's state that is no layer")

    def slice(self, dim: int, start: int, stop: int, where: str, step: int = 1) -> States:
        dim = self._dim(dim)
        size = self.shape[dim]
        taken = range(size)[start:stop:step]
        if len(taken) == size and step == 1:
            return self
        if self._layer_dim(dim) and size == len(self.parts) and len(taken):
            layers = Axis(len(taken), LAYER)
            dims = (*self.dims[:dim], (layers,), *self.dims[dim + 1 :])
            return replace(self, dims=dims, parts=tuple(self.parts[i] for i in taken), layers=layers)
        raise Refused("takes a part of an LSTM's state that is no layer")

    @staticmethod
    def concat(values: Sequence[States], dim: int) -> States:
        """Of layers, along the dimension that counts them (one that has become 1 by unsqueeze, too)."""
        first = values[0]
        dim = first._dim(dim)
        for v in values:
            if v.rank != first.rank or not (v._layer_dim(dim) or v.dims[dim] == ()):
                raise Refused("joins states along an axis that does not count layers")
        parts = tuple(p for v in values for p in v.parts)
        layers = Axis(len(parts), LAYER)
        return States((*first.dims[:dim], (layers,), *first.dims[dim + 1 :]), parts, layers, first.step)

    def signal(self) -> Signal:
        """The one h in it as a signal: of the last timestep."""
        if len(self.parts) != 1:
            raise Refused(f"reads the states of {len(self.parts)} layers at once")
        part = self.parts[0]
        if part.kind != "h":
            raise Refused("reads the cell state c, which a stream does not give out at a step")
        width: Group = (Axis(part.layer.outputs, FEATURE),)
        dims = tuple(
            width if FEATURE in {a.kind for a in g} else tuple(a for a in g if a.kind == BATCH) for g in self.dims
        )
        return replace(part.behind, dims=dims, last=part.behind.last or not self.step)


def initial(value: NDArray[Any], units: int, what: str) -> NDArray[np.float64]:
    """A constant initial state of one layer, [units] after batch and unit dimensions are dropped; the rows of a batch
    must be equal."""
    rows = np.asarray(value, np.float64)
    if rows.size == 0 or rows.shape[-1] != units:
        raise Refused(f"has an initial {what} of shape {list(rows.shape)} for {units} units")
    rows = rows.reshape(-1, units)
    if not np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape)):
        raise Refused(f"has an initial {what} that differs from batch row to batch row")
    return np.array(rows[0])


def state_input(value: Signal, layer: int) -> bool:
    """Whether a signal is nothing but a graph input, or layer `layer` of one: an LSTM's state from outside."""
    if any(not isinstance(link, Part) for link in value.chain):
        return False
    parts = [link for link in value.chain if isinstance(link, Part)]
    return sum(p.start for p in parts) == layer


def resolve(signal: Signal) -> list[Step]:
    """The chain of an output: what was not known on the way is by now, or is refused. Scalar functions get names."""
    steps: list[Step] = []
    run: list[Link] = []

    def close() -> None:
        """Names the run of scalar steps, if one of them has no name."""
        if any(isinstance(link, Pointwise) for link in run):
            where = ", ".join(dict.fromkeys(link.where for link in run))
            # The least that must be one function: from the first nameless step to the last; around it, affine steps and
            # activations that have names stay themselves if they can.
            for start in range(len(run)):
                if all(not isinstance(link, Pointwise) for link in run[:start]):
                    for stop in range(len(run), start, -1):
                        if any(isinstance(link, Pointwise) for link in run[stop:]):
                            continue
                        if not any(isinstance(link, Pointwise) for link in run[start:stop]):
                            continue
                        found = recognise(composed(run[start:stop]), where)
                        if found is not None:
                            steps.extend([*run[:start], found, *run[stop:]])  # type: ignore[list-item]
                            run.clear()
                            return
            raise Refused(f"is a function of each value that this version does not know ({where})")
        steps.extend(run)  # type: ignore[arg-type]
        run.clear()

    for link in signal.chain:
        if is_scalar(link):
            run.append(link)
            continue
        close()
        if isinstance(link, Part):
            if link.whole.kind != FEATURE:
                raise Refused(
                    f"takes a part of an axis that holds {_PLURAL.get(link.whole.kind or '', 'nothing known')}"
                )
            taken = range(link.start, link.start + (link.axis.size if link.axis else 1))
            steps.append(Linear(np.eye(link.whole.size)[list(taken)], None, link.where))
        else:
            steps.append(link)  # type: ignore[arg-type]
    close()
    return steps
