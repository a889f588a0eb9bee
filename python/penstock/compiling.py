"""Compiling a model: what the options become, and how the compilation reports its progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from penstock import arrays, proof
from penstock._native import c_text, check, ffi, lib, struct, text, whole
from penstock.errors import ArgumentError, ToleranceError
from penstock.model import Model
from penstock.program import Program

Progress = Callable[[float, str], object]
_MOST_CORES = 64  # penstock.h


class _Report:
    """What the C callbacks' `user` points to. That of progress is made for every compilation, as it is where Ctrl-C is
    noticed."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.raised: BaseException | None = None
        self.frontier: list[proof.Frontier] = []

    def __call__(self, done: float, stage: str) -> bool:
        return self.progress is not None and self.progress(done, stage) is False


def _keep(kind: Any, value: BaseException, traceback: TracebackType | None) -> None:
    """Called by cffi with what the callback raised, wherever in it; it then answers 1, which cancels."""
    if traceback is not None and (user := traceback.tb_frame.f_locals.get("user")) is not None:
        ffi.from_handle(user).raised = value.with_traceback(traceback)


@ffi.def_extern(error=1, onerror=_keep)  # type: ignore[untyped-decorator]
def penstock_progress(user: Any, done: float, stage: Any) -> int:
    return int(ffi.from_handle(user)(done, text(stage) or ""))


@ffi.def_extern(onerror=_keep)  # type: ignore[untyped-decorator]
def penstock_tried(user: Any, tried: Any) -> None:
    ffi.from_handle(user).frontier.append(proof.tried(tried))


class _Bar:
    """A bar of 30 places on a terminal, written when it would look different."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._shown = ""

    def __call__(self, done: float, stage: str) -> None:
        filled = round(30 * done)
        text = f"\r{'#' * filled}{'.' * (30 - filled)} {100 * done:3.0f} % {stage:<30.30}"
        if text != self._shown:
            self._shown = text
            self._terminal.write(text)
            self._terminal.flush()

    def clear(self) -> None:
        self._terminal.write("\r\x1b[K")
        self._terminal.flush()


def _take_inputs(
    options: Any, kept: list[Any], model: Model, calibrate: arrays.ArrayLike | None, held_back: arrays.ArrayLike | None
) -> None:
    """Puts both into the options; kept: what keeps their memory."""
    if calibrate is not None:
        x = arrays.sequences("calibrate", calibrate, model.inputs)
        kept.append(ffi.from_buffer("float[]", x))
        options.calibration, options.sequences, options.steps = kept[-1], x.shape[0], x.shape[1]
    if held_back is not None:
        x = arrays.sequences("held_back", held_back, model.inputs)
        kept.append(ffi.from_buffer("float[]", x))
        options.held_back, options.held_back_sequences, options.held_back_steps = kept[-1], x.shape[0], x.shape[1]


def _layer_formats(given: Mapping[int, str] | str | None) -> str | None:
    """As the C library takes them: "0=w8a16;2=w4r"."""
    if not given and given != "":
        return None
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"format_layer: expected a dict of formats by layer, a str or None, found {type(given).__qualname__}",
            item="format_layer",
        )
    for layer, format in given.items():
        if not isinstance(format, str) or ";" in format:
            raise ArgumentError(
                f"format_layer: layer {layer}: expected a format, as 'w8a16', found {format!r}", item="format_layer"
            )
    return ";".join(f"{whole('format_layer: layer', layer)}={format}" for layer, format in given.items())


def compile_model(
    model: Model,
    *,
    format: str,
    calibrate: arrays.ArrayLike | None,
    held_back: arrays.ArrayLike | None,
    format_layer: Mapping[int, str] | str | None,
    group: int | None,
    nearest: bool,
    prove: bool,
    cores: int | None,
    tolerance: float | None,
    tolerance_abs: float | None,
    seed: int,
    certificate_steps: int,
    certify: bool,
    level: str | None,
    progress: bool | Progress,
) -> Program:
    """Model.compile, which has the description."""
    options = struct("pst_compile_options")
    kept = [c_text("format", format), c_text("level", level) if level is not None else ffi.NULL]
    options.format, options.level = kept
    _take_inputs(options, kept, model, calibrate, held_back)
    if (layers := _layer_formats(format_layer)) is not None:
        kept.append(c_text("format_layer", layers))
        options.layer_formats = kept[-1]
    options.group = 0 if group is None else whole("group", group, least=1)
    if cores is not None:
        if format != "auto":
            raise ArgumentError(
                f'cores: is for format "auto", which times formats on so many; format is {format!r}', item="cores"
            )
        options.cores = whole("cores", cores, _MOST_CORES, 1)
    for name, value in (("tolerance", tolerance), ("tolerance_abs", tolerance_abs)):
        if value is not None:
            if not isinstance(value, int | float | np.number) or not value > 0:
                raise ArgumentError(f"{name}: expected a positive number or None, found {value!r}", item=name)
            setattr(options, name, value)
    options.seed = whole("seed", seed, 2**64 - 1)
    options.certificate_steps = whole("certificate_steps", certificate_steps, 2**64 - 1)
    flags = {
        lib.PST_COMPILE_UNCERTIFIED: not certify,
        lib.PST_COMPILE_NEAREST: nearest,
        lib.PST_COMPILE_PROVE: prove,
    }
    options.flags = sum(flag for flag, wanted in flags.items() if wanted)
    bar = _Bar(sys.stderr) if progress is True and sys.stderr is not None and sys.stderr.isatty() else None
    report = _Report(progress if callable(progress) else bar)
    user = ffi.new_handle(report)
    options.progress, options.tried, options.user = lib.penstock_progress, lib.penstock_tried, user
    out = ffi.new("pst_program **")
    try:
        status = lib.pst_compile(model.handle(), options, out)
    finally:
        if bar:
            bar.clear()
    raised, report.raised = report.raised, None  # its frames hold the report
    if raised is not None:
        if status == 0:
            lib.pst_program_free(out[0])
        raise raised
    try:
        check(status)
    except ToleranceError as missed:
        missed.frontier = report.frontier
        raise
    return Program(out[0])
