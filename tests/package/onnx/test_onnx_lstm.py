"""The LSTM node: random ones against onnx.reference, and every setting that is refused, by name."""

import warnings

import numpy as np
import onnx_support as support
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_support import HIDDEN, INPUTS, compared, lstm, numbers, refused, save, value, weights

import penstock.onnx
from penstock.errors import UnsupportedError


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_nodes_answer_as_onnx_reference_does(tmp_path_factory, data):
    draw = data.draw
    inputs, hidden, steps = draw(st.integers(1, 7)), draw(st.integers(1, 9)), draw(st.integers(5, 9))
    layout, batch, seed = draw(st.sampled_from([0, 1])), draw(st.integers(1, 3)), draw(st.integers(0, 999))
    named = draw(st.booleans())
    constants = weights(seed, inputs, hidden)
    names = ["x", "W", "R", "B" if draw(st.booleans()) else ""]
    if draw(st.booleans()):  # the initial states, the same in every row
        shape = [batch, 1, hidden] if layout else [1, batch, hidden]
        for name in ("h", "c"):
            constants[name] = np.broadcast_to(numbers(seed + len(constants), hidden), shape)
        names += ["", "h", "c"]
    attributes = {"layout": layout} if layout or draw(st.booleans()) else {}
    if named:
        attributes |= {"direction": "forward", "activations": ["Sigmoid", "Tanh", "Tanh"], "input_forget": 0}
    output = draw(st.sampled_from(["Y", "Y_h"]))
    outputs = ["Y", "Y_h", "Y_c"] if draw(st.booleans()) else ["Y" if output == "Y" else "", "Y_h"]
    size = {"t": draw(st.sampled_from([steps, "time"])), "b": batch, "n": inputs}
    order = "btn" if layout else "tbn"
    path = save(
        tmp_path_factory.mktemp("random") / "m.onnx",
        [lstm(names, outputs, hidden_size=hidden, **attributes)],
        [value("x", [size[c] for c in order])],
        [value(output, None)],
        constants,
        opset=draw(st.sampled_from([14, 20, 22])) if attributes.get("layout") is not None else 20,
    )
    out = {"Y": ("t1bn", "bt1n"), "Y_h": ("1bn", "b1n")}[output][layout]
    compared(path, layout=order, out=out, steps=steps, last=output == "Y_h")


def test_gates_are_reordered(tmp_path):
    """The onnx package's own tests have equal weights, and cannot tell."""
    path = save(tmp_path / "m.onnx", [lstm()], [value("x", [6, 1, INPUTS])], [value("Y", None)], weights())
    constants = weights()
    model = penstock.onnx.load(path)
    i, o, f, c = np.split(constants["W"][0], 4)
    assert np.array_equal(model.layers[0].tensors["weight_ih"], np.concatenate([i, f, c, o]))
    wb, rb = np.split(constants["B"][0], 2)
    i, o, f, c = np.split(rb, 4)
    assert np.array_equal(model.layers[0].tensors["bias_hh"], np.concatenate([i, f, c, o]))
    assert not np.array_equal(wb, rb)


def test_float32_and_ort(tmp_path):
    constants = {name: array.astype(np.float32) for name, array in weights().items()}
    inputs = [value("x", ["time", "batch", INPUTS], support.FLOAT)]
    path = save(tmp_path / "m.onnx", [lstm()], inputs, [value("Y", None, support.FLOAT)], constants)
    model = compared(path)
    assert any(note.startswith("verified against") for note in model.notes)


@pytest.mark.parametrize("opset", [7, 8, 9, 11, 12, 13, 14, 17, 21, 22, 23])
def test_every_version_of_the_node(tmp_path, opset):
    path = save(tmp_path / "m.onnx", [lstm()], [value("x", [6, 2, INPUTS])], [value("Y", None)], weights(), opset=opset)
    compared(path, out="t1bn")


# ---- refused ---------------------------------------------------------------------------------------------------------


def two(constants):
    return {name: np.concatenate([array, array]) for name, array in constants.items()}


