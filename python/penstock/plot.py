"""Pictures of latency, from what `penstock bench --json` writes. Needs matplotlib (pip install 'penstock[plot]')."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.errors import ArgumentError, CorruptError, FileError, UnsupportedError
from penstock.importing.extras import need

SCHEMA = 1
_COLOURS = {"f32": "#57534e", "bf16": "#2b6cb0", "w8a16": "#15803d", "w8a8": "#b45309"}
_OTHERS = ("#9d174d", "#6d28d9", "#0f766e", "#a16207")
# Of a system that gives no mean, its median is shown.
_FIGURES = ("mean_us", "p50_us")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A run of `penstock bench --json`. FileError; CorruptError where it is not one; UnsupportedError where it is of a
    schema that this version does not know."""
    name = os.fspath(path)
    try:
        with open(name, encoding="utf-8") as file:
            run = json.load(file)
    except OSError as error:
        raise FileError(f"{name}: cannot be read: {error.strerror}", file=name, os_error=error.errno or 0) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CorruptError(f"{name}: not JSON: {error}", file=name) from error
    if not isinstance(run, dict) or not isinstance(run.get("results"), list) or "schema" not in run:
        raise CorruptError(f"{name}: not a run of `penstock bench --json`: no schema and results in it", file=name)
    if run["schema"] != SCHEMA:
        raise UnsupportedError(
            f"{name}: schema {run['schema']!r}, this version reads {SCHEMA}", file=name, field="schema"
        )
    for i, result in enumerate(run["results"]):
        _check(name, i, result)
    if not run["results"]:
        raise CorruptError(f"{name}: no results in it", file=name, field="results")
    return run


def _check(name: str, index: int, result: Any) -> None:
    def fail(field: str, what: str) -> CorruptError:
        return CorruptError(
            f"{name}: results[{index}], {field}: {what}", file=name, item=f"results[{index}]", field=field
        )

    if not isinstance(result, dict):
        raise fail("", "not an object")
    for field, kind in (("model", str), ("format", str), ("cores", int), ("p50_us", (int, float)), ("histogram", list)):
        if not isinstance(result.get(field), kind):
            raise fail(field, "missing, or of another type")
    for row in result["histogram"]:
        if not (isinstance(row, list) and len(row) == 3 and all(isinstance(v, int | float) and v >= 0 for v in row)):
            raise fail("histogram", "a row is not [upper_ns, steps, twins]")
    if sum(row[1] for row in result["histogram"]) <= 0:
        raise fail("histogram", "no steps in it")


def _tail(histogram: list[list[float]], column: int) -> tuple[list[float], list[float]]:
    """Latency in us, and the share of steps at least that slow."""
    total = sum(row[column] for row in histogram)
    us, share, left = [], [], total
    for row in histogram:
        if row[column]:
            us.append(row[0] / 1e3)
            share.append(left / total)
            left -= row[column]
    return us, share


def _label(result: dict[str, Any]) -> str:
    cores = result["cores"]
    return f"{result['format']}, {cores} core{'s' if cores != 1 else ''}: p50 {result['p50_us']:.3g} us"


def latency(runs: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Draws the latency of every result in the runs (paths of JSON files): for each model, the share of steps that took
    at least so long, both axes logarithmic. Dotted: the twin, register-only work of the same median, which shows what
    the machine adds by itself. Upright lines: the floor of the fastest, and other systems' figures. Writes `path`
    (.png, .svg, .pdf) under a temporary name and renames it. Takes about a second a run."""
    paths = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not paths:
        raise ArgumentError("no run to draw")
    read_runs = [read(p) for p in paths]
    target = Path(path)
    if target.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ArgumentError(f"{target}: the name of a picture ends in .png, .svg or .pdf")
    matplotlib = need("matplotlib", "plot")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = [(run, result) for run in read_runs for result in run["results"]]
    models = list(dict.fromkeys(result["model"] for _, result in results))
    figure, axes = pyplot.subplots(
        len(models), 1, figsize=(10, 1.2 + 3.3 * len(models)), squeeze=False, layout="constrained"
    )
    for model, axis in zip(models, axes[:, 0], strict=True):
        _draw(axis, model, [result for _, result in results if result["model"] == model], len(read_runs) > 1)
    host = read_runs[0].get("host", {})
    about = ", ".join(
        str(part)
        for part in (
            host.get("cpu"),
            "a virtual machine" if host.get("virtualised") else None,
            host.get("date"),
            f"penstock {host['version']}" if "version" in host else None,
        )
        if part
    )
    figure.suptitle(f"Latency of one step\n{about}" if about else "Latency of one step", fontsize=11)
    axes[-1, 0].set_xlabel("latency in us")
    temporary = target.with_name(f".{target.name}.{os.getpid()}{target.suffix}")
    try:
        figure.savefig(temporary, dpi=130)
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(
            f"{target}: cannot be written: {error.strerror}", file=str(target), os_error=error.errno or 0
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
        pyplot.close(figure)


def _draw(axis: Any, model: str, results: list[dict[str, Any]], many: bool) -> None:
    for number, result in enumerate(results):
        colour = _COLOURS.get(result["format"], _OTHERS[number % len(_OTHERS)])
        width, alpha = (2.2, 1.0) if result["cores"] > 1 else (1.2, 0.8)
        us, share = _tail(result["histogram"], 1)
        label = _label(result) + (f", {result.get('level', '')}" if many else "")
        axis.plot(us, share, color=colour, linewidth=width, alpha=alpha, drawstyle="steps-post", label=label)
        if any(row[2] for row in result["histogram"]):
            us, share = _tail(result["histogram"], 2)
            axis.plot(us, share, color=colour, linewidth=0.9, alpha=0.6, linestyle=":", drawstyle="steps-post")
    floors = [r["floor_us"] for r in results if isinstance(r.get("floor_us"), int | float)]
    if floors:
        axis.axvline(min(floors), color="#222", linewidth=0.9, label=f"least floor: {min(floors):.3g} us")
    shown = {}
    for anchor in results[0].get("anchors", []):
        figure = next((anchor[f] for f in _FIGURES if isinstance(anchor.get(f), int | float)), None)
        if figure is not None:
            shown[anchor.get("system", "another system")] = figure
    for number, (system, figure) in enumerate(shown.items()):
        colour = _OTHERS[number % len(_OTHERS)]
        axis.axvline(figure, color=colour, linewidth=0.9, linestyle="--", label=f"{system}: {figure:g} us")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylabel("share of steps that took longer")
    axis.set_title(model, loc="left", fontweight="bold", fontsize=10)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.grid(True, which="major", color="#e5e5e5")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), title="dotted: the twin", title_fontsize=7)
