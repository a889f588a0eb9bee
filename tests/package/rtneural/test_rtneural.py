"""penstock.rtneural: files of each dialect made here, held against a loop in NumPy that is as plain as can be."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutate

from penstock import errors, rtneural
from penstock.importing import independent
from penstock.rtneural import layers as layers_dialect

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
picker = np.random.default_rng(17)


def numbers(*shape):
    return picker.normal(0, 0.6, shape)


def recurrent(n, units):
    """weight_ih, weight_hh, bias_ih, bias_hh in PyTorch's layout."""
    return [numbers(4 * units, n), numbers(4 * units, units), numbers(4 * units), numbers(4 * units)]


def run_lstm(tensors, x):
    w, r, b, d = tensors
    h = c = np.zeros(r.shape[1])
    rows = []
    for v in x:
        i, f, g, o = (w @ v + r @ h + b + d).reshape(4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        rows.append(h)
    return np.array(rows)


def noise(n, steps=30):
    return np.random.default_rng(1).standard_normal((steps, n)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "a.json"
        path.write_text(
            content if isinstance(content, str) else json.dumps(content), encoding="utf-8", errors="surrogatepass"
        )
        return path

    return written


def close(model, x, y):
    return np.abs(model.reference(x) - y).max() < 1e-5


# ---- layers: Keras ---------------------------------------------------------------------------------------------------


def layer(kind, outputs, *weights, activation="", **more):
    weights = [np.asarray(w).tolist() for w in weights]
    return {"type": kind, "activation": activation, "shape": [None, None, outputs], "weights": weights} | more


def lstm_layer(tensors, activation=""):
    w, r, b, d = tensors
    return layer("lstm", r.shape[1], w.T, r.T, b + d, activation=activation)


def dense_layer(weight, bias, activation="", kind="dense"):
    return layer(kind, len(bias), weight.T, bias, activation=activation)


def keras(inputs, *layers, **more):
    return {"in_shape": [None, None, inputs], "layers": list(layers)} | more


L, L2 = recurrent(2, 5), recurrent(5, 4)
W, B = numbers(3, 5), numbers(3)
L1, W1, B1 = recurrent(1, 4), numbers(1, 4), numbers(1)


def small(**more):
    return keras(1, lstm_layer(L1), dense_layer(W1, B1), **more)


FUNCTIONS = {
    "": lambda v: v,
    "linear": lambda v: v,
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "elu": lambda v: np.where(v > 0, v, np.exp(v) - 1),
    "softmax": lambda v: np.exp(v) / np.exp(v).sum(axis=1, keepdims=True),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ["dense", "time-distributed-dense", "activation"])
@pytest.mark.parametrize("own", ["", "tanh"])
def test_dense_and_its_activations(function, kind, own, write):
    """An LSTM's own "tanh" is no activation behind it; a dense layer's is."""
    if kind == "activation":
        ends = [dense_layer(W, B), layer("activation", 3, activation=function)]
    else:
        ends = [dense_layer(W, B, function, kind)]
    x = noise(2)
    model = rtneural.load(write(keras(2, lstm_layer(L, own), *ends)))
    assert close(model, x, FUNCTIONS[function](run_lstm(L, x) @ W.T + B))


def test_stacked_and_dense_in_front(write):
    front, shift = numbers(2, 3), numbers(2)
    x = noise(3)
    content = keras(3, dense_layer(front, shift, "relu"), lstm_layer(L), lstm_layer(L2))
    y = run_lstm(L2, run_lstm(L, np.maximum(x @ front.T + shift, 0)))
    assert close(rtneural.load(write(content)), x, y)


@pytest.mark.parametrize("affine", [True, False])
def test_batchnorm_is_folded(affine, write):
    gamma, beta = (numbers(5), numbers(5)) if affine else (np.ones(5), np.zeros(5))
    mean, variance = numbers(5), numbers(5) ** 2
    arrays = [gamma, beta, mean, variance] if affine else [mean, variance]
    content = keras(2, lstm_layer(L), layer("batchnorm", 5, *arrays, epsilon=0.01), dense_layer(W, B))
    x = noise(2)
    y = (gamma * (run_lstm(L, x) - mean) / np.sqrt(variance + 0.01) + beta) @ W.T + B
    model = rtneural.load(write(content))
    assert close(model, x, y) and len(model.layers) == 2


def test_shape_against_weights_names_both(write):
    """As RTNeural's bad_lstm.json."""
    content = small()
    content["layers"][0] = lstm_layer(recurrent(1, 20)) | {"shape": [None, None, 16]}
    with pytest.raises(errors.ShapeError, match="says 16 units, the weights are for 20") as raised:
        rtneural.load(write(content))
    assert (raised.value.expected, raised.value.found) == (16, 20)
    content["layers"][0] = lstm_layer(L1)
    content["layers"][1]["shape"] = [None, 2]
    with pytest.raises(errors.ShapeError, match="says 2 outputs, the weights are for 1"):
        rtneural.load(write(content))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda c: c["layers"][0].update(activation="relu"), errors.UnsupportedError, "only run with tanh"),
        (lambda c: c["layers"][1].update(activation="selu"), errors.UnsupportedError, "selu"),
        (lambda c: c["layers"][1].update(use_bias=True), errors.UnsupportedError, "use_bias"),
        (lambda c: c.update(out_scale=2), errors.UnsupportedError, "out_scale"),
        (lambda c: c["layers"].insert(1, layer("activation", 4, [1.0])), errors.UnsupportedError, "weights of an"),
        (lambda c: c["layers"].insert(1, layer("activation", 3)), errors.ShapeError, "says 3 outputs, the layer.* 4"),
        (
            lambda c: c["layers"].insert(0, layer("activation", 1, activation="softmax")),
            errors.UnsupportedError,
            "soft",
        ),
        (lambda c: c.update(layers=[]), errors.CorruptError, "layers: is empty"),
        (lambda c: c.pop("layers"), errors.CorruptError, "layers is missing"),
        (lambda c: c.pop("in_shape"), errors.CorruptError, "in_shape is missing"),
        (lambda c: c.update(in_shape=[None, None, None]), errors.CorruptError, "in_shape"),
        (lambda c: c.update(in_shape=[None, 8, 8, 1]), errors.CorruptError, "1 to 3 dimensions"),
        (lambda c: c.update(in_shape=[None, None, 2]), errors.ShapeError, "kernel"),
        (lambda c: c["layers"][0]["weights"].pop(), errors.CorruptError, "must hold 3 arrays, holds 2"),
        (lambda c: c["layers"][1]["weights"].append([1.0]), errors.CorruptError, "must hold 2 arrays"),
        (lambda c: c["layers"][1]["weights"][1].append(1.0), errors.ShapeError, "bias"),
        (lambda c: c["layers"][0]["weights"][1][2].pop(), errors.ShapeError, "recurrent"),
        (
            lambda c: c["layers"][0]["weights"][0][0].__setitem__(3, "x"),
            errors.CorruptError,
            "kernel.*must be a number",
        ),
        (lambda c: c["layers"][0]["weights"][2].__setitem__(3, 1e299), errors.NonFiniteError, "bias"),
        (
            lambda c: c["layers"].insert(1, layer("batchnorm", 4, [0] * 4, [-1] * 4, epsilon=0.1)),
            errors.Error,
            "above 0",
        ),
        (lambda c: c["layers"].insert(1, layer("batchnorm", 4, [0] * 4, [1] * 4)), errors.Error, "epsilon is missing"),
        (
            lambda c: c["layers"].insert(1, layer("batchnorm", 4, [0] * 4, [1] * 4, epsilon=0.1, activation="tanh")),
            errors.UnsupportedError,
            "behind a batchnorm",
        ),
    ],
)
def test_refusals(change, error, said, write):
    content = small()
    change(content)
    with pytest.raises(error, match=said) as raised:
        rtneural.load(write(content))
    assert "a.json" in str(raised.value)


