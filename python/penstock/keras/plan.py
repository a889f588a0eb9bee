"""Reading a Keras model in two passes: first every configuration, so that all problems are listed at once, then the
weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.errors import Problem, ShapeError
from penstock.importing.chain import Step
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.importing.values import LARGEST_WIDTH
from penstock.keras.graph import Layer
from penstock.keras.store import Grouped, Indexed, Stored

# What training uses, and names: no inference depends on it.
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_PRECISIONS = ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class Build:
    """The second pass: the chain as it grows. width: features that the next step reads, None until a shape tells."""

    def __init__(self, source: str, weights: Grouped | Indexed, inputs: int | None) -> None:
        self.source = source
        self.weights = weights
        self.chain: list[Step] = []
        self.inputs = inputs
        self.width = inputs

    def reads(self, width: int, where: str) -> None:
        """The next step reads so many features. ShapeError if the one before gives another number."""
        if self.width is None:
            self.inputs = self.width = width
        elif self.width != width:
            raise ShapeError(
                f"{self.source}: {where}: reads {width} features, but {self.width} come in",
                file=self.source,
                item=where,
                expected=self.width,
                found=width,
            )


Second = Callable[[Build], None]


@dataclass
class Plan:
    """The first pass. version: of Keras. rank: of what the next layer reads, 3 [batch, time, features] or, after a
    layer that returns only its last step, 2. exact: whether today's Keras computes what the file's own did."""

    source: str
    version: tuple[int, ...]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: list[Second] = field(default_factory=list)
    rank: int = 3
    readout: Literal["all", "last"] = "all"
    inputs: int | None = None
    exact: bool = True

    def problem(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def then(self, *steps: Step) -> None:
        """Steps that need no weights."""
        self.steps.append(lambda build: build.chain.extend(steps))

    def policy(self, fields: Fields) -> bool:
        """Checks the dtype policy of a layer; whether its weights are kept as bfloat16."""
        value = fields.get("dtype", "float32")
        name: Any = value
        if isinstance(value, dict):
            name = value["config"].get("name") if isinstance(value.get("config"), dict) else None
        if name not in _PRECISIONS:
            self.problem(fields.where, f"the dtype policy {shown(value if name is None else name)} is not run")
        return bool(name == "bfloat16")

    def declared(self, fields: Fields) -> None:
        """Shapes that a layer says its input has (the first one of a Sequential, in Keras 2)."""
        for key in ("batch_shape", "batch_input_shape", "build_input_shape", "input_shape"):
            shape = fields.get(key, None)
            if shape is None:
                continue
            if not isinstance(shape, list) or not all(size is None or type(size) is int for size in shape):
                raise fields.bad(key, f"must be a list of whole numbers and null, is {shown(shape)}")
            if key == "input_shape":
                shape = [None, *shape]
            if len(shape) != 3:
                self.problem(
                    fields.where, f"the input has {len(shape)} axes, {shown(shape)}; [batch, time, features] is run"
                )
            elif shape[-1] is not None:
                if not 1 <= shape[-1] <= LARGEST_WIDTH:
                    raise fields.bad(key, f"ends with {shape[-1]} features")
                if self.inputs not in (None, shape[-1]):
                    raise fields.bad(key, f"ends with {shape[-1]} features; another shape says {self.inputs}")
                self.inputs = shape[-1]
        fields.ignore("input_dim", "input_length")

    def finish(self, fields: Fields) -> None:
        """Names what is left of a layer's configuration: a key that is not known might change the result."""
        fields.ignore("name", "trainable", "dtype", *(key for key in fields.values if key.endswith(_TRAINING)))
        for key in fields.rest():
            self.problem(fields.where, f"the setting {shown(key)[1:-1]}={shown(fields.values[key])} is not known")

    def variables(
        self, layer: Layer, parts: Sequence[tuple[str, Sequence[str]]], bfloat16: bool
    ) -> Callable[[Build], list[list[Stored]]]:
        """What reads the layer's variables in the second pass."""
        return lambda build: build.weights.of(layer.name, layer.group, parts, bfloat16)


def alternatives(fields: Fields, key: str, allowed: Sequence[Any], what: str, plan: Plan) -> None:
    """A setting that must have one of some values; another is a problem that names it. null counts as the first."""
    value = fields.get(key, None)
    if value is not None and not any(type(value) is type(known) and value == known for known in allowed):
        plan.problem(fields.where, f"{key}={shown(value)} {what}")


def last_axis(plan: Plan, fields: Fields, default: Any) -> bool:
    """Whether the setting `axis` is the features', as a number or a list of one; a problem if not."""
    value = fields.get("axis", default)
    axes = value if isinstance(value, list) else [value]
    if len(axes) == 1 and type(axes[0]) is int and axes[0] in (-1, plan.rank - 1):
        return True
    plan.problem(fields.where, f"axis={shown(value)} is not the features' alone")
    return False


def wrong(fields: Fields, key: str, what: str) -> Exception:
    """The error of a setting that contradicts the layer."""
    return corrupt(fields.source, fields.where, f"{key} {what}", key)
