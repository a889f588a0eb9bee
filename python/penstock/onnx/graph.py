"""The graph as a list of nodes: functions inlined, attributes as Python values, each with its place for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import onnx
import onnx.inliner
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from penstock.errors import Problem, unsupported
from penstock.onnx.file import File

OLDEST = 7  # of the default operator set: below it LSTM and arithmetic have other forms
MOST_NODES = 200_000
STANDARD = ("", "ai.onnx")


@dataclass(eq=False)
class Node:
    """One operation. inputs, outputs: names, "" for an absent one. attributes: int, float, str, lists of them, arrays,
    and GraphProto."""

    op: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    where: str
    proto: NodeProto = field(repr=False)

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    @property
    def standard(self) -> bool:
        return self.domain in STANDARD


_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')


def source_line(proto: NodeProto) -> str:
    """ ", modules.py line 12", if PyTorch wrote it: of the last frame that is not PyTorch's own; else ""."""
    for entry in proto.metadata_props:
        if entry.key == "pkg.torch.onnx.stack_trace":
            frames = [(PurePath(file), line) for file, line in _FRAME.findall(entry.value)]
            own = [(file, line) for file, line in frames if "torch" not in file.parts] or frames
            if own:
                return f", {own[-1][0].name} line {own[-1][1]}"
    return ""


def place(proto: NodeProto) -> str:
    """What messages call a node: "node 'fc/Add' (Add), model.py line 12"."""
    made = next((o for o in proto.output if o), "")
    name = f"node {proto.name!r}" if proto.name else f"node of output {made!r}"
    domain = f"{proto.domain}." if proto.domain not in STANDARD else ""
    return f"{name} ({domain}{proto.op_type}){source_line(proto)}"


def _value(file: File, attribute: AttributeProto, where: str) -> Any:
    kind = AttributeProto
    match attribute.type:
        case kind.INT | kind.FLOAT:
            return attribute.i if attribute.type == kind.INT else attribute.f
        case kind.INTS | kind.FLOATS:
            return list(attribute.ints if attribute.type == kind.INTS else attribute.floats)
        case kind.STRING:
            return attribute.s.decode("utf-8", "replace")
        case kind.STRINGS:
            return [s.decode("utf-8", "replace") for s in attribute.strings]
        case kind.TENSOR:
            return file.tensor(attribute.t, f"{where}, attribute {attribute.name!r}")
        case kind.GRAPH:
            return attribute.g
        case _:
            name = AttributeProto.AttributeType.Name(attribute.type)
            raise unsupported(file.name, [Problem(where, f"its attribute {attribute.name!r} is of type {name}")])


def node(file: File, proto: NodeProto) -> Node:
    where = place(proto)
    attributes = {a.name: _value(file, a, where) for a in proto.attribute}
    return Node(proto.op_type, proto.domain, list(proto.input), list(proto.output), attributes, where, proto)


def opset(file: File) -> int:
    """The version of the default operator set, if the installed onnx package knows it."""
    versions = [o.version for o in file.proto.opset_import if o.domain in STANDARD]
    version = versions[0] if versions else 1
    newest = onnx.defs.onnx_opset_version()
    if version < OLDEST:
        what = f"is older than {OLDEST}, the first one that is read"
        raise unsupported(file.name, [Problem(f"operator set {version}", what)])
    if version > newest:
        what = f"is newer than {newest}, the last one that the installed package onnx {onnx.__version__} knows"
        raise unsupported(file.name, [Problem(f"operator set {version}", what)])
    return int(version)


def subgraphs(proto: NodeProto) -> Iterable[GraphProto]:
    for attribute in proto.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _calls(nodes: Iterable[NodeProto]) -> list[tuple[str, str]]:
    found = []
    for proto in nodes:
        found.append((proto.domain, proto.op_type))
        for graph in subgraphs(proto):
            found += _calls(graph.node)
    return found


def inlined(file: File) -> ModelProto:
    """The model with the bodies of its own functions in place of their calls. A function that calls itself, and calls
    that multiply to more nodes than any real file has, are refused before anything is written out."""
    functions = {(f.domain, f.name): f for f in file.proto.functions}
    if not functions:
        return file.proto
    sizes: dict[tuple[str, str], int] = {}

    def size(calls: Sequence[tuple[str, str]], above: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for call in calls:
            if call in above or len(above) > 100:
                raise file.corrupt(f"function {call[1]!r} calls itself", call[1])
            if call in functions and call not in sizes:
                sizes[call] = size(_calls(functions[call].node), (*above, call))
            total += sizes.get(call, 1)
        return total

    if size(_calls(file.proto.graph.node), ()) > MOST_NODES:
        what = f"write out to more than {MOST_NODES} nodes"
        raise unsupported(file.name, [Problem("the functions of the file", what)])
    try:
        return onnx.inliner.inline_local_functions(file.proto)
    except Exception as error:
        raise file.corrupt(f"its functions cannot be inlined: {error}") from error


def needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """The nodes that outputs depend on, in the same order."""
    wanted = set(outputs)
    kept: list[Node] = []
    for item in reversed(nodes):
        if wanted & {o for o in item.outputs if o}:
            kept.append(item)
            wanted.update(i for i in item.inputs if i)
            for graph in subgraphs(item.proto):
                wanted.update(names(graph))
    return kept[::-1]


def names(graph: GraphProto) -> set[str]:
    """Every name that a subgraph mentions; it may read any of the graph around it."""
    found = {o.name for o in graph.output}
    for proto in graph.node:
        found.update(proto.input)
        for inner in subgraphs(proto):
            found |= names(inner)
    return found
