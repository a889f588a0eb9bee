"""Weights as files hold them, made into float64 arrays, each checked for its shape and its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import NonFiniteError, ShapeError
from penstock.importing.chain import Array
from penstock.importing.jsonfile import corrupt, shown

LARGEST = 2.0**40  # magnitude that the formats hold: docs/format.md
LARGEST_WIDTH = 65_536  # units, inputs, outputs of a layer: docs/format.md


def shape_text(shape: Sequence[int | None]) -> str:
    """[3, 16]; a size that may be anything is *."""
    return "[" + ", ".join("*" if size is None else str(size) for size in shape) + "]"


def check_shape(found: Sequence[int], expected: Sequence[int | None], source: str, item: str) -> None:
    """ShapeError unless the shapes agree; None in `expected` is any size from 1 to 65,536."""
    if len(found) != len(expected) or any(
        size != want if want is not None else not 1 <= size <= LARGEST_WIDTH
        for size, want in zip(found, expected, strict=True)
    ):
        raise ShapeError(
            f"{source}: {item}: the shape must be {shape_text(expected)}, is {shape_text(found)}",
            file=source,
            item=item,
            field="shape",
        )


def checked(array: NDArray[Any], source: str, item: str) -> Array:
    """The array as float64, C order. NonFiniteError where a value is NaN, infinite or beyond 2^40."""
    with np.errstate(invalid="ignore"):  # a signalling NaN is found below
        values = np.ascontiguousarray(array, dtype=np.float64)
    good = np.abs(values) <= LARGEST  # false for NaN
    if not np.all(good):
        at = np.unravel_index(int(np.argmin(good)), values.shape)
        place = "".join(f"[{index}]" for index in at)
        raise NonFiniteError(
            f"{source}: {item}{place} is {float(values[at])!r}; weights must be finite and at most 2^40 in magnitude",
            file=source,
            item=item,
        )
    return values


def _row(value: Any, source: str, item: str) -> Array:
    if not isinstance(value, list):
        raise corrupt(source, item, f"must be a list of numbers, is {shown(value)}")
    for index, number in enumerate(value):
        if type(number) is not float and type(number) is not int:
            raise corrupt(source, item, f"[{index}] must be a number, is {shown(number)}")
    try:
        return np.array(value, np.float64)
    except OverflowError:
        raise NonFiniteError(
            f"{source}: {item}: a number is larger than a double holds", file=source, item=item
        ) from None


def vector(value: Any, source: str, item: str, size: int | None = None) -> Array:
    """A JSON list of numbers. size: how many there must be; None: any."""
    row = _row(value, source, item)
    if size is not None:
        check_shape(row.shape, (size,), source, item)
    return checked(row, source, item)


def rank(value: Any) -> int:
    """How deep lists are nested, judged by the first element of each."""
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


def matrix(value: Any, source: str, item: str, shape: tuple[int | None, int | None] = (None, None)) -> Array:
    """A JSON list of lists of numbers, all of one length. shape: what it must be; None: any."""
    if not isinstance(value, list) or not value:
        raise corrupt(source, item, f"must be a list of lists of numbers, is {shown(value)}")
    rows = [_row(row, source, f"{item}[{index}]") for index, row in enumerate(value)]
    for index, row in enumerate(rows):
        if row.size != rows[0].size:
            raise ShapeError(
                f"{source}: {item}: row {index} has {row.size} numbers, row 0 has {rows[0].size}",
                file=source,
                item=item,
                field="shape",
            )
    check_shape((len(rows), rows[0].size), shape, source, item)
    return checked(np.stack(rows), source, item)
