"""A second evaluation of what a file holds, in float64 and apart from the chain: by PyTorch where it is installed, else
by NumPy. Importers whose source has no runtime of its own for Python check their models against it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.importing.extras import find

Values = NDArray[np.float64]


def _doubles(value: Any) -> Values:
    return np.array(value, np.float64)


class LstmLayer:
    """One torch.nn.LSTM layer that keeps its state from call to call. Arguments as PyTorch names and lays them out
    (weight_ih [4H, n], weight_hh [4H, H], biases [4H], h0, c0 [H]); anything that NumPy makes an array of."""

    def __init__(
        self, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any = None, h0: Any = None, c0: Any = None
    ) -> None:
        self.weights = [_doubles(weight_ih), _doubles(weight_hh)]
        for bias in (bias_ih, bias_hh):
            self.weights.append(np.zeros(len(self.weights[0])) if bias is None else _doubles(bias))
        units = self.weights[1].shape[1]
        self.h, self.c = (np.zeros(units) if state is None else _doubles(state) for state in (h0, c0))
        self.torch = find("torch")

    def __call__(self, x: Values) -> Values:
        """x [T, n] -> h [T, H]."""
        return self._by_numpy(x) if self.torch is None else self._by_torch(self.torch, x)

    def _by_torch(self, torch: Any, x: Values) -> Values:
        given = [torch.from_numpy(value.copy()) for value in self.weights]
        module = torch.nn.LSTM(given[0].shape[1], given[1].shape[1], dtype=torch.float64)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        module.load_state_dict(dict(zip(names, given, strict=True)))
        with torch.no_grad():
            state = tuple(torch.from_numpy(value.copy())[None] for value in (self.h, self.c))
            y, (h, c) = module(torch.from_numpy(x.copy()), state)
        self.h, self.c = h[0].numpy().copy(), c[0].numpy().copy()
        return np.array(y.numpy(), np.float64)

    def _by_numpy(self, x: Values) -> Values:
        weight = np.hstack(self.weights[:2])
        bias = self.weights[2] + self.weights[3]
        rows = []
        for row in x:
            i, f, g, o = np.split(weight @ np.concatenate([row, self.h]) + bias, 4)
            i, f, o = ((1.0 + np.tanh(v / 2.0)) / 2.0 for v in (i, f, o))  # the logistic function, without overflow
            self.c = f * self.c + i * np.tanh(g)
            self.h = o * np.tanh(self.c)
            rows.append(self.h)
        return np.array(rows)


def activated(function: str, v: Values) -> Values:
    """RTNeural's activations of [T, m]; softmax over the features of each row."""
    match function:
        case "tanh":
            return np.tanh(v)
        case "relu":
            return v * (v > 0)
        case "sigmoid":
            return (1.0 + np.tanh(v / 2.0)) / 2.0
        case "elu":
            return np.where(v > 0, v, np.expm1(np.minimum(v, 0)))
        case "softmax":
            powers = np.exp(v - v.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    raise ValueError(function)