@pytest.mark.parametrize(
    ("attributes", "constants", "names", "words"),
    [
        ({"direction": "reverse"}, {}, [], "runs in reverse"),
        ({"direction": "bidirectional"}, two(weights()), [], "is bidirectional"),
        ({"activations": ["Sigmoid", "Relu", "Tanh"]}, {}, [], "has activations ['Sigmoid', 'Relu', 'Tanh']"),
        ({"activations": ["Sigmoid", "Tanh"]}, {}, [], "has activations"),
        ({"activation_alpha": [0.5]}, {}, [], "has activation_alpha"),
        ({"activation_beta": [0.5]}, {}, [], "has activation_beta"),
        ({"clip": 2.5}, {}, [], "has clip 2.5"),
        ({"input_forget": 1}, {}, [], "has input_forget set"),
        ({"layout": 2}, {}, [], "has layout 2"),
        ({"hidden_size": 4}, {}, [], "has R of shape [1, 20, 5] for hidden_size 4, expected [1, 16, 4]"),
        ({}, {"W": numbers(1, 1, 16, INPUTS)}, [], "has W of shape [1, 16, 3] for hidden_size 5"),
        ({}, {"W": numbers(1, 1, 20, 4)}, [], "has W for 4 features, and X has 3"),
        ({}, {"R": numbers(1, 1, 20, 4)}, [], "has R of shape [1, 20, 4]"),
        ({}, {"B": numbers(1, 1, 20)}, [], "has B of shape [1, 20] for hidden_size 5, expected [1, 40]"),
        ({}, {"h": numbers(1, 1, 2, 4)}, ["", "h"], "has initial_h of shape [1, 2, 4], expected [1, 2, 5]"),
        ({}, {"c": numbers(1, 1, 1, 5)}, ["", "", "c"], "has initial_c of shape [1, 1, 5], expected [1, 2, 5]"),
        ({}, {"h": numbers(1, 1, 2, 5)}, ["", "h"], "an initial h that differs from batch row to batch row"),
        ({}, {"c": numbers(1, 1, 2, 5)}, ["", "", "c"], "an initial c that differs from batch row to batch row"),
        ({}, {"p": numbers(1, 1, 15)}, ["", "", "", "p"], "has peepholes (P)"),
        ({}, {"lens": np.array([6, 4], np.int32)}, ["lens"], "has sequence_lens [6, 4], other than the full 6"),
    ],
)
def test_what_changes_the_answer_is_refused_by_name(tmp_path, attributes, constants, names, words):
    path = save(
        tmp_path / "m.onnx",
        [lstm(["x", "W", "R", "B", *names], **attributes)],
        [value("x", [6, 2, INPUTS])],
        [value("Y", None)],
        {**weights(), **constants},
    )
    refused(path, "node 'lstm' (LSTM)", words, count=1)


def test_all_of_them_are_listed(tmp_path):
    attributes = {"clip": 1.0, "input_forget": 1, "activation_alpha": [1.0]}
    path = save(tmp_path / "m.onnx", [lstm(**attributes)], [value("x", [6, 1, INPUTS])], [value("Y", None)], weights())
    refused(path, "has clip 1", "has input_forget", "has activation_alpha", count=3)


@pytest.mark.parametrize(
    "more",
    [
        {"lens": np.array([6, 6], np.int32)},
        {"lens": np.array([6, 6], np.int32), "h": np.zeros((1, 2, 5)), "c": np.ones((1, 2, 5))},
        {"lens": np.array([6, 6], np.int32), "h": np.ones((1, 2, 5)), "c": np.ones((1, 2, 5)), "p": np.zeros((1, 15))},
    ],
)
def test_what_changes_nothing_is_taken(tmp_path, more):
    inputs = ["x", "W", "R", "B", *more]
    constants = {**weights(), **more}
    path = save(tmp_path / "m.onnx", [lstm(inputs)], [value("x", [6, 2, INPUTS])], [value("Y", None)], constants)
    compared(path, out="t1bn")


