"""Reading and adding along one axis, at an index for each element.

`Gather` and `ScatterAlong` are each other's gradient. Additions are made in a fixed order, so
results are the same bits on every run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axis
from minigrad.ops.expansion import broadcast_to
from minigrad.ops.index import Key, ScatterAdd
from minigrad.ops.index import index as index_
from minigrad.ops.promotion import promote
from minigrad.ops.shape import reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["Gather", "ScatterAlong", "gather", "scatter_add"]


class Gather(Op):
    """``x`` at ``index`` along ``dim``: dx = dy added to zeros there."""

    saves = (1,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, index: Array, *, dim: int) -> Array:
        return np.take_along_axis(x, index, dim)

    @staticmethod
    def backward(ctx: Node, dy: Any, index: Any, *, dim: int) -> tuple[Any, None]:
        size = ctx.shape_of(0)[dim]
        return apply(ScatterAlong, dy, index, dim=dim, size=size), None


class ScatterAlong(Op):
    """Zeros, ``size`` along ``dim``, to which ``x`` is added at ``index``: dx = dy at ``index``."""

    saves = (1,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, index: Array, *, dim: int, size: int) -> Array:
        y = np.zeros((*x.shape[:dim], size, *x.shape[dim + 1 :]), x.dtype)
        places: list[Array] = list(np.ogrid[tuple([slice(length) for length in x.shape])])
        places[dim] = index
        np.add.at(y, tuple(places), x)
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, index: Any, *, dim: int, size: int) -> tuple[Any, None]:
        return apply(Gather, dy, index, dim=dim), None


@public
def gather(x: Any, dim: int, index: Any) -> Tensor:
    """Return ``y[i][j][k] = x[i][index[i][j][k]][k]``, here for ``dim = 1`` of three axes.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int
    index : Tensor, as many axes as ``x``, integer
        Along ``dim`` of any length, along other axes at most as long as ``x``.

    Returns
    -------
    Tensor
        Of the shape of ``index``.

    Raises
    ------
    ShapeError
        If the axis does not exist, or ``index`` has other axes or longer ones.
    DTypeError
        If ``index`` is not integer.
    IndexError
        If an index is not below the length of ``dim``.
    """
    x, index = as_tensor(x), as_tensor(index)
    axis = normalize_axis("gather", dim, x.ndim)
    _check_along("gather", x, axis, index)
    x = _leading(x, index.shape, axis)
    result: Tensor = apply(Gather, x, index, dim=axis)
    return result


def _check_along(name: str, x: Tensor, axis: int, index: Tensor) -> None:
    """Check an index of `gather` or `scatter_add`."""
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must be integer, got {index.dtype}")
    if index.ndim != x.ndim or any(
        i != axis and length > x.shape[i] for i, length in enumerate(index.shape)
    ):
        raise ShapeError(
            f"{name}: index must have {x.ndim} axes, none but dim {axis} longer than those of "
            f"shape {x.shape}, got shape {index.shape}"
        )
    size = x.shape[axis]
    wrong = (index.array < 0) | (index.array >= size)
    if wrong.any():
        raise IndexError(
            f"{name}: index must be from 0 to {size - 1}, for dim {axis} of length {size}, "
            f"got {index.array[wrong][0]}"
        )


def _leading(x: Tensor, shape: Shape, axis: int) -> Tensor:
    """Return the elements of ``x`` that an index of ``shape`` can reach."""
    if (*x.shape[:axis], *x.shape[axis + 1 :]) == (*shape[:axis], *shape[axis + 1 :]):
        return x
    return x[tuple([slice(None if i == axis else length) for i, length in enumerate(shape)])]


@implements(np.take_along_axis)
def _np_take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tensor:
    x, places = as_tensor(arr), as_tensor(indices)
    if places.dtype.kind not in "iu":
        raise DTypeError(f"take_along_axis: indices must be integer, got {places.dtype}")
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    if places.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices must have {x.ndim} axes, got shape {places.shape}"
        )
    around = broadcast_shapes(
        (*x.shape[:axis], 1, *x.shape[axis + 1 :]),
        (*places.shape[:axis], 1, *places.shape[axis + 1 :]),
    )
    if around is None:
        raise ShapeError(
            f"take_along_axis: shapes {x.shape} and {places.shape} do not broadcast but for axis "
            f"{axis}"
        )
    before, after = around[:axis], around[axis + 1 :]
    x = broadcast_to(x, (*before, x.shape[axis], *after))
    places = broadcast_to(places, (*before, places.shape[axis], *after))
    result: Tensor = apply(Gather, x, places, dim=axis)
    return result


@public
def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Return ``x`` with ``x[i][index[i][j][k]][k] += src[i][j][k]``, here for ``dim = 1`` of three.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int
    index : Tensor, integer
        Along ``dim`` of any length, along other axes at most as long as ``x``.
    src : Tensor
        At least as long as ``index`` along every axis.

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    ShapeError
        If the axis does not exist, or shapes do not fit.
    DTypeError
        If ``index`` is not integer.
    IndexError
        If an index is not below the length of ``dim``.
    """
    x, index = as_tensor(x), as_tensor(index)
    x, src = promote(x, as_tensor(src))
    axis = normalize_axis("scatter_add", dim, x.ndim)
    _check_along("scatter_add", x, axis, index)
    src = _source_for("scatter_add", src, index.shape)
    if (*x.shape[:axis], *x.shape[axis + 1 :]) == (*src.shape[:axis], *src.shape[axis + 1 :]):
        added = apply(ScatterAlong, src, index, dim=axis, size=x.shape[axis])
    else:
        added = apply(ScatterAdd, src, index=key_along(index, axis), shape=x.shape)
    result: Tensor = x + added
    return result


def _source_for(name: str, src: Tensor, shape: Shape) -> Tensor:
    """Return the leading part of ``src`` of the shape of an index."""
    if src.shape == shape:
        return src
    if src.ndim != len(shape) or any(a < b for a, b in zip(src.shape, shape, strict=True)):
        raise ShapeError(
            f"{name}: src must be at least as long as index along every axis: {shape}, "
            f"got {src.shape}"
        )
    return index_(src, tuple([slice(length) for length in shape]))


def key_along(index: Tensor, axis: int) -> Key:
    """Return what selects, for each element of ``index``, the place of that index along an axis."""
    entries: list[Array] = list(np.ogrid[tuple([slice(length) for length in index.shape])])
    entries[axis] = index.array.copy()
    return Key(tuple(entries), True)
