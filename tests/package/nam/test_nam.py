"""penstock.nam: `.nam` files made here, held against a loop in NumPy that is as plain as can be."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutate

from penstock import errors, nam
from penstock.importing import independent

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def made(layers=1, inputs=1, units=4, outputs=1, seed=5, rate=48000, **config):
    """A file's content."""
    picker = np.random.default_rng(seed)
    numbers = []
    for layer in range(layers):
        n = units if layer else inputs
        numbers += [*picker.normal(0, 0.6, 4 * units * (n + units)), *picker.normal(0, 0.4, 4 * units)]
        numbers += [*picker.normal(0, 0.5, 2 * units)]
    numbers += [*picker.normal(0, 1, outputs * units), *picker.normal(0, 1, outputs)]
    sizes = {"num_layers": layers, "input_size": inputs, "hidden_size": units}
    if inputs != 1 or outputs != 1:
        sizes |= {"in_channels": inputs, "out_channels": outputs}
    content = {"version": "0.5.4", "architecture": "LSTM", "config": sizes | config, "weights": numbers}
    return content | {"metadata": {"name": "amp", "loudness": -18.3}} | ({"sample_rate": rate} if rate else {})


def answer(content, x):
    """The player, in float64."""
    config, numbers = content["config"], iter(content["weights"])
    units = config["hidden_size"]

    def take(*shape):
        return np.array([next(numbers) for _ in range(int(np.prod(shape)))]).reshape(shape)

    layers = []
    for k in range(config["num_layers"]):
        n = units if k else config["input_size"]
        layers.append([take(4 * units, n + units), take(4 * units), take(units), take(units)])
    outputs = config.get("out_channels", 1)
    head, head_bias = take(outputs, units), take(outputs)
    y = []
    for row in x:
        v = row
        for layer in layers:
            w, b, h, c = layer
            i, f, g, o = (w @ np.concatenate([v, h]) + b).reshape(4, units)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            v = np.tanh(c) / (1 + np.exp(-o))
            layer[2:] = v, c
        y.append(head @ v + head_bias)
    return np.array(y)


def noise(content, steps=40):
    return np.random.default_rng(1).standard_normal((steps, content["config"]["input_size"])).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "a.nam"
        path.write_text(
            content if isinstance(content, str) else json.dumps(content), encoding="utf-8", errors="surrogatepass"
        )
        return path

    return written


CASES = [dict(), dict(layers=2), dict(layers=3, units=7), dict(inputs=2, outputs=3, layers=2), dict(units=1)]


@pytest.mark.parametrize("case", CASES)
def test_answers_as_the_player(case, write):
    content = made(**case)
    model = nam.load(write(content))
    assert (model.inputs, model.outputs) == (case.get("inputs", 1), case.get("outputs", 1))
    x = noise(content)
    assert np.abs(model.reference(x) - answer(content, x)).max() < 1e-6


@pytest.mark.parametrize("case", CASES)
def test_prewarm(case, write):
    content = made(rate=1000, **case)
    model = nam.load(write(content), prewarm=0.037)
    x = noise(content)
    zeros = np.zeros((37, x.shape[1]))
    assert np.abs(model.reference(x) - answer(content, np.vstack([zeros, x]))[37:]).max() < 1e-6
    assert np.abs(model.reference(x) - answer(content, x)).max() > 1e-3
    assert "37 steps of zeros" in model.notes[0]


def test_a_fixed_point_ends_the_warming_and_changes_nothing(write):
    content = made(rate=6000)
    model = nam.load(write(content), prewarm=0.5)
    x = noise(content)
    expected = answer(content, np.vstack([np.zeros((3000, 1)), x]))[3000:]
    assert np.abs(model.reference(x) - expected).max() < 1e-6


def test_without_prewarm_a_note_says_what_the_player_does(write):
    assert "0.5 s of zeros" in nam.load(write(made())).notes[0]
    assert "0.5 s of zeros" in nam.load(write(made(rate=None))).notes[0]


@pytest.mark.parametrize("prewarm", [-1, float("nan"), float("inf"), "1", True, None, 1e9])
def test_prewarm_that_is_none(prewarm, write):
    with pytest.raises(errors.ArgumentError, match="prewarm"):
        nam.load(write(made()), prewarm=prewarm)


def test_prewarm_needs_the_sample_rate(write):
    with pytest.raises(errors.ArgumentError, match="sample_rate"):
        nam.load(write(made(rate=None)), prewarm=0.5)


@pytest.mark.parametrize("by", ["torch", "numpy"])
def test_verification_is_by_other_code_and_can_fail(by, write, monkeypatch):
    if by == "torch":
        pytest.importorskip("torch")
    else:
        monkeypatch.setattr(independent, "find", lambda name: None)
    content = made(layers=2, rate=1000)
    path = write(content)
    nam.load(path, prewarm=0.05)
    right = nam._chain

    def wrong(sizes, weights):
        layers, head = right(sizes, weights)
        return layers[::-1], head

    content = made(layers=2, inputs=4, outputs=1)
    monkeypatch.setattr(nam, "_chain", wrong)
    path = write(content)
    with pytest.raises(errors.MismatchError, match="a.nam"):
        nam.load(path)
    nam.load(path, verify=False)


