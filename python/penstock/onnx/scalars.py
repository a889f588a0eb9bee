"""Operations on each value: arithmetic with constants, activations, functions that importing.pointwise recognises."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.importing import pointwise
from penstock.importing.axes import Refused, Signal, Tracked
from penstock.onnx.graph import Node
from penstock.onnx.table import Array, Context, constant, given, op, signal

Function = Callable[..., Array]
_LARGEST = float(np.finfo(np.float32).max)


def _operands(args: list[Any]) -> list[Signal | Array]:
    """Signals and constants of one rank, as broadcasting makes them."""
    found = [signal(a) if isinstance(a, Tracked) else a for a in args]
    rank = max(a.rank if isinstance(a, Signal) else a.ndim for a in found)
    return [a.unsqueeze(range(rank - a.rank)) if isinstance(a, Signal) and a.rank < rank else a for a in found]


def _one(value: Array) -> Array:
    """A constant that is the same everywhere (zeros_like of a signal) as a scalar."""
    return value.reshape(-1)[:1] if value.size and np.all(value == value.reshape(-1)[0]) else value


def _combined(function: Function, operands: list[Signal | Array], item: Node, doing: str) -> Signal:
    plain = [o if isinstance(o, Signal) else _one(o) for o in operands]
    return Signal.combine(function, plain, doing, item.where)


@op("Add", "Sum")
def add(context: Context, item: Node, args: list[Any]) -> Any:
    if len(args) == 1:
        return args[0]
    operands = _operands(args)
    signals = [o for o in operands if isinstance(o, Signal)]
    if len(signals) > 1:
        return _combined(lambda *v: functools.reduce(np.add, v), operands, item, "adds two signals")
    made = signals[0]
    for value in operands:
        if not isinstance(value, Signal):
            made = made.affine(1.0, value, item.where)
    return made


@op("Sub")
def subtract(context: Context, item: Node, args: list[Any]) -> Any:
    a, b = _operands(args)
    if isinstance(a, Signal) and isinstance(b, Signal):
        return _combined(np.subtract, [a, b], item, "subtracts two signals")
    if isinstance(a, Signal):
        return a.affine(1.0, -_float(b), item.where)
    assert isinstance(b, Signal)
    return b.affine(-1.0, _float(a), item.where)


@op("Mul")
def multiply(context: Context, item: Node, args: list[Any]) -> Any:
    a, b = _operands(args)
    if isinstance(a, Signal) and isinstance(b, Signal):
        return _combined(np.multiply, [a, b], item, "multiplies two signals")
    if not isinstance(a, Signal):
        a, b = b, a
    assert isinstance(a, Signal)
    return a.affine(_float(b), 0.0, item.where)


@op("Div")
def divide(context: Context, item: Node, args: list[Any]) -> Any:
    a, b = _operands(args)
    if isinstance(a, Signal) and not isinstance(b, Signal):
        if np.any(_float(b) == 0):
            raise Refused("divides by 0")
        return a.affine(1.0 / _float(b), 0.0, item.where)
    return _combined(np.divide, [a, b], item, "divides by a signal")


def _float(value: Any) -> Array:
    return np.asarray(value, np.float64)


_VARIADIC: dict[str, Function] = {"Max": np.maximum, "Min": np.minimum}
_BINARY: dict[str, Function] = {
    "Pow": np.power,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Equal": np.equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Where": np.where,
}


@op(*_VARIADIC)
def variadic(context: Context, item: Node, args: list[Any]) -> Any:
    if len(args) == 1:
        return args[0]
    function = _VARIADIC[item.op]
    return _combined(lambda *v: functools.reduce(function, v), _operands(args), item, f"is {item.op} of two signals")


@op(*_BINARY)
def binary(context: Context, item: Node, args: list[Any]) -> Any:
    return _combined(_BINARY[item.op], _operands(args), item, f"is {item.op} of two signals")


_UNARY: dict[str, Function] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Atan": np.arctan,
    "Erf": pointwise.erf,
    "Exp": np.exp,
    "Floor": np.floor,
    "HardSwish": lambda v: v * np.clip(v / 6 + 0.5, 0, 1),
    "Log": np.log,
    "Mish": lambda v: v * np.tanh(pointwise.softplus(v)),
    "Not": np.logical_not,
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Sign": np.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Softsign": lambda v: v / (1 + np.abs(v)),
    "Sqrt": np.sqrt,
}


@op(*_UNARY)
def unary(context: Context, item: Node, args: list[Any]) -> Any:
    return signal(args[0]).pointwise(_UNARY[item.op], item.where)


@op("Neg")
def negate(context: Context, item: Node, args: list[Any]) -> Any:
    return signal(args[0]).affine(-1.0, 0.0, item.where)


_NAMED = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus"}


@op(*_NAMED)
def named(context: Context, item: Node, args: list[Any]) -> Any:
    return signal(args[0]).activation(_NAMED[item.op], item.where)


@op("LeakyRelu")
def leaky_relu(context: Context, item: Node, args: list[Any]) -> Any:
    return signal(args[0]).activation("leaky_relu", item.where, item.attribute("alpha", 0.01))


@op("PRelu")
def p_relu(context: Context, item: Node, args: list[Any]) -> Any:
    slope = constant(args[1], "its slope")
    if slope.size == 0 or np.any(slope != slope.reshape(-1)[0]):
        raise Refused("has a slope of its own for each feature")
    return signal(args[0]).activation("leaky_relu", item.where, float(slope.reshape(-1)[0]))


@op("Elu")
def elu(context: Context, item: Node, args: list[Any]) -> Any:
    return signal(args[0]).activation("elu", item.where, item.attribute("alpha", 1.0))


@op("Selu")
def selu(context: Context, item: Node, args: list[Any]) -> Any:
    """gamma elu(x, alpha)."""
    value = signal(args[0]).activation("elu", item.where, item.attribute("alpha", 1.6732632423543772))
    return value.affine(item.attribute("gamma", 1.0507009873554805), 0.0, item.where)


@op("Celu")
def celu(context: Context, item: Node, args: list[Any]) -> Any:
    """alpha elu(x / alpha)."""
    alpha = item.attribute("alpha", 1.0)
    if alpha == 0:
        raise Refused("divides by 0")
    value = signal(args[0]).affine(1 / alpha, 0.0, item.where).activation("elu", item.where)
    return value.affine(alpha, 0.0, item.where)


@op("HardSigmoid")
def hard_sigmoid(context: Context, item: Node, args: list[Any]) -> Any:
    alpha, beta = item.attribute("alpha", 0.2), item.attribute("beta", 0.5)
    return signal(args[0]).activation("hard_sigmoid", item.where, alpha, beta)


@op("Gelu")
def gelu(context: Context, item: Node, args: list[Any]) -> Any:
    approximate = item.attribute("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise Refused(f"has approximate={approximate!r}")
    return signal(args[0]).activation("gelu" if approximate == "none" else "gelu_tanh", item.where)


@op("Swish")
def swish(context: Context, item: Node, args: list[Any]) -> Any:
    """x sigmoid(alpha x), which is silu(alpha x) / alpha."""
    alpha = item.attribute("alpha", 1.0)
    if alpha == 0:
        return signal(args[0]).affine(0.5, 0.0, item.where)
    value = signal(args[0]).affine(alpha, 0.0, item.where).activation("silu", item.where)
    return value.affine(1 / alpha, 0.0, item.where)


def _bound(context: Context, item: Node, args: list[Any], index: int, name: str) -> float | None:
    """Of Clip: an attribute before operator set 11, a scalar input from it on. None where it bounds nothing: exporters
    write the largest float32."""
    if context.opset < 11:
        value = item.attribute(name)
    else:
        value = given(args, index)
        value = None if value is None else float(constant(value, f"its {name}").reshape(-1)[0])
    nothing = value is None or (value >= _LARGEST if name == "max" else value <= -_LARGEST)
    return None if nothing else float(value)


@op("Clip")
def clip(context: Context, item: Node, args: list[Any]) -> Any:
    """With one bound b alone: relu(x - b) + b, or b - relu(b - x)."""
    value = signal(args[0])
    low, high = _bound(context, item, args, 1, "min"), _bound(context, item, args, 2, "max")
    if low is not None and high is not None:
        if not low <= high:
            raise Refused(f"has min {low} above max {high}")
        return value.activation("clip", item.where, low, high)
    if low is not None:
        return value.affine(1.0, -low, item.where).activation("relu", item.where).affine(1.0, low, item.where)
    if high is not None:
        return value.affine(-1.0, high, item.where).activation("relu", item.where).affine(-1.0, high, item.where)
    return value
