"""Norms of vectors and of matrices.

PyTorch has three spellings, and so are there here: `vector_norm` and `matrix_norm` say what they
mean, `linalg_norm` (``minigrad.linalg.norm``) chooses between them by the number of axes, and
`norm` is the older function, which takes a vector norm of matrices too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import normalize_axes
from minigrad.ops.elementwise import abs as absolute
from minigrad.ops.extrema import amax, amin
from minigrad.ops.matrices import as_floating, closeness
from minigrad.ops.reduce import _with_reduced_axes
from minigrad.ops.reduce import sum as add_along
from minigrad.ops.rounding import sign
from minigrad.ops.selection import where
from minigrad.ops.shape import movedim, unsqueeze
from minigrad.ops.singular import svdvals
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Axis, DTypeLike, Shape

__all__ = ["linalg_norm", "matrix_norm", "norm", "vector_norm"]

_add_along: Any = np.add.reduce  # NumPy's types lack a keepdims that is a variable


class VectorNorm(Op):
    """``y = sum(|x|**p)**(1/p)`` for p other than 0 and infinity: dx = dy sign(x) (|x|/y)**(p-1).

    Where y = 0, dx is set to 0, a subgradient for p >= 1. Where x = 0 but y is not, dx = 0 too:
    the limit for p > 1. For an even p, the rule is ``dy (x/y)**(p-1)``, without a kink at 0.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, p: float, dim: Shape | None, keepdim: bool) -> Any:
        with np.errstate(all="ignore"):
            total = _add_along(_power(x, p), axis=dim, keepdims=keepdim)
            limits = np.finfo(x.dtype)
            accurate = (total > limits.tiny / limits.eps) & (total < np.inf)
            if x.size and not accurate.all():  # overflow, underflow, zero or NaN
                return _scaled_norm(x, p, dim, keepdim)
            return _root(total, p)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, y: Any, *, p: float, dim: Shape | None, keepdim: bool
    ) -> tuple[Any]:
        dy = _with_reduced_axes(dy, x.shape, dim)
        y = _with_reduced_axes(y, x.shape, dim)
        if p > 0 and p % 2 == 0:
            # Division by infinity gives the zero that is wanted, at every order.
            ratio = x / np.where(y == 0, np.inf, y)
            return (dy * (ratio if p == 2 else ratio ** (p - 1)),)
        # Elements at the kink take no part in what is differentiated further.
        kink = np.logical_or(x == 0, y == 0)
        ratio = np.where(kink, 1.0, np.abs(x)) / np.where(kink, 1.0, y)
        return (dy * (np.where(kink, 0.0, np.sign(x)) * ratio ** (p - 1)),)


def _power(x: Array, p: float) -> Any:
    return x * x if p == 2 else np.abs(x) ** p


def _root(total: Any, p: float) -> Any:
    return np.sqrt(total) if p == 2 else total ** (1.0 / p)


def _scaled_norm(x: Array, p: float, dim: Shape | None, keepdim: bool) -> Any:
    """Return the norm by way of elements whose powers neither overflow nor vanish."""
    magnitude = np.abs(x)
    extreme = np.maximum if p > 0 else np.minimum  # what decides the sum
    scale: Any = extreme.reduce(magnitude, axis=dim, keepdims=True)
    scale = np.where((scale > 0) & (scale < np.inf), scale, x.dtype.type(1))
    total = _add_along((magnitude / scale) ** p, axis=dim, keepdims=True)
    y = _root(total, p) * scale
    return y if keepdim else np.squeeze(y, axis=dim)


