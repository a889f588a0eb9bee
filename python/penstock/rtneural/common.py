"""What the two dialects share: activations, and what a reader hands over."""

from __future__ import annotations

from collections.abc import Callable

from penstock.errors import Problem
from penstock.importing.chain import Activation, Softmax, Step
from penstock.importing.found import Answer, Found

Runtime = Callable[[], Answer | str]
# The model; what it was written from, for checking; and whether the source adds its input to the output.
Read = tuple[Found, Runtime, Problem | None]

# RTNeural's activations; elu's alpha is 1.
ACTIVATIONS = ("tanh", "relu", "sigmoid", "elu", "softmax")


def activation(name: str, where: str) -> list[Step]:
    """The steps of one of ACTIVATIONS, or of "" and "linear", which are none."""
    if name in ("", "linear"):
        return []
    return [Softmax(where)] if name == "softmax" else [Activation(name, where=where)]
