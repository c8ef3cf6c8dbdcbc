"""Running sums, products, extrema and log-sums along an axis, and differences.

`Cumsum` is its own gradient with the axis reversed. That of `Cumprod` and `Logcumsumexp` is a
linear recurrence, which is its own gradient with the axis reversed, too: nothing divides by an
element, so zeros are as good as any other value, at every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.engine import Node, Op, apply
from minigrad.ops.axes import normalize_axis
from minigrad.ops.extrema import ValuesAndIndices
from minigrad.ops.gathering import Gather
from minigrad.ops.joining import Concatenate, cat
from minigrad.ops.promotion import as_float
from minigrad.ops.shape import reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, DTypeLike

__all__ = [
    "Cumprod",
    "Cumsum",
    "Logcumsumexp",
    "Recurrence",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "diff",
    "logcumsumexp",
]


class Cumsum(Op):
    """``y_k = x_0 + ... + x_k`` along ``dim``: dx_j = dy_j + dy_{j+1} + ... to the end."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: int) -> Array:
        return np.cumsum(x, axis=dim, dtype=x.dtype)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dim: int) -> tuple[Any]:
        return (np.flip(np.cumsum(np.flip(dy, axis=dim), axis=dim), axis=dim),)


@public
def cumsum(x: Any, dim: int, *, dtype: DTypeLike = None) -> Tensor:
    """Return the sums of the elements up to each one along an axis.

    Parameters
    ----------
    x : Tensor, any shape
        A Tensor of rank 0 is its own sum.
    dim : int
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the shape of ``x`` and of its dtype; int64 for integers and booleans.

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Notes
    -----
    The additions are made one after another, so the error grows with the length of the axis.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.cumsum(mg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    return _accumulate("cumsum", Cumsum, np.add, as_tensor(x, dtype), dim)


def _accumulate(name: str, op: type[Op], ufunc: np.ufunc, x: Tensor, dim: int) -> Tensor:
    axis = normalize_axis(name, dim, max(x.ndim, 1))
    if x.ndim == 0:
        return reshape(_accumulate(name, op, ufunc, reshape(x, 1), 0), ())
    if x.dtype.kind != "f":
        return _wrap(ufunc.accumulate(x.array, axis, np.int64))
    result: Tensor = apply(op, x, dim=axis)
    return result


@implements(np.cumsum)
def _np_cumsum(a: Any, axis: int | None = None, dtype: DTypeLike = None) -> Tensor:
    return cumsum(reshape(a, -1), 0, dtype=dtype) if axis is None else cumsum(a, axis, dtype=dtype)


class Recurrence(Op):
    """``y_k = b_k + a_k y_{k-1}`` along ``dim``, or ``y_k = b_k + a_{k+1} y_{k+1}`` if ``reverse``.

    ``y`` is 0 outside, so the first ``a`` is not used. The reversed recurrence is the transposed
    of the other as a matrix applied to ``b``: db = t, the reversed recurrence of dy with the same
    ``a``, and da_k = t_k y_{k-1}, reversed da_k = t_{k-1} y_k.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array, *, dim: int, reverse: bool) -> Array:
        y = np.array(b)
        rows, factors = np.moveaxis(y, dim, 0), np.moveaxis(a, dim, 0)
        if reverse:
            for k in range(len(rows) - 2, -1, -1):
                rows[k] += factors[k + 1] * rows[k + 1]
        else:
            for k in range(1, len(rows)):
                rows[k] += factors[k] * rows[k - 1]
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, y: Any, *, dim: int, reverse: bool) -> tuple[Any, Any]:
        t = apply(Recurrence, a, dy, dim=dim, reverse=not reverse)
        da = None
        if ctx.needs[0]:
            da = _delayed(t, dim) * y if reverse else t * _delayed(y, dim)
        return da, t


def _delayed(x: Any, dim: int) -> Any:
    """Return ``x_{k-1}`` at k, and 0 at the start."""
    before = (slice(None),) * dim
    start = np.zeros_like(x[(*before, slice(1))])
    return apply(Concatenate, start, x[(*before, slice(-1))], dim=dim)


def exclusive_cumprod(x: Any, dim: int) -> Any:
    """Return the product of the elements before each one along an axis: 1 at the start.

    Parameters
    ----------
    x : Tensor or ndarray, one axis or more
    dim : int, counted from the front
    """
    before = (slice(None),) * dim
    start = np.ones_like(x[(*before, slice(1))])
    products = apply(Cumprod, x[(*before, slice(-1))], dim=dim)
    return apply(Concatenate, start, products, dim=dim)


class Cumprod(Op):
    """``y_k = x_0 x_1 ... x_k`` along ``dim``: dx_j = (x_0 ... x_{j-1}) s_j.

    ``s_j = dy_j + x_{j+1} dy_{j+1} + x_{j+1} x_{j+2} dy_{j+2} + ...`` is the recurrence
    ``s_j = dy_j + x_{j+1} s_{j+1}``.
    """

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: int) -> Array:
        return np.cumprod(x, axis=dim, dtype=x.dtype)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, dim: int) -> tuple[Any]:
        s = apply(Recurrence, x, dy, dim=dim, reverse=True)
        return (exclusive_cumprod(x, dim) * s,)