def test_all_refused_layers_are_listed_at_once(write):
    kinds = ["gru", "conv1d", "conv2d", "prelu", "batchnorm2d", "unknown", "lstm\u2028"]
    content = keras(1, *(layer(kind, 4) for kind in kinds), dense_layer(W1, B1, "swish"), gain=3)
    with pytest.raises(errors.UnsupportedError) as raised:
        rtneural.load(write(content))
    assert len(raised.value.problems) == len(kinds) + 2
    assert all(kind in str(raised.value) for kind in kinds[:-1]) and "gain" in str(raised.value)


def test_a_softmax_within_is_refused(write):
    with pytest.raises(errors.UnsupportedError, match="last layer"):
        rtneural.load(
            write(keras(2, lstm_layer(L), dense_layer(W, B, "softmax"), dense_layer(numbers(1, 3), numbers(1))))
        )


# ---- layers: AIDA-X --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_gain", "out_gain"), [(6.0, None), (None, -12.5), (3, 4), (0, 0), (-95, 2), (1, -200)])
def test_gains(in_gain, out_gain, write):
    more = {key: db for key, db in (("in_gain", in_gain), ("out_gain", out_gain)) if db is not None}
    content = small(
        **more, in_skip=0, samplerate=48000, metadata={"name": "amp"}, input_batch=[0.1], output_batch=[0.2]
    )
    first, last = (0.0 if (db or 0) <= -90 else 10 ** ((db or 0) / 20) for db in (in_gain, out_gain))
    x = noise(1)
    model = rtneural.load(write(content))
    assert close(model, x, last * (run_lstm(L1, first * x) @ W1.T + B1)) and len(model.layers) == 2


