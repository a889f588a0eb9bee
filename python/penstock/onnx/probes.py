"""Both passes with probe sizes: what a file leaves open is the batch, which counts as 1, or the time, on which nothing
may depend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.errors import Problem, unsupported
from penstock.importing.axes import BATCH, TIME, Axis, Signal
from penstock.importing.chain import Step
from penstock.onnx import graph, matrix, moves, recurrent, scalars
from penstock.onnx.answer import Answer, chosen
from penstock.onnx.fold import Folder, Type
from penstock.onnx.source import Input, Source
from penstock.onnx.table import HANDLERS, Context, walk

assert HANDLERS and all((matrix, moves, recurrent, scalars))  # whose functions have registered themselves

# What an open dimension counts as: primes, so that arithmetic on them does not end at sizes that the file gives. Axes
# are not told by them. What differs between the first two rows depends on the number of timesteps; the last one is
# beyond
# any constant that could cut a sequence off.
_PROBES = (
    (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157),
    (211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271),
    (16_777_259, 16_777_289, 16_777_291, 16_777_331, 16_777_333, 16_777_337, 16_777_381),
)
Sizes = Mapping[tuple[str, int], int]  # of an input's open dimension
Ones = set[tuple[str, int]]  # the open dimensions that hold the batch


def _sizes(inputs: Sequence[Input], primes: Sequence[int], ones: Ones) -> dict[tuple[str, int], int]:
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


def _once(source: Source, sizes: Sizes, any_size: bool = False) -> tuple[Context, dict[str, Any]]:
    """Both passes: the context with the problems, and the values of the outputs. any_size: constants that the sizes
    make too large are no problem; what they would be is not looked at then."""
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
    context = Context(source.opset, folded.types, any_size)
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
        differs = [a.where for a, b in zip(answer.steps, other.steps, strict=False) if not _same(a, b)]
        if differs or len(answer.steps) != len(other.steps):
            what = "gives numbers that depend on how many timesteps there are"
            raise unsupported(source.file.name, [Problem(differs[0] if differs else "the graph", what)])
        beyond, _ = _once(source, _sizes(source.inputs, _PROBES[2], ones), any_size=True)
        for item, first in axes:
            item.axes = first
        if beyond.problems:
            raise unsupported(source.file.name, beyond.problems)
    return answer


def _batch(source: Source) -> Ones:
    """The open dimensions that hold the batch, and all of their names."""
    ones: Ones = set()
    while any((i.name, d) not in ones for i in source.inputs for d in i.open):
        _once(source, _sizes(source.inputs, _PROBES[0], ones))
        batch = {(i.name, d) for i in source.inputs for d in i.open if i.axes[d].kind == BATCH} - ones
        if not batch:
            break
        ones |= batch  # a second one may show only behind the first
        names = {i.open[d] for i in source.inputs for d in i.open if (i.name, d) in ones} - {""}
        named = [(i, d) for i in source.inputs for d, name in i.open.items() if name in names]
        ones |= {(i.name, d) for i, d in named if i.axes[d].kind in (BATCH, None)}
    return ones


def _fixed(source: Source, asked: Sequence[int], ones: Ones) -> None:
    """A file may leave the time open and then fix it by a Reshape to constants (asked), as PyTorch's default
    exporter does of time-first modules: then its input gets the number of timesteps that suits them all."""
    times = [(i, d) for i in source.inputs for d in i.open if i.axes[d].kind == TIME]
    if len(times) != 1:
        return
    ((item, dim),) = times
    sizes = _sizes(source.inputs, _PROBES[0], ones)
    for steps in list(dict.fromkeys(asked))[:8]:
        if not _once(source, {**sizes, (item.name, dim): steps})[0].asked:
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
