"""Small ONNX files made by hand, and the comparison of what is loaded with onnx.reference in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import penstock.onnx
from penstock.errors import UnsupportedError

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
INPUTS, HIDDEN, STEPS = 3, 5, 6


def value(name, shape, kind=DOUBLE):
    """An input or output; a dimension is a size, a name or None (open, without a name)."""
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, initializers=(), *, opset=20, functions=(), ir=10, **graph):
    """A file. initializers: arrays by name. inputs, outputs: from `value`."""
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in dict(initializers).items()]
    made = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), tensors, **graph)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], functions=list(functions))
    if functions:
        model.opset_import.append(helper.make_opsetid("own", 1))
    model.ir_version = ir
    onnx.save(model, path)
    return Path(path)


def numbers(seed, *shape):
    """Normal noise that float32 holds exactly, as float64."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(np.float64)


def weights(seed=0, inputs=INPUTS, hidden=HIDDEN, prefix=""):
    """W, R, B of an LSTM node."""
    return {
        f"{prefix}W": numbers(seed, 1, 4 * hidden, inputs),
        f"{prefix}R": numbers(seed + 1, 1, 4 * hidden, hidden) / 2,
        f"{prefix}B": numbers(seed + 2, 1, 8 * hidden),
    }


def lstm(inputs=("x", "W", "R", "B"), outputs=("Y",), name="lstm", **attributes):
    return helper.make_node("LSTM", list(inputs), list(outputs), name=name, **{"hidden_size": HIDDEN, **attributes})


def around(
    path, nodes, initializers=(), *, shape=(STEPS, 1, INPUTS), out=None, opset=20, inputs=(), outputs=(), **more
):
    """x -> LSTM -> h [T, B, H] -> nodes -> y. The nodes read h and make y."""
    squeeze = (
        helper.make_node("Squeeze", ["Y", "squeezed_axes"], ["h"])
        if opset >= 13
        else helper.make_node("Squeeze", ["Y"], ["h"], axes=[1])
    )
    constants = {**weights(), **({"squeezed_axes": np.array([1])} if opset >= 13 else {}), **dict(initializers)}
    return save(
        path,
        [lstm(), squeeze, *nodes],
        [value("x", shape), *inputs],
        [value("y", out), *outputs],
        constants,
        opset=opset,
        **more,
    )


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name=f"the_{op.lower()}", **attributes)


def answer(path, feeds, output=None):
    """The file's own answer by onnx.reference, in its element type."""
    session = ReferenceEvaluator(str(path))
    with np.errstate(all="ignore"):
        return np.asarray(session.run([output or session.output_names[0]], feeds)[0])


def compared(
    path, *, layout="tbn", out=None, steps=STEPS, last=False, feeds=None, tolerance=2e-6, output=None, **options
):
    """Loads the file and compares each row of a batch with onnx.reference; gives the model.

    layout: the axes of x. out: those of y, "1" for one that holds nothing; None: as x's, without a t if last."""
    model = penstock.onnx.load(path, **options)
    graph = onnx.load(path).graph
    x_info = next(i for i in graph.input if i.name == "x")
    sizes = [d.dim_value or None for d in x_info.type.tensor_type.shape.dim]
    batch = (sizes[layout.index("b")] or 1) if "b" in layout else 1
    rows = numbers(7, batch, steps, model.inputs)
    order = [{"b": 0, "t": 1, "n": 2}[c] for c in layout if c != "1"]
    moved = rows.transpose([*order, *({0, 1, 2} - set(order))])
    x = moved.reshape([{"b": batch, "t": steps, "n": model.inputs, "1": 1}[c] for c in layout])
    element = {FLOAT: np.float32, DOUBLE: np.float64}[x_info.type.tensor_type.elem_type]
    y = answer(path, {"x": x.astype(element), **(feeds or {})}, output).astype(np.float64)
    for row in range(batch):
        ours = model.reference(rows[row].astype(np.float32))
        theirs = y
        ours = ours[-1:] if last else ours
        axes = out or (layout.replace("t", "") if last else layout)
        theirs = y.take(row, axis=axes.index("b")) if "b" in axes else y
        if axes.index("n") < axes.find("t"):
            theirs = theirs.T
        theirs = theirs.reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * max(1, np.abs(theirs).max()))
    assert model.readout == ("last" if last else "all")
    return model


def refused(path, *words, count=None, **options):
    """The file must be refused as unsupported, in these words."""
    with pytest.raises(UnsupportedError) as raised:
        penstock.onnx.load(path, **options)
    for word in words:
        assert word in str(raised.value), str(raised.value)
    assert str(raised.value).startswith(str(path))
    if count is not None:
        assert len(raised.value.problems) == count, str(raised.value)
    return raised.value


def own(name, nodes):
    """A function of the file, of one input `a` and one output `b`."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], nodes, opsets)


def call(name, source, target):
    return helper.make_node(name, [source], [target], domain="own", name=f"call_{name}")


def as_exported(path, **options):
    """Loads a file of onnx_exports.py and compares every row with PyTorch's float64 answer beside it; gives the
    model of the first."""
    saved = np.load(Path(path).with_suffix(".npz"))
    models = []
    for row, (x, y) in enumerate(zip(saved["x"], saved["y"], strict=True)):
        states = {name: saved[name][row] for name in ("h0", "c0") if name in saved}
        if not models or states:
            models.append(penstock.onnx.load(path, **states, **options))
        ours = models[-1].reference(x.astype(np.float32))
        ours = ours[-1:] if saved["answer"] == "last" else ours
        assert ours.shape == y.shape
        np.testing.assert_allclose(ours, y, rtol=0, atol=1e-6 * np.abs(y).max())
    assert models[0].readout == str(saved["answer"])
    return models[0]
