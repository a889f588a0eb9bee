"""lab/python-calls, which measures what a call costs: that it works, not what it finds."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "lab" / "python-calls"


def measured(*arguments):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--turns", "1", "--calls", "50", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python_calls():
    found = json.loads(measured("--json", "--model", "stac_a"))
    assert found["about"]["model"] == "stac_a" and found["about"]["step_in_c_us"] > 0
    rows = {"f()", "step(x, out=y)", "step(x)", "without the GIL"}
    if found["about"]["torch"]:
        rows |= {"step(tensor, out=tensor)", "step(tensor)"}
    assert set(found["above_c"]) == rows
    for row in found["above_c"].values():
        for way in ("quiet", "busy"):
            assert row[way]["p50_us"] <= row[way]["p99_us"]
    assert found["above_c"]["f()"]["budget_us"] == 0.3


def test_python_calls_as_a_table():
    lines = measured().splitlines()
    assert lines[0].startswith("penstock ") and "budget" in lines[1] and lines[2].split()[:2] == ["f()", "0.3"]
