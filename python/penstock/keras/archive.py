"""A Keras file as its parts: the configuration (JSON), the weights (HDF5), and the version of Keras that wrote it."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Any

from penstock.errors import Error, OutOfMemoryError, Problem, unsupported
from penstock.importing.jsonfile import LARGEST_FILE, Path, corrupt, parse, read_bytes, shown
from penstock.keras import hdf5
from penstock.keras.store import Grouped, Indexed

_CONFIG_LIMIT = 1 << 28  # bytes of config.json and metadata.json


@dataclass(frozen=True)
class Archive:
    """model: {"class_name": .., "config": ..}. version: of Keras, its parts, () where the file does not say. legacy:
    `.h5`."""

    source: str
    legacy: bool
    model: Any
    version: tuple[int, ...]
    weights: Grouped | Indexed


def version_of(text: Any) -> tuple[int, ...]:
    """ "2.2.4-tf" -> (2, 2, 4)."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", text) if isinstance(text, str) else None
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def _members(data: bytes, source: str, wanted: dict[str, int]) -> tuple[list[str], dict[str, bytes]]:
    """The names in a zip archive, and those members that are wanted, each with the bytes it may have at most."""
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            name = info.filename
            if name not in wanted:
                continue
            if name in found:
                raise corrupt(source, name, "stands in the archive twice")
            # deflate expands by no more than 1,032: an entry that says more is not what it says
            if info.file_size > min(wanted[name], 1100 * info.compress_size + 4096):
                what = f"says it has {info.file_size} bytes, of {info.compress_size} compressed ones"
                raise corrupt(source, name, what)
            found[name] = archive.read(info)
        return archive.namelist(), found


def _zipped(source: str, data: bytes) -> Archive:
    wanted = {"config.json": _CONFIG_LIMIT, "metadata.json": _CONFIG_LIMIT, "model.weights.h5": LARGEST_FILE}
    try:
        names, found = _members(data, source, wanted)
    except Error:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{source}: there is not enough memory to read it", file=source) from error
    except Exception as error:  # zipfile reports damage by exceptions of many types
        what = f"damaged archive: {type(error).__name__}: {shown(str(error))[1:-1]}"
        raise corrupt(source, "the file", what) from error
    if "config.json" not in found:
        raise corrupt(source, "config.json", "is missing from the archive")
    config = parse(found["config.json"], source, "config.json")
    metadata = parse(found["metadata.json"], source, "metadata.json") if "metadata.json" in found else None
    version = version_of(metadata.get("keras_version")) if isinstance(metadata, dict) else ()
    if "model.weights.h5" not in found:
        others = [name for name in names if name.startswith("model.weights")]
        if others:
            raise unsupported(source, [Problem(shown(others[0]), "weights in several files, or in npz, are not read")])
        raise corrupt(source, "model.weights.h5", "is missing from the archive")
    file = hdf5.root(found["model.weights.h5"], source)
    if "_layer_checkpoint_dependencies" in file.names():
        what = "the layout of Keras 2.12 and 2.13 is not read; save it as .h5, or with Keras 3"
        raise unsupported(source, [Problem("model.weights.h5", what)])
    return Archive(source, False, config, version, Grouped(file, source))


def _legacy(source: str, data: bytes) -> Archive:
    file = hdf5.root(data, source)
    config = file.texts("model_config")
    if not config:
        if file.texts("layer_names") is not None or {"layers", "_layer_checkpoint_dependencies"} & set(file.names()):
            raise unsupported(source, [Problem("the file", "holds weights only; save the whole model (model.save)")])
        what = "is HDF5, but the attribute model_config is missing, or no text"
        raise corrupt(source, "the file", what, "model_config")
    model = parse(config[0].encode(), source, "model_config")
    weights = Indexed(file, source)
    version = version_of((file.texts("keras_version") or [weights.keras])[0])
    return Archive(source, True, model, version, weights)


def read_archive(path: Path) -> Archive:
    """Reads a file, whole. FileError, CorruptError, UnsupportedError."""
    source, data = read_bytes(path)
    if data[:2] == b"PK":
        return _zipped(source, data)
    if data[:8] == hdf5.SIGNATURE:
        return _legacy(source, data)
    what = f"is neither a .keras archive nor HDF5; it begins with {shown(data[:8])}"
    raise corrupt(source, "the file", what)
