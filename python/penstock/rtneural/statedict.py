"""The dialect that is a PyTorch state_dict as JSON: "lstm.weight_ih_l0" and the like to nested lists.

It does not hold the order of its modules, and the order of its keys is only that in which they were made. The rules are
those of docs/format.md for a .safetensors of the kind: one LSTM and one Linear are run LSTM first; else the order is
the only one that the sizes allow, or the caller's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.errors import ArgumentError, Problem, ShapeError, unsupported
from penstock.importing.chain import Array, Linear, Lstm, Step
from penstock.importing.found import Answer, Found
from penstock.importing.independent import LstmLayer
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.importing.values import matrix, rank, vector

_LSTM = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(0|[1-9][0-9]{0,4})")
_LARGEST_SEARCH = 10_000  # modules tried while orders are sought; more and the caller is asked


@dataclass
class Module:
    """name: "" for the file's root. tensors: by name within the module, as the file has them. steps: what it does."""

    name: str
    tensors: dict[str, Any] = field(default_factory=dict)
    steps: list[Lstm | Linear] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        return self.steps[0].inputs

    @property
    def outputs(self) -> int:
        return self.steps[-1].outputs

    @property
    def is_lstm(self) -> bool:
        return isinstance(self.steps[0], Lstm)

    def __str__(self) -> str:
        kind = f"LSTM of {len(self.steps)}" if self.is_lstm else "Linear"
        return f"{self.name or '(root)'} ({kind}, {self.inputs} -> {self.outputs})"


def _tensor(prefix: str, name: str) -> str:
    text = f"{prefix}.{name}" if prefix else name
    return text if text.isprintable() and len(text) <= 80 else shown(text)


def modules_of(values: dict[str, Any]) -> list[Module]:
    """The modules in the order of their first keys."""
    found: dict[str, Module] = {}
    for key, value in values.items():
        prefix, _, name = key.rpartition(".")
        found.setdefault(prefix, Module(prefix)).tensors[name] = value
    return list(found.values())


def _refused(module: Module) -> Iterator[Problem]:
    """Tensors of modules that are neither LSTM nor Linear."""
    recurrent = any(name.startswith("weight_") for name in module.tensors)
    for name, value in module.tensors.items():
        where = _tensor(module.name, name)
        if name.endswith("_reverse"):
            yield Problem(where, "of a bidirectional LSTM")
        elif name.startswith("weight_hr_"):
            yield Problem(where, "a projection (proj_size)")
        elif _LSTM.fullmatch(name):
            if name.startswith("weight_hh") and rank(value) == 2 and value and isinstance(value[0], list):
                rows, columns = len(value), len(value[0])
                if columns and rows == 3 * columns:
                    yield Problem(where, "of a GRU (3 rows a column)")
                elif columns and rows == columns:
                    yield Problem(where, "of a plain RNN (1 row a column)")
        elif name == "weight" and not recurrent:
            if (dimensions := rank(value)) > 2:
                yield Problem(where, f"{dimensions} dimensions, as of a convolution; a Linear has 2")
            elif dimensions == 1 and value:
                yield Problem(where, "1 dimension, as of a normalisation or a PReLU; a Linear has 2")
        elif name != "bias" or recurrent:
            yield Problem(where, "a tensor of neither LSTM nor Linear")


