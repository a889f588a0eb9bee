"""Weights of a Keras file: HDF5 groups, in the layout of `.keras` and in that of legacy `.h5`. Nothing in the file is
trusted: links are not followed, and a dataset must be stored as large as it says it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from penstock.errors import Error, OutOfMemoryError
from penstock.importing.chain import Array
from penstock.importing.jsonfile import corrupt, shown
from penstock.importing.values import check_shape, checked

# HDF5's filters (gzip) expand by no more than this. A dataset that was never written is stored as nothing at all.
_EXPANSION = 1100


@contextmanager
def guarded(source: str) -> Iterator[None]:
    """zipfile and h5py report damage by exceptions of many types; within, each becomes a CorruptError."""
    try:
        yield
    except Error:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{source}: there is not enough memory to read it", file=source) from error
    except Exception as error:
        raise corrupt(
            source, "the file", f"cannot be read: {type(error).__name__}: {shown(str(error))[1:-1]}"
        ) from error


class Stored:
    """One dataset, not read yet."""

    def __init__(self, dataset: Any, source: str, item: str, bfloat16: bool) -> None:
        self._dataset = dataset
        self._source = source
        self._item = item
        self._bfloat16 = bfloat16
        self.shape = tuple(int(size) for size in dataset.shape)

    def read(self, *shape: int | None) -> Array:
        """Its values as float64; None in `shape` is any size."""
        check_shape(self.shape, shape, self._source, self._item)
        with guarded(self._source):
            size = math.prod(self.shape) * self._dataset.dtype.itemsize
            stored = self._dataset.id.get_storage_size()
            if size > stored * (_EXPANSION if self._dataset.chunks else 1):
                raise corrupt(self._source, self._item, f"says it has {size} bytes, but {stored} are stored")
            values = np.asarray(self._dataset[()])
        if values.dtype.kind == "V" and values.dtype.itemsize == 2 and self._bfloat16:
            # Keras writes bfloat16 as two opaque bytes: the upper half of a float32.
            values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        elif values.dtype.kind != "f":
            raise corrupt(self._source, self._item, f"holds {values.dtype}; weights are floating-point numbers")
        return checked(values.reshape(self.shape), self._source, self._item)


class Weights(Protocol):
    """The weights of a file."""

    def of(
        self, layer: str, group: str, parts: Sequence[tuple[str, Sequence[str]]], bfloat16: bool
    ) -> list[list[Stored]]:
        """The variables of a layer. layer: its name. group: its name by class and counter. parts: for each object within
        it that has variables, its path ("" for the layer itself) and their names, in the order in which Keras makes them.
        """


def _child(parent: Any, name: str, source: str, item: str) -> Any:
    """A member of a group that is a hard link. CorruptError where there is none."""
    import h5py

    if name not in parent:
        raise corrupt(source, item, "is missing from the file")
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise corrupt(source, item, "is a link to another place; links are not followed")
    return parent[name]


def _group(parent: Any, path: str, source: str, item: str) -> Any:
    import h5py

    for name in path.split("/"):
        parent = _child(parent, name, source, item)
        if not isinstance(parent, h5py.Group):
            raise corrupt(source, item, "must be a group")
    return parent


def _dataset(parent: Any, name: str, source: str, item: str, bfloat16: bool) -> Stored:
    import h5py

    found = _child(parent, name, source, item)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise corrupt(source, item, "must be a dataset")
    if found.is_virtual or found.external:
        raise corrupt(source, item, "keeps its data in other files; they are not read")
    return Stored(found, source, item, bfloat16)


def text_of(value: Any) -> str | None:
    """An HDF5 attribute that is a text, else None."""
    if isinstance(value, bytes | np.bytes_):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None


class Grouped:
    """The layout of `.keras`: layers/CLASS_COUNTER/PATH/vars/0, 1 ..."""

    def __init__(self, file: Any, source: str) -> None:
        self._file = file
        self._source = source

    def check(self, groups: Sequence[str]) -> None:
        """CorruptError if the file has weights of layers that the configuration does not have."""
        with guarded(self._source):
            found = list(_group(self._file, "layers", self._source, "layers")) if "layers" in self._file else []
        for name in found:
            if name not in groups:
                raise corrupt(self._source, f"layers/{name}", "has weights, but config.json has no such layer")

    def of(
        self, layer: str, group: str, parts: Sequence[tuple[str, Sequence[str]]], bfloat16: bool
    ) -> list[list[Stored]]:
        with guarded(self._source):
            return [list(self._variables(layer, group, path, names, bfloat16)) for path, names in parts]

    def _variables(self, layer: str, group: str, path: str, names: Sequence[str], bfloat16: bool) -> Iterator[Stored]:
        own = f"layers/{group}"
        place = "/".join(part for part in (own, path, "vars") if part)
        # The name that the file keeps of the layer tells whether counting found the right one.
        kept = text_of(
            _group(self._file, own, self._source, f"{layer}, {own}").get("vars", self._file).attrs.get("name")
        )
        if kept is not None and kept != layer:
            raise corrupt(self._source, own, f"belongs to the layer {shown(kept)}, not to {shown(layer)}", "name")
        found = _group(self._file, place, self._source, f"{layer}, {place}")
        if len(found) != len(names):
            raise corrupt(
                self._source, f"{layer}, {place}", f"has {len(found)} variables, not {len(names)} ({', '.join(names)})"
            )
        for index, name in enumerate(names):
            yield _dataset(found, str(index), self._source, f"{layer}, {name} ({place}/{index})", bfloat16)


def _texts(group: Any, name: str, source: str, item: str) -> list[str]:
    """A list of texts in attributes: NAME, or NAME0, NAME1 ... where it was too long for one."""
    if name in group.attrs:
        pieces = [group.attrs[name]]
    else:
        pieces = []
        while f"{name}{len(pieces)}" in group.attrs:
            pieces.append(group.attrs[f"{name}{len(pieces)}"])
        if not pieces:
            raise corrupt(source, item, f"the attribute {name} is missing", name)
    found: list[str] = []
    for piece in pieces:
        for value in np.atleast_1d(np.asarray(piece)).tolist():
            text = text_of(value)
            if text is None:
                raise corrupt(source, item, f"the attribute {name} must be a list of texts", name)
            found.append(text)
    return found


class Indexed:
    """The layout of legacy `.h5`: the attributes layer_names and weight_names are the index of model_weights."""

    def __init__(self, file: Any, source: str) -> None:
        self._source = source
        with guarded(source):
            self._root = _group(file, "model_weights", source, "model_weights")
            self._names = _texts(self._root, "layer_names", source, "model_weights")
            self.keras = text_of(self._root.attrs.get("keras_version"))

    def check(self, layers: Sequence[str]) -> None:
        """CorruptError if the index has layers that the configuration does not have."""
        for name in self._names:
            if name not in layers:
                raise corrupt(self._source, "layer_names", f"has {shown(name)}, but model_config has no such layer")

    def of(
        self, layer: str, group: str, parts: Sequence[tuple[str, Sequence[str]]], bfloat16: bool
    ) -> list[list[Stored]]:
        wanted = [name for _, names in parts for name in names]
        with guarded(self._source):
            stored = self._stored(layer, wanted, bfloat16)
        result: list[list[Stored]] = []
        for _, names in parts:
            result.append(stored[: len(names)])
            stored = stored[len(names) :]
        return result

    def _stored(self, layer: str, wanted: list[str], bfloat16: bool) -> list[Stored]:
        item = f"model_weights/{layer}"
        if layer not in self._names:
            raise corrupt(self._source, layer, "is missing from the attribute layer_names", "layer_names")
        found = _group(self._root, layer, self._source, item)
        paths = _texts(found, "weight_names", self._source, item)
        if len(paths) != len(wanted):
            raise corrupt(self._source, item, f"has {len(paths)} weights, not {len(wanted)} ({', '.join(wanted)})")
        stored: list[Stored] = []
        for path, name in zip(paths, wanted, strict=True):
            *folders, last = path.split("/")
            # TensorFlow ends names with ":0", and counts them where a name was taken.
            if not re.fullmatch(name + r"(_\d+)?(:0)?", last):
                raise corrupt(self._source, item, f"weight_names has {shown(path)} where {name} is due", "weight_names")
            parent = _group(found, "/".join(folders), self._source, f"{item}/{path}") if folders else found
            stored.append(_dataset(parent, last, self._source, f"{item}/{path}", bfloat16))
        return stored
