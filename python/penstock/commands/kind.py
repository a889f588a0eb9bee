"""What kind of model a file holds, told by its content, not by its name."""

from __future__ import annotations

import json
import os
import zipfile
from typing import Any

from penstock.errors import FileError, Problem, unsupported

ONNX, KERAS, NAM, RTNEURAL, TORCH, SAFETENSORS = "onnx", "keras", "nam", "rtneural", "torch", "safetensors"
KINDS = (ONNX, KERAS, NAM, RTNEURAL, TORCH, SAFETENSORS)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_LARGEST_JSON = 1 << 30


def detect(path: str) -> str:
    """One of KINDS. FileError where the file can't be read, UnsupportedError where it is nothing that is known."""
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}", file=path, os_error=error.errno or 0) from error
    if start.startswith(_HDF5):
        return KERAS
    if start.startswith(b"PK\x03\x04"):
        return _archive(path)
    if len(start) > 9 and int.from_bytes(start[:8], "little") <= size - 8 and start[8:9] == b"{":
        return SAFETENSORS
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and size <= _LARGEST_JSON:
        return _json(path)
    # An ONNX file is a protobuf message without a mark; its first field is nearly always ir_version (tag 8).
    if path.lower().endswith(".onnx") or start[:1] == b"\x08" and b"\x12" in start[:64]:
        return ONNX
    raise _unknown(path, "its content is of no kind that this version imports")


def _unknown(path: str, what: str) -> Exception:
    return unsupported(path, [Problem("the file", what)])


def _archive(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _unknown(path, f"it begins as a zip archive, but is none ({error})") from error
    if "config.json" in names and "model.weights.h5" in names:
        return KERAS
    # torch.export.save's archives hold the program as JSON under models/, older ones at the top.
    if any(name.split("/")[-1] == "serialized_exported_program.json" or "/models/" in f"/{name}" for name in names):
        return TORCH
    if any(name.endswith("data.pkl") for name in names):
        what = "torch.save wrote it: weights or a pickled object, no program; save the state_dict as .safetensors, or "
        raise _unknown(path, what + "the module by torch.export.save")
    raise _unknown(path, "a zip archive, but neither Keras' nor torch.export's")


def _json(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            content: Any = json.load(file)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _unknown(path, f"it begins as JSON, but is not ({error})") from error
    if isinstance(content, dict) and "architecture" in content and "weights" in content:
        return NAM
    return RTNEURAL
