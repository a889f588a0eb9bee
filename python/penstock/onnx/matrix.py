"""Matrices, normalisation with constant statistics, softmax; and operations along an axis, which are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.importing.axes import Refused, Signal, Tracked
from penstock.onnx.graph import Node
from penstock.onnx.table import Array, Context, constant, given, ints, op, signal


def _both_signals(args: Sequence[Any]) -> bool:
    return all(isinstance(a, Tracked) for a in args[:2])


def _times(value: Signal, matrix: Array, where: str) -> Signal:
    """value @ matrix, by NumPy's rules."""
    vector = matrix.ndim == 1
    if vector:
        matrix = matrix[:, None]
    if math.prod(matrix.shape[:-2]) != 1:
        raise Refused(f"multiplies by {math.prod(matrix.shape[:-2])} matrices, one a timestep or batch row")
    if matrix.ndim > value.rank > 1:
        value = value.unsqueeze(range(matrix.ndim - value.rank))
    made = value.linear(matrix.reshape(matrix.shape[-2:]).T, None, where)
    return made.squeeze([-1]) if vector else made


@op("MatMul")
def matmul(context: Context, item: Node, args: list[Any]) -> Any:
    if _both_signals(args):
        raise Refused("multiplies two signals")
    if isinstance(args[0], Tracked):
        return _times(signal(args[0]), args[1], item.where)
    matrix, value = args[0], signal(args[1])
    if value.rank == 1:
        return _times(value, np.swapaxes(matrix, -1, -2) if matrix.ndim > 1 else matrix, item.where)
    # A x, with the features in the dimension before the last: the transpose of x A'.
    swap = [*range(value.rank - 2), value.rank - 1, value.rank - 2]
    made = _times(value.permute(swap), np.swapaxes(matrix, -1, -2) if matrix.ndim > 1 else matrix, item.where)
    if matrix.ndim == 1:
        return made
    return made.permute([*range(made.rank - 2), made.rank - 1, made.rank - 2])


@op("Gemm")
def gemm(context: Context, item: Node, args: list[Any]) -> Any:
    """alpha A B + beta C, A and B perhaps transposed."""
    if _both_signals(args):
        raise Refused("multiplies two signals")
    if any(a.rank != 2 if isinstance(a, Tracked) else a.ndim != 2 for a in args[:2]):
        raise Refused("multiplies what are no matrices")
    alpha, beta = item.attribute("alpha", 1.0), item.attribute("beta", 1.0)
    turned = []
    for value, name in zip(args[:2], ("transA", "transB"), strict=True):
        if not item.attribute(name, 0):
            turned.append(signal(value) if isinstance(value, Tracked) else value)
        else:
            turned.append(signal(value).permute([1, 0]) if isinstance(value, Tracked) else value.T)
    a, b = turned
    if isinstance(a, Signal):
        made = a.linear(alpha * np.asarray(b, np.float64).T, None, item.where)
    else:
        made = b.permute([1, 0]).linear(alpha * np.asarray(a, np.float64), None, item.where).permute([1, 0])
    if given(args, 2) is None:
        return made
    return made.affine(1.0, beta * np.asarray(constant(args[2], "what it adds"), np.float64), item.where)


@op("BatchNormalization")
def batch_normalization(context: Context, item: Node, args: list[Any]) -> Any:
    """(x - mean) / sqrt(variance + epsilon) scale + bias, over dimension 1, with the file's statistics."""
    if item.attribute("training_mode", 0) or any(item.outputs[1:]):
        raise Refused("is in training mode: its statistics are taken over the batch")
    if item.attribute("spatial", 1) != 1:
        raise Refused("has spatial=0")
    value = signal(args[0])
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, variance = (
        np.asarray(constant(a, f"its {name}"), np.float64).reshape(-1) for a, name in zip(args[1:5], names, strict=True)
    )
    factor = scale / np.sqrt(variance + item.attribute("epsilon", 1e-5))
    shape = (-1, *[1] * (value.rank - 2)) if value.rank > 1 else (-1,)
    return value.affine(factor.reshape(shape), (bias - factor * mean).reshape(shape), item.where)


