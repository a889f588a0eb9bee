"""The LSTM node: everything that it can say is honoured or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.importing import axes
from penstock.importing.axes import BATCH, FEATURE, LAYER, TIME, Group, Part, Refused, Signal, State, States
from penstock.importing.chain import Lstm
from penstock.onnx.graph import Node
from penstock.onnx.table import Array, Context, Fed, Unknown, given, op, signal

_PARTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
# Of layout 0 and 1: X; Y; Y_h and Y_c. None is the number of directions, 1.
_X = ((TIME, BATCH, FEATURE), (BATCH, TIME, FEATURE))
_Y = ((TIME, None, BATCH, FEATURE), (BATCH, TIME, None, FEATURE))
_STATE = ((LAYER, BATCH, FEATURE), (BATCH, LAYER, FEATURE))


def _ifgo(value: Array) -> Array:
    """ONNX's order of gates, i, o, f, c, into PyTorch's."""
    i, o, f, c = np.split(np.asarray(value, np.float64), 4)
    return np.concatenate([i, f, c, o])


def _attributes(item: Node, args: list[Any]) -> list[str]:
    """What the node's settings ask for that is not run."""
    said = []
    direction = item.attribute("direction", "forward")
    if direction != "forward":
        said.append(
            {
                "reverse": "runs in reverse: it needs the last timestep first",
                "bidirectional": "is bidirectional: half of it needs the last timestep first",
            }.get(direction, f"has direction {direction!r}")
        )
    count = 2 if direction == "bidirectional" else 1
    functions = item.attribute("activations", ["Sigmoid", "Tanh", "Tanh"] * count)
    if [f.lower() for f in functions] != ["sigmoid", "tanh", "tanh"] * count:
        said.append(f"has activations {functions}; only Sigmoid, Tanh, Tanh are run")
    for name in ("activation_alpha", "activation_beta"):
        if item.attribute(name):
            said.append(f"has {name}")
    if "clip" in item.attributes:
        said.append(f"has clip {item.attribute('clip'):g}")
    if item.attribute("input_forget", 0):
        said.append("has input_forget set: it couples the input and forget gates")
    if item.attribute("layout", 0) not in (0, 1):
        said.append(f"has layout {item.attribute('layout')}")
    peepholes = given(args, 7)
    if peepholes is not None and (not isinstance(peepholes, np.ndarray) or np.any(peepholes)):
        said.append("has peepholes (P)")
    unknown = set(item.attributes) - {
        *("activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget"),
        "layout",
    }
    return said + [f"has an attribute {name!r}" for name in sorted(unknown)]


def _weights(item: Node, args: list[Any]) -> tuple[Array, Array, Array | None]:
    """W [4H, n], R [4H, H], B [8H] of the one direction, shapes checked."""
    found: list[Array | None] = []
    for index in (1, 2, 3):
        value = given(args, index)
        if value is None and index == 3:
            found.append(None)
            continue
        if not isinstance(value, np.ndarray):
            raise Refused(f"has {_PARTS[index]} that depends on an input of the graph; `constants` can give its value")
        found.append(value)
    w, r, b = found
    assert w is not None and r is not None
    hidden = item.attribute("hidden_size", r.shape[-1] if r.ndim else 0)
    if r.shape != (1, 4 * hidden, hidden) or hidden < 1:
        raise Refused(f"has R of shape {list(r.shape)} for hidden_size {hidden}, expected {[1, 4 * hidden, hidden]}")
    if w.ndim != 3 or w.shape[:2] != (1, 4 * hidden):
        raise Refused(f"has W of shape {list(w.shape)} for hidden_size {hidden}, expected [1, {4 * hidden}, inputs]")
    if b is not None and b.shape != (1, 8 * hidden):
        raise Refused(f"has B of shape {list(b.shape)} for hidden_size {hidden}, expected {[1, 8 * hidden]}")
    return w[0], r[0], None if b is None else b[0]


def _state_input(value: Signal, dims: tuple[str, ...]) -> int:
    """Which layer of a graph's input an initial state is; its axes get their kinds."""
    parts = [link for link in value.chain if isinstance(link, Part)]
    if len(parts) != len(value.chain) or value.last:
        raise Refused("has an initial state that is computed from an input of the graph")
    for group, kind in zip(value.dims, dims, strict=True):
        for axis in group:
            if axis.size > 1 or kind == BATCH:
                axis.become(kind, "an LSTM reads it as its state")
    for part in parts:
        part.whole.become(LAYER, "an LSTM reads a part of it as its state")
    return sum(part.start for part in parts)


@op("LSTM")
def lstm(context: Context, item: Node, args: list[Any]) -> Any:
    for what in _attributes(item, args):
        context.problem(item, what)
    layout = item.attribute("layout", 0)
    known = item.attribute("direction", "forward") == "forward" and layout in (0, 1)
    if not known or any(isinstance(a, Unknown) for a in args):
        return [Unknown()] * 3
    w, r, b = _weights(item, args)
    hidden, inputs = r.shape[1], w.shape[1]
    if not isinstance(args[0], axes.Tracked):
        raise Refused("reads a constant as X")
    x = signal(args[0])
    if x.rank != 3:
        raise Refused(f"reads X of shape {list(x.shape)}, expected 3 dimensions")
    time, batch = x.sequence(_X[layout].index(TIME), _X[layout].index(BATCH))
    if x.shape[2] != inputs:
        raise Refused(f"has W for {inputs} features, and X has {x.shape[2]}")
    _lengths(given(args, 4), x.shape[_X[layout].index(TIME)])

    states: dict[str, Array | None] = {"h": None, "c": None}
    inputs_of: list[tuple[str, Signal, int]] = []
    rows = x.shape[_X[layout].index(BATCH)]
    for kind, index in (("h", 5), ("c", 6)):
        value = given(args, index)
        sizes = {LAYER: 1, BATCH: rows, FEATURE: hidden}
        expected = [sizes[d] for d in _STATE[layout]]
        if value is not None and list(value.shape) != expected:
            raise Refused(f"has {_PARTS[index]} of shape {list(value.shape)}, expected {expected}")
        if isinstance(value, States):
            raise Refused("starts from the state of another LSTM")
        if isinstance(value, Signal):
            inputs_of.append((kind, value, _state_input(value, _STATE[layout])))
        elif value is not None:
            given_state = axes.initial(value, hidden, kind)
            states[kind] = given_state if np.any(given_state) else None
    bias_ih, bias_hh = (None, None) if b is None else (_ifgo(b[: 4 * hidden]), _ifgo(b[4 * hidden :]))
    layer = Lstm(_ifgo(w), _ifgo(r), bias_ih, bias_hh, states["h"], states["c"], item.where)
    for kind, value, index in inputs_of:
        context.fed.append(Fed(layer, kind, value.name, index, item.where))
    return _outputs(x, layer, layout, time, batch)


lstm.sees_unknown = True  # type: ignore[attr-defined]  # its attributes are looked at whatever it reads


def _lengths(value: Any, steps: int) -> None:
    """sequence_lens may only say what X's shape says, too."""
    if value is None:
        return
    if not isinstance(value, np.ndarray):
        raise Refused("has sequence_lens that depends on an input of the graph")
    if np.any(value != steps):
        raise Refused(f"has sequence_lens {value.reshape(-1).tolist()}, other than the full {steps} timesteps")


def _outputs(x: Signal, layer: Lstm, layout: int, time: Group, batch: Group) -> list[Any]:
    y = x.lstm(layer, _Y[layout], time, batch)
    return [y, *(States.of([State(kind, layer, y)], batch, _STATE[layout]) for kind in ("h", "c"))]
