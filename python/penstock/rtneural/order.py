"""The order of the modules of a state_dict: by their sizes where these leave only one, else by the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.errors import ArgumentError, Problem, unsupported
from penstock.importing.chain import Step
from penstock.importing.jsonfile import shown
from penstock.rtneural.common import ACTIVATIONS, activation

_BUDGET = 20_000  # modules tried; beyond it, the sizes are said to leave more than one order


@dataclass(eq=False)
class Module:
    """kind: "LSTM" or "Linear"; inputs, outputs: its features."""

    name: str
    kind: str
    inputs: int
    outputs: int
    steps: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{shown(self.name)[1:-1]} ({self.kind}, {self.inputs} -> {self.outputs})"


def _trails(modules: Sequence[Module], last: Module | None) -> list[list[Module]]:
    """Up to two orders in which each module reads what the one before it gives, none a Linear after a Linear. last: the
    module that must be the last one, if any."""
    found: list[list[Module]] = []
    path: list[Module] = []
    left = list(modules)
    tried = 0

    def possible(width: int) -> bool:
        """Whether the modules left can still be one trail: at no size may more leave than come in, but for one."""
        balance = Counter(module.inputs for module in left)
        balance.subtract(Counter(module.outputs for module in left))
        balance[width] -= 1
        return sum(excess for excess in balance.values() if excess > 0) <= 0

    def go() -> None:
        nonlocal tried
        if not left:
            found.append(list(path))
            return
        for module in list(left):
            if len(found) > 1 or tried > _BUDGET:
                return
            before = path[-1] if path else None
            if before is not None and (module.inputs != before.outputs or before.kind == module.kind == "Linear"):
                continue
            if module is last and len(left) > 1:
                continue
            tried += 1
            left.remove(module)
            path.append(module)
            if not left or possible(module.outputs):
                go()
            path.pop()
            left.append(module)

    go()
    return found if tried <= _BUDGET else [*found, list(modules), list(modules)][:2]


def _listed(modules: Sequence[Module]) -> str:
    return ", ".join(str(module) for module in modules)


def by_sizes(source: str, modules: Sequence[Module]) -> list[Module]:
    """The only order that the sizes allow. A single Linear is taken for the last module if it can be: nearly always an
    LSTM of n inputs whose Linear has n outputs could also be run the other way round, and never is."""
    if len(modules) > 100:  # far beyond any model, and deeper than recursion goes
        raise unsupported(source, [Problem("the order of its modules", f"{len(modules)} modules; give order=[..]")])
    linears = [module for module in modules if module.kind == "Linear"]
    found = _trails(modules, linears[0]) if len(linears) == 1 else []
    if not found:
        found = _trails(modules, None)
    if len(found) == 1:
        return found[0]
    if not found:
        what = "the sizes allow no order, unless something stands between these modules"
    else:
        what = "the sizes allow more than one order"
    problem = Problem("the order of its modules", f"{what}; give order=[..] of {_listed(modules)}")
    raise unsupported(source, [problem])


def by_caller(source: str, modules: Sequence[Module], order: Sequence[str]) -> list[Step | Module]:
    """The modules as the caller names them, with activations between."""
    if isinstance(order, str) or not all(isinstance(name, str) for name in order):
        raise ArgumentError(f"{source}: order must be a list of names, is {shown(order)}", item="order")
    left = {module.name: module for module in modules}
    result: list[Step | Module] = []
    for name in order:
        if name in left:
            result.append(left.pop(name))
        elif name in ACTIVATIONS:
            result += activation(name, f"{name}, of order")
        else:
            known = f"modules: {_listed(modules)}; activations: {', '.join(ACTIVATIONS)}"
            what = "is named twice" if any(name == module.name for module in modules) else "is not known"
            raise ArgumentError(f"{source}: order: {shown(name)} {what}; {known}", item="order")
    if left:
        raise ArgumentError(f"{source}: order leaves out {_listed(list(left.values()))}", item="order")
    return result
