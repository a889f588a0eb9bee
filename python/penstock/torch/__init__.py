"""PyTorch: the modules `penstock.torch.nn`, and `penstock.torch.export`, which makes a Model of a module.

    import penstock.torch as vollo_torch

PyTorch is imported here and nowhere else in Penstock; without it this import raises MissingExtraError with the command
that installs it."""

from __future__ import annotations

from penstock.importing.extras import need

need("torch", "torch")

from penstock.torch import nn  # noqa: E402  (what comes next imports torch)
from penstock.torch.export import export, load  # noqa: E402

__all__ = ["export", "load", "nn"]
