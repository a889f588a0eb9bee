"""Compiling: formats, certificates, tolerances, progress, and how it is stopped."""

import dataclasses
import functools
import io
import math
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest
from running_support import FORMATS, SANITIZED, child, linear, lstm, model, noise, program, steps_of

import penstock


@pytest.mark.parametrize("form", FORMATS)
def test_certificate_is_the_distance_to_the_reference(form):
    x = noise(30, seed=4)
    compiled = model().compile(form, x, held_back=noise(10), progress=False, certificate_steps=30)
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
    error = model().compile("w8a8", x, held_back=x, progress=False).error
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


def known(matrix):
    """A matrix without its errors, which are nan where nothing was proved, and those of products, which no file has."""
    return dataclasses.replace(matrix, error=0, error_share=0, product_error=0, product_error_nearest=0)


def saved(compiled):
    """The bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        compiled.save(f"{folder}/m.pstk")
        with open(f"{folder}/m.pstk", "rb") as file:
            return file.read()


def test_saved_and_opened(tmp_path):
    compiled = model().compile("w8a16", noise(20), progress=False)
    compiled.save(tmp_path / "m.pstk")
    for source in (tmp_path / "m.pstk", (tmp_path / "m.pstk").read_bytes()):
        again = penstock.Program.open(source)
        assert again.info == compiled.info
        assert again.error is not None and compiled.error is not None
        assert again.error.rms == compiled.error.rms and again.error.over == compiled.error.over == "calibration"
        assert [known(m) for m in again.matrices] == [known(m) for m in compiled.matrices]
        assert not again.frontier
        assert again.layers == compiled.layers and again.inputs == 7 and again.outputs == 3
    assert compiled.layers[0].kind == "lstm" and not compiled.layers[0].tensors
    assert "w8a16" in repr(compiled)


def test_tolerance():
    with pytest.raises(penstock.ToleranceError, match="1e-09"):
        model().compile("w8a8", tolerance=1e-9, progress=False, certificate_steps=5)
    with pytest.raises(penstock.ToleranceError):
        model().compile("w8a8", tolerance_abs=1e-9, progress=False, certificate_steps=5)
    model().compile("f32", tolerance=1e-3, tolerance_abs=np.float64(1e-3), progress=False, certificate_steps=5)


def test_certificates():
    compiled = model().compile("w8a8", noise(40), held_back=noise(20, seed=2), progress=False)
    found = compiled.certificates
    assert found[0].over == "calibration" and found[0].rms == compiled.error.rms and found[0].steps == 40
    assert [(c.over, c.steps, c.from_caller) for c in found[1:]] == [("held-back", 20, True)]
    assert found[0].constant_rms > found[0].rms and found[0].constant_max_abs > found[0].max_abs
    assert found[0].drift > 0
    assert model().compile("f32", certify=False, progress=False).certificates == []
    assert [c.over for c in model().compile("f32", certificate_steps=9, progress=False).certificates] == ["noise"]


def test_the_last_fifth_is_held_back():
    sequences = np.stack([noise(10, seed=s) for s in range(10)])
    for x, own, held in ((noise(200), (1, 160), (1, 40)), (sequences, (8, 10), (2, 10)), (noise(99), (1, 99), None)):
        found = [(c.sequences, c.steps) for c in model().compile("w8a8", x, progress=False).certificates]
        assert found == [own, held] if held else [own]


def test_either_certificate_must_hold():
    x = noise(120)
    good = model().compile("w4a8", x, held_back=100 * x, progress=False)
    own, held = good.certificates
    assert held.max_abs > own.max_abs
    with pytest.raises(penstock.ToleranceError, match="over held-back"):
        model().compile("w4a8", x, held_back=100 * x, tolerance_abs=(own.max_abs + held.max_abs) / 2, progress=False)


def test_proof():
    compiled = model().compile("w4r", noise(120), prove=True, progress=False)
    overs = {c.over for c in compiled.certificates}
    assert {"calibration", "held-back", "long run", "step change", "after reset"} <= overs
    assert {"saturated", "spikes", "zero", "alternating", "tiny"} <= overs
    errors = {(m.layer, m.name): m.error for m in compiled.matrices}
    assert errors[0, "W_ih"] > errors[0, "W_hh"] > 0
    shares = [m.error_share for m in compiled.matrices if not math.isnan(m.error_share)]
    assert math.isclose(sum(shares), 1)
    again = penstock.Program.open(saved(compiled))
    assert [c.over for c in again.certificates] == [c.over for c in compiled.certificates]
    for one, other in zip(again.matrices, compiled.matrices, strict=True):
        assert known(one) == known(other)
        assert repr((one.error, one.error_share)) == repr((other.error, other.error_share))
        assert math.isnan(one.product_error) and not other.product_error > other.product_error_nearest
    plain = model().compile("w4r", noise(120), progress=False)
    assert plain.info.hash == compiled.info.hash and all(math.isnan(m.error) for m in plain.matrices)


def test_nearest():
    x = noise(200)
    calibrated, nearest = (model().compile("w4a8", x, nearest=n, progress=False) for n in (False, True))
    assert calibrated.info.hash != nearest.info.hash
    assert calibrated.error.rms < nearest.error.rms


def test_auto():
    x = noise(200)
    for cores in (None, 1):
        compiled = model().compile("auto", x, tolerance=0.05, cores=cores, progress=False)
        rows = compiled.frontier
        assert [r.chosen for r in rows].count(True) == 1
        assert [r.holds for r in rows].index(True) == [r.chosen for r in rows].index(True)
        assert [r.predicted_us for r in rows] == sorted(r.predicted_us for r in rows)
        assert all(r.predicted_us > 0 and r.format for r in rows)
        kept = next(r for r in rows if r.chosen)
        assert kept.relative_rms == max(c.relative_rms for c in compiled.certificates[:2]) <= 0.05
        assert not penstock.Program.open(saved(compiled)).frontier
        again = model().compile(kept.format, x, format_layer=kept.format_layer, progress=False)
        assert again.info.hash == compiled.info.hash
    with pytest.raises(penstock.ToleranceError, match="no format tried holds .* 1e-09; the best reached") as missed:
        model().compile("auto", x, tolerance=1e-9, progress=False)
    rows = missed.value.frontier
    assert rows and all(isinstance(r, penstock.Frontier) and r.format and not r.holds for r in rows)
    assert f"{min(r.relative_rms for r in rows):g}" in str(missed.value)
    with pytest.raises(penstock.ToleranceError) as missed:
        model().compile("w2a8", x, tolerance=1e-9, progress=False)
    assert missed.value.frontier == []


@pytest.mark.parametrize(
    ("form", "names", "encodings"),
    [
        ("f32", ["W_ih", "W_hh"], ["f32", "f32"]),
        ("w4a8", ["W_ih", "W_hh"], ["w4a8", "w8a16"]),
        ("w4r", ["W_ih", "W_hh", "W_ih rest"], ["w4a8", "w8a16", "w8a8"]),
        ("ih=w2a8,hh=w16a16,linear=f32", ["W_ih", "W_hh", "W_hh rest"], ["w2a8", "w8a16", "w8a16"]),
    ],
)
def test_matrices(form, names, encodings):
    compiled = model().compile(form, certificate_steps=9, progress=False)
    assert compiled.format == form
    found = compiled.matrices
    assert {m.layer for m in found} == {0, 1, 2}
    for layer in (0, 1):
        assert [m.name for m in found if m.layer == layer] == names
        assert [m.encoding for m in found if m.layer == layer] == encodings
    assert all(m.bytes > m.padding_bytes >= 0 for m in found)
    assert all((m.group > 0) == (m.encoding in ("w4a8", "w2a8")) for m in found)
    assert found[-1].layer == 2 and found[-1].name == "W_ih"
    assert compiled.frontier == []


def test_formats_of_layers():
    def encodings(given):
        found = model().compile("w4a8", format_layer=given, certify=False, progress=False).matrices
        return [m.encoding for m in found]

    mixed = ["w8a16", "bf16", "w4a8", "w8a16", "f32"]
    assert encodings({0: "ih=w8a16,hh=bf16", np.int64(2): "f32"}) == mixed
    assert encodings("0=ih=w8a16,hh=bf16;2=f32") == mixed
    assert encodings({}) == encodings(None) == ["w4a8", "w8a16", "w4a8", "w8a16", "w8a16"]


def test_format_of_a_layer_is_the_c_programs(penstock_program, tmp_path):
    model().save(tmp_path / "m.safetensors")
    options = ("--format", "w4a8", "--format-layer", "0=w8r", "--format-layer", "2=f32", "--group", "64")
    penstock_program("compile", tmp_path / "m.safetensors", "-o", tmp_path / "m.pstk", *options)
    ours = model().compile("w4a8", format_layer={0: "w8r", 2: "f32"}, group=64, progress=False)
    assert penstock.Program.open(tmp_path / "m.pstk").info.hash == ours.info.hash


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
        ({"format": "ih=w4r,mid=f32"}, penstock.ArgumentError, 'format: expected roles as ih=.*, found "mid=f32"'),
        ({"format": "auto"}, penstock.ArgumentError, 'format: "auto" needs a tolerance'),
        ({"format": "auto", "tolerance": 1.0, "format_layer": {0: "f32"}}, penstock.ArgumentError, '"auto" chooses'),
        ({"prove": True, "certify": False}, penstock.ArgumentError, "nothing can be proved without a certificate"),
        ({"calibrate": noise(3), "held_back": noise(0)}, penstock.ShapeError, "held_back: "),
        (
            {"calibrate": noise(3), "held_back": np.full((3, 7), np.inf, np.float32)},
            penstock.NonFiniteError,
            "held_back: sequence 0",
        ),
        (
            {"format_layer": 3},
            penstock.ArgumentError,
            "format_layer: expected a dict of formats by layer, .* found int",
        ),
        ({"format_layer": {0: 3}}, penstock.ArgumentError, "format_layer: layer 0: expected a format, .* found 3"),
        ({"format_layer": {0: "f32;1=f32"}}, penstock.ArgumentError, "format_layer: layer 0: expected a format"),
        ({"format_layer": {"0": "f32"}}, penstock.ArgumentError, "format_layer: layer: expected a whole number"),
        ({"format_layer": {3: "f32"}}, penstock.ArgumentError, "the model has layers 0 to 2, found 3"),
        ({"format_layer": {0: "w9"}}, penstock.ArgumentError, 'expected one of f32, .*found "w9"'),
        ({"format_layer": ""}, penstock.ArgumentError, 'expected LAYER=FORMAT, as 0=w8a16, found ""'),
        ({"format_layer": "0=f32\0"}, penstock.ArgumentError, "format_layer: "),
        ({"group": 48}, penstock.ArgumentError, "group: expected a power of two from 32 to .*, found 48"),
        ({"group": 16}, penstock.ArgumentError, "group: expected a power of two from 32 to .*, found 16"),
        ({"group": 0}, penstock.ArgumentError, "group: expected a whole number from 1"),
        ({"held_back": noise(3)}, penstock.ArgumentError, "held_back: there is no calibration"),
        ({"calibrate": noise(3), "held_back": noise(3, 6)}, penstock.ShapeError, r"held_back: expected shape \[T, 7\]"),
        ({"calibrate": noise(3), "held_back": noise(3).astype(int)}, penstock.ArgumentError, "held_back: expected fl"),
        ({"cores": 2}, penstock.ArgumentError, "cores: is for format \"auto\".*format is 'bf16'"),
        ({"cores": 0, "format": "auto", "tolerance": 1.0}, penstock.ArgumentError, "cores: expected a whole number"),
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
    assert told[-1] == (1.0, "done") and {"calibration", "rounding", "reference"} <= {stage for _, stage in told}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("at", ["calibration", "rounding", "reference", "certificate", "done"])
def test_progress_cancels(at):
    with pytest.raises(penstock.CancelledError, match=at):
        model().compile("w8a8", noise(50), progress=lambda done, stage: stage != at)
    assert model().compile(progress=lambda done, stage: None).error  # only False cancels


@pytest.mark.parametrize("at", ["errors of W_hh", "timing formats", "errors of matrices", "certifying formats"])
def test_progress_cancels_a_search(at):
    with pytest.raises(penstock.CancelledError, match=at):
        model().compile("auto", tolerance=0.5, progress=lambda done, stage: stage != at)


def test_what_progress_raises_is_raised():
    class Mine(Exception):
        pass

    def progress(done, stage):
        if done > 0.35:
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
