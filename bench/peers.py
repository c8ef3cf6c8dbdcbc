"""The libraries that minigrad is measured against. Each is optional, and its absence is shown."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from minigrad.kernels.cpu.threads import get_num_threads, set_num_threads

__all__ = ["NOT_INSTALLED", "description", "set_threads", "threads", "torch"]

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


def set_threads(n: int) -> None:
    """Set the threads of both sides.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    set_num_threads(n)
    module = torch()
    if module is not None:
        module.set_num_threads(n)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Set the threads of both sides for a while."""
    before = get_num_threads()
    set_threads(n)
    try:
        yield
    finally:
        set_threads(before)
