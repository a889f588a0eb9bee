"""The table of operations: what each aten operation of an exported graph does to a tracked value. The entries stand in
moves.py, arithmetic.py, mixing.py and recurrent.py, by the name in the operation's schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from penstock.errors import Problem
from penstock.importing.axes import Axis, Refused, Signal, States
from penstock.importing.chain import Lstm


class Unknown:
    """What an operation gives that was refused."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Origin:
    """An LSTM layer's h or c comes from outside: layer `index` of the input, or of the buffer, `name`."""

    name: str
    index: int


@dataclass(frozen=True, eq=False)
class Recurrence:
    """One LSTM layer, and where its state comes from; None: a constant, which the layer holds."""

    layer: Lstm
    h: Origin | None
    c: Origin | None


@dataclass
class Walk:
    """What the entries know of the graph besides their arguments, and leave for its end.

    axes: those of each input and state buffer, one a dimension. scout: whether this is the first pass, which only finds
    out what the axes are. concrete: the value of a node that depends on constants and state buffers alone, at the start
    of a sequence."""

    axes: dict[str, tuple[Axis, ...]]
    buffers: frozenset[str]
    scout: bool
    concrete: Callable[[Any], Tensor]
    recurrences: list[Recurrence] = field(default_factory=list)
    steps: bool = False  # a cell was met: a call is one timestep
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Call:
    """One operation. arguments: by the names in its schema, values in place of nodes."""

    op: str
    arguments: dict[str, Any]
    nodes: dict[str, Any]
    where: str
    walk: Walk

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def signal(self, name: str) -> Signal:
        """An argument that is acted on value by value; a state as the h in it."""
        value = self.arguments[name]
        if isinstance(value, States):
            value = value.signal()
        if not isinstance(value, Signal):
            raise Refused(f"is not run by this version ({self.op} of a constant and the input)")
        return value

    def moved(self, name: str) -> Any:
        """An argument that is only moved: a signal or states."""
        value = self.arguments[name]
        return value if isinstance(value, States) else self.signal(name)

    def array(self, name: str) -> NDArray[np.float64]:
        """An argument that has to be constant."""
        value = constant(self.arguments[name])
        if value is None:
            raise Refused(f"takes its {name} from the input ({self.op})")
        return value

    def optional(self, name: str) -> NDArray[np.float64] | None:
        return None if self.arguments[name] is None else self.array(name)


def constant(value: Any) -> NDArray[np.float64] | None:
    """A tensor or a number in float64; None where it is neither."""
    if isinstance(value, Tensor):
        return np.asarray(value.detach().double().numpy(), np.float64)
    if isinstance(value, bool | int | float):
        return np.asarray(value, np.float64)
    return None


Handler = Callable[[Call], Any]
TABLE: dict[str, Handler] = {}
# Where one of these is refused, what follows is still looked at as if it had done nothing.
PASSED_OVER: set[str] = set()


def entry(*ops: str, pass_over: bool = False) -> Callable[[Handler], Handler]:
    """Registers the function for these operations."""

    def registered(handler: Handler) -> Handler:
        for op in ops:
            assert op not in TABLE, op
            TABLE[op] = handler
            if pass_over:
                PASSED_OVER.add(op)
        return handler

    return registered
