"""The layers of a Keras configuration, in the order of the data: a Sequential's list, or the one path of a Functional
model. Errors list every layer that is in the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import Problem
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.keras.archive import Archive


@dataclass(eq=False)
class Layer:
    """config: its own settings. group: how `.keras` names its weights. inbound: its calls, of a Functional model."""

    name: str
    kind: str
    config: Fields
    group: str
    inbound: list[Any] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{shown(self.name)[1:-1]} ({self.kind})"


def snake(kind: str) -> str:
    """Keras' name for a class in paths: "TimeDistributed" -> "time_distributed", "ReLU" -> "re_lu"."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def foreign(entry: Fields) -> str | None:
    """Why an object is none of Keras' own classes, or None: it may share a name with one."""
    module, registered = entry.get("module", None), entry.get("registered_name", None)
    kind = entry.get("class_name")
    if module is not None and not (
        isinstance(module, str) and re.match(r"(keras|tf_keras|tensorflow(\.python)?\.keras)(\.|$)", module)
    ):
        return f"a custom class, from {shown(module)}"
    if registered is not None and registered != kind:
        return f"a custom class, {shown(registered)}"
    return None


def _entries(archive: Archive, items: list[Any], place: str, problems: list[Problem]) -> list[Layer]:
    """Every layer of the configuration, in its order, which is that of the counters in `.keras`."""
    found: list[Layer] = []
    counters: dict[str, int] = {}
    names: set[str] = set()
    for index, item in enumerate(items):
        entry = Fields(item, archive.source, f"{place}, layer {index}")
        kind = entry.text("class_name")
        config = entry.object("config")
        name = config.text("name", entry.get("name", None))
        if name in names:
            raise corrupt(archive.source, place, f"two layers have the name {shown(name)}", "name")
        names.add(name)
        config.where = f"{shown(name)[1:-1]} ({kind})"
        group = snake(kind)
        counters[group] = counters.get(group, -1) + 1
        layer = Layer(name, kind, config, group if counters[group] == 0 else f"{group}_{counters[group]}")
        layer.inbound = entry.items("inbound_nodes", [])
        why = foreign(entry)
        if why is not None:
            problems.append(Problem(layer.where, why))
        entry.ignore("name", "build_config", "shared_object_id")
        problems += [Problem(layer.where, f"the key {shown(key)} is not known") for key in entry.rest()]
        found.append(layer)
    if not found:
        raise corrupt(archive.source, place, "has no layers", "layers")
    return found


def _calls(value: Any) -> list[Any]:
    """One call's history [name, call, output], or several, as a list of histories."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [value]
    return value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]


def _history(value: Any, source: str, where: str) -> tuple[str, int, int]:
    """(layer, which of its calls, which of its outputs)."""
    if (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and all(type(number) is int for number in value[1:3])
    ):
        return value[0], value[1], value[2]
    raise corrupt(source, where, f"must be [layer, call, output], is {shown(value)}")


def _options(layer: Layer, options: Any, source: str) -> list[str]:
    """The options of a call that change the result."""
    given = Fields({} if options is None else options, source, f"{layer.where}, its call")
    found = []
    if given.get("training", None) not in (None, False):
        found.append("is called with training=True")
    if given.get("mask", None) is not None:
        found.append("is called with a mask")
    if given.get("initial_state", None) is not None:
        found.append("is called with initial_state; give h0 and c0 to the stream")
    return found + [f"is called with {shown(key)[1:-1]}, which is not known" for key in given.rest()]


def _source_of(layer: Layer, source: str, problems: list[Problem]) -> tuple[str, int, int] | None:
    """Where the layer's one input comes from; None, with a problem, where it has not exactly one."""
    where = f"{layer.where}, inbound_nodes"
    if len(layer.inbound) != 1:
        problems.append(Problem(layer.where, f"is called {len(layer.inbound)} times; a shared layer is not run"))
        return None
    call = layer.inbound[0]
    if isinstance(call, dict):  # Keras 3
        fields = Fields(call, source, where)
        inputs = fields.items("args")
        options = fields.get("kwargs", None)
        tensors: list[Any] = []
        for value in inputs:
            tensors += value if isinstance(value, list) else [value]
        histories = []
        for value in tensors:
            if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
                problems.append(Problem(layer.where, f"is called with {shown(value)} beside its input"))
                return None
            tensor = Fields(value, source, where).object("config")
            histories.append(tensor.get("keras_history"))
    else:  # Keras 2: [[layer, call, output, options], ..]
        if not isinstance(call, list):
            raise corrupt(source, where, f"must be a list, is {shown(call)}")
        histories = _calls(call)
        options = histories[0][3] if histories and isinstance(histories[0], list) and len(histories[0]) > 3 else None
    problems += [Problem(layer.where, what) for what in _options(layer, options, source)]
    if len(histories) != 1:
        problems.append(Problem(layer.where, f"has {len(histories)} inputs; only a single path is run"))
        return None
    return _history(histories[0], source, where)


