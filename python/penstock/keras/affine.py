"""Keras' layers that scale and shift each feature by constants: BatchNormalization, Rescaling, Normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.importing.chain import Affine, Array
from penstock.importing.jsonfile import Fields
from penstock.importing.values import vector
from penstock.keras.graph import Layer
from penstock.keras.plan import Build, Plan, last_axis, wrong

_LEAST = 1e-7  # keras.config.epsilon(): what Normalization divides by at least


def batch_normalization(plan: Plan, layer: Layer) -> None:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the moving statistics."""
    fields = layer.config
    last_axis(plan, fields, -1)
    epsilon = fields.number("epsilon")
    names = [
        *(["gamma"] if fields.flag("scale") else []),
        *(["beta"] if fields.flag("center") else []),
        "moving_mean",
        "moving_variance",
    ]
    bfloat16 = plan.policy(fields)
    # how the moving statistics are made; they are constants here
    fields.ignore("momentum", "synchronized", "renorm", "renorm_clipping", "renorm_momentum", "fused")
    plan.declared(fields)
    plan.finish(fields)
    read = plan.variables(layer, [("", names)], bfloat16)

    def add(build: Build) -> None:
        found: dict[str, Array] = {}
        for name, stored in zip(names, read(build)[0], strict=True):
            found[name] = stored.read(build.width)
            build.reads(found[name].size, fields.where)
        spread = found["moving_variance"] + epsilon
        if not np.all(spread > 0):
            raise wrong(fields, "moving_variance", "plus epsilon must be positive")
        scale = found.get("gamma", np.ones_like(spread)) / np.sqrt(spread)
        shift = found.get("beta", np.zeros_like(spread)) - found["moving_mean"] * scale
        build.chain.append(Affine(scale, shift, fields.where))

    plan.steps.append(add)


def _constants(plan: Plan, fields: Fields, key: str) -> Array:
    """A number, or one for each feature; Keras 3 writes NumPy arrays as objects."""
    value: Any = fields.get(key)
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        value = Fields(value, plan.source, f"{fields.where}, {key}").object("config").get("value")
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # axes of size 1 before the features
    return vector(value if isinstance(value, list) else [value], plan.source, f"{fields.where}, {key}")


def _append(build: Build, scale: Array, shift: Array, where: str) -> None:
    for part in (scale, shift):
        if part.size != 1:
            build.reads(part.size, where)
    build.chain.append(Affine(scale, shift, where))


def rescaling(plan: Plan, layer: Layer) -> None:
    """y = scale x + offset."""
    fields = layer.config
    scale, offset = _constants(plan, fields, "scale"), _constants(plan, fields, "offset")
    plan.policy(fields)
    plan.declared(fields)
    plan.finish(fields)
    plan.steps.append(lambda build: _append(build, scale, offset, fields.where))


def normalization(plan: Plan, layer: Layer) -> None:
    """y = (x - mean) / sqrt(variance), or the way back with invert."""
    fields = layer.config
    single = fields.get("axis", [-1]) in (None, [])
    if not single:
        last_axis(plan, fields, [-1])
    invert = fields.flag("invert", False)
    given = fields.get("mean", None) is not None
    fixed = (_constants(plan, fields, "mean"), _constants(plan, fields, "variance")) if given else None
    fields.ignore("mean", "variance")
    bfloat16 = plan.policy(fields)
    plan.declared(fields)
    plan.finish(fields)
    names = () if given else ("mean", "variance", "count")
    read = plan.variables(layer, [("", names)], bfloat16)

    def add(build: Build) -> None:
        if fixed is not None:
            mean, variance = fixed
        else:
            stored = read(build)[0]
            shape = () if single else (build.width,)
            mean, variance = (part.read(*shape).reshape(-1) for part in stored[:2])
        if np.any(variance < 0):
            raise wrong(fields, "variance", "must not be negative")
        spread = np.maximum(np.sqrt(variance), _LEAST)
        if invert:
            _append(build, spread, mean, fields.where)
        else:
            _append(build, 1.0 / spread, -mean / spread, fields.where)

    plan.steps.append(add)
