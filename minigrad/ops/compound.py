"""Elementwise functions of several operands, made of others: each gradient is theirs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.errors import DTypeError
from minigrad.ops.axes import normalize_axes
from minigrad.ops.broadcasting import promote_to_float
from minigrad.ops.comparison import isnan
from minigrad.ops.elementwise import add, div, mul, sub
from minigrad.ops.promotion import assignable
from minigrad.ops.reduce import mean
from minigrad.ops.reduce import sum as sum_
from minigrad.ops.selection import where
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Axis, DTypeLike

__all__ = ["addcdiv", "addcmul", "heaviside", "lerp", "nan_to_num", "nanmean", "nansum"]


@public
def lerp(start: Any, end: Any, weight: Any) -> Tensor:
    """Return ``start + weight * (end - start)``: between two values, or beyond.

    Parameters
    ----------
    start, end, weight : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Where ``weight`` is 0.5 or more computed from ``end``, so that 1 gives exactly ``end``.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    References
    ----------
    .. [1] PyTorch, aten/src/ATen/native/Lerp.h.
    """
    between = sub(end, start)
    from_start = add(start, mul(weight, between))
    from_end = sub(end, mul(sub(1, weight), between))
    return where(np.asarray(as_tensor(weight).array < 0.5), from_start, from_end)


@public
def addcmul(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """Return ``x + value * tensor1 * tensor2``.

    Parameters
    ----------
    x, tensor1, tensor2 : Tensor
        Of shapes that broadcast.
    value : scalar

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    product = mul(tensor1, tensor2)
    return add(x, product if value == 1 else mul(product, value))


@public
def addcdiv(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """Return ``x + value * tensor1 / tensor2``; otherwise as `addcmul`."""
    quotient = div(tensor1, tensor2)
    return add(x, quotient if value == 1 else mul(quotient, value))


@public
@implements(np.heaviside)
def heaviside(x: Any, values: Any) -> Tensor:
    """Return 0 where ``x`` is negative, 1 where it is positive, and ``values`` where it is 0.

    Parameters
    ----------
    x, values : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        NaN where ``x`` is. ``x`` has no gradient, ``values`` have it where they were chosen.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    a, b = promote_to_float(x, values)
    places = as_tensor(a).array
    steps = np.where(np.isnan(places), places, places > 0)
    return where(places == 0, b, assignable(steps, as_tensor(a).dtype))


@public
def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Replace NaN and the infinities; what is replaced has no gradient.

    Parameters
    ----------
    x : Tensor
    nan : float
    posinf, neginf : float, optional
        Default: the largest and the smallest finite number of the dtype.

    Returns
    -------
    Tensor like ``x``
    """
    tensor = as_tensor(x)
    if tensor.dtype.kind != "f":
        return tensor
    limits = np.finfo(tensor.dtype)
    for replaced, number in (
        (tensor == np.inf, limits.max if posinf is None else posinf),
        (tensor == -np.inf, limits.min if neginf is None else neginf),
        (isnan(tensor), nan),
    ):
        tensor = where(replaced, assignable(number, tensor.dtype), tensor)
    return tensor


@implements(np.nan_to_num)
def _np_nan_to_num(
    x: Any,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    if not copy:
        raise DTypeError("numpy.nan_to_num on a Tensor does not take copy=False")
    return nan_to_num(x, nan, posinf, neginf)


def _without_nan(x: Tensor) -> Tensor:
    return where(isnan(x), assignable(0, x.dtype), x) if x.dtype.kind == "f" else x


@public
def nansum(x: Any, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
    """Add the elements along axes, NaN counting as 0; otherwise as `sum`."""
    x = as_tensor(x, dtype)
    return sum_(_without_nan(x), normalize_axes("nansum", dim, x.ndim), keepdim)


@implements(np.nansum)
def _np_nansum(
    a: Any, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False
) -> Tensor:
    return nansum(a, axis, keepdims, dtype=dtype)


@public
def nanmean(x: Any, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
    """Return the mean along axes of the elements that are not NaN.

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
        NaN where there are none.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.
    ShapeError
        If an axis does not exist or is named twice.
    """
    x = as_tensor(x, dtype)
    if x.dtype.kind != "f":
        return mean(x, dim, keepdim)  # which says why not
    axes = normalize_axes("nanmean", dim, x.ndim)
    total = sum_(_without_nan(x), axes, keepdim)
    count = sum_(~isnan(x), axes, keepdim).array
    return div(total, assignable(np.where(count == 0, math.nan, count), x.dtype))


@implements(np.nanmean)
def _np_nanmean(
    a: Any, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False
) -> Tensor:
    return nanmean(a, axis, keepdims, dtype=dtype)
