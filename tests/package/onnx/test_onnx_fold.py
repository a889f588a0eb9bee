"""Constant folding: what does not depend on an input's value is evaluated, by the operator set of the file, and in
proportion to the file; shapes of signals are known."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
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
from penstock.errors import CorruptError
from penstock.onnx.fold import EVALUATED


def i64(*values):
    return np.array(values, np.int64)


def test_weights_put_together_by_nodes(tmp_path):
    """As PyTorch's default exporter writes them: raw weights, cut, joined in ONNX's order of gates."""
    raw = numbers(3, 4 * HIDDEN, INPUTS)  # i, f, g, o
    constants = {k: v for k, v in weights().items() if k != "W"}
    constants |= {"raw": raw, "at": i64(0)} | {f"n{k}": i64(k * HIDDEN) for k in range(5)}
    nodes = [node("Slice", ["raw", f"n{k}", f"n{k + 1}", "at"], [f"s{k}"]) for k in range(4)]
    nodes += [node("Concat", ["s0", "s3", "s1", "s2"], ["w"], axis=0), node("Unsqueeze", ["w", "at"], ["W"])]
    path = save(tmp_path / "m.onnx", [*nodes, lstm()], [value("x", [6, 1, INPUTS])], [value("Y", None)], constants)
    model = compared(path, out="t1bn")
    assert np.array_equal(model.layers[0].tensors["weight_ih"], raw)


def default_state(batch_dim):
    """Zeros [1, B, H], B from Shape of x, as torch.zeros(1, x.size(b), H) becomes."""
    return [
        node("Shape", ["x"], ["sx"]),
        node("Gather", ["sx", batch_dim], ["b"]),
        node("Unsqueeze", ["b", "zero"], ["b1"]),
        node("Concat", ["one", "b1", "units"], ["s"], axis=0),
        node("ConstantOfShape", ["s"], ["h0"], value=onnx.numpy_helper.from_array(np.zeros(1))),
    ]


@pytest.mark.parametrize("batch", [1, 2, "batch", None])
@pytest.mark.parametrize("time", [STEPS, "time", None])
def test_arithmetic_of_shapes(tmp_path, batch, time):
    """Y is brought to [T, B, H] by a shape computed from x's, and back to a batch-first layout."""
    nodes = [
        *default_state("dim"),
        lstm(["x", "W", "R", "B", "", "h0", "h0"]),
        node("Mul", ["sx", "mask"], ["zeroed"]),
        node("Slice", ["sx", "zero", "two"], ["tb"]),
        node("Concat", ["tb", "minus"], ["s3"], axis=0),
        node("Reshape", ["Y", "s3"], ["y"]),
    ]
    constants = weights() | {"dim": np.array(1), "zero": i64(0), "one": i64(1), "two": i64(2), "units": i64(HIDDEN)}
    constants |= {"minus": i64(-1), "mask": i64(0, 0, 0)}
    path = save(tmp_path / "m.onnx", nodes, [value("x", [time, batch, INPUTS])], [value("y", None)], constants)
    compared(path, steps=STEPS)


def test_size_is_known_too(tmp_path):
    """Size(x) / (B n) is T."""
    nodes = [
        node("Size", ["x"], ["n"]),
        node("Div", ["n", "three"], ["t"]),
        node("Unsqueeze", ["t", "zero"], ["t1"]),
        node("Concat", ["t1", "minus"], ["s"], axis=0),
        lstm(),
        node("Reshape", ["Y", "s"], ["y"]),
    ]
    constants = weights() | {"three": np.array(INPUTS), "zero": i64(0), "minus": i64(-1)}
    path = save(tmp_path / "m.onnx", nodes, [value("x", ["time", 1, INPUTS])], [value("y", None)], constants)
    compared(path, out="tn")


def test_a_number_that_depends_on_the_time_is_refused(tmp_path):
    """With a fixed time it is a constant; with an open one it is none, though each probe makes it one."""
    nodes = [
        node("Shape", ["h"], ["s"], start=0, end=1),
        node("Cast", ["s"], ["t"], to=TensorProto.DOUBLE),
        node("Div", ["h", "t"], ["y"]),
    ]
    compared(around(tmp_path / "m.onnx", nodes))
    path = around(tmp_path / "n.onnx", nodes, shape=("time", 1, INPUTS))
    refused(path, "node 'the_div' (Div)", "numbers that depend on how many timesteps there are")


