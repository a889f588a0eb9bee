"""Operations on each value or each timestep's features: matrices, affine steps, activations, softmax, functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.axes import TIME, Refused, Signal, States
from penstock.importing.pointwise import erf, sigmoid, softplus
from penstock.torch.table import Call, constant, entry

Values = NDArray[Any]

# ---- matrices -------------------------------------------------------------------------------------------------------


@entry("linear")
def linear(call: Call) -> Signal:
    return call.signal("input").linear(call.array("weight"), call.optional("bias"), call.where)


def _one(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix out of a pile of equal ones."""
    while matrix.ndim > 2:
        if not np.array_equal(matrix, np.broadcast_to(matrix[:1], matrix.shape)):
            raise Refused("multiplies by a matrix that differs from row to row of the input")
        matrix = matrix[0]
    return matrix


def _product(call: Call, left: Any, right: Any, bias: NDArray[np.float64] | None = None) -> Signal:
    """left @ right, one of them constant."""
    left, right = (v.signal() if isinstance(v, States) else v for v in (left, right))
    if isinstance(left, Signal) and isinstance(right, Signal):
        ends = [g for value in (left, right) for g in value.dims[-2:]]
        if any(axis.kind == TIME for group in ends for axis in group):
            raise Refused("mixes timesteps (a product of two signals, as attention makes)")
        raise Refused("multiplies two signals")
    if isinstance(left, Signal):
        matrix = constant(right)
        assert matrix is not None
        if matrix.ndim > max(2, left.rank):
            raise Refused(f"repeats values: multiplies by a pile of matrices {list(matrix.shape)}")
        matrix = _one(matrix)
        y = left.linear(np.atleast_2d(matrix.T), bias, call.where)
        return y.squeeze([-1]) if matrix.ndim == 1 else y
    matrix = constant(left)
    assert matrix is not None and isinstance(right, Signal)
    if matrix.ndim > max(2, right.rank):
        raise Refused(f"repeats values: multiplies by a pile of matrices {list(matrix.shape)}")
    matrix = _one(matrix)
    dim = -2 if right.rank > 1 else -1
    y = right.linear(np.atleast_2d(matrix), bias, call.where, dim)
    return y.squeeze([dim]) if matrix.ndim == 1 else y


@entry("matmul", "mm", "bmm", "mv")
def matmul(call: Call) -> Signal:
    names = [n for n in ("self", "other", "mat2", "vec") if n in call.arguments]
    return _product(call, call[names[0]], call[names[1]])


@entry("addmm", "baddbmm")
def addmm(call: Call) -> Signal:
    left, right = (call[n] for n in (("mat1", "mat2") if call.op == "addmm" else ("batch1", "batch2")))
    y = _product(call, left, right).affine(float(call["alpha"]), 0.0, call.where)
    return y.affine(1.0, float(call["beta"]) * call.array("self"), call.where)


@entry("conv1d", pass_over=True)
def conv1d(call: Call) -> Signal:
    """With a kernel of one timestep a matrix over the channels."""
    x, weight = call.signal("input"), call.array("weight")
    plain = all(v == 1 for v in (*call["stride"], call["groups"])) and call["padding"] in ([0], "valid", "same")
    if weight.shape[-1] != 1 or not plain:
        raise x.mixing([-1], "a convolution along it")
    return x.linear(weight[:, :, 0], call.optional("bias"), call.where, x.rank - 2)


# ---- affine ---------------------------------------------------------------------------------------------------------


def _spread(signal: Signal, value: NDArray[np.float64]) -> Signal:
    """With as many dimensions as the constant has, as broadcasting gives."""
    return signal.unsqueeze(range(value.ndim - signal.rank)) if value.ndim > signal.rank else signal


@entry(
    *("batch_norm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit_functional"),
    *("_native_batch_norm_legit", "native_batch_norm"),
    pass_over=True,
)
def batch_norm(call: Call) -> Any:
    x = call.signal("input")
    if call.arguments.get("training", False) or call["running_mean"] is None or call["running_var"] is None:
        raise Refused("mixes timesteps or batch rows (batch_norm by the statistics of its input)")
    mean, variance = call.array("running_mean"), call.array("running_var")
    scale = 1.0 / np.sqrt(variance + call["eps"])
    weight, bias = call.optional("weight"), call.optional("bias")
    scale = scale if weight is None else scale * weight
    shift = (0.0 if bias is None else bias) - mean * scale
    shape = (-1, *[1] * (x.rank - 2))  # the features are dimension 1
    y = x.affine(scale.reshape(shape), shift.reshape(shape), call.where)
    return y if call.op == "batch_norm" else (y, None, None, None, None)


