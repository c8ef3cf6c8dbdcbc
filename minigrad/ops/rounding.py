"""Rounding and signs: functions of steps, whose gradient is zero, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.engine import Node, Op, apply
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array

__all__ = ["ceil", "floor", "round", "sign", "trunc"]

_OF_FRACTIONS = (np.ceil, np.floor, np.trunc)
"""Functions that leave whole numbers as they are."""


class PiecewiseConstant(Op):
    """``floor``, ``sign`` and the like: dx = 0, also at the steps."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, function: Callable[[Array], Array]) -> Array:
        return function(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, function: Callable[[Array], Array]) -> tuple[Any]:
        return (np.zeros_like(dy),)


@public
@implements(np.sign)
def sign(x: Any) -> Tensor:
    """Return -1, 0 or 1, the sign of each element; the gradient is zero."""
    return _piecewise_constant(x, np.sign)


@public
@implements(np.floor)
def floor(x: Any) -> Tensor:
    """Round each element down; the gradient is zero."""
    return _piecewise_constant(x, np.floor)


@public
@implements(np.ceil)
def ceil(x: Any) -> Tensor:
    """Round each element up; the gradient is zero."""
    return _piecewise_constant(x, np.ceil)


@public
@implements(np.trunc)
def trunc(x: Any) -> Tensor:
    """Round each element towards zero; the gradient is zero."""
    return _piecewise_constant(x, np.trunc)


@public
def round(x: Any, *, decimals: int = 0) -> Tensor:  # noqa: A001 - PyTorch's name
    """Round each element to the nearest, halves to even; the gradient is zero.

    Parameters
    ----------
    x : Tensor, any shape
    decimals : int
        Digits to keep behind the decimal point; negative: zeros before it.

    Returns
    -------
    Tensor like ``x``
    """
    decimals = check_integer("round", "decimals", decimals)
    return _piecewise_constant(x, lambda array: np.round(array, decimals))


@implements(np.round, np.around)
def _numpy_round(a: Any, decimals: int = 0) -> Tensor:
    return round(a, decimals=decimals)


@implements(np.rint)
def _numpy_rint(x: Any) -> Tensor:
    return round(x)


def _piecewise_constant(x: Any, function: Callable[[Array], Array]) -> Tensor:
    x = as_tensor(x)
    # NumPy makes float16 of booleans, or refuses; before 2.1 it made float64 of whole numbers.
    if x.dtype.kind == "b" or (x.dtype.kind in "iu" and function in _OF_FRACTIONS):
        return _wrap(x.array.copy())
    result: Tensor = apply(PiecewiseConstant, x, function=function)
    return result
