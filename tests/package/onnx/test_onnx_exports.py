"""What PyTorch's exporters write today (onnx_exports.py), in a folder that lives as long as the tests: a selection, or
with PENSTOCK_ONNX_EXPORTS=all everything, which takes an hour or two. Each export has a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx_support import as_exported

import penstock.onnx
from penstock.errors import UnsupportedError

pytest.importorskip("torch")
from onnx_modules import CASES, Case  # noqa: E402

OPSETS = {"TS": range(13, 24), "DY": range(13, 29)}  # up to the newest that each exporter writes
# Of PyTorch's default exporter, whose exports take seconds each: what the committed files have not.
SELECTED = """
DY-dropout_batch_first-h46-b4-any-o20 DY-learned-h8-b1-dynamic-o18 DY-last_batch_first-h100-b1-static-o21
DY-states_1-h8-b4-any-o22 DY-hidden-h45-b1-static-o20
""".split()


def _times(case: Case, batch: int) -> Iterator[str]:
    yield "static"
    if case.dynamic:
        yield "dynamic"
        if batch > 1 and "b" in case.layout:
            yield "any"


def _matrix() -> Iterator[str]:
    """Every module at H = 8; the core ones at each H; and in each operator set."""
    for kind in ("TS", "DY"):
        for name, case in CASES.items():
            if kind not in case.kinds:
                continue
            for batch in case.batches:
                for time in _times(case, batch):
                    yield f"{kind}-{name}-h8-b{batch}-{time}-o20"
                    if case.core and (kind == "TS" or time in ("static", "any")):
                        yield from (f"{kind}-{name}-h{h}-b{batch}-{time}-o20" for h in (45, 46, 100, 256))
                    if case.core and (kind == "TS" and batch == 1 or time == "any"):
                        yield from (f"{kind}-{name}-h8-b{batch}-{time}-o{o}" for o in OPSETS[kind] if o != 20)


def _jobs() -> list[str]:
    if os.environ.get("PENSTOCK_ONNX_EXPORTS") == "all":
        return list(_matrix())
    jobs = []
    for at, (name, case) in enumerate(CASES.items()):  # each module once, in turn with other batches, times, sizes
        if "TS" in case.kinds:
            batch = case.batches[at % len(case.batches)]
            times = list(_times(case, batch))
            hidden, opset = (8, 45, 46, 100)[at % 4], 13 + at % 8
            jobs.append(f"TS-{name}-h{hidden}-b{batch}-{times[at % len(times)]}-o{opset}")
    return jobs + ["TS-stacked-h256-b4-any-o20", *SELECTED]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder. PENSTOCK_ONNX_EXPORTS_FOLDER keeps it, and what is there is not made again."""
    kept = os.environ.get("PENSTOCK_ONNX_EXPORTS_FOLDER")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("exports")
    try:
        import onnxscript  # noqa: F401

        jobs = _jobs()
    except ImportError:
        jobs = [job for job in _jobs() if job.startswith("TS")]
    script = Path(__file__).resolve().parent / "onnx_exports.py"
    done = subprocess.run([sys.executable, script, folder, *jobs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("job", _jobs())
def test_exported(exported: Path, job: str) -> None:
    path, failed = exported / f"{job}.onnx", exported / f"{job}.failed"
    if failed.exists():
        pytest.skip(f"the exporter fails: {failed.read_text()}")
    if not path.exists():
        pytest.skip("onnxscript is not installed")
    case = CASES[job.split("-")[1]]
    open_time = "static" not in job and job.startswith("TS")
    if not case.refused or case.refused_if == "open" and not open_time:
        as_exported(path)
        return
    with pytest.raises(UnsupportedError) as raised:
        penstock.onnx.load(path)
    assert re.search(case.refused, str(raised.value)), str(raised.value)


def test_how_many_the_exporters_fail(exported: Path) -> None:
    """So that a release of PyTorch that exports nothing is no success."""
    made, failed = len(list(exported.glob("*.onnx"))), len(list(exported.glob("*.failed")))
    assert failed <= 0.1 * made
