"""Operations that move, drop or select axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from penstock.importing.axes import TIME, Refused, Signal, States
from penstock.onnx.file import FLOATS, HALVES, type_name
from penstock.onnx.fold import type_of
from penstock.onnx.graph import Node
from penstock.onnx.table import Array, Context, constant, given, ints, op, signal, tracked


@op("Identity")
def identity(context: Context, item: Node, args: list[Any]) -> Any:
    return args[0]


@op("Shape", "Size")
def shape(context: Context, item: Node, args: list[Any]) -> Any:
    """Pass 1 has evaluated those of known shapes."""
    raise Refused("is of a tensor whose shape is not known")


@op("Dropout")
def dropout(context: Context, item: Node, args: list[Any]) -> Any:
    """Inference leaves its input as it is. From operator set 12 an input says that it trains."""
    training, ratio = given(args, 2), given(args, 1)
    if training is not None and np.any(constant(training, "training_mode")):
        if ratio is None or np.any(constant(ratio, "its ratio") != 0):
            raise Refused("has training_mode set: it drops values at random")
    return args[0]


@op("Cast", "CastLike")
def cast(context: Context, item: Node, args: list[Any]) -> Any:
    value = tracked(args[0])
    source = context.types[item.inputs[0]].elem
    if item.op == "Cast":
        target = item.attribute("to")
    elif item.inputs[1] in context.types:
        target = context.types[item.inputs[1]].elem
    else:
        target = type_of(args[1]).elem
    if target not in FLOATS:
        raise Refused(f"casts a signal to {type_name(target)}")
    if target in HALVES:
        context.rounded.add(target)
    if source in FLOATS:
        return value
    if source == TensorProto.BOOL:
        return signal(value).pointwise(lambda v: np.asarray(v, np.float64), item.where)
    raise Refused(f"casts a signal of {type_name(source)}")


def _axes(context: Context, item: Node, args: Sequence[Any]) -> list[int] | None:
    """Of Squeeze and Unsqueeze: an attribute before operator set 13, an input from it on."""
    if context.opset < 13:
        axes = item.attribute("axes")
        return None if axes is None else list(axes)
    value = given(args, 1)
    return None if value is None else ints(value, "its axes")


@op("Transpose")
def transpose(context: Context, item: Node, args: list[Any]) -> Any:
    value = tracked(args[0])
    return value.permute(item.attribute("perm", list(range(value.rank))[::-1]))


@op("Squeeze")
def squeeze(context: Context, item: Node, args: list[Any]) -> Any:
    return tracked(args[0]).squeeze(_axes(context, item, args))


@op("Unsqueeze")
def unsqueeze(context: Context, item: Node, args: list[Any]) -> Any:
    axes = _axes(context, item, args)
    if axes is None:
        raise Refused("has no axes")
    return tracked(args[0]).unsqueeze(axes)


@op("Reshape")
def reshape(context: Context, item: Node, args: list[Any]) -> Any:
    value = tracked(args[0])
    sizes = ints(args[1], "its shape")
    if not item.attribute("allowzero", 0):
        sizes = [value.shape[i] if s == 0 and i < value.rank else s for i, s in enumerate(sizes)]
    return value.reshape(sizes)


@op("Flatten")
def flatten(context: Context, item: Node, args: list[Any]) -> Any:
    """Into two dimensions: those before `axis`, and the others."""
    value = tracked(args[0])
    axis = item.attribute("axis", 1)
    axis += value.rank if axis < 0 else 0
    return value.reshape([math.prod(value.shape[:axis]), math.prod(value.shape[axis:])])


@op("Expand")
def expand(context: Context, item: Node, args: list[Any]) -> Any:
    """ONNX broadcasts both ways; the shape may have fewer dimensions."""
    value = tracked(args[0])
    sizes = ints(args[1], "its shape")
    return value.expand([1] * (value.rank - len(sizes)) + sizes)


@op("Tile")
def tile(context: Context, item: Node, args: list[Any]) -> Any:
    value = tracked(args[0])
    if any(r != 1 for r in ints(args[1], "its repeats")):
        raise Refused("repeats a signal")
    return value


@op("Slice")
def slices(context: Context, item: Node, args: list[Any]) -> Any:
    """Attributes before operator set 10, inputs from it on. Starts and ends are clamped as Python does."""
    value = tracked(args[0])
    if context.opset < 10:
        starts, ends = item.attribute("starts", []), item.attribute("ends", [])
        axes, steps = item.attribute("axes"), None
    else:
        starts, ends = ints(args[1], "its start"), ints(args[2], "its end")
        axes = None if given(args, 3) is None else ints(args[3], "its axes")
        steps = None if given(args, 4) is None else ints(args[4], "its steps")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Refused("has starts, ends, axes and steps that do not belong together")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        value = value.slice(axis, start, end, item.where, step)
    return value


@op("Split")
def split(context: Context, item: Node, args: list[Any]) -> Any:
    value = tracked(args[0])
    axis = item.attribute("axis", 0)
    if not -value.rank <= axis < value.rank:
        raise Refused(f"has no dimension {axis} among {value.rank}")
    size, count = value.shape[axis], len(item.outputs)
    sizes = item.attribute("split") if context.opset < 13 else None
    if context.opset >= 13 and given(args, 1) is not None:
        sizes = ints(args[1], "its sizes")
    if sizes is None:
        each = -(-size // count)
        sizes = [max(0, min(each, size - each * i)) for i in range(count)]
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
        raise Refused(f"splits {size} into {sizes}")
    ends = np.cumsum(sizes)
    parts = []
    for name, part, end in zip(item.outputs, sizes, ends, strict=True):
        # A part that nobody reads may be what a stream cannot give.
        parts.append(value.slice(axis, int(end) - part, int(end), item.where) if name else None)
    return parts


def _select(value: Any, axis: int, indices: Array, where: str) -> Any:
    """Of Gather: one index, or a list of them."""
    if indices.ndim == 0:
        return value.select(axis, int(indices), where)
    if indices.ndim != 1 or indices.size == 0:
        raise Refused(f"gathers by indices of shape {list(indices.shape)}")
    if not -value.rank <= axis < value.rank:
        raise Refused(f"has no dimension {axis} among {value.rank}")
    size = value.shape[axis]
    if np.any(indices < -size) or np.any(indices >= size):
        raise Refused(f"gathers by an index beyond {size}")
    listed = [int(i) % size for i in indices]
    if listed == list(range(listed[0], listed[0] + len(listed))):
        return value.slice(axis, listed[0], listed[-1] + 1, where)
    if isinstance(value, States):
        raise Refused("takes layers of a state in another order")
    if value.dims[axis % value.rank] and all(a.kind == TIME for a in value.dims[axis % value.rank]):
        raise Refused("mixes timesteps (gathers them in another order)")
    if size > 4096:
        raise Refused(f"gathers from {size} features by a list")
    return value.linear(np.eye(size)[listed], None, where, axis)


@op("Gather")
def gather(context: Context, item: Node, args: list[Any]) -> Any:
    return _select(tracked(args[0]), item.attribute("axis", 0), constant(args[1], "its indices"), item.where)


@op("Concat")
def concat(context: Context, item: Node, args: list[Any]) -> Any:
    axis = item.attribute("axis", 0)
    if len(args) == 1:
        return args[0]
    if all(isinstance(a, States) for a in args):
        return States.concat(args, axis)
    signals = [a for a in args if isinstance(a, Signal)]
    for value in signals:
        if not -value.rank <= axis < value.rank:
            raise Refused(f"has no dimension {axis} among {value.rank}")
        if any(a.kind == TIME for a in value.dims[axis]):
            raise Refused("mixes timesteps (joins others to them)")
    raise Refused("joins signals, which this version does not run")
