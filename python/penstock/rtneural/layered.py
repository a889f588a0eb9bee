"""RTNeural's Keras dialect: {"in_shape": [null, null, n], "layers": [{"type", "activation", "shape", "weights"}, ..]},
weights as keras' get_weights() gives them: [inputs, outputs], gates in the order i, f, c, o. AIDA-X' keys beside."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import Problem, ShapeError, unsupported
from penstock.importing.chain import Affine, Linear, Lstm, Step
from penstock.importing.found import Answer, Found
from penstock.importing.jsonfile import Fields, shown
from penstock.importing.values import LARGEST_WIDTH, check_shape, matrix, vector
from penstock.rtneural.common import ACTIVATIONS, Read, activation

_WHY = {
    "conv1d": "mixes timesteps",
    "conv2d": "mixes timesteps",
    "gru": "a GRU; of recurrent layers only LSTM is run",
    "prelu": "slopes that are learnt are not run",
    "batchnorm2d": "two-dimensional features are not run",
}


def _size(fields: Fields, key: str) -> int:
    """The last size of a shape."""
    shape = fields.items(key)
    if not shape or type(shape[-1]) is not int or not 1 <= shape[-1] <= LARGEST_WIDTH:
        raise fields.bad(key, f"must end with the number of features, is {shown(shape)}")
    return int(shape[-1])


def _fit(fields: Fields, due: int, found: int, says: str, but: str) -> None:
    """ShapeError where the layer's shape says another size than is found."""
    if due != found:
        raise ShapeError(
            f"{fields.source}: {fields.where}: shape says {says}, but {but}",
            file=fields.source,
            item=fields.where,
            field="shape",
            expected=due,
            found=found,
        )


class _Reader:
    def __init__(self, source: str, width: int) -> None:
        self.source = source
        self.width = width
        self.problems: list[Problem] = []
        self.chain: list[Step] = []

    def arrays(self, fields: Fields, counts: tuple[int, ...], names: str) -> list[Any]:
        weights = fields.items("weights")
        if len(weights) not in counts:
            raise fields.bad("weights", f"must be {names}, is a list of {len(weights)}")
        return weights

    def lstm(self, fields: Fields) -> None:
        # Keras' name of the cell's own activation, which RTNeural does not look at
        inner = fields.text("activation", "")
        if inner not in ("", "tanh"):
            self.problems.append(Problem(fields.where, f"activation={shown(inner)}; an LSTM's is tanh"))
        size = _size(fields, "shape")
        if fields.get("hidden_size", None) is not None and fields.whole("hidden_size") != size:
            raise fields.bad("hidden_size", f"must be {size}, as shape says")
        given = self.arrays(fields, (2, 3), "kernel, recurrent kernel and bias")
        kernel = matrix(given[0], self.source, f"{fields.where}, kernel")
        _fit(fields, 4 * size, kernel.shape[1], f"4 gates of {size} units", f"the kernel is {list(kernel.shape)}")
        check_shape(kernel.shape, (self.width, 4 * size), self.source, f"{fields.where}, kernel")
        recurrent = matrix(given[1], self.source, f"{fields.where}, recurrent kernel", (size, 4 * size))
        bias = vector(given[2], self.source, f"{fields.where}, bias", 4 * size) if len(given) == 3 else None
        weight_ih, weight_hh = np.ascontiguousarray(kernel.T), np.ascontiguousarray(recurrent.T)
        self.chain.append(Lstm(weight_ih, weight_hh, bias, where=fields.where))
        self.width = size

    def dense(self, fields: Fields) -> None:
        size = _size(fields, "shape")
        given = self.arrays(fields, (1, 2), "kernel and bias")
        kernel = matrix(given[0], self.source, f"{fields.where}, kernel")
        _fit(fields, size, kernel.shape[1], f"{size} units", f"the kernel is {list(kernel.shape)}")
        check_shape(kernel.shape, (self.width, size), self.source, f"{fields.where}, kernel")
        bias = vector(given[1], self.source, f"{fields.where}, bias", size) if len(given) == 2 else None
        self.chain.append(Linear(np.ascontiguousarray(kernel.T), bias, fields.where))
        self.width = size
        self.activation(fields, "")

    def activation(self, fields: Fields, default: str | None) -> None:
        name = fields.text("activation") if default is None else fields.text("activation", default)
        if name not in ("", "linear", *ACTIVATIONS):
            self.problems.append(Problem(fields.where, f"the activation {shown(name)} is not run"))
            return
        size = _size(fields, "shape")
        _fit(fields, size, self.width, f"{size} features", f"{self.width} come in")
        self.chain += activation(name, fields.where)

    def batchnorm(self, fields: Fields) -> None:
        """y = gamma (x - mean) / sqrt(variance + epsilon) + beta; without gamma and beta, two lists."""
        size = _size(fields, "shape")
        _fit(fields, size, self.width, f"{size} features", f"{self.width} come in")
        given = self.arrays(fields, (2, 4), "gamma, beta, mean and variance, or the last two")
        names = ("gamma", "beta", "mean", "variance")[-len(given) :]
        found = {
            name: vector(value, self.source, f"{fields.where}, {name}", self.width)
            for name, value in zip(names, given, strict=True)
        }
        spread = found["variance"] + fields.number("epsilon")
        if not np.all(spread > 0):
            raise fields.bad("weights", "has a variance that is not positive with epsilon added")
        scale = found.get("gamma", np.ones(self.width)) / np.sqrt(spread)
        self.chain.append(Affine(scale, found.get("beta", np.zeros(self.width)) - found["mean"] * scale, fields.where))
        inner = fields.text("activation", "")
        if inner != "":
            self.problems.append(
                Problem(fields.where, f"activation={shown(inner)} of a batchnorm, which RTNeural drops")
            )

    def layer(self, fields: Fields) -> None:
        kind = fields.text("type")
        fields.where = f"{fields.where} ({shown(kind)[1:-1]})"
        if kind == "lstm":
            self.lstm(fields)
        elif kind in ("dense", "time-distributed-dense"):
            self.dense(fields)
        elif kind == "activation":
            self.activation(fields, None)
        elif kind == "batchnorm":
            self.batchnorm(fields)
        else:
            self.problems.append(Problem(fields.where, _WHY.get(kind, f"a layer of type {shown(kind)} is not run")))
            return
        fields.ignore("name", "weights")
        self.problems += [Problem(fields.where, f"the key {shown(key)} is not known") for key in fields.rest()]


