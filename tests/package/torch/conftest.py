"""What the tests of penstock.torch share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

settings.register_profile("torch", deadline=None, max_examples=25)
settings.load_profile("torch")


@pytest.fixture
def run_python():
    """Runs a program in a fresh interpreter and returns what it printed."""

    def run(program):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def penstock_program():
    """Runs the program that PENSTOCK names, else build/penstock; a command must succeed."""
    path = Path(os.environ.get("PENSTOCK") or Path(__file__).resolve().parents[3] / "build" / "penstock")
    if not path.exists():
        pytest.skip(f"{path} is not built")

    def run(*arguments):
        done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
