"""Stream: the recurrent state of one input sequence on an engine. step, bind, settle and warm are in C, in Stepper."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock import arrays
from penstock._native import Gate, Stepper, c_bytes, check, ffi, lib

if TYPE_CHECKING:
    from penstock.engine import Engine


class Stream(Stepper):
    """Made by Engine.stream. Driven by one thread at a time, together with all streams of its engine. A context
    manager.

    Shapes: x [inputs], y [outputs], float32."""

    __slots__ = ("_engine", "__weakref__")
    _engine: Engine

    def __new__(cls, gate: Gate, address: int, engine: Engine, release_gil: bool) -> Stream:
        self = Stepper.__new__(cls, gate, address, engine.program.inputs, engine.program.outputs, release_gil)
        self._engine = engine
        return self

    @property
    def engine(self) -> Engine:
        return self._engine

    def _pointer(self) -> Any:
        return ffi.cast("pst_stream *", self.address)

    def run(self, x: arrays.ArrayLike, out: arrays.ArrayLike | None = None) -> arrays.Float32:
        """T steps, settle included; the same bits as that many calls of step. Without the GIL.

        x: float32 [T, inputs], or with a batch of one [T, 1, inputs] or [1, T, inputs]; C-contiguous.
        out: the same with outputs; None: a new array [T, outputs].

        Returns y [T, outputs], or out. On an error, which says the step, the steps before it have been done and their y
        written."""
        taken = arrays.rows("x", x, self.inputs)
        steps = taken.shape[0]
        y = np.empty((steps, self.outputs), np.float32) if out is None else out
        given = arrays.rows("out", y, self.outputs, writable=True)
        if given.shape[0] != steps:
            arrays.wrong_shape("out", f"[{steps}, {self.outputs}]", np.shape(y))
        arrays.apart("x", taken, "out", given)
        pointers = ffi.from_buffer("float[]", taken), ffi.from_buffer("float[]", given)
        with self._gate:
            check(lib.pst_run(self._pointer(), pointers[0], steps, pointers[1]))
        return y

    def reset(self) -> None:
        """Back to the initial state that the stream was opened with."""
        with self._gate:
            check(lib.pst_stream_reset(self._pointer()))

    def save(self) -> bytes:
        """The state after the last step; portable between machines, levels and numbers of cores."""
        with self._gate:
            stream = self._pointer()
            state = ffi.new("char[]", lib.pst_stream_state_size(stream))
            check(lib.pst_stream_save(stream, state, len(state)))
        return bytes(ffi.buffer(state))

    def restore(self, state: bytes) -> None:
        """Puts the stream into a saved state. MismatchError: saved under another program; CorruptError: altered."""
        held = c_bytes("state", state)
        with self._gate:
            check(lib.pst_stream_restore(self._pointer(), held, len(held)))

    @property
    def state(self) -> list[tuple[arrays.Float32, arrays.Float32]]:
        """(h, c) of each lstm layer after the last step, float32 [H] each, copies; h in the precision in which steps
        read it. Engine.stream(h0=[h of each], c0=[c of each]) goes on from there with the same bits."""
        units = self._engine.units
        total = sum(units)
        h, c = np.empty(total, np.float32), np.empty(total, np.float32)
        with self._gate:
            pointers = [ffi.from_buffer("float[]", array) for array in (h, c)]
            check(lib.pst_stream_get_state(self._pointer(), *pointers, total))
        ends = np.cumsum(units)[:-1]
        return list(zip(np.split(h, ends), np.split(c, ends), strict=True)) if units else []

    def clone(self) -> Stream:
        """A second stream of the same engine in the same state."""
        out = ffi.new("pst_stream **")
        with self._gate:
            check(lib.pst_stream_clone(self._pointer(), out))
        return Stream(self._gate, int(ffi.cast("uintptr_t", out[0])), self._engine, self.release_gil)

    def __repr__(self) -> str:
        if self.closed or self._engine.closed:
            return "<penstock.Stream, closed>"
        return f"<penstock.Stream {self.inputs} -> {self.outputs}>"

    def __enter__(self) -> Stream:
        self.address  # noqa: B018 (raises where it is closed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
