"""Other shapes for the same values: reshaping and permuting.

The results are views where NumPy's are: they share memory with the Tensor that they were made of,
and are refused as targets of in-place changes while those would be recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axes, normalize_axis, normalize_shape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Axis, Shape

__all__ = [
    "Contiguous",
    "Permute",
    "Reshape",
    "contiguous",
    "flatten",
    "movedim",
    "permute",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
    "unsqueeze",
]


class Reshape(Op):
    """``x`` in another shape: dx = dy in the shape of x."""

    view = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, shape: Shape) -> Array:
        return np.reshape(x, shape)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, shape: Shape) -> tuple[Any]:
        return (np.reshape(dy, ctx.shape_of(0)),)


@public
def reshape(x: Any, shape: int | Sequence[int]) -> Tensor:
    """Return the values, in C order, in another shape.

    Parameters
    ----------
    x : Tensor, any shape
    shape : int or sequence of int
        With as many elements. One length may be -1: what is left.

    Returns
    -------
    Tensor
        A view if the memory layout allows one, else a copy.

    Raises
    ------
    ShapeError
        If the number of elements differs.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.reshape(mg.arange(6), (2, -1)).shape
    (2, 3)
    """
    x = as_tensor(x)
    lengths = normalize_shape("reshape", shape)
    try:
        result: Tensor = apply(Reshape, x, shape=lengths)
    except ValueError:
        raise ShapeError(
            f"reshape: shape {x.shape} has {x.array.size} elements, which do not fit {lengths}"
        ) from None
    return result


@implements(np.reshape)
def _np_reshape(a: Any, shape: Any, order: str = "C") -> Tensor:
    _check_order("reshape", order)
    return reshape(a, shape)


@implements(np.ravel)
def _np_ravel(a: Any, order: str = "C") -> Tensor:
    _check_order("ravel", order)
    return reshape(a, -1)


def _check_order(name: str, order: str) -> None:
    if order != "C":
        raise ValueError(f"numpy.{name} on a Tensor takes order='C' only, got {order!r}")


@public
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the axes from ``start_dim`` to ``end_dim``, both included, into one.

    Parameters
    ----------
    x : Tensor, any shape
        Of rank 0: the result has one axis.
    start_dim, end_dim : int

    Returns
    -------
    Tensor
        A view if the memory layout allows one, else a copy.

    Raises
    ------
    ShapeError
        If an axis does not exist, or ``end_dim`` comes before ``start_dim``.
    """
    x = as_tensor(x)
    if x.ndim == 0:
        return reshape(x, 1)
    start = normalize_axis("flatten", start_dim, x.ndim)
    end = normalize_axis("flatten", end_dim, x.ndim)
    if end < start:
        raise ShapeError(f"flatten: end_dim {end_dim} comes before start_dim {start_dim}")
    joined = math.prod(x.shape[start : end + 1])
    return reshape(x, (*x.shape[:start], joined, *x.shape[end + 1 :]))


@public
def squeeze(x: Any, dim: Axis = None) -> Tensor:
    """Drop axes of length one.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Only these, and of them only those of length one. Default: all.

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.
    """
    x = as_tensor(x)
    axes = normalize_axes("squeeze", dim, x.ndim)
    kept = [
        size
        for axis, size in enumerate(x.shape)
        if size != 1 or (axes is not None and axis not in axes)
    ]
    return reshape(x, kept)


@implements(np.squeeze)
def _np_squeeze(a: Any, axis: Axis = None) -> Tensor:
    a = as_tensor(a)
    for dim in normalize_axes("squeeze", axis, a.ndim) or ():
        if a.shape[dim] != 1:
            raise ShapeError(f"squeeze: axis {dim} of shape {a.shape} is not of length 1")
    return squeeze(a, axis)


