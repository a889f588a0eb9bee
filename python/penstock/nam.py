"""Reads LSTM models of Neural Amp Modeler, `.nam` files.

The file is JSON: `config` has the sizes, `weights` one list of numbers. For each layer: [W_ih | W_hh] row by row,
[4H, n + H], gates in the order i, f, g, o; one bias [4H]; the initial h [H] and c [H]. Then the head: weight
[outputs, H] and bias [outputs]. Everything that changes the result is honoured or refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ArgumentError, Problem, ShapeError, unsupported
from penstock.importing.chain import Array, Linear, Lstm
from penstock.importing.found import Answer, Found, finish
from penstock.importing.independent import LstmLayer
from penstock.importing.jsonfile import Fields, Path, parse, read_bytes, shown
from penstock.importing.values import vector

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["load"]

# Keys that do not change what the model computes: who made it, how loud it is, which exporter wrote it.
_IGNORED = ("version", "metadata")
_LARGEST_PREWARM = 1 << 22  # steps: 87 s at 48 kHz
_BLOCK = 4096  # steps of zeros that the check makes at a time


@dataclass(frozen=True)
class _Sizes:
    layers: int
    inputs: int
    units: int
    outputs: int

    def layer(self, index: int) -> tuple[int, int, int, int, int]:
        """Numbers of a layer: columns of its matrix, then how many values each of its four parts has."""
        columns = (self.units if index else self.inputs) + self.units
        return columns, 4 * self.units * columns, 4 * self.units, self.units, self.units

    @property
    def count(self) -> int:
        first, others = sum(self.layer(0)[1:]), sum(self.layer(1)[1:])
        return first + (self.layers - 1) * others + self.outputs * (self.units + 1)


def _sizes(config: Fields, problems: list[Problem]) -> _Sizes:
    inputs, channels = config.whole("input_size"), config.whole("in_channels", 1)
    sizes = _Sizes(config.whole("num_layers"), inputs, config.whole("hidden_size"), config.whole("out_channels", 1))
    if inputs != channels:
        raise ShapeError(
            f"{config.source}: config: input_size is {inputs}, in_channels {channels}"
            f"{'' if 'in_channels' in config else ' (it is missing, which means 1)'}; they must agree",
            file=config.source,
            item="config",
            field="input_size",
            expected=channels,
            found=inputs,
        )
    problems += [Problem(f"config, {key}", "a key that this version does not know") for key in config.rest()]
    return sizes


def _chain(sizes: _Sizes, weights: Array) -> tuple[list[Lstm], Linear]:
    at = 0

    def take(*shape: int) -> Array:
        nonlocal at
        start, at = at, at + math.prod(shape)
        return weights[start:at].reshape(shape)

    layers = []
    for index in range(sizes.layers):
        n = sizes.units if index else sizes.inputs
        both = take(4 * sizes.units, n + sizes.units)
        bias = take(4 * sizes.units)
        h0, c0 = take(sizes.units), take(sizes.units)
        layers.append(Lstm(both[:, :n], both[:, n:], bias, None, h0, c0, f"layer {index}"))
    return layers, Linear(take(sizes.outputs, sizes.units), take(sizes.outputs), "head")


def _sigmoid(v: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.maximum(v, -700.0))), np.float64)


def _warmed(layers: list[Lstm], steps: int) -> list[Lstm]:
    """The layers, with the states that `steps` timesteps of zeros leave behind, in float64."""
    h = [np.asarray(layer.h0, np.float64) for layer in layers]
    biases = [np.asarray(layer.bias_ih, np.float64) for layer in layers]
    c = [np.asarray(layer.c0, np.float64) for layer in layers]
    zeros = np.zeros(layers[0].inputs)
    for _ in range(steps):
        x, moved = zeros, False
        for index, layer in enumerate(layers):
            units = layer.outputs
            z = layer.weight_ih @ x + layer.weight_hh @ h[index] + biases[index]
            i, f, o = _sigmoid(z[:units]), _sigmoid(z[units : 2 * units]), _sigmoid(z[3 * units :])
            cell = f * c[index] + i * np.tanh(z[2 * units : 3 * units])
            x = o * np.tanh(cell)
            moved = moved or not (np.array_equal(cell, c[index]) and np.array_equal(x, h[index]))
            h[index], c[index] = x, cell
        if not moved:  # a fixed point, to the last bit: all further steps repeat it
            break
    return [replace(layer, h0=h[index], c0=c[index]) for index, layer in enumerate(layers)]


def _answer(sizes: _Sizes, weights: list[Any], steps: int) -> Answer:
    """By code that shares nothing with the chain: straight from the file's list."""

    def answer(x: Array) -> Array:
        parts = [count for index in range(sizes.layers) for count in sizes.layer(index)[1:]]
        ends = np.cumsum([*parts, sizes.outputs * sizes.units])
        *values, head, head_bias = np.split(np.array(weights, np.float64), ends)
        stack = []
        for index in range(sizes.layers):
            matrix, bias, h0, c0 = values[4 * index : 4 * index + 4]
            w = matrix.reshape(4 * sizes.units, -1)
            stack.append(LstmLayer(w[:, : -sizes.units], w[:, -sizes.units :], bias, None, h0, c0))

        def run(block: Array) -> Array:
            for layer in stack:
                block = layer(block)
            return block

        for start in range(0, steps, _BLOCK):
            run(np.zeros((min(_BLOCK, steps - start), sizes.inputs)))
        return run(np.asarray(x, np.float64)) @ head.reshape(sizes.outputs, sizes.units).T + head_bias

    return answer


