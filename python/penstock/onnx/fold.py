"""Pass 1, constant folding: every node that does not depend on the value of an input is evaluated by onnx.reference.
Shapes are known, so that Shape of a signal is a constant and the arithmetic of shapes folds away."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from penstock.errors import Problem, unsupported
from penstock.onnx.file import READ, File
from penstock.onnx.graph import MOST_NODES, Node, node

Array = NDArray[Any]

# What is evaluated. Each takes time in proportion to its inputs and its output, whose size is known beforehand; what is
# absent (random numbers, loops, convolutions, recurrences) is refused where a graph makes constants by it.
EVALUATED = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant ConstantOfShape Cos Cosh CumSum
    DepthToSpace Div Dropout Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm
    Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax MatMul Max Mean Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow Range Reciprocal ReduceL1
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape ReverseSequence Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
    Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique
    Unsqueeze Where Xor
    """.split()
)
# Their outputs' sizes depend on values, and are no larger than (for NonZero, dimensions times) the input.
_BOUNDED = frozenset({"Compress", "NonZero", "Unique"})
_SMALL = 4096  # values of an input that shape inference is shown: shapes, axes


@dataclass(frozen=True)
class Type:
    """Of a tensor that depends on an input. shape: None where it could not be inferred."""

    elem: int
    shape: tuple[int, ...] | None


