"""The libraries that minigrad is measured against. Each is optional, and its absence is shown."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

__all__ = ["NOT_INSTALLED", "description", "torch"]

NOT_INSTALLED = "PyTorch: not installed"
"""Stands in a report where the peer's figures would be."""


@cache
def torch() -> Any | None:
    """Return the module ``torch``, or None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    return importlib.import_module("torch")


def description() -> str:
    """Return the peer's name and version, or that it is not installed."""
    module = torch()
    return NOT_INSTALLED if module is None else f"PyTorch {module.__version__}"
