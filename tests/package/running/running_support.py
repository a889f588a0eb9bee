"""Small models for the tests of running, made from seeded numbers, and what several tests do."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import numpy as np

import penstock
from penstock.importing import chain

FORMATS = ("f32", "bf16", "w8a16", "w8a8")
# Set where the library is the one with sanitizers (tests/run): memory is counted otherwise there, and slowly.
SANITIZED = os.environ.get("PENSTOCK_SANITIZED") == "1"


def lstm(rng, inputs, units, gain=1.0, state=False):
    """PyTorch's default distribution times gain."""
    bound = gain / np.sqrt(units)
    shapes = {
        "weight_ih": (4 * units, inputs),
        "weight_hh": (4 * units, units),
        "bias_ih": (4 * units,),
        "bias_hh": (4 * units,),
    }
    tensors = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}
    if state:
        tensors |= {"h0": rng.uniform(-0.9, 0.9, units), "c0": rng.normal(size=units)}
    return chain.Lstm(**tensors)


def linear(rng, inputs, outputs):
    bound = 1 / np.sqrt(inputs)
    return chain.Linear(rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs))


def layers(name):
    """The layers of a named model. All take 7 features but `one`, which takes 1."""
    rng = np.random.default_rng(20220930)
    match name:
        case "stack":
            return [lstm(rng, 7, 20, 2), lstm(rng, 20, 13, 2), linear(rng, 13, 3)]
        case "state":
            return [lstm(rng, 7, 9, 2, state=True), chain.Activation("tanh"), lstm(rng, 9, 5, 2, state=True)]
        case "even":  # all lstm layers of the same size
            return [lstm(rng, 7, 8, 2), lstm(rng, 8, 8, 2), linear(rng, 8, 2)]
        case "one":
            return [lstm(rng, 1, 4, 2), linear(rng, 4, 1)]
        case "plain":  # nothing recurrent
            return [linear(rng, 7, 7), chain.Activation("leaky_relu", 0.2)]
    raise AssertionError(name)


MODELS = ("stack", "state", "even", "one", "plain")


@functools.cache
def model(name="stack"):
    return penstock.Model.create(layers(name))


@functools.cache
def program(name="stack", form="f32"):
    return model(name).compile(form, certificate_steps=8, progress=False)


def noise(steps, features=7, seed=1):
    return np.random.default_rng(seed).normal(size=(steps, features)).astype(np.float32)


def steps_of(stream, x):
    """y [T, outputs], one step after the other."""
    return np.array([stream.step(row) for row in x]).reshape(len(x), stream.outputs)


def child(code, **more):
    """Runs Python code in a process of its own; its output. It must end with 0."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, **more
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
