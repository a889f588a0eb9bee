"""JSON as importers read it: strict (UTF-8, each key once, finite numbers), and field by field, so that what nobody
read can be named."""

from __future__ import annotations

import json
import math
import os
from typing import Any, NoReturn

from penstock.errors import CorruptError, FileError, OutOfMemoryError

Path = str | os.PathLike[str]
LARGEST_FILE = 1 << 31  # bytes; a JSON model of a few million weights has a tenth of that
REQUIRED: Any = object()


def shown(value: object) -> str:
    """A value in a message: printable ASCII, cut where it is long."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def corrupt(source: str, where: str, what: str, field: str | None = None) -> CorruptError:
    """The error of a file that contradicts its format at `where`."""
    return CorruptError(f"{source}: {where}: {what}", file=source, item=where, field=field)


def file_error(source: str, error: OSError) -> FileError:
    """An OSError of the system, as a FileError that names the file."""
    return FileError(
        f"{source}: cannot be read: {error.strerror or error}", status=None, file=source, os_error=error.errno or 0
    )


def read_bytes(path: Path) -> tuple[str, bytes]:
    """The path as text, and the whole file. FileError where the system refuses, or where it is larger than 2 GiB."""
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise FileError(f"{source}: has {size} bytes; at most {LARGEST_FILE} are read", file=source)
            return source, file.read()
    except FileError:
        raise
    except OSError as error:
        raise file_error(source, error) from error
    except ValueError as error:  # a null byte in the path
        raise FileError(f"{shown(source)}: {error}", file=source) from error


def parse(data: bytes, source: str, where: str = "the JSON") -> Any:
    """The value that a JSON text holds. CorruptError: not UTF-8, not JSON, a key twice, NaN, infinity or a number
    beyond what a double holds, too deep."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    raise corrupt(source, where, f"the key {shown(key)} stands twice in one object", key)
                seen.add(key)
        return found

    def constant(name: str) -> NoReturn:
        raise corrupt(source, where, f"{name} is not a JSON number")

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise corrupt(source, where, f"the number {shown(text)} is larger than a double holds")
        return value

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except CorruptError:
        raise
    except UnicodeDecodeError as error:
        raise corrupt(source, where, f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise corrupt(source, where, f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise corrupt(source, where, "lists or objects are nested too deep") from None
    except ValueError as error:  # an integer with more digits than Python converts
        raise corrupt(source, where, f"not a number: {error}") from None
    except MemoryError as error:
        raise OutOfMemoryError(f"{source}: {where}: there is not enough memory to read it", file=source) from error


class Fields:
    """An object of a JSON file. Each field is asked for by name and checked; `rest` are those nobody asked for."""

    def __init__(self, values: Any, source: str, where: str) -> None:
        """CorruptError if `values` is not an object. where: its place in the file, for messages."""
        if not isinstance(values, dict):
            raise corrupt(source, where, f"must be an object, is {shown(values)}")
        self.values = values
        self.source = source
        self.where = where
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def bad(self, key: str, what: str) -> CorruptError:
        """The error of a field that is not what it must be."""
        return corrupt(self.source, self.where, f"{key} {what}", key)

    def get(self, key: str, default: Any = REQUIRED) -> Any:
        """The field's value, whatever it is. CorruptError where it is missing and there is no default."""
        self._asked.add(key)
        if key in self.values:
            return self.values[key]
        if default is REQUIRED:
            raise self.bad(key, "is missing")
        return default

    def text(self, key: str, default: Any = REQUIRED) -> str:
        value = self.get(key, default)
        if not isinstance(value, str):
            raise self.bad(key, f"must be a string, is {shown(value)}")
        return value

    def flag(self, key: str, default: Any = REQUIRED) -> bool:
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.bad(key, f"must be true or false, is {shown(value)}")
        return value

    def whole(self, key: str, default: Any = REQUIRED, lowest: int = 1, highest: int = 65_536) -> int:
        """A whole number within [lowest, highest]."""
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad(key, f"must be a whole number, is {shown(value)}")
        if not lowest <= value <= highest:
            raise self.bad(key, f"must be from {lowest} to {highest}, is {shown(value)}")
        return value

    def number(self, key: str, default: Any = REQUIRED) -> float:
        """A finite number."""
        value = self.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.bad(key, f"must be a number, is {shown(value)}")
        try:
            return float(value)
        except OverflowError:
            raise self.bad(key, f"is larger than a double holds: {shown(value)}") from None

    def items(self, key: str, default: Any = REQUIRED) -> list[Any]:
        value = self.get(key, default)
        if not isinstance(value, list):
            raise self.bad(key, f"must be a list, is {shown(value)}")
        return value

    def object(self, key: str, default: Any = REQUIRED) -> Fields:
        return Fields(self.get(key, default), self.source, f"{self.where}, {key}")

    def ignore(self, *keys: str) -> None:
        """Fields that do not change what the model computes."""
        self._asked.update(keys)

    def rest(self) -> list[str]:
        """The fields that were neither asked for nor ignored. One that is null counts as absent."""
        return [key for key, value in self.values.items() if key not in self._asked and value is not None]
