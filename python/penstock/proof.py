"""What is known of a program's errors: certificates, those of each matrix, and what a search for a format has tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock._native import check, lib, struct, text


@dataclass(frozen=True)
class Certificate:
    """The distance between a program's answers and the float64 answers, pooled over outputs, steps and sequences.

    relative_rms: rms error / rms of (y - mean y), each output's own mean; nan if y is constant. max_abs was found at
    output worst_output, step worst_step of sequence worst_sequence. from_caller: measured over the caller's input;
    else over noise of `seed`.

    over: what it is over: "calibration"; "noise"; "held-back", input that nothing was calibrated on; where W_ih leaves
    a rest, and with prove=True: "step change", the steps right after x has jumped from one held-back input to another,
    and "after reset", first steps; and with prove=True: "long run", 10,000 steps of held-back input, or of what there
    is, and made to hurt: "saturated", "spikes" of 1e4, "zero", "alternating", "tiny". drift: rms error of the last
    tenth of the steps / that of the first tenth; nan if that is 0 or not known. constant_rms, constant_max_abs: the
    errors that a constant y would have, at each output's mean; nan if not known."""

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
    over: str
    drift: float
    constant_rms: float
    constant_max_abs: float


@dataclass(frozen=True)
class MatrixInfo:
    """One matrix of a program.

    name: "W_ih" (or a Linear's weight), "W_hh", and the rests that coarser codes leave of them, "W_hh rest", "W_ih
    rest". bytes: weights, multipliers and row scales; padding_bytes: padding of the weights. group: inputs that share a
    multiplier, 0 where there are none. error: rms error of y where this one alone is held so and all others in f32, a
    rest together with what leaves it; error_share: its square's share of the sum of all. nan where that was not
    measured. product_error, product_error_nearest: rms error of a row's product over the calibration, as rounded and
    to nearest; nan where not calibrated, and of a program from a file."""

    layer: int
    name: str
    encoding: str
    bytes: int
    padding_bytes: int
    group: int
    error: float
    error_share: float
    product_error: float
    product_error_nearest: float


@dataclass(frozen=True)
class Frontier:
    """One format that the search "auto" has tried.

    format, format_layer: as Model.compile takes them. predicted_us: a respond on the host that compiled, on as many
    cores as the search was for. max_abs, rms, relative_rms: the worse of calibration and held-back. holds: within the
    tolerance. chosen: the one that was kept."""

    format: str
    format_layer: str | None
    predicted_us: float
    max_abs: float
    rms: float
    relative_rms: float
    holds: bool
    chosen: bool


def _all(ask: Callable[[int, Any], int], name: str, most: int | None) -> list[Any]:
    """The structs that ask(index, struct) fills until there are no more."""
    found: list[Any] = []
    while most is None or len(found) < most:
        one = struct(name)
        status = ask(len(found), one)
        if status == lib.PST_E_EMPTY:
            break
        check(status)
        found.append(one)
    return found


def certificates(program: Any, most: int | None = None) -> list[Certificate]:
    """Of a pst_program, the first `most`; all without."""
    return [
        Certificate(
            relative_rms=one.relative_rms,
            rms=one.rms,
            max_abs=one.max_abs,
            steps=one.steps,
            sequences=one.sequences,
            worst_output=one.worst_output,
            worst_step=one.worst_step,
            worst_sequence=one.worst_sequence,
            from_caller=bool(one.from_caller),
            seed=one.seed,
            over=text(one.over) or ("calibration" if one.from_caller else "noise"),
            drift=one.drift,
            constant_rms=one.constant_rms,
            constant_max_abs=one.constant_max_abs,
        )
        for one in _all(lambda i, out: lib.pst_program_get_certificate(program, i, out), "pst_certificate", most)
    ]


def matrices(program: Any, layers: int) -> list[MatrixInfo]:
    """Of a pst_program of so many layers."""
    found = []
    for layer in range(layers):
        info = struct("pst_layer_info")
        check(lib.pst_program_get_layer(program, layer, info))
        for index in range(info.matrices):
            one = struct("pst_matrix_info")
            check(lib.pst_program_get_matrix(program, layer, index, one))
            found.append(
                MatrixInfo(
                    layer=layer,
                    name=str(text(one.name)),
                    encoding=str(text(one.encoding)),
                    bytes=one.bytes,
                    padding_bytes=one.padding_bytes,
                    group=one.group,
                    error=one.error,
                    error_share=one.error_share,
                    product_error=one.product_error,
                    product_error_nearest=one.product_error_nearest,
                )
            )
    return found


def tried(one: Any) -> Frontier:
    """Of a pst_frontier."""
    return Frontier(
        format=str(text(one.format)),
        format_layer=text(one.layer_formats),
        predicted_us=one.predicted_us,
        max_abs=one.max_abs,
        rms=one.rms,
        relative_rms=one.relative_rms,
        holds=bool(one.holds),
        chosen=bool(one.chosen),
    )


def frontier(program: Any) -> list[Frontier]:
    """Of a pst_program."""
    rows = _all(lambda i, out: lib.pst_program_get_frontier(program, i, out), "pst_frontier", None)
    return [tried(one) for one in rows]
