"""Initial states: of the file, from inputs, given back by outputs; which output is the answer."""

import numpy as np
import onnx
import onnx_support as support
import pytest
from onnx import helper
from onnx_support import HIDDEN, INPUTS, STEPS, compared, lstm, node, numbers, refused, save, value, weights

import penstock.onnx
from penstock.errors import ArgumentError, NonFiniteError, ShapeError, UnsupportedError


def i64(*values):
    return np.array(values, np.int64)


def two_layers(path, before=(), after=(), *, states, inputs=(), outputs=(), constants=None, shape=(STEPS, 1, INPUTS)):
    """Two LSTMs. states: the names of h and c of the first, and of the second."""
    nodes = [
        *before,
        lstm(["x", "W", "R", "B", "", *states[0]], ["Y", "h_first", "c_first"], name="first"),
        node("Squeeze", ["Y", "one"], ["between"]),
        lstm(["between", "V", "S", "B", "", *states[1]], ["Z", "h_second", "c_second"], name="second"),
        node("Squeeze", ["Z", "one"], ["y"]),
        *after,
    ]
    second = weights(9, HIDDEN, prefix="2")
    given = {**weights(), "V": second["2W"], "S": second["2R"], "one": i64(1), "zero": i64(0), **(constants or {})}
    return save(path, nodes, [value("x", shape), *inputs], [value("y", None), *outputs], given)


def cut(name):
    """Of [2, B, H]: one layer each, as PyTorch's exporters cut it."""
    return [
        node("Slice", [name, "zero", "one", "zero"], [f"{name}_0"]),
        node("Slice", [name, "one", "end", "zero"], [f"{name}_1"]),
    ]


def both(path, batch=1, order=("first", "second"), after=(), **more):
    """h0 and c0 [2, B, H] in, hn and cn out."""
    joined = [helper.make_node("Concat", [f"{k}_{layer}" for layer in order], [f"{k}n"], axis=0) for k in "hc"]
    return two_layers(
        path,
        [*cut("h0"), *cut("c0")],
        [*joined, *after],
        states=(("h0_0", "c0_0"), ("h0_1", "c0_1")),
        inputs=[value("h0", [2, batch, HIDDEN]), value("c0", [2, batch, HIDDEN])],
        outputs=[value("hn", None), value("cn", None)],
        constants={"end": i64(2**62)},
        shape=(STEPS, batch, INPUTS),
        **more,
    )


@pytest.mark.parametrize("batch", [1, 3, "batch"])
def test_states_that_are_inputs(tmp_path, batch):
    path = both(tmp_path / "m.onnx", batch)
    h0, c0 = numbers(1, 2, HIDDEN), numbers(2, 2, HIDDEN)
    rows = batch if isinstance(batch, int) else 1
    feeds = {n: np.repeat(v[:, None], rows, 1) for n, v in (("h0", h0), ("c0", c0))}
    for shape in ((2, HIDDEN), (2, 1, HIDDEN), (2 * HIDDEN,)):
        model = compared(path, feeds=feeds, h0=h0.reshape(shape), c0=c0.reshape(shape))
    assert model.inputs == INPUTS
    for note in ("'h0' and 'c0' are the stream's state", "'hn' is the stream's state", "'cn' is the stream's state"):
        assert any(note in n for n in model.notes), model.notes
    assert np.array_equal(model.layers[1].tensors["c0"], c0[1])
    assert "h0" not in penstock.onnx.load(path).layers[0].tensors  # zeros unless given


@pytest.mark.parametrize(
    ("states", "error", "words"),
    [
        ({"h0": np.zeros(7)}, ShapeError, "h0: expected 10 values, the units of 2 layers, found 7"),
        ({"c0": "zeros"}, ArgumentError, "c0: expected numbers"),
        ({"c0": np.full((2, HIDDEN), np.nan)}, (UnsupportedError, NonFiniteError), "c0"),
    ],
)
def test_states_that_do_not_fit(tmp_path, states, error, words):
    with pytest.raises(error, match=words):
        penstock.onnx.load(both(tmp_path / "m.onnx"), **states)


def test_states_where_the_file_takes_none(tmp_path):
    path = support.around(tmp_path / "m.onnx", [node("Neg", ["h"], ["y"])])
    with pytest.raises(ArgumentError, match="h0: no input of .* is an initial h"):
        penstock.onnx.load(path, h0=np.zeros(HIDDEN))


