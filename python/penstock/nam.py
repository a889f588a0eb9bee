"""Reads `.nam` files of Neural Amp Modeler whose architecture is "LSTM": LSTM layers and a matrix, on audio samples.

The file is JSON, and `weights` one list of numbers: for each layer [weight_ih | weight_hh], [4H, n + H] row by row,
with the gates in the order i, f, g, o, one bias [4H], h0 [H] and c0 [H]; then the head's weight [out_channels, H] and
bias [out_channels]. A stream starts from h0 and c0.

The players run half a second of zeros through a model before they play; `prewarm=0.5` does the same."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ArgumentError, CorruptError, Problem, unsupported
from penstock.importing.chain import Array, Linear, Lstm
from penstock.importing.found import Answer, Found, finish
from penstock.importing.jsonfile import Fields, Path, parse, read_bytes, shown
from penstock.importing.pointwise import sigmoid
from penstock.importing.values import vector

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["load"]

_VERSIONS = ("0.5", "0.6", "0.7")  # of the file format; each is the same for an LSTM
_MOST_STEPS = 1 << 24  # of a prewarm


@dataclass(frozen=True)
class _Sizes:
    inputs: int
    units: int
    layers: int
    outputs: int

    def weights(self) -> int:
        """How many numbers the file must have."""
        first = 4 * self.units * (self.inputs + self.units + 1) + 2 * self.units
        other = 4 * self.units * (2 * self.units + 1) + 2 * self.units
        return first + (self.layers - 1) * other + self.outputs * (self.units + 1)


class _Cut:
    """Takes arrays off a list of weights, in order."""

    def __init__(self, weights: Array) -> None:
        self._weights = weights
        self._at = 0

    def take(self, *shape: int) -> Array:
        count = math.prod(shape)
        found = self._weights[self._at : self._at + count].reshape(shape)
        self._at += count
        return found


def _layers(weights: Array, sizes: _Sizes) -> tuple[list[Lstm], Linear]:
    cut, inputs, units = _Cut(weights), sizes.inputs, sizes.units
    layers = []
    for index in range(sizes.layers):
        joined = cut.take(4 * units, inputs + units)
        layers.append(
            Lstm(
                weight_ih=np.ascontiguousarray(joined[:, :inputs]),
                weight_hh=np.ascontiguousarray(joined[:, inputs:]),
                bias_ih=cut.take(4 * units),
                h0=cut.take(units),
                c0=cut.take(units),
                where=f"layer {index} (LSTM)",
            )
        )
        inputs = units
    return layers, Linear(cut.take(sizes.outputs, units), cut.take(sizes.outputs), "head")


def _prewarmed(layers: list[Lstm], steps: int) -> list[Lstm]:
    """The layers in the state they are in after `steps` steps of zeros, computed in float64."""
    state = [(np.asarray(layer.h0), np.asarray(layer.c0)) for layer in layers]
    for _ in range(steps):
        after = []
        x = np.zeros(layers[0].inputs)
        for layer, (h, c) in zip(layers, state, strict=True):
            i, f, g, o = np.split(layer.weight_ih @ x + layer.weight_hh @ h + layer.bias_ih, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(c)
            after.append((x, c))
        if all(
            np.array_equal(a, b) for new, old in zip(after, state, strict=True) for a, b in zip(new, old, strict=True)
        ):
            break  # it stays like this
        state = after
    return [replace(layer, h0=h, c0=c) for layer, (h, c) in zip(layers, state, strict=True)]


def _runtime(weights: Array, sizes: _Sizes, steps: int) -> Answer | str:
    """The answer of torch.nn.LSTM, which is what Neural Amp Modeler trains, after as many steps of zeros."""
    try:
        torch: Any = importlib.import_module("torch")
        flat = torch.tensor(weights)
    except Exception as error:
        return f"PyTorch cannot be imported here ({type(error).__name__})"
    units = sizes.units
    lstm = torch.nn.LSTM(sizes.inputs, units, sizes.layers, dtype=torch.float64)
    head = torch.nn.Linear(units, sizes.outputs, dtype=torch.float64)
    states = []
    with torch.no_grad():
        for index in range(sizes.layers):
            ih, hh, bias, other = lstm.all_weights[index]
            columns = ih.shape[1] + units
            joined, first, state, flat = flat.split(
                [4 * units * columns, 4 * units, 2 * units, len(flat) - 4 * units * (columns + 1) - 2 * units]
            )
            joined = joined.view(4 * units, columns)
            ih.copy_(joined[:, :-units])
            hh.copy_(joined[:, -units:])
            bias.copy_(first)
            other.zero_()
            states.append(state.view(2, units))
        head.weight.copy_(flat[: -sizes.outputs].view_as(head.weight))
        head.bias.copy_(flat[-sizes.outputs :])

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            state = tuple(torch.stack(states, dim=1))
            if steps:
                state = lstm(torch.zeros(steps, sizes.inputs, dtype=torch.float64), state)[1]
            result: NDArray[Any] = head(lstm(torch.tensor(x, dtype=torch.float64), state)[0]).numpy()
        return result

    return answer


def _steps(prewarm: float, fields: Fields) -> int:
    """Steps that a prewarm takes, at the file's sample rate."""
    if isinstance(prewarm, bool) or not isinstance(prewarm, int | float) or not 0 <= prewarm < math.inf:
        raise ArgumentError(f"prewarm must be seconds, 0 or more, is {shown(prewarm)}", item="prewarm")
    if prewarm == 0:
        return 0
    if fields.get("sample_rate", None) is None:
        raise ArgumentError(
            f"{fields.source}: prewarm={prewarm} needs the sample rate, and the file has none (sample_rate)",
            file=fields.source,
            item="prewarm",
            field="sample_rate",
        )
    steps = prewarm * fields.number("sample_rate")
    if steps > _MOST_STEPS:
        raise ArgumentError(f"prewarm={prewarm} takes {steps:.3g} steps; at most {_MOST_STEPS} are run", item="prewarm")
    return int(steps)