def test_a_gain_of_90_db_less_is_silence(write):
    """As AIDA-X has it."""
    assert not rtneural.load(write(small(out_gain=-90))).reference(noise(1)).any()
    assert rtneural.load(write(small(out_gain=-89))).reference(noise(1)).all()


def test_in_gain_is_of_the_signal_not_of_the_knobs(write):
    content = keras(2, lstm_layer(L), dense_layer(W, B), in_gain=12)
    x = noise(2)
    y = run_lstm(L, x * [10**0.6, 1]) @ W.T + B
    assert close(rtneural.load(write(content)), x, y)


def test_in_skip(write):
    path = write(small(in_skip=1))
    with pytest.raises(errors.UnsupportedError, match="in_skip.*without_skip=True"):
        rtneural.load(path)
    model = rtneural.load(path, without_skip=True)
    x = noise(1)
    assert close(model, x, run_lstm(L1, x) @ W1.T + B1)
    assert "add it yourself" in model.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (small(in_skip=2), "first 2 inputs"),
        (small(in_skip=1, out_gain=3), "in_skip: with a gain"),
        (small(in_skip=1, in_gain=3), "in_skip: with a gain"),
        (keras(2, lstm_layer(L), dense_layer(W, B), in_skip=1), "to 3 outputs"),
    ],
)
def test_in_skip_that_cannot_be_left_out(content, said, write):
    with pytest.raises(errors.UnsupportedError, match=said):
        rtneural.load(write(content), without_skip=True)


@pytest.mark.parametrize("more", [{"in_skip": True}, {"in_skip": -1}, {"out_gain": "3"}, {"in_gain": 1e9}])
def test_settings_of_other_types(more, write):
    with pytest.raises(errors.CorruptError, match=next(iter(more))):
        rtneural.load(write(small(**more)))


def test_without_skip_where_nothing_is_added(write):
    with pytest.raises(errors.ArgumentError, match="in_skip is 0"):
        rtneural.load(write(small(in_skip=0)), without_skip=True)
    rtneural.load(write(small()), without_skip=True)


def test_order_is_for_a_state_dict(write):
    with pytest.raises(errors.ArgumentError, match="order"):
        rtneural.load(write(small()), order=["lstm"])


# ---- state_dict ------------------------------------------------------------------------------------------------------


def named(module, *stack, bias=True):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if bias else 2]
    dot = f"{module}." if module else ""
    return {f"{dot}{n}_l{k}": t.tolist() for k, ts in enumerate(stack) for n, t in zip(names, ts, strict=False)}


def linear(module, weight, bias=None):
    return {f"{module}.weight": weight.tolist()} | ({} if bias is None else {f"{module}.bias": bias.tolist()})


def test_one_lstm_and_one_linear(write):
    """Sizes would allow the Linear first as well; the keys' order tells nothing."""
    x = noise(1)
    y = run_lstm(L1, x) @ W1.T + B1
    for content in (named("lstm", L1) | linear("dense", W1, B1), linear("dense", W1, B1) | named("net.lstm", L1)):
        model = rtneural.load(write(content))
        assert close(model, x, y) and "lstm, dense" in model.notes[0]
    assert close(rtneural.load(write(named("lstm", L1) | linear("dense", W1))), x, y - B1)


