"""What the outputs of a graph are: the one signal that a stream gives, and states, which leave the signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock.errors import Problem, unsupported
from penstock.importing.axes import BATCH, FEATURE, TIME, Part, Refused, Signal, States, resolve
from penstock.importing.chain import Affine, Linear, Lstm, Step
from penstock.onnx.file import HALVES, type_name
from penstock.onnx.source import Input, Source
from penstock.onnx.table import Context, Fed

# A diagonal or selecting matrix of this many features at most: a small file could ask for gigabytes.
_WIDEST = 8192


@dataclass(frozen=True)
class Answer:
    """output: its name. signal: its value, whose axes are those of `input`. steps: the chain. width: features of x.
    fed: the layers whose state is an input."""

    output: str
    signal: Signal
    input: Input
    steps: list[Step]
    width: int
    fed: list[Fed]
    notes: list[str]
    rounded: frozenset[int]  # element types below float32 that the file computes in

    @property
    def readout(self) -> Literal["all", "last"]:
        return "last" if self.signal.last else "all"


def chosen(source: Source, context: Context, outputs: Mapping[str, Any]) -> Answer:
    """Raises UnsupportedError with the context's problems and those of the outputs."""
    file = source.file.name
    if context.problems:
        if not any(n.op == "LSTM" for n in source.nodes):
            what = "has no LSTM node; a cell that is written out gate by gate is not put together again"
            context.problems.insert(0, Problem("the graph", what))
        raise unsupported(file, context.problems)
    problems: list[Problem] = []
    name, signal = _main(outputs, problems)
    if problems or signal is None:
        raise unsupported(file, problems)
    inputs = {i.name: i for i in source.inputs}
    main = inputs[signal.name]
    wide = [p for p in signal.chain if isinstance(p, Part) and p.whole.size > _WIDEST]
    if wide:
        raise unsupported(file, [Problem(p.where, f"takes a part of {p.whole.size} features") for p in wide])
    try:
        steps = resolve(signal)
    except Refused as refused:
        raise unsupported(file, [Problem(f"output {name!r}", refused.what)]) from None
    layers = [s for s in steps if isinstance(s, Lstm)]
    if not layers:
        what = "does not come from an LSTM node, so that nothing tells which axis is time"
        raise unsupported(file, [Problem(f"output {name!r}", what)])
    width = _width(main, problems)
    problems += _too_wide(steps, width)
    fed = [f for f in context.fed if any(f.layer is layer for layer in layers)]
    notes = list(source.notes)
    problems += _taken(fed, main, notes)
    for other, value in outputs.items():
        if isinstance(value, States) and other != name:
            problems += _given_back(other, value, fed, layers, notes)
    if problems:
        raise unsupported(file, problems)
    if signal.last:
        notes.append("output at every step: the source returns only the last one")
    rows = [a.size for a in main.axes if a.kind == BATCH and a.size > 1]
    if rows:
        notes.append(f"the batch of {rows[0]} is dropped: each row is a stream")
    unused = (set(inputs) | set(source.idle)) - {main.name} - {f.name for f in fed}
    notes += [f"input {n!r} is not needed for output {name!r}" for n in sorted(unused)]
    rounded = frozenset(context.rounded | ({main.elem} & set(HALVES)))
    notes += [f"the file rounds to {type_name(kind)}; the model does not" for kind in sorted(rounded)]
    return Answer(name, signal, main, steps, width, fed, notes, rounded)


def _main(outputs: Mapping[str, Any], problems: list[Problem]) -> tuple[str, Signal | None]:
    """The output that a stream gives: the one that is no state, or else the one h."""
    for name, value in outputs.items():
        if not isinstance(value, Signal | States):
            problems.append(Problem(f"output {name!r}", "does not depend on an input"))
    signals = {n: v for n, v in outputs.items() if isinstance(v, Signal)}
    if signals:
        name, first = next(iter(signals.items()))
        for other, value in signals.items():
            if value.chain != first.chain or value.last != first.last:
                problems.append(Problem(f"output {other!r}", f"is a second one beside {name!r}; a stream gives one"))
        return name, first
    states = {n: v for n, v in outputs.items() if isinstance(v, States) and v.parts[0].kind == "h"}
    if len(states) != 1:
        names = ", ".join(map(repr, outputs))
        problems.append(Problem(f"outputs {names}", "are states of several layers, or cell states; none is an answer"))
        return "", None
    name, value = next(iter(states.items()))
    try:
        return name, value.signal()
    except Refused as refused:
        problems.append(Problem(f"output {name!r}", refused.what))
        return name, None


def _width(main: Input, problems: list[Problem]) -> int:
    """Features of x."""
    where = f"input {main.name!r}"
    for dim, axis in enumerate(main.axes):
        if axis.size > 1 and axis.kind not in (TIME, BATCH, FEATURE):
            problems.append(Problem(where, f"nothing tells what its dimension {dim} of {axis.size} holds"))
    for kind, word in ((FEATURE, "features"), (TIME, "timesteps")):
        if sum(axis.kind == kind and axis.size > 1 for axis in main.axes) > 1:
            problems.append(Problem(where, f"has more than one dimension of {word}"))
    return next((axis.size for axis in main.axes if axis.kind == FEATURE and axis.size > 1), 1)


def _too_wide(steps: list[Step], width: int) -> list[Problem]:
    """Steps that would take a diagonal matrix of their own: those with no matrix beside them."""
    found = []
    for at, step in enumerate(steps):
        if isinstance(step, Lstm | Linear):
            width = step.outputs
            continue
        before = next((s for s in steps[:at][::-1] if not isinstance(s, Affine)), None)
        behind = next((s for s in steps[at + 1 :] if not isinstance(s, Affine)), None)
        beside = isinstance(before, Linear) or isinstance(behind, Linear | Lstm)
        if width > _WIDEST and (isinstance(step, Affine) and not beside or before is None):
            found.append(Problem(step.where, f"stands alone over {width} features"))
    return found


def _taken(fed: list[Fed], main: Input, notes: list[str]) -> list[Problem]:
    """What is wrong with states that are inputs."""
    found = []
    taken: dict[tuple[str, int], Fed] = {}
    kinds: dict[str, str] = {}
    for item in fed:
        where = f"input {item.name!r}"
        if item.name == main.name:
            found.append(Problem(where, f"is both a signal and an initial state ({item.where})"))
        if taken.setdefault((item.name, item.index), item) is not item:
            found.append(Problem(where, f"is the initial state of two layers or of h and c ({item.where})"))
        if kinds.setdefault(item.name, item.kind) != item.kind:
            found.append(Problem(where, f"is an initial h and an initial c ({item.where})"))
    if kinds and not found:
        named = " and ".join(map(repr, kinds))
        notes.append(f"{named} {'are' if len(kinds) > 1 else 'is'} the stream's state, no input")
    return found


def _given_back(name: str, value: States, fed: list[Fed], layers: list[Lstm], notes: list[str]) -> list[Problem]:
    """What is wrong with an output of states: it must give each back where an input takes it."""
    where = f"output {name!r}"
    if not all(any(part.layer is layer for layer in layers) for part in value.parts):
        return [Problem(where, "is the state of an LSTM that the other output does not depend on")]
    takers = [next((f for f in fed if f.layer is p.layer and f.kind == p.kind), None) for p in value.parts]
    named = {f.name for f in takers if f}
    if named and (len(named) > 1 or [f.index if f else -1 for f in takers] != list(range(len(takers)))):
        return [Problem(where, f"gives states back in another order than {sorted(named)[0]!r} takes them")]
    notes.append(f"{name!r} is the stream's state, no output")
    return []
