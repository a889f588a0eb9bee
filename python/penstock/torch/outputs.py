"""What a graph's outputs are: which one is y, and that the states that go out are those that come in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from penstock.errors import Problem
from penstock.importing.axes import BATCH, FEATURE, TIME, Axis, Refused, Signal, States, resolve
from penstock.importing.chain import Linear, Lstm, Step
from penstock.importing.pointwise import Pointwise
from penstock.torch.capture import Captured
from penstock.torch.table import Unknown, Walk


@dataclass
class Found:
    """y: its value. at: its place among the outputs. x: the name of the input that it comes from. returned: for each
    state input, in order, the place of the output that is its next value; empty where they are not returned. begins:
    the names of the state inputs. chain: the steps from x to y. features: of x. roles: what each dimension of x holds,
    TIME, BATCH, FEATURE or None (of 1). steps: a call is one timestep."""

    y: Signal
    at: int
    x: str
    begins: tuple[str, ...] = ()
    returned: tuple[int, ...] = ()
    chain: tuple[Step, ...] = ()
    features: int = 0
    steps: bool = False
    roles: tuple[str | None, ...] = ()
    notes: list[str] = field(default_factory=list)


Held = list[tuple[str, Lstm]]  # what a tensor of states holds, row by row: "h" or "c", and of which layer


def _held_by_inputs(walk: Walk, layers: list[Lstm]) -> dict[str, Held]:
    """For every input and buffer that begins a state: its rows."""
    rows: dict[str, dict[int, tuple[str, Lstm]]] = {}
    for r in walk.recurrences:
        for kind, origin in (("h", r.h), ("c", r.c)):
            if origin is None or not any(r.layer is layer for layer in layers):
                continue
            if origin.index in rows.setdefault(origin.name, {}):
                raise Refused(f"{origin.name} begins the state of two LSTMs")
            rows[origin.name][origin.index] = (kind, r.layer)
    return {name: [held for _, held in sorted(of.items())] for name, of in rows.items()}


def _same(value: Any, wanted: Held, axes: tuple[Axis, ...]) -> bool:
    """Whether an output is the next value of a state input."""
    return (
        isinstance(value, States)
        and [(p.kind, p.layer) for p in value.parts] == wanted
        and value.shape == tuple(a.size for a in axes)
    )


def _one_output(given: list[tuple[int, str, Any]], states_in: int) -> tuple[int, Any] | Problem:
    """Which of the outputs is y: (place, value). given: place, label and value of those that depend on the input."""
    signals = [g for g in given if isinstance(g[2], Signal)]
    if len({id(g[2]) for g in signals}) > 1:
        labels = ", ".join(label for _, label, _ in signals)
        return Problem(
            labels, "several outputs that depend on the input; a stream gives one: export a module that does"
        )
    if signals:
        return signals[0][0], signals[0][2]
    if states_in and len(given) == states_in + 1:  # (y, (h, c)), y being an h itself
        return given[0][0], given[0][2]
    hidden = [g for g in given if all(p.kind == "h" for p in g[2].parts)]
    if len(hidden) == 1 and len(hidden[0][2].parts) == 1:
        return hidden[0][0], hidden[0][2]
    labels = ", ".join(label for _, label, _ in given)
    return Problem(labels or "output", "no output is y: only states are returned, h and c or those of several layers")


class Unnamed(Refused):
    """A scalar function that has no name in penstock.h. where: the operations that it is made of."""

    def __init__(self, where: str) -> None:
        super().__init__("is a function of each value that this version does not run")
        self.where = where


def _resolved(y: Signal) -> list[Step]:
    """resolve(y); where a function of each value has no name, the error says which."""
    try:
        return resolve(y)
    except Refused:
        for i, link in enumerate(y.chain):
            if isinstance(link, Pointwise):
                # Those before it and behind may be part of it; it is told by trying the chain up to each.
                try:
                    resolve(replace(y, chain=y.chain[: i + 1]))
                except Refused:
                    raise Unnamed(link.where) from None
        raise


def read(captured: Captured, walk: Walk, values: dict[Any, Any]) -> Found | None:
    """What the outputs are, or None; problems are added to the walk's."""
    problems, notes = walk.problems, []
    given: list[tuple[int, str, Any]] = []
    for place, (label, node) in enumerate(captured.outputs):
        value = values.get(node) if hasattr(node, "op") else node
        if isinstance(value, Signal | States):
            given.append((place, label, value))
        elif isinstance(value, Tensor):
            notes.append(f"{label} is constant and left out")
    unknown = any(isinstance(values.get(n), Unknown) for _, n in captured.outputs if hasattr(n, "op"))
    if unknown and problems:
        return None
    if not given:
        problems.append(Problem("output", "nothing that is returned depends on the input"))
        return None
    states_in = len({o.name for r in walk.recurrences for o in (r.h, r.c) if o and o.name in captured.inputs})
    chosen = _one_output(given, states_in)
    if isinstance(chosen, Problem):
        problems.append(chosen)
        return None
    at, y = chosen
    label = captured.outputs[at][0]
    try:
        # Where nothing but the states goes out, y is one of them: nn.LSTMCell's h.
        both = isinstance(y, States) and len(given) == states_in
        y = y.signal() if isinstance(y, States) else y
        found = Found(y, at, y.name, notes=notes)
        states = [(p, v) for p, _, v in given if isinstance(v, States) and (both or p != at)]
        _states(captured, walk, values, found, states)
        found.chain = tuple(_resolved(y))
        _input(captured, walk, found)
    except Unnamed as unnamed:
        problems.append(Problem(unnamed.where, unnamed.what))
        return None
    except Refused as refused:
        problems.append(Problem(label, refused.what))
        return None
    for name in captured.inputs:
        if name != found.x and name not in found.begins:
            notes.append(f"the input {name} has no part in y and is left out")
    if y.last:
        notes.append("output at every step: the source returns only the last one")
    return found


