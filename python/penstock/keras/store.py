"""The weights of a Keras file: where they are, in the layout of `.keras` and in that of legacy `.h5`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from penstock.importing.chain import Array
from penstock.importing.jsonfile import corrupt, shown
from penstock.importing.values import check_shape, checked
from penstock.keras.hdf5 import Data, Group

Parts = Sequence[tuple[str, Sequence[str]]]


class Stored:
    """One variable, not read yet."""

    def __init__(self, data: Data, source: str, item: str, bfloat16: bool) -> None:
        self._data = data
        self._source = source
        self._item = item
        self._bfloat16 = bfloat16

    def read(self, *shape: int | None) -> Array:
        """Its values as float64; None in `shape` is any size."""
        data = self._data
        check_shape(data.shape, shape, self._source, self._item)
        if data.kind != "float" and not (data.kind == "opaque" and self._bfloat16):
            raise corrupt(self._source, self._item, "holds no floating-point numbers")
        size = math.prod(data.shape) * data.itemsize
        if size > data.stored:
            raise corrupt(self._source, self._item, f"says it has {size} bytes, but {data.stored} are stored")
        values = data.values()
        if values.dtype == np.uint16:  # bfloat16 is the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return checked(values, self._source, self._item)


def _group(parent: Group, path: str, source: str, item: str) -> Group:
    for name in path.split("/"):
        found = parent.child(name)
        if not isinstance(found, Group):
            raise corrupt(source, item, "is missing from the file" if found is None else "must be a group")
        parent = found
    return parent


def _variable(parent: Group, name: str, source: str, item: str, bfloat16: bool) -> Stored:
    found = parent.child(name)
    if found is None or isinstance(found, Group):
        raise corrupt(source, item, "is missing from the file" if found is None else "must be a dataset")
    return Stored(found, source, item, bfloat16)


class Grouped:
    """The layout of `.keras`: layers/CLASS_COUNTER/PATH/vars/0, 1 ..."""

    def __init__(self, file: Group, source: str) -> None:
        self._file = file
        self._source = source

    def check(self, groups: Sequence[str]) -> None:
        """CorruptError if the file has weights of layers that the configuration does not have."""
        layers = self._file.child("layers")
        for name in layers.names() if isinstance(layers, Group) else []:
            if name not in groups:
                raise corrupt(self._source, f"layers/{name}", "has weights, but config.json has no such layer")

    def of(self, layer: str, group: str, parts: Parts, bfloat16: bool) -> list[list[Stored]]:
        """The variables of a layer. layer: its name. group: its name by class and counter. parts: for each object
        within it that has variables, its path ("" for the layer itself) and their names, in the order in which Keras
        makes them."""
        return [list(self._variables(layer, group, path, names, bfloat16)) for path, names in parts]

    def _variables(self, layer: str, group: str, path: str, names: Sequence[str], bfloat16: bool) -> Iterator[Stored]:
        own = f"layers/{group}"
        below = _group(self._file, own, self._source, f"{layer}, {own}")
        # The name that the file keeps of a layer tells whether counting has found the right one.
        variables = below.child("vars")
        kept = variables.texts("name") if isinstance(variables, Group) else None
        if kept and kept[0] != layer:
            raise corrupt(self._source, own, f"belongs to the layer {shown(kept[0])}, not to {shown(layer)}", "name")
        place = "/".join(part for part in (path, "vars") if part)
        found = _group(below, place, self._source, f"{layer}, {own}/{place}")
        there = len(found.names())
        if there != len(names):
            what = f"has {there} variables, not {len(names)} ({', '.join(names)})"
            raise corrupt(self._source, f"{layer}, {own}/{place}", what)
        for index, name in enumerate(names):
            yield _variable(found, str(index), self._source, f"{layer}, {name} ({own}/{place}/{index})", bfloat16)


def _texts(group: Group, name: str, source: str, item: str) -> list[str]:
    """A list of texts in attributes: NAME, or NAME0, NAME1 ... where it was too long for one."""
    found = group.texts(name)
    if found is not None:
        return found
    pieces: list[list[str]] = []
    while (piece := group.texts(f"{name}{len(pieces)}")) is not None:
        pieces.append(piece)
    if not pieces:
        raise corrupt(source, item, f"the attribute {name} is missing, or no list of texts", name)
    return [text for piece in pieces for text in piece]


class Indexed:
    """The layout of legacy `.h5`: the attributes layer_names and weight_names are the index of model_weights."""

    def __init__(self, file: Group, source: str) -> None:
        self._source = source
        self._root = _group(file, "model_weights", source, "model_weights")
        self._names = _texts(self._root, "layer_names", source, "model_weights")
        self.keras = (self._root.texts("keras_version") or [""])[0]

    def check(self, layers: Sequence[str]) -> None:
        """CorruptError if the index has layers that the configuration does not have."""
        for name in self._names:
            if name not in layers:
                raise corrupt(self._source, "layer_names", f"has {shown(name)}, but model_config has no such layer")

    def of(self, layer: str, group: str, parts: Parts, bfloat16: bool) -> list[list[Stored]]:
        """As Grouped.of."""
        wanted = [name for _, names in parts for name in names]
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
            stored.append(_variable(parent, last, self._source, f"{item}/{path}", bfloat16))
        return stored