def test_full_sequence_lengths_of_an_open_time_are_taken(tmp_path):
    """They come from Shape of x. A length that is merely a number is not full for any other time."""
    nodes = [
        helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
        helper.make_node("Cast", ["n"], ["lens"], to=support.TensorProto.INT32),
        lstm(["x", "W", "R", "B", "lens"]),
    ]
    inputs = [value("x", ["time", 1, INPUTS])]
    compared(save(tmp_path / "m.onnx", nodes, inputs, [value("Y", None)], weights()))
    constants = {**weights(), "lens": np.array([6], np.int32)}
    refused(save(tmp_path / "n.onnx", nodes[2:], inputs, [value("Y", None)], constants), "has sequence_lens [6]")


def test_weights_that_depend_on_an_input(tmp_path):
    constants = weights()
    del constants["W"]
    inputs = [value("x", [6, 1, INPUTS]), value("W", [1, 20, INPUTS])]
    path = save(tmp_path / "m.onnx", [lstm()], inputs, [value("Y", None)], constants)
    refused(path, "has W that depends on an input of the graph; `constants` can give its value")
    compared(path, constants={"W": weights()["W"]}, feeds={"W": weights()["W"]})


def test_lengths_that_depend_on_an_input(tmp_path):
    inputs = [value("x", [6, 1, INPUTS]), value("lens", [1], support.TensorProto.INT32)]
    nodes = [lstm(["x", "W", "R", "B", "lens"])]
    path = save(tmp_path / "m.onnx", nodes, inputs, [value("Y", None)], weights())
    refused(path, "input 'lens'", "INT32")
    lens = np.array([6], np.int32)
    compared(path, constants={"lens": lens}, feeds={"lens": lens})
    refused(path, "has sequence_lens [5]", constants={"lens": [5]})


@pytest.mark.parametrize("op", ["GRU", "RNN"])
def test_other_recurrences(tmp_path, op):
    gates = 3 if op == "GRU" else 1
    constants = {"W": numbers(1, 1, gates * HIDDEN, INPUTS), "R": numbers(2, 1, gates * HIDDEN, HIDDEN)}
    nodes = [support.node(op, ["x", "W", "R"], ["Y"], hidden_size=HIDDEN)]
    path = save(tmp_path / "m.onnx", nodes, [value("x", [6, 1, INPUTS])], [value("Y", None)], constants)
    refused(path, f"node 'the_{op.lower()}' ({op})", "of recurrences only LSTM is run")


# ---- the onnx package's own ------------------------------------------------------------------------------------------


def own_case(name, tmp_path):
    """A node test of the onnx package: the file, values of its inputs and of its outputs, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx.backend.test.case.node.lstm  # noqa: F401  # which registers them
        from onnx.backend.test.case.node import _NodeTestCases
    (case,) = [case for case in _NodeTestCases if case.name == name]
    onnx.save(case.model, tmp_path / "model.onnx")
    ((inputs, outputs),) = case.data_sets
    graph = case.model.graph
    named = [
        dict(zip([i.name for i in infos], v, strict=True))
        for infos, v in ((graph.input, inputs), (graph.output, outputs))
    ]
    return tmp_path / "model.onnx", *named


@pytest.mark.parametrize("name", ["test_lstm_defaults", "test_lstm_with_initial_bias", "test_lstm_batchwise"])
def test_the_package_s_own_pass(tmp_path, name):
    path, inputs, outputs = own_case(name, tmp_path)
    x = inputs.pop("X")
    model = penstock.onnx.load(path, inputs)
    (wanted,) = [outputs[n] for n in outputs if n in ("Y_h",)]
    batch = x.shape[0] if "batchwise" in name else x.shape[1]
    assert batch > 1
    for row in range(batch):  # one stream a row
        ours = model.reference(np.ascontiguousarray(x[row] if "batchwise" in name else x[:, row]))
        theirs = wanted[row, 0] if "batchwise" in name else wanted[0, row]
        np.testing.assert_allclose(ours[-1], theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_lstm_with_peepholes", "has peepholes (P)"),
        ("test_lstm_reverse", "runs in reverse"),
        ("test_lstm_bidirectional", "is bidirectional"),
    ],
)
def test_the_package_s_own_are_refused(tmp_path, name, words):
    path, inputs, _ = own_case(name, tmp_path)
    del inputs["X"]
    with pytest.raises(UnsupportedError, match="LSTM") as raised:
        penstock.onnx.load(path, inputs)
    assert words in str(raised.value)