def _steps(source: str, top: Fields, prewarm: float) -> tuple[int, str]:
    """How many steps `prewarm` is, and the note about it."""
    rate = top.get("sample_rate", None)
    if rate is not None:
        rate = top.number("sample_rate")
        if rate <= 0:
            raise top.bad("sample_rate", f"must be above 0, is {shown(rate)}")
    if not prewarm:
        return 0, "the player runs 0.5 s of zeros before the first step, this model does not: prewarm=0.5 does the same"
    if rate is None:
        raise ArgumentError(
            f"{source}: prewarm={prewarm} is in seconds, and the file has no sample_rate", file=source, item="prewarm"
        )
    wanted = prewarm * rate
    if wanted >= _LARGEST_PREWARM:
        raise ArgumentError(
            f"{source}: prewarm={prewarm} is {wanted:.0f} steps at {rate:g} Hz; at most {_LARGEST_PREWARM} are run",
            file=source,
            item="prewarm",
        )
    steps = math.floor(wanted + 1e-6)
    return steps, f"begins as after {steps} steps of zeros ({prewarm:g} s at {rate:g} Hz)"


def load(path: Path, *, prewarm: float = 0.0, verify: bool = True) -> Model:
    """The model of a `.nam` file whose architecture is LSTM.

    prewarm: seconds of zeros that the model has heard before its first step; what they leave in h and c becomes the
    initial state. NAM's player takes 0.5. Needs the file's sample_rate; takes as long as that many steps in NumPy.
    verify: run the model on random input and hold it against PyTorch in float64, or NumPy where that is not installed
    (MismatchError).

    Reads the whole file into memory; holds the GIL. Raises FileError, CorruptError, ShapeError (the count of weights),
    NonFiniteError, ArgumentError (prewarm), UnsupportedError (every reason at once, in `problems`)."""
    if isinstance(prewarm, bool) or not isinstance(prewarm, Real) or not 0 <= prewarm < math.inf:
        raise ArgumentError(f"prewarm: expected seconds from 0, found {shown(prewarm)}", item="prewarm")
    source, data = read_bytes(path)
    top = Fields(parse(data, source), source, "the file")
    architecture = top.text("architecture")
    if architecture != "LSTM":
        what = f"{shown(architecture)} is not run by this version; only 'LSTM' is"
        raise unsupported(source, [Problem("architecture", what)])
    config, weights = top.object("config"), top.items("weights")
    steps, note = _steps(source, top, float(prewarm))
    top.ignore(*_IGNORED)
    problems = [Problem(key, "a key that this version does not know") for key in top.rest()]
    sizes = _sizes(config, problems)
    if problems:
        raise unsupported(source, problems)
    if len(weights) != sizes.count:
        raise ShapeError(
            f"{source}: weights: {sizes.layers} layers of {sizes.units} units over {sizes.inputs} inputs, "
            f"{sizes.outputs} outputs, need {sizes.count} numbers, found {len(weights)}",
            file=source,
            item="weights",
            expected=sizes.count,
            found=len(weights),
        )
    layers, head = _chain(sizes, vector(weights, source, "weights"))
    found = Found(source, [*_warmed(layers, steps), head], sizes.inputs, notes=[note])
    return finish(found, (lambda: _answer(sizes, weights, steps)) if verify else None)
