"""The walk over an exported graph: every node becomes a constant, a tracked value, or a problem with its place. It is
walked twice: first for the LSTMs alone, which tell what the axes of the inputs are, then with that known, so that an
operation before the first LSTM is judged where it stands."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from penstock.errors import Problem
from penstock.importing.axes import BATCH, FEATURE, TIME, Refused, Signal, States
from penstock.torch import arithmetic, mixing, moves, places, recurrent  # noqa: F401  (they fill the table)
from penstock.torch.capture import Captured, shape_of, size_of
from penstock.torch.moves import Deferred
from penstock.torch.recurrent import RECURRENT, axes_of, loops
from penstock.torch.table import PASSED_OVER, TABLE, UNKNOWN, Call, Unknown, Walk

_IGNORED = ("_assert", "sym_", "_guards_fn", "profiler")


# What the exporter calls these.
_IN_FORWARD = {
    "wrap_with_autocast": "autocast inside forward",
    "wrap_with_set_grad_enabled": "enable_grad inside forward",
}


class Scout(Signal):
    """A signal that settles no axis but those of an LSTM's input."""

    def _feature_dim(self, dim: int, doing: str) -> int:
        return self._dim(dim)


def op_of(node: Any) -> str:
    """ "lstm" of aten.lstm.input; the whole name of what is not aten's."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", node.target))
    return str(schema.name).removeprefix("aten::")


def _double(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(_double(v) for v in value)
    return value


# They take a tensor's shape and type only.
_LIKE = ("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")


def _evaluate(node: Any, values: dict[Any, Any]) -> Any:
    """A node of constants (or of shapes alone), in float64 whatever its source computes in."""

    def of(n: Any) -> Any:
        return values[n] if n in values else torch.zeros(shape_of(n) or ())

    args = torch.fx.node.map_arg(node.args, of)
    kwargs = torch.fx.node.map_arg(node.kwargs, of)
    with torch.no_grad():
        made = node.target(*args, **kwargs)
    if "empty" in op_of(node) and isinstance(made, Tensor) and made.is_floating_point():
        made = made.fill_(float("nan"))  # nobody knows what stands there
    return _double(made)


def _is_random(node: Any) -> bool:
    if op_of(node) in TABLE:  # dropout says itself whether it is
        return False
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


class Graph:
    """A captured graph with its constants evaluated."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.constants: dict[Any, Any] = {}
        self.problems: list[Problem] = []
        for node in captured.nodes:
            self._fold(node)
        self._concrete: dict[Any, Any] = {}

    def _fold(self, node: Any) -> None:
        if node.op == "placeholder":
            if node.name in self.captured.constants:
                self.constants[node] = _double(self.captured.constants[node.name])
            elif node.name not in self.captured.inputs and node.name not in self.captured.states:
                self.constants[node] = None  # an argument that is no tensor
            return
        inputs = node.all_input_nodes
        if isinstance(node.meta.get("val"), torch.SymInt):  # of a dimension that the exporter left open
            size = size_of(node.meta["val"])
            if size is None:
                self.problems.append(Problem(places.of_node(node), "makes a size that depends on values"))
            self.constants[node] = UNKNOWN if size is None else size
            return
        if node.op != "call_function":
            return
        if not all(n in self.constants for n in inputs) and op_of(node) not in _LIKE:
            return
        if op_of(node).startswith(_IGNORED):
            self.constants[node] = None
        elif _is_random(node):
            self.problems.append(Problem(places.of_node(node), f"is random ({op_of(node)})"))
            self.constants[node] = _double(torch.zeros(shape_of(node) or ()))
        else:
            try:
                self.constants[node] = _evaluate(node, self.constants)
            except Exception as error:
                what = f"{op_of(node)} of constants fails: {error}"
                self.problems.append(Problem(places.of_node(node), what))
                self.constants[node] = UNKNOWN

    def concrete(self, node: Any) -> Tensor:
        """See Walk."""
        if node in self.constants:
            made = self.constants[node]
        elif node in self._concrete:
            made = self._concrete[node]
        else:
            if node.op == "placeholder":
                made = _double(self.captured.states[node.name])
            else:
                made = _evaluate(node, {n: self.concrete(n) for n in node.all_input_nodes})
            self._concrete[node] = made
        assert isinstance(made, Tensor)
        return made

    # ---- one pass ----------------------------------------------------------------------------------------------------

    def pass_over(self, kinds: dict[str, tuple[str | None, ...]], scout: bool) -> tuple[Walk, dict[Any, Any]]:
        """kinds: those of the axes of the inputs, where they are known. Gives each node's value."""
        sources = {
            n.name: axes_of(shape_of(n), kinds.get(n.name))
            for n in self.captured.nodes
            if n.op == "placeholder" and n.name in (*self.captured.inputs, *self.captured.states)
        }
        walk = Walk(sources, frozenset(self.captured.states), scout, self.concrete)
        made = Scout if scout else Signal
        values: dict[Any, Any] = dict(self.constants)
        looped: dict[Any, bool] = {}
        found = loops(self.captured.nodes)
        for last, calls in found.items():
            looped.update(dict.fromkeys(calls, True))
            kind = {"lstm_cell": "an LSTMCell", "lstm": "an LSTM"}.get(op_of(last), "a recurrent module")
            walk.problems.append(
                Problem(
                    places.of_node(last),
                    f"is a loop over {kind} ({len(calls)} calls, each from the state that the one before left): export"
                    " its step form, forward(x, (h, c)) -> (y, (h, c)), or use an LSTM over the whole sequence",
                )
            )
        for node in self.captured.nodes:
            if node.op == "output" or node in values:
                continue
            if node.op == "placeholder":
                values[node] = made(tuple((a,) for a in sources[node.name]), name=node.name)
            elif node in looped or node.op == "get_attr":
                values[node] = UNKNOWN
            elif node.op == "call_function" and not op_of(node).startswith(_IGNORED):
                values[node] = self._value(node, values, walk, bool(found))
        return walk, values

    def _value(self, node: Any, values: dict[Any, Any], walk: Walk, in_loop: bool) -> Any:
        def of(n: Any) -> Any:
            return values.get(n, UNKNOWN)

        try:
            if node.target is operator.getitem:
                whole, index = of(node.args[0]), node.args[1]
                if isinstance(whole, Unknown):
                    return UNKNOWN
                part = whole[index]
                return part.make() if isinstance(part, Deferred) else part
            op = op_of(node)
            if op not in TABLE:
                if _is_random(node):
                    raise Refused(f"is random ({op})")
                raise Refused(f"is not run by this version ({_IN_FORWARD.get(op, op)})")
            call = Call(op, *_bound(node, of), places.of_node(node), walk)
            if any(isinstance(v, Unknown) for v in _flat(list(call.arguments.values()))):
                if not walk.problems and not self.problems:
                    raise Refused(f"has an operand that is not known ({op})")
                return self._passed(node, of)
            try:
                return TABLE[op](call)
            except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
                # A form of the operation that its entry does not foresee: refused as well, never guessed at.
                raise Refused(f"is not run by this version in this form ({op}: {error})") from error
        except Refused as refused:
            quiet = in_loop and (node.target is operator.getitem or op_of(node) in ("select", "slice", "stack", "cat"))
            if not quiet:
                walk.problems.append(_problem(node, refused.what))
            return self._passed(node, of)

    def _passed(self, node: Any, of: Any) -> Any:
        """What stands for the result of a node that was refused, or has an operand that was: its first known operand,
        where that has the same shape, so that what follows is looked at too."""
        op, several = op_of(node), node.meta.get("val")
        many = isinstance(several, list | tuple)
        shape = shape_of(node, 0 if many else None)
        if shape is not None and (op in PASSED_OVER or op not in TABLE) and op not in RECURRENT:
            for n in node.all_input_nodes:
                value = of(n)
                if isinstance(value, Signal | States) and value.shape == shape:
                    return (value, *[UNKNOWN] * (len(several) - 1)) if many else value
        return UNKNOWN


