"""Engine: a program placed on this host, on one core or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from penstock import arrays
from penstock._native import Gate, c_text, check, ffi, lib, struct, text, whole
from penstock.errors import ArgumentError
from penstock.program import Program
from penstock.stream import Stream

Idle = Literal["auto", "spin", "wait", "yield", "park"]
Caller = Literal["core", "apart"]
_IDLE: dict[str, int] = {
    "auto": lib.PST_IDLE_AUTO,
    "spin": lib.PST_IDLE_SPIN,
    "wait": lib.PST_IDLE_WAIT,
    "yield": lib.PST_IDLE_YIELD,
    "park": lib.PST_IDLE_PARK,
}
_CALLER: dict[str, int] = {"core": lib.PST_CALLER_CORE, "apart": lib.PST_CALLER_APART}


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is on this host; sizes in bytes.

    level: the instruction set level whose kernels run. cpus: the CPU each core is bound to, or meant for (the
    caller's); None: any. idle: how cores wait. threads: started by the engine. page_bytes: of the pages that hold the
    weights. settle_units: of one whole settle of the caller's share. shortfalls: a sentence for each thing that the
    system refused, and what was done instead."""

    cores: int
    level: str
    idle: str
    threads: int
    cpus: tuple[int | None, ...]
    page_bytes: int
    weight_bytes: int
    locked_bytes: int
    stream_bytes: int
    retouched_bytes: int
    settle_units: int
    shortfalls: tuple[str, ...]


