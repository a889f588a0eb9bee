"""Whatever would change the result and is not run is refused by name. Each case changes one thing in a file that
loads."""

from pathlib import Path

import numpy as np
import pytest
from evaluate import evaluate
from kerasfile import entry, find, rewritten

import penstock.keras
from penstock.errors import CorruptError, UnsupportedError
from penstock.keras import _found

FILES = Path(__file__).parent / "files"


def setting(layer, key, value):
    return lambda config: find(config, layer).__setitem__(key, value)


def kind(layer, name, **settings):
    """The layer becomes one of another class."""

    def configure(config):
        changed = entry(config, layer)
        changed["class_name"] = name
        changed["config"] = {"name": layer, "dtype": "float32", **settings}

    return configure


def call(layer, key, value):
    return lambda config: entry(config, layer)["inbound_nodes"][0]["kwargs"].__setitem__(key, value)


def refused(path):
    with pytest.raises(UnsupportedError) as caught:
        penstock.keras.load(path, verify=False)
    assert str(path) in str(caught.value)
    return caught.value


CASES = [
    # an LSTM's settings
    ("sequential", setting("lstm", "activation", "relu"), "lstm (LSTM)", "activation='relu' is not run"),
    ("sequential", setting("lstm", "activation", "linear"), "lstm (LSTM)", "activation='linear' is not run"),
    (
        "sequential",
        setting("lstm", "recurrent_activation", "hard_sigmoid"),
        "lstm (LSTM)",
        "recurrent_activation='hard",
    ),
    ("sequential", setting("lstm", "go_backwards", True), "lstm (LSTM)", "go_backwards=True"),
    ("sequential", setting("lstm_1", "return_state", True), "lstm_1 (LSTM)", "return_state=True"),
    ("sequential", setting("lstm", "time_major", True), "lstm (LSTM)", "time_major=True"),
    ("sequential", setting("lstm", "return_sequences", False), "lstm_1 (LSTM)", "returns only its last step"),
    ("sequential", setting("lstm", "peephole", True), "lstm (LSTM)", "peephole=True is not known"),
    ("sequential", setting("lstm", "dtype", "int8_from_float32"), "lstm (LSTM)", "dtype policy 'int8_from_float32'"),
    ("sequential", setting("lstm_1", "return_sequences", False), "time_distributed", "returns only its last step"),
    # cells
    ("cells", setting("lstm_cell", "activation", "elu"), "cell 0", "activation='elu'"),
    ("cells", setting("lstm_cell_1", "recurrent_activation", "tanh"), "cell 1", "recurrent_activation='tanh'"),
    ("cells", setting("lstm_cell_2", "new_gate", 3), "rnn_1 (RNN), cell", "new_gate=3 is not known"),
    ("cells", setting("rnn_1", "go_backwards", True), "rnn_1 (RNN)", "go_backwards=True"),
    ("cells", lambda c: find(c, "rnn_1")["cell"].__setitem__("class_name", "GRUCell"), "rnn_1", "class GRUCell"),
    (
        "cells",
        lambda c: find(c, "rnn_1")["cell"].__setitem__("registered_name", "my>LSTMCell"),
        "rnn_1",
        "class LSTMCell",
    ),
    (
        "cells",
        lambda c: find(c, "stacked_rnn_cells")["cells"][1].__setitem__("class_name", "SimpleRNNCell"),
        "rnn (RNN)",
        "class SimpleRNNCell",
    ),
    ("cells", setting("stacked_rnn_cells", "skip", True), "rnn (RNN), cell", "skip=True is not known"),
    # Dense and activations
    ("sequential", setting("dense_1", "activation", "mish"), "dense_1 (Dense)", "activation 'mish' is not run"),
    ("sequential", setting("dense_1", "activation", "softmax"), None, None),
    ("sequential", setting("dense", "activation", "softmax"), "TimeDistributed", "only run as the last layer"),
    (
        "sequential",
        setting("dense_1", "activation", {"class_name": "function", "config": "mine", "registered_name": "mine"}),
        "dense_1 (Dense)",
        "activation 'mine' is a custom function",
    ),
    ("sequential", setting("dense_1", "lora_rank", 4), "dense_1 (Dense)", "lora_rank=4 is not known"),
    ("sequential", setting("dense_1", "quantization_config", {"bits": 8}), "dense_1", "quantization_config"),
    ("scalars", setting("re_lu", "threshold", 0.5), "re_lu (ReLU)", "threshold=0.5 is not run"),
    ("scalars", setting("re_lu", "negative_slope", 0.5), "re_lu (ReLU)", "together with max_value"),
    ("scalars", setting("activation", "activation", "exponential"), "activation", "'exponential' is not run"),
    ("scalars", kind("activation", "Softmax", axis=1), "activation (Softmax)", "axis=1 is not the features'"),
    # constants of a feature
    ("sequential", setting("batch_normalization", "axis", 1), "batch_normalization", "axis=1 is not the features'"),
    ("sequential", setting("batch_normalization", "axis", [1, 2]), "batch_normalization", "axis=[1, 2] is not"),
    ("scalars", setting("normalization", "axis", [1]), "normalization", "axis=[1] is not the features'"),
    ("scalars", setting("rescaling", "clip", 2.0), "rescaling", "clip=2.0 is not known"),
    # the input
    ("sequential", setting("input_layer", "batch_shape", [None, 3]), "input_layer", "has 2 axes"),
    ("sequential", setting("input_layer", "batch_shape", [None, None, 4, 3]), "input_layer", "has 4 axes"),
    ("sequential", lambda c: c["config"].__setitem__("build_input_shape", [None, 3]), "config.json", "has 2 axes"),
    ("sequential", setting("input_layer", "sparse", True), "input_layer", "sparse=True"),
    ("sequential", setting("input_layer", "ragged", True), "input_layer", "ragged=True"),
    ("sequential", setting("input_layer", "dtype", "int32"), "input_layer", "dtype policy 'int32'"),
    # other layers
    ("sequential", kind("dropout", "Masking", mask_value=0.0), "dropout (Masking)", "skips timesteps"),
    ("sequential", kind("dropout", "Embedding", mask_zero=True), "dropout (Embedding)", "embed before"),
    ("sequential", kind("dropout", "Bidirectional"), "dropout (Bidirectional)", "mixes timesteps"),
    ("sequential", kind("dropout", "GRU"), "dropout (GRU)", "only LSTM is run"),
    ("sequential", kind("dropout", "SimpleRNN"), "dropout (SimpleRNN)", "only LSTM is run"),
    ("sequential", kind("dropout", "CuDNNLSTM"), "dropout (CuDNNLSTM)", "load its weights into an LSTM"),
    ("sequential", kind("dropout", "Conv1D"), "dropout (Conv1D)", "mixes timesteps"),
    ("sequential", kind("dropout", "Attention"), "dropout (Attention)", "mixes timesteps"),
    ("sequential", kind("dropout", "GlobalAveragePooling1D"), "dropout (Global", "mixes timesteps"),
    ("sequential", kind("dropout", "Flatten"), "dropout (Flatten)", "mixes timesteps"),
    ("sequential", kind("dropout", "Reshape", target_shape=[1]), "dropout (Reshape)", "mixes timesteps"),
    ("sequential", kind("dropout", "RepeatVector", n=3), "dropout (RepeatVector)", "mixes timesteps"),
    ("sequential", kind("dropout", "LayerNormalization"), "dropout (LayerNorm", "a layer norm is not run"),
    ("sequential", kind("dropout", "Lambda"), "dropout (Lambda)", "any Python code"),
    ("sequential", kind("dropout", "PReLU"), "dropout (PReLU)", "learnt"),
    ("sequential", kind("dropout", "Sequential", layers=[]), "dropout (Sequential)", "a model within"),
    ("sequential", kind("dropout", "Fancy"), "dropout (Fancy)", "the layer Fancy is not run"),
    ("sequential", lambda c: find(c, "time_distributed")["layer"].__setitem__("class_name", "LSTM"), "time", "of LSTM"),
    (
        "sequential",
        lambda c: entry(c, "lstm").__setitem__("registered_name", "mine>LSTM"),
        "lstm (LSTM)",
        "custom class",
    ),
    ("sequential", lambda c: entry(c, "lstm").__setitem__("module", "mine.layers"), "lstm (LSTM)", "custom class"),
    ("sequential", lambda c: entry(c, "lstm").__setitem__("twist", 1), "lstm (LSTM)", "'twist' is not known"),
    # the model
    ("sequential", lambda c: c.__setitem__("class_name", "Transformer"), "config.json", "class 'Transformer'"),
    ("sequential", lambda c: c.__setitem__("module", "mine"), "config.json", "only Sequential and Functional"),
    ("sequential", lambda c: c["config"].__setitem__("reverse", True), "config.json", "'reverse' is not known"),
    # calls of a Functional model
    ("functional", call("lstm", "initial_state", [0]), "lstm (LSTM)", "initial_state"),
    ("functional", call("lstm", "mask", [0]), "lstm (LSTM)", "with a mask"),
    ("functional", call("dropout", "training", True), "dropout (Dropout)", "training=True"),
    ("functional", call("dropout", "scale", 2), "dropout (Dropout)", "called with scale"),
    ("functional", lambda c: entry(c, "lstm")["inbound_nodes"].append({}), "lstm (LSTM)", "called 2 times"),
    (
        "functional",
        lambda c: entry(c, "odds")["inbound_nodes"][0]["args"].append(
            entry(c, "lstm_1")["inbound_nodes"][0]["args"][0]
        ),
        "odds (Dense)",
        "has 2 inputs",
    ),
    ("functional", lambda c: entry(c, "odds")["inbound_nodes"][0]["args"].append(2), "odds (Dense)", "with 2 beside"),
    (
        "functional",
        lambda c: entry(c, "dropout")["inbound_nodes"][0]["args"][0]["config"].__setitem__(
            "keras_history", ["lstm", 0, 1]
        ),
        "lstm (LSTM)",
        "its output 1, a state, is used",
    ),
    (
        "functional",
        lambda c: c["config"].__setitem__("output_layers", [["odds", 0, 0], ["lstm", 0, 1]]),
        "output_layers",
        "2 outputs",
    ),
    (
        "functional",
        lambda c: c["config"].__setitem__("input_layers", [["prices", 0, 0], ["more", 0, 0]]),
        "input_layers",
        "2 inputs",
    ),
    (
        "functional",
        lambda c: c["config"].__setitem__("output_layers", ["lstm_1", 0, 0]),
        "odds (Dense)",
        "not on the path",
    ),
    ("functional", kind("flatten", "Add"), "flatten (Add)", "joins several paths"),
    ("functional", kind("flatten", "Multiply"), "flatten (Multiply)", "joins several paths"),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_refused_by_name(tmp_path, number):
    name, configure, where, what = CASES[number]
    path = rewritten(FILES / f"{name}.keras", tmp_path / "changed.keras", configure)
    if what is None:
        penstock.keras.load(path, verify=False)  # the one change that is run
        return
    problem = refused(path)
    assert any(where in found.where and what in found.what for found in problem.problems), str(problem)


def test_all_problems_come_at_once(tmp_path):
    def configure(config):
        find(config, "lstm")["go_backwards"] = True
        find(config, "lstm")["activation"] = "relu"
        find(config, "dense_1")["activation"] = "mish"
        kind("dropout", "Conv1D")(config)

    problem = refused(rewritten(FILES / "sequential.keras", tmp_path / "many.keras", configure))
    assert len(problem.problems) == 4


@pytest.mark.parametrize(
    "layer, key, value",
    [
        ("lstm", "unroll", True),
        ("lstm", "implementation", 1),
        ("lstm", "dropout", 0.5),
        ("lstm", "recurrent_dropout", 0.5),
        ("lstm", "unit_forget_bias", False),
        ("lstm", "use_cudnn", "auto"),
        ("lstm", "seed", 3),
        ("lstm", "kernel_regularizer", "l2"),
        ("lstm", "something_new", None),
        ("dropout", "rate", 0.9),
        ("batch_normalization", "momentum", 0.5),
        ("dense_1", "quantization_config", None),
    ],
)
def test_what_does_not_change_the_result_is_not_refused(tmp_path, layer, key, value):
    found, _ = _found(
        rewritten(FILES / "sequential.keras", tmp_path / "s.keras", lambda c: find(c, layer).__setitem__(key, value))
    )
    original, _ = _found(FILES / "sequential.keras")
    x = np.random.default_rng(1).standard_normal((5, 3))
    assert np.array_equal(evaluate(found.chain, x), evaluate(original.chain, x))


def test_hard_sigmoid_of_an_unknown_version(tmp_path):
    path = rewritten(FILES / "sequential.keras", tmp_path / "v.keras", members={"metadata.json": None})
    assert "does not say which" in str(refused(path))


def test_weights_alone(tmp_path):
    def weigh(file):
        del file.attrs["model_config"]
        file.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]

    assert "weights only" in str(refused(rewritten(FILES / "keras2.h5", tmp_path / "w.h5", weigh=weigh)))


