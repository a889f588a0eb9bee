"""Arrays that go into the library: float32, C-contiguous, taken as they are. What does not fit is refused with what was
expected and what was found; nothing is copied or converted behind the caller's back."""

from __future__ import annotations

import sys
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ArgumentError, ShapeError

Float32: TypeAlias = NDArray[np.float32]
# A float32 array: of NumPy, a PyTorch tensor on the CPU, or anything else with a buffer.
ArrayLike: TypeAlias = Any


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)
    return isinstance(tensor, type) and isinstance(value, tensor)


def _refuse(name: str, why: str) -> NoReturn:
    raise ArgumentError(f"{name}: {why}", item=name)


def _of_tensor(name: str, tensor: Any) -> NDArray[Any]:
    """A view of a PyTorch tensor's memory as an array, or why there is none."""
    torch = sys.modules["torch"]
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        _refuse(name, f"expected a torch.Tensor itself, found the subclass {type(tensor).__qualname__}")
    if tensor.requires_grad:
        _refuse(name, "the tensor requires grad, which a step does not record: use detach()")
    if not tensor.is_cpu:
        _refuse(name, f"expected a tensor on the CPU, found one on {tensor.device}: use cpu()")
    if tensor.layout != torch.strided:
        _refuse(name, f"expected a dense tensor, found {tensor.layout}")
    if tensor.dtype != torch.float32:
        _refuse(name, f"expected torch.float32, found {tensor.dtype}: use float()")
    if tensor.is_neg():
        _refuse(name, "the tensor is a view with its signs turned: use resolve_neg()")
    if not tensor.is_contiguous():
        _refuse(name, f"expected a contiguous tensor, found strides {tuple(tensor.stride())}: use contiguous()")
    try:
        return np.asarray(tensor.numpy())
    except Exception as problem:
        raise ArgumentError(f"{name}: the tensor has no memory to read: {problem}", item=name) from problem


def take(name: str, value: ArrayLike, *, writable: bool = False) -> Float32:
    """`value` as a float32 array of any shape over the same memory; `name` is what an error calls it.

    Raises ArgumentError."""
    if _is_tensor(value):
        array = _of_tensor(name, value)
    elif isinstance(value, np.ndarray):
        array = value
    else:
        try:
            array = np.asarray(memoryview(value))
        except (TypeError, ValueError, BufferError):
            _refuse(name, f"expected a float32 array, found {type(value).__qualname__}")
    if array.dtype != np.float32:
        hint = f"; {name}.astype(numpy.float32) makes a copy that fits" if array.dtype.kind in "fiub" else ""
        _refuse(name, f"expected float32, found {array.dtype}{hint}")
    if hasattr(value, "mask"):
        _refuse(name, "expected an array without a mask")
    if not array.flags.aligned:
        _refuse(name, "expected an array aligned to 4 bytes")
    if not array.flags.c_contiguous:
        _refuse(
            name,
            f"expected a C-contiguous array, found strides {array.strides} of shape {array.shape}; "
            f"numpy.ascontiguousarray({name}) makes a copy that fits",
        )
    if writable and not array.flags.writeable:
        _refuse(name, "expected an array to write to, found a read-only one")
    return array


def wrong_shape(name: str, expected: str, shape: tuple[int, ...], width: int | None = None) -> NoReturn:
    """Raises ShapeError."""
    raise ShapeError(
        f"{name}: expected shape {expected}, found {list(shape)}",
        item=name,
        expected=width,
        found=shape[-1] if shape and width is not None else None,
    )


def refuse(name: str, value: ArrayLike, width: int, writable: bool) -> None:
    """Raises what is wrong with an argument of a step: what the hot path calls when it takes no value as it is."""
    array = take(name, value, writable=writable)
    if array.shape[-1:] != (width,) or array.size != width:
        wrong_shape(name, f"[{width}] or [1, {width}]", array.shape, width)


def rows(name: str, value: ArrayLike, width: int, *, writable: bool = False) -> Float32:
    """[T, width] over the memory of one sequence: [T, width], or with a batch of one [T, 1, width], [1, T, width]."""
    array = take(name, value, writable=writable)
    if array.ndim == 3 and 1 in array.shape[:2]:
        array = array.reshape(array.shape[0] * array.shape[1], array.shape[2])
    if array.ndim != 2 or array.shape[1] != width:
        wrong_shape(name, f"[T, {width}], [T, 1, {width}] or [1, T, {width}]", np.shape(value), width)
    return array


def sequences(name: str, value: ArrayLike, width: int) -> Float32:
    """[S, T, width] over the memory of [T, width] or [S, T, width]; neither S nor T is 0."""
    array = take(name, value)
    if array.ndim not in (2, 3) or array.shape[-1] != width or 0 in array.shape:
        wrong_shape(name, f"[T, {width}] or [S, T, {width}], T and S at least 1", array.shape, width)
    return array if array.ndim == 3 else array[None]


def apart(first: str, a: Float32, second: str, b: Float32) -> None:
    """Raises ArgumentError where two arrays overlap, unless they are the same memory."""
    same = a.shape == b.shape and a.ctypes.data == b.ctypes.data
    if not same and np.may_share_memory(a, b):
        raise ArgumentError(f"{second}: it overlaps {first}", item=second)


def states(name: str, value: ArrayLike, units: tuple[int, ...]) -> Float32 | None:
    """h0 or c0 as the library takes it: the units of all lstm layers, one after the other. A list has an array
    for each layer."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if len(value) != len(units):
            raise ShapeError(
                f"{name}: expected {len(units)} arrays, one for each lstm layer, found {len(value)}",
                item=name,
                expected=len(units),
                found=len(value),
            )
        parts = [take(f"{name}[{i}]", part) for i, part in enumerate(value)]
        for i, (part, width) in enumerate(zip(parts, units, strict=True)):
            if part.size != width or part.shape[-1:] != (width,):
                wrong_shape(f"{name}[{i}]", f"[{width}]", part.shape, width)
        return np.concatenate([np.zeros(0, np.float32), *(part.reshape(-1) for part in parts)])
    array = take(name, value)
    shapes: list[tuple[int, ...]] = [(sum(units),)]
    if units and len(set(units)) == 1:
        shapes += [(len(units), units[0]), (len(units), 1, units[0])]
    if array.shape not in shapes:
        wrong_shape(name, " or ".join(str(list(shape)) for shape in shapes), array.shape)
    return array