def _lstms(module: Module, source: str) -> list[Lstm | Linear]:
    count = 1 + max(int(name.rpartition("_l")[2]) for name in module.tensors)
    biased = any(name.startswith("bias") for name in module.tensors)
    steps: list[Lstm | Linear] = []
    for index in range(min(count, len(module.tensors) + 1)):  # a gap is found before the end
        names = [f"{kind}_l{index}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        for name in names if biased else names[:2]:
            if name not in module.tensors:
                raise corrupt(source, _tensor(module.name, name), "is missing")
        where = [_tensor(module.name, name) for name in names]
        got = [module.tensors.get(name) for name in names]
        hidden = matrix(got[1], source, where[1])
        units = steps[0].outputs if steps else hidden.shape[1]
        if hidden.shape != (4 * units, units):
            hidden = matrix(got[1], source, where[1], (4 * units, units))
        weight = matrix(got[0], source, where[0], (4 * units, units if steps else None))
        bias_ih, bias_hh = (vector(got[k], source, where[k], 4 * units) if biased else None for k in (2, 3))
        steps.append(Lstm(weight, hidden, bias_ih, bias_hh, where=f"{module.name or '(root)'}, layer {index}"))
    return steps


def _linear(module: Module, source: str) -> Linear:
    where = _tensor(module.name, "weight")
    if "weight" not in module.tensors:
        raise corrupt(source, where, "is missing")
    weight = matrix(module.tensors["weight"], source, where)
    bias = None
    if "bias" in module.tensors:
        bias = vector(module.tensors["bias"], source, _tensor(module.name, "bias"), weight.shape[0])
    return Linear(weight, bias, module.name or "(root)")


def fill(modules: list[Module], source: str, problems: list[Problem]) -> None:
    """Reads the tensors into each module's steps. Raises UnsupportedError with `problems` and those it finds."""
    problems += [problem for module in modules for problem in _refused(module)]
    if problems:
        raise unsupported(source, problems)
    for module in modules:
        recurrent = any(_LSTM.fullmatch(name) for name in module.tensors)
        module.steps = _lstms(module, source) if recurrent else [_linear(module, source)]


def _orders(modules: list[Module]) -> list[list[Module]] | None:
    """At most two of the orders that the sizes allow; None: given up."""
    found: list[list[Module]] = []
    tried = 0

    def extend(path: list[Module], left: list[Module]) -> bool:
        nonlocal tried
        if not left:
            found.append(path)
        for module in left:
            if not path or path[-1].outputs == module.inputs:
                tried += 1
                rest = [other for other in left if other is not module]
                if tried > _LARGEST_SEARCH or not extend([*path, module], rest):
                    return False
            if len(found) > 1:
                break
        return True

    if len(modules) > 500:  # each one is a call in a call
        return None
    return found if extend([], modules) else None


def in_order(modules: list[Module], order: list[str] | None, source: str) -> list[Module]:
    """The modules in the data's order."""
    listed = ", ".join(map(str, modules))
    names = [module.name for module in modules]
    if order is not None:
        if sorted(order) != sorted(names):
            raise ArgumentError(f"{source}: order={order} must name each module once: {listed}", item="order")
        by_name = {module.name: module for module in modules}
        chosen = [by_name[name] for name in order]
        for a, b in zip(chosen, chosen[1:], strict=False):
            if a.outputs != b.inputs:
                raise ArgumentError(f"{source}: order={order}: {a} does not fit before {b}", item="order")
        return chosen
    if len(modules) == 2 and modules[0].is_lstm != modules[1].is_lstm:
        chosen = sorted(modules, key=lambda module: not module.is_lstm)
        if chosen[0].outputs == chosen[1].inputs:
            return chosen
    orders = _orders(modules)
    if orders is None or len(orders) > 1:
        raise ArgumentError(
            f"{source}: the sizes allow more than one order of the modules, and a state_dict does not hold it: give "
            f"order=[...]; the order of the keys is order={names}: {listed}",
            file=source,
            item="order",
        )
    if not orders:
        raise ShapeError(f"{source}: in no order do the modules fit each other: {listed}", file=source, item="order")
    return orders[0]


def check_linears(modules: list[Module], source: str) -> None:
    """Refuses a Linear directly after a Linear."""
    pairs = zip(modules, modules[1:], strict=False)
    problems = [
        Problem(b.name, f"a Linear directly after the Linear {a.name}: an activation that a state_dict does not hold")
        for a, b in pairs
        if not a.is_lstm and not b.is_lstm
    ]
    if problems:
        raise unsupported(source, problems)


def answer_of(modules: list[Module]) -> Answer:
    """By code apart from the chain, from the file's own lists."""

    def answer(x: Array) -> Array:
        v = np.array(x, np.float64)
        for module in modules:
            t = module.tensors
            if "weight" in t:
                v = np.einsum("tn,mn->tm", v, np.array(t["weight"], np.float64)) + np.array(t.get("bias", 0.0))
                continue
            for k in range(sum(name.startswith("weight_hh_l") for name in t)):
                names = (f"weight_ih_l{k}", f"weight_hh_l{k}", f"bias_ih_l{k}", f"bias_hh_l{k}")
                v = LstmLayer(*(t.get(name) for name in names))(v)
        return v

    return answer


def read(top: Fields, order: list[str] | None) -> tuple[Found, Answer]:
    """The chain of the file, and its own answer."""
    modules = modules_of(top.values)
    fill(modules, top.source, [])
    chosen = in_order(modules, order, top.source)
    check_linears(chosen, top.source)
    chain: list[Step] = [step for module in chosen for step in module.steps]
    notes = [
        f"run in the order {', '.join(module.name or '(root)' for module in chosen)}, no activation between them: a "
        "state_dict holds neither"
    ]
    return Found(top.source, chain, chosen[0].inputs, notes=notes), answer_of(chosen)
