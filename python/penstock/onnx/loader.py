"""From a file to a model: reading, both passes, states, verification."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ArgumentError, ShapeError
from penstock.importing import build
from penstock.importing.chain import Lstm, Step
from penstock.model import Model
from penstock.onnx.answer import Answer
from penstock.onnx.file import File
from penstock.onnx.probes import tracked
from penstock.onnx.runtime import check
from penstock.onnx.source import read


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