class BoundCaller:
    """The calling thread bound to the CPU of core 0; as a context manager, until its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Engine:
        return self._engine

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._engine.closed:
            self._engine.unbind_caller()


def _choice(name: str, value: str, table: dict[str, int]) -> int:
    if not isinstance(value, str) or value not in table:
        raise ArgumentError(f"{name}: expected one of {', '.join(table)}, found {value!r}", item=name)
    return table[value]


class Engine:
    """A program placed on this host: its weights in pages of its own, resident, and a thread for each core but the
    caller's. Driven by one thread at a time: a call that meets another under way raises BusyError. A context manager.

    program: may be closed afterwards.
    cores: 1 to 64; more than the caller's CPUs or its cgroup's quota are refused unless oversubscribe.
    cpus: the system's number of each core's CPU, core 0 first; None: chosen.
    caller: "core": the calling thread is core 0; "apart": it only hands over x and takes y.
    idle: how cores wait for work: "spin", "wait" (umwait), "yield", "park"; "auto": see penstock.h.
    spin_us: for yield and park, how long to poll first; 0: the default.
    deadline_us: a step in which a core is silent for longer is given up with LateError; 0: never.
    level: the highest instruction set level to use; None: the best.
    huge_pages, lock, touch: False: ordinary pages; pages not locked; no weights read again at the end of a settle.
    release_gil: whether step, settle and bound functions let other Python threads run meanwhile, unless a call says
    otherwise; see Stream.step for the cost.

    Opening takes about as long as copying the weights, without the GIL. Raises HostError, ArgumentError ..."""

    __slots__ = ("_gate", "_info", "_program", "_release_gil", "_units", "__weakref__")

    def __init__(
        self,
        program: Program,
        cores: int = 1,
        *,
        cpus: Sequence[int] | None = None,
        caller: Caller = "core",
        idle: Idle = "auto",
        spin_us: int = 0,
        deadline_us: int = 0,
        level: str | None = None,
        huge_pages: bool = True,
        lock: bool = True,
        oversubscribe: bool = False,
        touch: bool = True,
        release_gil: bool = False,
    ) -> None:
        if not isinstance(program, Program):
            raise ArgumentError(f"program: expected a Program, found {type(program).__qualname__}", item="program")
        options = struct("pst_engine_options")
        options.cores = whole("cores", cores, least=1)
        listed = None
        if cpus is not None:
            if len(cpus) != cores:
                raise ArgumentError(f"cpus: expected {cores} numbers, one a core, found {len(cpus)}", item="cpus")
            listed = ffi.new("uint32_t[]", [whole("cpus", cpu) for cpu in cpus])
            options.cpus = listed
        options.caller = _choice("caller", caller, _CALLER)
        options.idle = _choice("idle", idle, _IDLE)
        options.spin_us = whole("spin_us", spin_us)
        options.deadline_us = whole("deadline_us", deadline_us)
        named = c_text("level", level) if level is not None else ffi.NULL
        options.level = named
        options.flags = (
            (0 if huge_pages else lib.PST_ENGINE_NO_HUGE_PAGES)
            | (0 if lock else lib.PST_ENGINE_NO_LOCK)
            | (lib.PST_ENGINE_OVERSUBSCRIBE if oversubscribe else 0)
            | (0 if touch else lib.PST_ENGINE_NO_TOUCH)
        )
        out = ffi.new("pst_engine **")
        check(lib.pst_engine_open(program.handle(), options, out))
        self._gate = Gate(int(ffi.cast("uintptr_t", out[0])))
        self._program = program
        self._release_gil = bool(release_gil)
        self._info: EngineInfo | None = None
        self._units = tuple(layer.outputs for layer in program.layers if layer.kind == "lstm")

    def _pointer(self) -> Any:
        return ffi.cast("pst_engine *", self._gate.address)

    @property
    def program(self) -> Program:
        return self._program

    @property
    def units(self) -> tuple[int, ...]:
        """Of each lstm layer, in the order of the data."""
        return self._units

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            found = struct("pst_engine_info")
            with self._gate:
                check(lib.pst_engine_get_info(self._pointer(), found))
                self._info = EngineInfo(
                    cores=found.cores,
                    level=str(text(found.level)),
                    idle=str(text(found.idle)),
                    threads=found.threads,
                    cpus=tuple(None if found.cpus[i] == 2**32 - 1 else found.cpus[i] for i in range(found.cores)),
                    page_bytes=found.page_bytes,
                    weight_bytes=found.weight_bytes,
                    locked_bytes=found.locked_bytes,
                    stream_bytes=found.stream_bytes,
                    retouched_bytes=found.retouched_bytes,
                    settle_units=found.settle_units,
                    shortfalls=tuple(str(text(found.shortfalls[i])) for i in range(found.shortfall_count)),
                )
        return self._info

    def stream(
        self,
        h0: arrays.ArrayLike | Sequence[arrays.ArrayLike] | None = None,
        c0: arrays.ArrayLike | Sequence[arrays.ArrayLike] | None = None,
        *,
        release_gil: bool | None = None,
    ) -> Stream:
        """A stream in its initial state.

        h0, c0: float32; a list with an array [H] for each lstm layer, or one array: [units], the layers one after the
        other, or [layers, H] where all have the same H (or [layers, 1, H], as PyTorch has them). None: the model's.
        reset() goes back to them. release_gil: None: as the engine was opened.

        Allocates; waits until all cores have done their part. Raises ShapeError, NonFiniteError ..."""
        options = struct("pst_stream_options")
        kept = [arrays.states(name, value, self._units) for name, value in (("h0", h0), ("c0", c0))]
        pointers = [ffi.NULL if value is None else ffi.from_buffer("float[]", value) for value in kept]
        options.h0, options.c0 = pointers
        out = ffi.new("pst_stream **")
        with self._gate:
            check(lib.pst_stream_open(self._pointer(), options, out))
        release = self._release_gil if release_gil is None else bool(release_gil)
        return Stream(self._gate, int(ffi.cast("uintptr_t", out[0])), self, release)

    def bind_caller(self) -> BoundCaller:
        """Binds the calling thread to the CPU of core 0, where the weights that it reads were placed; the library does
        so nowhere by itself. `with engine.bind_caller(): ...` undoes it, and so does unbind_caller, on the same
        thread."""
        with self._gate:
            check(lib.pst_engine_bind_caller(self._pointer()))
        return BoundCaller(self)

    def unbind_caller(self) -> None:
        """Gives the calling thread, which was bound, the affinity that it had."""
        with self._gate:
            check(lib.pst_engine_unbind_caller(self._pointer()))

    def close(self) -> None:
        """Stops and joins the engine's threads and gives its memory back. Its streams and bound functions raise
        ClosedError from then on. BusyError while another thread's call is under way. Twice is no error."""
        self._gate.close()

    @property
    def closed(self) -> bool:
        return bool(self._gate.closed)

    def __repr__(self) -> str:
        if self.closed:
            return "<penstock.Engine, closed>"
        return f"<penstock.Engine of {self._program.info.format}, {self._program.inputs} -> {self._program.outputs}>"

    def __enter__(self) -> Engine:
        self._gate.address  # noqa: B018 (raises where it is closed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
