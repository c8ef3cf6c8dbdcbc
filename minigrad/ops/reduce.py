"""Reductions that add: sum, mean, variance and standard deviation.

Axes are an integer, a tuple of integers or None, for all; negative ones count from the end. An
empty tuple reduces nothing, as in NumPy. Sums of float32 are float32: NumPy adds pairwise along
the fastest axis, and in a row along others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError
from minigrad.ops.axes import normalize_axes
from minigrad.ops.expansion import Broadcast
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, Axis, DTypeLike, Shape

__all__ = ["Mean", "Std", "Sum", "Var", "mean", "std", "sum", "var"]

# What `numpy.sum` calls, without its overhead; NumPy's types lack a keepdims that is a variable.
_add_along: Any = np.add.reduce


def _with_reduced_axes(reduced: Any, shape: Shape, dim: Shape | None) -> Any:
    """Return a reduction of an array of ``shape`` with the axes of length one that it dropped."""
    if dim is None or reduced.ndim == len(shape):  # of rank 0, it broadcasts as it is
        return reduced
    kept = tuple([1 if axis in dim else size for axis, size in enumerate(shape)])
    return np.reshape(reduced, kept)


def _count(shape: Shape, dim: Shape | None) -> int:
    """Return how many elements are reduced to one."""
    return math.prod(shape if dim is None else [shape[axis] for axis in dim])


class Sum(Op):
    """``sum(x)``: dx = dy, broadcast to the shape of x."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        return _add_along(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dim: Shape | None, keepdim: bool) -> tuple[Any]:
        shape = ctx.shape_of(0)
        return (apply(Broadcast, _with_reduced_axes(dy, shape, dim), shape=shape),)


@public
def sum(  # noqa: A001 - PyTorch's name
    x: Any, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None
) -> Tensor:
    """Add the elements along axes.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; int64 for integers and booleans.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.sum(mg.ones(2, 3), dim=1)
    tensor([3., 3.])
    """
    x = as_tensor(x, dtype)
    axes = dim if dim is None else normalize_axes("sum", dim, x.ndim)
    if x.array.dtype.kind != "f":
        return _wrap(np.asarray(np.sum(x.array, axes, np.int64, keepdims=bool(keepdim))))
    result: Tensor = apply(Sum, x, dim=axes, keepdim=bool(keepdim))
    return result


@implements(np.sum)
def _np_sum(a: Any, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False) -> Tensor:
    return sum(a, axis, keepdims, dtype=dtype)


