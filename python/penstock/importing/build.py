"""From a chain to a model: checks that each step fits the one before, folds, creates. Every importer's last step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from penstock import errors
from penstock.errors import Problem
from penstock.importing import chain
from penstock.model import Model, Readout


def _misfit(name: str, value: object, shape: tuple[int, ...]) -> str | None:
    """What is wrong with a tensor's shape or values, as a clause."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return f"{name}: expected floating-point numbers, found {array.dtype}"
    if array.shape != shape:
        return f"{name}: expected shape {list(shape)}, found {list(array.shape)}"
    if not np.all(np.isfinite(array)):
        where = ", ".join(str(int(i)) for i in np.argwhere(~np.isfinite(array))[0])
        return f"{name}[{where}]: expected a finite number, found {array[~np.isfinite(array)][0]}"
    return None


def _shapes(step: chain.Step, width: int) -> Iterator[tuple[str, object, tuple[int, ...]]]:
    """The tensors of a step over `width` features, and the shapes that they must have."""
    match step:
        case chain.Lstm():
            hidden = int(np.asarray(step.weight_hh).shape[-1]) if np.ndim(step.weight_hh) else 0
            yield "weight_ih", step.weight_ih, (4 * hidden, width)
            yield "weight_hh", step.weight_hh, (4 * hidden, hidden)
            for name in ("bias_ih", "bias_hh"):
                yield name, getattr(step, name), (4 * hidden,)
            for name in ("h0", "c0"):
                yield name, getattr(step, name), (hidden,)
        case chain.Linear():
            outputs = int(np.asarray(step.weight).shape[0]) if np.ndim(step.weight) else 0
            yield "weight", step.weight, (outputs, width)
            yield "bias", step.bias, (outputs,)
        case chain.Affine():
            for name in ("scale", "shift"):
                value = getattr(step, name)
                yield name, value, (1,) if np.shape(value) == (1,) else (width,)


def misfits(steps: Sequence[chain.Step], inputs: int) -> list[Problem]:
    """What does not fit: shapes against each other, numbers that are not finite. The width goes on from where a misfit
    was, so that one of them is named once."""
    found: list[Problem] = []
    width = inputs
    for step in steps:
        for name, value, shape in _shapes(step, width):
            if value is not None and (what := _misfit(name, value, shape)):
                found.append(Problem(step.where, what))
        if isinstance(step, chain.Lstm | chain.Linear):
            width = step.outputs if np.ndim(step.weight_hh if isinstance(step, chain.Lstm) else step.weight) else width
    return found


def model(
    steps: Sequence[chain.Step],
    inputs: int,
    *,
    source: str,
    readout: Readout = "all",
    notes: Iterable[str] = (),
) -> Model:
    """The model of a chain over `inputs` features.

    source: the file or module, which errors begin with. readout, notes: the model's.

    Raises UnsupportedError with every problem of the chain, or what Model.create raises, the source before it."""
    if problems := misfits(steps, inputs):
        raise errors.unsupported(source, problems)
    layers = chain.fold(steps, inputs)
    problems = (
        chain.problems_of(layers) if layers else [Problem("the whole", "there is no operation that does anything")]
    )
    if problems:
        raise errors.unsupported(source, problems)
    try:
        return Model.create(layers, readout, notes)
    except errors.Error as problem:
        problem.message = f"{source}: {problem.message}"
        problem.file = problem.file or source
        raise
