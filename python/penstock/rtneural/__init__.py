"""Reads LSTM models from the JSON files of RTNeural and of the players built on it, AIDA-X and GuitarML's.

Three dialects, told by their keys: `in_shape` and `layers`, as written from Keras (AIDA-X adds gains and a skip to
it); `model_data` and `state_dict`, GuitarML's; and a PyTorch state_dict alone, module.tensor to nested lists. All that
changes the result is honoured or refused by name, all refusals at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.errors import ArgumentError, Problem, unsupported
from penstock.importing.found import finish
from penstock.importing.jsonfile import Fields, Path, parse, read_bytes, shown
from penstock.rtneural import guitarml, layers, statedict

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["load"]


def _checked_order(order: Sequence[str] | None) -> list[str] | None:
    if order is None:
        return None
    if isinstance(order, str) or not isinstance(order, Sequence) or not all(isinstance(name, str) for name in order):
        raise ArgumentError(f"order: expected a list of module names, found {shown(order)}", item="order")
    return list(order)


def load(path: Path, *, order: Sequence[str] | None = None, without_skip: bool = False, verify: bool = True) -> Model:
    """The model of an RTNeural, AIDA-X or GuitarML file.

    order: names of the modules in the order of the data, for a state_dict, which does not hold it. Needed where its
    sizes allow more than one order; one LSTM and one Linear are taken as LSTM first. No activation is put anywhere.
    without_skip: for a file whose player adds the input to the output (AIDA-X's in_skip, GuitarML's skip), which this
    version does not run: the model is what the network alone answers, and you add the input yourself. Without it such a
    file is refused.
    verify: run the model on random input and hold it against PyTorch in float64, or NumPy where that is not installed
    (MismatchError).

    Reads the whole file into memory; holds the GIL. Raises FileError, CorruptError, ShapeError, NonFiniteError,
    ArgumentError (order, without_skip), UnsupportedError (every reason at once, in `problems`)."""
    names = _checked_order(order)
    source, data = read_bytes(path)
    top = Fields(parse(data, source), source, "the file")
    if "layers" in top or "in_shape" in top:
        if names is not None:
            raise ArgumentError(f"{source}: order is for a state_dict; this file has `layers` in order", item="order")
        found, answer = layers.read(top, without_skip)
    elif "state_dict" in top or "model_data" in top:
        found, answer = guitarml.read(top, names, without_skip)
    elif top.values and all("weight" in key or "bias" in key or "." in key for key in top.values):
        found, answer = statedict.read(top, names)
    else:
        what = (
            "of no dialect that is known: neither in_shape and layers, nor model_data and state_dict, nor a state_dict"
        )
        raise unsupported(source, [Problem("the file", what)])
    return finish(found, (lambda: answer) if verify else None)
