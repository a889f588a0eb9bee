"""RTNeural's JSON: committed files against the answers of Keras and PyTorch, orders, refusals and damage."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from anything import quick, with_any_bytes, with_any_value
from evaluate import evaluate
from hypothesis import given
from hypothesis import strategies as st

import penstock.rtneural
from penstock.errors import (
    ArgumentError,
    CorruptError,
    Error,
    FileError,
    MismatchError,
    NonFiniteError,
    ShapeError,
    UnsupportedError,
)
from penstock.importing.chain import Activation, Linear, Lstm
from penstock.rtneural import _found, states

FILES = Path(__file__).parent / "files"
ANSWERS = np.load(FILES / "answers.npz")
# how much of its first input the source adds, which the caller does
ADDED = {"layered": 0.0, "states": 0.0, "guitarml": 1.0, "aidax": 10 ** ((3.25 - 6.5) / 20)}


def has(name):
    try:
        module = __import__(name)
        return hasattr(module, "nn" if name == "torch" else "layers")  # a folder of the name is none
    except Exception:
        return False


# Keras' torch backend does not know NumPy 2's __array__ yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

if has("torch"):
    os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.mark.parametrize("name", ADDED)
def test_answers_as_the_source_did(name):
    x, y = ANSWERS[f"{name}.x"], ANSWERS[f"{name}.y"]
    skip = "caller" if ADDED[name] else None
    found, _ = _found(FILES / f"{name}.json", None, skip)
    assert np.abs(evaluate(found.chain, x) + ADDED[name] * x[:, :1] * (name != "layered") - y).max() < 1e-6
    model = penstock.rtneural.load(FILES / f"{name}.json", skip=skip, verify=False)
    assert (model.inputs, model.outputs) == (x.shape[1], y.shape[1])
    assert np.abs(model.reference(x) + ADDED[name] * x[:, :1] - y).max() < 1e-6


@pytest.mark.parametrize("name", ADDED)
def test_load_verifies(name):
    runtime = "torch" if name in ("states", "guitarml") else "keras"
    notes = penstock.rtneural.load(FILES / f"{name}.json", skip="caller" if ADDED[name] else None).notes
    assert any("not verified" in note for note in notes) != has(runtime)


@pytest.mark.skipif(not has("torch"), reason="PyTorch is not installed")
def test_a_wrong_model_is_found(monkeypatch):
    right = states._lstm

    def wrong(group):
        module = right(group)
        first = module.steps[0]
        module.steps[0] = Lstm(np.roll(first.weight_ih, 1, axis=0), first.weight_hh, first.bias_ih, first.bias_hh)
        return module

    monkeypatch.setattr(states, "_lstm", wrong)
    with pytest.raises(MismatchError, match="states.json"):
        penstock.rtneural.load(FILES / "states.json")


def test_an_lstms_activation_is_its_own():
    """ "activation": "tanh" of an lstm layer is Keras' name for the cell's, no layer."""
    assert json.loads((FILES / "layered.json").read_text())["layers"][0]["activation"] == "tanh"
    found, _ = _found(FILES / "layered.json", None, None)
    assert isinstance(found.chain[0], Lstm) and isinstance(found.chain[1], Linear)
    assert sum(isinstance(step, Activation) and step.function == "tanh" for step in found.chain) == 0


def written(tmp_path, content):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return path


def changed(tmp_path, name, configure):
    content = json.loads((FILES / f"{name}.json").read_text())
    result = configure(content)
    return written(tmp_path, content if result is None else result)


def put(*keys_and_value):
    *path, last, value = keys_and_value

    def configure(content):
        for key in path:
            content = content[key]
        content[last] = value

    return configure


def drop(*keys):
    *path, last = keys

    def configure(content):
        for key in path:
            content = content[key]
        del content[last]

    return configure


def refused(path, error, match, **options):
    with pytest.raises(error, match=match) as caught:
        penstock.rtneural.load(path, verify=False, **options)
    assert str(path) in str(caught.value)


# ---- the input that is added -----------------------------------------------------------------------------------------


def test_skip_is_refused_unless_the_caller_takes_it(tmp_path):
    refused(
        FILES / "guitarml.json", UnsupportedError, "model_data, skip: the source adds its first input to the output"
    )
    refused(FILES / "aidax.json", UnsupportedError, "in_skip: the source adds 0.687859912 times its first input")
    notes = penstock.rtneural.load(FILES / "aidax.json", skip="caller", verify=False).notes
    assert any("0.687859912" in note and "left to the caller" in note for note in notes)
    for name in ("layered", "states"):
        refused(FILES / f"{name}.json", ArgumentError, "the source adds no input", skip="caller")
    with pytest.raises(ArgumentError, match="skip must be None or 'caller'"):
        penstock.rtneural.load(FILES / "layered.json", skip="add")


def test_skip_of_nothing(tmp_path):
    for configure, name in ((put("in_skip", 0), "aidax"), (put("in_skip", None), "aidax"), (drop("in_skip"), "aidax")):
        penstock.rtneural.load(changed(tmp_path, name, configure), verify=False)
    path = changed(tmp_path, "guitarml", put("model_data", "skip", 0))
    penstock.rtneural.load(path, verify=False)
    refused(path, ArgumentError, "adds no input", skip="caller")


def test_other_skips(tmp_path):
    refused(changed(tmp_path, "guitarml", put("model_data", "skip", 2)), UnsupportedError, "adds its first 2 inputs")
    refused(
        changed(tmp_path, "guitarml", drop("model_data")),
        UnsupportedError,
        "the file does not say whether its input is added",
    )
    penstock.rtneural.load(changed(tmp_path, "guitarml", drop("model_data")), skip="caller", verify=False)
    for wrong in (2, -1, True, "1", 0.5):
        refused(changed(tmp_path, "aidax", put("in_skip", wrong)), CorruptError, "in_skip must be 0 or 1")


def test_gains(tmp_path):
    """In dB; the inner one is for the audio alone."""

    def with_gains(inner, outer):
        path = changed(tmp_path, "aidax", lambda content: content.update(in_gain=inner, out_gain=outer, in_skip=0))
        return _found(path, None, None)[0]

    plain, louder, x = with_gains(None, 0), with_gains(20, -20), ANSWERS["aidax.x"]
    assert np.allclose(evaluate(louder.chain, x), 0.1 * evaluate(plain.chain, x * [10, 1, 1]), atol=1e-12)
    refused(changed(tmp_path, "aidax", put("in_gain", "loud")), CorruptError, "in_gain must be a number")
    refused(changed(tmp_path, "aidax", put("out_gain", 300)), CorruptError, "out_gain must be a gain in dB")


# ---- orders ----------------------------------------------------------------------------------------------------------


def lstm(n, h, layers=1, bias=True):
    random = np.random.default_rng(n + h)
    found = {}
    for index in range(layers):
        found[f"weight_ih_l{index}"] = random.standard_normal((4 * h, h if index else n)).tolist()
        found[f"weight_hh_l{index}"] = random.standard_normal((4 * h, h)).tolist()
        for name in ("bias_ih", "bias_hh") if bias else ():
            found[f"{name}_l{index}"] = random.standard_normal(4 * h).tolist()
    return found


def linear(n, m, bias=True):
    random = np.random.default_rng(n * m)
    found = {"weight": random.standard_normal((m, n)).tolist()}
    return found | ({"bias": random.standard_normal(m).tolist()} if bias else {})


def joined(**modules):
    return {f"{name}.{key}": value for name, tensors in modules.items() for key, value in tensors.items()}


def order_of(path, order=None):
    found, _ = _found(path, order, None)
    return [step.where.split(".")[0] for step in found.chain]


def test_orders_that_the_sizes_tell(tmp_path):
    """However the keys stand."""
    assert order_of(written(tmp_path, joined(a=linear(4, 1), b=lstm(1, 4)))) == ["b", "a"]
    assert order_of(written(tmp_path, joined(z=linear(5, 2), b=lstm(4, 5), c=lstm(3, 4)))) == ["c", "b", "z"]
    # One Linear could as well come first here; it is the last, as it nearly always is.
    assert order_of(written(tmp_path, joined(lin=linear(4, 4), rec=lstm(4, 4)))) == ["rec", "lin"]
    assert order_of(written(tmp_path, joined(enc=linear(2, 6), rec=lstm(6, 4), out=linear(4, 1)))) == [
        "enc",
        "rec",
        "out",
    ]
    assert order_of(written(tmp_path, joined(enc=linear(2, 3), rec=lstm(3, 4)))) == ["enc", "rec"]
    assert order_of(written(tmp_path, joined(only=lstm(2, 3, bias=False)))) == ["only"]
    assert order_of(written(tmp_path, lstm(2, 3))) == ["weight_ih_l0"]  # no module's name at all


def test_orders_that_the_sizes_leave_open(tmp_path):
    path = written(tmp_path, joined(a=lstm(4, 4), b=lstm(4, 4), out=linear(4, 2)))
    match = r"more than one order; give order=\[..\] of a \(LSTM, 4 -> 4\), b \(LSTM, 4 -> 4\), out \(Linear, 4 -> 2\)"
    refused(path, UnsupportedError, match)
    assert order_of(path, ["b", "a", "out"]) == ["b", "a", "out"]
    path = written(tmp_path, joined(enc=linear(4, 4), rec=lstm(4, 4), out=linear(4, 4)))
    refused(path, UnsupportedError, "more than one order")
    many = joined(**{f"m{index}": lstm(2, 2) for index in range(30)})
    refused(written(tmp_path, many), UnsupportedError, "more than one order")
    refused(
        written(tmp_path, joined(**{f"m{index}": linear(1, 1) for index in range(150)})),
        UnsupportedError,
        "150 modules",
    )


def test_orders_that_do_not_exist(tmp_path):
    refused(written(tmp_path, joined(a=lstm(1, 4), b=linear(3, 2))), UnsupportedError, "allow no order")
    # Between two Linears nearly always stands an activation that the file does not show.
    path = written(tmp_path, joined(a=lstm(1, 4), b=linear(4, 3), c=linear(3, 2)))
    refused(path, UnsupportedError, "allow no order, unless something stands between")
    assert order_of(path, ["a", "b", "tanh", "c"]) == ["a", "b", "tanh, of order", "c"]
    hard = joined(**{f"m{index}": lstm(2, 2) for index in range(24)}, x=lstm(3, 5), y=lstm(7, 5))
    refused(written(tmp_path, hard), UnsupportedError, "order")


def test_wrong_orders(tmp_path):
    path = written(tmp_path, joined(a=lstm(1, 4), b=linear(4, 3)))
    refused(path, ArgumentError, "order leaves out b", order=["a"])
    refused(path, ArgumentError, "'c' is not known; modules: a .LSTM, 1 -> 4., b", order=["a", "b", "c"])
    refused(path, ArgumentError, "'a' is named twice", order=["a", "b", "a"])
    refused(path, ArgumentError, "must be a list of names", order="ab")
    refused(path, ArgumentError, "must be a list of names", order=["a", 1])
    refused(path, ShapeError, "a .LSTM, 1 -> 4. cannot read the 3 features of b", order=["b", "a"])
    refused(FILES / "layered.json", ArgumentError, "order is for a state_dict", order=["a"])


def test_an_lstm_cell(tmp_path):
    cell = {key.removesuffix("_l0"): value for key, value in lstm(2, 3).items()}
    path = written(tmp_path, joined(cell=cell, out=linear(3, 2)))
    whole = written(tmp_path.joinpath("..").resolve(), joined(cell=lstm(2, 3), out=linear(3, 2)))
    x = np.random.default_rng(0).standard_normal((6, 2))
    assert np.array_equal(
        evaluate(_found(path, None, None)[0].chain, x), evaluate(_found(whole, None, None)[0].chain, x)
    )
    assert not has("torch") or penstock.rtneural.load(path).notes == (
        "order: cell (LSTM, 2 -> 3), out (Linear, 3 -> 2)",
    )


@pytest.mark.skipif(not has("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("function", ["tanh", "relu", "sigmoid", "elu", "softmax"])
def test_activations_of_order_are_verified(tmp_path, function):
    order = ["a", "tanh", "b", function] if function == "softmax" else ["a", function, "b"]
    model = penstock.rtneural.load(
        written(tmp_path, joined(a=lstm(2, 4, 2, False), b=linear(4, 3, False))), order=order
    )
    assert not any("not verified" in note for note in model.notes)


# ---- what is not run -------------------------------------------------------------------------------------------------


def layer(number, **settings):
    return lambda content: content["layers"][number].update(settings)


@pytest.mark.parametrize(
    "configure, match",
    [
        (layer(0, type="gru"), r"layer 0 \(gru\): a GRU; of recurrent layers only LSTM is run"),
        (layer(0, type="conv1d"), r"layer 0 \(conv1d\): mixes timesteps"),
        (layer(0, type="conv2d"), "mixes timesteps"),
        (layer(1, type="prelu"), r"layer 1 \(prelu\): slopes"),
        (layer(1, type="batchnorm2d"), "two-dimensional"),
        (layer(1, type="unknown"), "a layer of type 'unknown' is not run"),
        (layer(1, type="simple-rnn"), "a layer of type 'simple-rnn' is not run"),
        (layer(0, activation="relu"), "activation='relu'; an LSTM's is tanh"),
        (layer(1, activation="swish"), "the activation 'swish' is not run"),
        (layer(2, activation="relu"), "activation='relu' of a batchnorm, which RTNeural drops"),
        (layer(5, activation="gelu"), r"layer 5 \(activation\): the activation 'gelu' is not run"),
        (layer(0, go_backwards=True), "the key 'go_backwards' is not known"),
        (layer(1, kernel_size=[3]), "the key 'kernel_size' is not known"),
        (layer(4, activation="softmax"), "a softmax is only run as the last layer"),
        (put("in_delay", 3), "the file: the key 'in_delay' is not known"),
        (put("in_shape", [None, None, 2, 2]), "in_shape: two-dimensional features"),
    ],
)
def test_layers_refused_by_name(tmp_path, configure, match):
    refused(changed(tmp_path, "layered", configure), UnsupportedError, match)


def test_all_problems_come_at_once(tmp_path):
    def configure(content):
        content["layers"][0]["type"] = "gru"
        content["layers"][3]["type"] = "conv1d"
        content["twist"] = 1

    with pytest.raises(UnsupportedError) as caught:
        penstock.rtneural.load(changed(tmp_path, "layered", configure))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "content, match",
    [
        (joined(r={"weight_ih_l0": [[1.0]] * 3, "weight_hh_l0": [[1.0]] * 3}), "r: a GRU"),
        (joined(r={"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}), "r: a plain RNN"),
        (joined(r=lstm(1, 2) | {"weight_ih_l0_reverse": [[1.0]]}), "r: a bidirectional LSTM: mixes timesteps"),
        (joined(r=lstm(1, 2) | {"weight_hr_l0": [[1.0]]}), "r: an LSTM with a projection"),
        (joined(r=lstm(1, 2) | {"gain": [1.0]}), "r: has 'gain' beside an LSTM's tensors"),
        (joined(r=lstm(1, 2), n={"weight": [1.0], "bias": [1.0], "running_mean": [0.0]}), "n: a batch norm"),
        (joined(r=lstm(1, 2), n={"weight": [1.0, 2.0], "bias": [1.0, 2.0]}), "n: a normalisation or a PReLU"),
        (joined(r=lstm(1, 2), c={"weight": [[[1.0]]], "bias": [1.0]}), "c: a convolution: mixes timesteps"),
        (joined(r=lstm(1, 2), c={"weight": [[1.0]], "scale": [1.0]}), "c: tensors 'weight', 'scale' are of no"),
        (joined(r=lstm(1, 2)) | {"gain": 2.0}, "the state_dict: tensors 'gain' are of no"),
        ({}, "its keys are none"),
        ({"lstm": {"kernel:0": []}, "dense": {}}, "its keys are 'lstm', 'dense'"),
    ],
)
def test_state_dicts_refused_by_name(tmp_path, content, match):
    refused(written(tmp_path, content), UnsupportedError, match)


@pytest.mark.parametrize(
    "configure, match",
    [
        (put("model_data", "model", "GatedConvNet"), "model_data, model: 'GatedConvNet' is not run"),
        (put("model_data", "unit_type", "GRU"), "model_data, unit_type: 'GRU' is not run"),
        (put("model_data", "dilation", 2), "model_data: the key 'dilation' is not known"),
        (put("gain", 3), "the file: the key 'gain' is not known"),
    ],
)
def test_guitarml_refused_by_name(tmp_path, configure, match):
    refused(changed(tmp_path, "guitarml", configure), UnsupportedError, match, skip="caller")


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_a_shape_that_the_weights_contradict(tmp_path):
    """As in RTNeural's own bad_lstm.json: shape 16, weights for 20."""
    content = {
        "in_shape": [None, None, 1],
        "layers": [
            {
                "type": "lstm",
                "activation": "",
                "shape": [None, None, 16],
                "weights": [[[0.5] * 80], [[0.5] * 80] * 20, [0.5] * 80],
            }
        ],
    }
    match = r"layer 0 \(lstm\): shape says 4 gates of 16 units, but the kernel is \[1, 80\]"
    refused(written(tmp_path, content), ShapeError, match)


