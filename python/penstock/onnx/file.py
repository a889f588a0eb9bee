"""The file: protobuf, tensors, external data. Anything may be damaged; sizes are checked before memory is had."""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from penstock.errors import CorruptError, Error, FileError, Problem, unsupported

_T = TensorProto
# Element types that are read, with the field that holds their values where there are no raw bytes.
_FIELDS: dict[int, str] = {
    _T.FLOAT: "float_data",
    _T.DOUBLE: "double_data",
    _T.INT64: "int64_data",
    _T.UINT32: "uint64_data",
    _T.UINT64: "uint64_data",
    **dict.fromkeys((_T.FLOAT16, _T.BFLOAT16, _T.INT8, _T.INT16, _T.INT32, _T.UINT8, _T.UINT16, _T.BOOL), "int32_data"),
}
READ = frozenset(_FIELDS)
HALVES = (_T.FLOAT16, _T.BFLOAT16)
FLOATS = (_T.FLOAT, _T.DOUBLE, _T.FLOAT16, _T.BFLOAT16)


def type_name(elem: int) -> str:
    """FLOAT, INT8 ...; the number of an unknown one."""
    try:
        return str(TensorProto.DataType.Name(elem))
    except ValueError:
        return f"element type {elem}"


def _strings(message: Any) -> Iterator[tuple[str, Any]]:
    """Every text within a message, with the name of its field; protobuf gives bytes for what is no UTF-8."""
    for descriptor, value in message.ListFields():
        if descriptor.type not in (descriptor.TYPE_STRING, descriptor.TYPE_MESSAGE):
            continue
        several = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
        for one in several:
            if descriptor.type == descriptor.TYPE_STRING:
                yield descriptor.name, one
            else:
                yield from _strings(one)


class File:
    """An ONNX file. name: for messages. proto: the ModelProto. bytes: of the file, and of external data read so far."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = os.fspath(path) if isinstance(path, str) else str(path)
        content = self._content(self.path, self.name)
        self.bytes = len(content)
        try:
            self.proto: onnx.ModelProto = onnx.ModelProto.FromString(content)
        except Exception as error:  # protobuf's DecodeError, whose module has no types
            raise self.corrupt(f"is no ONNX model: its protobuf cannot be decoded ({error})") from error
        if not self.proto.HasField("graph") or not (self.proto.graph.node or self.proto.graph.output):
            raise self.corrupt("is no ONNX model: it has no graph")
        for name, value in _strings(self.proto):
            if not isinstance(value, str):
                raise self.corrupt(f"has a {name} that is no UTF-8: {value!r}")

    def corrupt(self, what: str, item: str | None = None) -> CorruptError:
        return CorruptError(f"{self.name}: {what}", file=self.name, item=item)

    def _content(self, path: Path, name: str) -> bytes:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would block
                raise FileError(f"{name}: is no regular file", file=name)
            return path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, Error):
                raise
            number = getattr(error, "errno", None) or errno.EINVAL
            reason = getattr(error, "strerror", None) or str(error)
            raise FileError(f"{name}: cannot be read: {reason}", file=name, os_error=number) from error

    # ---- tensors -----------------------------------------------------------------------------------------------------

    def tensor(self, proto: TensorProto, what: str) -> NDArray[Any]:
        """The values of a tensor. what: "initializer 'w'", for messages."""
        dims = list(proto.dims)
        if any(d < 0 for d in dims):
            raise self.corrupt(f"{what} has the shape {dims}", what)
        if proto.data_type not in _FIELDS:
            raise unsupported(self.name, [Problem(what, f"holds {type_name(proto.data_type)}, which is not read")])
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(proto.data_type))
        count = math.prod(dims)
        if proto.data_location == TensorProto.EXTERNAL:
            raw = self._external(proto, what, count * dtype.itemsize)
        elif proto.HasField("raw_data"):
            raw = proto.raw_data
        else:
            found = len(getattr(proto, _FIELDS[proto.data_type]))
            if found != count:
                raise self.corrupt(f"{what} has {found} values for the shape {dims}", what)
            try:
                return np.asarray(numpy_helper.to_array(proto))
            except Exception as error:
                raise self.corrupt(f"{what} cannot be read: {error}", what) from error
        if len(raw) != count * dtype.itemsize:
            raise self.corrupt(f"{what} has {len(raw)} bytes for {count} values of {dtype}, shape {dims}", what)
        try:
            return np.frombuffer(raw, dtype).reshape(dims)
        except ValueError as error:  # more dimensions than NumPy has
            raise self.corrupt(f"{what} has the shape {dims}: {error}", what) from error

    def _external(self, proto: TensorProto, what: str, wanted: int) -> bytes:
        """The bytes of a tensor that lie in another file of the same folder."""
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", wanted))
        except ValueError:
            raise self.corrupt(f"{what} has no number as offset or length of its external data", what) from None
        path = self._beside(location, what)
        try:
            with path.open("rb") as data:
                size = os.fstat(data.fileno()).st_size
                if length != wanted:
                    raise self.corrupt(f"{what} takes {length} bytes of {location!r}, its shape {wanted}", what)
                if offset < 0 or offset + length > size:
                    raise self.corrupt(
                        f"{what} takes bytes {offset} to {offset + length} of {location!r}, which has {size}", what
                    )
                data.seek(offset)
                raw = data.read(length)
        except OSError as error:
            if isinstance(error, Error):
                raise
            message = f"{self.name}: {what}: {str(path)!r} cannot be read: {error.strerror}"
            raise FileError(message, file=str(path), item=what, os_error=error.errno or 0) from error
        self.bytes += len(raw)
        return raw

    def _beside(self, location: str, what: str) -> Path:
        """A file named by the model, if it lies in the model's folder, not only seemingly."""
        parts = location.replace("\\", "/").split("/")
        windows = len(location) > 1 and location[1] == ":"
        if not location or "\0" in location or location[0] in "/\\" or windows or ".." in parts:
            problem = Problem(what, f"its external data, {location!r}, is outside the folder of the file")
            raise unsupported(self.name, [problem])
        path = self.path.parent
        for part in Path(location).parts:
            path = path / part
            try:
                mode = os.lstat(path).st_mode
            except OSError as error:
                message = f"{self.name}: {what}: its external data should be in {str(path)!r}: {error.strerror}"
                raise FileError(message, file=str(path), item=what, os_error=error.errno or 0) from error
            if stat.S_ISLNK(mode):
                problem = Problem(what, f"its external data, {location!r}, is a link, which may leave the folder")
                raise unsupported(self.name, [problem])
        if not stat.S_ISREG(mode):
            raise FileError(f"{self.name}: {what}: {str(path)!r} is no regular file", file=str(path), item=what)
        return path
