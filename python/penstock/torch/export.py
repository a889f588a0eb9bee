"""penstock.torch.export and load: a Model of a torch.nn.Module, or of an exported program."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from penstock.errors import CorruptError, FileError, Problem, unsupported
from penstock.importing import build
from penstock.importing import verify as verification
from penstock.torch.answer import answer_of, keeps_hidden_state
from penstock.torch.capture import Captured, capture, captured_program, quiet
from penstock.torch.outputs import read
from penstock.torch.walk import walk

if TYPE_CHECKING:
    from penstock.model import Model

VERIFIED_STEPS = 24


def export(module: Any, example: Any, *, verify: bool = True) -> Model:
    """A Model that answers step by step what the module answers for a sequence.

    module: a torch.nn.Module in any mode, type and place; it is left as it was. What is exported is a deep copy of it,
    in eval mode, on the CPU.
    example: its input, [T, n], [T, 1, n] or [1, T, n] (or a batch, of which one row becomes a stream), T of 2 or more,
    or a tuple of all its arguments. Only shapes and types matter. Which axis is time is told by the LSTM that reads it.
    verify: whether the module is run, in float64 on random input, and compared with the Model's reference.

    States. A module that takes states and returns them, forward(x, (h, c)) -> (y, (h, c)), is exported with them as the
    stream's state; one of LSTMCells is called for one timestep, x of [n] or [1, n]. A RecurrentStateLSTM begins from
    its init_state, and so does a module of one's own that keeps (h, c) in buffers: from what stands in them. Constant
    initial states, learned ones too, become the model's.
    A module that gives only the last timestep (y[:, -1], the last layer's h_n) becomes a Model of readout "last".

    Model.notes says what was found. Raises UnsupportedError, whose `problems` are all operations that cannot be run,
    each with file, line and module; ArgumentError where the module does not take the example; MismatchError where the
    Model answers otherwise than the module."""
    captured = capture(module, example)
    return _model(captured, type(captured.module).__qualname__, verify)


def load(path: str | os.PathLike[str], *, verify: bool = True) -> Model:
    """The Model of a file that torch.export.save wrote, as `export` makes it of a module.

    What was exported in training mode, so that it drops values at random or takes the statistics of a batch, is
    refused. torch.export.load reads the file, which may unpickle: load only what you trust. Raises also FileError, and
    CorruptError where torch cannot read it."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            archive = zipfile.is_zipfile(file)
    except OSError as error:
        raise FileError(f"{name}: {error.strerror}", file=name, os_error=error.errno or 0) from error
    try:
        if not archive:
            raise ValueError("it is no zip archive")
        with quiet():
            program = torch.export.load(name)
    except Exception as error:
        raise CorruptError(f"{name}: torch.export.load cannot read it: {error}", file=name) from error
    with quiet():
        return _model(captured_program(program), name, verify)


def _model(captured: Captured, source: str, verify: bool) -> Model:
    walked, values = walk(captured)
    found = read(captured, walked, values)
    if walked.problems:
        raise unsupported(source, walked.problems)
    assert found is not None
    if not captured.states and keeps_hidden_state(captured):
        kept = ", ".join(captured.loose) or "an attribute"
        what = (
            f"answers the same input otherwise when called again: it keeps a state that is no buffer, in {kept}; use"
            " register_buffer (with a tensor of the state's shape), or penstock.torch.nn.RecurrentStateLSTM"
        )
        raise unsupported(source, [Problem("forward", what)])
    model = build.model(
        list(found.chain),
        found.features,
        source=source,
        readout="last" if found.y.last else "all",
        notes=found.notes,
    )
    if verify:
        answer, steps, tolerance = answer_of(captured, walked, found, VERIFIED_STEPS)
        verification.against(model, answer, source=source, tolerance=tolerance, steps=steps)
    return model
