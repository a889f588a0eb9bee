"""Whether a model answers as its source does: both are given the same random input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penstock.errors import MismatchError
from penstock.model import Model

STEPS = 24


def against(
    model: Model,
    answer: Callable[[NDArray[np.float32]], object],
    *,
    source: str,
    tolerance: float = 1e-4,
    steps: int = STEPS,
    scale: float = 1.0,
    seed: int = 20220930,
) -> float:
    """Compares model.reference with the source's own runtime on seeded normal noise, x float32 [steps, inputs].

    answer(x): the source's y for the whole sequence from its initial state, anything that NumPy makes an array of:
    [steps, outputs], with a batch of one anywhere ([steps, 1, outputs], [1, steps, outputs]); for a model of readout
    "last" only the last step's: [outputs] or [1, outputs].
    tolerance: of the largest difference, relative to the largest |y|, which is about what float32 leaves.
    scale: of the noise, for sources that are meant for another range.

    Returns that relative error. Raises MismatchError, which names the worst output, and whatever `answer` raises."""
    x = (scale * np.random.default_rng(seed).standard_normal((steps, model.inputs))).astype(np.float32)
    ours = model.reference(x)
    if model.readout == "last":
        ours = ours[-1:]
    theirs = np.asarray(answer(x.copy()), dtype=np.float64)
    if theirs.size != ours.size or theirs.shape[-1:] != (model.outputs,):
        raise MismatchError(
            f"{source}: the source answers with shape {list(theirs.shape)}, the model with {list(ours.shape)}",
            item=source,
            expected=theirs.size,
            found=ours.size,
        )
    theirs = theirs.reshape(ours.shape)
    difference = np.abs(theirs - ours)
    if not np.all(np.isfinite(difference)):
        step, output = (int(i) for i in np.argwhere(~np.isfinite(difference))[0])
        raise MismatchError(
            f"{source}: on random input, output {output} of step {step} is {theirs[step, output]} in the source "
            f"and {ours[step, output]} in the model",
            item=source,
        )
    # A source whose outputs are all near 0 is compared absolutely.
    error = float(difference.max() / max(np.abs(theirs).max(), 1e-3))
    if error > tolerance:
        step, output = (int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
        at = len(x) - 1 if model.readout == "last" else step
        raise MismatchError(
            f"{source}: the model does not answer as its source does: on random input, output {output} of step {at} is "
            f"{theirs[step, output]:.9g} in the source and {ours[step, output]:.9g} in the model (relative error "
            f"{error:.3g}, expected at most {tolerance:g})",
            item=source,
        )
    return error