@public
def vector_norm(
    x: Any, ord: float = 2, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None
) -> Tensor:
    """Return the norm of the vectors along axes.

    Parameters
    ----------
    x : Tensor, any shape, floating
    ord : int or float
        p of ``sum(|x|**p)**(1/p)``. Infinity is the largest and minus infinity the smallest
        absolute value; 0 is the number of elements that are not 0. Below 1 it is no norm.
    dim : int or sequence of int, optional
        The axes that together are a vector. Default: all.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. Squares that would overflow or vanish are scaled first.

    Raises
    ------
    DTypeError
        If ``x`` is not floating, or ``ord`` not a number.
    ShapeError
        If an axis does not exist or is named twice, or there is no largest or smallest of nothing.

    Notes
    -----
    Where the norm is 0, the gradient is set to 0, a subgradient, as in PyTorch: so ``x / norm(x)``
    needs an eps, but ``norm(x)`` as a penalty does not. It is 0 also at elements that are 0 while
    others are not, unless ``ord`` is infinite; for 1 that is a subgradient, for less the
    derivative is infinite. Elements that tie for the infinite norms share the gradient evenly.
    Second derivatives at a norm of 0, which do not exist, are 0 too.
    """
    x = as_floating("vector_norm", as_tensor(x, dtype))
    return _vector_norm("vector_norm", x, ord, dim, keepdim)


def _vector_norm(name: str, x: Tensor, ord: Any, dim: Axis, keepdim: bool) -> Tensor:
    try:
        p = float("no number" if isinstance(ord, str) else ord)  # "inf" is none, either
    except (TypeError, ValueError):
        raise DTypeError(f"{name}: ord of a vector must be a number, got {ord!r}") from None
    axes = normalize_axes(name, dim, x.ndim)
    if math.isinf(p):
        return (amax if p > 0 else amin)(absolute(x), axes, keepdim)
    if p == 0:
        # NaN is not 0, as in NumPy and PyTorch; its sign would be NaN.
        signs = where(np.isnan(x.array), x.dtype.type(1), sign(x))
        return add_along(absolute(signs), axes, keepdim)
    if p == 1:
        return add_along(absolute(x), axes, keepdim)
    result: Tensor = apply(VectorNorm, x, p=p, dim=axes, keepdim=bool(keepdim))
    return result