def _one(fields: Fields, key: str, what: str, problems: list[Problem]) -> tuple[str, int, int] | None:
    """The one input, or output, of a Functional model."""
    ends = _calls(fields.get(key))
    if len(ends) != 1:
        problems.append(Problem(key, f"the model has {len(ends)} {what}; one is run"))
        return None
    return _history(ends[0], fields.source, f"{fields.where}, {key}")


def _path(fields: Fields, layers: list[Layer], problems: list[Problem]) -> list[Layer]:
    """The layers of a Functional model from its input to its output."""
    byname = {layer.name: layer for layer in layers}
    first = _one(fields, "input_layers", "inputs", problems)
    at = _one(fields, "output_layers", "outputs", problems)
    if first is None or at is None:
        return layers
    path: list[Layer] = []
    while True:
        name, _, output = at
        if name not in byname:
            raise corrupt(fields.source, fields.where, f"has no layer {shown(name)}", "inbound_nodes")
        layer = byname[name]
        if layer in path:
            raise corrupt(fields.source, layer.where, "reads its own output", "inbound_nodes")
        path.append(layer)
        if output != 0:
            problems.append(Problem(layer.where, f"its output {output}, a state, is used; only output 0, y, is run"))
        if name == first[0]:
            break
        before = _source_of(layer, fields.source, problems)
        if before is None:
            return layers
        at = before
    for layer in layers:
        if layer not in path:
            problems.append(Problem(layer.where, "is not on the path from the model's input to its output"))
    return path[::-1]


def read(archive: Archive, problems: list[Problem]) -> tuple[list[Layer], list[Layer], Fields | None]:
    """All layers of the configuration, and those of the path in the order of the data; and the settings of the model,
    None where there are none. Where there is a problem, the path is not to be run."""
    place = "model_config" if archive.legacy else "config.json"
    root = Fields(archive.model, archive.source, place)
    kind = root.text("class_name")
    root.ignore("module", "registered_name", "build_config", "compile_config", "shared_object_id", "name")
    root.ignore("keras_version", "backend")
    if kind not in ("Sequential", "Functional", "Model") or foreign(root) is not None:
        problems.append(Problem(place, f"a model of class {shown(kind)}; only Sequential and Functional are read"))
        return [], [], None
    if kind == "Sequential" and isinstance(root.get("config"), list):  # Keras before 2.2.3
        layers = _entries(archive, root.items("config"), place, problems)
        return layers, layers, None
    fields = root.object("config")
    fields.where = place
    layers = _entries(archive, fields.items("layers"), place, problems)
    fields.ignore("name", "trainable", "dtype", "build_input_shape")
    path = layers if kind == "Sequential" else _path(fields, layers, problems)
    for known in (root, fields):
        problems += [Problem(place, f"the key {shown(key)} is not known") for key in known.rest()]
    return layers, path, fields
