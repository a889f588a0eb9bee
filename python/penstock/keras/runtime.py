"""The answer of Keras itself, for checking an imported model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.found import Answer


def _parts(layer: Any) -> Iterator[Any]:
    """A layer and what it is made of."""
    yield layer
    for name in ("cell", "layer"):
        inner = getattr(layer, name, None)
        if inner is not None:
            yield from _parts(inner)
    for inner in getattr(layer, "cells", None) or []:
        yield from _parts(inner)


def runtime(path: str, exact: bool) -> Answer | str:
    """What Keras answers to x, or why it cannot be asked. exact: whether this Keras computes what the file's own did.

    The layers are called one by one, so that a fixed number of timesteps in the file does not matter; they compute in
    float32 from the weights as stored; a stateful layer sees its whole batch."""
    if not exact:
        return "the file's Keras computes hard_sigmoid otherwise than Keras 3"
    try:
        import keras
    except Exception as error:  # Keras raises what its backend raises
        return f"keras cannot be imported ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    try:
        model = keras.models.load_model(path, compile=False)
        layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
        for layer in layers:
            for part in _parts(layer):
                part.dtype_policy = keras.DTypePolicy("float32")
    except Exception as error:  # what Penstock reads, this Keras may not: a note, no refusal
        return f"Keras {keras.__version__} does not load it ({type(error).__name__})"
    batch = model.input_shape[0] or 1

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        y: Any = np.repeat(np.asarray(x, np.float32)[None], batch, axis=0)
        for layer in layers:
            if hasattr(layer, "reset_state") and getattr(layer, "stateful", False):
                layer.reset_state()
            y = layer(y, training=False) if layer._call_has_training_arg else layer(y)
            y = y[0] if isinstance(y, list | tuple) else y
        return np.asarray(keras.ops.convert_to_numpy(y))[0]

    return answer
