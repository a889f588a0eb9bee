"""Keras' activations, by name and as layers, and the layers that do nothing in inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.importing.chain import Activation, Affine, Softmax, Step
from penstock.importing.jsonfile import Fields, shown
from penstock.keras.graph import foreign
from penstock.keras.plan import Plan, alternatives, last_axis

# keras.activations; where a name takes a parameter, Keras' default.
_NAMES: dict[str, tuple[str, float | None, float | None]] = {
    "relu": ("relu", None, None),
    "relu6": ("clip", 0.0, 6.0),
    "leaky_relu": ("leaky_relu", 0.2, None),
    "elu": ("elu", 1.0, None),
    "tanh": ("tanh", None, None),
    "hard_tanh": ("clip", -1.0, 1.0),
    "sigmoid": ("sigmoid", None, None),
    "silu": ("silu", None, None),
    "swish": ("silu", None, None),
    "gelu": ("gelu", None, None),
    "softplus": ("softplus", None, None),
}
# Klambauer et al., Self-Normalizing Neural Networks, 2017: selu(v) = scale * elu(v, alpha).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def named(plan: Plan, where: str, value: Any) -> list[Step]:
    """The steps of an activation as configurations give it: a name, null, or an activation layer's object."""
    if value is None or value == "linear":
        return []
    if isinstance(value, dict):
        entry = Fields(value, plan.source, f"{where}, activation")
        kind = entry.get("class_name", None)
        if isinstance(kind, str) and kind in LAYERS and foreign(entry) is None:
            return LAYERS[kind](plan, Fields(entry.get("config"), plan.source, f"{where}, activation {kind}"))
        plan.problem(where, f"the activation {shown(entry.values.get('config', value))} is a custom function")
        return []
    if value == "softmax":
        return [Softmax(where)]
    if value == "selu":
        return [
            Activation("elu", _SELU_ALPHA, None, where),
            Affine(np.array([_SELU_SCALE]), np.array([0.0]), where),
        ]
    if value == "hard_sigmoid":
        return _hard_sigmoid(plan, where)
    if isinstance(value, str) and value in _NAMES:
        function, alpha, beta = _NAMES[value]
        return [Activation(function, alpha, beta, where)]
    plan.problem(where, f"the activation {shown(value)} is not run")
    return []


def _hard_sigmoid(plan: Plan, where: str) -> list[Step]:
    """Of slope 1/6 in Keras 3 and 0.2 before, so the version must be known."""
    if not plan.version:
        plan.problem(where, "hard_sigmoid depends on the version of Keras, and the file does not say which")
        return []
    if plan.version[0] < 3:
        plan.exact = False
    return [Activation("hard_sigmoid", 0.2 if plan.version[0] < 3 else 1.0 / 6.0, 0.5, where)]


def _activation(plan: Plan, fields: Fields) -> list[Step]:
    steps = named(plan, fields.where, fields.get("activation"))
    plan.finish(fields)
    return steps


def _relu(plan: Plan, fields: Fields) -> list[Step]:
    largest = None if fields.get("max_value", None) is None else fields.number("max_value")
    slope = 0.0 if fields.get("negative_slope", None) is None else fields.number("negative_slope")
    alternatives(fields, "threshold", (0, 0.0), "is not run", plan)
    plan.finish(fields)
    if slope != 0.0 and largest is not None:
        plan.problem(fields.where, f"negative_slope={slope} together with max_value={largest} is not run")
    if largest is not None:
        if largest < 0:
            raise fields.bad("max_value", f"must not be negative, is {largest}")
        return [Activation("clip", 0.0, largest, fields.where)]
    return [Activation("leaky_relu", slope, None, fields.where) if slope else Activation("relu", where=fields.where)]


def _leaky_relu(plan: Plan, fields: Fields) -> list[Step]:
    slope = fields.number("alpha" if "alpha" in fields else "negative_slope")  # alpha: Keras 2
    plan.finish(fields)
    return [Activation("leaky_relu", slope, None, fields.where)]


def _elu(plan: Plan, fields: Fields) -> list[Step]:
    alpha = fields.number("alpha", 1.0)
    plan.finish(fields)
    return [Activation("elu", alpha, None, fields.where)]


def _softmax(plan: Plan, fields: Fields) -> list[Step]:
    last_axis(plan, fields, -1)
    plan.finish(fields)
    return [Softmax(fields.where)]


def _identity(plan: Plan, fields: Fields) -> list[Step]:
    """What only training notices."""
    fields.ignore("rate", "noise_shape", "seed", "stddev", "l1", "l2", "data_format")
    plan.finish(fields)
    return []


LAYERS = {
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "Softmax": _softmax,
    "Dropout": _identity,
    "SpatialDropout1D": _identity,
    "GaussianDropout": _identity,
    "GaussianNoise": _identity,
    "AlphaDropout": _identity,
    "ActivityRegularization": _identity,
    "Identity": _identity,
}
