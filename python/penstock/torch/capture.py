"""From a module to a graph: torch.export.export of a copy in eval mode. What the exporter drops in silence, such as a
state in a plain attribute, is found here."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from penstock.errors import ArgumentError, Problem, unsupported
from penstock.torch import places
from penstock.torch.nn import RecurrentStateLSTM

_ATTRIBUTE = re.compile(r"self\.[^\s,]+")


@dataclass(frozen=True)
class Captured:
    """A graph of aten operations, and what its names stand for.

    nodes: in order. constants: values of the placeholders that are parameters, buffers or lifted tensors. states:
    values, at the start of a sequence, of the buffers that a call changes. inputs: placeholders of the tensors that are
    the caller's arguments. outputs: label and node (or constant) of each output, flattened. updates: for each state the
    node of its next value. titles: the buffers' own names. module: the copy, on the CPU, in eval mode, states at their
    start. arguments, keywords: its example. loose: attributes that hold tensors and were assigned, which are no
    buffers."""

    nodes: tuple[Any, ...]
    constants: dict[str, Tensor]
    states: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, Any], ...]
    updates: dict[str, Any]
    titles: dict[str, str]
    module: nn.Module
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    loose: tuple[str, ...]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def copied(module: nn.Module) -> nn.Module:
    """A deep copy, on the CPU and in eval mode. Tensors with a history, which deepcopy refuses (a state kept from
    training, an old weight_norm), are copied without it."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for tensor in _tensors(vars(part)):
            if not tensor.is_leaf:
                memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(module, memo).cpu().eval()


def at_start(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> nn.Module:
    """The module (a copy of the user's), every RecurrentStateLSTM in it at the start of a sequence, with its buffers
    filled, so that the exporter takes them for what they are."""
    kept = [part for part in module.modules() if isinstance(part, RecurrentStateLSTM)]
    for part in kept:
        part.reset()
    if kept:
        with torch.no_grad():
            module(*arguments, **keywords)
        for part in kept:
            part.rewind()
    return module


def _take(
    module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], name: str, only_start: bool = False
) -> nn.Module:
    """Calls the module, or only as at_start does. Raises ArgumentError where it does not take the example."""
    try:
        if only_start:
            return at_start(module, arguments, keywords)
        with torch.no_grad():
            module(*arguments, **keywords)
    except Exception as error:
        where = places.of_traceback(error.__traceback__) or "example"
        said = f"{name}: {where}: the module does not take the example: {error}"
        raise ArgumentError(said, item="example") from error
    return module


def _prepared(module: Any, example: Any) -> tuple[nn.Module, tuple[Any, ...]]:
    if isinstance(module, torch.jit.ScriptModule):
        raise ArgumentError("penstock.torch.export: a TorchScript module has no source to export", item="module")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if not isinstance(module, nn.Module):
        raise ArgumentError(
            f"penstock.torch.export: module is a {type(module).__qualname__}, not a torch.nn.Module", item="module"
        )
    arguments = example if isinstance(example, tuple) and not isinstance(example, PackedSequence) else (example,)
    name = type(module).__qualname__
    if any(
        isinstance(a, PackedSequence) for a in pytree.tree_leaves(arguments, lambda v: isinstance(v, PackedSequence))
    ):
        raise unsupported(name, [Problem("example", _PACKED)])
    copy_ = copied(module)
    types = {p.dtype for p in copy_.parameters() if p.is_floating_point()}
    dtype = types.pop() if len(types) == 1 else torch.float32

    def taken(value: Any) -> Any:
        if hasattr(value, "__array__") and not isinstance(value, Tensor):
            value = torch.as_tensor(value)
        if not isinstance(value, Tensor):
            return value
        value = value.detach().cpu()
        return value.to(dtype) if value.is_floating_point() else value

    arguments = pytree.tree_map(taken, arguments)
    if not any(isinstance(a, Tensor) for a in pytree.tree_leaves(arguments)):
        raise ArgumentError(
            "penstock.torch.export: example is the module's input, a tensor or a tuple of its arguments", item="example"
        )
    return copy_, arguments


_PACKED = "reads a PackedSequence, of several lengths; a stream takes one sequence, give a tensor"


