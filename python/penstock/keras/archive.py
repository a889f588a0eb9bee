"""A Keras file as its parts: the configuration (JSON), the weights (HDF5), and the version of Keras that wrote it."""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from penstock.errors import Problem, unsupported
from penstock.importing import extras
from penstock.importing.jsonfile import LARGEST_FILE, Path, corrupt, parse, read_bytes, shown
from penstock.keras.store import Grouped, Indexed, guarded, text_of

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CONFIG_LIMIT = 1 << 28  # bytes of config.json and metadata.json


@dataclass(frozen=True)
class Archive:
    """An open file; a context manager that closes it. model: {"class_name": .., "config": ..}. version: of Keras, its
    parts, () where the file does not say. legacy: `.h5`. open: what closing closes."""

    source: str
    legacy: bool
    model: Any
    version: tuple[int, ...]
    weights: Grouped | Indexed
    open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.open.close()


def version_of(text: Any) -> tuple[int, ...]:
    """ "2.2.4-tf" -> (2, 2, 4)."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", text) if isinstance(text, str) else None
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def _member(archive: zipfile.ZipFile, source: str, name: str, limit: int) -> bytes:
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise corrupt(source, name, "stands in the archive twice" if found else "is missing from the archive")
    info = found[0]
    # deflate expands by no more than 1,032: an entry that says more is not what it says
    if info.file_size > min(limit, 1100 * info.compress_size + 4096):
        raise corrupt(source, name, f"says it has {info.file_size} bytes, of {info.compress_size} compressed ones")
    return archive.read(info)


def _hdf5(content: bytes, stack: ExitStack) -> Any:
    h5py = extras.need("h5py", "keras")
    return stack.enter_context(h5py.File(io.BytesIO(content), "r"))


def _zipped(source: str, data: bytes, stack: ExitStack) -> Archive:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        config = parse(_member(archive, source, "config.json", _CONFIG_LIMIT), source, "config.json")
        version: tuple[int, ...] = ()
        if "metadata.json" in names:
            metadata = parse(_member(archive, source, "metadata.json", _CONFIG_LIMIT), source, "metadata.json")
            version = version_of(metadata.get("keras_version")) if isinstance(metadata, dict) else ()
        if "model.weights.h5" not in names:
            others = [name for name in names if name.startswith("model.weights")]
            if others:
                raise unsupported(source, [Problem(others[0], "weights in several files, or in npz, are not read")])
            raise corrupt(source, "model.weights.h5", "is missing from the archive")
        content = _member(archive, source, "model.weights.h5", LARGEST_FILE)
    file = _hdf5(content, stack)
    if "_layer_checkpoint_dependencies" in file:
        what = "the layout of Keras 2.12 and 2.13 is not read; save it as .h5, or with Keras 3"
        raise unsupported(source, [Problem("model.weights.h5", what)])
    return Archive(source, False, config, version, Grouped(file, source))


def _legacy(source: str, data: bytes, stack: ExitStack) -> Archive:
    file = _hdf5(data, stack)
    text = file.attrs.get("model_config")
    if text is None:
        if any(
            name in file.attrs or name in file for name in ("layer_names", "layers", "_layer_checkpoint_dependencies")
        ):
            raise unsupported(source, [Problem("the file", "holds weights only; save the whole model (model.save)")])
        raise corrupt(source, "the file", "is HDF5, but the attribute model_config is missing", "model_config")
    config = text_of(text)
    if config is None:
        raise corrupt(source, "model_config", "must be a text")
    model = parse(config.encode("utf-8", "surrogatepass"), source, "model_config")
    weights = Indexed(file, source)
    version = version_of(text_of(file.attrs.get("keras_version"))) or version_of(weights.keras)
    return Archive(source, True, model, version, weights)


def open_archive(path: Path) -> Archive:
    """Opens a file. FileError, CorruptError, UnsupportedError, MissingExtraError (h5py)."""
    source, data = read_bytes(path)
    with ExitStack() as stack, guarded(source):
        if data[:2] == b"PK":
            archive = _zipped(source, data, stack)
        elif data[:8] == _HDF5:
            archive = _legacy(source, data, stack)
        else:
            what = f"is neither a .keras archive nor HDF5; it begins with {shown(data[:8])}"
            raise corrupt(source, "the file", what)
        return replace(archive, open=stack.pop_all())  # stays open until the Archive is closed
    raise AssertionError("unreachable")  # guarded() swallows nothing