def test_states_given_back_in_another_order(tmp_path):
    refused(both(tmp_path / "m.onnx", order=("second", "first")), "gives states back in another order than 'h0'")


def test_the_state_of_a_layer_that_the_answer_does_not_need(tmp_path):
    path = both(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.output[0].name = "between"  # of the first layer; hn and cn are of both
    onnx.save(model, path)
    refused(path, "output 'hn'", "is the state of an LSTM that the other output does not depend on")


def test_only_one_state_given_back(tmp_path):
    """The second layer's, where the input takes both."""
    path = two_layers(
        tmp_path / "m.onnx",
        cut("h0"),
        states=(("h0_0", ""), ("h0_1", "")),
        inputs=[value("h0", [2, 1, HIDDEN])],
        outputs=[value("h_second", None)],
        constants={"end": i64(2**62)},
    )
    refused(path, "output 'h_second'", "in another order than 'h0'")


def test_layers_whose_states_are_taken_crosswise(tmp_path):
    """h0[1] for the first layer: the outputs must say so, too."""
    crossed = {"states": (("h0_1", "c0_1"), ("h0_0", "c0_0")), "constants": {"end": i64(2**62)}}
    inputs = [value("h0", [2, 1, HIDDEN]), value("c0", [2, 1, HIDDEN])]
    h0, c0 = numbers(1, 2, HIDDEN), numbers(2, 2, HIDDEN)
    path = two_layers(tmp_path / "m.onnx", [*cut("h0"), *cut("c0")], inputs=inputs, **crossed)
    feeds = {"h0": h0[::-1][:, None], "c0": c0[::-1][:, None]}
    compared(path, feeds=feeds, h0=h0, c0=c0)  # h0 is in the order of the layers
    joined = node("Concat", ["h_first", "h_second"], ["hn"], axis=0)
    more = {**crossed, "inputs": inputs, "outputs": [value("hn", None)]}
    refused(two_layers(tmp_path / "n.onnx", [*cut("h0"), *cut("c0")], [joined], **more), "another order than 'h0'")


@pytest.mark.parametrize(
    "way",
    [
        [helper.make_node("Split", ["h0"], ["a", "b"], axis=0, num_outputs=2)],
        [helper.make_node("Split", ["h0", "ones"], ["a", "b"], axis=0)],
        [node("Gather", ["h0", "first"], ["p"]), node("Unsqueeze", ["p", "zero"], ["a"])]
        + [node("Gather", ["h0", "last"], ["q"]), node("Unsqueeze", ["q", "zero"], ["b"])],
        [node("Gather", ["h0", "zero"], ["a"]), node("Gather", ["h0", "one"], ["b"])],
        [node("Transpose", ["h0"], ["t"], perm=[1, 0, 2])]
        + [helper.make_node("Split", ["t", "ones"], ["p", "q"], axis=1)]
        + [node("Transpose", [n], [m], perm=[1, 0, 2]) for n, m in (("p", "a"), ("q", "b"))],
    ],
)
def test_ways_to_cut_a_state(tmp_path, way):
    constants = {"ones": i64(1, 1), "first": np.array(0), "last": np.array(-1)}
    path = two_layers(
        tmp_path / "m.onnx",
        way,
        states=(("a", ""), ("b", "")),
        inputs=[value("h0", [2, 1, HIDDEN])],
        constants=constants,
    )
    h0 = numbers(1, 2, HIDDEN)
    compared(path, feeds={"h0": h0[:, None]}, h0=h0)


@pytest.mark.parametrize(
    ("before", "states", "words"),
    [
        ([node("Neg", ["h0"], ["n"])], (("n", ""), ("", "")), "an initial state that is computed from an input"),
        ([], (("h0", ""), ("h0", "")), "is the initial state of two layers"),
        ([], (("h0", "h0"), ("", "")), "is the initial state of two layers or of h and c"),
        ([], (("", ""), ("h_first", "")), "starts from the state of another LSTM"),
        ([node("Transpose", ["h0"], ["n"], perm=[1, 0, 2])], (("n", ""), ("", "")), None),
    ],
)
def test_states_that_are_not_simply_taken(tmp_path, before, states, words):
    path = two_layers(tmp_path / "m.onnx", before, states=states, inputs=[value("h0", [1, 1, HIDDEN])])
    if words is None:  # at a batch of 1 a transposition moves nothing
        h0 = numbers(1, HIDDEN)
        compared(path, feeds={"h0": h0.reshape(1, 1, -1)}, h0=h0)
    else:
        refused(path, words)


def test_a_signal_that_is_its_own_state(tmp_path):
    """x [1, 1, H] feeds X and initial_h."""
    made = weights(inputs=HIDDEN)
    nodes = [lstm(["x", "W", "R", "B", "", "x"])]
    path = save(tmp_path / "m.onnx", nodes, [value("x", [1, 1, HIDDEN])], [value("Y", None)], made)
    refused(path, "is both a signal and an initial state")


# ---- constant states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2])
def test_constant_states(tmp_path, batch):
    states = {"h": np.repeat(numbers(1, 1, 1, HIDDEN), batch, 1), "c": np.repeat(numbers(2, 1, 1, HIDDEN), batch, 1)}
    path = save(
        tmp_path / "m.onnx",
        [lstm(["x", "W", "R", "B", "", "h", "c"])],
        [value("x", [STEPS, batch, INPUTS])],
        [value("Y", None)],
        {**weights(), **states},
    )
    model = compared(path, out="t1bn")
    assert np.array_equal(model.layers[0].tensors["h0"], states["h"][0, 0])


def test_a_learned_state_expanded_to_an_open_batch(tmp_path):
    nodes = [
        node("Shape", ["x"], ["b"], start=1, end=2),
        node("Concat", ["one", "b", "units"], ["s"], axis=0),
        node("Expand", ["h", "s"], ["h0"]),
        lstm(["x", "W", "R", "B", "", "h0"]),
    ]
    constants = {**weights(), "h": numbers(1, 1, 1, HIDDEN), "one": i64(1), "units": i64(HIDDEN)}
    path = save(tmp_path / "m.onnx", nodes, [value("x", ["t", "b", INPUTS])], [value("Y", None)], constants)
    compared(path, out="t1bn")


def test_states_by_constants(tmp_path):
    """`constants` may give an input's value, states too."""
    path = both(tmp_path / "m.onnx")
    h0, c0 = numbers(1, 2, 1, HIDDEN), numbers(2, 2, 1, HIDDEN)
    model = compared(path, feeds={"h0": h0, "c0": c0}, constants={"h0": h0, "c0": c0})
    assert np.array_equal(model.layers[1].tensors["h0"], h0[1, 0])
    with pytest.raises(ArgumentError, match="h0: no input"):
        penstock.onnx.load(path, constants={"h0": h0, "c0": c0}, h0=h0)


@pytest.mark.parametrize(
    ("constants", "error", "words"),
    [
        ({"h9": np.zeros(3)}, ArgumentError, "has no input 'h9'; it has 'x', 'h0', 'c0'"),
        (
            {"h0": np.zeros((1, 1, HIDDEN))},
            ShapeError,
            r"constants\['h0'\]: expected shape \[2, 1, 5\], found \[1, 1, 5\]",
        ),
        ({"h0": "x"}, ArgumentError, r"constants\['h0'\]: expected numbers"),
    ],
)
def test_constants_that_do_not_fit(tmp_path, constants, error, words):
    with pytest.raises(error, match=words):
        penstock.onnx.load(both(tmp_path / "m.onnx"), constants=constants)


# ---- which output is the answer --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "out"),
    [
        ([node("Squeeze", ["Y_h", "zero"], ["y"])], "bn"),
        ([node("Identity", ["Y_h"], ["y"])], "1bn"),
        ([node("Gather", ["Y_h", "minus"], ["a"]), node("Relu", ["a"], ["y"])], "bn"),
        ([node("Transpose", ["Y_h"], ["a"], perm=[1, 0, 2]), node("Reshape", ["a", "flat"], ["y"])], "bn"),
    ],
)
def test_the_last_h_is_the_answer(tmp_path, nodes, out):
    path = save(
        tmp_path / "m.onnx",
        [lstm(outputs=["", "Y_h"]), *nodes],
        [value("x", [STEPS, 2, INPUTS])],
        [value("y", None)],
        {**weights(), "zero": i64(0), "minus": np.array(-1), "flat": i64(2, HIDDEN)},
    )
    model = compared(path, out=out, last=True)
    assert "output at every step: the source returns only the last one" in model.notes


