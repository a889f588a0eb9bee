"""Program: a model compiled into one format; files (.pstk), certificate, and how compiling reports its progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from penstock import arrays
from penstock._native import c_bytes, c_path, c_text, check, ffi, lib, struct, text, whole
from penstock.errors import ArgumentError, ClosedError, EmptyError
from penstock.model import LayerInfo, Model, Readout, layer_infos, readout_of

Progress = Callable[[float, str], object]


@dataclass(frozen=True)
class Certificate:
    """The distance between a program's answers and the float64 answers, pooled over outputs, steps and sequences.

    relative_rms: rms error / rms of (y - mean y), each output's own mean; nan if y is constant. max_abs was found at
    output worst_output, step worst_step of sequence worst_sequence. from_caller: measured over the calibration input;
    else over noise of `seed`."""

    relative_rms: float
    rms: float
    max_abs: float
    steps: int
    sequences: int
    worst_output: int
    worst_step: int
    worst_sequence: int
    from_caller: bool
    seed: int


@dataclass(frozen=True)
class ProgramInfo:
    """What a program is made of; sizes in bytes. critical_bytes: weights on the path from x to y; settle_bytes: those
    read between steps; padding_bytes: of both, how much is padding; state_bytes: of a saved state. hash: the program's
    identity."""

    format: str
    inputs: int
    outputs: int
    layers: int
    parameters: int
    critical_bytes: int
    settle_bytes: int
    padding_bytes: int
    state_bytes: int
    hash: int
    readout: Readout


class Program:
    """A model in packed tiles of one format. Immutable: any number of threads and engines may share one. It knows
    neither the machine nor the number of cores. A context manager, though nothing is held but memory."""

    __slots__ = ("_handle", "info")

    def __init__(self, handle: Any) -> None:
        """handle: a pst_program, owned; not for users."""
        self._handle: Any = ffi.gc(handle, lib.pst_program_free)
        info = struct("pst_info")
        check(lib.pst_program_get_info(self._handle, info))
        self.info = ProgramInfo(
            format=str(text(info.format)),
            inputs=info.inputs,
            outputs=info.outputs,
            layers=info.layers,
            parameters=info.parameters,
            critical_bytes=info.critical_bytes,
            settle_bytes=info.settle_bytes,
            padding_bytes=info.padding_bytes,
            state_bytes=info.state_bytes,
            hash=info.hash,
            readout=readout_of(info),
        )

    @classmethod
    def open(cls, source: str | os.PathLike[str] | bytes) -> Program:
        """Reads a .pstk file whole, from a path or from its bytes, without the GIL. What is truncated, altered or of an
        unknown version raises CorruptError or UnsupportedError."""
        out = ffi.new("pst_program **")
        if isinstance(source, bytes | bytearray | memoryview):
            held = c_bytes("source", source)
            check(lib.pst_program_open_memory(held, len(held), out))
        else:
            check(lib.pst_program_open(c_path(source), out))
        return cls(out[0])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .pstk file: to a temporary name in the same folder, then renamed. Without the GIL."""
        check(lib.pst_program_save(self.handle(), c_path(path)))

    def handle(self) -> Any:
        """The pst_program; not for users. Who holds what this returns keeps the program alive across close()."""
        if self._handle is None:
            raise ClosedError("program: it was closed", item="program")
        return self._handle

    @property
    def inputs(self) -> int:
        """Features of x."""
        return self.info.inputs

    @property
    def outputs(self) -> int:
        """Features of y."""
        return self.info.outputs

    @property
    def format(self) -> str:
        return self.info.format

    @property
    def readout(self) -> Readout:
        """As Model.readout."""
        return self.info.readout

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        handle = self.handle()
        return layer_infos(self.info.layers, lambda i, info: lib.pst_program_get_layer(handle, i, info))

    @property
    def error(self) -> Certificate | None:
        """The certificate; None if it was compiled without one."""
        found = struct("pst_certificate")
        try:
            check(lib.pst_program_certificate(self.handle(), found))
        except EmptyError:
            return None
        return Certificate(
            relative_rms=found.relative_rms,
            rms=found.rms,
            max_abs=found.max_abs,
            steps=found.steps,
            sequences=found.sequences,
            worst_output=found.worst_output,
            worst_step=found.worst_step,
            worst_sequence=found.worst_sequence,
            from_caller=bool(found.from_caller),
            seed=found.seed,
        )

    def __repr__(self) -> str:
        if self._handle is None:
            return "<penstock.Program, closed>"
        return f"<penstock.Program {self.inputs} -> {self.outputs}, {self.format}, {self.info.layers} layers>"

    def close(self) -> None:
        """Gives the memory back, once no call uses it any more; engines have their own copy. Twice is no error."""
        self._handle = None

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> Program:
        self.handle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


# ---- compiling ------------------------------------------------------------------------------------------------------


class _Report:
    """What the C callback's `user` points to. The callback is made for every compilation, as it is where Ctrl-C is
    noticed."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.raised: BaseException | None = None

    def __call__(self, done: float, stage: str) -> bool:
        return self.progress is not None and self.progress(done, stage) is False


def _keep(kind: Any, value: BaseException, traceback: TracebackType | None) -> None:
    """Called by cffi with what the callback raised, wherever in it; it then answers 1, which cancels."""
    if traceback is not None and (user := traceback.tb_frame.f_locals.get("user")) is not None:
        ffi.from_handle(user).raised = value.with_traceback(traceback)


@ffi.def_extern(error=1, onerror=_keep)  # type: ignore[untyped-decorator]
def penstock_progress(user: Any, done: float, stage: Any) -> int:
    return int(ffi.from_handle(user)(done, text(stage) or ""))


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


def compile_model(
    model: Model,
    *,
    format: str,
    calibrate: arrays.ArrayLike | None,
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
    if calibrate is not None:
        x = arrays.sequences("calibrate", calibrate, model.inputs)
        kept.append(ffi.from_buffer("float[]", x))
        options.calibration, options.sequences, options.steps = kept[-1], x.shape[0], x.shape[1]
    for name, value in (("tolerance", tolerance), ("tolerance_abs", tolerance_abs)):
        if value is not None:
            if not isinstance(value, int | float | np.number) or not value > 0:
                raise ArgumentError(f"{name}: expected a positive number or None, found {value!r}", item=name)
            setattr(options, name, value)
    options.seed = whole("seed", seed, 2**64 - 1)
    options.certificate_steps = whole("certificate_steps", certificate_steps, 2**64 - 1)
    options.flags = 0 if certify else lib.PST_COMPILE_UNCERTIFIED
    bar = _Bar(sys.stderr) if progress is True and sys.stderr is not None and sys.stderr.isatty() else None
    report = _Report(progress if callable(progress) else bar)
    user = ffi.new_handle(report)
    options.progress, options.user = lib.penstock_progress, user
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
    check(status)
    return Program(out[0])
