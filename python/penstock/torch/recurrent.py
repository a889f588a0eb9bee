"""LSTMs and their cells: their weights, where their state comes from, and what axes they tell of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from penstock.errors import Problem
from penstock.importing.axes import (
    BATCH,
    FEATURE,
    LAYER,
    TIME,
    Axis,
    Part,
    Refused,
    Signal,
    State,
    States,
    initial,
)
from penstock.importing.chain import Lstm
from penstock.torch.table import Call, Origin, Recurrence, constant, entry

RECURRENT = ("lstm", "lstm_cell", "gru", "gru_cell", "rnn_tanh", "rnn_relu", "rnn_tanh_cell", "rnn_relu_cell")
Start = NDArray[np.float64] | Origin | None


def _weights(values: Any) -> list[NDArray[np.float64]]:
    made = [constant(v) for v in values]
    found = [m for m in made if m is not None]
    if len(found) != len(made):
        raise Refused("takes its weights from the input")
    return found


def _layer(weights: list[NDArray[np.float64]], where: str) -> Lstm:
    """Of two matrices and perhaps two biases."""
    ih, hh, *biases = weights
    return Lstm(ih, hh, biases[0] if biases else None, biases[1] if biases else None, where=where)


def _origins(call: Call, value: Signal, layers: int, units: int, batch: int) -> list[Origin]:
    """Which layers of which input or buffer a state [layers, batch, units] is."""
    own = call.walk.axes[value.name]
    parts = [link for link in value.chain if isinstance(link, Part)]
    moved = len(parts) == len(value.chain)
    kept = {a for group in value.dims for a in group}
    counted = value.dims[0][0] if value.dims[0] else None
    roots = {parts[0].whole} if parts else set()
    for part in parts:  # each a part of the one before, of the same axis
        moved = moved and (part.whole in roots)
        if part.axis is not None:
            roots.add(part.axis)
    if parts:
        moved = moved and parts[0].whole in own[:-1] and (counted is None or counted in roots)
    hidden = tuple(a for a in value.dims[-1] if a.size != 1)
    whole = hidden == tuple(a for a in own[-1:] if a.size != 1) and not roots & set(own[-1:])
    if not moved or not whole or value.shape != (layers, batch, units) or (roots & kept) - {counted}:
        raise Refused("begins from a state that is computed from the input; it may come from an input as it is")
    first = sum(part.start for part in parts)
    return [Origin(value.name, first + i) for i in range(layers)]


def _starts(call: Call, which: str, value: Any, node: Any, layers: int, units: int, batch: int) -> list[Start]:
    """What each layer's h or c begins with."""
    if isinstance(value, Tensor):
        array = np.asarray(value.double().numpy(), np.float64).reshape(layers, -1, units)
        rows = [initial(array[i], units, f"state {which}") for i in range(layers)]
        return [row if np.any(row) else None for row in rows]
    if isinstance(value, States):
        raise Refused("begins from the state that another call left, as an encoder hands it to a decoder")
    if not isinstance(value, Signal):
        raise Refused("begins from a state that was refused before")
    return list(_origins(call, value, layers, units, batch))


def _begun(call: Call, layer: Lstm, h: Start, c: Start, nodes: tuple[Any, Any], index: int) -> Lstm:
    """The layer with its constant initial state, and noted where that comes from outside."""
    if isinstance(h, Origin) != isinstance(c, Origin):
        raise Refused("takes one of h and c from outside, and not the other")
    values: list[NDArray[np.float64] | None] = []
    for start, node in zip((h, c), nodes, strict=True):
        if not isinstance(start, Origin):
            values.append(start)
        elif start.name in call.walk.buffers:
            tensor = call.walk.concrete(node).double()
            array = np.asarray(tensor.numpy()).reshape(-1, *tensor.shape[-2:])[index]
            row = initial(array, layer.outputs, "state in a buffer")
            values.append(row if np.any(row) else None)
        else:
            values.append(None)
    layer = replace(layer, h0=values[0], c0=values[1])
    origins = (start if isinstance(start, Origin) else None for start in (h, c))
    call.walk.recurrences.append(Recurrence(layer, *origins))
    return layer