@pytest.mark.parametrize("module", ["rnn", "", "a.b.c"])
def test_an_lstm_alone_without_biases(module, write):
    x = noise(2)
    tensors = [*L[:2], np.zeros(20), np.zeros(20)]
    assert close(rtneural.load(write(named(module, L, bias=False))), x, run_lstm(tensors, x))


def test_the_only_order_is_taken(write):
    stack = [recurrent(5, 4), recurrent(4, 4), recurrent(4, 4)]
    head, bias = numbers(3, 4), numbers(3)
    x = noise(2)
    y = run_lstm(L, x)
    for tensors in stack:
        y = run_lstm(tensors, y)
    y = y @ head.T + bias
    parts = [named("lstm", L), named("lstm2", *stack), linear("dense", head, bias)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        content = {k: v for place in order for k, v in parts[place].items()}
        model = rtneural.load(write(content))
        assert close(model, x, y) and "lstm, lstm2, dense" in model.notes[0]


def test_where_sizes_allow_several_orders_one_is_required(write):
    a, b = recurrent(4, 4), recurrent(4, 4)
    path = write(named("b", b) | named("a", a))
    with pytest.raises(errors.ArgumentError, match=r"order=\['b', 'a'\]: b .LSTM of 1, 4 -> 4., a"):
        rtneural.load(path)
    x = noise(4)
    assert close(rtneural.load(path, order=["a", "b"]), x, run_lstm(b, run_lstm(a, x)))
    assert close(rtneural.load(path, order=("b", "a")), x, run_lstm(a, run_lstm(b, x)))
    for wrong in (["a"], ["a", "a"], ["a", "b", "c"], []):
        with pytest.raises(errors.ArgumentError, match="must name each module once"):
            rtneural.load(path, order=wrong)
    for wrong in ("ab", [1, 2], 5):
        with pytest.raises(errors.ArgumentError, match="order"):
            rtneural.load(path, order=wrong)


def test_an_order_that_does_not_fit(write):
    path = write(named("lstm", L) | linear("dense", W, B))
    with pytest.raises(errors.ArgumentError, match="dense .Linear, 5 -> 3. does not fit before lstm"):
        rtneural.load(path, order=["dense", "lstm"])
    with pytest.raises(errors.ShapeError, match="in no order"):
        rtneural.load(write(named("lstm", L) | linear("dense", numbers(3, 6))))


def test_many_modules_end_the_search(write):
    content = {}
    for k in range(30):
        content |= named(f"m{k}", [numbers(4, 1), numbers(4, 1), numbers(4), numbers(4)])
    with pytest.raises(errors.ArgumentError, match="more than one order"):
        rtneural.load(write(content | named("end", recurrent(2, 3)) | named("out", recurrent(3, 7))), verify=False)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (
            named("l", L1) | named("b", L1) | {"l.weight_ih_l0_reverse": [[1.0]]},
            errors.UnsupportedError,
            "bidirectional",
        ),
        (named("l", L1) | {"l.weight_hr_l0": [[1.0]]}, errors.UnsupportedError, "proj_size"),
        (named("g", [numbers(12, 1), numbers(12, 4)], bias=False), errors.UnsupportedError, "GRU"),
        (named("r", [numbers(4, 1), numbers(4, 4)], bias=False), errors.UnsupportedError, "plain RNN"),
        (named("l", L1) | {"conv.weight": [[[1.0]]]}, errors.UnsupportedError, "convolution"),
        (named("l", L1) | {"norm.weight": [1.0], "norm.bias": [1.0]}, errors.UnsupportedError, "normalisation"),
        (named("l", L1) | {"norm.running_mean": [1.0]}, errors.UnsupportedError, "running_mean"),
        (named("l", L1) | {"weights": 1}, errors.UnsupportedError, "weights"),
        (named("l", L1) | {"l.bias": [1.0]}, errors.UnsupportedError, "l.bias"),
        (linear("a", W, B) | linear("b", numbers(2, 3)), errors.UnsupportedError, "directly after the Linear a"),
        (named("l", L, L1), errors.ShapeError, "l.weight_ih_l1|l.weight_hh_l1"),
        (named("l", L, recurrent(4, 5)), errors.ShapeError, "l.weight_ih_l1"),
        (
            {k: v for k, v in named("l", L, L2).items() if k != "l.weight_hh_l0"},
            errors.CorruptError,
            "hh_l0: is missing",
        ),
        (
            {k: v for k, v in named("l", L).items() if k != "l.bias_ih_l0"},
            errors.CorruptError,
            "bias_ih_l0: is missing",
        ),
        ({"l.weight_ih_l99999": [[1.0]]}, errors.CorruptError, "is missing"),
        ({"dense.bias": [1.0]}, errors.CorruptError, "dense.weight: is missing"),
        (linear("d", W, numbers(4)), errors.ShapeError, "d.bias"),
        ({"d.weight": [[1.0], [2.0, 3.0]]}, errors.ShapeError, "row 1"),
        ({"d.weight": 5}, errors.CorruptError, "d.weight"),
        ({"what": 1}, errors.UnsupportedError, "no dialect"),
        ({}, errors.UnsupportedError, "no dialect"),
    ],
)
def test_refused_state_dicts(content, error, said, write):
    with pytest.raises(error, match=said) as raised:
        rtneural.load(write(content))
    assert "a.json" in str(raised.value)