def _sizes(fields: Fields, problems: list[Problem]) -> _Sizes:
    config = fields.object("config")
    inputs, units = config.whole("input_size"), config.whole("hidden_size")
    layers = config.whole("num_layers", highest=1024)
    channels, outputs = config.whole("in_channels", 1), config.whole("out_channels", 1)
    if channels != inputs:
        what = f"{channels}, but input_size is {inputs}: inputs beside the audio are not run"
        problems.append(Problem("config, in_channels", what))
    for part in (fields, config):
        problems += [Problem(part.where, f"the key {shown(key)} is not known") for key in part.rest()]
    return _Sizes(inputs, units, layers, outputs)


def _read(path: Path, prewarm: float) -> tuple[Found, Array, _Sizes, int]:
    """What the file holds, its weights, and the steps of the prewarm."""
    source, data = read_bytes(path)
    fields = Fields(parse(data, source, "the file"), source, "the file")
    version, architecture = fields.text("version"), fields.text("architecture")
    problems: list[Problem] = []
    if architecture != "LSTM":
        problems.append(Problem("architecture", f"{shown(architecture)} is not run; LSTM is"))
    if ".".join(version.split(".")[:2]) not in _VERSIONS:
        problems.append(Problem("version", f"{shown(version)} is not known; {', '.join(_VERSIONS)} are"))
    if problems:
        raise unsupported(source, problems)
    given, rate = fields.items("weights"), fields.get("sample_rate", None)
    if rate is not None and not fields.number("sample_rate") > 0:
        raise fields.bad("sample_rate", f"must be positive, is {shown(rate)}")
    fields.ignore("metadata")  # gear, loudness, levels, how it was trained: for the player's display and volume
    sizes = _sizes(fields, problems)
    if problems:
        raise unsupported(source, problems)
    if len(given) != sizes.weights():
        raise CorruptError(
            f"{source}: weights: {sizes.weights()} numbers are due, for {sizes.layers} layers of {sizes.units} units, "
            f"{sizes.inputs} inputs and {sizes.outputs} outputs; {len(given)} are there",
            file=source,
            item="weights",
            expected=sizes.weights(),
            found=len(given),
        )
    steps = _steps(prewarm, fields)
    weights = vector(given, source, "weights")
    layers, head = _layers(weights, sizes)
    found = Found(source, [*_prewarmed(layers, steps), head], sizes.inputs)
    if rate is not None:
        found.notes.append(f"sample rate: {fields.number('sample_rate'):g} Hz, a step a sample")
    if steps:
        found.notes.append(f"prewarmed: a stream starts in the state after {steps} steps of zeros")
    return found, weights, sizes, steps


def load(path: Path, *, prewarm: float = 0.0, verify: bool = True) -> Model:
    """The model of a `.nam` file: x is a sample of each of in_channels, y of each of out_channels.

    prewarm: seconds of zeros that are run, in float64, before a stream starts; the state they leave becomes the model's
    h0 and c0. The file must say its sample_rate. (The players run 0.5.)
    verify: run the model on random input and hold it against torch.nn.LSTM, which is what such a file was trained as
    (MismatchError); where PyTorch cannot be imported, a note in the model says so.

    Everything in `metadata` is ignored: it does not change what the model computes. Every other key that is not known
    is refused. Raises FileError, CorruptError, NonFiniteError, UnsupportedError (another architecture, by name),
    ArgumentError (prewarm).
    """
    found, weights, sizes, steps = _read(path, prewarm)
    return finish(found, (lambda: _runtime(weights, sizes, steps)) if verify else None)
