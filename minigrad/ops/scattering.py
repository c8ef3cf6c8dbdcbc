"""Writing and adding to parts of a Tensor, and choosing by a mask: each returns a new Tensor.

All are indexing in disguise: `IndexPut` overwrites, `ScatterAdd` adds, `Index` reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axis
from minigrad.ops.broadcasting import apply_broadcasting
from minigrad.ops.elementwise import add
from minigrad.ops.expansion import broadcast_to
from minigrad.ops.gathering import _check_along, _np_take_along_axis, _source_for, key_along
from minigrad.ops.index import IndexPut, Key, ScatterAdd
from minigrad.ops.index import index as index_
from minigrad.ops.promotion import assignable, promote
from minigrad.ops.selection import Where
from minigrad.ops.shape import reshape
from minigrad.registry import public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "masked_fill",
    "masked_select",
    "scatter",
    "take_along_dim",
]


@public
def scatter(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Return ``x`` with ``x[i][index[i][j][k]][k] = src[i][j][k]``, here for ``dim = 1`` of three.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int
    index : Tensor, as many axes as ``x``, integer
        Along ``dim`` of any length, along other axes at most as long as ``x``.
    src : Tensor or scalar
        At least as long as ``index`` along every axis. Converted to the dtype of ``x``.

    Returns
    -------
    Tensor like ``x``
        What is overwritten has no gradient. Where several values go to one element, the last in
        C order stays and has the gradient; in PyTorch any may stay, and all have it.

    Raises
    ------
    ShapeError
        If the axis does not exist, or shapes do not fit.
    DTypeError
        If ``index`` is not integer, or ``src`` is floating and ``x`` is not.
    IndexError
        If an index is not below the length of ``dim``.
    """
    x, places = as_tensor(x), as_tensor(index)
    src = assignable(src, x.dtype)
    axis = normalize_axis("scatter", dim, x.ndim)
    _check_along("scatter", x, axis, places)
    if src.ndim:
        src = _source_for("scatter", src, places.shape)
    result: Tensor = apply(IndexPut, x, src, index=key_along(places, axis))
    return result


def _slices_at(name: str, x: Tensor, dim: int, index: Any) -> tuple[int, Array]:
    """Return an axis and the positions of slices along it, checked, counted from the start."""
    axis = normalize_axis(name, dim, x.ndim)
    places = as_tensor(index).array
    if places.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must be integer, got {places.dtype}")
    if places.ndim > 1:
        raise ShapeError(f"{name}: index must be a vector, got shape {places.shape}")
    length = x.shape[axis]
    wrong = (places < -length) | (places >= length)
    if wrong.any():
        raise IndexError(
            f"{name}: index must be below {length}, the length of dim {axis}, "
            f"got {places[wrong][0]}"
        )
    return axis, places.reshape(-1) % max(length, 1)  # a copy, from the start


def _check_slices(name: str, x: Tensor, axis: int, places: Array, source: Tensor) -> None:
    expected = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    if source.shape != expected:
        raise ShapeError(
            f"{name}: source must have a slice for each index, shape {expected}, got {source.shape}"
        )


@public
def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
    """Return ``x`` with slices added along an axis: ``x[index[i]] += alpha * source[i]``.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    index : Tensor, shape (N,), integer
        Where each slice goes; several may go to one place.
    source : Tensor
        Of the shape of ``x``, but N along ``dim``. Dtypes are promoted.
    alpha : float

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the axis does not exist, or shapes do not fit.
    DTypeError
        If ``index`` is not integer.
    IndexError
        If an index is out of range.
    """
    base, source = promote(as_tensor(x), as_tensor(source))
    axis, places = _slices_at("index_add", base, dim, index)
    _check_slices("index_add", base, axis, places, source)
    key = Key((*(slice(None),) * axis, places), True)
    added: Tensor = apply(ScatterAdd, source, index=key, shape=base.shape)
    return add(base, added if alpha == 1 else added * alpha)