# ---- GuitarML --------------------------------------------------------------------------------------------------------


def guitarml(layers=1, **data):
    stack = [L1, *[recurrent(4, 4) for _ in range(layers - 1)]]
    told = {"model": "SimpleRNN", "input_size": 1, "skip": 0, "output_size": 1, "unit_type": "LSTM"}
    told |= {"num_layers": layers, "hidden_size": 4, "bias_fl": True} | data
    told = {key: value for key, value in told.items() if value is not None}
    return {"model_data": told, "state_dict": named("rec", *stack) | linear("lin", W1, B1)}, stack


@pytest.mark.parametrize(("layers", "skip"), [(1, 0), (3, False)])
def test_guitarml(layers, skip, write):
    content, stack = guitarml(layers, skip=skip)
    x = y = noise(1)
    for tensors in stack:
        y = run_lstm(tensors, y)
    assert close(rtneural.load(write(content)), x, y @ W1.T + B1)


@pytest.mark.parametrize("skip", [1, True, None])
def test_skip(skip, write):
    path = write(guitarml(skip=skip)[0])
    with pytest.raises(errors.UnsupportedError, match="skip.*without_skip=True"):
        rtneural.load(path)
    model = rtneural.load(path, without_skip=True)
    x = noise(1)
    assert close(model, x, run_lstm(L1, x) @ W1.T + B1)
    assert "add it yourself" in model.notes[0] and ("key is missing" in model.notes[0]) == (skip is None)


def test_skip_that_is_none(write):
    with pytest.raises(errors.ArgumentError, match="skip is 0"):
        rtneural.load(write(guitarml(skip=0)[0]), without_skip=True)


def changed(**data):
    return guitarml(**data)[0]


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (changed(unit_type="GRU"), errors.UnsupportedError, "GRU"),
        (changed(unit_type=None), errors.CorruptError, "unit_type is missing"),
        (changed(model="RecNet"), errors.UnsupportedError, "RecNet"),
        (changed(dropout=1), errors.UnsupportedError, "dropout"),
        (changed(skip=2), errors.UnsupportedError, "first 2 inputs"),
        (changed(skip="1"), errors.CorruptError, "skip"),
        (changed(hidden_size=5), errors.ShapeError, "hidden_size is 5, .* say 4"),
        (changed(input_size=2), errors.ShapeError, "input_size is 2"),
        (changed(output_size=2), errors.ShapeError, "output_size is 2"),
        (changed() | {"extra": 1}, errors.UnsupportedError, "extra"),
        (changed(bias_fl=False), errors.CorruptError, "bias_fl is False"),
        (changed(bias_fl=2), errors.CorruptError, "bias_fl must be"),
        ({"model_data": changed()["model_data"]}, errors.CorruptError, "state_dict is missing"),
        ({"state_dict": {}}, errors.CorruptError, "model_data is missing"),
        (changed() | {"state_dict": named("rec", L1)}, errors.CorruptError, "no module lin"),
        (changed() | {"state_dict": linear("lin", W1, B1)}, errors.CorruptError, "no module rec"),
        (changed() | {"state_dict": linear("rec", W1) | named("lin", L1)}, errors.CorruptError, "rec must be an LSTM"),
    ],
)
def test_refused_guitarml(content, error, said, write):
    with pytest.raises(error, match=said) as raised:
        rtneural.load(write(content))
    assert "a.json" in str(raised.value)


