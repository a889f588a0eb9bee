"""Each operation behind an LSTM, against onnx.reference in float64; and what of it is refused."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_support import HIDDEN, INPUTS, STEPS, around, compared, node, numbers, refused, value

from penstock.errors import NonFiniteError
from penstock.onnx.table import HANDLERS

A = numbers(30, HIDDEN, 4)
V = numbers(31, HIDDEN)
POSITIVE = np.abs(V) + 0.5


def i64(*values):
    return np.array(values, np.int64)


def check(tmp_path, nodes, constants=None, *, batch=1, out="tbn", last=False, opset=20, **more):
    path = around(tmp_path / "m.onnx", nodes, constants or {}, shape=(STEPS, batch, INPUTS), opset=opset, **more)
    return compared(path, out=out, last=last)


# name: nodes from h to y, constants, and what `check` takes
MOVES = {
    "identity": ([node("Identity", ["h"], ["y"])], {}, {}),
    "transpose": ([node("Transpose", ["h"], ["y"], perm=[1, 0, 2])], {}, {"out": "btn"}),
    "transpose features": ([node("Transpose", ["h"], ["y"], perm=[1, 2, 0])], {}, {"out": "bnt"}),
    "transpose default": ([node("Transpose", ["h"], ["a"]), node("Transpose", ["a"], ["y"])], {}, {}),
    "unsqueeze squeeze": (
        [node("Unsqueeze", ["h", "at"], ["a"]), node("Squeeze", ["a", "at"], ["y"])],
        {"at": i64(0, -1)},
        {},
    ),
    "squeeze all": ([node("Squeeze", ["h"], ["y"])], {}, {"out": "tn", "batch": 1}),
    "reshape": ([node("Reshape", ["h", "s"], ["y"])], {"s": i64(STEPS, -1)}, {"out": "tn", "batch": 1}),
    "reshape zero": ([node("Reshape", ["h", "s"], ["y"])], {"s": i64(0, 2, 1, -1)}, {"out": "tb1n"}),
    "reshape there and back": (
        [
            node("Reshape", ["h", "flat"], ["a"]),
            node("Gemm", ["a", "A"], ["b"]),
            node("Reshape", ["b", "s"], ["y"]),
        ],
        {"flat": i64(-1, HIDDEN), "A": A, "s": i64(STEPS, 2, 4)},
        {},
    ),
    "flatten": ([node("Flatten", ["h"], ["y"], axis=2)], {}, {"out": "tn", "batch": 1}),
    "flatten negative": ([node("Flatten", ["h"], ["y"], axis=-1)], {}, {"out": "tn", "batch": 1}),
    "expand to itself": ([node("Expand", ["h", "s"], ["y"])], {"s": i64(1, HIDDEN)}, {}),
    "expand with a new dimension": ([node("Expand", ["h", "s"], ["y"])], {"s": i64(1, 1, 1, 1)}, {"out": "1tbn"}),
    "tile once": ([node("Tile", ["h", "s"], ["y"])], {"s": i64(1, 1, 1)}, {}),
    "cast": (
        [node("Cast", ["h"], ["a"], to=TensorProto.FLOAT), node("Cast", ["a"], ["y"], to=TensorProto.DOUBLE)],
        {},
        {},
    ),
    "cast like": ([node("CastLike", ["h", "A"], ["y"])], {"A": A}, {}),
    "dropout": ([node("Dropout", ["h"], ["y"])], {}, {}),
    "dropout that says so": (
        [node("Dropout", ["h", "r", "t"], ["y"])],
        {"r": np.array(0.5), "t": np.array(False)},
        {},
    ),
    "slice of nothing": ([node("Slice", ["h", "a", "b"], ["y"])], {"a": i64(0), "b": i64(2**62)}, {}),
    "slice of features": (
        [node("Slice", ["h", "a", "b", "x2"], ["y"])],
        {"a": i64(1), "b": i64(-1), "x2": i64(2)},
        {},
    ),
    "slice of the last": (
        [node("Slice", ["h", "a", "b", "ax"], ["y"])],
        {"a": i64(-1), "b": i64(2**62), "ax": i64(0)},
        {"out": "1bn", "last": True},
    ),
    "gather the last": ([node("Gather", ["h", "i"], ["y"], axis=0)], {"i": np.array(-1)}, {"out": "bn", "last": True}),
    "gather the last, kept": ([node("Gather", ["h", "i"], ["y"])], {"i": i64(5)}, {"out": "1bn", "last": True}),
    "gather a feature": ([node("Gather", ["h", "i"], ["y"], axis=2)], {"i": i64(2)}, {}),
    "gather features": ([node("Gather", ["h", "i"], ["y"], axis=-1)], {"i": i64(1, 2, 3)}, {}),
    "gather features anyhow": ([node("Gather", ["h", "i"], ["y"], axis=-1)], {"i": i64(3, -5, 3)}, {}),
    "split, one half read": (
        [helper.make_node("Split", ["h", "s"], ["", "y"], axis=2)],
        {"s": i64(2, 3)},
        {},
    ),
    "split in equal parts": ([helper.make_node("Split", ["h"], ["", "y", ""], axis=2, num_outputs=3)], {}, {}),
    "concat of one": ([node("Concat", ["h"], ["y"], axis=1)], {}, {}),
    "if": (
        [
            helper.make_node(
                "If",
                ["c"],
                ["y"],
                then_branch=helper.make_graph([node("Neg", ["h"], ["n"])], "t", [], [value("n", None)]),
                else_branch=helper.make_graph([node("Exp", ["h"], ["n"])], "e", [], [value("n", None)]),
            )
        ],
        {"c": np.array(True)},
        {},
    ),
}

ARITHMETIC = {
    "add": ([node("Add", ["h", "v"], ["y"])], {"v": V}),
    "add from the left": ([node("Add", ["v", "h"], ["y"])], {"v": V}),
    "sum": ([node("Sum", ["v", "h", "w"], ["y"])], {"v": V, "w": np.array(0.5)}),
    "subtract": ([node("Sub", ["h", "v"], ["y"])], {"v": V}),
    "subtract from": ([node("Sub", ["v", "h"], ["y"])], {"v": V}),
    "multiply": ([node("Mul", ["h", "v"], ["y"])], {"v": V.reshape(1, 1, -1)}),
    "a constant with more dimensions": (
        [node("Mul", ["h", "v"], ["a"]), node("Squeeze", ["a", "at"], ["y"])],
        {"v": V.reshape(1, 1, 1, -1), "at": i64(0)},
    ),
    "divide": ([node("Div", ["h", "v"], ["y"])], {"v": POSITIVE}),
    "negate": ([node("Neg", ["h"], ["y"])], {}),
    "a constant with all dimensions": ([node("Mul", ["h", "v"], ["y"])], {"v": np.tile(V, (STEPS, 2, 1))}),
    "matmul": ([node("MatMul", ["h", "A"], ["y"])], {"A": A}),
    "matmul of more dimensions": ([node("MatMul", ["h", "A"], ["y"])], {"A": A[None]}),
    "matmul with a vector": (
        [node("MatMul", ["h", "v"], ["a"]), node("Unsqueeze", ["a", "at"], ["y"])],
        {"v": V, "at": i64(-1)},
    ),
    "matmul from the left": (
        [node("Transpose", ["h"], ["a"], perm=[0, 2, 1]), node("MatMul", ["A", "a"], ["b"])]
        + [node("Transpose", ["b"], ["y"], perm=[0, 2, 1])],
        {"A": A.T},
    ),
    "batch normalisation": (
        [node("Transpose", ["h"], ["a"], perm=[1, 2, 0])]
        + [node("BatchNormalization", ["a", "s", "b", "m", "v"], ["c"], epsilon=0.01)]
        + [node("Transpose", ["c"], ["y"], perm=[2, 0, 1])],
        {"s": V, "b": V[::-1], "m": V * 2, "v": POSITIVE},
    ),
    "affine beside matrices": (
        [node("Mul", ["h", "v"], ["a"]), node("MatMul", ["a", "A"], ["b"]), node("Add", ["b", "w"], ["y"])],
        {"v": V, "A": A, "w": V[:4]},
    ),
    "an input twice": ([node("Add", ["h", "h"], ["y"])], {}),
    "x times its sigmoid": ([node("Sigmoid", ["h"], ["a"]), node("Mul", ["a", "h"], ["y"])], {}),
    "GELU by Erf": (
        [node("Div", ["h", "r"], ["a"]), node("Erf", ["a"], ["b"]), node("Add", ["b", "one"], ["c"])]
        + [node("Mul", ["h", "c"], ["d"]), node("Mul", ["d", "half"], ["y"])],
        {"r": np.array(np.sqrt(2)), "one": np.array(1.0), "half": np.array(0.5)},
    ),
    "GELU by Pow and Tanh": (
        [node("Pow", ["h", "three"], ["a"]), node("Mul", ["a", "k"], ["b"]), node("Add", ["h", "b"], ["c"])]
        + [node("Mul", ["c", "r"], ["d"]), node("Tanh", ["d"], ["e"]), node("Add", ["e", "one"], ["f"])]
        + [node("Mul", ["h", "f"], ["g"]), node("Mul", ["g", "half"], ["y"])],
        {"three": np.array(3.0), "k": np.array(0.044715), "r": np.array(np.sqrt(2 / np.pi)), "one": np.array(1.0)}
        | {"half": np.array(0.5)},
    ),
    "softplus with a threshold": (
        [node("Softplus", ["h"], ["a"]), node("Greater", ["h", "t"], ["b"]), node("Where", ["b", "h", "a"], ["y"])],
        {"t": np.array(20.0)},
    ),
    "a step that is cast": (
        [node("Greater", ["h", "t"], ["a"]), node("Cast", ["a"], ["b"], to=TensorProto.DOUBLE)]
        + [node("Mul", ["b", "h"], ["y"])],
        {"t": np.array(0.0)},
    ),
    "max with zeros": ([node("Max", ["h", "z"], ["y"])], {"z": np.zeros((STEPS, 2, HIDDEN))}),
}

ACTIVATIONS = {
    "Relu": {},
    "Tanh": {},
    "Sigmoid": {},
    "Softplus": {},
    "LeakyRelu": {"alpha": 0.3},
    "Elu": {"alpha": 0.7},
    "Selu": {},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "Gelu": {},
    "Softmax": {"axis": -1},
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_drops_or_selects_axes(tmp_path, name):
    nodes, constants, more = MOVES[name]
    check(tmp_path, nodes, constants, **{"batch": 2, **more})


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(tmp_path, name):
    nodes, constants = ARITHMETIC[name]
    check(tmp_path, nodes, constants, batch=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("defaults", [True, False])
def test_activations(tmp_path, name, defaults):
    """At values from -6 to 6. The defaults of ONNX are not those of penstock.h."""
    settings = {} if defaults else ACTIVATIONS[name]
    nodes = [node("Mul", ["h", "six"], ["a"]), node(name, ["a"], ["y"], **settings)]
    check(tmp_path, nodes, {"six": np.array(6.0)}, batch=2)


def test_rounding_on_the_way(tmp_path):
    """The model does not round to float16 where the file does; that is said."""
    nodes = [node("Cast", ["h"], ["a"], to=TensorProto.FLOAT16), node("Cast", ["a"], ["y"], to=TensorProto.DOUBLE)]
    path = around(tmp_path / "m.onnx", nodes)
    model = compared(path, tolerance=2e-3)
    assert "the file rounds to FLOAT16; the model does not" in model.notes


def test_celu(tmp_path):
    """Only defined of float32."""
    nodes = [node("Cast", ["h"], ["a"], to=TensorProto.FLOAT), node("Celu", ["a"], ["b"], alpha=0.6)]
    check(tmp_path, [*nodes, node("Cast", ["b"], ["y"], to=TensorProto.DOUBLE)])


@pytest.mark.parametrize("function", ["Swish", "Swish 0.5"])
def test_swish(tmp_path, function):
    """Of operator set 24; onnx.reference knows it by its definition."""
    settings = {"alpha": 0.5} if " " in function else {}
    nodes = [node("Mul", ["h", "six"], ["a"]), node("Swish", ["a"], ["y"], **settings)]
    check(tmp_path, nodes, {"six": np.array(6.0)}, opset=24)


def test_gelu_by_tanh(tmp_path):
    check(tmp_path, [node("Gelu", ["h"], ["y"], approximate="tanh")])
    path = around(tmp_path / "n.onnx", [node("Gelu", ["h"], ["y"], approximate="fast")])
    refused(path, "approximate='fast'")


@pytest.mark.parametrize(("low", "high"), [(-0.2, 0.3), (-0.2, None), (None, 0.3), (0.0, None), (None, None)])
@pytest.mark.parametrize("opset", [10, 20])
def test_clip(tmp_path, low, high, opset):
    bounds = {n: v for n, v in (("min", low), ("max", high)) if v is not None}
    if opset < 11:
        check(tmp_path, [node("Clip", ["h"], ["y"], **bounds)], opset=opset)
        return
    constants = {n: np.array(v) for n, v in bounds.items()}
    names = ["h", *(n if n in bounds else "" for n in ("min", "max"))]
    check(tmp_path, [node("Clip", names, ["y"])], constants)


def test_clip_by_the_largest_float(tmp_path):
    """How exporters write that there is no bound."""
    largest = np.array(np.finfo(np.float32).max, np.float64)
    model = check(tmp_path, [node("Clip", ["h", "low", "high"], ["y"])], {"low": np.array(0.0), "high": largest})
    assert model.layers[-1].function == "relu"
    path = around(tmp_path / "n.onnx", [node("Clip", ["h", "low", "high"], ["y"])], {"low": -largest, "high": -largest})
    with pytest.raises(NonFiniteError, match=r"is -3\.4028"):  # a bound, though beyond what penstock.h takes
        compared(path)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, V[:4], V[:4].reshape(1, 4), V[:1]])
def test_gemm(tmp_path, transposed, bias):
    nodes = [
        node("Squeeze", ["h", "at"], ["a"]),
        node("Gemm", ["a", "A", *(["c"] if bias is not None else [])], ["y"], transB=transposed, alpha=0.5, beta=2.0),
    ]
    constants = {"at": i64(1), "A": A.T if transposed else A, **({"c": bias} if bias is not None else {})}
    check(tmp_path, nodes, constants, out="tn")


def test_gemm_with_the_signal_transposed_or_second(tmp_path):
    squeezed = [node("Squeeze", ["h", "at"], ["a"]), node("Transpose", ["a"], ["b"])]
    constants = {"at": i64(1), "A": A, "c": V[:4, None]}
    check(tmp_path, [*squeezed, node("Gemm", ["b", "A"], ["y"], transA=1)], constants, out="tn")
    check(tmp_path, [*squeezed, node("Gemm", ["A", "b", "c"], ["y"], transA=1)], constants, out="nt")
    check(tmp_path, [*squeezed, node("Gemm", ["A", "a", "c"], ["y"], transA=1, transB=1)], constants, out="nt")


def test_prelu(tmp_path):
    nodes = [node("PRelu", ["h", "s"], ["y"])]
    assert check(tmp_path, nodes, {"s": np.full(HIDDEN, 0.25)}).layers[-1].function == "leaky_relu"
    refused(around(tmp_path / "n.onnx", nodes, {"s": V}), "has a slope of its own for each feature")


# ---- older operator sets, where axes, parts and bounds are attributes ------------------------------------------------


@pytest.mark.parametrize(
    ("opset", "nodes", "more"),
    [
        (9, [node("Slice", ["h"], ["y"], starts=[1], ends=[4], axes=[2])], {}),
        (9, [node("Slice", ["h"], ["y"], starts=[-1], ends=[9999])], {"out": "1bn", "last": True}),
        (11, [node("Unsqueeze", ["h"], ["a"], axes=[0]), node("Squeeze", ["a"], ["y"], axes=[0])], {}),
        (11, [helper.make_node("Split", ["h"], ["", "y"], axis=2, split=[1, 4])], {}),
        (9, [node("Dropout", ["h"], ["y"], ratio=0.5)], {}),
        (11, [node("Softmax", ["h"], ["y"], axis=2)], {}),
        (11, [node("Flatten", ["h"], ["a"], axis=2), node("Softmax", ["a"], ["y"])], {"out": "tn"}),
        (8, [node("Transpose", ["h"], ["y"], perm=[1, 0, 2])], {"out": "btn"}),
    ],
)
def test_forms_of_older_operator_sets(tmp_path, opset, nodes, more):
    check(tmp_path, nodes, opset=opset, **more)


def test_softmax_of_old_over_several_dimensions(tmp_path):
    """Below operator set 13 it is over all dimensions from the axis on, 1 unless given."""
    check(tmp_path, [node("Softmax", ["h"], ["y"])], opset=11)  # a batch of 1 and the features
    path = around(tmp_path / "n.onnx", [node("Softmax", ["h"], ["y"])], shape=(STEPS, 2, INPUTS), opset=11)
    refused(path, "(Softmax)", "mixes batch rows")


# ---- refused ---------------------------------------------------------------------------------------------------------

ZERO = {"zero": i64(0), "one": i64(1), "two": i64(2), "minus": i64(-1), "far": i64(-(2**62)), "s": np.array(-2)}
REFUSED = {
    "reverse": ([node("Slice", ["h", "minus", "far", "zero", "minus"], ["y"])], {}, "takes them in reverse order"),
    "every second": (
        [node("Slice", ["h", "zero", "far2", "zero", "two"], ["y"])],
        {"far2": i64(99)},
        "takes timesteps",
    ),
    "first steps": ([node("Slice", ["h", "zero", "two", "zero"], ["y"])], {}, "takes timesteps 0 to 1 of 6"),
    "the last but one": ([node("Gather", ["h", "s"], ["y"])], {}, "takes timestep 4 of 6"),
    "gathers steps": ([node("Gather", ["h", "i"], ["y"])], {"i": i64(5, 0)}, "mixes timesteps"),
    "one row": ([node("Gather", ["h", "one"], ["y"], axis=1)], {}, "batch row"),
    "joins steps": (
        [node("Concat", ["z", "h"], ["y"], axis=0)],
        {"z": np.zeros((1, 2, HIDDEN))},
        "mixes timesteps (joins",
    ),
    "joins features": ([node("Concat", ["h", "h"], ["y"], axis=2)], {}, "joins signals"),
    "repeats": ([node("Expand", ["h", "e"], ["y"])], {"e": i64(3, 1, 1, 1)}, "repeats values"),
    "tiles": ([node("Tile", ["h", "e"], ["y"])], {"e": i64(1, 1, 2)}, "repeats a signal"),
    "divides an axis": ([node("Reshape", ["h", "e"], ["y"])], {"e": i64(3, 4, HIDDEN)}, "divides an axis"),
    "mean over time": ([node("ReduceMean", ["h", "zero"], ["y"])], {}, "mixes timesteps (mean over it)"),
    "maximum over features": ([node("ReduceMax", ["h", "two"], ["y"])], {}, "mixes features (maximum over it)"),
    "sum over all": ([node("ReduceSum", ["h"], ["y"])], {}, "mixes timesteps (sum over it)"),
    "cumulative sum": ([node("CumSum", ["h", "a"], ["y"])], {"a": np.array(0)}, "mixes timesteps (a cumulative sum"),
    "softmax over time": ([node("Softmax", ["h"], ["y"], axis=0)], {}, "mixes timesteps (softmax over it)"),
    "softmax over the batch": ([node("Softmax", ["h"], ["y"], axis=1)], {}, "mixes batch rows (softmax over it)"),
    "matrix over time": (
        [node("Transpose", ["h"], ["a"], perm=[2, 1, 0]), node("MatMul", ["a", "m"], ["y"])],
        {"m": np.ones((6, 2))},
        "mixes timesteps (a matrix over it)",
    ),
    "a matrix a row": ([node("MatMul", ["h", "m"], ["y"])], {"m": numbers(1, STEPS, HIDDEN, 2)}, "by 6 matrices"),
    "constants a step": (
        [node("Add", ["h", "c"], ["y"])],
        {"c": numbers(1, STEPS, 1, 1)},
        "mixes timesteps (a constant that differs along it)",
    ),
    "constants a row": ([node("Add", ["h", "c"], ["y"])], {"c": numbers(1, 2, 1)}, "mixes batch rows"),
    "residual": (
        [node("Relu", ["h"], ["a"]), node("Mul", ["a", "v"], ["b"]), node("Add", ["b", "h"], ["y"])],
        {"v": V},
        "adds two signals",
    ),
    "layer norm": ([node("LayerNormalization", ["h", "v"], ["y"])], {"v": V}, "mixes features (layer normalisation)"),
    "product of signals": (
        [node("Transpose", ["h"], ["a"], perm=[0, 2, 1]), node("MatMul", ["h", "a"], ["y"])],
        {},
        "multiplies two signals",
    ),
    "a function": ([node("Sin", ["h"], ["y"])], {}, "a function of each value that this version does not know"),
    "hard swish": ([node("HardSwish", ["h"], ["y"])], {}, "a function of each value that this version does not know"),
    "training dropout": (
        [node("Dropout", ["h", "r", "t"], ["y"])],
        {"r": np.array(0.5), "t": np.array(True)},
        "training_mode",
    ),
    "training batch norm": (
        [helper.make_node("Transpose", ["h"], ["a"], perm=[1, 2, 0])]
        + [helper.make_node("BatchNormalization", ["a", "p", "v", "v", "p"], ["y", "m1", "v1"], training_mode=1)],
        {"v": V, "p": POSITIVE},
        "training mode",
    ),
    "integers": ([node("Cast", ["h"], ["a"], to=TensorProto.INT64), node("Cast", ["a"], ["y"], to=11)], {}, "to INT64"),
    "division by zero": ([node("Div", ["h", "c"], ["y"])], {"c": np.array(0.0)}, "divides by 0"),
    "convolution": ([node("Conv", ["h", "c"], ["y"])], {"c": numbers(1, 2, 2, 1)}, "is a convolution"),
    "quantised": (
        [node("Cast", ["h"], ["f"], to=TensorProto.FLOAT), node("QuantizeLinear", ["f", "c"], ["a"])]
        + [node("DequantizeLinear", ["a", "c"], ["y"])],
        {"c": np.array(0.1, np.float32)},
        "is quantised",
    ),
    "random": ([node("RandomNormalLike", ["h"], ["a"]), node("Add", ["a", "h"], ["y"])], {}, "makes random numbers"),
    "softmax in the middle": (
        [node("Softmax", ["h"], ["a"]), node("MatMul", ["a", "A"], ["y"])],
        {"A": A},
        "a softmax is only run as the last layer",
    ),
    "not known": ([node("Trilu", ["h"], ["y"])], {}, "is an operation that this version does not run"),
    "another domain": (
        [helper.make_node("FusedGelu", ["h"], ["y"], domain="com.microsoft")],
        {},
        "of the domain 'com.microsoft'",
    ),
    "does not fit": ([node("Add", ["h", "c"], ["y"])], {"c": numbers(1, 4)}, "does not fit its inputs"),
    "a loop": (
        [
            helper.make_node(
                "Loop",
                ["n", "", "h"],
                ["y"],
                body=helper.make_graph(
                    [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Neg", ["s0"], ["s1"])],
                    "body",
                    [value("i", [], 7), value("c", [], 9), value("s0", None)],
                    [value("c2", [], 9), value("s1", None)],
                ),
            )
        ],
        {"n": np.array(2)},
        "is a loop",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name):
    nodes, constants, words = REFUSED[name]
    path = around(tmp_path / "m.onnx", nodes, {**ZERO, **constants}, shape=(STEPS, 2, INPUTS))
    refused(path, words)


def test_an_if_by_a_signal(tmp_path):
    branches = {
        f"{name}_branch": helper.make_graph([node(op, ["h"], ["n"])], name, [], [value("n", None)])
        for name, op in (("then", "Neg"), ("else", "Relu"))
    }
    nodes = [
        node("ReduceMax", ["h"], ["a"], keepdims=0),
        node("Greater", ["a", "zero_"], ["b"]),
        helper.make_node("If", ["b"], ["y"], name="which", **branches),
    ]
    path = around(tmp_path / "m.onnx", nodes, {"zero_": np.array(0.0)})
    refused(path, "mixes timesteps (maximum over it)")


def test_what_a_treatment_makes_is_checked(tmp_path, monkeypatch):
    """Its shape is known from pass 1."""

    def wrong(context, item, args):
        return args[0].unsqueeze([0])

    monkeypatch.setitem(HANDLERS, "Neg", wrong)
    refused(around(tmp_path / "m.onnx", [node("Neg", ["h"], ["y"])]), "makes the shape [6, 1, 5], here [1, 6, 1, 5]")


def test_all_problems_are_listed_at_once(tmp_path):
    nodes = [
        node("CumSum", ["h", "axis"], ["a"]),
        node("LayerNormalization", ["a", "v"], ["b"]),
        node("Trilu", ["b"], ["c"]),
        node("ReduceMean", ["c", "zero"], ["y"]),
    ]
    path = around(tmp_path / "m.onnx", nodes, {"axis": np.array(0), "v": V, "zero": i64(0)})
    error = refused(path, count=4)
    assert [p.where for p in error.problems] == [
        "node 'the_cumsum' (CumSum)",
        "node 'the_layernormalization' (LayerNormalization)",
        "node 'the_trilu' (Trilu)",
        "node 'the_reducemean' (ReduceMean)",
    ]


def test_the_source_line_is_named(tmp_path):
    made = node("Trilu", ["h"], ["y"])
    entry = made.metadata_props.add()
    entry.key = "pkg.torch.onnx.stack_trace"
    entry.value = (
        'File "/some/where/model.py", line 12, in forward\n    return torch.tril(self.lin(x))\n'
        '  File "/usr/lib/python3/site-packages/torch/nn/modules/linear.py", line 134, in forward\n    return 1'
    )
    refused(around(tmp_path / "m.onnx", [made]), "node 'the_trilu' (Trilu), model.py line 12: ")
