"""The file: external data, damaged bytes, what is no model. Nothing but Penstock's errors may come of any bytes."""

import os
import resource
import time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from onnx_support import (
    HIDDEN,
    INPUTS,
    STEPS,
    around,
    call,
    compared,
    lstm,
    node,
    numbers,
    own,
    refused,
    save,
    value,
    weights,
)

import penstock.onnx
from penstock.errors import CorruptError, Error, FileError, MismatchError


def plain(path, **more):
    return save(path, [lstm()], [value("x", [STEPS, 1, INPUTS])], [value("Y", None)], weights(), **more)


def changed(path, change):
    """The file after change(model)."""
    model = onnx.load(path, load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


# ---- what is no file, no model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nothing.onnx", "folder", "pipe", "\0"])
def test_what_is_no_file(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError) as raised:
        penstock.onnx.load(tmp_path / name)
    assert name in str(raised.value)
    if name == "nothing.onnx":
        assert raised.value.os_error == 2


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a", b"\x3a\x00", bytes(1000), b"\xff" * 64])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(CorruptError, match="is no ONNX model") as raised:
        penstock.onnx.load(path)
    assert str(raised.value).startswith(str(path))


def test_paths_of_every_kind(tmp_path, monkeypatch):
    path = plain(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    for kind in (str(path), path, "m.onnx"):
        assert penstock.onnx.load(kind).inputs == INPUTS


@pytest.mark.parametrize(
    ("opset", "words"), [(6, "operator set 6: is older than 7"), (999, "operator set 999: is newer")]
)
def test_operator_sets(tmp_path, opset, words):
    path = plain(tmp_path / "m.onnx")
    refused(changed(path, lambda m: setattr(m.opset_import[0], "version", opset)), words)


# ---- tensors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_element_types_of_weights(tmp_path, kind):
    constants = {name: array.astype(kind) for name, array in weights().items()}
    elem = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    inputs, outputs = [value("x", [STEPS, 1, INPUTS], elem)], [value("Y", None, elem)]
    model = penstock.onnx.load(save(tmp_path / "m.onnx", [lstm()], inputs, outputs, constants))
    assert np.array_equal(model.layers[0].tensors["weight_hh"][:HIDDEN], constants["R"][0, :HIDDEN].astype(np.float32))
    assert any(note.startswith("verified") for note in model.notes)


def test_values_in_fields_of_their_own(tmp_path):
    """Not as raw bytes, as some writers do."""
    made = weights()

    def unpack(model):
        for tensor in model.graph.initializer:
            array = made[tensor.name]
            tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.DOUBLE, array.shape, array.ravel().tolist()))
            assert not tensor.HasField("raw_data")

    compared(changed(plain(tmp_path / "m.onnx"), unpack), out="t1bn")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.dims.__setitem__(1, 19), "initializer 'W' has 480 bytes for 57 values of float64, shape"),
        (lambda t: t.dims.__setitem__(1, -20), "initializer 'W' has the shape"),
        (lambda t: t.dims.__setitem__(1, 2**60), "initializer 'W' has 480 bytes"),
        (lambda t: setattr(t, "raw_data", t.raw_data[:-1]), "initializer 'W' has 479 bytes"),
        (lambda t: (t.ClearField("raw_data"), t.double_data.append(1.0)), "initializer 'W' has 1 values for the shape"),
        (lambda t: t.dims.extend([1] * 70), "initializer 'W' has the shape"),
    ],
)
def test_damaged_tensors(tmp_path, change, words):
    path = changed(plain(tmp_path / "m.onnx"), lambda m: change(m.graph.initializer[0]))
    with pytest.raises(CorruptError, match=words) as raised:
        penstock.onnx.load(path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(
    "elem", [TensorProto.FLOAT8E4M3FN, TensorProto.INT4, TensorProto.STRING, TensorProto.COMPLEX64]
)
def test_element_types_that_are_not_read(tmp_path, elem):
    path = changed(plain(tmp_path / "m.onnx"), lambda m: setattr(m.graph.initializer[0], "data_type", elem))
    refused(path, "initializer 'W'", TensorProto.DataType.Name(elem), "is not read")


def test_sparse_initializers(tmp_path):
    def sparse(model):
        made = model.graph.sparse_initializer.add()
        made.values.CopyFrom(numpy_helper.from_array(np.ones(1), "R"))
        made.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
        made.dims.extend([1, 20, 5])
        del model.graph.initializer[1]

    refused(changed(plain(tmp_path / "m.onnx"), sparse), "initializer 'R'", "is sparse")


def test_numbers_that_are_not_finite(tmp_path):
    constants = weights()
    constants["R"][0, 3, 2] = np.nan
    path = save(tmp_path / "m.onnx", [lstm()], [value("x", [6, 1, INPUTS])], [value("Y", None)], constants)
    refused(path, "node 'lstm' (LSTM)", "weight_hh[3, 2]: expected a finite number, found nan")


def test_initializers_twice(tmp_path):
    path = changed(plain(tmp_path / "m.onnx"), lambda m: m.graph.initializer.append(m.graph.initializer[0]))
    with pytest.raises(CorruptError, match="initializer 'W' is there twice"):
        penstock.onnx.load(path)


@pytest.mark.parametrize("kind", ["sequence", "integers", "no shape"])
def test_inputs_that_are_no_signals(tmp_path, kind):
    def change(model):
        tensor = model.graph.input[0].type.tensor_type
        if kind == "sequence":
            model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1
        elif kind == "integers":
            tensor.elem_type = TensorProto.INT64
        else:
            tensor.ClearField("shape")

    words = {"sequence": "is no tensor", "integers": "holds INT64; signals are floats", "no shape": "has no shape"}
    refused(changed(plain(tmp_path / "m.onnx"), change), f"input 'x': {words[kind]}")


# ---- external data ---------------------------------------------------------------------------------------------------


def external(tmp_path, location="m.onnx.data", change=None):
    """The file with all weights in another one; change(tensor) before it is written."""
    path = plain(tmp_path / "m.onnx")
    model = onnx.load(path)
    external_data_helper.convert_model_to_external_data(model, location="m.onnx.data", size_threshold=0)
    onnx.save(model, path)

    def point(model):
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
            if change:
                change(tensor)

    return changed(path, point)


def set_entry(key, text):
    def change(tensor):
        for entry in tensor.external_data:
            if entry.key == key:
                entry.value = text

    return change


def test_external_data(tmp_path, monkeypatch):
    path = external(tmp_path)
    assert path.stat().st_size < (tmp_path / "m.onnx.data").stat().st_size
    compared(path, out="t1bn")
    monkeypatch.chdir(tmp_path.parent)
    assert penstock.onnx.load(path).inputs == INPUTS  # relative to the model, not to the process


def test_external_data_in_a_folder_below(tmp_path):
    path = external(tmp_path, "below/data")
    (tmp_path / "below").mkdir()
    (tmp_path / "m.onnx.data").rename(tmp_path / "below" / "data")
    compared(path, out="t1bn", verify=False)


def test_missing_external_data(tmp_path):
    path = external(tmp_path)
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(FileError, match=r"initializer 'W': its external data should be in .*m\.onnx\.data") as raised:
        penstock.onnx.load(path)
    assert raised.value.os_error == 2 and raised.value.file == str(tmp_path / "m.onnx.data")


@pytest.mark.parametrize("where", ["absolute", "../data", "a/../../data", "..\\data", "C:\\data", "\\data", ""])
def test_external_data_outside_the_folder(tmp_path, where):
    (tmp_path / "data").write_bytes(bytes(10_000))
    (tmp_path / "model" / "a").mkdir(parents=True)
    location = str(tmp_path / "data") if where == "absolute" else where
    path = external(tmp_path / "model", location)
    refused(path, "initializer 'W'", repr(location), "is outside the folder of the file")


@pytest.mark.parametrize("which", ["file", "folder"])
def test_external_data_behind_a_link(tmp_path, which):
    (tmp_path / "model").mkdir()
    path = external(tmp_path / "model", "m.onnx.data" if which == "file" else "link/m.onnx.data")
    data = tmp_path / "model" / "m.onnx.data"
    (tmp_path / "outside").mkdir()
    data.rename(tmp_path / "outside" / "m.onnx.data")
    if which == "file":
        data.symlink_to(tmp_path / "outside" / "m.onnx.data")
    else:
        (tmp_path / "model" / "link").symlink_to(tmp_path / "outside")
    refused(path, "is a link, which may leave the folder")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (set_entry("offset", "1000000"), CorruptError, "takes bytes 1000000 to"),
        (set_entry("offset", "-8"), CorruptError, "takes bytes -8 to"),
        (set_entry("offset", "zero"), CorruptError, "has no number as offset or length"),
        (set_entry("length", "8"), CorruptError, "takes 8 bytes of 'm.onnx.data', its shape 480"),
        (lambda t: t.dims.__setitem__(0, 2**50), CorruptError, "its shape"),
    ],
)
def test_damaged_external_data(tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        penstock.onnx.load(external(tmp_path, change=change))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_external_data_that_is_no_file(tmp_path, kind):
    path = external(tmp_path)
    (tmp_path / "m.onnx.data").unlink()
    (tmp_path / "m.onnx.data").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "m.onnx.data")
    with pytest.raises(FileError, match="is no regular file"):
        penstock.onnx.load(path)


