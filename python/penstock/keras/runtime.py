"""The answer of Keras itself, for checking an imported model."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.found import Answer


def _single(settings: Any) -> Any:
    """A layer's settings, computing in float32 and keeping no state between calls."""
    if isinstance(settings, dict):
        changed = {key: _single(value) for key, value in settings.items()}
        return changed | {key: value for key, value in (("dtype", "float32"), ("stateful", False)) if key in changed}
    return [_single(value) for value in settings] if isinstance(settings, list) else settings


def _twin(layer: Any, x: Any) -> Any:
    """The same layer computing in float32 from the same weights. x: what it reads, which tells its shapes."""
    twin = type(layer).from_config(_single(layer.get_config()))
    twin(x)
    twin.set_weights([np.asarray(value).astype(np.float32) for value in layer.get_weights()])
    if hasattr(twin, "finalize_state"):  # Normalization takes its constants from its weights when told
        twin.finalize_state()
    return twin


def runtime(path: str, inputs: int, exact: bool) -> Answer | str:
    """What Keras answers to x [T, inputs], or why it cannot be asked. exact: whether this Keras computes what the
    file's own did.

    The layers are called one by one, in float32 whatever their policy, so that neither a fixed number of timesteps
    nor a fixed batch matters."""
    if not exact:
        return "the Keras that wrote the file computes hard_sigmoid otherwise than Keras 3"
    try:
        keras: Any = importlib.import_module("keras")
        load = keras.models.load_model
    except Exception as error:  # Keras raises whatever its backend raises
        return f"Keras cannot be imported here ({type(error).__name__})"
    layers: list[Any] = []

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        y: Any = np.asarray(x, np.float32)[None]
        for layer in layers:
            y = _twin(layer, y)(y)
            y = y[0] if isinstance(y, list | tuple) else y  # return_state
        result: NDArray[Any] = np.asarray(keras.ops.convert_to_numpy(y))[0]
        return result

    try:
        layers += [layer for layer in load(path, compile=False).layers if type(layer).__name__ != "InputLayer"]
        answer(np.zeros((2, inputs), np.float32))
    except Exception as error:  # what Penstock reads, this Keras may not: a note, no refusal
        return f"Keras {keras.__version__} does not run it ({type(error).__name__})"
    return answer
