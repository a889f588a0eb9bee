"""The program under test: PENSTOCK_BIN or PENSTOCK names it, else build/penstock. It reads PENSTOCK_ISA itself."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("f32", "bf16", "w8a16", "w8a8")


class Penstock:
    """penstock's commands by subprocess. A command that is not expected to fail raises with what it printed."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def command(self, *arguments, expect=0):
        done = subprocess.run(
            [self.path, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == expect, (
            f"penstock {' '.join(map(str, arguments))}: exit {done.returncode}, {expect} expected\n"
            f"{done.stdout}{done.stderr}"
        )
        return done.stdout + done.stderr

    def compile(self, checkpoint, form, calibrate=None, name="model", options=()):
        program = self.folder / f"{name}.{form}.pstk"
        more = (*(("--calibrate", calibrate) if calibrate else ()), *options)
        self.command("compile", checkpoint, "-o", program, "--format", form, *more)
        return program

    def run(self, program, x):
        """x: an array, or the path of one."""
        import numpy as np

        given, answer = x, self.folder / "y.npy"
        if not isinstance(x, Path):
            given = self.folder / "x.npy"
            np.save(given, x)
        answer.unlink(missing_ok=True)
        self.command("run", program, "--input", given, "--output", answer)
        y = np.load(answer)
        assert y.dtype == np.float32
        return y

    def verify(self, program, x, expect, tolerance):
        """Whether it passed."""
        arguments = ("verify", program, "--input", x, "--expect", expect, "--tolerance", tolerance)
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.returncode == 0

    def info(self, file):
        return json.loads(self.command("info", file, "--json"))


@pytest.fixture(scope="session")
def penstock(tmp_path_factory):
    path = os.environ.get("PENSTOCK_BIN") or os.environ.get("PENSTOCK") or str(ROOT / "build" / "penstock")
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is not there: run make first, or name the program in PENSTOCK_BIN", returncode=2)
    return Penstock(path, tmp_path_factory.mktemp("penstock"))
