"""`.nam` files: committed ones against the answers of PyTorch in float64, refusals, and damage."""

import json
from pathlib import Path

import numpy as np
import pytest
from anything import quick, with_any_bytes, with_any_value
from evaluate import evaluate
from hypothesis import given
from hypothesis import strategies as st

import penstock.nam
from penstock.errors import (
    ArgumentError,
    CorruptError,
    Error,
    FileError,
    MismatchError,
    NonFiniteError,
    UnsupportedError,
)
from penstock.nam import _read

FILES = Path(__file__).parent / "files"
ANSWERS = np.load(FILES / "answers.npz")
NAMES = ["one", "two", "stereo"]


def torch_is_there():
    try:
        import torch

        return hasattr(torch, "nn")  # a folder of the name is no PyTorch
    except Exception:
        return False


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prewarm, answers", [(0.0, "y"), (0.5, "warm")])
def test_answers_as_pytorch_did(name, prewarm, answers):
    x, y = ANSWERS[f"{name}.x"], ANSWERS[f"{name}.{answers}"]
    found, *_ = _read(FILES / f"{name}.nam", prewarm)
    assert np.abs(evaluate(found.chain, x) - y).max() < 1e-9
    model = penstock.nam.load(FILES / f"{name}.nam", prewarm=prewarm, verify=False)
    assert (model.inputs, model.outputs) == (x.shape[1], y.shape[1])
    assert np.abs(model.reference(x) - y).max() < 1e-6
    assert any("800 Hz" in note for note in model.notes)
    assert any("400 steps of zeros" in note for note in model.notes) == (prewarm > 0)


def test_prewarm_matters_and_ends_where_nothing_changes():
    assert np.abs(ANSWERS["one.y"] - ANSWERS["one.warm"]).max() > 0.01
    found, *_ = _read(FILES / "one.nam", 1000.0)  # 800,000 steps, were it not settled long before
    longer, *_ = _read(FILES / "one.nam", 2000.0)
    assert np.array_equal(found.chain[0].h0, longer.chain[0].h0)


@pytest.mark.skipif(not torch_is_there(), reason="PyTorch is not installed")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prewarm", [0.0, 0.5])
def test_load_verifies(name, prewarm):
    notes = penstock.nam.load(FILES / f"{name}.nam", prewarm=prewarm).notes
    assert not any("not verified" in note for note in notes)


@pytest.mark.skipif(not torch_is_there(), reason="PyTorch is not installed")
def test_a_wrong_model_is_found(monkeypatch):
    taken = penstock.nam._Cut.take
    monkeypatch.setattr(penstock.nam._Cut, "take", lambda cut, *shape: np.roll(taken(cut, *shape), 1, axis=0))
    with pytest.raises(MismatchError, match="two.nam"):
        penstock.nam.load(FILES / "two.nam")


def test_without_pytorch_a_note(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(penstock.nam.importlib, "import_module", missing)
    notes = penstock.nam.load(FILES / "one.nam").notes
    assert any("not verified: PyTorch cannot be imported here" in note for note in notes)


def changed(tmp_path, configure, name="one"):
    content = json.loads((FILES / f"{name}.nam").read_text())
    result = configure(content)
    path = tmp_path / "changed.nam"
    path.write_text(json.dumps(content if result is None else result))
    return path


def put(*keys_and_value):
    *path, last, value = keys_and_value

    def configure(content):
        for key in path:
            content = content[key]
        content[last] = value

    return configure


def refused(path, error, match, **options):
    with pytest.raises(error, match=match) as caught:
        penstock.nam.load(path, verify=False, **options)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "configure, match",
    [
        (put("architecture", "WaveNet"), "architecture: 'WaveNet' is not run; LSTM is"),
        (put("architecture", "ConvNet"), "'ConvNet' is not run"),
        (put("architecture", "Sequential"), "'Sequential' is not run"),
        (put("version", "0.8.0"), "version: '0.8.0' is not known"),
        (put("version", "1.5.0"), "version: '1.5.0' is not known"),
        (put("config", "bidirectional", True), "config: the key 'bidirectional' is not known"),
        (put("config", "head_scale", 0.5), "config: the key 'head_scale' is not known"),
        (put("gain", 2.0), "the file: the key 'gain' is not known"),
        (put("config", "in_channels", 2), "in_channels: 2, but input_size is 1"),
    ],
)
def test_refused_by_name(tmp_path, configure, match):
    refused(changed(tmp_path, configure), UnsupportedError, match)


def test_a_stereo_file_must_say_so(tmp_path):
    """Without in_channels it has one, and the other input of the network is something else: a knob."""
    refused(
        changed(tmp_path, lambda c: c["config"].pop("in_channels") and None, "stereo"), UnsupportedError, "in_channels"
    )


