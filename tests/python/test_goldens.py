"""The goldens through the command line: compile, run and verify in every format. Needs no PyTorch."""

from pathlib import Path

import numpy as np
import pytest
from conftest import FORMATS

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES = [line.split()[:4] for line in (GOLDEN / "cases.txt").read_text().splitlines() if not line.startswith("#")]

# What fp32 sums add to a format's rounding; the band about it. tests/golden/test_golden.c says why.
FP32, BAND = 3e-7, 0.1


@pytest.mark.parametrize(("name", "rounding"), [(case[0], [0.0, *map(float, case[1:])]) for case in CASES])
def test_golden(penstock, name, rounding):
    x, expect = GOLDEN / f"{name}.x.npy", GOLDEN / f"{name}.y.npy"
    right = np.load(expect)
    slack = FP32 * max(1.0, np.abs(right).max())
    for form, alone in zip(FORMATS, rounding, strict=True):
        program = penstock.compile(GOLDEN / f"{name}.safetensors", form)
        y = penstock.run(program, x)
        assert y.shape == right.shape
        error = y - right
        rms = np.sqrt(np.mean(error**2))
        assert (1 - BAND) * alone - slack <= rms <= (1 + BAND) * alone + slack, form

        worst = np.abs(error).max()
        assert penstock.verify(program, x, expect, f"abs:{1.001 * worst + 1e-30}")
        assert not penstock.verify(program, x, expect, f"abs:{0.999 * worst}")
        moved = np.sqrt(np.mean((right - right.mean(axis=tuple(range(right.ndim - 1)))) ** 2))
        assert penstock.verify(program, x, expect, f"{1.001 * rms / moved}")
        assert not penstock.verify(program, x, expect, f"{0.999 * rms / moved}")
