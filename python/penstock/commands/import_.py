"""python -m penstock import: a model of another library into a .safetensors checkpoint that the C tools read."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from penstock.commands import kind
from penstock.errors import ArgumentError, FileError, MismatchError

if TYPE_CHECKING:
    from penstock.model import Model

# Which options belong to which kinds: any other would be ignored, so it is refused.
_OF_KIND = {
    "constant": (kind.ONNX,),
    "h0": (kind.ONNX,),
    "c0": (kind.ONNX,),
    "prewarm": (kind.NAM,),
    "order": (kind.RTNEURAL,),
    "without_skip": (kind.RTNEURAL,),
    "prefix": (kind.SAFETENSORS,),
}


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "import",
        help="turn a model of another library into a checkpoint",
        description="Reads ONNX, Keras (.keras, .h5), NAM, RTNeural, AIDA-X and GuitarML files, programs that "
        "torch.export.save wrote, and .safetensors; the kind is told by the content. Writes a .safetensors checkpoint "
        "with Penstock's layer graph, which `penstock compile` reads. Exit 1: the model does not answer as its source.",
    )
    parser.add_argument("file", metavar="FILE", help="what to import")
    parser.add_argument("-o", "--output", metavar="M.safetensors", required=True, help="the checkpoint to write")
    parser.add_argument("--kind", choices=kind.KINDS, help="what FILE is, instead of looking")
    parser.add_argument("--no-verify", action="store_true", help="do not compare with the source's own runtime")
    parser.add_argument(
        "--constant", metavar="NAME=FILE.npy", action="append", default=[], help="ONNX: the value of a graph input"
    )
    parser.add_argument(
        "--h0", metavar="FILE.npy", help="ONNX: what initial_h's graph inputs begin with; default zeros"
    )
    parser.add_argument("--c0", metavar="FILE.npy", help="ONNX: the same of initial_c")
    parser.add_argument("--prewarm", metavar="SECONDS", type=float, help="NAM: zeros that the model has heard before")
    parser.add_argument("--order", metavar="NAME,NAME", help="RTNeural: the modules in the data's order")
    parser.add_argument(
        "--without-skip", action="store_true", help="AIDA-X, GuitarML: I add the input to the output myself"
    )
    parser.add_argument("--prefix", metavar="P", help=".safetensors: only tensors whose names begin so")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    what = options.kind or kind.detect(options.file)
    for name, kinds in _OF_KIND.items():
        if getattr(options, name) not in (None, False, []) and what not in kinds:
            raise ArgumentError(f"--{name.replace('_', '-')} is for {', '.join(kinds)}; {options.file} is {what}")
    try:
        model = _load(what, options)
    except MismatchError as error:
        print(f"penstock: {error}", file=sys.stderr)
        return 1
    model.save(options.output)
    print(f"{options.file} ({what}): {model.inputs} inputs, {model.outputs} outputs, {model.parameters} parameters")
    for layer in model.layers:
        function = f" {layer.function}" if layer.function else ""
        print(f"  {layer.kind}{function}: {layer.inputs} -> {layer.outputs}")
    for note in model.notes:
        print(f"  {note}")
    print(f"wrote {options.output}")
    return 0


def _array(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path}: cannot be read as .npy: {error}", file=path) from error


def _load(what: str, options: argparse.Namespace) -> Model:
    """Imports the loader of one kind only: the others' packages need not be there."""
    verify = not options.no_verify
    if what == kind.ONNX:
        from penstock import onnx

        constants = {}
        for constant in options.constant:
            name, equals, path = constant.partition("=")
            if not equals or not name:
                raise ArgumentError(f"--constant {constant}: NAME=FILE.npy is expected")
            constants[name] = _array(path)
        states = {name: _array(value) for name in ("h0", "c0") if (value := getattr(options, name)) is not None}
        return onnx.load(options.file, constants=constants, verify=verify, **states)
    if what == kind.KERAS:
        from penstock import keras

        return keras.load(options.file, verify=verify)
    if what == kind.NAM:
        from penstock import nam

        return nam.load(options.file, prewarm=options.prewarm or 0.0, verify=verify)
    if what == kind.RTNEURAL:
        from penstock import rtneural

        order = options.order.split(",") if options.order else None
        return rtneural.load(options.file, order=order, without_skip=options.without_skip, verify=verify)
    if what == kind.TORCH:
        from penstock import torch

        return torch.load(options.file, verify=verify)
    from penstock.model import Model

    return Model.read(options.file, prefix=options.prefix)