@pytest.mark.parametrize(
    "name, configure, error, match",
    [
        ("layered", put("in_shape", [None, None, 3]), ShapeError, r"layer 0 \(lstm\), kernel.*\[3, 16\], is \[2, 16\]"),
        ("layered", put("in_shape", []), CorruptError, "in_shape must end with the number of features"),
        ("layered", put("in_shape", [None, None]), CorruptError, "in_shape must end with"),
        ("layered", put("in_shape", [None, 10**9]), CorruptError, "in_shape must end with"),
        ("layered", drop("in_shape"), CorruptError, "in_shape is missing"),
        ("layered", drop("layers"), CorruptError, "layers is missing"),
        ("layered", put("layers", []), CorruptError, "layers is empty"),
        ("layered", put("layers", 0, 3), CorruptError, "layer 0: must be an object"),
        ("layered", drop("layers", 0, "type"), CorruptError, "layer 0: type is missing"),
        ("layered", drop("layers", 0, "shape"), CorruptError, "shape is missing"),
        ("layered", drop("layers", 0, "weights"), CorruptError, "weights is missing"),
        ("layered", drop("layers", 2, "epsilon"), CorruptError, "epsilon is missing"),
        ("layered", put("layers", 2, "epsilon", -9), CorruptError, "variance that is not positive"),
        ("layered", put("layers", 0, "weights", []), CorruptError, "kernel, recurrent kernel and bias, is a list of 0"),
        ("layered", drop("layers", 0, "weights", 1, 0), ShapeError, r"recurrent kernel.*\[4, 16\], is \[3, 16\]"),
        ("layered", put("layers", 0, "weights", 1, 2, [0.5]), ShapeError, "row 2 has 1 numbers, row 0 has 16"),
        ("layered", put("layers", 0, "weights", 2, [0.5]), ShapeError, r"bias.*\[16\], is \[1\]"),
        ("layered", put("layers", 0, "weights", 2, 3, "x"), CorruptError, r"bias: \[3\] must be a number, is 'x'"),
        ("layered", put("layers", 0, "weights", 2, 3, 1e300), NonFiniteError, r"bias\[3\] is 1e\+300"),
        ("layered", put("layers", 0, "weights", 0, 7), CorruptError, "kernel: must be a list of lists"),
        ("layered", put("layers", 5, "shape", [None, None, 5]), ShapeError, "shape says 5 features, but 4 come in"),
        ("layered", put("layers", 0, "hidden_size", 5), CorruptError, "hidden_size must be 4"),
        ("states", drop("lstm.weight_hh_l0"), CorruptError, "lstm.weight_hh_l0: is missing"),
        ("states", drop("lstm.bias_hh_l0"), CorruptError, "lstm.bias_hh_l0: is missing, the other bias is there"),
        ("states", put("lstm.bias_hh_l0", [1.0]), ShapeError, r"lstm.bias_hh_l0.*\[16\], is \[1\]"),
        (
            "states",
            put("lstm2.weight_ih_l1", 3, 2, None),
            CorruptError,
            r"lstm2.weight_ih_l1\[3\]: \[2\] must be a number",
        ),
        ("states", put("dense.bias", [[1.0]]), CorruptError, r"dense.bias: \[0\] must be a number"),
        ("states", put("dense.weight", 3.0), CorruptError, "dense.weight: must be a list of lists of numbers, is 3.0"),
        ("guitarml", put("model_data", "hidden_size", 6), CorruptError, "hidden_size is 6, but the tensors have 5"),
        ("guitarml", put("model_data", "input_size", 2), CorruptError, "input_size is 2, but the tensors have 1"),
        ("guitarml", put("model_data", "num_layers", 2), CorruptError, "num_layers is 2, but the tensors have 1"),
        ("guitarml", put("model_data", "output_size", 2), CorruptError, "output_size is 2, but the tensors have 1"),
        ("guitarml", put("model_data", "bias_fl", False), CorruptError, "bias_fl contradicts"),
        ("guitarml", drop("model_data", "skip"), CorruptError, "model_data: skip is missing"),
        ("guitarml", put("state_dict", 3), CorruptError, "state_dict: must be an object"),
        ("guitarml", put("state_dict", {}), CorruptError, "has no tensors"),
        (
            "guitarml",
            lambda c: c["state_dict"].update(joined(lin=linear(4, 1))),
            ShapeError,
            "cannot read the 5 features",
        ),
    ],
)
def test_damage(tmp_path, name, configure, error, match):
    skip = "caller" if name == "guitarml" else None
    refused(changed(tmp_path, name, lambda content: configure(content) and None), error, match, skip=skip)