@entry("lstm")
def lstm(call: Call) -> Any:
    if "batch_sizes" in call.arguments:
        raise Refused("reads a PackedSequence, of several lengths; a stream takes one sequence, give a tensor")
    if call["bidirectional"]:
        raise Refused("is bidirectional: its backward direction reads the whole sequence first, which no stream can")
    weights, count = _weights(call["params"]), call["num_layers"]
    each = 4 if call["has_biases"] else 2
    if len(weights) != each * count:
        raise Refused("has a projection (proj_size), which this version does not run")
    if call["train"] and call["dropout"] > 0 and count > 1:
        what = "drops values at random (an LSTM's dropout in training mode)"
        call.walk.problems.append(Problem(call.where, what))  # and what follows is looked at
    x = call.signal("input")
    time, batch = (1, 0) if call["batch_first"] else (0, 1)
    dims = (BATCH, TIME, FEATURE) if call["batch_first"] else (TIME, BATCH, FEATURE)
    rows = x.shape[batch]
    groups = x.sequence(time, batch)
    units = weights[1].shape[1]
    nodes = tuple(call.nodes["hx"])
    starts = [_starts(call, n, v, node, count, units, rows) for n, v, node in zip("hc", call["hx"], nodes, strict=True)]
    left: dict[str, list[State]] = {"h": [], "c": []}
    for i in range(count):
        where = f"{call.where}, layer {i}" if count > 1 else call.where
        layer = _layer(weights[each * i : each * (i + 1)], where)
        layer = _begun(call, layer, starts[0][i], starts[1][i], (nodes[0], nodes[1]), i)
        x = x.lstm(layer, dims, *groups)
        for kind, states in left.items():
            states.append(State(kind, layer, x))
    h, c = (States.of(left[kind], groups[1], (LAYER, BATCH, FEATURE)) for kind in "hc")
    return x, h, c


@entry("lstm_cell")
def lstm_cell(call: Call) -> Any:
    """One timestep: input and states are [batch, features]."""
    x = call.signal("input")
    rows = x.shape[0]
    _, batch = x.sequence(None, 0)
    names = [n for n in ("w_ih", "w_hh", "b_ih", "b_hh") if call.arguments.get(n) is not None]
    layer = _layer(_weights([call[n] for n in names]), call.where)
    starts = []
    nodes = tuple(call.nodes["hx"])
    for kind, value, node in zip("hc", call["hx"], nodes, strict=True):
        if isinstance(value, Tensor):
            raise Refused(
                "is an LSTMCell that begins from a constant state at every call, so nothing goes from step to step:"
                " export the step form, forward(x, (h, c)) -> (y, (h, c))"
            )
        value = value.unsqueeze([0]) if isinstance(value, Signal) else value
        starts += _starts(call, kind, value, node, 1, layer.outputs, rows)
    layer = _begun(call, layer, starts[0], starts[1], (nodes[0], nodes[1]), 0)
    call.walk.steps = True
    y = x.lstm(layer, (BATCH, FEATURE), (), batch)
    return tuple(States.of([State(kind, layer, y)], batch, (BATCH, FEATURE), step=True) for kind in "hc")


def loops(nodes: tuple[Any, ...]) -> dict[Any, list[Any]]:
    """The calls of one recurrent module, two or more, of which one begins from the state that another left: by the last
    of them. Told by the weights, as the exporter has unrolled the loop."""

    def name(node: Any) -> str:
        schema = getattr(node.target, "_schema", None)
        return "" if schema is None else str(schema.name).removeprefix("aten::")

    above: dict[Any, frozenset[Any]] = {}
    calls: dict[Any, list[Any]] = {}
    found: dict[Any, list[Any]] = {}
    for node in nodes:
        before = [above[n] for n in node.all_input_nodes]
        above[node] = frozenset().union(*before)
        if node.op == "call_function" and name(node) in RECURRENT:
            params = node.args[2] if len(node.args) > 2 else None
            key = params[0] if isinstance(params, list | tuple) else params
            states = node.args[1] if isinstance(node.args[1], list | tuple) else [node.args[1]]
            before = [above.get(s, frozenset()) for s in states]
            calls.setdefault(key, []).append(node)
            if any(other in b for other in calls[key] for b in before):
                found[key] = calls[key]
            above[node] = above[node] | {node}
    return {same[-1]: same for same in found.values()}


def axes_of(shape: Any, kinds: tuple[str | None, ...] | None = None) -> tuple[Axis, ...]:
    return tuple(Axis(int(s), kind) for s, kind in zip(shape, kinds or [None] * len(shape), strict=True))
