"""Compiling: formats, certificates, tolerances, progress, and how it is stopped."""

import functools
import io
import math
import os
import pty
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from running_support import FORMATS, SANITIZED, child, linear, lstm, model, noise, program, steps_of

import penstock


@pytest.mark.parametrize("form", FORMATS)
def test_certificate_is_the_distance_to_the_reference(form):
    x = noise(30, seed=4)
    compiled = model().compile(form, x, progress=False, certificate_steps=30)
    error = compiled.error
    assert error is not None and error.from_caller and (error.steps, error.sequences) == (30, 1)
    expect = model().reference(x)
    y = penstock.Engine(compiled).stream().run(x)
    difference = np.abs(y - expect)
    assert math.isclose(error.max_abs, difference.max(), rel_tol=1e-6)
    assert math.isclose(error.rms, np.sqrt(np.mean(difference**2)), rel_tol=1e-6)
    assert (error.worst_step, error.worst_output) == np.unravel_index(difference.argmax(), difference.shape)
    spread = np.sqrt(np.mean((expect - expect.mean(0)) ** 2))
    assert math.isclose(error.relative_rms, error.rms / spread, rel_tol=1e-6)
    assert compiled.format == compiled.info.format == form


def test_several_sequences():
    x = np.stack([noise(10), noise(10, seed=2)])
    error = model().compile("w8a8", x, progress=False).error
    assert error is not None and (error.sequences, error.steps) == (2, 10)


def test_noise_without_calibration():
    first, second = (model().compile("bf16", seed=s, certificate_steps=9, progress=False).error for s in (1, 2))
    assert first is not None and second is not None
    assert not first.from_caller and (first.seed, first.steps) == (1, 9)
    assert second.rms != first.rms


def test_without_a_certificate():
    compiled = model().compile("f32", certify=False, progress=False)
    assert compiled.error is None
    assert compiled.info.hash == program().info.hash


def test_saved_and_opened(tmp_path):
    compiled = model().compile("w8a16", noise(20), progress=False)
    compiled.save(tmp_path / "m.pstk")
    for source in (tmp_path / "m.pstk", (tmp_path / "m.pstk").read_bytes()):
        again = penstock.Program.open(source)
        assert again.info == compiled.info and again.error == compiled.error
        assert again.layers == compiled.layers and again.inputs == 7 and again.outputs == 3
    assert compiled.layers[0].kind == "lstm" and not compiled.layers[0].tensors
    assert "w8a16" in repr(compiled)


def test_tolerance():
    with pytest.raises(penstock.ToleranceError, match="1e-09"):
        model().compile("w8a8", tolerance=1e-9, progress=False, certificate_steps=5)
    with pytest.raises(penstock.ToleranceError):
        model().compile("w8a8", tolerance_abs=1e-9, progress=False, certificate_steps=5)
    model().compile("f32", tolerance=1e-3, tolerance_abs=np.float64(1e-3), progress=False, certificate_steps=5)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"format": "int4"}, penstock.ArgumentError, "int4"),
        ({"format": None}, penstock.ArgumentError, "format: expected a str, found NoneType"),
        ({"format": "f32\0"}, penstock.ArgumentError, "format: "),
        ({"calibrate": noise(3).astype(float)}, penstock.ArgumentError, "calibrate: expected float32, found float64"),
        ({"calibrate": noise(3, 6)}, penstock.ShapeError, r"calibrate: expected shape \[T, 7\]"),
        ({"calibrate": noise(0)}, penstock.ShapeError, "calibrate: "),
        ({"calibrate": np.full((3, 7), np.nan, np.float32)}, penstock.NonFiniteError, "calibration"),
        ({"tolerance": 0}, penstock.ArgumentError, "tolerance: expected a positive number or None, found 0"),
        ({"tolerance": math.nan}, penstock.ArgumentError, "tolerance: "),
        ({"tolerance": "1"}, penstock.ArgumentError, "tolerance: "),
        ({"tolerance_abs": -1}, penstock.ArgumentError, "tolerance_abs: "),
        ({"tolerance": 0.1, "certify": False}, penstock.ArgumentError, "certificate"),
        ({"seed": -1}, penstock.ArgumentError, "seed: "),
        ({"seed": 2**64}, penstock.ArgumentError, "seed: "),
        ({"certificate_steps": 1.5}, penstock.ArgumentError, "certificate_steps: "),
        ({"level": "mmx"}, penstock.ArgumentError, "mmx"),
    ],
)
def test_wrong_options(options, error, says):
    with pytest.raises(error, match=says):
        model().compile(**{"progress": False, **options})


# ---- progress -------------------------------------------------------------------------------------------------------