_TWO: dict[str, Callable[..., Values]] = {
    "add": np.add,
    "sub": np.subtract,
    "subtract": np.subtract,
    "rsub": lambda a, b: b - a,
    "mul": np.multiply,
    "multiply": np.multiply,
    "div": np.divide,
    "divide": np.divide,
    "true_divide": np.divide,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "bitwise_and": np.logical_and,
    "bitwise_or": np.logical_or,
}
_DOES = {"add": "adds", "sub": "subtracts", "rsub": "subtracts", "mul": "multiplies", "div": "divides"}


@entry(*_TWO, pass_over=True)
def two(call: Call) -> Signal:
    names = [n for n in ("self", "exponent", "other") if n in call.arguments]
    operands = [v.signal() if isinstance(v, States) else v for v in (call[n] for n in names)]
    alpha = float(call.arguments.get("alpha", 1))
    if call.arguments.get("rounding_mode") is not None:
        raise Refused(f"divides and rounds ({call['rounding_mode']})")
    function, doing = _TWO[call.op], f"{_DOES.get(call.op, 'combines')} two signals"
    if sum(isinstance(o, Signal) for o in operands) == 2:
        if alpha != 1:
            plain = function
            function = (lambda a, b: plain(a * alpha, b)) if call.op == "rsub" else (lambda a, b: plain(a, alpha * b))
        return Signal.combine(function, operands, doing, call.where)
    first = isinstance(operands[0], Signal)
    signal, value = (operands[0], constant(operands[1])) if first else (operands[1], constant(operands[0]))
    assert isinstance(signal, Signal) and value is not None
    signal = _spread(signal, value)
    match call.op:
        case "add":
            return signal.affine(1.0 if first else alpha, alpha * value if first else value, call.where)
        case "sub" | "subtract":
            scale, shift = (1.0, -alpha * value) if first else (-alpha, value)
            return signal.affine(scale, shift, call.where)
        case "rsub":  # other - alpha self
            scale, shift = (-alpha, value) if first else (1.0, -alpha * value)
            return signal.affine(scale, shift, call.where)
        case "mul" | "multiply":
            return signal.affine(value, 0.0, call.where)
        case "div" | "divide" | "true_divide" if first:
            if np.any(value == 0):
                raise Refused("divides by zero")
            return signal.affine(1.0 / value, 0.0, call.where)
    ordered: list[Signal | Values] = [signal, value] if first else [value, signal]
    return Signal.combine(function, ordered, f"{call.op} of a signal", call.where)


@entry("where", "lerp", "addcmul", "addcdiv", pass_over=True)
def several(call: Call) -> Signal:
    functions: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
        "where": (("condition", "self", "other"), lambda c, a, b: np.where(c.astype(bool), a, b)),
        "lerp": (("self", "end", "weight"), lambda a, b, w: a + w * (b - a)),
        "addcmul": (("self", "tensor1", "tensor2"), lambda a, b, c: a + call["value"] * b * c),
        "addcdiv": (("self", "tensor1", "tensor2"), lambda a, b, c: a + call["value"] * b / c),
    }
    names, function = functions[call.op]
    operands = [v.signal() if isinstance(v, States) else v for v in (call[n] for n in names)]
    return Signal.combine(
        function,
        [o if isinstance(o, Signal) else call.array(n) for n, o in zip(names, operands, strict=True)],
        f"combines signals ({call.op})",
        call.where,
    )


# ---- functions of each value ----------------------------------------------------------------------------------------

_ONE: dict[str, Callable[[Values], Values]] = {
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda v: 1.0 / np.sqrt(v),
    "square": np.square,
    "reciprocal": lambda v: 1.0 / v,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "erf": erf,
    "special_erf": erf,
    "logical_not": np.logical_not,
    "bitwise_not": np.logical_not,
    "hardswish": lambda v: v * np.clip(v + 3, 0, 6) / 6,
    "mish": lambda v: v * np.tanh(softplus(v)),
    "special_expit": sigmoid,
}


