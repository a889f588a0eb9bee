"""Against Keras itself, where it can be imported (KERAS_BACKEND names an installed backend)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluate import evaluate
from kerasfile import rewritten

import penstock.keras
from penstock.errors import MismatchError
from penstock.keras import _found, matrices

try:
    import torch

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    assert keras.models  # a folder of the name is no Keras
except Exception:
    pytest.skip("Keras cannot be imported", allow_module_level=True)

FILES = Path(__file__).parent / "files"

# Keras' torch backend does not know NumPy 2's __array__ yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation", "ignore:Do not pass an `input_shape`")


@pytest.mark.parametrize("name", "sequential many cells scalars stateful functional float16 bfloat16 mixed".split())
def test_load_verifies(name):
    model = penstock.keras.load(FILES / f"{name}.keras")
    assert not any("not verified" in note for note in model.notes)


def test_load_verifies_legacy_files():
    assert penstock.keras.load(FILES / "legacy3.h5").notes == ()


def test_a_wrong_model_is_found(monkeypatch):
    """Gates of another order: what verification is for."""
    monkeypatch.setattr(matrices, "_transposed", lambda array: np.roll(array.T, 1, axis=0))
    with pytest.raises(MismatchError, match="sequential.keras"):
        penstock.keras.load(FILES / "sequential.keras")
    penstock.keras.load(FILES / "sequential.keras", verify=False)


def without_time_major(config):
    """Keras 3 refuses the setting, which every LSTM of Keras 2 has."""
    for item in config["config"]["layers"]:
        item["config"].pop("time_major", None)


def test_keras_3_reads_the_keras_2_file_and_agrees(tmp_path):
    path = rewritten(FILES / "keras2.h5", tmp_path / "two.h5", without_time_major)
    x = np.load(FILES / "answers2.npz")["keras2.x"]
    theirs = keras.models.load_model(path, compile=False).predict(x[None], verbose=0)[0]
    found, _ = _found(FILES / "keras2.h5")
    assert np.abs(evaluate(found.chain, x) - theirs).max() < 1e-6
    assert penstock.keras.load(path).notes == ()


def test_what_this_keras_cannot_check_is_noted():
    assert any("does not run it" in note for note in penstock.keras.load(FILES / "keras2.h5").notes)
    notes = penstock.keras.load(FILES / "keras2_functional.h5").notes
    assert any("hard_sigmoid otherwise" in note for note in notes)


def random_model(random):
    """A Sequential of what is read, and whether its last LSTM returns every step."""
    L = keras.layers
    width = int(random.integers(1, 5))
    layers = [keras.Input((None, width))]
    count, every = int(random.integers(1, 4)), bool(random.integers(2))
    for index in range(count):
        if random.random() < 0.3:
            layers.append(L.Rescaling(float(random.uniform(0.5, 2)), float(random.uniform(-1, 1))))
        last = index + 1 == count
        units, bias = int(random.integers(1, 7)), bool(random.integers(2))
        if random.random() < 0.5:
            layers.append(L.LSTM(units, use_bias=bias, return_sequences=every or not last))
        else:
            cells = [L.LSTMCell(int(random.integers(1, 5)), use_bias=bias) for _ in range(int(random.integers(1, 3)))]
            layers.append(L.RNN(cells, return_sequences=every or not last))
        if random.random() < 0.5:
            layers.append(L.Dropout(0.5))
        if random.random() < 0.5:
            layers.append(L.BatchNormalization())
    for activation in random.choice(["relu", "tanh", "silu", "elu", "linear", "hard_sigmoid"], int(random.integers(3))):
        dense = L.Dense(int(random.integers(1, 5)), activation=str(activation), use_bias=bool(random.integers(2)))
        layers.append(L.TimeDistributed(dense) if every and random.integers(2) else dense)
    if random.random() < 0.3:
        layers.append(L.Softmax())
    return keras.Sequential(layers)


@pytest.mark.filterwarnings("ignore:.*softmax over axis")
@pytest.mark.parametrize("seed", range(8))
def test_random_models(tmp_path, seed):
    suffix = ("keras", "h5")[seed % 2]
    random = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    model = random_model(random)
    for variable in model.weights:
        low = 0.5 if "variance" in variable.path else -1
        variable.assign(random.uniform(low, 1, variable.shape))
    model.save(tmp_path / f"m.{suffix}")
    loaded = penstock.keras.load(tmp_path / f"m.{suffix}")
    assert not any("not verified" in note for note in loaded.notes)
    x = random.standard_normal((7, model.input_shape[2])).astype(np.float32)
    theirs = model.predict(x[None], verbose=0)[0]
    ours = loaded.reference(x)
    assert np.abs((ours[-1] if theirs.ndim == 1 else ours) - theirs).max() < 2e-5


def test_loading_imports_no_keras(tmp_path):
    """And verification without a backend is a note."""
    program = (
        "import json, sys; import penstock.keras as k;"
        f"m = k.load({str(FILES / 'cells.keras')!r}, verify=False); a = 'keras' in sys.modules;"
        f"n = k.load({str(FILES / 'cells.keras')!r}).notes; print(json.dumps([a, n]))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    imported, notes = json.loads(done.stdout.splitlines()[-1])
    assert imported is False
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        assert notes and "Keras cannot be imported here" in notes[0]


assert torch
