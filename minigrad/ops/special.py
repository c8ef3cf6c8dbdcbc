"""Elementwise functions with special points: limits that the formula does not reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.engine import Node, Op, apply
from minigrad.ops.broadcasting import apply_broadcasting, promote_to_float
from minigrad.ops.promotion import as_float
from minigrad.ops.selection import clamp
from minigrad.registry import implements, public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Copysign", "Logit", "Sinc", "Xlogy", "copysign", "logit", "sinc", "xlogy"]


class Logit(Op):
    """``log(x / (1 - x))``: dx = dy / (x (1 - x))."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):  # at 0, at 1, and outside
            return np.log(x) - np.log1p(-x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (dy / (x * (1.0 - x)),)


@public
def logit(x: Any, eps: float | None = None) -> Tensor:
    """Return ``log(x / (1 - x))``, of which `sigmoid` is the inverse.

    Parameters
    ----------
    x : Tensor
        Between 0 and 1; outside, the result is NaN, at 0 and 1 infinite.
    eps : float, optional
        Limit ``x`` to ``[eps, 1 - eps]`` first.

    Returns
    -------
    Tensor
    """
    x = as_float(x)
    if eps is not None:
        check_number("logit", "eps", eps)
        x = clamp(x, eps, 1.0 - eps)
    result: Tensor = apply(Logit, x)
    return result


class Xlogy(Op):
    """``x log(y)``, 0 where x is: dx = dy log(y), dy = dy x / y."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Any, y: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            # NaN in y stays NaN: 0 * NaN.
            return np.where((x == 0) & (y == y), 0 * x, x * np.log(y))

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, y: Any) -> tuple[Any, Any]:
        with np.errstate(divide="ignore", invalid="ignore"):
            # x = 0 is a constant 0 where the logarithm does not exist, and has no gradient there.
            absent = np.logical_and(x == 0, y <= 0)
            safe = np.where(absent, 1.0, y)
            return (
                dy * np.log(safe) if ctx.needs[0] else None,
                dy * (x / safe) if ctx.needs[1] else None,
            )


@public
def xlogy(x: Any, y: Any) -> Tensor:
    """Return ``x * log(y)``, and 0 where ``x`` is 0, whatever ``y`` is but NaN.

    Parameters
    ----------
    x, y : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Where ``x`` is 0 and ``y`` not positive, both gradients are 0 (in PyTorch that of ``y`` is
        NaN at 0).

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Xlogy, *promote_to_float(x, y))


class Copysign(Op):
    """``|a|`` with the sign of ``b``: da = dy where the signs of a and b agree, else -dy."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Any, b: Any) -> Any:
        return np.copysign(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        da = dy * np.copysign(1.0, b) * np.sign(a) if ctx.needs[0] else None
        return da, np.zeros_like(dy) if ctx.needs[1] else None


@public
@implements(np.copysign)
def copysign(a: Any, b: Any) -> Tensor:
    """Return the magnitude of ``a`` with the sign of ``b``, of which -0.0 has one.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        The gradient of ``a`` is 0 where it is 0, that of ``b`` everywhere.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Copysign, *promote_to_float(a, b))


class Sinc(Op):
    """Derivative of some order of ``sin(pi x) / (pi x)``: dx = dy times that of the next order.

    With ``u = pi x`` and ``f(u) = sin(u) / u``, differentiating ``u f = sin(u)`` n times gives
    ``f_n = (sin(u + n pi / 2) - n f_{n-1}) / u``, used where u is large; close to 0, where that
    cancels, the Taylor series of f is differentiated term by term.
    """

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, order: int) -> Array:
        u = np.asarray(x, np.float64) * math.pi
        small = np.abs(u) < order + 1.0
        near = np.where(small, u, 0.0)
        series = np.zeros_like(near)
        for k in range(_TERMS + 2 * order, (order + 1) // 2 - 1, -1):  # the smallest terms first
            power = 2 * k - order
            factor = math.factorial(2 * k) / (math.factorial(power) * math.factorial(2 * k + 1))
            series += (-1.0) ** k * factor * near**power
        far = np.where(small, 1.0, u)
        value = np.sin(far) / far
        for n in range(1, order + 1):
            value = (np.sin(far + n * math.pi / 2) - n * value) / far
        scaled = np.where(small, series, value) * math.pi**order
        return scaled.astype(x.dtype)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, order: int) -> tuple[Any]:
        return (dy * apply(Sinc, x, order=order + 1),)


_TERMS = 16
"""Of the series: at order n, u < n + 1, what follows is below the rounding of float64."""


@public
@implements(np.sinc)
def sinc(x: Any) -> Tensor:
    """Return ``sin(pi x) / (pi x)``, and its limit 1 at 0, where all derivatives are right, too.

    Parameters
    ----------
    x : Tensor
        Integers and booleans become float32.

    Returns
    -------
    Tensor like ``x``
    """
    result: Tensor = apply(Sinc, as_float(x), order=0)
    return result
