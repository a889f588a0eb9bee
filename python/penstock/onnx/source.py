"""What a file gives, read: its nodes, constants and inputs. What is no tensor of numbers is refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto
from onnx.helper import tensor_dtype_to_np_dtype

from penstock.errors import ArgumentError, Problem, ShapeError, unsupported
from penstock.importing.axes import Axis
from penstock.onnx import graph
from penstock.onnx.file import FLOATS, READ, File, type_name
from penstock.onnx.fold import type_of_proto

Array = NDArray[Any]


@dataclass
class Input:
    """An input of the graph that is no constant. open: the dimensions without a size, with their names ("" where they
    have none). axes: of the walk made last."""

    name: str
    elem: int
    shape: tuple[int, ...]  # 0 where open
    open: dict[int, str]
    axes: tuple[Axis, ...] = ()

    def sized(self, sizes: Mapping[tuple[str, int], int]) -> tuple[int, ...]:
        return tuple(sizes.get((self.name, d), s) for d, s in enumerate(self.shape))


@dataclass
class Source:
    """A file, read. constants: initializers, and what the caller gave. nodes: those the outputs need."""

    file: File
    model: ModelProto
    opset: int
    constants: dict[str, Array]
    inputs: list[Input]
    nodes: list[graph.Node]
    given: dict[str, Array] = field(default_factory=dict)  # by the caller
    notes: list[str] = field(default_factory=list)
    idle: dict[str, Array] = field(default_factory=dict)  # zeros for inputs that nothing reads


def read(file: File, constants: Mapping[str, Any]) -> Source:
    opset = graph.opset(file)
    model = graph.inlined(file)
    body = model.graph
    if not body.output:
        raise file.corrupt("its graph has no output")
    outputs = [o.name for o in body.output]
    nodes = graph.needed([graph.node(file, n) for n in body.node], outputs)
    read_names = {i for n in nodes for i in n.inputs} | set(outputs)
    for item in nodes:
        for inner in graph.subgraphs(item.proto):
            read_names |= graph.names(inner)
    sparse = [s.values.name for s in body.sparse_initializer if s.values.name in read_names]
    if sparse:
        raise unsupported(file.name, [Problem(f"initializer {n!r}", "is sparse, which is not read") for n in sparse])
    values: dict[str, Array] = {}
    for tensor in body.initializer:
        if tensor.name in values:
            raise file.corrupt(f"initializer {tensor.name!r} is there twice", tensor.name)
        if tensor.name in read_names:
            values[tensor.name] = file.tensor(tensor, f"initializer {tensor.name!r}")
    problems: list[Problem] = []
    inputs: list[Input] = []
    idle: dict[str, Array] = {}
    infos = {info.name: info for info in body.input}
    if len(infos) != len(body.input):
        raise file.corrupt("two inputs of its graph have one name")
    given = _given(file, infos, constants)
    initialised = {t.name for t in body.initializer}
    for name, info in infos.items():
        if name in given or name in initialised:
            continue
        if name not in read_names:
            idle[name] = _zeros(info)
        elif made := _input(info, problems):
            inputs.append(made)
    if problems:
        raise unsupported(file.name, problems)
    return Source(file, model, opset, {**values, **given}, inputs, nodes, given, idle=idle)


def _given(file: File, infos: Mapping[str, ValueInfoProto], constants: Mapping[str, Any]) -> dict[str, Array]:
    """The caller's values, as the graph declares them."""
    made: dict[str, Array] = {}
    for name, value in constants.items():
        if name not in infos:
            raise ArgumentError(
                f"constants: {file.name} has no input {name!r}; it has {', '.join(map(repr, infos)) or 'none'}",
                item=name,
            )
        kind = type_of_proto(infos[name].type)
        if kind is None or kind.elem not in READ:
            raise unsupported(file.name, [Problem(f"input {name!r}", "is no tensor of numbers")])
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise ArgumentError(f"constants[{name!r}]: expected numbers, found {array.dtype}", item=name)
        declared = [d.dim_value if d.HasField("dim_value") else None for d in infos[name].type.tensor_type.shape.dim]
        has_shape = infos[name].type.tensor_type.HasField("shape")
        fits = len(declared) == array.ndim and all(d in (None, s) for d, s in zip(declared, array.shape, strict=False))
        if has_shape and not fits:
            shown = ", ".join("any" if d is None else str(d) for d in declared)
            message = f"constants[{name!r}]: expected shape [{shown}], found {list(array.shape)}"
            raise ShapeError(message, item=name)
        made[name] = array.astype(tensor_dtype_to_np_dtype(kind.elem))
    return made


def _input(info: ValueInfoProto, problems: list[Problem]) -> Input | None:
    where = f"input {info.name!r}"
    if not info.type.HasField("tensor_type"):
        problems.append(Problem(where, "is no tensor"))
        return None
    tensor = info.type.tensor_type
    if tensor.elem_type not in FLOATS:
        what = f"holds {type_name(tensor.elem_type)}; signals are floats, and `constants` can give other inputs values"
        problems.append(Problem(where, what))
        return None
    if not tensor.HasField("shape"):
        problems.append(Problem(where, "has no shape"))
        return None
    dims = tensor.shape.dim
    unfixed = {i: d.dim_param for i, d in enumerate(dims) if not d.HasField("dim_value") or d.dim_value < 1}
    if len(dims) > 8 or any(d.dim_value > 2**31 for d in dims):
        problems.append(Problem(where, f"has the shape {[d.dim_value for d in dims]}"))
        return None
    shape = tuple(0 if i in unfixed else d.dim_value for i, d in enumerate(dims))
    return Input(info.name, tensor.elem_type, shape, unfixed)


def _zeros(info: ValueInfoProto) -> Array:
    """For an input that nothing reads; runtimes want a value all the same."""
    kind = type_of_proto(info.type)
    dims = [d.dim_value if d.dim_value > 0 else 1 for d in info.type.tensor_type.shape.dim]
    if kind is None or kind.elem not in READ or len(dims) > 8 or math.prod(dims) > 1 << 24:
        return np.zeros(0, np.float32)
    return np.zeros(dims, tensor_dtype_to_np_dtype(kind.elem))