def test_h_of_the_first_layer_needs_no_second(tmp_path):
    path = two_layers(tmp_path / "m.onnx", states=(("", ""), ("", "")))
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(value("h_first", None))
    onnx.save(model, path)
    assert len(compared(path, out="1bn", last=True).layers) == 1


def outputs(tmp_path, *names, more=()):
    nodes = [
        lstm(outputs=["Y", "Y_h", "Y_c"]),
        node("Relu", ["Y"], ["relu"]),
        node("Identity", ["Y"], ["same"]),
        node("Relu", ["Y_c"], ["of_c"]),
        node("Neg", ["c"], ["constant"]),
    ]
    constants = {**weights(), "c": np.ones(2)}
    infos = [value(n, None) for n in names]
    return save(tmp_path / "m.onnx", nodes, [value("x", [STEPS, 1, INPUTS]), *more], infos, constants)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Y", "relu"], "output 'relu': is a second one beside 'Y'; a stream gives one"),
        (["Y_c"], "are states of several layers, or cell states"),
        (["of_c"], "reads the cell state c"),
        (["Y", "constant"], "output 'constant': does not depend on an input"),
    ],
)
def test_outputs_that_a_stream_does_not_give(tmp_path, names, words):
    refused(outputs(tmp_path, *names), words)