@implements(np.linalg.vector_norm)
def _np_vector_norm(
    x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    return vector_norm(x, ord, axis, keepdims)


_MATRIX_ORDS = ("fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)


@public
def matrix_norm(
    x: Any,
    ord: float | str = "fro",
    dim: Axis = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DTypeLike = None,
) -> Tensor:
    """Return the norm of the matrices along two axes.

    Parameters
    ----------
    x : Tensor, shape (*, M, N), floating
    ord : "fro", "nuc", inf, -inf, 1, -1, 2 or -2
        "fro": the root of the sum of squares (Frobenius). "nuc": the sum of the singular values
        (nuclear). 1: the largest sum of absolute values of a column; infinity: of a row; 2: the
        largest singular value (spectral). With a minus: the smallest.
    dim : pair of int
        The axes of rows and columns.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.
    ShapeError
        If the axes are not two that exist, or there is no largest or smallest of nothing.
    ValueError
        If ``ord`` is something else.

    Notes
    -----
    Where there is no derivative, the gradient is a subgradient: for "fro" and sums of absolute
    values as in `vector_norm`. Singular values that count as 0 (see `minigrad.linalg.svd`) get
    gradient 0, so that of the nuclear norm is made of the vectors of the others, and is 0 for a
    matrix of zeros. Largest or smallest values that tie share the gradient evenly.
    """
    x = as_floating("matrix_norm", as_tensor(x, dtype))
    if ord not in _MATRIX_ORDS:
        listed = ", ".join(map(repr, _MATRIX_ORDS))
        raise ValueError(f"matrix_norm: ord must be one of {listed}, got {ord!r}")
    axes = normalize_axes("matrix_norm", dim, x.ndim)
    if axes is None or len(axes) != 2:
        raise ShapeError(f"matrix_norm: expected a pair of axes, got {dim!r}")
    if ord == "fro":
        return _vector_norm("matrix_norm", x, 2, axes, keepdim)
    lengths = [x.shape[axis] for axis in axes]
    if not min(lengths) and ord != "nuc":
        _check_not_empty(x.shape, lengths, ord)
    x = movedim(x, axes, (-2, -1))
    if ord in ("nuc", 2, -2):
        values = _nonzero_svdvals(x)
        result = add_along(values, -1) if ord == "nuc" else _extreme(values, ord)
    else:
        summed = add_along(absolute(x), -1 if math.isinf(float(ord)) else -2)
        result = _extreme(summed, ord)
    if keepdim:
        kept = sorted(axes)
        for axis in kept:
            result = unsqueeze(result, axis)
    return result


def _check_not_empty(shape: Shape, lengths: Sequence[int], ord: Any) -> None:
    """Raise if matrices without elements leave no value to choose from."""
    rows, columns = lengths
    chosen_from = {1: columns, 2: min(lengths)}.get(abs(ord), rows)
    if not chosen_from:
        raise ShapeError(
            f"matrix_norm: shape {shape} has no elements, of which ord = {ord!r} takes the largest "
            f"or smallest: matrices of {rows} rows and {columns} columns"
        )


def _nonzero_svdvals(x: Tensor) -> Tensor:
    """Return singular values, of which those that count as 0 get no gradient."""
    values = svdvals(x)
    largest = values.array[..., :1]
    nonzero = values.array > closeness(max(x.shape[-2:]), x.dtype) * largest
    return where(nonzero, values, values.detach())


def _extreme(values: Tensor, ord: Any) -> Tensor:
    """Return the largest of the last axis, or for a negative ``ord`` the smallest."""
    return (amax if ord > 0 else amin)(values, -1)


@implements(np.linalg.matrix_norm)
def _np_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    return matrix_norm(x, ord, (-2, -1), keepdims)


def linalg_norm(
    x: Any,
    ord: float | str | None = None,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    dtype: DTypeLike = None,
) -> Tensor:
    """Return the norm of vectors or of matrices, by the number of axes.

    Parameters
    ----------
    x : Tensor, any shape, floating
    ord : int, float or str, optional
        As for `vector_norm` or `matrix_norm`. Default: the root of the sum of squares, of any
        number of axes.
    dim : int or pair of int, optional
        One axis: of vectors. Two: of matrices. Default: all, which with ``ord`` must be one or two.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``.

    Raises
    ------
    DTypeError, ShapeError, ValueError
        As `vector_norm` and `matrix_norm`.
    """
    x = as_floating("norm", as_tensor(x, dtype))
    if ord is None:
        return _vector_norm("norm", x, 2, dim, keepdim)
    axes = range(x.ndim) if dim is None else normalize_axes("norm", dim, x.ndim) or ()
    if len(axes) == 1:
        return _vector_norm("norm", x, ord, tuple(axes), keepdim)
    if len(axes) == 2:
        return matrix_norm(x, ord, tuple(axes), keepdim)
    raise ShapeError(
        f"norm: with ord = {ord!r}, expected one axis or two, got {len(axes)} of shape {x.shape}; "
        "give dim, or use vector_norm"
    )


@implements(np.linalg.norm)
def _np_norm(
    x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> Tensor:
    return linalg_norm(x, ord, axis, keepdims)


@public
def norm(
    x: Any,
    p: float | str | None = "fro",
    dim: Axis = None,
    keepdim: bool = False,
    *,
    dtype: DTypeLike = None,
) -> Tensor:
    """Return a vector norm of all elements or along axes: PyTorch's older function.

    Parameters
    ----------
    x : Tensor, any shape, floating
    p : int, float, "fro" or "nuc"
        A number: the ``ord`` of `vector_norm`, also for several axes. "fro" is 2; "nuc" is that of
        `matrix_norm`, of two axes.
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``.

    Raises
    ------
    DTypeError, ShapeError
        As `vector_norm` and `matrix_norm`.
    """
    x = as_floating("norm", as_tensor(x, dtype))
    if p == "nuc":
        return matrix_norm(x, p, tuple(range(x.ndim)) if dim is None else dim, keepdim)
    return _vector_norm("norm", x, 2 if p == "fro" or p is None else p, dim, keepdim)
