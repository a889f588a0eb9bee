"""Reads the JSON files that RTNeural, and plugins built on it, run, if their recurrent layers are LSTMs. Two dialects:

- Keras': in_shape and layers, each with its type and weights as Keras keeps them. AIDA-X adds in_gain, out_gain (dB,
  folded into the model) and in_skip.
- PyTorch's: a state_dict of lists. It does not say in which order its modules are run. GuitarML nests it in
  `state_dict` and says more in `model_data`.

A stream starts from zeros. AIDA-X runs 2,048 samples of zeros before it plays: run the same to start where it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from penstock.errors import ArgumentError, Problem, unsupported
from penstock.importing.found import Found, finish
from penstock.importing.jsonfile import Fields, Path, parse, read_bytes, shown
from penstock.rtneural import layered, states
from penstock.rtneural.common import Runtime

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["load"]


def _found(path: Path, order: Sequence[str] | None, skip: str | None) -> tuple[Found, Runtime]:
    source, data = read_bytes(path)
    if skip not in (None, "caller"):
        raise ArgumentError(f"skip must be None or 'caller', is {shown(skip)}", item="skip")
    fields = Fields(parse(data, source, "the file"), source, "the file")
    if "layers" in fields or "in_shape" in fields:
        if order is not None:
            raise ArgumentError(f"{source}: order is for a state_dict; this file has its layers in order", item="order")
        found, runtime, adds = layered.read(fields)
    elif "state_dict" in fields:
        found, runtime, adds = states.read_nested(fields, order)
    elif fields.values and not any(isinstance(value, dict) for value in fields.values.values()):
        found, runtime, adds = states.read_flat(fields, order)
    else:
        keys = ", ".join(shown(key) for key in list(fields.values)[:8])
        what = f"neither in_shape and layers nor a state_dict: its keys are {keys or 'none'}"
        raise unsupported(source, [Problem("the file", what)])
    if adds is None:
        if skip is not None:
            raise ArgumentError(f"{source}: skip={skip!r}, but the source adds no input to its output", item="skip")
    elif skip is None:
        raise unsupported(source, [Problem(adds.where, f"{adds.what}; with skip='caller' you add it yourself")])
    else:
        found.notes.append(f"{adds.where}: {adds.what}, which is left to the caller")
    return found, runtime


def load(
    path: Path,
    *,
    order: Sequence[str] | None = None,
    skip: Literal["caller"] | None = None,
    verify: bool = True,
) -> Model:
    """The model of an RTNeural JSON file.

    order: of a state_dict, its modules in the order in which they are run, and between them the activations that it
    does not show: ["lstm", "dense1", "tanh", "dense2"]. Needed where the sizes allow more than one order (a single
    Linear is taken for the last module, if it can be), or a Linear follows a Linear; the error lists the modules.
    skip: such files may say that the input is added to the output (in_skip, GuitarML's skip), which no layer of
    Penstock does, so they are refused. With "caller" the model is what the input is added to, and you add it yourself:
    the model's notes say with which factor. An error for a file that adds nothing.
    verify: run the model on random input and hold it against what the dialect was written from: Keras' layers with the
    weights of the file, or torch.nn's (MismatchError). Where that is not installed, a note in the model says so.
    RTNeural itself is C++ and is not asked.

    Raises FileError, CorruptError, ShapeError, NonFiniteError, UnsupportedError (every reason at once), ArgumentError.
    """
    found, runtime = _found(path, order, skip)
    return finish(found, runtime if verify else None)
