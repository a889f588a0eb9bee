"""What a file importer has found, and the last steps of every one: build the model, then hold it against the source's
own runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from penstock.importing.chain import Step

if TYPE_CHECKING:
    from penstock.model import Model

# x, float32 [T, inputs] -> y, what the source answers: [T, outputs], or [outputs] where it returns the last step only.
Answer = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass
class Found:
    """source: the file, for messages. chain: what it computes. inputs: features of x. readout: "last" where the source
    returns only the last step."""

    source: str
    chain: list[Step]
    inputs: int
    readout: Literal["all", "last"] = "all"
    notes: list[str] = field(default_factory=list)


def finish(found: Found, runtime: Callable[[], Answer | str] | None) -> Model:
    """The model; checked on random input against `runtime`, which gives the source's answer, or the reason why there is
    none, which becomes a note. None: not checked."""
    from penstock.importing import build, verify

    answer: Answer | None = None
    if runtime is not None:
        got = runtime()
        if isinstance(got, str):
            found.notes.append(f"not verified: {got}")
        else:
            answer = got
    model = build.model(found.chain, found.inputs, source=found.source, readout=found.readout, notes=tuple(found.notes))
    if answer is not None:
        verify.against(model, answer, source=found.source)
    return model