@public
def unsqueeze(x: Any, dim: int) -> Tensor:
    """Insert an axis of length one, which becomes axis ``dim`` of the result.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If the result has no such axis.
    """
    x = as_tensor(x)
    axis = normalize_axis("unsqueeze", dim, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@implements(np.expand_dims)
def _np_expand_dims(a: Any, axis: int | Sequence[int]) -> Tensor:
    a = as_tensor(a)
    count = len(axis) if isinstance(axis, Sequence) else 1
    added = normalize_axes("expand_dims", axis, a.ndim + count) or ()
    lengths = iter(a.shape)
    return reshape(a, [1 if dim in added else next(lengths) for dim in range(a.ndim + count)])


class Permute(Op):
    """``y[i_p0, i_p1, ...] = x[i_0, i_1, ...]``: dx = dy with the axes back in order."""

    view = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dims: Shape) -> Array:
        return np.transpose(x, dims)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dims: Shape) -> tuple[Any]:
        inverse = tuple(sorted(range(len(dims)), key=dims.__getitem__))
        return (np.transpose(dy, inverse),)


@public
def permute(x: Any, dims: Sequence[int] | None) -> Tensor:
    """Return a view with the axes in another order.

    Parameters
    ----------
    x : Tensor, any shape
    dims : sequence of int or None
        Every axis of ``x`` once, in the new order; None: reversed.

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If an axis is missing, does not exist or is named twice.
    """
    x = as_tensor(x)
    order = normalize_axes("permute", dims, x.ndim)
    if order is None:
        order = tuple(range(x.ndim))[::-1]
    elif len(order) != x.ndim or (x.ndim == 0 and dims):
        raise ShapeError(f"permute: expected {x.ndim} axes for shape {x.shape}, got {dims}")
    result: Tensor = apply(Permute, x, dims=order)
    return result


@implements(np.transpose)
def _np_transpose(a: Any, axes: Sequence[int] | None = None) -> Tensor:
    return permute(a, axes)


@public
def transpose(x: Any, dim0: int, dim1: int) -> Tensor:
    """Return a view with two axes exchanged.

    Parameters
    ----------
    x : Tensor, any shape
    dim0, dim1 : int

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If an axis does not exist.
    """
    x = as_tensor(x)
    first = normalize_axis("transpose", dim0, x.ndim or 1)
    second = normalize_axis("transpose", dim1, x.ndim or 1)
    if x.ndim == 0:
        return permute(x, ())
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    result: Tensor = apply(Permute, x, dims=tuple(order))
    return result


@implements(np.matrix_transpose)
def _np_matrix_transpose(x: Any, /) -> Tensor:
    return transpose(x, -2, -1)


@public
def swapaxes(x: Any, axis0: int, axis1: int) -> Tensor:
    """Return a view with two axes exchanged, as `transpose`."""
    return transpose(x, axis0, axis1)


@implements(np.swapaxes)
def _np_swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    return transpose(a, axis1, axis2)


@public
def movedim(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move axes to other places; the others keep their order.

    Parameters
    ----------
    x : Tensor, any shape
    source, destination : int or sequence of int
        Where the axes are, and where they go; as many of each.

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice, or the numbers of axes differ.
    """
    x = as_tensor(x)
    origins = normalize_axes("movedim", source, x.ndim) or ()
    goals = normalize_axes("movedim", destination, x.ndim) or ()
    if len(origins) != len(goals):
        raise ShapeError(
            f"movedim: {len(origins)} axes cannot move to {len(goals)} places, got source {source} "
            f"and destination {destination}"
        )
    order = [axis for axis in range(x.ndim) if axis not in origins]
    for goal, origin in sorted(zip(goals, origins, strict=True)):
        order.insert(goal, origin)
    return permute(x, order)


@implements(np.moveaxis)
def _np_moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    return movedim(a, source, destination)


class Contiguous(Op):
    """A copy of ``x`` in C order: dx = dy."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.array(x, order="C", copy=True)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy,)


@public
def contiguous(x: Any) -> Tensor:
    """Return ``x`` if its values lie in C order without gaps, else a copy for which that holds."""
    tensor = as_tensor(x)
    if tensor.array.flags.c_contiguous:
        return tensor
    result: Tensor = apply(Contiguous, tensor)
    return result
