"""Program: a model compiled into one format; files (.pstk), and what is known of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from penstock import proof
from penstock._native import c_bytes, c_path, check, ffi, lib, struct, text
from penstock.errors import ClosedError
from penstock.model import LayerInfo, Readout, layer_infos, readout_of
from penstock.proof import Certificate, Frontier, MatrixInfo


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
        """The first certificate; None if it was compiled without one."""
        found = proof.certificates(self.handle(), 1)
        return found[0] if found else None

    @property
    def certificates(self) -> list[Certificate]:
        """All certificates: `error`, then those over other inputs; empty if it was compiled without one."""
        return proof.certificates(self.handle())

    @property
    def matrices(self) -> list[MatrixInfo]:
        """Every matrix of every layer, in the order of the data. Their errors are known where it was compiled with
        prove=True."""
        return proof.matrices(self.handle(), self.info.layers)

    @property
    def frontier(self) -> list[Frontier]:
        """The formats that the search "auto" has tried, in the order of predicted latency. Empty where nothing was
        searched, and of a program from a file, which does not have it."""
        return proof.frontier(self.handle())

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