def test_both_independent_evaluations_are_one(monkeypatch):
    pytest.importorskip("torch")
    picker = np.random.default_rng(3)
    given_ = [picker.standard_normal(shape) for shape in ((20, 3), (20, 5), 20, 20, 5, 5)]
    x = picker.standard_normal((9, 3))
    by_torch = independent.LstmLayer(*given_)
    monkeypatch.setattr(independent, "find", lambda name: None)
    by_numpy = independent.LstmLayer(*given_)
    for part in (x[:4], x[4:]):
        assert np.abs(by_torch(part) - by_numpy(part)).max() < 1e-12


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda c: c.update(architecture="WaveNet"), errors.UnsupportedError, "WaveNet"),
        (lambda c: c.update(architecture="ConvNet"), errors.UnsupportedError, "ConvNet"),
        (lambda c: c.update(effects=[1]), errors.UnsupportedError, "effects"),
        (lambda c: c["config"].update(head_scale=0.5), errors.UnsupportedError, "head_scale"),
        (lambda c: c["config"].update(in_channels=2), errors.ShapeError, "input_size is 1, in_channels 2"),
        (lambda c: c["config"].update(input_size=2), errors.ShapeError, "in_channels 1 .it is missing"),
        (lambda c: c["config"].update(hidden_size=0), errors.CorruptError, "hidden_size"),
        (lambda c: c["config"].update(hidden_size=4.0), errors.CorruptError, "hidden_size"),
        (lambda c: c["config"].update(num_layers=0), errors.CorruptError, "num_layers"),
        (lambda c: c["config"].pop("num_layers"), errors.CorruptError, "num_layers is missing"),
        (lambda c: c.pop("weights"), errors.CorruptError, "weights is missing"),
        (lambda c: c.update(weights={}), errors.CorruptError, "weights must be a list"),
        (lambda c: c.pop("config"), errors.CorruptError, "config is missing"),
        (lambda c: c.pop("architecture"), errors.CorruptError, "architecture is missing"),
        (lambda c: c.update(sample_rate=0), errors.CorruptError, "sample_rate"),
        (lambda c: c.update(sample_rate="48k"), errors.CorruptError, "sample_rate"),
        (lambda c: c["weights"].__setitem__(7, "1"), errors.CorruptError, r"\[7\]"),
        (lambda c: c["weights"].__setitem__(7, True), errors.CorruptError, r"\[7\]"),
        (lambda c: c["weights"].__setitem__(7, 1e300), errors.NonFiniteError, r"\[7\]"),
    ],
)
def test_refusals(change, error, said, write):
    content = made()
    change(content)
    with pytest.raises(error, match=said) as raised:
        nam.load(write(content))
    assert "a.nam" in str(raised.value)


def test_all_unknown_keys_are_listed_at_once(write):
    with pytest.raises(errors.UnsupportedError) as raised:
        nam.load(write(made(groups=2, dropout=0.1) | {"effects": 1}))
    assert {p.where for p in raised.value.problems} == {"effects", "config, groups", "config, dropout"}


@pytest.mark.parametrize("more", [1, -1])
def test_the_count_is_exact(more, write):
    content = made(layers=2)
    count = len(content["weights"])
    content["weights"] = content["weights"][:-1] if more < 0 else [*content["weights"], 0.5]
    with pytest.raises(errors.ShapeError, match="need") as raised:
        nam.load(write(content))
    assert (raised.value.expected, raised.value.found) == (count, count + more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "must be an object"),
        ('{"architecture": "LSTM", "architecture": "LSTM"}', "twice"),
        ('{"architecture": "LSTM", "weights": [NaN]}', "NaN"),
        ('{"architecture": "LSTM", "weights": [-Infinity]}', "Infinity"),
        ('{"architecture": "LSTM", "weights": [1e999]}', "larger than a double"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_damaged_json(text, said, write):
    with pytest.raises(errors.CorruptError, match=said):
        nam.load(write(text))


def test_no_file(tmp_path):
    with pytest.raises(errors.FileError, match="absent.nam"):
        nam.load(tmp_path / "absent.nam")


@SETTINGS
@given(data=st.data())
def test_mutated_files_give_errors_or_models(data, write):
    content = mutate(copy.deepcopy(made(units=2)), data)
    try:
        nam.load(write(content), prewarm=data.draw(st.sampled_from([0, 1e-4])))
    except errors.Error as error:
        assert "a.nam" in str(error) and not isinstance(error, errors.MismatchError)


@SETTINGS
@given(data=st.data())
def test_truncated_and_altered_bytes(data, tmp_path):
    whole = json.dumps(made(units=2)).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(max_size=3)) + whole[data.draw(st.integers(at, len(whole))) :]
    path = tmp_path / "a.nam"
    path.write_bytes(changed)
    try:
        nam.load(path, verify=False)
    except errors.Error as error:
        assert "a.nam" in str(error)