@public
def cumprod(x: Any, dim: int, *, dtype: DTypeLike = None) -> Tensor:
    """Return the products of the elements up to each one along an axis.

    Parameters
    ----------
    x : Tensor, any shape
        A Tensor of rank 0 is its own product.
    dim : int
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the shape of ``x`` and of its dtype; int64 for integers and booleans. The gradient is
        right where elements are zero, at every order.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    return _accumulate("cumprod", Cumprod, np.multiply, as_tensor(x, dtype), dim)


@implements(np.cumprod)
def _np_cumprod(a: Any, axis: int | None = None, dtype: DTypeLike = None) -> Tensor:
    if axis is None:
        return cumprod(reshape(a, -1), 0, dtype=dtype)
    return cumprod(a, axis, dtype=dtype)


class Logcumsumexp(Op):
    """``y_k = log(exp(x_0) + ... + exp(x_k))`` along ``dim``: dx_j = exp(x_j - y_j) r_j.

    ``r_j = dy_j + exp(y_j - y_{j+1}) dy_{j+1} + exp(y_j - y_{j+2}) dy_{j+2} + ...`` is a recurrence
    with the factors ``exp(y_j - y_{j+1})``, which are at most 1: nothing overflows.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: int) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # of opposite extremes, of NaN
            return np.logaddexp.accumulate(x, axis=dim)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, y: Any, *, dim: int) -> tuple[Any]:
        before = (slice(None),) * dim
        # Of minus infinity, where the sum is empty so far, exp(-inf - 0) makes the zero it must be.
        finite = np.where(y == -np.inf, 0.0, y)
        earlier = apply(Concatenate, y[(*before, slice(1))], y[(*before, slice(-1))], dim=dim)
        with np.errstate(over="ignore", invalid="ignore"):  # opposite extremes, plus infinity
            factors, share = np.exp(earlier - finite), np.exp(x - finite)
        return (share * apply(Recurrence, factors, dy, dim=dim, reverse=True),)


@public
def logcumsumexp(x: Any, dim: int) -> Tensor:
    """Return the logarithms of the sums of the exponentials up to each element along an axis.

    Parameters
    ----------
    x : Tensor, any shape
        Integers and booleans become float32.
    dim : int

    Returns
    -------
    Tensor like ``x``
        Without overflow. Where all elements so far are minus infinity, it is so too, and what it
        hands back to them is 0 (in PyTorch NaN).

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    return _accumulate("logcumsumexp", Logcumsumexp, np.logaddexp, as_float(x), dim)


@public
def cummax(x: Any, dim: int) -> ValuesAndIndices:
    """Return the largest element up to each one along an axis, and where it is.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int

    Returns
    -------
    ValuesAndIndices
        The gradient of a value goes to the element at its index: of those that tie, the last so
        far, as in PyTorch. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    return _running_extremum("cummax", np.maximum, as_tensor(x), dim)


@public
def cummin(x: Any, dim: int) -> ValuesAndIndices:
    """Return the smallest element up to each one along an axis; otherwise as `cummax`."""
    return _running_extremum("cummin", np.minimum, as_tensor(x), dim)


def _running_extremum(name: str, choose: np.ufunc, x: Tensor, dim: int) -> ValuesAndIndices:
    axis = normalize_axis(name, dim, max(x.ndim, 1))
    if x.ndim == 0:
        values, indices = _running_extremum(name, choose, reshape(x, 1), 0)
        return ValuesAndIndices(reshape(values, ()), reshape(indices, ()))
    array = x.array
    running = choose.accumulate(array, axis=axis)
    places = np.arange(array.shape[axis]).reshape((-1,) + (1,) * (array.ndim - 1 - axis))
    chosen = np.where((array == running) | (array != array), places, 0)
    indices = _wrap(np.maximum.accumulate(chosen, axis=axis))
    return ValuesAndIndices(apply(Gather, x, indices, dim=axis), indices)


@public
def diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Return the differences of neighbours along an axis, ``n`` times over.

    Parameters
    ----------
    x : Tensor, one axis or more
    n : int
        The result is shorter by ``n``, but not below 0.
    dim : int
    prepend, append : Tensor, optional
        Joined to ``x`` along the axis before the differences are taken, if ``n`` is not 0.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. Of booleans, where neighbours differ.

    Raises
    ------
    ShapeError
        If ``x`` has no axes, the axis does not exist, or shapes do not fit.
    ValueError
        If ``n`` is negative.
    """
    tensor = as_tensor(x)
    axis = normalize_axis("diff", dim, tensor.ndim)
    if check_integer("diff", "n", n) < 0:
        raise ValueError(f"diff: n must be 0 or more, got {n}")
    if n == 0:
        return tensor
    parts = [part for part in (prepend, tensor, append) if part is not None]
    if len(parts) > 1:
        tensor = cat(parts, axis)
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = tensor[(*before, slice(1, None))], tensor[(*before, slice(-1))]
        tensor = later != earlier if tensor.dtype.kind == "b" else later - earlier
    return tensor


@implements(np.diff)
def _np_diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    x = as_tensor(a)
    shape = list(x.shape)
    shape[normalize_axis("diff", axis, x.ndim)] = 1
    ends = [None if end is None else as_tensor(end) for end in (prepend, append)]
    wide = [end if end is None or end.ndim else end.expand(*shape) for end in ends]
    return diff(x, n, axis, *wide)
