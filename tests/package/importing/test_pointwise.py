"""Scalar functions against PyTorch's where it is there, and their recognition however they are written."""

import numpy as np
import pytest

from penstock.importing.chain import Activation, Affine
from penstock.importing.pointwise import PROBES, erf, evaluate, recognise, sigmoid, softplus

WRITTEN = {
    "silu": lambda v: v / (1 + np.exp(-np.clip(v, -700, None))),
    "gelu": lambda v: 0.5 * v * (1 + erf(v / np.float32(1.4142135))),
    "gelu_tanh": lambda v: 0.5 * v * (1 + np.tanh(np.float32(0.7978845608) * (v + 0.044715 * v**3))),
    "softplus": lambda v: np.where(v > 20, v, np.log1p(np.exp(np.minimum(v, 20)))),
    "relu": lambda v: (v + np.abs(v)) / 2,
    "tanh": lambda v: 2 * sigmoid(2 * v) - 1,
    "sigmoid": lambda v: 0.5 * np.tanh(v / 2) + 0.5,
    "leaky_relu": lambda v: np.maximum(v, 0.125 * v),
    "elu": lambda v: np.where(v > 0, v, 0.75 * (np.exp(np.minimum(v, 0)) - 1)),
    "hard_sigmoid": lambda v: np.minimum(np.maximum(v + 3, 0), 6) / 6,
    "clip": lambda v: np.minimum(np.maximum(v, -0.5), 2.0),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_recognised_by_values(name):
    found = recognise(WRITTEN[name], "here")
    assert isinstance(found, Activation) and found.function == name
    assert np.allclose(evaluate(found, PROBES), WRITTEN[name](PROBES), rtol=1e-6, atol=1e-6)


def test_an_affine_function_is_one():
    found = recognise(lambda v: 3 * v - 2, "here")
    assert isinstance(found, Affine) and found.scale == 3 and found.shift == -2
    assert isinstance(recognise(lambda v: np.zeros_like(v), "here"), Affine)


@pytest.mark.parametrize(
    "f",
    [
        np.sin,
        np.exp,
        lambda v: v * np.tanh(softplus(v)),
        lambda v: v * np.clip(v + 3, 0, 6) / 6,
        lambda v: v > 0,
        lambda v: np.where(v > 0, v, np.nan),
        lambda v: sigmoid(1.01 * v),
    ],
)
def test_others_are_not_recognised(f):
    assert recognise(f, "here") is None


def test_against_pytorch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    v = torch.tensor(PROBES)
    for step, y in (
        (Activation("relu"), functional.relu(v)),
        (Activation("leaky_relu"), functional.leaky_relu(v)),
        (Activation("leaky_relu", 0.3), functional.leaky_relu(v, 0.3)),
        (Activation("elu"), functional.elu(v)),
        (Activation("elu", 0.3), functional.elu(v, 0.3)),
        (Activation("tanh"), torch.tanh(v)),
        (Activation("sigmoid"), torch.sigmoid(v)),
        (Activation("hard_sigmoid"), functional.hardsigmoid(v)),
        (Activation("clip", -0.5, 1.5), torch.clamp(v, -0.5, 1.5)),
        (Activation("silu"), functional.silu(v)),
        (Activation("gelu"), functional.gelu(v)),
        (Activation("gelu_tanh"), functional.gelu(v, approximate="tanh")),
        (Activation("softplus"), torch.logaddexp(v, torch.zeros_like(v))),
    ):
        assert np.allclose(evaluate(step, PROBES), y.numpy(), rtol=1e-12, atol=1e-12), step