@pytest.mark.parametrize("metadata", [None, {}, {"loudness": -3, "anything": [1, {"more": None}]}])
def test_metadata_changes_nothing(tmp_path, metadata):
    found, *_ = _read(changed(tmp_path, put("metadata", metadata)), 0)
    assert np.array_equal(
        evaluate(found.chain, ANSWERS["one.x"]), evaluate(_read(FILES / "one.nam", 0)[0].chain, ANSWERS["one.x"])
    )


def test_other_versions(tmp_path):
    for version in ("0.5.0", "0.5.4", "0.6.1", "0.7.0"):
        penstock.nam.load(changed(tmp_path, put("version", version)), verify=False)


@pytest.mark.parametrize(
    "configure, match",
    [
        (lambda c: c["weights"].append(0.5), "weights: 156 numbers are due, .* 157 are there"),
        (lambda c: c["weights"].pop() and None, "weights: 156 numbers are due, .* 155 are there"),
        (put("config", "hidden_size", 6), "weights: 211 numbers are due"),
        (put("config", "num_layers", 2), "numbers are due, for 2 layers"),
        (put("config", "hidden_size", 65_536), "numbers are due"),
        (put("config", "hidden_size", 10**20), "hidden_size must be from 1 to 65536"),
        (put("config", "hidden_size", 0), "hidden_size must be from 1 to 65536"),
        (put("config", "hidden_size", 5.0), "hidden_size must be a whole number"),
        (put("config", "num_layers", True), "num_layers must be a whole number"),
        (put("config", "num_layers", 2000), "num_layers must be from 1 to 1024"),
        (put("config", 3), "config: must be an object"),
        (put("weights", {}), "weights must be a list"),
        (put("weights", 3, "0.5"), r"weights: \[3\] must be a number, is '0.5'"),
        (put("weights", 3, None), r"weights: \[3\] must be a number, is None"),
        (put("weights", 3, True), r"weights: \[3\] must be a number, is True"),
        (put("weights", 3, [0.5]), r"weights: \[3\] must be a number"),
        (put("version", 0.5), "version must be a string"),
        (put("sample_rate", "fast"), "sample_rate must be a number"),
        (put("sample_rate", -48000), "sample_rate must be positive"),
        (lambda c: c.pop("weights") and None, "weights is missing"),
        (lambda c: c.pop("version") and None, "version is missing"),
        (lambda c: c.pop("architecture") and None, "architecture is missing"),
        (lambda c: c["config"].pop("hidden_size") and None, "config: hidden_size is missing"),
        (lambda c: [c], "must be an object"),
    ],
)
def test_damage(tmp_path, configure, match):
    refused(changed(tmp_path, configure), CorruptError, match)


def test_values(tmp_path):
    refused(changed(tmp_path, put("weights", 7, 2.0**41)), NonFiniteError, r"weights\[7\] is 2199023255552.0")
    refused(changed(tmp_path, put("weights", 7, 10**400)), NonFiniteError, "larger than a double")


def test_text(tmp_path):
    path = tmp_path / "text.nam"
    for text, match in [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"version": "0.5", "version": "0.5"}', "'version' stands twice"),
        (b'{"sample_rate": NaN}', "NaN is not a JSON number"),
        (b'{"sample_rate": 1e400}', "larger than a double"),
        (b"[" * 100_000, "nested too deep"),
    ]:
        path.write_bytes(text)
        refused(path, CorruptError, match)
    refused(tmp_path / "absent.nam", FileError, "cannot be read")


def test_prewarm(tmp_path):
    for wrong in (-1, float("nan"), float("inf"), "0.5", True, None):
        with pytest.raises(ArgumentError, match="prewarm must be seconds"):
            penstock.nam.load(FILES / "one.nam", prewarm=wrong)
    with pytest.raises(ArgumentError, match="at most 16777216 are run"):
        penstock.nam.load(FILES / "one.nam", prewarm=1e9)
    path = changed(tmp_path, lambda content: content.pop("sample_rate") and None)
    refused(path, ArgumentError, "needs the sample rate", prewarm=0.5)
    assert penstock.nam.load(path, verify=False).notes == ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


def tried(path, data):
    path.write_bytes(data)
    try:
        _read(path, 0.0)
    except Error as error:
        assert str(path) in str(error)


@quick
@given(data=st.data())
def test_any_json(folder, data):
    content = with_any_value(data, json.loads((FILES / "stereo.nam").read_text()), most=3)
    tried(folder / "any.nam", json.dumps(content).encode())


@quick
@given(data=st.data())
def test_any_bytes(folder, data):
    tried(folder / "any.nam", with_any_bytes(data, (FILES / "one.nam").read_bytes()))
