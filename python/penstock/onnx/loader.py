"""From a file to a model: both passes with probe sizes, then what the outputs are, states, verification."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ArgumentError, Problem, ShapeError, unsupported
from penstock.importing import build
from penstock.importing.axes import BATCH, TIME, Axis, Signal
from penstock.importing.chain import Lstm, Step
from penstock.model import Model
from penstock.onnx import graph, matrix, moves, recurrent, scalars
from penstock.onnx.answer import Answer, chosen
from penstock.onnx.file import File
from penstock.onnx.fold import Folder, Type
from penstock.onnx.runtime import check
from penstock.onnx.source import Input, Source, read
from penstock.onnx.table import HANDLERS, Context, walk

Kind = Literal["h", "c"]
assert HANDLERS and all((matrix, moves, recurrent, scalars))  # whose functions have registered themselves

# What a dimension that the file leaves open counts as: primes, so that arithmetic on them does not end at sizes that
# the file gives. Axes are not told by them. What differs between the two rows depends on the number of timesteps.
_PROBES = (
    (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157),
    (211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271),
)
Sizes = Mapping[tuple[str, int], int]  # of an input's open dimension


def load(path: str | os.PathLike[str], constants: Mapping[str, Any], h0: Any, c0: Any, *, verify: bool) -> Model:
    """penstock.onnx.load, the package onnx being there."""
    source = read(File(path), constants)
    answer = tracked(source)
    name = source.file.name

    def made(steps: Sequence[Step], notes: Sequence[str]) -> Model:
        return build.model(steps, answer.width, source=name, readout=answer.readout, notes=notes)

    steps = _with_states(name, answer, h0, c0)
    notes = answer.notes
    if verify:
        # With states that are inputs at random values: zeros would not show whether each went to its layer.
        random = np.random.default_rng(1)
        units = {k: random.uniform(-1, 1, sum(s.outputs for s in _fed(answer, k))) for k in ("h", "c")}
        filled = _with_states(name, answer, *(v if v.size else None for v in units.values()))
        notes = [*notes, check(source, made(filled, notes), answer, filled)]
    return made(steps, notes)


# ---- both passes -----------------------------------------------------------------------------------------------------


def _sizes(inputs: Sequence[Input], primes: Sequence[int], ones: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """One for each open dimension; those of one name have one size. ones: the dimensions that hold the batch."""
    fixed = {s for i in inputs for s in i.shape}
    free = [p for p in primes if p not in fixed]
    by_name: dict[str, int] = {}
    sizes = {}
    for item in inputs:
        for dim, name in item.open.items():
            prime = by_name.setdefault(name or f"{item.name}[{dim}]", free[len(by_name) % len(free)])
            sizes[item.name, dim] = 1 if (item.name, dim) in ones else prime
    return sizes


def _once(source: Source, sizes: Sizes) -> tuple[Context, dict[str, Any]]:
    """Both passes: the context with the problems, and the values of the outputs."""
    limit = max(1 << 20, 2 * source.file.bytes)
    types = {i.name: Type(i.elem, i.sized(sizes)) for i in source.inputs}
    folded = Folder(source.file, source.opset, limit).run(source.nodes, source.constants, types)
    outputs = {}
    for info in source.model.graph.output:
        name = folded.names.get(info.name, info.name)
        if not folded.known(name):
            raise source.file.corrupt(f"output {info.name!r} is made by nothing", info.name)
        outputs[info.name] = name
    signals = {}
    for item in source.inputs:
        item.axes = tuple(Axis(s) for s in item.sized(sizes))
        signals[item.name] = Signal(tuple((a,) for a in item.axes), (), item.name)
    context = Context(source.opset, folded.types)
    values = walk(context, folded, signals, graph.needed(folded.nodes, outputs.values()))
    return context, {name: values[inner] for name, inner in outputs.items()}


def tracked(source: Source) -> Answer:
    """The passes with a batch of 1 wherever it is open, and once more with another time, where that is open."""
    ones = _batch(source)
    context, outputs = _once(source, _sizes(source.inputs, _PROBES[0], ones))
    if context.problems and context.asked:
        _fixed(source, context.asked, ones)
        context, outputs = _once(source, _sizes(source.inputs, _PROBES[0], ones))
    for item in source.inputs:
        for dim in item.open:
            if item.axes[dim].kind not in (TIME, BATCH, None):
                what = f"leaves the size of dimension {dim} open, which holds {item.axes[dim].kind}s"
                context.problems.insert(0, Problem(f"input {item.name!r}", what))
    answer = chosen(source, context, outputs)
    sizes = _sizes(source.inputs, _PROBES[1], ones)
    if any(size != 1 for size in sizes.values()):
        axes = [(item, item.axes) for item in source.inputs]
        other = chosen(source, *_once(source, sizes))
        for item, first in axes:
            item.axes = first
        differs = [a.where for a, b in zip(answer.steps, other.steps, strict=False) if not _same(a, b)]
        if differs or len(answer.steps) != len(other.steps):
            what = "gives numbers that depend on how many timesteps there are"
            raise unsupported(source.file.name, [Problem(differs[0] if differs else "the graph", what)])
    return answer


def _batch(source: Source) -> set[tuple[str, int]]:
    """The open dimensions that hold the batch, and all of their names."""
    ones: set[tuple[str, int]] = set()
    while any((i.name, d) not in ones for i in source.inputs for d in i.open):
        _once(source, _sizes(source.inputs, _PROBES[0], ones))
        batch = {(i.name, d) for i in source.inputs for d in i.open if i.axes[d].kind == BATCH} - ones
        if not batch:
            break
        ones |= batch  # a second one may show only behind the first
        names = {i.open[d] for i in source.inputs for d in i.open if (i.name, d) in ones} - {""}
        ones |= {(i.name, d) for i in source.inputs for d, name in i.open.items() if name in names}
    return ones


def _fixed(source: Source, asked: Sequence[int], ones: set[tuple[str, int]]) -> None:
    """A file may leave the time open and then fix it by a Reshape to constants (asked), as PyTorch's default
    exporter does of time-first modules: then its input gets the number of timesteps with which all is well."""
    times = [(i, d) for i in source.inputs for d in i.open if i.axes[d].kind == TIME]
    if len(times) != 1:
        return
    ((item, dim),) = times
    sizes = _sizes(source.inputs, _PROBES[0], ones)
    for steps in list(dict.fromkeys(asked))[:8]:
        if not _once(source, {**sizes, (item.name, dim): steps})[0].problems:
            item.shape = item.sized({(item.name, dim): steps})
            del item.open[dim]
            source.notes.append(f"the file leaves the number of timesteps open, but only runs {steps}")
            return


def _same(a: Step, b: Step) -> bool:
    """Whether two steps are of one kind and hold the same numbers."""
    mine, its = vars(a), vars(b)
    return type(a) is type(b) and all(
        np.array_equal(np.asarray(mine[name]), np.asarray(its[name])) for name in mine if name != "where"
    )


# ---- states ----------------------------------------------------------------------------------------------------------


def _fed(answer: Answer, kind: str) -> list[Lstm]:
    """The layers whose initial h or c is an input, in the data's order."""
    fed = {id(f.layer) for f in answer.fed if f.kind == kind}
    return [s for s in answer.steps if isinstance(s, Lstm) and id(s) in fed]


