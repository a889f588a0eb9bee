"""The C library: cffi's module over penstock.h, and the hot path in C. Both lie in one extension file, so that there is
one copy of the library with its errors of each thread; the second is loaded from that file under its own name."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import operator
import os
import sys
from typing import Any, NoReturn, SupportsIndex

import numpy as np

from penstock import _library, arrays, errors

ffi: Any = _library.ffi
lib: Any = _library.lib


def _load(name: str, path: str) -> None:
    """Makes a module that stands in another one's file importable."""
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module


_load("penstock._step", str(_library.__file__))

from penstock._step import Gate as Gate  # noqa: E402
from penstock._step import Stepper as Stepper  # noqa: E402
from penstock._step import hooks  # noqa: E402

_CLASSES: dict[int, type[errors.Error]] = {
    lib.PST_E_ARGUMENT: errors.ArgumentError,
    lib.PST_E_SHAPE: errors.ShapeError,
    lib.PST_E_FILE: errors.FileError,
    lib.PST_E_CORRUPT: errors.CorruptError,
    lib.PST_E_UNSUPPORTED: errors.UnsupportedError,
    lib.PST_E_MEMORY: errors.OutOfMemoryError,
    lib.PST_E_HOST: errors.HostError,
    lib.PST_E_NONFINITE: errors.NonFiniteError,
    lib.PST_E_TOLERANCE: errors.ToleranceError,
    lib.PST_E_MISMATCH: errors.MismatchError,
    lib.PST_E_BUSY: errors.BusyError,
    lib.PST_E_CLOSED: errors.ClosedError,
    lib.PST_E_FORKED: errors.ForkedError,
    lib.PST_E_CANCELLED: errors.CancelledError,
    lib.PST_E_EMPTY: errors.EmptyError,
    lib.PST_E_LATE: errors.LateError,
}


def text(pointer: Any) -> str | None:
    """A C string as str; None for NULL."""
    if pointer == ffi.NULL:
        return None
    return bytes(ffi.string(pointer)).decode("utf-8", "surrogateescape")


def struct(name: str) -> Any:
    """A cleared struct of the interface with its size set: PST_INIT."""
    made = ffi.new(f"{name} *")
    made.size = ffi.sizeof(name)
    return made


def fail(status: int) -> NoReturn:
    """Raises the error of this thread's last failing call, which returned `status`."""
    detail = struct("pst_error")
    lib.pst_last_error(detail)
    name = text(lib.pst_status_name(status))
    raise _CLASSES.get(status, errors.Error)(
        text(detail.message) or str(name),
        status=name,
        file=text(detail.file),
        item=text(detail.item),
        field=text(detail.field),
        expected=int(detail.expected),
        found=int(detail.found),
        os_error=int(detail.os_error),
    )


def check(status: int) -> None:
    """Returns for PST_OK, else raises. Call it directly behind the failing call, on the same thread."""
    if status != 0:
        fail(status)


def misuse(what: str) -> NoReturn:
    """Raises what the hot path found wrong."""
    if what == "busy":
        raise errors.BusyError("engine: another thread is driving it", status="PST_E_BUSY", item="engine")
    if what == "closed":
        raise errors.ClosedError("engine: it was closed", status="PST_E_CLOSED", item="engine")
    if what == "stream closed":
        raise errors.ClosedError("stream: it was closed", status="PST_E_CLOSED", item="stream")
    if what == "units":
        raise errors.ArgumentError("settle: units: expected a whole number from 0 on", item="settle", field="units")
    raise AssertionError(what)


def c_text(name: str, value: str) -> Any:
    """A str as the C library takes it, owned by the caller; `name` is what an error calls it."""
    if not isinstance(value, str):
        raise errors.ArgumentError(f"{name}: expected a str, found {type(value).__qualname__}", item=name)
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise errors.ArgumentError(f"{name}: {value!r} has a character that no name has", item=name)
    return ffi.new("char[]", encoded)


def c_path(path: str | os.PathLike[str]) -> bytes:
    """A path as the C library takes it."""
    try:
        encoded = os.fsencode(path)
    except TypeError:
        raise errors.ArgumentError(f"path: expected a path, found {type(path).__qualname__}", item="path") from None
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise errors.ArgumentError(f"path: {path!r} has a character that no path has", item="path")
    return encoded


def c_bytes(name: str, value: bytes) -> Any:
    """Bytes, or whatever else has a buffer of them, as the C library takes them; not copied."""
    try:
        return ffi.from_buffer(value)
    except (TypeError, ValueError, BufferError) as problem:
        raise errors.ArgumentError(f"{name}: expected bytes, found {type(value).__qualname__}", item=name) from problem


def whole(name: str, value: SupportsIndex, most: int = 2**32 - 1, least: int = 0) -> int:
    """A whole number in [least, most]."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if not least <= number <= most:
        raise errors.ArgumentError(
            f"{name}: expected a whole number from {least} to {most}, found {value!r}", item=name
        )
    return number


def version() -> str:
    """The version of the C library, penstock.h's."""
    return str(text(lib.pst_version()))


def levels() -> tuple[str, ...]:
    """The instruction set levels that this machine and this build have, best last: "scalar", "avx2" ..."""
    names, count = ffi.new("const char *const **"), ffi.new("size_t *")
    lib.pst_levels(names, count)
    return tuple(str(text(names[0][i])) for i in range(count[0]))


hooks(fail, arrays.refuse, misuse, np.empty, np.dtype(np.float32), np.ndarray)
