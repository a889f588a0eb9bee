"""Reads LSTM models from Keras files, `.keras` and `.h5`, without Keras.

Read: Sequential, and Functional of one path, of InputLayer, LSTM, RNN of LSTMCell or of several of them, Dense,
TimeDistributed(Dense), Dropout and its relatives, Activation, ReLU, LeakyReLU, ELU, Softmax, BatchNormalization,
Rescaling and Normalization; dtype policies float32, float16, bfloat16 and the mixed ones, of which the weights are
taken as stored. Everything that changes the result is honoured or refused by name, all refusals at once.

Both `.keras`, and `.h5` by Keras 2 and 3, are read with nothing but NumPy. Keras itself is imported only to check the
result, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import unsupported
from penstock.importing.found import Found, finish
from penstock.importing.jsonfile import Path, corrupt
from penstock.keras.archive import read_archive
from penstock.keras.graph import read
from penstock.keras.layers import plan_layer
from penstock.keras.plan import Build, Plan

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["load"]


def _found(path: Path) -> tuple[Found, Plan]:
    archive = read_archive(path)
    plan = Plan(archive.source, archive.version)
    layers, order, settings = read(archive, plan.problems)
    if settings is not None:
        plan.declared(settings)  # a Sequential that was built without an InputLayer
    for layer in order:
        plan_layer(plan, layer)
    if plan.problems:
        raise unsupported(archive.source, plan.problems)
    archive.weights.check([layer.name if archive.legacy else layer.group for layer in layers])
    build = Build(archive.source, archive.weights, plan.inputs)
    for step in plan.steps:
        step(build)
    if build.inputs is None or not build.chain:
        raise corrupt(archive.source, "the model", "has no layer that computes anything")
    if plan.readout == "last":
        plan.notes.append("output at every step: the source returns only the last one (return_sequences=False)")
    return Found(archive.source, build.chain, build.inputs, plan.readout, plan.notes), plan


def load(path: Path, *, verify: bool = True) -> Model:
    """The model of a `.keras` or `.h5` file.

    A model whose last LSTM has return_sequences=False gives its output at every step (`readout` is "last"): after T
    steps from reset it is what Keras returns for those T inputs.

    verify: run the model on random input and hold it against Keras (MismatchError), computing in float32 whatever the
    dtype policy; where Keras cannot be imported (it needs a backend), or computes otherwise than the version that wrote
    the file, a note in the model says so.

    Reads the whole file into memory. Raises FileError, CorruptError (damaged), ShapeError, NonFiniteError,
    UnsupportedError (every reason at once, in `problems`).
    """
    found, plan = _found(path)
    if not verify:
        return finish(found, None)
    from penstock.keras.runtime import runtime

    return finish(found, lambda: runtime(found.source, found.inputs, plan.exact))