def test_gaps_in_a_stack(tmp_path):
    def gap(content):
        for key in [key for key in content if key.startswith("lstm2.") and key.endswith("_l1")]:
            del content[key]

    refused(changed(tmp_path, "states", gap), CorruptError, r"the layers are \[0, 2\], with a gap")


def test_text(tmp_path):
    path = tmp_path / "text.json"
    for text, match in [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "must be an object"),
        (b'{"in_shape": 1, "in_shape": 2}', "'in_shape' stands twice"),
        (b'{"in_gain": Infinity}', "Infinity is not a JSON number"),
        (b'{"a":' * 100_000, "nested too deep"),
    ]:
        path.write_bytes(text)
        refused(path, CorruptError, match)
    refused(tmp_path / "absent.json", FileError, "cannot be read")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


def tried(path, data):
    path.write_bytes(data)
    for skip in (None, "caller"):
        try:
            _found(path, None, skip)
        except Error as error:
            assert str(path) in str(error)


@quick
@given(data=st.data(), name=st.sampled_from(sorted(ADDED)))
def test_any_json(folder, data, name):
    content = with_any_value(data, json.loads((FILES / f"{name}.json").read_text()), most=3)
    tried(folder / "any.json", json.dumps(content).encode())


@quick
@given(data=st.data(), name=st.sampled_from(["states", "guitarml"]))
def test_any_bytes(folder, data, name):
    tried(folder / "any.json", with_any_bytes(data, (FILES / f"{name}.json").read_bytes()))