def test_layouts_of_weights_that_are_not_read(tmp_path):
    content = b"nothing"
    path = rewritten(
        FILES / "sequential.keras",
        tmp_path / "npz.keras",
        members={"model.weights.h5": None, "model.weights.npz": content},
    )
    assert "npz" in str(refused(path))

    def weigh(file):
        file.move("layers", "_layer_checkpoint_dependencies")

    path = rewritten(FILES / "sequential.keras", tmp_path / "old.keras", weigh=weigh)
    assert "Keras 2.12 and 2.13" in str(refused(path))


def test_keras_2_calls(tmp_path):
    """Their form is [[layer, call, output, options]]."""

    def configure(config):
        entry(config, "rnn")["inbound_nodes"][0][0][3] = {"training": True}
        entry(config, "out")["inbound_nodes"][0][0][2] = 1

    problem = refused(rewritten(FILES / "keras2_functional.h5", tmp_path / "two.h5", configure))
    assert {found.what.split(";")[0] for found in problem.problems} == {
        "is called with training=True",
        "its output 1, a state, is used",
    }


def test_a_layer_that_reads_itself(tmp_path):
    def configure(config):
        history = entry(config, "lstm_1")["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
        history[0] = "flatten"

    with pytest.raises(CorruptError, match="reads its own output"):
        penstock.keras.load(rewritten(FILES / "functional.keras", tmp_path / "loop.keras", configure))
