"""A chain evaluated in float64, as obviously as it can be: what importers find is held against their sources by it."""

import math

import numpy as np

from penstock.importing.chain import Activation, Affine, Linear, Lstm, Softmax


def logistic(v):
    return 1.0 / (1.0 + np.exp(-v))


FUNCTIONS = {
    "relu": lambda v, a, b: np.maximum(v, 0),
    "leaky_relu": lambda v, a, b: np.where(v > 0, v, (0.01 if a is None else a) * v),
    "elu": lambda v, a, b: np.where(v > 0, v, (1.0 if a is None else a) * (np.exp(np.minimum(v, 0)) - 1)),
    "tanh": lambda v, a, b: np.tanh(v),
    "sigmoid": lambda v, a, b: logistic(v),
    "hard_sigmoid": lambda v, a, b: np.clip((1 / 6 if a is None else a) * v + (0.5 if b is None else b), 0, 1),
    "clip": lambda v, a, b: np.clip(v, a, b),
    "silu": lambda v, a, b: v * logistic(v),
    "gelu": lambda v, a, b: v * (1 + np.vectorize(math.erf)(v / math.sqrt(2))) / 2,
    "softplus": lambda v, a, b: np.log1p(np.exp(v)),
}


def evaluate(chain, x):
    """y [T, outputs] for x [T, inputs], from the chain's initial state."""
    states = {}
    rows = []
    for v in np.asarray(x, np.float64):
        for place, step in enumerate(chain):
            if isinstance(step, Lstm):
                units = step.outputs
                zero = np.zeros(units)
                h, c = states.get(place, (zero if step.h0 is None else step.h0, zero if step.c0 is None else step.c0))
                z = step.weight_ih @ v + step.weight_hh @ h
                z = z + (0 if step.bias_ih is None else step.bias_ih) + (0 if step.bias_hh is None else step.bias_hh)
                i, f, g, o = z[:units], z[units : 2 * units], z[2 * units : 3 * units], z[3 * units :]
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
                states[place] = h, c
                v = h
            elif isinstance(step, Linear):
                v = step.weight @ v + (0 if step.bias is None else step.bias)
            elif isinstance(step, Affine):
                v = step.scale * v + step.shift
            elif isinstance(step, Activation):
                v = FUNCTIONS[step.function](v, step.alpha, step.beta)
            else:
                assert isinstance(step, Softmax)
                v = np.exp(v - v.max()) / np.exp(v - v.max()).sum()
        rows.append(v)
    return np.array(rows)