# ---- verification ----------------------------------------------------------------------------------------------------


def test_verification_finds_what_is_wrong(tmp_path, monkeypatch):
    """With gates in the wrong order, which no shape shows."""
    path = plain(tmp_path / "m.onnx")
    monkeypatch.setattr("penstock.onnx.recurrent._ifgo", lambda v: np.asarray(v, np.float64))
    assert penstock.onnx.load(path, verify=False).inputs == INPUTS
    with pytest.raises(MismatchError, match="the model does not answer as its source does"):
        penstock.onnx.load(path)


def test_verification_tells_states_apart(tmp_path, monkeypatch):
    """h and c swapped: from zeros that would change nothing."""
    nodes = [lstm(["x", "W", "R", "B", "", "h0", "c0"])]
    inputs = [value("x", [STEPS, 1, INPUTS]), value("h0", [1, 1, HIDDEN]), value("c0", [1, 1, HIDDEN])]
    path = save(tmp_path / "m.onnx", nodes, inputs, [value("Y", None)], weights())
    penstock.onnx.load(path)
    from penstock.onnx.table import Fed

    def swapped(layer, kind, name, index, where):
        return Fed(layer, {"h": "c", "c": "h"}[kind], name, index, where)

    monkeypatch.setattr("penstock.onnx.recurrent.Fed", swapped)
    with pytest.raises(MismatchError):
        penstock.onnx.load(path)


