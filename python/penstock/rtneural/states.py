"""PyTorch's dialect: a state_dict as JSON, {"lstm.weight_ih_l0": [[..], ..], "dense.weight": ..}, and GuitarML's form
of it, {"model_data": {..}, "state_dict": {"rec.weight_ih_l0": .., "lin.weight": ..}}."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from penstock.errors import Problem, ShapeError, unsupported
from penstock.importing.chain import Activation, Array, Linear, Lstm, Softmax, Step
from penstock.importing.found import Answer, Found
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.importing.values import check_shape, matrix, rank, vector
from penstock.rtneural.common import Read
from penstock.rtneural.order import Module, by_caller, by_sizes

_LSTM_PART = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)(?:_l(\d{1,4}))?")


class _Group:
    """The tensors of one module: their parts of its names, and values."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.tensors: dict[str, Any] = {}

    def key(self, part: str) -> str:
        return f"{self.name}.{part}" if self.name else part

    def matrix(self, part: str, shape: tuple[int | None, int | None]) -> Array:
        if part not in self.tensors:
            raise corrupt(self.source, self.key(part), "is missing", part)
        return matrix(self.tensors[part], self.source, self.key(part), shape)

    def bias(self, part: str, size: int) -> Array | None:
        return vector(self.tensors[part], self.source, self.key(part), size) if part in self.tensors else None


def _groups(fields: Fields) -> list[_Group]:
    found: dict[str, _Group] = {}
    for key in fields.values:
        name, _, part = key.rpartition(".")
        found.setdefault(name, _Group(name, fields.source)).tensors[part] = fields.get(key)
    return list(found.values())


def _why_not(group: _Group) -> str | None:
    """Why a module is not run, or None."""
    parts = group.tensors
    recurrent = [
        part for part in parts if part.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"))
    ]
    if recurrent:
        if any(part.endswith("_reverse") for part in recurrent):
            return "a bidirectional LSTM: mixes timesteps"
        if any(part.startswith("weight_hr") for part in recurrent):
            return "an LSTM with a projection (proj_size) is not run"
        others = [part for part in parts if not _LSTM_PART.fullmatch(part)]
        if others:
            return f"has {shown(others[0])} beside an LSTM's tensors"
        hidden = parts.get("weight_hh_l0", parts.get("weight_hh"))
        if isinstance(hidden, list) and hidden and isinstance(hidden[0], list) and hidden[0]:
            gates = len(hidden) / len(hidden[0])
            if gates in (1, 3):
                return f"{'a plain RNN' if gates == 1 else 'a GRU'}; of recurrent layers only LSTM is run"
        return None
    if "running_mean" in parts:
        return "a batch norm; its place is not in a state_dict"
    if not set(parts) <= {"weight", "bias"} or "weight" not in parts:
        return f"tensors {', '.join(shown(part) for part in list(parts)[:4])} are of no LSTM or Linear"
    depth = rank(parts["weight"])
    if depth > 2:
        return f"a convolution: mixes timesteps (its weight has {depth} axes)"
    return "a normalisation or a PReLU (its weight has 1 axis)" if depth == 1 else None


def _lstm(group: _Group) -> Module:
    """Every layer of a torch.nn.LSTM, or an LSTMCell."""
    cell = "weight_ih" in group.tensors or "weight_hh" in group.tensors
    numbers = {-1 if match[2] is None else int(match[2]) for match in map(_LSTM_PART.fullmatch, group.tensors) if match}
    layers = [-1] if cell else list(range(max(numbers) + 1))
    if numbers != set(layers):
        raise corrupt(group.source, group.key("weight_ih_l0"), f"the layers are {sorted(numbers)}, with a gap")
    steps: list[Step] = []
    width: int | None = None
    for number in layers:
        end = "" if number < 0 else f"_l{number}"
        hidden = group.matrix(f"weight_hh{end}", (None, width))  # torch.nn.LSTM's layers are all of one size
        units = hidden.shape[1]
        check_shape(hidden.shape, (4 * units, units), group.source, group.key(f"weight_hh{end}"))
        inputs = group.matrix(f"weight_ih{end}", (4 * units, width))
        biases = [group.bias(f"{name}{end}", 4 * units) for name in ("bias_ih", "bias_hh")]
        if (biases[0] is None) != (biases[1] is None):
            missing = group.key(f"{'bias_ih' if biases[0] is None else 'bias_hh'}{end}")
            raise corrupt(group.source, missing, "is missing, the other bias is there")
        steps.append(Lstm(inputs, hidden, biases[0], biases[1], where=group.key(f"weight_ih{end}")))
        width = units
    first, last = steps[0], steps[-1]
    assert isinstance(first, Lstm) and isinstance(last, Lstm)
    return Module(group.name, "LSTM", first.inputs, last.outputs, steps)


def _linear(group: _Group) -> Module:
    weight = group.matrix("weight", (None, None))
    linear = Linear(weight, group.bias("bias", weight.shape[0]), group.key("weight"))
    return Module(group.name, "Linear", linear.inputs, linear.outputs, [linear])


def _modules(fields: Fields) -> list[Module]:
    groups = _groups(fields)
    reasons = [(shown(group.name)[1:-1] or "the state_dict", _why_not(group)) for group in groups]
    problems = [Problem(name, why) for name, why in reasons if why is not None]
    if problems:
        raise unsupported(fields.source, problems)
    if not groups:
        raise corrupt(fields.source, fields.where, "has no tensors")
    return [_linear(group) if "weight" in group.tensors else _lstm(group) for group in groups]


