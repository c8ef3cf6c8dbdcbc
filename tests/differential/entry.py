"""A function that both libraries have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import minigrad as mg
from tests.differential.inputs import Inputs

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")


@dataclass(frozen=True)
class Entry:
    """A function that both libraries have.

    Attributes
    ----------
    name : str
        ``minigrad.``, ``linalg.``, ``nn.functional.`` or ``Tensor.`` and the name.
    ours, theirs : callable
    inputs : strategy of Call
        Floating arrays in float64: the test draws the dtype and the memory layout.
    tolerance : dict, optional
        By dtype, with ``reason``; default: `compare.TOLERANCES`.
    elementwise : int
        Number of operands of a function to try on special values; 0: not elementwise.
    """

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    inputs: Inputs
    tolerance: dict[Any, float] | None = None
    reason: str = ""
    elementwise: int = 0


def same(name: str, inputs: Inputs, **options: Any) -> Entry:
    """Return the entry of a function that PyTorch calls the same, and takes the same."""
    return Entry(f"minigrad.{name}", getattr(mg, name), getattr(torch, name), inputs, **options)


def without_dim(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction that is called with the axis only where there is one."""

    def call(x: Any, dim: Any = None, **keywords: Any) -> Any:
        return function(x, **keywords) if dim is None else function(x, dim, **keywords)

    return call
