"""Keras' layers with matrices: LSTM, RNN of LSTMCells, Dense, TimeDistributed. Keras keeps a matrix as [inputs,
outputs] and the gates in the order i, f, c, o, which is PyTorch's i, f, g, o: weights are transposed, nothing else."""

from __future__ import annotations

import numpy as np

from penstock.importing.chain import Array, Linear, Lstm, Step
from penstock.importing.jsonfile import Fields, shown
from penstock.keras import scalar
from penstock.keras.graph import Layer, foreign, snake
from penstock.keras.plan import Build, Plan, alternatives
from penstock.keras.store import Stored

_CELL = ("kernel", "recurrent_kernel", "bias")


def _transposed(array: Array) -> Array:
    return np.ascontiguousarray(array.T)


class _Cell:
    """One LSTM cell's settings: of an LSTM layer, or of an LSTMCell."""

    def __init__(self, plan: Plan, fields: Fields) -> None:
        self.where = fields.where
        self.units = fields.whole("units")
        biased = fields.flag("use_bias")
        self.names = _CELL if biased else _CELL[:2]
        fields.get("activation")
        fields.get("recurrent_activation")
        alternatives(fields, "activation", ("tanh",), "is not run; an LSTM's activation is tanh", plan)
        alternatives(
            fields, "recurrent_activation", ("sigmoid",), "is not run; an LSTM's recurrent_activation is sigmoid", plan
        )
        self.bfloat16 = plan.policy(fields)
        # unit_forget_bias is in the bias already, dropout acts in training, and the last two are how it is computed
        fields.ignore("unit_forget_bias", "dropout", "recurrent_dropout", "seed", "implementation", "use_cudnn")

    def add(self, build: Build, stored: list[Stored]) -> None:
        kernel = stored[0].read(build.width, 4 * self.units)
        build.reads(kernel.shape[0], self.where)
        recurrent = stored[1].read(self.units, 4 * self.units)
        bias = stored[2].read(4 * self.units) if len(stored) > 2 else None
        build.chain.append(Lstm(_transposed(kernel), _transposed(recurrent), bias, where=self.where))
        build.width = self.units


def _sequence(plan: Plan, layer: Layer) -> None:
    """The settings that every recurrent layer has."""
    fields = layer.config
    if plan.rank != 3:
        plan.problem(fields.where, "reads a sequence, but a layer before it returns only its last step")
    if not fields.flag("return_sequences"):
        plan.rank = 2
        plan.readout = "last"
    alternatives(fields, "go_backwards", (False,), "reads the sequence from its end", plan)
    alternatives(fields, "time_major", (False,), "is not run: the time axis must be the second", plan)
    if fields.flag("stateful", False):
        plan.notes.append(f"{fields.where}: stateful: a stream keeps its state between steps, until it is reset")
    # In a Functional model, its other outputs are refused where they are used.
    if fields.flag("return_state", False) and not layer.inbound:
        plan.problem(fields.where, "return_state=True: gives its state out; only output 0, y, is run")
    # zero_output_for_mask acts on masks, which are refused where they come from
    fields.ignore("unroll", "zero_output_for_mask", "input_length")
    plan.declared(fields)


def lstm(plan: Plan, layer: Layer) -> None:
    fields = layer.config
    cell = _Cell(plan, fields)
    _sequence(plan, layer)
    plan.finish(fields)
    read = plan.variables(layer, [("cell", cell.names)], cell.bfloat16)
    plan.steps.append(lambda build: cell.add(build, read(build)[0]))


def _cells(plan: Plan, fields: Fields) -> list[tuple[str, _Cell]]:
    """The cells of an RNN layer, each with its path in `.keras`."""
    entry = fields.object("cell")
    kind = entry.text("class_name")
    config = entry.object("config")
    config.where = f"{fields.where}, cell"
    if foreign(entry) is None and kind == "LSTMCell":
        cell = _Cell(plan, config)
        plan.finish(config)
        return [("cell", cell)]
    if foreign(entry) is not None or kind != "StackedRNNCells":
        plan.problem(fields.where, f"a cell of class {shown(kind)[1:-1]}; only LSTMCell is run")
        return []
    found: list[tuple[str, _Cell]] = []
    counters: dict[str, int] = {}
    for index, item in enumerate(config.items("cells")):
        inner = Fields(item, plan.source, f"{config.where} {index}")
        inner_kind = inner.text("class_name")
        if foreign(inner) is not None or inner_kind != "LSTMCell":
            plan.problem(fields.where, f"a cell of class {shown(inner_kind)[1:-1]}; only LSTMCell is run")
            continue
        settings = inner.object("config")
        settings.where = f"{config.where} {index}"
        group = snake(inner_kind)
        counters[group] = counters.get(group, -1) + 1
        path = group if counters[group] == 0 else f"{group}_{counters[group]}"
        found.append((f"cell/cells/{path}", _Cell(plan, settings)))
        plan.finish(settings)
    plan.policy(config)
    plan.finish(config)
    return found


def rnn(plan: Plan, layer: Layer) -> None:
    fields = layer.config
    cells = _cells(plan, fields)
    _sequence(plan, layer)
    plan.policy(fields)
    plan.finish(fields)
    bfloat16 = any(cell.bfloat16 for _, cell in cells)
    read = plan.variables(layer, [(path, cell.names) for path, cell in cells], bfloat16)

    def add(build: Build) -> None:
        for (_, cell), stored in zip(cells, read(build), strict=True):
            cell.add(build, stored)

    plan.steps.append(add)


def dense(plan: Plan, layer: Layer, path: str = "") -> None:
    fields = layer.config
    units = fields.whole("units")
    names = ("kernel", "bias") if fields.flag("use_bias") else ("kernel",)
    after: list[Step] = scalar.named(plan, fields.where, fields.get("activation"))
    bfloat16 = plan.policy(fields)
    plan.declared(fields)
    plan.finish(fields)
    read = plan.variables(layer, [(path, names)], bfloat16)

    def add(build: Build) -> None:
        stored = read(build)[0]
        kernel = stored[0].read(build.width, units)
        build.reads(kernel.shape[0], fields.where)
        bias = stored[1].read(units) if len(stored) > 1 else None
        build.chain.append(Linear(_transposed(kernel), bias, fields.where))
        build.chain.extend(after)
        build.width = units

    plan.steps.append(add)


def time_distributed(plan: Plan, layer: Layer) -> None:
    """A Dense, or an activation, of each timestep."""
    fields = layer.config
    if plan.rank != 3:
        plan.problem(fields.where, "reads a sequence, but a layer before it returns only its last step")
    entry = fields.object("layer")
    kind = entry.text("class_name")
    inner = entry.object("config")
    inner.where = f"{fields.where}, {kind}"
    plan.policy(fields)
    plan.declared(fields)
    plan.finish(fields)
    if foreign(entry) is not None:
        plan.problem(fields.where, f"{shown(kind)[1:-1]}: {foreign(entry)}")
    elif kind == "Dense":
        dense(plan, Layer(layer.name, kind, inner, layer.group), "layer")
    elif kind in scalar.LAYERS and kind != "Softmax":
        plan.policy(inner)
        plan.then(*scalar.LAYERS[kind](plan, inner))
    else:
        plan.problem(fields.where, f"TimeDistributed of {shown(kind)[1:-1]} is not run; of Dense it is")