def _is_packed(error: BaseException) -> bool:
    """Whether an export failed over a PackedSequence."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name in ("pack_padded_sequence", "pad_packed_sequence", "pack_sequence"):
            return True
        if any(isinstance(frame.f_locals.get(name), PackedSequence) for name in ("input", "orig_input")):
            return True
        trace = trace.tb_next
    return False


def _mutates(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable and schema.name != "aten::detach_"


@contextmanager
def _kept_in_place(module: nn.Module) -> Iterator[None]:
    """Within it, assigning a tensor to a buffer of a submodule writes into the buffer. The exporter follows assignments
    to the buffers of the outermost module only, and drops the others in silence."""
    inner = {id(part) for part in module.modules() if part is not module}

    def write(part: nn.Module, name: str, value: Any) -> Any:
        kept = part._buffers.get(name)
        if id(part) not in inner or kept is value or not isinstance(kept, Tensor) or not isinstance(value, Tensor):
            return None
        if kept.shape != value.shape:
            return None  # the buffer does not stay what it is: found by calling twice, see keeps_hidden_state
        return kept.copy_(value)

    hook = torch.nn.modules.module.register_module_buffer_registration_hook(write)
    try:
        yield
    finally:
        hook.remove()


# A warning about what torch does itself while it exports and loads, which nobody can do anything about.
_ITS_OWN = r"`isinstance\(treespec, LeafSpec\)` is deprecated"


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _ITS_OWN, FutureWarning)
        yield


def _exported(module: nn.Module, arguments: tuple[Any, ...], name: str) -> tuple[Any, tuple[str, ...]]:
    """The exported program without changes in place, and the plain attributes that a call assigns tensors to."""
    with warnings.catch_warnings(record=True) as said, torch.no_grad(), _kept_in_place(module):
        warnings.simplefilter("always")
        try:
            # Not strict: strict export drops the update of a buffer.
            program = torch.export.export(module, arguments, strict=False)
            if any(_mutates(node) for node in program.graph.nodes):
                program = program.run_decompositions({})
        except Exception as error:
            where = places.of_traceback(error.__traceback__) or "forward"
            if _is_packed(error):
                raise unsupported(name, [Problem(where, _PACKED)]) from error
            _take(module, arguments, {}, name)
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            what = f"torch.export cannot capture it: {type(error).__name__}: {first}"
            raise unsupported(name, [Problem(where, what)]) from error
    loose: list[str] = []
    for warning in said:
        text = str(warning.message)
        if text.startswith("The tensor attribute"):
            loose += [a for a in _ATTRIBUTE.findall(text) if "._flat_weights[" not in a]  # nn.LSTM's own, harmless
        elif not re.match(_ITS_OWN, text):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return program, tuple(sorted(set(loose)))


def size_of(value: Any) -> int | None:
    """A dimension's size; of one that the exporter left open, that of the example; None of one that depends on
    values."""
    size = value.node.hint if isinstance(value, torch.SymInt) else value
    return None if size is None else int(size)


def shape_of(node: Any, index: int | None = None) -> tuple[int, ...] | None:
    """The shape of the tensor that a node gives, or of one of several; None where it gives something else, or nobody
    knows."""
    made = node.meta.get("val")
    if index is not None and made:
        made = made[index]
    sizes = [size_of(s) for s in made.shape] if isinstance(made, Tensor) else [None]
    known = [s for s in sizes if s is not None]
    return tuple(known) if len(known) == len(sizes) else None


def _read(program: Any, module: nn.Module, call: tuple[tuple[Any, ...], dict[str, Any]], loose: Any) -> Captured:
    """What an exported program says of its graph."""
    signature = program.graph_signature
    held = {**program.constants, **program.state_dict, **dict(module.named_buffers())}
    changed = {s.target for s in signature.output_specs if s.kind == OutputKind.BUFFER_MUTATION}
    constants: dict[str, Tensor] = {}
    states: dict[str, Tensor] = {}
    inputs: list[str] = []
    for spec in signature.input_specs:
        placeholder = getattr(spec.arg, "name", "")
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(placeholder)
        elif spec.kind != InputKind.TOKEN and isinstance(held.get(spec.target), Tensor):
            (states if spec.target in changed else constants)[placeholder] = held[spec.target].detach()
    nodes = tuple(program.graph.nodes)
    tensors = {n.name for n in nodes if n.op == "placeholder" and shape_of(n) is not None}

    made = next(n for n in nodes if n.op == "output").args[0]
    tree = program.call_spec.out_spec
    paths, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(tree.num_leaves)), tree))
    labels = iter(f"output{pytree.keystr(path)}" for path, _ in paths)
    outputs: list[tuple[str, Any]] = []
    updates: dict[str, Any] = {}
    titles = {getattr(s.arg, "name", ""): s.target for s in signature.input_specs if s.kind == InputKind.BUFFER}
    buffers = {title: placeholder for placeholder, title in titles.items()}
    for spec, node in zip(signature.output_specs, made, strict=True):
        if spec.kind == OutputKind.USER_OUTPUT:
            outputs.append((next(labels), node))
        elif spec.kind == OutputKind.BUFFER_MUTATION:
            updates[buffers[spec.target]] = node
    given = tuple(i for i in inputs if i in tensors)
    return Captured(nodes, constants, states, given, tuple(outputs), updates, titles, module, *call, tuple(loose))


def capture(module: Any, example: Any) -> Captured:
    """The graph of the module for arguments like the example. The module itself is left as it was. Raises
    UnsupportedError where torch.export fails."""
    copy_, arguments = _prepared(module, example)
    name = type(copy_).__qualname__
    try:
        copy_ = at_start(copy_, arguments, {})
    except Exception as error:
        where = places.of_traceback(error.__traceback__) or "example"
        raise ArgumentError(
            f"{name}: {where}: the module does not take the example: {error}", item="example"
        ) from error
    # Tracing may leave its own tensors in the attributes of the module that it runs: it gets one that is thrown away.
    traced = copy.deepcopy(copy_, {id(p): p for p in copy_.parameters()})
    program, loose = _exported(traced, arguments, name)
    return _read(program, copy_, (arguments, {}), loose)


def captured_program(program: Any) -> Captured:
    """The same of an exported program, whose example it brings with it, or has zeros in its place."""
    if any(_mutates(node) for node in program.graph.nodes):
        program = program.run_decompositions({})
    call = program.example_inputs
    if call is None:
        nodes = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
        leaves: list[Any] = []
        for spec in program.graph_signature.input_specs:
            if spec.kind == InputKind.USER_INPUT:
                node = nodes.get(getattr(spec.arg, "name", ""))
                shape = None if node is None else shape_of(node)
                leaves.append(
                    None if node is None or shape is None else torch.zeros(shape, dtype=node.meta["val"].dtype)
                )
        call = pytree.tree_unflatten(leaves, program.call_spec.in_spec)
    return _read(program, program.module(), (tuple(call[0]), dict(call[1])), ())
