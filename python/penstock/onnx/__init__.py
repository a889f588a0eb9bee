"""ONNX files into models: load. Needs the extra `onnx`; verifies with ONNX Runtime where that is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from penstock.model import Model

__all__ = ["load"]


def load(
    path: str | os.PathLike[str],
    constants: Mapping[str, ArrayLike] | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    verify: bool = True,
) -> Model:
    """The model in an ONNX file: LSTM nodes, and around them whatever acts on one timestep at a time.

    path: the .onnx file. External data is read from the folder that it lies in, and from nowhere else.
    constants: values for inputs of the graph that are no signals, by name: weights, sequence lengths, a state.
    h0, c0: float [units], the initial state of all LSTM layers one after the other in the data's order (or [L, H], or
    with a batch of one, [L, 1, H]); only where the graph takes its state from inputs. None: zeros.
    verify: also run the file, in ONNX Runtime where it is installed and can, else in onnx.reference, on random input.

    What does not depend on the value of an input is evaluated; a dynamic batch counts as 1. Which axis is time is told
    by the LSTM nodes. Inputs that feed initial_h and initial_c become the stream's state, and so do the outputs that
    give it back; they leave the signature. A batch in the file is dropped: each stream is a row. Model.notes says what
    was done.

    Raises UnsupportedError with every problem of the graph (node, type, and PyTorch's source line where the file has
    it), CorruptError, FileError, ArgumentError, ShapeError, MismatchError, MissingExtraError. Blocks; holds the GIL for
    the greater part."""
    from penstock.importing import extras

    extras.need("onnx", "onnx")
    from penstock.onnx.loader import load as implementation

    given: dict[str, Any] = dict(constants or {})
    return implementation(path, given, h0, c0, verify=verify)
