"""Operations that move, drop or select axes, and those that do nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from penstock.importing.axes import TIME, Refused, Signal, States
from penstock.torch.table import Call, constant, entry

_END = sys.maxsize


def is_time(value: Any, dim: int) -> bool:
    """Whether a dimension is known to hold timesteps."""
    kinds = {a.kind for a in value.dims[dim]}
    return isinstance(value, Signal) and TIME in kinds


def _only_timestep(value: Any, dim: int) -> None:
    if -value.rank <= dim < value.rank and is_time(value, dim) and value.shape[dim] == 1:
        raise Refused("takes a timestep of an example that has one: first and last are the same there; give more")


def _select(value: Any, dim: int, index: int, where: str) -> Any:
    _only_timestep(value, dim)
    return value.select(dim, index, where)


def _slice(value: Any, dim: int, start: int | None, stop: int | None, where: str, step: int = 1) -> Any:
    _only_timestep(value, dim)
    return value.slice(dim, 0 if start is None else start, _END if stop is None else stop, where, step)


@entry("clone", "contiguous", "detach", "detach_", "alias", "lift_fresh_copy", "lift_fresh", "resolve_conj")
def same(call: Call) -> Any:
    return call.moved("self")


@entry("to", "_to_copy", "type_as")
def to(call: Call) -> Any:
    dtype = call.arguments.get("dtype")
    other = call.arguments.get("other")
    if isinstance(other, Tensor):
        dtype = other.dtype
    if isinstance(dtype, torch.dtype) and not dtype.is_floating_point:
        raise Refused(f"rounds to {str(dtype).removeprefix('torch.')}")
    return call.moved("self")


@entry("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout", pass_over=True)
def dropout(call: Call) -> Any:
    if call["train"]:
        raise Refused(f"drops values at random ({call.op} with training=True)")
    value = call.moved("input")
    return (value, None) if call.op == "native_dropout" else value


@entry("permute")
def permute(call: Call) -> Any:
    return call.moved("self").permute(call["dims"])


@entry("transpose", "swapaxes", "swapdims")
def transpose(call: Call) -> Any:
    value = call.moved("self")
    a, b = (call.arguments[n] for n in (("dim0", "dim1") if "dim0" in call.arguments else ("axis0", "axis1")))
    order = list(range(value.rank))
    order[a], order[b] = order[b], order[a]
    return value.permute(order)


@entry("t", "numpy_T", "mT", "adjoint", "matrix_H", "mH")
def turned(call: Call) -> Any:
    value = call.moved("self")
    order = list(range(value.rank))
    if call.op == "numpy_T":
        order.reverse()
    elif value.rank > 1:
        order[-2:] = order[-1], order[-2]
    return value.permute(order)


@entry("movedim", "moveaxis")
def movedim(call: Call) -> Any:
    value = call.moved("self")

    def listed(dims: Any) -> list[int]:
        return [d % value.rank for d in ([dims] if isinstance(dims, int) else dims)]

    source, destination = listed(call["source"]), listed(call["destination"])
    order = [d for d in range(value.rank) if d not in source]
    for to_, from_ in sorted(zip(destination, source, strict=True)):
        order.insert(to_, from_)
    return value.permute(order)


@entry("squeeze")
def squeeze(call: Call) -> Any:
    value = call.moved("self")
    if "dim" not in call.arguments:
        return value.squeeze()
    dims = [call["dim"]] if isinstance(call["dim"], int) else call["dim"]
    return value.squeeze([d for d in dims if value.shape[d] == 1])  # torch's leaves other sizes as they are


@entry("unsqueeze")
def unsqueeze(call: Call) -> Any:
    return call.moved("self").unsqueeze([call["dim"]])


@entry("view", "reshape", "_unsafe_view", "_reshape_alias")
def reshape(call: Call) -> Any:
    size = call.arguments.get("size", call.arguments.get("shape"))
    if not isinstance(size, Sequence):  # view(dtype)
        raise Refused("reads the bytes of its values as another type")
    return call.moved("self").reshape(size)


@entry("view_as", "reshape_as", "expand_as")
def as_other(call: Call) -> Any:
    shape = tuple(call["other"].shape)
    return call.moved("self").expand(shape) if call.op == "expand_as" else call.moved("self").reshape(shape)


@entry("flatten")
def flatten(call: Call) -> Any:
    value = call.moved("self")
    return value.flatten(call["start_dim"], call["end_dim"]) if value.rank else value.reshape([1])


@entry("unflatten")
def unflatten(call: Call) -> Any:
    value = call.moved("self")
    dim = call["dim"] % value.rank
    shape = list(value.shape)
    sizes = list(call["sizes"])
    if -1 in sizes:
        known = int(np.prod([s for s in sizes if s != -1]))
        sizes[sizes.index(-1)] = shape[dim] // max(known, 1)
    return value.reshape([*shape[:dim], *sizes, *shape[dim + 1 :]])


@entry("expand")
def expand(call: Call) -> Any:
    return call.moved("self").expand(call["size"])


@entry("repeat", "tile")
def repeat(call: Call) -> Any:
    times = list(call["repeats" if call.op == "repeat" else "dims"])
    if any(t != 1 for t in times):
        raise Refused(f"repeats values ({call.op})")
    value = call.moved("self")
    return value.unsqueeze(range(max(0, len(times) - value.rank)))


@entry("select")
def select(call: Call) -> Any:
    return _select(call.moved("self"), call["dim"], call["index"], call.where)


@entry("slice")
def slice_(call: Call) -> Any:
    return _slice(call.moved("self"), call["dim"], call["start"], call["end"], call.where, call["step"])


@entry("narrow")
def narrow(call: Call) -> Any:
    value = call.moved("self")
    start = call["start"] if call["start"] >= 0 else call["start"] + value.shape[call["dim"]]
    return _slice(value, call["dim"], start, start + call["length"], call.where)


@entry("chunk", "split", "split_with_sizes", "unbind")
def parts(call: Call) -> Any:
    """Those parts that nothing reads are no matter, so each is judged where it is taken up."""
    value = call.moved("self")
    dim = call["dim"]
    size = value.shape[dim]
    if call.op == "unbind":
        return tuple(Deferred(lambda i=i: _select(value, dim, i, call.where)) for i in range(size))
    if call.op == "chunk":
        wanted: Any = -(-size // call["chunks"])
    else:
        wanted = call.arguments.get("split_size", call.arguments.get("split_sizes"))
    sizes = [min(wanted, size - at) for at in range(0, size, wanted)] if isinstance(wanted, int) else list(wanted)
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(
        Deferred(lambda a=a, b=b: _slice(value, dim, a, b, call.where))
        for a, b in zip(starts[:-1], starts[1:], strict=True)
    )


class Deferred:
    """One of several results, made when it is taken."""

    def __init__(self, make: Any) -> None:
        self.make = make


@entry("index", "index_select")
def index(call: Call) -> Any:
    """Constant indices along one dimension, as a matrix that picks features."""
    value = call.signal("self")
    if call.op == "index":
        given = {d: i for d, i in enumerate(call["indices"]) if i is not None}
    else:
        given = {call["dim"] % value.rank: call["index"]}
    if len(given) != 1:
        raise Refused("takes values by indices along several dimensions")
    ((dim, which),) = given.items()
    chosen = constant(which)
    if chosen is None:
        raise Refused("takes its indices from the input")
    if which.dtype == torch.bool or chosen.ndim != 1:
        raise Refused("takes values by a mask or by indices of several dimensions")
    size = value.shape[dim]
    places = chosen.astype(int) % size
    if is_time(value, dim):
        if places.tolist() == [size - 1]:
            return _slice(value, dim, -1, None, call.where)
        raise Refused(f"takes timesteps {places.tolist()} of {size}; only the last one can be told in a stream")
    return value.linear(np.eye(size)[places], None, call.where, dim)


@entry("cat", "concat", "concatenate", "stack")
def cat(call: Call) -> Any:
    values = list(call["tensors"])
    dim = call.arguments.get("dim", call.arguments.get("axis", 0))
    stacked = call.op == "stack"
    if all(isinstance(v, States) for v in values):
        if stacked:
            values = [v.unsqueeze([dim]) for v in values]
        return States.concat(values, dim)
    signals = [v.signal() if isinstance(v, States) else v for v in values]
    if len(signals) == 1:
        return signals[0].unsqueeze([dim]) if stacked else signals[0]
    if not stacked and any(isinstance(s, Signal) and is_time(s, dim) for s in signals):
        raise Refused(f"mixes timesteps ({call.op} along them)")
    raise Refused(f"joins several values ({call.op}), which this version does not run")