@pytest.mark.parametrize("names", [["Y", "Y_h", "Y_c"], ["Y_c", "Y_h", "Y"], ["same", "Y"], ["Y_h", "Y_c"]])
def test_outputs_that_are_one(tmp_path, names):
    model = penstock.onnx.load(outputs(tmp_path, *names))
    assert model.readout == ("last" if "Y" not in names else "all")


def test_an_input_that_nothing_reads(tmp_path):
    path = outputs(tmp_path, "Y", more=[value("other", [2, "n"])])
    model = penstock.onnx.load(path)
    assert "input 'other' is not needed for output 'Y'" in model.notes
    assert any(note.startswith("verified") for note in model.notes)


@pytest.mark.parametrize(
    ("shape", "before", "words"),
    [
        ((STEPS, 1, "n"), [], "leaves the size of dimension 2 open, which holds features"),
        (None, [], "has no shape"),
        ((STEPS, 1, INPUTS, 2), [node("Gather", ["x", "i"], ["z"], axis=3)], "holds"),
        ((STEPS, 2, 1, 3), [node("Squeeze", ["x", "two"], ["z"])], None),
    ],
)
def test_inputs(tmp_path, shape, before, words):
    nodes = [*before, lstm(["z" if before else "x", "W", "R", "B"])]
    constants = {**weights(), "i": np.array(0), "two": i64(2)}
    path = save(tmp_path / "m.onnx", nodes, [value("x", shape)], [value("Y", None)], constants)
    if words:
        refused(path, words)
    else:
        assert compared(path, layout="tb1n", out="t1bn").inputs == INPUTS


def test_two_dimensions_of_features(tmp_path):
    """[T, B, 3, 1] read as 3 features is one; [T, B, 3, 2] read as 6 would need an order."""
    nodes = [node("Reshape", ["x", "s"], ["z"]), lstm(["z", "W", "R", "B"])]
    constants = {**weights(inputs=6), "s": i64(STEPS, 1, 6)}
    path = save(tmp_path / "m.onnx", nodes, [value("x", [STEPS, 1, 3, 2])], [value("Y", None)], constants)
    refused(path, "has more than one dimension of features")


def test_no_lstm(tmp_path):
    nodes = [node("MatMul", ["x", "A"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [value("x", [6, 3])], [value("y", None)], {"A": numbers(1, 3, 2)})
    refused(path, "does not come from an LSTM node, so that nothing tells which axis is time")


def test_two_signals(tmp_path):
    nodes = [lstm(), node("Add", ["Y", "other"], ["y"])]
    inputs = [value("x", [6, 1, INPUTS]), value("other", [6, 1, 1, HIDDEN])]
    path = save(tmp_path / "m.onnx", nodes, inputs, [value("y", None)], weights())
    refused(path, "adds two signals")
