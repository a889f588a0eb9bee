"""The tests' own view of a module: what PyTorch answers in float64, without anything of penstock.torch.export's."""

import copy

import numpy as np
import torch


def noise(steps, features, seed=5):
    return np.random.default_rng(seed).standard_normal((steps, features)).astype(np.float32)


def laid_out(x, layout):
    """x [T, n] as a float64 tensor of the layout: "tn", "tbn", "btn" (a batch of one)."""
    value = torch.from_numpy(x).double()
    return {"tn": value, "tbn": value[:, None], "btn": value[None]}[layout]


def rows(y, layout, last):
    """A module's answer, [T, m] or [1, m], as an array."""
    y = y.detach().numpy()
    if last:
        return y.reshape(1, -1)
    return {"tn": y, "tbn": y[:, 0] if y.ndim == 3 else y, "btn": y[0] if y.ndim == 3 else y}[layout]


def answer(module, x, layout="tn", last=False, pick=lambda made: made):
    """What a float64 copy of the module answers to x [T, n], from a fresh state."""
    with torch.no_grad():
        made = pick(copy.deepcopy(module).double().eval()(laid_out(x, layout)))
    return rows(made, layout, last)


def error(found, wanted):
    """The largest difference, relative to the largest answer."""
    assert found.shape == wanted.shape
    return np.abs(found - wanted).max() / np.abs(wanted).max()