def _states(
    captured: Captured, walk: Walk, values: dict[Any, Any], found: Found, returned: list[tuple[int, States]]
) -> None:
    """Checks that what comes in as state goes out as the same state; leaves begins and returned."""
    layers = [link for link in found.y.chain if isinstance(link, Lstm)]
    held = _held_by_inputs(walk, layers)
    origins = {origin.name for r in walk.recurrences for origin in (r.h, r.c) if origin}
    if found.x in origins or found.x not in captured.inputs:
        raise Refused(f"comes from the state {found.x} before the step, not from an input and through an LSTM")
    for name, rows in held.items():
        if name in captured.states and not _same(values.get(captured.updates[name]), rows, walk.axes[name]):
            buffer = captured.titles[name]
            raise Refused(
                f"the buffer {buffer} begins an LSTM's state, but what is kept in it is not that LSTM's next state"
            )
    found.begins = tuple(name for name in captured.inputs if name in held)
    if not found.begins:
        if returned:
            found.notes.append("the states that the source returns are the stream's state")
        return
    found.notes.append("state inputs are the stream's state, which begins with zeros (or h0 and c0 of the stream)")
    if not returned:
        return
    places = [place for place, value in returned]
    if len(returned) != len(found.begins):
        raise Refused(f"{len(found.begins)} states come in and {len(returned)} go out")
    for name, (_, value) in zip(found.begins, returned, strict=True):
        if not _same(value, held[name], walk.axes[name]):
            raise Refused(
                f"the states do not go out as they come in: {name} is followed by another state, or by its shape"
            )
    found.returned = tuple(places)


def _input(captured: Captured, walk: Walk, found: Found) -> None:
    """What x is: how many features, and what its dimensions hold."""
    axes = walk.axes[found.x]
    limit = 2 if walk.steps else 3
    if not 1 <= len(axes) <= limit:
        accepted = "[n] or [1, n]" if walk.steps else "[T, n], [T, 1, n] or [1, T, n]"
        raise Refused(f"the input {found.x} is {[a.size for a in axes]}; {accepted} is accepted")
    if walk.steps:
        found.steps = True
        roles: list[str | None] = [*[BATCH] * (len(axes) - 1), FEATURE]
    else:
        roles = [a.kind for a in axes]
        if FEATURE not in roles:
            free = [d for d, kind in enumerate(roles) if kind is None]
            if not free:
                raise Refused(f"the input {found.x} has no dimension of features")
            roles[free[-1]] = FEATURE
        for d, kind in enumerate(roles):
            if kind is None:  # no LSTM has told: rows are alike, whichever of them time is
                roles[d] = TIME if TIME not in roles else BATCH if BATCH not in roles else None
                if roles[d] is not None and axes[d].kind is None:
                    axes[d].become(roles[d] or "", "no LSTM reads it")
        if TIME not in roles:
            inside = {id(r.layer) for r in walk.recurrences if r.h is None}
            if any(id(link) in inside for link in found.chain):
                raise Refused(
                    f"the input {found.x} has no dimension of time, and the LSTM begins from a constant state at every"
                    " call, so nothing goes from step to step"
                )
            found.steps = True
    if found.steps and found.begins and not found.returned:
        raise Refused("a call is one timestep, and its states come in but do not go out: return them")
        if roles.count(FEATURE) != 1 or roles.count(TIME) > 1:
            raise Refused(f"the input {found.x} is {roles}; time, batch and features are expected once each")
    found.roles = tuple(roles)
    sizes = [a.size for a, role in zip(axes, roles, strict=True) if role == FEATURE]
    found.features = next((s.inputs for s in found.chain if isinstance(s, Lstm | Linear)), sizes[0])
    if found.features != sizes[0]:
        raise Refused(f"the input {found.x} has {sizes[0]} features, and {found.features} are read")
