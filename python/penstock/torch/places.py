"""Where a node of an exported graph stands in the user's source: file, line, path and class of its module."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

# Frames in these folders are not the user's code.
_OURS = tuple(f"{Path(str(p)).resolve()}{os.sep}" for p in (*torch.__path__, Path(__file__).resolve().parent))
_FRAME = re.compile(r'^\s*File "(?P<file>.+)", line (?P<line>\d+), in ', re.MULTILINE)


def _is_user(file: str) -> bool:
    return not file.startswith(("<frozen", "<string", "<eval_with_key")) and not str(Path(file).resolve()).startswith(
        _OURS
    )


def modules_of(node: Any) -> list[tuple[str, str]]:
    """Path and class name of the modules that the node stands in, the outermost first."""
    stack = (node.meta.get("nn_module_stack") or {}).values()
    return [(path, (k if isinstance(k, str) else k.__qualname__).rsplit(".", 1)[-1]) for path, k in stack]


def of_node(node: Any, depth: int | None = None) -> str:
    """ "net.py:12, head.fc (Linear)"; without a file where no frame of the trace is the user's, as in a Sequential. The
    line is that of the innermost forward(): the exporter notes no other functions. depth: which of modules_of(node) to
    name; None: the innermost."""
    frames = [m for m in _FRAME.finditer(node.meta.get("stack_trace") or "") if _is_user(m["file"])]
    modules = modules_of(node)[: None if depth is None else depth + 1]
    parts = [f"{frames[-1]['file']}:{frames[-1]['line']}"] if frames else []
    if modules:
        path, name = modules[-1]
        parts.append(f"{path} ({name})" if path else name)
    return ", ".join(parts) or str(node.name)


def of_traceback(trace: TracebackType | None) -> str | None:
    """ "net.py:12" of the innermost frame in the user's code, below ours; None where there is none."""
    found, below = None, False
    while trace is not None:
        code = trace.tb_frame.f_code
        if not _is_user(code.co_filename):
            below = True
        elif below:
            found = f"{code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
