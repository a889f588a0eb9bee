"""Packages that only a part of Penstock needs: imported when that part is used, or an error with the pip command."""

from __future__ import annotations

import importlib
from types import ModuleType

from penstock.errors import MissingExtraError


def need(module: str, extra: str, user: str | None = None) -> ModuleType:
    """The module `module` (a package of the extra `extra` of Penstock), imported.

    user: who needs it, for the error; None: "penstock." and the extra's name. Raises MissingExtraError where the package
    is not installed; a package that is there and fails to import raises what it raises."""
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f"{user or f'penstock.{extra}'} needs the package {package}: pip install 'penstock[{extra}]'", item=package
        ) from problem


def find(module: str) -> ModuleType | None:
    """The module, or None where its package is not installed or does not work: for what is only checked where it can
    be, such as a source's own runtime."""
    try:
        return importlib.import_module(module)
    except Exception:  # a runtime that is broken, or lacks a backend, is as good as absent
        return None
