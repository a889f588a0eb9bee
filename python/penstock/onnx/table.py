"""Pass 2, axis tracking: which function treats which operation (`op` registers it), and the walk over the nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock.errors import Problem
from penstock.importing.axes import TIME, Refused, Signal, States, Tracked
from penstock.importing.chain import Lstm
from penstock.onnx.fold import Folded, Type
from penstock.onnx.graph import Node

Array = NDArray[Any]


class Unknown:
    """What a node makes that was refused, or that reads such a thing."""


Value = Array | Signal | States | Unknown
T = TypeVar("T", bound=Tracked)


@dataclass(frozen=True)
class Fed:
    """An LSTM layer whose initial h or c (kind) is part `layer` of the graph's input `name`."""

    layer: Lstm
    kind: str
    name: str
    index: int
    where: str


@dataclass
class Context:
    """opset: the default operator set's version. types: of every name that depends on an input. any_size: what pass 1
    has refused for its size is no problem."""

    opset: int
    types: Mapping[str, Type]
    any_size: bool = False
    problems: list[Problem] = field(default_factory=list)
    fed: list[Fed] = field(default_factory=list)
    rounded: set[int] = field(default_factory=set)  # element types that signals are rounded to
    asked: list[int] = field(default_factory=list)  # numbers of timesteps that refused Reshapes may want

    def problem(self, item: Node, what: str) -> None:
        self.problems.append(Problem(item.where, what))

    def refuse(self, item: Node, what: str, args: Sequence[Any]) -> None:
        self.problem(item, what)
        if item.op != "Reshape" or len(args) < 2 or not isinstance(args[1], np.ndarray):
            return
        sizes = [int(size) for size in args[1].reshape(-1)[:8]]
        if isinstance(args[0], Signal) and min(sizes, default=0) > 0:
            for axis in (a for group in args[0].dims for a in group if a.kind == TIME):
                steps, rest = divmod(math.prod(sizes) * axis.size, math.prod(args[0].shape))
                sizes = [steps] if not rest else []
        self.asked += [size for size in sizes if size > 1]


Handler = Callable[[Context, Node, list[Any]], Any]
HANDLERS: dict[str, Handler] = {}


def op(*names: str) -> Callable[[Handler], Handler]:
    """Registers a function for operations. It gets the values of the inputs (None for absent ones; never Unknown unless
    it has the attribute `sees_unknown`), of which one at least depends on an input of the graph, and gives the output
    or a sequence of outputs."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


def signal(value: Any) -> Signal:
    """A value as a signal: the h of one layer is one, too."""
    made: Signal = value.signal() if isinstance(value, States) else value
    return made


def constant(value: Any, what: str) -> Array:
    """An input that must not depend on the graph's inputs. what: "its shape", for the refusal."""
    if not isinstance(value, np.ndarray):
        raise Refused(f"{what} depends on an input of the graph")
    return value


def ints(value: Any, what: str) -> list[int]:
    return [int(v) for v in constant(value, what).reshape(-1)]


def given(args: Sequence[Any], index: int) -> Any:
    """An optional input; None where it is absent."""
    return args[index] if index < len(args) else None


def tracked(value: Any, doing: str = "reads it") -> Any:
    """The first operand of what moves, drops or selects; a constant one means that another operand is a signal."""
    if not isinstance(value, Tracked):
        raise Refused("has a signal where only a constant can be")
    return value


def walk(context: Context, folded: Folded, inputs: Mapping[str, Signal], nodes: Iterable[Node]) -> dict[str, Value]:
    """The values of all names. What is refused stands in context.problems; the walk goes on behind it."""
    values: dict[str, Value] = {**folded.constants, **inputs}
    for item in nodes:
        args = [values[i] if i else None for i in item.inputs]
        values.update(zip(item.outputs, _made(context, folded, item, args), strict=False))
        values.pop("", None)
    return values


def _made(context: Context, folded: Folded, item: Node, args: list[Any]) -> list[Value]:
    unknown: list[Value] = [Unknown() for _ in item.outputs]
    if id(item) in folded.large and context.any_size:
        return unknown
    if id(item) in folded.refused:
        context.refuse(item, folded.refused[id(item)].what, args)
        return unknown
    handler = HANDLERS.get(item.op) if item.standard else None
    if handler is None:
        domain = "" if item.standard else f" of the domain {item.domain!r}"
        context.problem(item, f"is an operation{domain} that this version does not run")
        return _behind(context, item, args)
    blind = any(isinstance(a, Unknown) for a in args)
    if blind and not getattr(handler, "sees_unknown", False):
        return unknown
    try:
        made = handler(context, item, args)
    except Refused as refused:
        context.refuse(item, refused.what, args)
        return _behind(context, item, args)
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        context.problem(item, f"is not well formed: {error}")
        return unknown
    results: list[Value] = list(made) if isinstance(made, list | tuple) else [made]
    if len(results) < len(item.outputs) and any(item.outputs[len(results) :]):
        context.problem(item, f"has {len(item.outputs)} outputs, of which this version makes {len(results)}")
        results += unknown[len(results) :]
    for name, value in zip(item.outputs, results, strict=False):
        expected = context.types.get(name)
        if isinstance(value, Tracked) and expected and expected.shape not in (None, value.shape):
            what = f"makes the shape {list(expected.shape or ())}, here {list(value.shape)}"
            context.problem(item, what)
    return results


def _behind(context: Context, item: Node, args: Sequence[Any]) -> list[Value]:
    """What a refused node is taken to make, to find further problems behind it: the signal that it reads, if it keeps
    the shape."""
    made: list[Value] = [Unknown() for _ in item.outputs]
    kind = context.types.get(item.outputs[0]) if made else None
    for value in args:
        if made and isinstance(value, Signal) and kind and kind.shape == value.shape:
            made[0] = value
            break
    return made