@op("Softmax")
def softmax(context: Context, item: Node, args: list[Any]) -> Any:
    """Before operator set 13 over all dimensions from the axis on."""
    value = signal(args[0])
    if context.opset >= 13:
        return value.softmax(item.attribute("axis", -1), item.where)
    axis = item.attribute("axis", 1)
    axis += value.rank if axis < 0 else 0
    if axis == value.rank - 1:
        return value.softmax(-1, item.where)
    return value.flatten(axis, -1).softmax(-1, item.where).with_dims(value.dims)


# ---- along an axis ---------------------------------------------------------------------------------------------------

_REDUCTIONS = {
    f"Reduce{name}": f"{words} over it"
    for name, words in {
        "L1": "norm",
        "L2": "norm",
        "LogSum": "sum",
        "LogSumExp": "sum",
        "Max": "maximum",
        "Mean": "mean",
        "Min": "minimum",
        "Prod": "product",
        "Sum": "sum",
        "SumSquare": "sum",
    }.items()
}


@op(*_REDUCTIONS)
def reduce(context: Context, item: Node, args: list[Any]) -> Any:
    value = signal(args[0])
    axes = item.attribute("axes")
    if axes is None and given(args, 1) is not None:
        axes = ints(args[1], "its axes")
    if not axes:
        axes = [] if item.attribute("noop_with_empty_axes", 0) else range(value.rank)
    raise value.mixing(list(axes), _REDUCTIONS[item.op])


_ALONG = {
    "ArgMax": "an index of the largest value over it",
    "ArgMin": "an index of the smallest value over it",
    "CumSum": "a cumulative sum over it",
    "CumProd": "a cumulative product over it",
    "Hardmax": "a hard maximum over it",
    "LogSoftmax": "a logarithmic softmax over it",
    "LpNormalization": "a norm over it",
    "TopK": "the largest values over it",
}


@op(*_ALONG)
def along(context: Context, item: Node, args: list[Any]) -> Any:
    axis = item.attribute("axis", -1)
    if item.op in ("CumSum", "CumProd"):
        axis = ints(args[1], "its axis")[0]
    elif item.op in ("ArgMax", "ArgMin"):
        axis = item.attribute("axis", 0)
    raise signal(args[0]).mixing([axis], _ALONG[item.op])


@op("LayerNormalization", "RMSNormalization")
def normalization(context: Context, item: Node, args: list[Any]) -> Any:
    value = signal(args[0])
    axis = item.attribute("axis", -1)
    words = "layer normalisation" if item.op.startswith("Layer") else "RMS normalisation"
    raise value.mixing(list(range(axis % value.rank, value.rank)), words)


_NEVER = {
    "Attention": "is an attention, which mixes timesteps",
    "Conv": "is a convolution, which mixes timesteps",
    "ConvTranspose": "is a convolution, which mixes timesteps",
    "AveragePool": "pools, which mixes timesteps",
    "GlobalAveragePool": "pools, which mixes timesteps",
    "MaxPool": "pools, which mixes timesteps",
    "GRU": "is a GRU; of recurrences only LSTM is run",
    "RNN": "is a plain RNN; of recurrences only LSTM is run",
    "ReverseSequence": "mixes timesteps (takes them in reverse order)",
    "Loop": "is a loop; of control flow only an If of a constant condition is run",
    "Scan": "is a loop; of control flow only an If of a constant condition is run",
    "If": "has a condition that depends on an input's value",
    "InstanceNormalization": "takes its statistics over the timesteps",
    "GroupNormalization": "takes its statistics over the timesteps",
    "MeanVarianceNormalization": "takes its statistics over the timesteps",
    "RandomNormal": "makes random numbers",
    "RandomNormalLike": "makes random numbers",
    "RandomUniform": "makes random numbers",
    "RandomUniformLike": "makes random numbers",
    "QuantizeLinear": "is quantised, which is not read",
    "DequantizeLinear": "is quantised, which is not read",
    "DynamicQuantizeLinear": "is quantised, which is not read",
    "MatMulInteger": "is quantised, which is not read",
    "QLinearMatMul": "is quantised, which is not read",
}


@op(*_NEVER)
def never(context: Context, item: Node, args: list[Any]) -> Any:
    raise Refused(_NEVER[item.op])