@public
def index_copy(x: Any, dim: int, index: Any, source: Any) -> Tensor:
    """Return ``x`` with slices replaced along an axis: ``x[index[i]] = source[i]``.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    index : Tensor, shape (N,), integer
    source : Tensor
        Of the shape of ``x``, but N along ``dim``. Converted to the dtype of ``x``.

    Returns
    -------
    Tensor like ``x``
        Where several slices go to one place, the last stays and has the gradient.

    Raises
    ------
    ShapeError
        If the axis does not exist, or shapes do not fit.
    DTypeError
        If ``index`` is not integer, or ``source`` is floating and ``x`` is not.
    IndexError
        If an index is out of range.
    """
    x = as_tensor(x)
    source = assignable(source, x.dtype)
    axis, places = _slices_at("index_copy", x, dim, index)
    _check_slices("index_copy", x, axis, places, source)
    key = Key((*(slice(None),) * axis, places), True)
    result: Tensor = apply(IndexPut, x, source, index=key)
    return result


@public
def index_fill(x: Any, dim: int, index: Any, value: Any) -> Tensor:
    """Return ``x`` with slices along an axis set to one value.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    index : Tensor, shape (N,), integer
    value : scalar or Tensor of rank 0

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    ShapeError
        If the axis does not exist, or ``value`` has axes.
    DTypeError
        If ``index`` is not integer, or ``value`` is floating and ``x`` is not.
    IndexError
        If an index is out of range.
    """
    x = as_tensor(x)
    value = assignable(value, x.dtype)
    axis, places = _slices_at("index_fill", x, dim, index)
    if value.ndim:
        raise ShapeError(f"index_fill: expected one value, got shape {value.shape}")
    key = Key((*(slice(None),) * axis, np.unique(places)), False)  # each slice once
    result: Tensor = apply(IndexPut, x, value, index=key)
    return result


@public
def masked_select(x: Any, mask: Any) -> Tensor:
    """Return the elements where ``mask`` holds, as a vector.

    Parameters
    ----------
    x : Tensor
    mask : Tensor, bool
        Of a shape that broadcasts with that of ``x``.

    Returns
    -------
    Tensor, shape (number of elements,)
        A copy, in C order.

    Raises
    ------
    DTypeError
        If the mask is not boolean.
    ShapeError
        If the shapes do not broadcast.
    """
    x, mask = as_tensor(x), _boolean("masked_select", mask)
    shape = broadcast_shapes(x.shape, mask.shape)
    if shape is None:
        raise ShapeError(f"masked_select: shapes {x.shape} and {mask.shape} do not broadcast")
    result: Tensor = index_(broadcast_to(x, shape), np.broadcast_to(mask.array, shape))
    return result


@public
def masked_fill(x: Any, mask: Any, value: Any) -> Tensor:
    """Return ``value`` where ``mask`` holds, else ``x``.

    Parameters
    ----------
    x : Tensor
    mask : Tensor, bool
        Of a shape that broadcasts with that of ``x``.
    value : scalar or Tensor of rank 0

    Returns
    -------
    Tensor
        Of the dtype of ``x``.

    Raises
    ------
    DTypeError
        If the mask is not boolean, or ``value`` is floating and ``x`` is not.
    ShapeError
        If the shapes do not broadcast, or ``value`` has axes.
    """
    x, mask = as_tensor(x), _boolean("masked_fill", mask)
    value = assignable(value, x.dtype)
    if value.ndim:
        raise ShapeError(f"masked_fill: expected one value, got shape {value.shape}")
    return apply_broadcasting(Where, mask, value, x)


def _boolean(name: str, mask: Any) -> Tensor:
    chosen = as_tensor(mask)
    if chosen.dtype.kind != "b":
        raise DTypeError(f"{name}: the mask must be boolean, got {chosen.dtype}; compare first")
    return chosen


@public
def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Tensor:
    """Return the elements at ``indices`` along an axis, as `numpy.take_along_axis`.

    Parameters
    ----------
    x : Tensor, any shape
    indices : Tensor, as many axes as ``x``, integer
        Both broadcast but for ``dim``. Negative indices count from the end.
    dim : int, optional
        Default: both are flattened.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the axis does not exist, or shapes do not broadcast.
    DTypeError
        If ``indices`` is not integer.
    IndexError
        If an index is out of range.
    """
    places = reshape(indices, -1) if dim is None else indices
    result: Tensor = _np_take_along_axis(x, places, dim)
    return result
