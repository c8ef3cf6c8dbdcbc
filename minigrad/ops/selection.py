"""Choosing between elements: extrema of two operands, limits, and ``where``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op
from minigrad.errors import DTypeError
from minigrad.ops.broadcasting import apply_broadcasting
from minigrad.ops.promotion import promote, result_type
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = ["clamp", "clip", "fmax", "fmin", "maximum", "minimum", "where"]


def _share(dy: Any, loses: Any, ties: Any) -> Any:
    """Return the gradient of one of two operands: none if it loses, half where both are equal."""
    return np.where(loses, 0.0, np.where(ties, dy * 0.5, dy))


class Maximum(Op):
    """The larger of two: dy goes to it, half to each where they are equal.

    Where an operand is NaN, so is the result, and dy goes to both.
    """

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ties = a == b
        return (
            _share(dy, a < b, ties) if ctx.needs[0] else None,
            _share(dy, b < a, ties) if ctx.needs[1] else None,
        )


@public
@implements(np.maximum)
def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of two elements, NaN if one is; the gradient of equal ones is shared.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Maximum, *promote(a, b))


class Minimum(Op):
    """The smaller of two: dy goes to it, half to each where they are equal.

    Where an operand is NaN, so is the result, and dy goes to both.
    """

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ties = a == b
        return (
            _share(dy, a > b, ties) if ctx.needs[0] else None,
            _share(dy, b > a, ties) if ctx.needs[1] else None,
        )


@public
@implements(np.minimum)
def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of two elements; as `maximum`."""
    return apply_broadcasting(Minimum, *promote(a, b))


class Fmax(Op):
    """The larger of two, or the one that is not NaN: dy goes to it, half to each if equal."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.fmax(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ties = a == b
        return (
            _share(dy, np.logical_or(a < b, _alone_nan(a, b)), ties) if ctx.needs[0] else None,
            _share(dy, np.logical_or(b < a, _alone_nan(b, a)), ties) if ctx.needs[1] else None,
        )


@public
@implements(np.fmax)
def fmax(a: Any, b: Any) -> Tensor:
    """Return the larger of two elements, or the one that is not NaN.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        The gradient goes to the element returned; equal ones share it.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Fmax, *promote(a, b))


class Fmin(Op):
    """The smaller of two, or the one that is not NaN: dy goes to it, half to each if equal."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.fmin(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ties = a == b
        return (
            _share(dy, np.logical_or(a > b, _alone_nan(a, b)), ties) if ctx.needs[0] else None,
            _share(dy, np.logical_or(b > a, _alone_nan(b, a)), ties) if ctx.needs[1] else None,
        )


@public
@implements(np.fmin)
def fmin(a: Any, b: Any) -> Tensor:
    """Return the smaller of two elements, or the one that is not NaN; as `fmax`."""
    return apply_broadcasting(Fmin, *promote(a, b))


def _alone_nan(a: Any, b: Any) -> Any:
    """Return where ``a`` is NaN and ``b`` is not; NaN alone differs from itself."""
    return np.logical_and(a != a, b == b)


class Clamp(Op):
    """``minimum(maximum(x, low), high)``, ``low`` and ``high`` each an array, a number or None.

    dx = dy where low <= x <= high. dlow = dy where x < low <= high, dhigh = dy where high is less
    than either.
    """

    saves = (0, 1, 2)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, low: Any, high: Any) -> Array:
        raised = x if low is None else np.maximum(x, low)
        result: Array = raised if high is None else np.minimum(raised, high)
        return result

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
        dx = dlow = dhigh = None
        crossed = False if low is None or high is None else low > high
        if ctx.needs[0]:
            above_low = True if low is None else x >= low
            below_high = True if high is None else x <= high
            dx = np.where(np.logical_and(above_low, below_high), dy, 0.0)
        if ctx.needs[1]:
            dlow = np.where(np.logical_and(x < low, np.logical_not(crossed)), dy, 0.0)
        if ctx.needs[2]:
            dhigh = np.where(np.logical_or(x > high, crossed), dy, 0.0)
        return dx, dlow, dhigh


@public
def clamp(x: Any, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 - PyTorch's names
    """Limit each element to ``[min, max]``; the gradient at a bound passes to ``x``.

    Parameters
    ----------
    x : Tensor, ndarray or scalar
    min, max : Tensor, ndarray, scalar or None
        Of shapes that broadcast with that of ``x``; None: no bound on this side. Where ``min``
        is above ``max``, the result is ``max``.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If neither bound is given.
    ShapeError
        If the shapes do not broadcast.
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both, got neither")
    x = as_tensor(x)
    if x.array.dtype.kind == "f" and _is_scalar(min) and _is_scalar(max):
        return apply_broadcasting(Clamp, x, min, max)
    dtype = result_type(*[value for value in (x, min, max) if value is not None])
    low, high = (None if bound is None else as_tensor(bound, dtype) for bound in (min, max))
    return apply_broadcasting(Clamp, as_tensor(x, dtype), low, high)


def _is_scalar(bound: Any) -> bool:
    """Return whether a bound leaves the dtype of a floating ``x`` as it is, or is none."""
    return bound is None or type(bound) is float or type(bound) is int


@implements(np.clip)
def _numpy_clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    *,
    min: Any = None,  # noqa: A002 - NumPy's name
    max: Any = None,  # noqa: A002 - NumPy's name
) -> Tensor:
    return clamp(a, min if a_min is None else a_min, max if a_max is None else a_max)


class Where(Op):
    """``a`` where the condition holds, else ``b``: each gets dy where it was chosen."""

    saves = (0,)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, condition: Any) -> tuple[None, Any, Any]:
        return (
            None,
            np.where(condition, dy, 0.0) if ctx.needs[1] else None,
            np.where(condition, 0.0, dy) if ctx.needs[2] else None,
        )


@public
def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return ``a`` where the condition holds, else ``b``.

    Parameters
    ----------
    condition : Tensor, ndarray or scalar, bool
    a, b : Tensor, ndarray or scalar
        The three shapes broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    DTypeError
        If the condition is not boolean.
    ShapeError
        If the shapes do not broadcast.
    """
    condition = as_tensor(condition)
    if condition.dtype.kind != "b":
        raise DTypeError(
            f"where: the condition must be boolean, got {condition.dtype}; compare first, as in "
            "x != 0"
        )
    return apply_broadcasting(Where, condition, *promote(a, b))


@implements(np.where)
def _numpy_where(condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.nonzero(as_tensor(condition).array)
    return where(condition, *branches)


clip = clamp