def test_guitarml_refusals_are_listed_at_once(write):
    content = changed(unit_type="GRU", skip=1, dropout=2) | {"extra": 1}
    content["state_dict"]["conv.weight"] = [[1.0]]
    with pytest.raises(errors.UnsupportedError) as raised:
        rtneural.load(write(content))
    assert {p.where for p in raised.value.problems} == {"unit_type", "skip", "extra", "model_data, dropout", "conv"}


def test_the_order_of_guitarml_is_rec_lin(write):
    path = write(changed())
    rtneural.load(path, order=["rec", "lin"])
    with pytest.raises(errors.Error, match="rec must be an LSTM"):
        rtneural.load(path, order=["lin", "rec"])


def test_skip_onto_several_outputs(write):
    content = changed(skip=1, output_size=3)
    content["state_dict"] |= linear("lin", numbers(3, 4), numbers(3))
    with pytest.raises(errors.UnsupportedError, match="to 3 outputs"):
        rtneural.load(write(content), without_skip=True)


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["torch", "numpy"])
def test_verification_can_fail(by, write, monkeypatch):
    if by == "torch":
        pytest.importorskip("torch")
    else:
        monkeypatch.setattr(independent, "find", lambda name: None)
    path = write(small(in_gain=2))
    rtneural.load(path)
    right = layers_dialect._steps
    monkeypatch.setattr(
        layers_dialect, "_steps", lambda source, plan, width: right(source, plan, width) if width == 1 else []
    )
    with pytest.raises(errors.MismatchError, match="a.json"):
        rtneural.load(path)
    rtneural.load(path, verify=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[1]", "must be an object"),
        ('{"in_shape": [1], "in_shape": [1], "layers": []}', "twice"),
        ('{"dense.weight": [[NaN]]}', "NaN"),
        ('{"dense.weight": [[Infinity]]}', "Infinity"),
        ('{"dense.weight": ' + "[" * 100_000, "nested too deep"),
    ],
)
def test_damaged_json(text, said, write):
    with pytest.raises(errors.CorruptError, match=said):
        rtneural.load(write(text))


def test_no_file(tmp_path):
    with pytest.raises(errors.FileError, match="absent.json"):
        rtneural.load(tmp_path / "absent.json")


WHOLE = [
    small(in_skip=0, out_gain=1.5, metadata={}),
    keras(2, lstm_layer(recurrent(2, 2)), layer("batchnorm", 2, [0, 1], [1, 2], epsilon=0.1), dense_layer(W[:, :2], B)),
    named("lstm", recurrent(1, 2), recurrent(2, 2)) | linear("dense", numbers(2, 2), numbers(2)),
    guitarml(skip=1)[0],
]


@SETTINGS
@given(data=st.data())
def test_mutated_files_give_errors_or_models(data, write):
    content = mutate(copy.deepcopy(data.draw(st.sampled_from(WHOLE))), data)
    order = data.draw(st.sampled_from([None, None, ["lstm", "dense"], ["dense", "lstm"]]))
    try:
        rtneural.load(write(content), order=order, without_skip=data.draw(st.booleans()))
    except errors.Error as error:
        assert "a.json" in str(error) and not isinstance(error, errors.MismatchError)


@SETTINGS
@given(data=st.data())
def test_truncated_and_altered_bytes(data, tmp_path):
    whole = json.dumps(data.draw(st.sampled_from(WHOLE))).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed_bytes = whole[:at] + data.draw(st.binary(max_size=3)) + whole[data.draw(st.integers(at, len(whole))) :]
    path = tmp_path / "a.json"
    path.write_bytes(changed_bytes)
    try:
        rtneural.load(path, verify=False)
    except errors.Error as error:
        assert "a.json" in str(error)
