"""Exponentials, logarithms and the error function.

Every function takes a Tensor, array or scalar of any shape and returns a Tensor of that shape;
integers and booleans become float32. Outside of its domain, and where it overflows, a function
follows NumPy's error state (``numpy.errstate``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.kernels.dispatch import module
from minigrad.ops.promotion import as_float
from minigrad.registry import implements, public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["erf", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10"]

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


class Exp(Op):
    """``exp(x)``: dx = dy * y."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.exp(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * y,)


@public
@implements(np.exp)
def exp(x: Any) -> Tensor:
    """Return e to the power of each element."""
    result: Tensor = apply(Exp, as_float(x))
    return result


class Exp2(Op):
    """``2 ** x``: dx = dy * y * log(2)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.exp2(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y * _LN2),)


@public
@implements(np.exp2)
def exp2(x: Any) -> Tensor:
    """Return 2 to the power of each element."""
    result: Tensor = apply(Exp2, as_float(x))
    return result


class Expm1(Op):
    """``exp(x) - 1``: dx = dy * (y + 1)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.expm1(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y + 1.0),)


@public
@implements(np.expm1)
def expm1(x: Any) -> Tensor:
    """Return e to the power of each element, less one: exact for small elements."""
    result: Tensor = apply(Expm1, as_float(x))
    return result


class Log(Op):
    """``log(x)``: dx = dy / x."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.log(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / x,)


@public
@implements(np.log)
def log(x: Any) -> Tensor:
    """Return the natural logarithm of each element."""
    result: Tensor = apply(Log, as_float(x))
    return result


class Log2(Op):
    """``log2(x)``: dx = dy / (x log(2))."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.log2(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / (x * _LN2),)


@public
@implements(np.log2)
def log2(x: Any) -> Tensor:
    """Return the logarithm to base 2 of each element."""
    result: Tensor = apply(Log2, as_float(x))
    return result


class Log10(Op):
    """``log10(x)``: dx = dy / (x log(10))."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.log10(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / (x * _LN10),)


@public
@implements(np.log10)
def log10(x: Any) -> Tensor:
    """Return the logarithm to base 10 of each element."""
    result: Tensor = apply(Log10, as_float(x))
    return result


class Log1p(Op):
    """``log(1 + x)``: dx = dy / (1 + x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.log1p(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / (x + 1.0),)


@public
@implements(np.log1p)
def log1p(x: Any) -> Tensor:
    """Return the natural logarithm of one plus each element: exact for small elements."""
    result: Tensor = apply(Log1p, as_float(x))
    return result


class Erf(Op):
    """The error function: dx = dy * 2 / sqrt(pi) * exp(-x**2)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return module("elementwise").erf(np.asarray(x))

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * (np.exp(-x * x) * _TWO_OVER_SQRT_PI),)


@public
def erf(x: Any) -> Tensor:
    """Return the error function of each element."""
    result: Tensor = apply(Erf, as_float(x))
    return result
