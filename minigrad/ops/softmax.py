"""Softmax, its logarithm, and logarithms of sums of exponentials."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.kernels.memory import empty_like
from minigrad.ops.activation import Sigmoid
from minigrad.ops.axes import normalize_axes, normalize_axis
from minigrad.ops.broadcasting import apply_broadcasting, promote_to_float
from minigrad.ops.promotion import as_float
from minigrad.ops.reduce import _with_reduced_axes
from minigrad.registry import implements, public
from minigrad.tensor import Tensor
from minigrad.typing import Array, Axis, Shape

__all__ = ["log_softmax", "logaddexp", "logsumexp", "softmax"]


class Softmax(Op):
    """``exp(x) / sum(exp(x))``: dx = y * (dy - sum(dy * y))."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: int) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # x - max: infinite or NaN
            y = _minus_largest(x, dim)
            np.exp(y, out=y)
            y /= np.add.reduce(y, axis=dim, keepdims=True)
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any, *, dim: int) -> tuple[Any]:
        return (y * (dy - np.sum(dy * y, axis=dim, keepdims=True)),)


@public
def softmax(x: Any, dim: int) -> Tensor:
    """Return ``exp(x)`` divided by its sum along ``dim``.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    dim : int
        The axis along which the results add up to 1.

    Returns
    -------
    Tensor like ``x``
        NaN along an axis that has an element of plus infinity, or minus infinity alone, as in
        PyTorch.

    Raises
    ------
    ShapeError
        If ``x`` has no axis ``dim``.

    Notes
    -----
    The largest element is subtracted first, so elements of any size neither overflow nor lose
    digits.
    """
    x = as_float(x)
    axis = normalize_axis("softmax", dim, max(x.ndim, 1))  # a number may be normalised, too
    result: Tensor = apply(Softmax, x, dim=axis)
    return result


class LogSoftmax(Op):
    """``x - log(sum(exp(x)))``: dx = dy - exp(y) * sum(dy)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: int) -> Array:
        # Infinite or NaN: x - max. The logarithm of 0: of an axis of length 0.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            y = _minus_largest(x, dim)
            y -= np.log(np.add.reduce(np.exp(y), axis=dim, keepdims=True))
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any, *, dim: int) -> tuple[Any]:
        return (dy - np.exp(y) * np.sum(dy, axis=dim, keepdims=True),)


@public
def log_softmax(x: Any, dim: int) -> Tensor:
    """Return the logarithm of `softmax`, without its loss of small values.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    dim : int
        The axis along which the exponentials of the results add up to 1.

    Returns
    -------
    Tensor like ``x``
        NaN along an axis that has an element of plus infinity, or minus infinity alone, as in
        PyTorch.

    Raises
    ------
    ShapeError
        If ``x`` has no axis ``dim``.
    """
    x = as_float(x)
    axis = normalize_axis("log_softmax", dim, max(x.ndim, 1))  # a number may be normalised, too
    result: Tensor = apply(LogSoftmax, x, dim=axis)
    return result


def _minus_largest(x: Array, dim: int) -> Array:
    """Return ``x`` less its maximum along ``dim``, in new memory; that of nothing is -inf."""
    largest = np.maximum.reduce(x, axis=dim, keepdims=True, initial=-np.inf)
    return np.subtract(x, largest, out=empty_like(x))


class Logsumexp(Op):
    """``log(sum(exp(x)))``: dx = dy * exp(x - y), the softmax of x."""

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        largest = np.maximum.reduce(x, axis=dim, keepdims=True, initial=-np.inf)
        largest = np.where(np.isfinite(largest), largest, x.dtype.type(0))  # inf - inf is NaN
        # Infinite: x - largest, exp(x) beside inf. The logarithm of 0: all are -inf, or none are.
        with np.errstate(over="ignore", divide="ignore"):
            y = np.log(_add_along(np.exp(x - largest), axis=dim, keepdims=True)) + largest
        return y if keepdim else np.squeeze(y, dim)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, y: Any, *, dim: Shape | None, keepdim: bool
    ) -> tuple[Any]:
        # Where all are minus infinity, exp(-inf - 0) = 0: none of them moves y.
        total = _with_reduced_axes(np.where(y == -np.inf, 0.0, y), x.shape, dim)
        with np.errstate(over="ignore", invalid="ignore"):  # opposite extremes, plus infinity
            share = np.exp(x - total)
        return (_with_reduced_axes(dy, x.shape, dim) * share,)


# NumPy's types lack a keepdims that is a variable.
_add_along: Any = np.add.reduce


@public
def logsumexp(x: Any, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Return the logarithm of the sum of the exponentials along axes.

    Parameters
    ----------
    x : Tensor, any shape
        Integers and booleans become float32.
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. Minus infinity where all elements are, or there are none; what it
        hands back to them is 0 (in PyTorch NaN). The gradient is NaN at plus infinity.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.

    Notes
    -----
    The largest element is subtracted first, so elements of any size neither overflow nor lose
    digits.
    """
    x = as_float(x)
    axes = normalize_axes("logsumexp", dim, x.ndim)
    result: Tensor = apply(Logsumexp, x, dim=axes, keepdim=keepdim)
    return result


class Logaddexp(Op):
    """``log(exp(a) + exp(b))``: da = dy * sigmoid(a - b), db = dy * sigmoid(b - a)."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.logaddexp(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        with np.errstate(invalid="ignore"):  # of two infinities
            return (
                dy * apply(Sigmoid, a - b) if ctx.needs[0] else None,
                dy * apply(Sigmoid, b - a) if ctx.needs[1] else None,
            )


@public
@implements(np.logaddexp)
def logaddexp(a: Any, b: Any) -> Tensor:
    """Return ``log(exp(a) + exp(b))`` without overflow.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Its gradient is NaN where both operands are the same infinity.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Logaddexp, *promote_to_float(a, b))