@entry(*_ONE)
def one(call: Call) -> Signal:
    if call.op == "neg":
        return call.signal("self").affine(-1.0, 0.0, call.where)
    return call.signal("self").pointwise(_ONE[call.op], call.where)


@entry("relu", "tanh", "sigmoid", "silu")
def plain(call: Call) -> Signal:
    return call.signal("self").activation(call.op, call.where)


@entry("leaky_relu")
def leaky_relu(call: Call) -> Signal:
    return call.signal("self").activation("leaky_relu", call.where, alpha=float(call["negative_slope"]))


@entry("prelu", "_prelu_kernel", pass_over=True)
def prelu(call: Call) -> Signal:
    slopes = np.unique(call.array("weight"))
    if slopes.size != 1:
        raise Refused("has a slope of its own for each feature (PReLU)")
    return call.signal("self").activation("leaky_relu", call.where, alpha=float(slopes[0]))


@entry("elu", "selu", "celu")
def elu(call: Call) -> Signal:
    x = call.signal("self")
    if call.op == "celu":  # alpha elu(v / alpha)
        alpha = float(call["alpha"])
        y = x.affine(1.0 / alpha, 0.0, call.where).activation("elu", call.where, alpha=1.0)
        return y.affine(alpha, 0.0, call.where)
    if call.op == "selu":  # the constants are torch's
        alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    else:
        alpha, scale = float(call["alpha"]), float(call["scale"])
        if call["input_scale"] != 1:
            raise Refused("scales the input of its exponential part (elu)")
    y = x.activation("elu", call.where, alpha=alpha)
    return y if scale == 1 else y.affine(scale, 0.0, call.where)


@entry("hardsigmoid")
def hardsigmoid(call: Call) -> Signal:
    return call.signal("self").activation("hard_sigmoid", call.where)


def _clip(call: Call, low: Any, high: Any) -> Signal:
    x = call.signal("self")
    bounds = []
    for bound in (low, high):
        value = None if bound is None else constant(bound)
        if bound is not None and value is None:
            raise Refused("takes its bounds from the input (clamp)")
        if value is not None and np.unique(value).size != 1:
            raise Refused("has bounds of its own for each feature (clamp)")
        bounds.append(None if value is None else float(value.flat[0]))
    least, most = bounds
    if least is not None and most is not None:
        return x.activation("clip", call.where, alpha=min(least, most), beta=most)
    if least is not None:  # max(v, least)
        if least == 0:
            return x.activation("relu", call.where)
        y = x.affine(1.0, -least, call.where).activation("relu", call.where)
        return y.affine(1.0, least, call.where)
    assert most is not None  # min(v, most) = most - max(most - v, 0)
    return x.affine(-1.0, most, call.where).activation("relu", call.where).affine(-1.0, most, call.where)


@entry("hardtanh", "relu6", "clamp", "clip", "clamp_min", "clamp_max", pass_over=True)
def clip(call: Call) -> Signal:
    if call.op == "hardtanh":
        return _clip(call, call["min_val"], call["max_val"])
    if call.op == "relu6":
        return _clip(call, 0.0, 6.0)
    return _clip(call, call.arguments.get("min"), call.arguments.get("max"))


@entry("gelu")
def gelu(call: Call) -> Signal:
    return call.signal("self").activation("gelu_tanh" if call["approximate"] == "tanh" else "gelu", call.where)


@entry("softplus")
def soft_plus(call: Call) -> Signal:
    beta, threshold = float(call["beta"]), float(call["threshold"])
    x = call.signal("self")
    if threshold < 20:  # 2e-9 off the smooth function there; below, the kink is part of the source
        return x.pointwise(lambda v: np.where(beta * v > threshold, v, softplus(beta * v) / beta), call.where)
    if beta == 1:
        return x.activation("softplus", call.where)
    return x.affine(beta, 0.0, call.where).activation("softplus", call.where).affine(1.0 / beta, 0.0, call.where)


@entry("log_sigmoid")
def log_sigmoid(call: Call) -> Signal:
    x = call.signal("self").affine(-1.0, 0.0, call.where)
    return x.activation("softplus", call.where).affine(-1.0, 0.0, call.where)


@entry("softmax", "_softmax", pass_over=True)
def softmax(call: Call) -> Signal:
    return call.signal("self").softmax(call["dim"], call.where)
