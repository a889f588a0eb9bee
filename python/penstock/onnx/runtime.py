"""Verification: the file is run by ONNX Runtime where that is installed and can, else by onnx.reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from penstock.errors import Problem, unsupported
from penstock.importing import verify
from penstock.importing.axes import BATCH, FEATURE, LAYER, TIME, Axis
from penstock.importing.chain import Lstm, Step
from penstock.model import Model
from penstock.onnx.answer import Answer
from penstock.onnx.source import Input, Source

Array = NDArray[Any]
Run = Callable[[Mapping[str, Array]], Array]
# Relative to the largest |y|: what the element type of the file leaves.
_TOLERANCES: dict[int, float] = {TensorProto.FLOAT16: 1e-2, TensorProto.BFLOAT16: 8e-2}
_MOST_WORK = 4e9  # multiply-adds: seconds


def check(source: Source, model: Model, answer: Answer, steps: Sequence[Step]) -> str:
    """A note on the comparison. steps: those of `model`, with the initial states that the file is given.

    Raises MismatchError; and UnsupportedError where no runtime can run the file."""
    axes = answer.input.axes
    batch = [a for a in axes if a.kind == BATCH]
    rows = math.prod(a.size for a in batch)
    time = next((a.size for d, a in enumerate(axes) if a.kind == TIME and d not in answer.input.open), None)
    if time is None:
        time = verify.STEPS if any(a.kind == TIME for a in axes) else 1
    if time * rows * max(model.parameters, 1) > _MOST_WORK:
        return f"not verified: the file is fixed at {time} timesteps for a batch of {rows}"
    random = np.random.default_rng(2)
    fixed = {**source.given, **source.idle, **_states(source, answer, steps)}
    name = answer.output

    def of(run: Run) -> Callable[[NDArray[np.float32]], Array]:
        def ask(x: NDArray[np.float32]) -> Array:
            others = random.standard_normal((rows - 1, *x.shape)).astype(np.float32)
            y = run({**fixed, answer.input.name: _laid_out(np.concatenate([others, x[None]]), answer.input, batch)})
            return _last_row(y, answer, batch, time)

        return ask

    failed = []
    for runtime, make in _runtimes(source, name):
        try:
            run = make()
            run({**fixed, answer.input.name: _laid_out(np.zeros((rows, time, model.inputs)), answer.input, batch)})
        except Exception as error:  # either raises what it likes
            lines = str(error).strip().splitlines() or [type(error).__name__]
            failed.append(f"{runtime}: {lines[0]}")
            continue
        tolerance = max([1e-4, *(_TOLERANCES[kind] for kind in answer.rounded)])
        found = verify.against(model, of(run), source=source.file.name, tolerance=tolerance, steps=time)
        return f"verified against {runtime}: relative error {found:.1e}"
    problems = [Problem("verification", f"the file itself cannot be run: {what}") for what in failed]
    raise unsupported(source.file.name, problems)


def _runtimes(source: Source, output: str) -> Iterator[tuple[str, Callable[[], Run]]]:
    """Names and makers of what can run the file."""
    path = str(source.file.path)
    try:
        import onnxruntime
    except ImportError:
        pass
    else:

        def by_runtime() -> Run:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            # As written: optimisations go by shapes that a file only claims, and PyTorch's default exporter claims that
            # an open time has the length of the example.
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            return lambda feeds: np.asarray(session.run([output], dict(feeds))[0])

        yield f"onnxruntime {onnxruntime.__version__}", by_runtime

    def by_reference() -> Run:
        session = ReferenceEvaluator(onnx.load(path))

        def run(feeds: Mapping[str, Array]) -> Array:
            with np.errstate(all="ignore"):
                results: Any = session.run([output], dict(feeds))
            return np.asarray(results[0])

        return run

    yield f"onnx.reference {onnx.__version__}", by_reference


def _dtype(item: Input) -> np.dtype[Any]:
    made: np.dtype[Any] = np.dtype(tensor_dtype_to_np_dtype(item.elem))
    return made


def _laid_out(rows: Array, item: Input, batch: Sequence[Axis]) -> Array:
    """[rows, T, n] in the input's layout and element type."""
    large = [a for a in item.axes if a.kind in (TIME, FEATURE) and a.size > 1]
    order = [*batch, *sorted(large, key=lambda a: a.kind == FEATURE)]
    array = rows.reshape([rows.shape[1] if a.kind == TIME else a.size for a in order])
    array = array.transpose([order.index(a) for a in item.axes if a in order])
    shape = iter(array.shape)
    made = array.reshape([next(shape) if a in order else 1 for a in item.axes])
    return np.ascontiguousarray(made.astype(_dtype(item)))


def _last_row(y: Array, answer: Answer, batch: Sequence[Axis], time: int) -> Array:
    """[T or 1, outputs] of the last row of the batch; y itself where its shape is another than was tracked."""
    atoms = [a for group in answer.signal.dims for a in group]
    sizes = [time if a.kind == TIME else a.size for a in atoms]
    if math.prod(sizes) != y.size:
        return y
    rank = {TIME: 1, FEATURE: 2}
    order = sorted(range(len(atoms)), key=lambda i: (rank.get(atoms[i].kind or "", 0), i))
    moved: Array = np.asarray(y, np.float64).reshape(sizes).transpose(order)
    rows = math.prod(a.size for a in atoms if a.kind == BATCH)
    steps = math.prod(time for a in atoms if a.kind == TIME)
    last: Array = moved.reshape(rows, steps, -1)[-1]
    return last


def _states(source: Source, answer: Answer, steps: Sequence[Step]) -> dict[str, Array]:
    """Values of the inputs that are states, as the layers of `steps` have them; zeros for inputs that nothing needs."""
    layers = {id(a): b for a, b in zip(answer.steps, steps, strict=True) if isinstance(b, Lstm)}
    made: dict[str, Array] = {}
    for item in source.inputs:
        if item is answer.input:
            continue
        shape = [a.size for a in item.axes]
        made[item.name] = np.zeros(shape, _dtype(item))
        for fed in answer.fed:
            if fed.name != item.name:
                continue
            state = getattr(layers[id(fed.layer)], f"{fed.kind}0")
            if state is not None:
                place = tuple(slice(fed.index, fed.index + 1) if a.kind == LAYER else slice(None) for a in item.axes)
                wide = [a.size if a.kind == FEATURE else 1 for a in item.axes]
                made[item.name][place] = state.reshape(wide)
    return made
