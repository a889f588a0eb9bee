"""The market example: it trains with penstock.torch.nn, and every way in gives one answer, from Python and from C."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
MARKET = ROOT / "examples" / "market"
BUILD = ROOT / os.environ.get("BUILD", "build")

for module in ("torch", "safetensors"):
    pytest.importorskip(module)


def script(name, *arguments):
    done = subprocess.run(
        [sys.executable, MARKET / name, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_trains(tmp_path):
    """A few updates only; that the loss falls on the way, the script's own lines say."""
    script("train.py", "--steps", "25", "--folder", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["expected.npy", "inputs.npy", "market.safetensors"]
    assert np.array_equal(np.load(tmp_path / "inputs.npy"), np.load(MARKET / "inputs.npy"))
    import penstock

    x = np.load(tmp_path / "inputs.npy")[:200]
    y = penstock.Model.read(tmp_path / "market.safetensors").reference(x)
    assert np.abs(y - np.load(tmp_path / "expected.npy")[:200]).max() < 1e-6


def test_one_answer_by_every_way(tmp_path):
    for module in ("onnx", "onnxscript", "keras", "h5py"):  # in the script's process, where keras gets its backend
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    program = tmp_path / "market"
    flags = ["-std=c11", "-O2", f"-I{ROOT / 'include'}", f"-L{BUILD}", f"-Wl,-rpath,{BUILD}", "-lpenstock", "-lm"]
    subprocess.run([os.environ.get("CC", "cc"), MARKET / "market.c", "-o", program, *flags], check=True)
    printed = script("ways.py", "--c", program)
    differences = dict(re.findall(r"^(.*): largest difference (\S+)$", printed, re.MULTILINE))
    ways = ("state_dict", "torch.export", "ONNX, TorchScript exporter", "ONNX, dynamo exporter", "Keras", "market.c")
    assert tuple(differences) == ways
    assert all(float(d) <= 1e-6 for way, d in differences.items() if way != "market.c")
