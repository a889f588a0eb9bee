"""Penstock runs trained LSTM stacks one timestep at a time, with microsecond latency, on ordinary CPU cores.

    model = penstock.Model.read("m.safetensors")     # or a loader: penstock.torch.export, penstock.onnx.load ...
    program = model.compile("bf16", calibrate=x)     # program.error says how far it is from float64
    with penstock.Engine(program, cores=2) as engine, engine.stream() as stream:
        y = stream.step(x)                           # x [inputs] -> y [outputs], float32

The words, and what each call does, are those of penstock.h.
"""

from __future__ import annotations

from penstock._native import levels, version
from penstock.engine import Engine, EngineInfo
from penstock.errors import (
    ArgumentError,
    BusyError,
    CancelledError,
    ClosedError,
    CorruptError,
    EmptyError,
    Error,
    FileError,
    ForkedError,
    HostError,
    LateError,
    MismatchError,
    MissingExtraError,
    NonFiniteError,
    OutOfMemoryError,
    Problem,
    ShapeError,
    ToleranceError,
    UnsupportedError,
)
from penstock.model import LayerInfo, Model
from penstock.program import Program, ProgramInfo
from penstock.proof import Certificate, Frontier, MatrixInfo
from penstock.stream import Stream

__version__ = version()

__all__ = [
    "ArgumentError",
    "BusyError",
    "CancelledError",
    "Certificate",
    "ClosedError",
    "CorruptError",
    "EmptyError",
    "Engine",
    "EngineInfo",
    "Error",
    "FileError",
    "ForkedError",
    "Frontier",
    "HostError",
    "LateError",
    "LayerInfo",
    "MatrixInfo",
    "MismatchError",
    "MissingExtraError",
    "Model",
    "NonFiniteError",
    "OutOfMemoryError",
    "Problem",
    "Program",
    "ProgramInfo",
    "ShapeError",
    "Stream",
    "ToleranceError",
    "UnsupportedError",
    "__version__",
    "levels",
    "version",
]
