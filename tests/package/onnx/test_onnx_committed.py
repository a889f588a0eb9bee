"""Files that PyTorch's exporters wrote, kept in files/ (make_files.py), so that this needs no torch."""

from pathlib import Path

import onnx
import pytest
from onnx_support import as_exported, refused

FILES = Path(__file__).resolve().parent / "files"
REFUSED = {
    "DY-layer_norm-h8-b1-static-o20": ("layer normalisation", "(LayerNormalization), onnx_modules.py line"),
    "DY-proj_size-h8-b1-static-o20": ("has initial_c of shape [1, 1, 8], expected [1, 1, 4]",),
    "TS-bidirectional-h8-b1-static-o20": ("is bidirectional",),
}
LOADED = sorted(path.stem for path in FILES.glob("*.onnx") if path.stem not in REFUSED)


@pytest.mark.parametrize("job", LOADED)
def test_answers_as_pytorch_does(job):
    model = as_exported(FILES / f"{job}.onnx")
    assert any(note.startswith("verified against") for note in model.notes)


@pytest.mark.parametrize("job", REFUSED)
def test_refused(job):
    refused(FILES / f"{job}.onnx", *REFUSED[job], count=1)


def test_there_is_one_of_each():
    """So that an empty folder is no success: both exporters, external data, old and new operator sets."""
    models = {job: onnx.load(FILES / f"{job}.onnx", load_external_data=False) for job in LOADED}
    assert {job[:2] for job in LOADED} == {"TS", "DY"}
    assert len(list(FILES.glob("*.onnx.data"))) >= 5
    assert {13, 17, 20, 23, 28} == {m.opset_import[0].version for m in models.values()}


def test_notes():
    notes = as_exported(FILES / "TS-states_2-h8-b4-any-o20.onnx").notes
    assert "'h0' and 'c0' are the stream's state, no input" in notes
    assert "'hn' is the stream's state, no output" in notes
    notes = as_exported(FILES / "DY-batch_norm-h8-b4-dynamic-o23.onnx").notes
    assert "the batch of 4 is dropped: each row is a stream" in notes
    notes = as_exported(FILES / "DY-plain-h8-b1-dynamic-o28.onnx").notes
    assert "the file leaves the number of timesteps open, but only runs 10" in notes
    notes = as_exported(FILES / "TS-hidden_squeeze-h8-b1-static-o13.onnx").notes
    assert "output at every step: the source returns only the last one" in notes