@pytest.mark.parametrize(("layout", "runtime"), [(0, "onnxruntime"), (1, "onnx.reference")])
def test_which_runtime_verifies(tmp_path, layout, runtime):
    """ONNX Runtime refuses layout 1."""
    pytest.importorskip("onnxruntime")
    constants = {name: array.astype(np.float32) for name, array in weights().items()}
    inputs = [value("x", [STEPS, 1, INPUTS], TensorProto.FLOAT)]
    nodes = [lstm(layout=layout)]
    path = save(tmp_path / "m.onnx", nodes, inputs, [value("Y", None, TensorProto.FLOAT)], constants)
    assert any(note.startswith(f"verified against {runtime}") for note in penstock.onnx.load(path).notes)


def test_without_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert any("against onnx.reference" in note for note in penstock.onnx.load(plain(tmp_path / "m.onnx")).notes)


def test_too_many_timesteps_to_verify(tmp_path):
    path = save(tmp_path / "m.onnx", [lstm()], [value("x", [2**30, 1, INPUTS])], [value("Y", None)], weights())
    assert "not verified: the file is fixed at 1073741824 timesteps for a batch of 1" in penstock.onnx.load(path).notes


def test_a_file_that_no_runtime_runs(tmp_path, monkeypatch):
    def none(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("penstock.onnx.runtime._runtimes", lambda *_: [("a runtime", none)])
    path = plain(tmp_path / "m.onnx")
    refused(path, "the file itself cannot be run: a runtime: no such kernel")
    penstock.onnx.load(path, verify=False)


def test_without_onnx(tmp_path, monkeypatch):
    import sys

    for name in [n for n in sys.modules if n == "onnx" or n.startswith(("onnx.", "penstock.onnx."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'penstock\[onnx\]'"):
        penstock.onnx.load(tmp_path / "m.onnx")


# ---- any bytes -------------------------------------------------------------------------------------------------------


def victims(folder):
    """Files with a bit of everything."""
    i64 = np.array([0], np.int64)
    branch = helper.make_graph([node("Neg", ["h"], ["n"])], "t", [], [value("n", None)])
    shapes = [
        node("Shape", ["h"], ["s"]),
        node("Reshape", ["h", "s"], ["a"]),
        node("Slice", ["a", "zero", "end", "two"], ["b"]),
        helper.make_node("If", ["yes"], ["c"], then_branch=branch, else_branch=branch),
        node("Gemm", ["flat", "A", "bias"], ["g"], alpha=0.5, transB=1),
        node("Softmax", ["g"], ["y"], axis=-1),
    ]
    shapes.insert(4, node("Reshape", ["b", "flat_shape"], ["flat"]))
    constants = {"zero": i64, "end": i64 + 99, "two": i64 + 2, "yes": np.array(True), "A": numbers(1, 4, HIDDEN)}
    constants |= {"bias": numbers(2, 4), "flat_shape": np.array([-1, HIDDEN])}
    functions = [own("Inner", [node("Tanh", ["a"], ["b"])]), own("Outer", [call("Inner", "a", "b")])]
    return [
        plain(folder / "plain.onnx"),
        around(folder / "shapes.onnx", shapes, constants, shape=("t", "b", INPUTS)),
        around(folder / "functions.onnx", [call("Outer", "h", "y")], functions=functions),
    ]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("victims")
    made = victims(folder)
    for path in made:
        penstock.onnx.load(path)
    return [path.read_bytes() for path in made]


LIMIT_S, LIMIT_MB = 10, 600


def load_any(path, content):
    """None but Penstock's errors, no hang, no allocation out of proportion."""
    path.write_bytes(content)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        model = penstock.onnx.load(path, verify=False)
    except Error as error:
        assert str(path) in str(error)
    else:
        assert model.layers
    assert time.monotonic() - start < LIMIT_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LIMIT_MB * 1024


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_altered_bytes(tmp_path_factory, sources, data):
    content = bytearray(data.draw(st.sampled_from(sources)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["set", "flip", "cut", "insert", "copy"])):
            case "set":
                content[at] = data.draw(st.integers(0, 255))
            case "flip":
                content[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 8))]
            case "insert":
                content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
            case "copy":
                other = data.draw(st.integers(0, len(content) - 1))
                content[at : at + 8] = content[other : other + 8]
    load_any(tmp_path_factory.getbasetemp() / "altered.onnx", bytes(content))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_altered_graphs(tmp_path_factory, sources, data):
    """Well-formed protobuf, with names, attributes, dimensions and operations that do not belong there."""
    model = onnx.ModelProto.FromString(data.draw(st.sampled_from(sources)))
    graph = model.graph
    names = (
        [name for n in graph.node for name in (*n.input, *n.output)] + [t.name for t in graph.initializer] + ["x", ""]
    )
    sizes = st.sampled_from([0, 1, -1, 2, 3, 2**31, 2**62, -(2**63)])
    for _ in range(data.draw(st.integers(1, 3))):
        target = data.draw(st.sampled_from(list(graph.node)))
        match data.draw(st.sampled_from(["operation", "input", "attribute", "dimension", "initializer", "order"])):
            case "operation":
                target.op_type = data.draw(
                    st.sampled_from([n.op_type for n in graph.node] + ["Loop", "Tile", "Einsum"])
                )
            case "input" if target.input:
                at = data.draw(st.integers(0, len(target.input) - 1))
                target.input[at] = data.draw(st.sampled_from(names))
            case "attribute" if target.attribute:
                attribute = data.draw(st.sampled_from(list(target.attribute)))
                attribute.i = data.draw(sizes)
                if attribute.ints:
                    attribute.ints[0] = data.draw(sizes)
            case "dimension":
                dims = graph.input[0].type.tensor_type.shape.dim
                data.draw(st.sampled_from(list(dims))).dim_value = data.draw(sizes)
            case "initializer":
                tensor = data.draw(
                    st.sampled_from([t for t in graph.initializer if t.data_type == TensorProto.INT64] or [None])
                )
                if tensor is not None:
                    array = np.full(tuple(tensor.dims), data.draw(sizes), np.int64)
                    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            case "order":
                del graph.node[data.draw(st.integers(0, len(graph.node) - 1))]
                if not graph.node:
                    return
    load_any(tmp_path_factory.getbasetemp() / "graph.onnx", model.SerializeToString())


@pytest.mark.parametrize("size", [2**14, 2**31, 2**40])
@pytest.mark.parametrize(
    "before",
    [
        [node("Mul", ["x", "c"], ["w"]), node("Tanh", ["w"], ["v"]), node("Slice", ["v", "a", "b", "two"], ["z"])],
        [node("Slice", ["x", "a", "b", "two"], ["z"])],
        [node("Gather", ["x", "i"], ["z"], axis=2)],
    ],
)
def test_a_small_file_that_claims_much(tmp_path, size, before):
    """Widths that a file only claims: a matrix of its own for a scale or a selection would be gigabytes."""
    constants = {**weights(), "c": np.array(2.0), "a": np.array([1]), "b": np.array([4]), "two": np.array([2])}
    constants["i"] = np.array([2, 1, 3])
    nodes = [*before, lstm(["z", "W", "R", "B"])]
    path = save(tmp_path / "m.onnx", nodes, [value("x", [STEPS, 1, size])], [value("Y", None)], constants)
    refused(path, "node 'the_" if size < 2**32 else "input 'x': has the shape")


def test_a_size_that_no_integer_holds(tmp_path):
    nodes = [lstm(), node("Size", ["x"], ["n"]), node("Cast", ["n"], ["m"], to=11), node("Mul", ["Y", "m"], ["y"])]
    inputs = [value("x", [2**31, 2**31, INPUTS])]
    path = save(tmp_path / "m.onnx", nodes, inputs, [value("y", None)], weights())
    refused(path, "node 'the_size' (Size)", "is of a tensor whose shape is not known")


def test_a_scale_alone_over_many_features(tmp_path):
    """Behind an activation and before none: it would be a diagonal matrix."""
    nodes = [node("Mul", ["h", "c"], ["a"]), node("Tanh", ["a"], ["b"]), node("MatMul", ["b", "A"], ["y"])]
    hidden = 5
    wide = np.ones((hidden, 9000))
    made = [node("MatMul", ["h", "wide"], ["w"]), node("Relu", ["w"], ["r"]), node("Mul", ["r", "c"], ["y"])]
    refused(around(tmp_path / "m.onnx", made, {"wide": wide, "c": np.array(2.0)}), "stands alone over 9000 features")
    compared(around(tmp_path / "n.onnx", nodes, {"c": np.array(2.0), "A": np.ones((hidden, 2))}))


@pytest.mark.parametrize("field", ["name", "op_type", "input"])
def test_text_that_is_no_utf_8(tmp_path, field):
    """protobuf gives bytes for it, which no later code expects."""
    path = save(tmp_path / "m.onnx", [node("Identity", ["x"], ["zq"])], [value("x", [1])], [value("zq", None)])
    text = {"name": b"the_identity", "op_type": b"Identity", "input": b"zq"}[field]
    path.write_bytes(path.read_bytes().replace(text, text[:-1] + b"\xff"))
    with pytest.raises(CorruptError, match="that is no UTF-8") as raised:
        penstock.onnx.load(path)
    assert str(raised.value).startswith(str(path))