class Mean(Op):
    """``sum(x) / n``: dx = dy / n, broadcast to the shape of x."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        return _quotient(_add_along(x, axis=dim, keepdims=keepdim), _count(x.shape, dim))

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dim: Shape | None, keepdim: bool) -> tuple[Any]:
        shape = ctx.shape_of(0)
        share = dy * (1.0 / max(_count(shape, dim), 1))  # of no elements, there is none to share
        return (apply(Broadcast, _with_reduced_axes(share, shape, dim), shape=shape),)


def _quotient(total: Any, n: float) -> Any:
    """Return ``total / n``; without warning where that is NaN or infinite because n is 0."""
    if n:
        return total / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(total, n)


@public
def mean(x: Any, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
    """Return the mean along axes.

    Parameters
    ----------
    x : Tensor, any shape, floating
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. The mean of nothing is NaN, without a warning.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.
    ShapeError
        If an axis does not exist or is named twice.
    """
    x = _floating("mean", as_tensor(x, dtype))
    axes = dim if dim is None else normalize_axes("mean", dim, x.ndim)
    result: Tensor = apply(Mean, x, dim=axes, keepdim=bool(keepdim))
    return result


@implements(np.mean)
def _np_mean(a: Any, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False) -> Tensor:
    return mean(a, axis, keepdims, dtype=dtype)


def _floating(name: str, x: Tensor) -> Tensor:
    """Return ``x``, or raise if it does not say which float the result should be."""
    if x.array.dtype.kind != "f":
        raise DTypeError(
            f"{name} of {x.dtype}: expected a floating Tensor; convert with .float() or .double()"
        )
    return x


class Var(Op):
    """``sum((x - mean(x))**2) / m`` with ``m = n - correction``: dx = 2 dy (x - mean(x)) / m.

    What the mean contributes to dx vanishes, because the deviations add up to zero.
    """

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(
        ctx: Node | None, x: Array, *, dim: Shape | None, correction: float, keepdim: bool
    ) -> Any:
        squares = x - Mean.forward(None, x, dim=dim, keepdim=True)
        squares *= squares
        m = max(_count(x.shape, dim) - correction, 0)
        return _quotient(_add_along(squares, axis=dim, keepdims=keepdim), m)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, *, dim: Shape | None, correction: float, keepdim: bool
    ) -> tuple[Any]:
        m = _count(x.shape, dim) - correction
        scaled = dy * (2.0 / m if m > 0 else math.nan)
        deviation = x - apply(Mean, x, dim=dim, keepdim=True)
        return (_with_reduced_axes(scaled, x.shape, dim) * deviation,)


@public
def var(x: Any, dim: Axis = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Return the variance along axes, unbiased by default.

    Parameters
    ----------
    x : Tensor, any shape, floating
    dim : int or sequence of int, optional
        Default: all axes.
    correction : int or float
        The sum of squared deviations is divided by n - correction: 1 is Bessel's correction, 0
        the biased variance, which is NumPy's default.
    keepdim : bool
        Leave the axes in place, with length one.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. Where n <= correction, the sum is divided by 0, as in PyTorch: NaN
        or infinity, with a gradient of NaN, without a warning.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.
    ShapeError
        If an axis does not exist or is named twice.

    Notes
    -----
    Two passes over ``x``: the deviations are taken from the mean before they are squared.
    """
    check_number("var", "correction", correction)
    x = _floating("var", as_tensor(x))
    axes = dim if dim is None else normalize_axes("var", dim, x.ndim)
    result: Tensor = apply(Var, x, dim=axes, correction=correction, keepdim=bool(keepdim))
    return result


@implements(np.var)
def _np_var(
    a: Any,
    axis: Axis = None,
    dtype: DTypeLike = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: bool = False,
) -> Tensor:
    x = as_tensor(a, dtype)
    return var(x, axis, correction=ddof if correction is None else correction, keepdim=keepdims)


class Std(Op):
    """``y = sqrt(var(x))`` with ``m = n - correction``: dx = dy (x - mean(x)) / (m y).

    Where y = 0, all elements are equal, and dx is set to 0: the one-sided derivatives have both
    signs.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(
        ctx: Node | None, x: Array, *, dim: Shape | None, correction: float, keepdim: bool
    ) -> Any:
        return np.sqrt(Var.forward(None, x, dim=dim, correction=correction, keepdim=keepdim))

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, y: Any, *, dim: Shape | None, correction: float, keepdim: bool
    ) -> tuple[Any]:
        m = _count(x.shape, dim) - correction
        # Division by infinity gives the zero that is wanted, at every order.
        scaled = dy / np.where(y == 0, math.inf, y) * (1.0 / m if m > 0 else math.nan)
        deviation = x - apply(Mean, x, dim=dim, keepdim=True)
        return (_with_reduced_axes(scaled, x.shape, dim) * deviation,)


@public
def std(x: Any, dim: Axis = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Return the standard deviation along axes: the root of `var`.

    Parameters
    ----------
    x : Tensor, any shape, floating
    dim : int or sequence of int, optional
        Default: all axes.
    correction : int or float
        As for `var`.
    keepdim : bool
        Leave the axes in place, with length one.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. Where it is 0, the gradient is 0, as in PyTorch.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.
    ShapeError
        If an axis does not exist or is named twice.
    """
    check_number("std", "correction", correction)
    x = _floating("std", as_tensor(x))
    axes = dim if dim is None else normalize_axes("std", dim, x.ndim)
    result: Tensor = apply(Std, x, dim=axes, correction=correction, keepdim=bool(keepdim))
    return result


@implements(np.std)
def _np_std(
    a: Any,
    axis: Axis = None,
    dtype: DTypeLike = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: bool = False,
) -> Tensor:
    x = as_tensor(a, dtype)
    return std(x, axis, correction=ddof if correction is None else correction, keepdim=keepdims)