def test_a_time_that_a_reshape_fixes(tmp_path):
    """PyTorch's default exporter leaves the time of a time-first module open and bakes the example's into a Reshape:
    such a file runs with that one, and streams all the same."""
    nodes = [node("Reshape", ["h", "s"], ["y"])]
    path = around(tmp_path / "m.onnx", nodes, {"s": i64(9, 1, HIDDEN)}, shape=("time", 1, INPUTS))
    model = compared(path, steps=9)
    assert "the file leaves the number of timesteps open, but only runs 9" in model.notes
    path = around(tmp_path / "n.onnx", nodes, {"s": i64(9, -1, HIDDEN)}, shape=("time", "batch", INPUTS))
    compared(path, steps=9)
    nodes = [  # the number of timesteps is in 36 only as a factor
        node("Reshape", ["h", "flat"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Reshape", ["b", "s"], ["y"]),
    ]
    constants = {"flat": i64(36, HIDDEN), "s": i64(-1, 4, HIDDEN)}
    compared(around(tmp_path / "p.onnx", nodes, constants, shape=("time", 4, INPUTS)), steps=9)
    nodes = [node("Reshape", ["h", "s"], ["y"])]
    refused(around(tmp_path / "o.onnx", nodes, {"s": i64(9, 2, 7)}, shape=("time", 1, INPUTS)), "reshapes")


@pytest.mark.parametrize(("start", "end"), [(0, 150), (0, 1000), (-150, 2**62), (-1000, 2**62), (0, 2**31 - 1)])
def test_a_sequence_that_is_cut_off(tmp_path, start, end):
    """h[:1000] is nothing for 101 timesteps, but cuts off whatever is behind the thousandth. The largest integers are
    how exporters write "to the end"."""
    nodes = [node("Slice", ["h", "start", "end", "at"], ["y"])]
    constants = {"start": i64(start), "end": i64(end), "at": i64(0)}
    path = around(tmp_path / "m.onnx", nodes, constants, shape=("time", 1, INPUTS))
    if end == 2**31 - 1:
        compared(path)
    else:
        refused(path, "node 'the_slice' (Slice)", "takes timesteps")


def test_zeros_for_each_timestep(tmp_path):
    """zeros_like(h): for as many timesteps as one likes that is a large constant, which says nothing against it."""
    nodes = [
        node("Shape", ["h"], ["s"]),
        node("ConstantOfShape", ["s"], ["z"], value=onnx.numpy_helper.from_array(np.zeros(1))),
        node("Max", ["h", "z"], ["y"]),
    ]
    model = compared(around(tmp_path / "m.onnx", nodes, shape=("time", 1, INPUTS)))
    assert model.layers[-1].function == "relu"


def test_one_name_for_two_dimensions(tmp_path):
    """A time that has the batch's name is still a time: it does not count as 1."""
    compared(around(tmp_path / "m.onnx", [node("Neg", ["h"], ["y"])], shape=("n", "n", INPUTS)))
    nodes = [node("Squeeze", ["h"], ["a"]), node("ReduceMean", ["a", "zero"], ["y"])]
    path = around(tmp_path / "n.onnx", nodes, {"zero": i64(0)}, shape=("n", "n", INPUTS))
    refused(path, "mixes timesteps")


def test_initializers_that_are_inputs_too(tmp_path):
    """Every initializer had to be, once; a caller may give another value."""
    constants = weights()
    inputs = [value("x", [6, 1, INPUTS]), *(value(n, a.shape) for n, a in constants.items())]
    path = save(tmp_path / "m.onnx", [lstm()], inputs, [value("Y", None)], constants)
    compared(path, out="t1bn")
    other = {"W": weights(50)["W"]}
    compared(path, out="t1bn", constants=other, feeds=other)


@pytest.mark.parametrize("settings", [{"value_float": 2.0}, {"value": onnx.numpy_helper.from_array(np.array(2.0))}])
def test_constants(tmp_path, settings):
    cast = node("Cast", ["c"], ["d"], to=TensorProto.DOUBLE)
    compared(
        around(tmp_path / "m.onnx", [node("Constant", [], ["c"], **settings), cast, node("Mul", ["h", "d"], ["y"])])
    )


def test_constants_of_another_operator_set(tmp_path):
    """ReduceSum's axes became an input with operator set 13."""
    nodes = [node("ReduceSum", ["m"], ["c"], axes=[0], keepdims=0), node("Add", ["h", "c"], ["y"])]
    compared(around(tmp_path / "m.onnx", nodes, {"m": numbers(1, 3, HIDDEN)}, opset=11))


def branches(then_op, else_op, then_reads="h", else_reads="h", extra=()):
    def made(name, op, reads):
        return helper.make_graph([*extra, node(op, [reads], ["n"])], name, [], [value("n", None)])

    return {"then_branch": made("t", then_op, then_reads), "else_branch": made("e", else_op, else_reads)}


def test_an_if_by_a_shape(tmp_path):
    """As PyTorch's older exporter writes squeeze of a dimension that is not known."""
    nodes = [
        node("Shape", ["x"], ["s"], start=1, end=2),
        node("Equal", ["s", "one"], ["is_one"]),
        helper.make_node("If", ["is_one"], ["a"], **branches("Neg", "Trilu")),
        helper.make_node("If", ["is_one"], ["b"], **branches("Tanh", "Trilu", "a", "a")),  # with the same inner names
        node("Add", ["a", "b"], ["y"]),
    ]
    path = around(tmp_path / "m.onnx", nodes, {"one": i64(1)}, shape=("time", "batch", INPUTS))
    with pytest.raises(NotImplementedError, match="does not know"):  # -h + tanh(-h): both were taken, by their names
        penstock.onnx.load(path)
    nodes[-1] = node("Mul", ["b", "two"], ["y"])
    compared(around(tmp_path / "n.onnx", nodes, {"one": i64(1), "two": np.array(2.0)}, shape=("time", "batch", INPUTS)))


def test_an_if_within_an_if(tmp_path):
    """The inner branch reads what the outer one makes, under a name that another If's branch has as well."""
    inner = branches("Tanh", "Relu", "k", "k")
    outer = helper.make_graph(
        [node("Neg", ["h"], ["k"]), helper.make_node("If", ["yes"], ["m"], **inner), node("Identity", ["m"], ["n"])],
        "t",
        [],
        [value("n", None)],
        [onnx.numpy_helper.from_array(np.array(True), "yes")],
    )
    other = helper.make_graph([node("Relu", ["h"], ["k"])], "u", [], [value("k", None)])
    nodes = [
        helper.make_node("If", ["yes"], ["unused"], then_branch=other, else_branch=other),
        helper.make_node("If", ["yes"], ["a"], then_branch=outer, else_branch=other),
        node("Add", ["a", "zero"], ["y"]),
    ]
    constants = {"yes": np.array(True), "zero": np.array(0.0)}
    model = compared(around(tmp_path / "m.onnx", nodes, constants))
    assert model.layers[-1].function == "tanh"
    nodes[-1] = node("Add", ["unused", "zero"], ["y"])
    assert compared(around(tmp_path / "n.onnx", nodes, constants)).layers[-1].function == "relu"


# ---- functions of the file -------------------------------------------------------------------------------------------


def test_functions_are_inlined(tmp_path):
    inner = own("Inner", [node("Tanh", ["a"], ["b"])])
    outer = own("Outer", [call("Inner", "a", "c"), node("Neg", ["c"], ["b"])])
    path = around(tmp_path / "m.onnx", [call("Outer", "h", "a"), call("Outer", "a", "y")], functions=[inner, outer])
    kinds = ["lstm", "activation", "linear", "activation", "linear"]
    assert [layer.kind for layer in compared(path).layers] == kinds


def test_the_source_line_of_a_node_in_a_function(tmp_path):
    inner = node("Trilu", ["a"], ["b"])
    entry = inner.metadata_props.add()
    entry.key, entry.value = "pkg.torch.onnx.stack_trace", 'File "/somewhere/model.py", line 12, in forward'
    path = around(tmp_path / "m.onnx", [call("Outer", "h", "y")], functions=[own("Outer", [inner])])
    refused(path, "(Trilu), model.py line 12: is an operation")


def test_a_function_that_calls_itself(tmp_path):
    functions = [own("A", [call("B", "a", "b")]), own("B", [call("A", "a", "b")])]
    path = around(tmp_path / "m.onnx", [call("A", "h", "y")], functions=functions)
    with pytest.raises(CorruptError, match="calls itself"):
        penstock.onnx.load(path)


def test_functions_that_write_out_to_more_than_memory_holds(tmp_path):
    functions = [own("F0", [node("Tanh", ["a"], ["b"])])]
    for k in range(1, 60):
        functions.append(own(f"F{k}", [call(f"F{k - 1}", "a", "c"), call(f"F{k - 1}", "c", "b")]))
    path = around(tmp_path / "m.onnx", [call("F59", "h", "y")], functions=functions)
    refused(path, "the functions of the file: write out to more than")


# ---- in proportion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("ConstantOfShape", ["big"], ["c"])], "a constant of 1000000000000 values"),
        ([node("Expand", ["one", "big"], ["c"])], "a constant of 1000000000000 values"),
        ([node("Tile", ["one", "wide"], ["c"])], "a constant of 1000000000000 values"),
        ([node("Range", ["zero", "large", "step"], ["c"])], "a constant of 1000000000000 values"),
        ([node("RandomNormal", [], ["c"], shape=[2])], "makes a constant by an operation that is not evaluated"),
        ([node("Einsum", ["one", "one"], ["c"], equation="a,b->ab")], "an operation that is not evaluated"),
        ([node("Reshape", ["one", "wide"], ["c"])], "does not fit its inputs"),
        (
            [
                node("Cast", ["one"], ["text"], to=TensorProto.STRING),
                node("Cast", ["text"], ["c"], to=TensorProto.DOUBLE),
            ],
            "makes a constant that holds no numbers",
        ),
    ],
)
def test_constants_out_of_proportion_to_the_file(tmp_path, nodes, words):
    constants = {"big": i64(10**6, 10**6), "wide": i64(10**12), "one": np.ones(1), "zero": np.array(0)}
    constants |= {"large": np.array(10**12), "step": np.array(1)}
    path = around(tmp_path / "m.onnx", [*nodes, node("Add", ["h", "c"], ["y"])], constants)
    refused(path, words)


