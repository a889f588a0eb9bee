"""The C program, for what both must do alike."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def penstock_program():
    """Runs the program that PENSTOCK names, else build/penstock; a command must succeed."""
    path = Path(os.environ.get("PENSTOCK") or Path(__file__).resolve().parents[3] / "build" / "penstock")
    if not path.exists():
        pytest.skip(f"{path} is not built")

    def run(*arguments):
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run(
            [path, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