@dataclass
class Folded:
    """What is left: nodes that depend on an input's value, and those refused; constants and types of all names."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of outputs of a chosen If, to the name that it stands for
    refused: dict[int, Problem] = field(default_factory=dict)  # by id of the node
    large: set[int] = field(default_factory=set)  # those refused for the size of what they make

    def known(self, name: str) -> bool:
        return name in self.constants or name in self.types


def type_proto(kind: Type) -> TypeProto:
    return helper.make_tensor_type_proto(kind.elem, kind.shape)


def type_of(array: Array) -> Type:
    """Raises where ONNX has no such elements."""
    return Type(int(helper.np_dtype_to_tensor_dtype(array.dtype)), array.shape)


def type_of_proto(proto: TypeProto) -> Type | None:
    """None for what is no tensor."""
    if not proto.HasField("tensor_type"):
        return None
    tensor = proto.tensor_type
    if not tensor.HasField("shape") or any(not d.HasField("dim_value") for d in tensor.shape.dim):
        return Type(tensor.elem_type, None)
    return Type(tensor.elem_type, tuple(d.dim_value for d in tensor.shape.dim))


class Folder:
    """limit: values that one evaluated node may give; ten times that go in and out of all of them together."""

    def __init__(self, file: File, opset: int, limit: int) -> None:
        self.file, self.opset, self.limit, self.left = file, opset, limit, 10 * limit
        self.made = Folded()
        self._count = 0

    def run(self, nodes: Sequence[Node], constants: Mapping[str, Array], inputs: Mapping[str, Type]) -> Folded:
        self.made.constants.update(constants)
        self.made.types.update(inputs)
        self._nodes(nodes, {})
        return self.made

    def _nodes(self, nodes: Sequence[Node], scope: Mapping[str, str]) -> None:
        """scope: the names that enclosing branches of an If make, to what they are called here."""
        made = self.made
        for item in nodes:
            self._count += 1
            if self._count > MOST_NODES:
                raise self.file.corrupt(f"has more than {MOST_NODES} nodes")
            inputs = [scope.get(i, i) for i in item.inputs]
            inputs = [made.names.get(i, i) for i in inputs]
            outputs = [scope.get(o, o) for o in item.outputs]
            if inputs != item.inputs or outputs != item.outputs:
                item = _renamed(item, inputs, outputs)
            for name in filter(None, inputs):
                if not made.known(name):
                    raise self.file.corrupt(f"{item.where} reads {name!r}, which nothing before it makes", item.where)
            for name in filter(None, outputs):
                if made.known(name) or name in made.names:
                    raise self.file.corrupt(f"{item.where} makes {name!r} a second time", item.where)
            self._one(item, scope)

    def _one(self, item: Node, scope: Mapping[str, str]) -> None:
        made = self.made
        constant = all(not i or i in made.constants for i in item.inputs)
        if item.op == "If" and item.standard:
            condition = made.constants.get(item.inputs[0]) if item.inputs else None
            if condition is not None and condition.size == 1:
                branch = item.attribute("then_branch" if np.any(condition) else "else_branch")
                if isinstance(branch, GraphProto):
                    self._splice(item, branch, scope)
                    return
        elif item.op in ("Shape", "Size") and item.standard and not constant and len(item.inputs) == 1:
            shape = made.types[item.inputs[0]].shape
            if shape is not None and len(item.outputs) == 1:
                start, end = item.attribute("start", 0), item.attribute("end", len(shape))
                value = shape[start:end] if item.op == "Shape" else math.prod(shape)
                made.constants[item.outputs[0]] = np.array(value, np.int64)
                return
        types = self._infer(item)
        if constant and types is not None and self._evaluate(item, types):
            return
        for name in filter(None, item.outputs):
            made.types[name] = (types or {}).get(name, Type(TensorProto.UNDEFINED, None))
        made.nodes.append(item)

    def _refuse(self, item: Node, what: str) -> None:
        self.made.refused[id(item)] = Problem(item.where, what)

    def _infer(self, item: Node) -> dict[str, Type] | None:
        """Types of the outputs; None where something was refused, or is not known for want of an input's type."""
        graphs = any(isinstance(value, GraphProto) for value in item.attributes.values())
        if not item.standard or not onnx.defs.has(item.op, "") or graphs:
            return None  # pass 2 refuses it by name
        types, data = {}, {}
        for name in filter(None, item.inputs):
            value = self.made.constants.get(name)
            kind = type_of(value) if value is not None else self.made.types[name]
            if kind.shape is None:
                return None
            types[name] = type_proto(kind)
            if value is not None and value.size <= _SMALL:
                data[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape))
        try:
            schema = onnx.defs.get_schema(item.op, self.opset, "")
            opsets = [helper.make_opsetid("", self.opset)]
            found = infer_node_outputs(schema, item.proto, types, data, opset_imports=opsets)
        except Exception as error:  # C++ raises several kinds, that of a missing schema among them
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._refuse(item, f"does not fit its inputs: {lines[0]}")
            return None
        return {name: made for name, proto in found.items() if (made := type_of_proto(proto)) is not None}

    def _evaluate(self, item: Node, types: Mapping[str, Type]) -> bool:
        """Makes the outputs constants. False, and a problem, where it cannot."""
        if item.op not in EVALUATED:
            self._refuse(item, "makes a constant by an operation that is not evaluated")
            return False
        size = 0
        for name in filter(None, item.outputs):
            shape = types[name].shape if name in types else None
            if shape is None and item.op in _BOUNDED:
                value = self.made.constants[item.inputs[0]]
                shape = (max(1, value.ndim), value.size)
            if shape is None:
                self._refuse(item, "makes a constant of unknown size")
                return False
            size += math.prod(shape)
        inputs = {i: self.made.constants[i] for i in item.inputs if i}
        moved = size + sum(v.size for v in inputs.values())
        if size > self.limit or moved > self.left:
            self._refuse(item, f"makes a constant of {size} values, out of proportion to the file")
            self.made.large.add(id(item))
            return False
        self.left -= moved
        try:
            results = [np.asarray(r) for r in self._reference(item, inputs)]
            kinds = [type_of(r).elem for r in results]
        except Exception as error:  # onnx.reference raises what it likes
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._refuse(item, f"cannot be evaluated: {lines[0]}")
            return False
        if any(kind not in READ for kind in kinds):
            self._refuse(item, "makes a constant that holds no numbers")
            return False
        self.made.constants.update(zip(filter(None, item.outputs), results, strict=True))
        return True

    def _reference(self, item: Node, inputs: Mapping[str, Array]) -> Sequence[Any]:
        if item.op == "Constant" and isinstance(item.attribute("value"), np.ndarray):
            return [item.attribute("value")]
        outputs = [o for o in item.outputs if o]
        graph = helper.make_graph(
            [item.proto],
            "one",
            [helper.make_value_info(i, type_proto(type_of(v))) for i, v in inputs.items()],
            [helper.make_value_info(o, TypeProto()) for o in outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return list(ReferenceEvaluator(model).run(outputs, dict(inputs)))

    def _splice(self, item: Node, branch: GraphProto, scope: Mapping[str, str]) -> None:
        """The branch's nodes in place of the If. What they make gets names of its own, as the branch of another If may
        use the same ones."""
        if len(branch.output) != len(item.outputs) or branch.input:
            raise self.file.corrupt(f"{item.where} has a branch with other inputs or outputs", item.where)
        if branch.sparse_initializer:
            raise unsupported(self.file.name, [Problem(item.where, "has sparse initializers, which are not read")])
        mark = f" [{self._count}]"
        own = {t.name: t.name + mark for t in branch.initializer}
        for tensor in branch.initializer:
            self.made.constants[own[tensor.name]] = self.file.tensor(tensor, f"initializer {tensor.name!r}")
        own |= {name: name + mark for proto in branch.node for name in proto.output if name}
        inner = {**scope, **own}
        self._nodes([node(self.file, proto) for proto in branch.node], inner)
        for output, wanted in zip(branch.output, item.outputs, strict=True):
            name = inner.get(output.name, output.name)
            name = self.made.names.get(name, name)
            if wanted and not self.made.known(name):
                raise self.file.corrupt(f"{item.where} gives out {output.name!r}, which nothing makes", item.where)
            if wanted:
                self.made.names[wanted] = name


def _renamed(item: Node, inputs: list[str], outputs: list[str]) -> Node:
    proto = NodeProto()
    proto.CopyFrom(item.proto)
    del proto.input[:], proto.output[:]
    proto.input.extend(inputs)
    proto.output.extend(outputs)
    return replace(item, inputs=inputs, outputs=outputs, proto=proto)
