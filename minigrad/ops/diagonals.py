"""Diagonals and triangles of matrices.

`Diagonal` and `DiagonalEmbed` are each other's gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axis
from minigrad.ops.copying import clone
from minigrad.ops.reduce import sum as sum_
from minigrad.ops.selection import Where
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = [
    "Diagonal",
    "DiagonalEmbed",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "trace",
    "tril",
    "triu",
]


class Diagonal(Op):
    """The elements ``x[i, i + offset]`` of two axes, along a new last one: dx = dy put there."""

    view = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
        return _diagonal_of(x, offset, dim1, dim2)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, offset: int, dim1: int, dim2: int) -> tuple[Any]:
        shape = ctx.shape_of(0)
        return (apply(DiagonalEmbed, dy, offset=offset, dim1=dim1, dim2=dim2, shape=shape),)


class DiagonalEmbed(Op):
    """Zeros of ``shape`` with ``x`` on the diagonal of two axes: dx = dy there."""

    @staticmethod
    def forward(
        ctx: Node | None, x: Array, *, offset: int, dim1: int, dim2: int, shape: Shape
    ) -> Array:
        y = np.zeros(shape, x.dtype)
        _diagonal_of(y, offset, dim1, dim2)[...] = x
        return y

    @staticmethod
    def backward(
        ctx: Node, dy: Any, *, offset: int, dim1: int, dim2: int, shape: Shape
    ) -> tuple[Any]:
        return (apply(Diagonal, dy, offset=offset, dim1=dim1, dim2=dim2),)


def _diagonal_of(x: Array, offset: int, dim1: int, dim2: int) -> Array:
    """Return a view that can be written to where ``x`` can: NumPy's own is read-only for now."""
    view = np.diagonal(x, offset, dim1, dim2)
    view.flags.writeable = x.flags.writeable
    return view


@public
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonal of two axes, as the last axis of a view.

    Parameters
    ----------
    x : Tensor, two axes or more
    offset : int
        0: the main diagonal; positive: above it; negative: below it.
    dim1, dim2 : int
        The rows and the columns of the matrices.

    Returns
    -------
    Tensor
        A view; empty if the offset lies outside.

    Raises
    ------
    ShapeError
        If an axis does not exist, or both are the same.
    """
    x = as_tensor(x)
    first, second = _two_axes("diagonal", x.ndim, dim1, dim2)
    offset = check_integer("diagonal", "offset", offset)
    result: Tensor = apply(Diagonal, x, offset=offset, dim1=first, dim2=second)
    return result


def _two_axes(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = normalize_axis(name, dim1, ndim), normalize_axis(name, dim2, ndim)
    if first == second:
        raise ShapeError(f"{name}: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return first, second


@implements(np.diagonal)
def _np_diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return diagonal(a, offset, axis1, axis2)


@public
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return square matrices with the last axis of ``x`` on their diagonal, and zeros around it.

    Parameters
    ----------
    x : Tensor, one axis or more
    offset : int
        0: the main diagonal; positive: above it; negative: below it.
    dim1, dim2 : int
        Where in the result the rows and the columns are.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If ``x`` has no axes, an axis does not exist, or both are the same.
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ShapeError("diag_embed: expected one axis or more, got a Tensor of rank 0")
    first, second = _two_axes("diag_embed", x.ndim + 1, dim1, dim2)
    offset = check_integer("diag_embed", "offset", offset)
    side = x.shape[-1] + abs(offset)
    others = iter(x.shape[:-1])
    shape = tuple([side if i in (first, second) else next(others) for i in range(x.ndim + 1)])
    result: Tensor = apply(DiagonalEmbed, x, offset=offset, dim1=first, dim2=second, shape=shape)
    return result


@public
def diag(x: Any, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or the matrix with a vector on its diagonal.

    Parameters
    ----------
    x : Tensor, shape (N, M) or (N,)
    diagonal : int
        0: the main one; positive: above it; negative: below it.

    Returns
    -------
    Tensor
        A copy, as in PyTorch; `diagonal` returns a view.

    Raises
    ------
    ShapeError
        If ``x`` is neither a matrix nor a vector.
    """
    x = as_tensor(x)
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    if x.ndim == 2:
        offset = check_integer("diag", "diagonal", diagonal)
        return clone(apply(Diagonal, x, offset=offset, dim1=0, dim2=1))
    raise ShapeError(f"diag: expected a vector or a matrix, got shape {x.shape}")


@implements(np.diag)
def _np_diag(v: Any, k: int = 0) -> Tensor:
    return diag(v, k)


@public
def diagflat(x: Any, offset: int = 0) -> Tensor:
    """Return the matrix with the flattened ``x`` on a diagonal."""
    return diag_embed(as_tensor(x).flatten(), offset)


@implements(np.diagflat)
def _np_diagflat(v: Any, k: int = 0) -> Tensor:
    return diagflat(v, k)


@public
def trace(x: Any) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    Parameters
    ----------
    x : Tensor, shape (N, M)

    Returns
    -------
    Tensor
        Of rank 0; `numpy.trace` takes stacks of matrices.

    Raises
    ------
    ShapeError
        If ``x`` is not a matrix.
    """
    x = as_tensor(x)
    if x.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {x.shape}")
    return sum_(diagonal(x))


@implements(np.trace)
def _np_trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike = None
) -> Tensor:
    return sum_(diagonal(a, offset, axis1, axis2), -1, dtype=dtype)


@public
def tril(x: Any, diagonal: int = 0) -> Tensor:
    """Return the lower triangle of matrices, and zeros above it.

    Parameters
    ----------
    x : Tensor, shape (..., N, M)
    diagonal : int
        The last diagonal that is kept: 0 the main one, positive above it, negative below it.

    Returns
    -------
    Tensor like ``x``
        What is left out has no gradient, also where it is NaN.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two axes.
    """
    return _triangle("tril", as_tensor(x), diagonal, lower=True)


@public
def triu(x: Any, diagonal: int = 0) -> Tensor:
    """Return the upper triangle of matrices, from the given diagonal on; otherwise as `tril`."""
    above = check_integer("triu", "diagonal", diagonal)
    return _triangle("triu", as_tensor(x), above - 1, lower=False)


def _triangle(name: str, x: Tensor, diagonal: int, *, lower: bool) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected a matrix or a stack of them, got shape {x.shape}")
    rows, columns = x.shape[-2:]
    kept = np.tri(rows, columns, check_integer(name, "diagonal", diagonal), dtype=bool)
    result: Tensor = apply(Where, kept if lower else ~kept, x, x.dtype.type(0))
    return result


@implements(np.tril)
def _np_tril(m: Any, k: int = 0) -> Tensor:
    return tril(m, k)


@implements(np.triu)
def _np_triu(m: Any, k: int = 0) -> Tensor:
    return triu(m, k)
