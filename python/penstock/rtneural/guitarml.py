"""GuitarML's dialect (NeuralPi, Proteus ...): `model_data` tells of one LSTM, `rec`, and one Linear, `lin`, whose
tensors `state_dict` has. The player adds input 0 to the output unless `skip` is 0."""

from __future__ import annotations

from penstock.errors import Problem, ShapeError, unsupported
from penstock.importing.chain import Step
from penstock.importing.found import Answer, Found
from penstock.importing.jsonfile import Fields, corrupt, shown
from penstock.rtneural.skip import judge
from penstock.rtneural.statedict import answer_of, fill, in_order, modules_of


def _flag(fields: Fields, key: str) -> bool | None:
    """True or false, also as 1 and 0; None where it is missing."""
    value = fields.get(key, None)
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise fields.bad(key, f"must be true or false, is {shown(value)}")


def read(top: Fields, order: list[str] | None, without_skip: bool) -> tuple[Found, Answer]:
    """The chain of the file, and its own answer."""
    source = top.source
    data, state = top.object("model_data"), top.object("state_dict")
    problems = [Problem(key, "a key that this version does not know") for key in top.rest()]
    notes: list[str] = []
    model = data.text("model") if data.get("model", None) is not None else "SimpleRNN"
    if model != "SimpleRNN":
        problems.append(Problem("model", f"{shown(model)}: a network that this version does not run"))
    unit = data.text("unit_type")
    if unit != "LSTM":
        problems.append(Problem("unit_type", f"{shown(unit)}: only LSTM is run"))
    keys = ("input_size", "hidden_size", "output_size", "num_layers")
    told = {key: data.whole(key) for key in keys if data.get(key, None) is not None}
    biased = _flag(data, "bias_fl")
    skip = 1
    if isinstance(data.get("skip", None), bool):
        skip = int(data.flag("skip"))
    elif data.get("skip", None) is not None:
        skip = data.whole("skip", lowest=0)
    judge(data, "skip", skip, without_skip, "GuitarML's player", problems, notes)
    problems += [Problem(f"model_data, {key}", "a key that this version does not know") for key in data.rest()]
    modules = modules_of(state.values)
    for module in modules:
        if module.name not in ("rec", "lin"):
            problems.append(Problem(module.name or "(root)", "a module beside rec and lin"))
    if problems:
        raise unsupported(source, problems)
    for name in ("rec", "lin"):
        if name not in [module.name for module in modules]:
            raise corrupt(source, "state_dict", f"has no module {name}")
    fill(modules, source, problems)
    rec, lin = in_order(modules, ["rec", "lin"] if order is None else order, source)
    if (rec.name, rec.is_lstm, lin.is_lstm) != ("rec", True, False):
        raise corrupt(source, "state_dict", "rec must be an LSTM, lin a Linear, in this order")
    is_there = {
        "input_size": rec.inputs,
        "hidden_size": rec.outputs,
        "output_size": lin.outputs,
        "num_layers": len(rec.steps),
    }
    for key, said in told.items():
        if said != is_there[key]:
            raise ShapeError(
                f"{source}: model_data: {key} is {said}, the tensors of state_dict say {is_there[key]}",
                file=source,
                item="model_data",
                field=key,
                expected=said,
                found=is_there[key],
            )
    if biased is not None and biased != ("bias" in lin.tensors):
        raise corrupt(source, "model_data", f"bias_fl is {biased}, but lin.bias is{'' if not biased else ' not'} there")
    if skip and lin.outputs != 1:
        raise unsupported(source, [Problem("skip", f"adds the input to {lin.outputs} outputs")])
    chain: list[Step] = [*rec.steps, *lin.steps]
    return Found(source, chain, rec.inputs, notes=notes), answer_of([rec, lin])