# Modules of torch.nn that mix timesteps whatever their single operations do.
_ATTENTION = ("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer")


def _problem(node: Any, what: str) -> Problem:
    for depth, (_, kind) in enumerate(places.modules_of(node)):
        if kind in _ATTENTION:  # one problem for all of its operations
            return Problem(places.of_node(node, depth), "mixes timesteps (attention)")
    return Problem(places.of_node(node), what)


def _flat(value: Any) -> list[Any]:
    return [v for item in value for v in _flat(item)] if isinstance(value, list | tuple) else [value]


def _bound(node: Any, of: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments by the schema's names, defaults filled in: as values, and as nodes."""
    given: dict[str, Any] = {}
    for i, argument in enumerate(node.target._schema.arguments):
        if i < len(node.args):
            given[argument.name] = node.args[i]
        elif argument.name in node.kwargs:
            given[argument.name] = node.kwargs[argument.name]
        else:
            given[argument.name] = argument.default_value
    return {name: torch.fx.node.map_arg(value, of) for name, value in given.items()}, given


def walk(captured: Captured) -> tuple[Walk, dict[Any, Any]]:
    """Both passes; problems that do not depend on axes first."""
    graph = Graph(captured)
    first, _ = graph.pass_over({}, scout=True)
    kinds: dict[str, tuple[str | None, ...]] = {}
    for name, axes in first.axes.items():
        known = [a.kind if a.kind in (TIME, BATCH) else None for a in axes]
        rest = [d for d, a in enumerate(axes) if known[d] is None and a.size != 1]
        if TIME in known and len(rest) == 1:  # what an LSTM does not read as time or batch
            known[rest[0]] = FEATURE
        kinds[name] = tuple(known)
    second, values = graph.pass_over(kinds, scout=False)
    second.problems[:0] = graph.problems
    return second, values