def _gain(fields: Fields, key: str) -> float:
    """A gain, given in dB, as a factor. Without one, 1."""
    if fields.get(key, None) is None:
        return 1.0
    value = fields.number(key)
    if abs(value) > 200:
        raise fields.bad(key, f"must be a gain in dB, from -200 to 200, is {value}")
    return float(10.0 ** (value / 20.0))


def _skip(fields: Fields, inner: float, outer: float) -> Problem | None:
    value = fields.get("in_skip", None)
    if value is None or (type(value) is int and value == 0):
        return None
    if type(value) is not int or value != 1:
        raise fields.bad("in_skip", f"must be 0 or 1, is {shown(value)}")
    return Problem("in_skip", f"the source adds {inner * outer:.9g} times its first input to the output")


def _keras(layers: list[dict[str, Any]], inputs: int, inner: float, outer: float) -> Answer | str:
    """Keras' layers with the weights of the file."""
    try:
        keras: Any = importlib.import_module("keras")
        makers = keras.layers
    except Exception as error:
        return f"Keras cannot be imported here ({type(error).__name__})"
    try:
        model = [keras.Input((None, inputs))]
        for layer in layers:
            kind, name = layer["type"], layer.get("activation") or "linear"
            units, biased = layer["shape"][-1], len(layer["weights"]) == (3 if kind == "lstm" else 2)
            if kind == "lstm":
                model.append(makers.LSTM(units, return_sequences=True, use_bias=biased))
            elif kind == "activation":
                model.append(makers.Activation(name))
            elif kind == "batchnorm":
                affine = len(layer["weights"]) == 4
                model.append(makers.BatchNormalization(epsilon=layer["epsilon"], center=affine, scale=affine))
            else:
                dense = makers.Dense(units, activation=name, use_bias=biased)
                model.append(makers.TimeDistributed(dense) if kind.startswith("time") else dense)
        network = keras.Sequential(model)
        for made, layer in zip(network.layers, layers, strict=True):
            made.set_weights([np.array(part, np.float32) for part in layer.get("weights", []) or []])
    except Exception as error:
        return f"Keras {keras.__version__} does not take the weights ({type(error).__name__})"

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        x = np.array(x, np.float32)
        x[:, 0] *= inner
        result: NDArray[Any] = outer * np.asarray(network.predict(x[None], verbose=0))[0]
        return result

    return answer


def read(fields: Fields) -> Read:
    """The model of a file in this dialect."""
    source = fields.source
    inputs = _size(fields, "in_shape")
    if len(fields.items("in_shape")) > 3:
        raise unsupported(source, [Problem("in_shape", "two-dimensional features are not run")])
    reader = _Reader(source, inputs)
    items = fields.items("layers")
    if not items:
        raise fields.bad("layers", "is empty")
    inner, outer = _gain(fields, "in_gain"), _gain(fields, "out_gain")
    adds = _skip(fields, inner, outer)
    if inner != 1.0:
        # Of the audio; inputs beside it are knobs, which AIDA-X passes on as they are.
        scale = np.ones(inputs)
        scale[0] = inner
        reader.chain.append(Affine(scale, np.zeros(inputs), "in_gain"))
    for index, item in enumerate(items):
        if reader.problems:
            _only_types(reader, item, source, index)
            continue
        reader.layer(Fields(item, source, f"layer {index}"))
    if outer != 1.0:
        reader.chain.append(Affine(np.array([outer]), np.zeros(1), "out_gain"))
    # names, licences; a test signal with the answer that the trainer recorded
    fields.ignore("metadata", "samplerate", "input_batch", "output_batch")
    reader.problems += [Problem("the file", f"the key {shown(key)} is not known") for key in fields.rest()]
    if reader.problems:
        raise unsupported(source, reader.problems)
    found = Found(source, reader.chain, inputs)
    return found, lambda: _keras(items, inputs, inner, outer), adds


def _only_types(reader: _Reader, item: Any, source: str, index: int) -> None:
    """After a layer that is not run, the sizes of the next ones are not known; their types are."""
    fields = Fields(item, source, f"layer {index}")
    kind = fields.text("type")
    if kind not in ("lstm", "dense", "time-distributed-dense", "activation", "batchnorm"):
        reader.layer(fields)
