"""What pst_model_save writes is a checkpoint to the safetensors package and to Penstock. Needs no PyTorch."""

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="module")
def save_again(penstock, tmp_path_factory):
    """Reads a checkpoint with the library and writes it to a file of its own."""
    library = ctypes.CDLL(str(Path(penstock.path).absolute().with_name("libpenstock.so")))
    library.pst_model_read.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
    library.pst_model_save.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.pst_model_free.argtypes = [ctypes.c_void_p]
    folder = tmp_path_factory.mktemp("saved")

    def call(checkpoint, name):
        model = ctypes.c_void_p()
        path = folder / name
        assert library.pst_model_read(bytes(checkpoint), None, ctypes.byref(model)) == 0
        assert library.pst_model_save(model, bytes(path)) == 0
        library.pst_model_free(model)
        return path

    return call


def test_tensors_and_graph(save_again, penstock, tmp_path):
    values = np.random.default_rng(5)
    given = {
        "w": values.standard_normal((12, 2)),
        "u": values.standard_normal((12, 3)).astype(np.float32),
        "b": values.standard_normal(12).astype(np.float16),
        "h": values.standard_normal(3).astype(np.float32),
        "v": values.standard_normal((2, 3)).astype(np.float32),
    }
    graph = {
        "version": 1,
        "readout": "last",
        "layers": [
            {"kind": "lstm", "tensors": {"weight_ih": "w", "weight_hh": "u", "bias_hh": "b", "h0": "h"}},
            {"kind": "activation", "function": "clip", "alpha": -0.3, "beta": 0.7},
            {"kind": "linear", "tensors": {"weight": "v"}},
        ],
    }
    source = tmp_path / "given.safetensors"
    save_file(given, source, metadata={"penstock.graph": json.dumps(graph)})
    saved = save_again(source, "saved.safetensors")

    names = {
        "0.lstm.weight_ih": "w",
        "0.lstm.weight_hh": "u",
        "0.lstm.bias_hh": "b",
        "0.lstm.h0": "h",
        "2.linear.weight": "v",
    }
    tensors = load_file(saved)
    assert set(tensors) == set(names)
    for name, was in names.items():
        assert tensors[name].dtype == np.float32
        assert np.array_equal(tensors[name], given[was].astype(np.float32))

    with safe_open(saved, framework="numpy") as file:
        written = json.loads(file.metadata()["penstock.graph"])
    assert written["version"] == 1
    assert written["readout"] == "last"
    assert [layer["kind"] for layer in written["layers"]] == ["lstm", "activation", "linear"]
    assert np.float32(written["layers"][1]["alpha"]) == np.float32(-0.3)
    assert int.from_bytes(saved.read_bytes()[:8], "little") % 8 == 0

    before, after = penstock.info(source), penstock.info(saved)
    assert before.pop("file") != after.pop("file")
    assert before == after
    assert after["readout"] == "last"
    assert save_again(saved, "again.safetensors").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("source", sorted(GOLDEN.glob("*.safetensors")), ids=lambda path: path.stem)
def test_goldens(save_again, penstock, source):
    """The same program, bit for bit, from the golden and from what was saved of it."""
    saved = save_again(source, source.name)
    assert all(value.dtype == np.float32 for value in load_file(saved).values())
    programs = [
        penstock.compile(path, "w8a16", name=f"{path.stem}.{i}").read_bytes() for i, path in enumerate((source, saved))
    ]
    assert programs[0] == programs[1]
