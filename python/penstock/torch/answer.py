"""The source itself, as a function of x [T, n], for verification: a copy of the module in float64, called as it wants
to be called, from the start of a sequence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from penstock.importing.axes import BATCH, FEATURE, TIME
from penstock.torch.capture import Captured, at_start
from penstock.torch.outputs import Found
from penstock.torch.table import Walk

Answer = Callable[[NDArray[np.float32]], NDArray[np.float64]]


class Source:
    """dtype: to compute in; None: the module's own. pieces: whether a sequence can be given in several calls, the state
    being handed on."""

    def __init__(self, captured: Captured, walk: Walk, found: Found, dtype: torch.dtype | None) -> None:
        self.captured, self.found, self.steps, self.dtype = captured, found, found.steps, dtype
        self.axes = walk.axes[found.x]
        self.stateful = any(r.h is not None and r.h.name in captured.states for r in walk.recurrences)
        self.pieces = self.steps or self.stateful or bool(found.returned)
        leaves, self.spec = pytree.tree_flatten((captured.arguments, captured.keywords))
        tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        self.places = dict(zip(captured.inputs, tensors, strict=True))
        self.leaves = [self._typed(leaf) for leaf in leaves]

    def _typed(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point() and self.dtype is not None:
            return value.to(self.dtype)
        return value

    @property
    def example_steps(self) -> int:
        """T of the example."""
        return next((a.size for a, role in zip(self.axes, self.found.roles, strict=True) if role == TIME), 1)

    def _x(self, x: NDArray[np.float32]) -> Tensor:
        """[T, n] as the module takes it: every batch row the same."""
        value: Tensor = self._typed(torch.from_numpy(np.array(x)).to(self.leaves[self.places[self.found.x]].dtype))
        if self.steps:
            rows = [a.size if role == BATCH else 1 for a, role in zip(self.axes, self.found.roles, strict=True)]
            row = [-1 if role == FEATURE else 1 for role in self.found.roles]
            return value[0].reshape(row).repeat(rows)
        shape, order = [], []
        for d, role in enumerate(self.found.roles):
            if role in (TIME, FEATURE):
                order.append((0 if role == TIME else 1, d))
            shape.append(value.shape[0] if role == TIME else value.shape[1] if role == FEATURE else self.axes[d].size)
        moved = value if [d for _, d in sorted(order)] == sorted(d for _, d in order) else value.T
        for d, role in enumerate(self.found.roles):
            if role not in (TIME, FEATURE):
                moved = moved.unsqueeze(d)
        return moved.expand(shape).contiguous()

    def _y(self, made: Tensor, steps: int) -> NDArray[np.float64]:
        """The module's output as [T, m], or [1, m] of the last timestep: of the first batch row."""
        atoms = [a for group in self.found.y.dims for a in group]
        value = made.detach().double()
        sizes = [steps if a.kind == TIME else a.size for a in atoms]
        value = value.reshape(sizes)
        for d in reversed(range(len(atoms))):
            if atoms[d].kind == BATCH or atoms[d].kind is None and atoms[d].size == 1:
                value = value.select(d, 0)
                atoms.pop(d)
        if any(a.kind == TIME for a in atoms):
            value = value.movedim(next(d for d, a in enumerate(atoms) if a.kind == TIME), 0)
            value = value.reshape(steps, -1)
        return np.asarray(value.reshape(-1, self._width()).numpy(), np.float64)

    def _width(self) -> int:
        """Outputs at a timestep."""
        atoms = [a for group in self.found.y.dims for a in group]
        return int(np.prod([a.size for a in atoms if a.kind not in (TIME, BATCH)]))

    def __call__(self, x: NDArray[np.float32], cuts: list[int] | None = None) -> NDArray[np.float64]:
        """y [T, m], float64, or [1, m] where the source gives only the last timestep. cuts: the lengths of the calls
        that the sequence is cut into; None: one call (one for each step, of a step form)."""
        module = copy.deepcopy(self.captured.module)
        if self.dtype is not None:
            module = module.to(self.dtype)
        leaves = list(self.leaves)
        for name in self.found.begins:
            leaves[self.places[name]] = torch.zeros_like(leaves[self.places[name]])
        lengths = [1] * len(x) if self.steps else cuts or [len(x)]
        answers, at = [], 0
        with torch.no_grad():
            module = at_start(module, *pytree.tree_unflatten(leaves, self.spec))
            for length in lengths:
                leaves[self.places[self.found.x]] = self._x(x[at : at + length])
                arguments, keywords = pytree.tree_unflatten(leaves, self.spec)
                made = pytree.tree_leaves(module(*arguments, **keywords))
                answers.append(self._y(made[self.found.at], length))
                for name, place in zip(self.found.begins, self.found.returned, strict=False):
                    leaves[self.places[name]] = made[place]
                at += length
        return answers[-1] if self.found.y.last else np.concatenate(answers)


def answer_of(captured: Captured, walk: Walk, found: Found, steps: int) -> tuple[Answer, int, float]:
    """The source as a function of x [T, n], the T that it takes, and the relative error that its type allows.

    In float64, for `steps` timesteps, in two calls where it hands its state on. A module that insists on its own type
    (casts inside forward), or on the example's T, is taken as it is."""
    error: Exception | None = None
    for dtype, allowed in ((torch.float64, 1e-5), (torch.float32, 1e-3), (None, 5e-2)):
        for length in dict.fromkeys((steps, Source(captured, walk, found, dtype).example_steps)):
            source = Source(captured, walk, found, dtype)
            cuts: list[int] | None = None
            if source.pieces and not source.steps:
                cuts = [length - length // 2, length // 2] if length == steps else [length, length]
            total = sum(cuts) if cuts else length

            def answer(
                x: NDArray[np.float32], source: Source = source, cuts: list[int] | None = cuts
            ) -> NDArray[np.float64]:
                return source(x, cuts)

            try:
                answer(np.zeros((total, found.features), np.float32))
            except Exception as failed:  # the next way is tried
                error = error or failed
                continue
            return answer, total, allowed
    raise RuntimeError(f"verify: the module cannot be run again: {error}") from error


def keeps_hidden_state(captured: Captured) -> bool:
    """Whether the same call gives another answer the second time, though no buffer has changed."""
    module = copy.deepcopy(captured.module)
    with torch.no_grad():
        first, second = (
            [v for v in pytree.tree_leaves(module(*arguments, **keywords)) if isinstance(v, Tensor)]
            for arguments, keywords in (copy.deepcopy((captured.arguments, captured.keywords)) for _ in range(2))
        )
    pairs = zip(first, second, strict=False)
    return len(first) != len(second) or not all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)
        for a, b in pairs
    )
