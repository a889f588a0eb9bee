"""Writes onnx_modules.py's modules as ONNX files by both of PyTorch's exporters: onnx_exports.py FOLDER [JOB ...]

A job is KIND-NAME-hH-bB-T-oOPSET: TS (dynamo=False) or DY; T is "static" (10 steps) or "dynamic" (time), with "any" the
batch, too. Beside JOB.onnx stands JOB.npz: x [rows, T, n], y [rows, T or 1, m] in float64, and h0, c0 [rows, L, H]
where states are inputs. A job that the exporter fails writes JOB.failed, the exporter's last line. Each DY job runs in
a process of its own, forked from one that has torch already: a second dynamic export in one process fails."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from onnx_modules import CASES, INPUTS, Case

STEPS = 10


def _shaped(x: torch.Tensor, layout: str) -> torch.Tensor:
    """x [rows, T, n] in a layout."""
    return {"btn": x, "tbn": x.transpose(0, 1), "tn": x[0], "bn": x[:, 0]}[layout]


def _rows(y: torch.Tensor, layout: str, answer: str) -> torch.Tensor:
    """The way back: [rows, T, m], T = 1 for the last step."""
    if answer == "last" and y.dim() < len(layout):
        return y[:, None] if "b" in layout else y[None, None]
    return {"btn": lambda: y, "tbn": lambda: y.transpose(0, 1), "tn": lambda: y[None], "bn": lambda: y[:, None]}[
        layout
    ]()


def _answer(case: Case, module: torch.nn.Module, rows: int, hidden: int, job: str, folder: Path) -> None:
    x = torch.randn(rows, STEPS if case.layout != "bn" else 1, INPUTS)
    arguments = [_shaped(x.double(), case.layout)]
    saved = {"x": x.numpy(), "layout": case.layout, "answer": case.answer}
    if case.layers:
        shape = (rows, hidden) if case.layers < 0 else (case.layers, rows, hidden)
        for name in ("h0", "c0"):
            state = torch.randn(shape)
            arguments.append(state.double())
            saved[name] = state.numpy() if case.layers < 0 else state.transpose(0, 1).numpy()
    with torch.no_grad():
        y = module.double()(*arguments)
    module.float()
    y = y[0] if isinstance(y, tuple) else y
    with contextlib.suppress(IndexError, KeyError):
        saved["y"] = _rows(y, case.layout, case.answer).numpy()
    np.savez(folder / f"{job}.npz", **saved)


def export(job: str, folder: Path) -> None:
    """One job, in this process."""
    kind, name, h, b, time, o = job.split("-")
    hidden, batch, opset, case = int(h[1:]), int(b[1:]), int(o[1:]), CASES[name]
    torch.manual_seed(1)
    module = case.make(hidden).eval()
    _answer(case, module, batch, hidden, job, folder)
    x = _shaped(torch.randn(batch, STEPS if case.layout != "bn" else 1, INPUTS), case.layout)
    arguments, names = [x], ["x"]
    outputs = ["y"]
    axes: dict[str, dict[int, str]] = {"x": {}, "y": {}}
    letters = {"t": "time"} if time == "dynamic" else {"t": "time", "b": "batch"} if time == "any" else {}
    for axis, letter in enumerate(case.layout):
        if letter in letters:
            axes["x"][axis] = letters[letter]
    if case.layers:
        shape = (batch, hidden) if case.layers < 0 else (case.layers, batch, hidden)
        arguments += [torch.randn(shape), torch.randn(shape)]
        names += ["h0", "c0"]
        outputs += ["hn", "cn"]
        for state in ("h0", "c0"):
            axes[state] = {len(shape) - 2: "batch"} if "b" in letters else {}
    path = str(folder / f"{job}.onnx")
    if kind == "TS":
        torch.onnx.export(
            module,
            tuple(arguments),
            path,
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes if letters else None,
            opset_version=opset,
            dynamo=False,
        )
        return
    shapes = None
    if letters:
        dims = {name: torch.export.Dim(name, min=2, max=100_000) for name in ("time", "batch")}
        shapes = tuple({axis: dims[letter] for axis, letter in axes[name].items()} for name in names)
    torch.onnx.export(
        module,
        tuple(arguments),
        path,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=shapes,
        opset_version=opset,
        dynamo=True,
        external_data=True,
    )


def _child(jobs: list[str], folder: Path) -> None:
    said = io.StringIO()
    for job in jobs:
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                export(job, folder)
        except BaseException as error:  # an exporter raises what it likes
            lines = str(error).strip().splitlines() or [""]
            (folder / f"{job}.failed").write_text(f"{type(error).__name__}: {lines[0]} ... {lines[-1]}\n")
            (folder / f"{job}.onnx").unlink(missing_ok=True)
    os._exit(0)


def _warm() -> None:
    """An export of something without time, before the forks: it imports most of PyTorch, which takes seconds."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(torch.nn.Linear(2, 2).eval(), (torch.randn(1, 2),), f"{folder}/m.onnx", dynamo=True)


def run(jobs: list[str], folder: Path, workers: int = 2) -> None:
    """Jobs that are there already are left."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # a fork takes no other threads along
    warnings.simplefilter("ignore")
    todo = [job for job in jobs if not any((folder / f"{job}.{end}").exists() for end in ("onnx", "failed"))]
    old = [job for job in todo if job.startswith("TS")]
    new = [[job] for job in todo if job.startswith("DY")]
    if new:
        _warm()
    running = 0
    for group in [*new, *(old[at::workers] for at in range(workers))]:
        if running == workers:
            os.wait()
            running -= 1
        if os.fork() == 0:
            _child(group, folder)
        running += 1
    for _ in range(running):
        os.wait()


if __name__ == "__main__":
    run(sys.argv[2:], Path(sys.argv[1]))
