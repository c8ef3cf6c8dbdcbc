"""Other ways to see the same memory: made of reshaping, permuting and slicing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_items
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axis, normalize_shape
from minigrad.ops.copying import clone
from minigrad.ops.expansion import broadcast_to
from minigrad.ops.joining import flip
from minigrad.ops.shape import reshape, transpose
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Shape

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "fliplr",
    "flipud",
    "meshgrid",
    "narrow",
    "ravel",
    "rot90",
    "select",
    "swapdims",
    "unflatten",
]


@public
def ravel(x: Any) -> Tensor:
    """Return all elements, in C order, along one axis: a view if the memory layout allows one."""
    return reshape(x, -1)


@public
def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split an axis into several: the opposite of `flatten`.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    sizes : sequence of int
        Their product is the length of the axis. One may be -1: what is left.

    Returns
    -------
    Tensor
        A view if the memory layout allows one, else a copy.

    Raises
    ------
    ShapeError
        If the axis does not exist, or the lengths do not fit.
    """
    x = as_tensor(x)
    axis = normalize_axis("unflatten", dim, x.ndim)
    lengths = normalize_shape("unflatten", sizes)
    known = math.prod([length for length in lengths if length != -1])
    left = x.shape[axis] // max(known, 1)
    full = tuple([left if length == -1 else length for length in lengths])
    if lengths.count(-1) > 1 or math.prod(full) != x.shape[axis] or not full:
        raise ShapeError(
            f"unflatten: lengths {lengths} do not make up dim {axis} of length {x.shape[axis]}"
        )
    return reshape(x, (*x.shape[:axis], *full, *x.shape[axis + 1 :]))


@public
def swapdims(x: Any, dim0: int, dim1: int) -> Tensor:
    """Return a view with two axes exchanged, as `transpose`."""
    return transpose(x, dim0, dim1)


@public
def select(x: Any, dim: int, index: int) -> Tensor:
    """Return the slice at one index along an axis, without that axis.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    index : int
        Negative: counted from the end.

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    IndexError
        If the index is out of range.
    """
    x = as_tensor(x)
    axis = normalize_axis("select", dim, x.ndim)
    length = x.shape[axis]
    index = check_integer("select", "index", index)
    if not -length <= index < length:
        raise IndexError(
            f"select: index must be from {-length} to {length - 1}, for dim {axis} of length "
            f"{length}, got {index}"
        )
    result: Tensor = x[(*(slice(None),) * axis, index)]
    return result


@public
def narrow(x: Any, dim: int, start: int, length: int) -> Tensor:
    """Return ``length`` slices along an axis, from ``start`` on.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int
    start : int
        Negative: counted from the end.
    length : int

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If the axis does not exist, or does not have these slices.
    """
    x = as_tensor(x)
    axis = normalize_axis("narrow", dim, x.ndim)
    size = x.shape[axis]
    start = check_integer("narrow", "start", start)
    length = check_integer("narrow", "length", length)
    first = start + size if start < 0 else start
    if length < 0 or not 0 <= first <= size - length:
        raise ShapeError(
            f"narrow: dim {axis} of length {size} has no {length} slices from {start} on"
        )
    result: Tensor = x[(*(slice(None),) * axis, slice(first, first + length))]
    return result


@public
def fliplr(x: Any) -> Tensor:
    """Return a view with the order along axis 1 reversed; as `flip`."""
    return flip(x, 1)


@implements(np.fliplr)
def _np_fliplr(m: Any) -> Tensor:
    return fliplr(m)


@public
def flipud(x: Any) -> Tensor:
    """Return a view with the order along axis 0 reversed; as `flip`, but of one axis or more."""
    x = as_tensor(x)
    return flip(x, normalize_axis("flipud", 0, x.ndim))


@implements(np.flipud)
def _np_flipud(m: Any) -> Tensor:
    return flipud(m)