def _torch(values: dict[str, Any], order: list[Step | Module]) -> Answer | str:
    """PyTorch's modules, loaded with the state_dict, in the order of the model."""
    try:
        torch: Any = importlib.import_module("torch")
        nn = torch.nn
    except Exception as error:
        return f"PyTorch cannot be imported here ({type(error).__name__})"
    network = []
    for item in order:
        if isinstance(item, Activation):
            network.append(getattr(torch, item.function, None) or getattr(nn.functional, item.function))
        elif isinstance(item, Softmax):
            network.append(nn.Softmax(-1))
        elif isinstance(item, Module):
            start = f"{item.name}." if item.name else ""
            own = {key[len(start) :]: value for key, value in values.items() if key.rpartition(".")[0] == item.name}
            if item.kind == "Linear":
                made = nn.Linear(item.inputs, item.outputs, "bias" in own)
            else:
                own = {key if "_l" in key else f"{key}_l0": value for key, value in own.items()}
                count = sum(key.startswith("weight_ih") for key in own)
                made = nn.LSTM(item.inputs, item.outputs, count, "bias_ih_l0" in own)
            made.double().load_state_dict({key: torch.tensor(value, dtype=torch.float64) for key, value in own.items()})
            network.append(made)

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        y = torch.tensor(x, dtype=torch.float64)
        with torch.no_grad():
            for layer in network:
                y = layer(y)
                y = y[0] if isinstance(y, tuple) else y
        result: NDArray[Any] = y.numpy()
        return result

    return answer


def _read(fields: Fields, order: Sequence[str] | None, known: list[str] | None) -> tuple[Found, Any, list[Module]]:
    modules = _modules(fields)
    items: list[Step | Module]
    if order is not None:
        items = by_caller(fields.source, modules, order)
    elif known is not None and sorted(module.name for module in modules) == sorted(known):
        items = [next(module for module in modules if module.name == name) for name in known]
    else:
        items = list(by_sizes(fields.source, modules))
    chain: list[Step] = []
    for item in items:
        chain += item.steps if isinstance(item, Module) else [item]
    path = [item for item in items if isinstance(item, Module)]
    for before, after in zip(path, path[1:], strict=False):
        if before.outputs != after.inputs:
            what = f"{after} cannot read the {before.outputs} features of {before}"
            raise ShapeError(f"{fields.source}: {what}", file=fields.source, item=after.name, expected=before.outputs)
    first = path[0]
    found = Found(fields.source, chain, first.inputs)
    found.notes.append(f"order: {', '.join(str(module) for module in path)}")
    return found, lambda: _torch(fields.values, items), modules


def read_flat(fields: Fields, order: Sequence[str] | None) -> Read:
    """The model of a file that is a state_dict."""
    found, runtime, _ = _read(fields, order, None)
    return found, runtime, None


def read_nested(fields: Fields, order: Sequence[str] | None) -> Read:
    """The model of a GuitarML file."""
    state = fields.object("state_dict")
    problems: list[Problem] = []
    about = fields.object("model_data") if fields.get("model_data", None) is not None else None
    if about is not None:
        for key, value in (("model", "SimpleRNN"), ("unit_type", "LSTM")):
            if about.text(key) != value:
                problems.append(Problem(f"model_data, {key}", f"{shown(about.text(key))} is not run; {value} is"))
        for key in ("input_size", "output_size", "hidden_size", "num_layers"):
            about.whole(key)
        about.flag("bias_fl")
        about.whole("skip", lowest=0)
        problems += [Problem("model_data", f"the key {shown(key)} is not known") for key in about.rest()]
    problems += [Problem("the file", f"the key {shown(key)} is not known") for key in fields.rest()]
    if problems:
        raise unsupported(fields.source, problems)
    found, runtime, modules = _read(state, order, ["rec", "lin"])
    if about is None:
        what = (
            "the file does not say whether its input is added to the output (model_data, skip); GuitarML's players do"
        )
        return found, runtime, Problem("state_dict", what)
    _check(about, modules)
    skip = about.whole("skip", lowest=0)
    if skip == 0:
        return found, runtime, None
    adds = "its first input" if skip == 1 else f"its first {skip} inputs"
    return found, runtime, Problem("model_data, skip", f"the source adds {adds} to the output")


def _check(about: Fields, modules: list[Module]) -> None:
    """CorruptError where model_data contradicts the tensors."""
    recurrent = [module for module in modules if module.kind == "LSTM"]
    linear = [module for module in modules if module.kind == "Linear"]
    if len(recurrent) != 1 or len(linear) != 1:
        raise corrupt(about.source, "state_dict", "must have one LSTM and one Linear, as SimpleRNN has")
    layers = [step for step in recurrent[0].steps if isinstance(step, Lstm)]
    for key, found in (
        ("input_size", recurrent[0].inputs),
        ("hidden_size", recurrent[0].outputs),
        ("num_layers", len(layers)),
        ("output_size", linear[0].outputs),
    ):
        if about.whole(key) != found:
            raise about.bad(key, f"is {about.whole(key)}, but the tensors have {found}")
    last = linear[0].steps[0]
    if about.flag("bias_fl") != (isinstance(last, Linear) and last.bias is not None):
        raise about.bad("bias_fl", "contradicts the tensors of the Linear")
