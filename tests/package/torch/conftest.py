"""What the tests of penstock.torch share."""

import subprocess
import sys

import pytest
from hypothesis import settings

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

settings.register_profile("torch", deadline=None, max_examples=40)
settings.load_profile("torch")


@pytest.fixture
def run_python():
    """Runs a program in a fresh interpreter and returns what it printed."""

    def run(program):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