def test_many_constants_together_out_of_proportion(tmp_path):
    """None of them too large alone."""
    nodes = [node("ConstantOfShape", ["n"], [f"c{k}"]) for k in range(100)]
    nodes += [node("Add", ["h" if k == 0 else f"a{k - 1}", f"c{k}"], [f"a{k}"]) for k in range(100)]
    path = around(tmp_path / "m.onnx", [*nodes, node("Neg", ["a99"], ["y"])], {"n": i64(10**6)})
    refused(path, "out of proportion to the file")


def test_what_is_evaluated_exists():
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert known >= EVALUATED - {"Swish", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"}
    assert not EVALUATED & {"Loop", "Scan", "LSTM", "RandomNormal", "Bernoulli", "Einsum", "Conv"}


# ---- not well formed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Neg", ["nothing"], ["y"])], "reads 'nothing', which nothing before it makes"),
        ([node("Neg", ["h"], ["z"])], "output 'y' is made by nothing"),
        ([node("Neg", ["h"], ["y"]), node("Neg", ["h"], ["y"])], "makes 'y' a second time"),
        ([node("Neg", ["h"], ["x"]), node("Neg", ["x"], ["y"])], "makes 'x' a second time"),
        ([node("Neg", ["late"], ["y"]), node("Neg", ["h"], ["late"])], "which nothing before it makes"),
    ],
)
def test_graphs_that_are_none(tmp_path, nodes, words):
    with pytest.raises(CorruptError, match=words) as raised:
        penstock.onnx.load(around(tmp_path / "m.onnx", nodes))
    assert str(tmp_path / "m.onnx") in str(raised.value)


@pytest.mark.parametrize(
    "made",
    [
        node("Transpose", ["h"], ["y"], perm=[0, 0, 9]),
        node("Transpose", ["h"], ["y"], perm=[0.5]),
        node("Squeeze", ["h", "at"], ["y"]),
        node("Gather", ["h"], ["y"]),
        node("Slice", ["h", "at"], ["y"]),
        node("Cast", ["h"], ["y"]),
        node("Cast", ["h"], ["y"], to=999),
        node("Concat", ["h", "h"], ["y"]),
        node("Gemm", ["h", "h"], ["y"]),
        node("Softmax", ["h"], ["y"], axis=7),
        node("LeakyRelu", ["h"], ["y"], alpha="0.1"),
        node("Flatten", ["h"], ["y"], axis=9),
        node("Mul", ["h"], ["y"]),
    ],
)
def test_nodes_that_are_none(tmp_path, made):
    refused(around(tmp_path / "m.onnx", [made], {"at": i64(7)}), made.name)