@public
def rot90(x: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return a view turned by 90 degrees ``k`` times, from the first axis towards the second.

    Parameters
    ----------
    x : Tensor, two axes or more
    k : int
        Negative: the other way round.
    dims : sequence of two int

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If there are not two different axes.
    """
    x = as_tensor(x)
    axes = [normalize_axis("rot90", dim, x.ndim) for dim in check_items("rot90", "dims", dims)]
    if len(set(axes)) != 2 or len(axes) != 2:
        raise ShapeError(f"rot90: dims must be two different axes, got {tuple(dims)}")
    first, second = axes
    turns = check_integer("rot90", "k", k) % 4
    if turns == 0:
        return flip(x, ())
    if turns == 2:
        return flip(x, axes)
    return flip(transpose(x, first, second), first if turns == 1 else second)


@implements(np.rot90)
def _np_rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    return rot90(m, k, axes)


@public
def atleast_1d(*tensors: Any) -> Any:
    """Return each Tensor with one axis or more; one of rank 0 as a vector of one element."""
    return _at_least(tensors, lambda shape: shape or (1,))


@public
def atleast_2d(*tensors: Any) -> Any:
    """Return each Tensor with two axes or more; a vector as a matrix of one row."""
    return _at_least(tensors, lambda shape: (1,) * (2 - len(shape)) + shape)


@public
def atleast_3d(*tensors: Any) -> Any:
    """Return each Tensor with three axes or more: (N,) as (1, N, 1), (N, M) as (N, M, 1).

    Parameters
    ----------
    *tensors : Tensor

    Returns
    -------
    Tensor or tuple of Tensor
        Views; a tuple if there are several.
    """
    return _at_least(
        tensors, lambda shape: (*(1,) * (2 - len(shape)), *shape, 1) if len(shape) < 3 else shape
    )


def _at_least(tensors: tuple[Any, ...], shape_of: Any) -> Any:
    shaped = [reshape(t, shape_of(t.shape)) for t in map(as_tensor, tensors)]
    return shaped[0] if len(shaped) == 1 else tuple(shaped)


for _name, _function in (("1d", atleast_1d), ("2d", atleast_2d), ("3d", atleast_3d)):
    implements(getattr(np, f"atleast_{_name}"))(_function)


@public
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Return read-only views of the Tensors broadcast to one shape.

    Parameters
    ----------
    *tensors : Tensor, ndarray or scalar

    Returns
    -------
    tuple of Tensor
        Views, whose arrays cannot be written to.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    parts = [as_tensor(tensor) for tensor in tensors]
    shape: Shape = ()
    for part in parts:
        wider = broadcast_shapes(shape, part.shape)
        if wider is None:
            raise ShapeError(f"broadcast_tensors: shapes {shape} and {part.shape} do not broadcast")
        shape = wider
    return tuple([broadcast_to(part, shape) for part in parts])


@implements(np.broadcast_arrays)
def _np_broadcast_arrays(*args: Any) -> tuple[Tensor, ...]:
    return broadcast_tensors(*args)


@public
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, one Tensor for each axis.

    Parameters
    ----------
    *tensors : Tensor, shape (N_i,)
        The coordinates along each axis; of rank 0, it is one.
    indexing : {"ij", "xy"}
        "ij": axis i of the grid belongs to Tensor i. "xy": the first two are exchanged.

    Returns
    -------
    tuple of Tensor, shape (N_0, N_1, ...)
        Read-only views, as of `expand`. `numpy.meshgrid` of Tensors returns copies.

    Raises
    ------
    ShapeError
        If a Tensor has two axes or more.
    ValueError
        If there is no such indexing.
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    parts = [as_tensor(tensor) for tensor in tensors]
    for part in parts:
        if part.ndim > 1:
            raise ShapeError(f"meshgrid: expected vectors, got shape {part.shape}")
    places = list(range(len(parts)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    vectors = [reshape(part, -1) for part in parts]
    shape = [1] * len(parts)
    for place, vector in zip(places, vectors, strict=True):
        shape[place] = vector.shape[0]
    return tuple(
        [
            broadcast_to(
                reshape(vector, [-1 if axis == place else 1 for axis in range(len(parts))]), shape
            )
            for place, vector in zip(places, vectors, strict=True)
        ]
    )


@implements(np.meshgrid)
def _np_meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tensor, ...]:
    if sparse:
        raise DTypeError("numpy.meshgrid on a Tensor does not take sparse=True")
    grids = meshgrid(*xi, indexing=indexing)
    return tuple([clone(grid) for grid in grids]) if copy else grids