def test_progress_is_told():
    told = []
    threads = set()

    def progress(done, stage):
        told.append((done, stage))
        threads.add(threading.get_ident())

    model().compile("w8a8", noise(200), progress=progress)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1.0, "done") and {"calibration", "packing", "reference"} <= {stage for _, stage in told}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("at", ["calibration", "packing", "reference", "done"])
def test_progress_cancels(at):
    with pytest.raises(penstock.CancelledError, match=at):
        model().compile("w8a8", noise(50), progress=lambda done, stage: stage != at)
    assert model().compile(progress=lambda done, stage: None).error  # only False cancels


def test_what_progress_raises_is_raised():
    class Mine(Exception):
        pass

    def progress(done, stage):
        if done > 0.2:
            raise Mine(stage)

    with pytest.raises(Mine, match="reference"):
        model().compile(progress=progress)
    with pytest.raises(SystemExit):
        model().compile(progress=lambda done, stage: sys.exit(3))
    with pytest.raises(TypeError):
        model().compile(progress=lambda: True)
    assert model().compile(progress=lambda done, stage: None).error


def test_compiling_within_progress():
    inner = []
    model().compile(progress=lambda *_: inner or inner.append(model("even").compile("f32", progress=False)))
    assert inner[0].outputs == 2


@functools.cache
def large():
    rng = np.random.default_rng(0)
    return penstock.Model.create([lstm(rng, 64, 256), lstm(rng, 256, 256), linear(rng, 256, 4)])


@pytest.mark.parametrize("progress", [False, lambda done, stage: None])
def test_ctrl_c_cancels(progress):
    """The signal's handler runs within the compilation, not after it: in the library's calls of our callback."""
    m, x = large(), noise(100000, 64)
    told = []

    def interrupt(*_):
        told.append(1)
        raise KeyboardInterrupt("mine")

    before = signal.signal(signal.SIGINT, interrupt)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt, match="mine") as caught:
            m.compile("w8a8", x, progress=progress)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert told == [1]
    assert "penstock_progress" in [entry.frame.code.raw.co_name for entry in caught.traceback]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal(monkeypatch, capfd):
    model().compile(progress=True)
    assert capfd.readouterr() == ("", "")  # pytest's stderr is none
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    model().compile(progress=True)
    shown = terminal.getvalue()
    assert "#" in shown and "100 %" in shown and "reference" in shown and shown.endswith("\r\x1b[K")
    assert "\n" not in shown and max(map(len, shown.split("\r"))) < 80
    terminal.truncate(0)
    model().compile(progress=False)
    assert not terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", None)
    model().compile(progress=True)


def test_a_bar_on_a_real_terminal():
    ours, theirs = pty.openpty()
    code = (
        "import numpy as np, penstock\n"
        "from penstock.importing import chain\n"
        "penstock.Model.create([chain.Linear(np.eye(3))]).compile()"
    )
    try:
        done = subprocess.Popen([sys.executable, "-c", code], stderr=theirs)
        os.close(theirs)
        shown = b""
        while b"\x1b[K" not in shown:
            shown += os.read(ours, 4096)  # OSError where the other side has ended
        assert b"100 %" in shown and done.wait(60) == 0
    finally:
        os.close(ours)


def test_compiling_lets_other_threads_run():
    """A thread that counts gets on while another compiles. (Held, it would count nothing.)"""
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    seen = []

    def progress(done, stage):
        seen.append(counted[0])

    thread.start()
    try:
        large().compile("f32", progress=progress, certificate_steps=2 if SANITIZED else 20)
    finally:
        stop.set()
        thread.join()
    assert seen[-1] > seen[0]


def test_many_threads_compile_one_model():
    """The model is closed meanwhile, which takes nothing from those that have begun."""
    m = penstock.Model.create([lstm(np.random.default_rng(1), 7, 9), linear(np.random.default_rng(2), 9, 2)])
    begun, done = threading.Barrier(5), []

    def one(form):
        handle = m.handle()
        begun.wait()
        done.append((form, m.compile(form, progress=False).error if not m.closed else None, handle))

    threads = [threading.Thread(target=one, args=(form,)) for form in FORMATS]
    for thread in threads:
        thread.start()
    begun.wait()
    for thread in threads:
        thread.join()
    m.close()
    assert len({form for form, error, _ in done if error}) == 4
    with pytest.raises(penstock.ClosedError, match="model"):
        m.compile()


def test_importing_needs_no_terminal():
    assert (
        child("import sys; sys.stderr = None; import penstock; print(penstock.__version__)").strip()
        == penstock.__version__
    )


def test_runs_of_a_compiled_program_need_no_model():
    compiled = penstock.Model.create([linear(np.random.default_rng(0), 7, 3)]).compile(progress=False)
    assert steps_of(penstock.Engine(compiled).stream(), noise(2)).shape == (2, 3)
