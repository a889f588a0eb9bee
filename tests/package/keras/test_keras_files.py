"""Committed files of Keras 3, and of Keras 2, against the answers that Keras gave when they were made (make_files.py)
and NumPy's (make_keras2.py). Needs no Keras."""

from pathlib import Path

import numpy as np
import pytest
from evaluate import evaluate
from kerasfile import entry, rewritten

import penstock.keras
from penstock.errors import CorruptError
from penstock.importing.chain import Lstm
from penstock.keras import _found

FILES = Path(__file__).parent / "files"
ANSWERS = {**np.load(FILES / "answers.npz"), **np.load(FILES / "answers2.npz")}
NAMES = sorted(path.name for path in FILES.iterdir() if path.suffix in (".keras", ".h5"))


def expected(name):
    stem = name.split(".")[0].replace("legacy3", "sequential")
    return ANSWERS[f"{stem}.x"], ANSWERS[f"{stem}.y"]


def test_every_file_is_here():
    assert len(NAMES) == 12 and len(ANSWERS) == 22


@pytest.mark.parametrize("name", NAMES)
def test_chain_answers_as_keras_did(name):
    x, y = expected(name)
    found, _ = _found(FILES / name)
    ours = evaluate(found.chain, x)
    assert found.inputs == x.shape[1]
    assert found.readout == ("last" if y.ndim == 1 else "all")
    assert np.abs((ours[-1] if y.ndim == 1 else ours) - y).max() < 1e-6 * max(np.abs(y).max(), 1)


@pytest.mark.parametrize("name", NAMES)
def test_model_answers_as_keras_did(name):
    x, y = expected(name)
    model = penstock.keras.load(FILES / name, verify=False)
    ours = model.reference(x)
    assert model.readout == ("last" if y.ndim == 1 else "all")
    assert np.abs((ours[-1] if y.ndim == 1 else ours) - y).max() < 1e-6 * max(np.abs(y).max(), 1)


def test_twelve_layers_stand_in_their_own_order():
    """Their names sort otherwise, and so do the groups of their weights (lstm, lstm_1, lstm_10, lstm_11, lstm_2)."""
    found, _ = _found(FILES / "many.keras")
    names = [step.where.split()[0] for step in found.chain if isinstance(step, Lstm)]
    assert names == "zeta alpha m10 m9 m1 beta lstm_2 lstm lstm_10 gamma m2 omega".split()


def test_the_last_step_only_is_noted_and_kept():
    model = penstock.keras.load(FILES / "many.keras", verify=False)
    assert model.readout == "last"
    assert any("output at every step" in note for note in model.notes)
    assert penstock.keras.load(FILES / "cells.keras", verify=False).notes == ()


def test_stateful_is_noted():
    assert any("stateful" in note for note in penstock.keras.load(FILES / "stateful.keras", verify=False).notes)


def test_float16_policies_keep_the_stored_weights():
    """bfloat16 is stored as two opaque bytes."""
    for name, step in (("float16.keras", 2.0**-11), ("bfloat16.keras", 2.0**-8)):
        found, _ = _found(FILES / name)
        weight = found.chain[0].weight_ih
        assert len(np.unique(weight)) > 20  # not all bytes alike
        scale = np.exp2(np.floor(np.log2(np.abs(weight))) + 1) * step
        assert np.all(weight / scale == np.round(weight / scale))


def test_a_bfloat16_legacy_file(tmp_path):
    """There Keras writes the two bytes without saying what they are; the policy says it."""

    def configure(config):
        entry(config, "lstm_1")["config"]["dtype"] = {"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}

    def weigh(file):
        group = file["model_weights/lstm_1"]
        for path in list(group.attrs["weight_names"]):
            upper = (group[path][()].view(np.uint32) >> 16).astype(np.uint16)
            del group[path]
            group[path] = upper.view("V2")

    original, _ = _found(FILES / "keras2.h5")
    changed, _ = _found(rewritten(FILES / "keras2.h5", tmp_path / "b.h5", configure, weigh))
    lstm, half = ([step for step in found.chain if isinstance(step, Lstm)][1] for found in (original, changed))
    assert 0 < np.abs(half.weight_hh - lstm.weight_hh).max() < 2.0**-7
    with pytest.raises(CorruptError, match="lstm_1.*holds"):
        _found(rewritten(FILES / "keras2.h5", tmp_path / "c.h5", weigh=weigh))


@pytest.mark.parametrize("version, slope", [(b"2.15.0", 0.2), (b"2.2.4-tf", 0.2), (b"3.0.0", 1 / 6)])
def test_the_slope_of_hard_sigmoid_is_that_of_the_files_keras(tmp_path, version, slope):
    path = rewritten(
        FILES / "keras2_functional.h5", tmp_path / "v.h5", weigh=lambda f: f.attrs.__setitem__("keras_version", version)
    )
    found, _ = _found(path)
    assert found.chain[-1].alpha == slope


def test_a_sequential_of_keras_before_2_2_3_is_a_list(tmp_path):
    def configure(config):
        return {"class_name": "Sequential", "config": config["config"]["layers"]}

    x, y = expected("keras2.h5")
    found, _ = _found(rewritten(FILES / "keras2.h5", tmp_path / "list.h5", configure))
    assert np.allclose(evaluate(found.chain, x), y, atol=1e-12)


def test_names_of_layers_may_come_in_pieces(tmp_path):
    """What is too long for one attribute is layer_names0, layer_names1 ..."""

    def weigh(file):
        names = file["model_weights"].attrs["layer_names"]
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs["layer_names0"] = names[:2]
        file["model_weights"].attrs["layer_names1"] = names[2:]

    x, y = expected("keras2.h5")
    found, _ = _found(rewritten(FILES / "keras2.h5", tmp_path / "pieces.h5", weigh=weigh))
    assert np.allclose(evaluate(found.chain, x), y, atol=1e-12)