def _with_states(source: str, answer: Answer, h0: Any, c0: Any) -> list[Step]:
    """The steps with the values of h0 and c0 as the initial state of the layers that take theirs from inputs."""
    values: dict[int, dict[str, NDArray[np.float64]]] = {}
    for name, kind, state in (("h0", "h", h0), ("c0", "c", c0)):
        if state is None:
            continue
        layers = _fed(answer, kind)
        if not layers:
            raise ArgumentError(f"{name}: no input of {source} is an initial {kind}", item=name)
        try:
            array = np.asarray(state, np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{name}: expected numbers, {error}", item=name) from error
        units = sum(layer.outputs for layer in layers)
        if array.size != units:
            message = f"{name}: expected {units} values, the units of {len(layers)} layers, found {array.size}"
            raise ShapeError(message, item=name, expected=units, found=array.size)
        ends = np.cumsum([layer.outputs for layer in layers])[:-1]
        for layer, part in zip(layers, np.split(array, ends), strict=True):
            values.setdefault(id(layer), {})[name] = part
    made: list[Step] = []
    for step in answer.steps:
        own = values.get(id(step), {})
        if isinstance(step, Lstm):
            step = replace(step, h0=own.get("h0", step.h0), c0=own.get("c0", step.c0))
        made.append(step)
    return made
