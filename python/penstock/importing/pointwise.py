"""Scalar functions: those of penstock.h's list, and the recognition of one that a source has written in other
operations (x * sigmoid(x), a GELU by erf). Recognition compares values, so it does not matter how it was written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.chain import Activation, Affine, Step

Values = NDArray[Any]
Function = Callable[[Values], Values]


@dataclass(frozen=True, eq=False)
class Pointwise:
    """A function of each value that has no name yet. function: of a float64 array, value by value."""

    function: Function
    where: str


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(v: NDArray[Any]) -> NDArray[np.float64]:
    """The error function (math.erf), value by value."""
    return np.asarray(_erf(np.asarray(v, np.float64)), np.float64)


def sigmoid(v: NDArray[Any]) -> NDArray[np.float64]:
    """1 / (1 + exp(-v)), without overflow."""
    small = np.exp(-np.abs(v))
    return np.asarray(np.where(v >= 0, 1.0, small) / (1.0 + small), np.float64)


def softplus(v: NDArray[Any]) -> NDArray[np.float64]:
    """log(1 + exp(v))."""
    return np.asarray(np.logaddexp(0.0, v), np.float64)


def evaluate(step: Activation, v: NDArray[Any]) -> NDArray[Any]:
    """The activation of penstock.h in float64."""
    a, b = step.alpha, step.beta
    y: Values
    match step.function:
        case "relu":
            y = np.maximum(v, 0.0)
        case "leaky_relu":
            y = np.where(v > 0, v, (0.01 if a is None else a) * v)
        case "elu":
            y = np.where(v > 0, v, (1.0 if a is None else a) * np.expm1(np.minimum(v, 0.0)))
        case "tanh":
            y = np.tanh(v)
        case "sigmoid":
            y = sigmoid(v)
        case "hard_sigmoid":
            y = np.clip((1 / 6 if a is None else a) * v + (0.5 if b is None else b), 0.0, 1.0)
        case "clip":
            assert a is not None and b is not None
            y = np.clip(v, a, b)
        case "silu":
            y = v * sigmoid(v)
        case "gelu":
            y = v * (1.0 + erf(v / math.sqrt(2.0))) / 2.0
        case "gelu_tanh":
            y = v * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (v + 0.044715 * v**3))) / 2.0
        case "softplus":
            y = softplus(v)
        case _:
            raise ValueError(step.function)
    return y


def is_scalar(step: object) -> bool:
    """Whether it does the same to every feature, knowing nothing of the others."""
    return (
        isinstance(step, Activation | Pointwise)
        or isinstance(step, Affine)
        and step.scale.size == 1
        and step.shift.size == 1
    )


def composed(steps: Sequence[object]) -> Function:
    """The function that the scalar steps make one after the other."""

    def function(v: NDArray[Any]) -> NDArray[Any]:
        for step in steps:
            if isinstance(step, Affine):
                v = step.scale.reshape(()) * v + step.shift.reshape(())
            elif isinstance(step, Activation):
                v = evaluate(step, v)
            else:
                assert isinstance(step, Pointwise)
                v = step.function(v)
        return v

    return function


# Dense about 0, where the functions bend, and far out, where their limits show. No value is a corner of any.
PROBES = np.concatenate([np.linspace(-12.03, 12.01, 2401), [-700.5, -88.5, -35.5, -21.5, 21.5, 35.5, 88.5, 700.5]])
# Sources write constants as fp32 (sqrt(2), 0.044715), and cut softplus at 20, which is 2e-9 off.
TOLERANCE = 1e-6


def _candidates(f: Function, where: str) -> list[Activation]:
    """Each known function with the parameters that f's own values suggest."""

    def at(v: float) -> float:
        return float(np.asarray(f(np.array([v], np.float64)))[0])

    low, high = at(-700.5), at(700.5)
    found = [
        Activation(name, where=where)
        for name in ("relu", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "softplus", "hard_sigmoid")
    ]
    found.append(Activation("leaky_relu", alpha=-at(-1.0), where=where))
    found.append(Activation("elu", alpha=-low, where=where))
    if low <= high:
        found.append(Activation("clip", alpha=low, beta=high, where=where))
    middle = at(0.0)
    for v in (0.25, -0.25):
        slope = (at(v) - middle) / v
        found.append(Activation("hard_sigmoid", alpha=slope, beta=middle, where=where))
    return found


def recognise(f: Function, where: str) -> Step | None:
    """The step that f is, on every probe within 1e-6 (relative above 1): an Affine or an Activation; else None."""
    with np.errstate(all="ignore"):
        wanted = np.asarray(f(PROBES))
        if wanted.dtype == np.bool_ or wanted.shape != PROBES.shape or not np.all(np.isfinite(wanted)):
            return None
        allowed = TOLERANCE * np.maximum(1.0, np.abs(wanted))
        zero, one = (float(np.asarray(f(np.array([v], np.float64)))[0]) for v in (0.0, 1.0))
        if np.all(np.abs(wanted - ((one - zero) * PROBES + zero)) <= allowed):
            return Affine(np.array([one - zero]), np.array([zero]), where)
        for candidate in _candidates(f, where):
            if np.all(np.abs(wanted - evaluate(candidate, PROBES)) <= allowed):
                return candidate
    return None
