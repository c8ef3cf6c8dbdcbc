"""Elements repeated, and moved around the ends of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axis, normalize_shape
from minigrad.ops.index import index_select
from minigrad.ops.shape import reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Axis, Shape

__all__ = ["Roll", "Tile", "repeat", "repeat_interleave", "roll", "tile"]


class Tile(Op):
    """``x`` laid out ``reps`` times along each axis: dx = dy summed over the copies."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, reps: Shape) -> Array:
        return np.tile(x, reps)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, reps: Shape) -> tuple[Any]:
        shape = ctx.shape_of(0)
        lengths = (1,) * (len(reps) - len(shape)) + shape
        interleaved = [n for pair in zip(reps, lengths, strict=True) for n in pair]
        copies = tuple(range(0, len(interleaved), 2))  # (r0, n0, r1, n1, ...) -> (n0, n1, ...)
        return (np.reshape(np.sum(np.reshape(dy, interleaved), axis=copies), shape),)


@public
def tile(x: Any, dims: int | Sequence[int]) -> Tensor:
    """Return copies of ``x`` laid out side by side.

    Parameters
    ----------
    x : Tensor, any shape
    dims : int or sequence of int
        How often along each axis, aligned at the last one; if there are more of them than axes,
        the result has as many axes.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    ShapeError
        If a number is negative.
    """
    x = as_tensor(x)
    reps = normalize_shape("tile", dims)
    if min(reps, default=0) < 0:
        raise ShapeError(f"tile: expected how often, 0 or more for each axis, got {reps}")
    reps = (1,) * (x.ndim - len(reps)) + reps
    result: Tensor = apply(Tile, x, reps=reps)
    return result


@implements(np.tile)
def _np_tile(A: Any, reps: int | Sequence[int]) -> Tensor:
    return tile(A, reps)


@public
def repeat(x: Any, sizes: Sequence[int]) -> Tensor:
    """Return copies of ``x`` laid out side by side, with a number for each axis: Tensor.repeat.

    Parameters
    ----------
    x : Tensor, any shape
    sizes : sequence of int
        As for `tile`, but at least as many as ``x`` has axes.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    ShapeError
        If there are fewer numbers than axes, or one is negative.
    """
    x = as_tensor(x)
    reps = normalize_shape("repeat", sizes)
    if len(reps) < x.ndim:
        raise ShapeError(
            f"repeat: expected a number for each of the {x.ndim} axes of shape {x.shape}, got "
            f"{reps}; repeat_interleave is what NumPy calls repeat"
        )
    return tile(x, reps)


@public
def repeat_interleave(x: Any, repeats: Any, dim: int | None = None) -> Tensor:
    """Return ``x`` with each slice along an axis repeated in place.

    Parameters
    ----------
    x : Tensor, any shape
    repeats : int or Tensor of rank 1, integer
        How often; one number for all slices, or one for each.
    dim : int, optional
        Default: the flattened Tensor.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    ShapeError
        If the axis does not exist, a number is negative, or there are not as many as slices.
    DTypeError
        If ``repeats`` is not integer.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.repeat_interleave(mg.tensor([1.0, 2.0]), 2)
    tensor([1., 1., 2., 2.])
    """
    x = as_tensor(x)
    if dim is None:
        x, dim = reshape(x, -1), 0
    axis = normalize_axis("repeat_interleave", dim, x.ndim)
    counts = as_tensor(repeats).array
    if counts.dtype.kind not in "iu":
        raise DTypeError(f"repeat_interleave: repeats must be integer, got {counts.dtype}")
    length = x.shape[axis]
    if counts.ndim > 1 or broadcast_shapes(counts.shape, (length,)) != (length,):
        raise ShapeError(
            f"repeat_interleave: expected one number, or one for each of the {length} slices of "
            f"dim {axis}, got shape {counts.shape}"
        )
    if np.min(counts, initial=0) < 0:
        raise ShapeError(f"repeat_interleave: repeats must be 0 or more, got {counts.min()}")
    return index_select(x, axis, np.repeat(np.arange(length), counts))


@implements(np.repeat)
def _np_repeat(a: Any, repeats: Any, axis: int | None = None) -> Tensor:
    return repeat_interleave(a, repeats, axis)


class Roll(Op):
    """``x`` moved along ``dims``, or in C order, and around the ends: dx = dy moved back."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, shifts: Shape, dims: Shape | None) -> Array:
        return np.roll(x, shifts, dims)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, shifts: Shape, dims: Shape | None) -> tuple[Any]:
        back = tuple([-shift for shift in shifts])
        return (apply(Roll, dy, shifts=back, dims=dims),)


@public
def roll(x: Any, shifts: int | Sequence[int], dims: Axis = None) -> Tensor:
    """Move elements along axes; what leaves at one end comes in at the other.

    Parameters
    ----------
    x : Tensor, any shape
    shifts : int or sequence of int
        By how many places; negative: towards the start.
    dims : int or sequence of int, optional
        As many axes as ``shifts``; one named twice moves by both. Default: the elements move in
        C order, and the result has the shape of ``x``.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    ShapeError
        If an axis does not exist, or there are not as many shifts as axes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.roll(mg.tensor([1.0, 2.0, 3.0]), 1, 0)
    tensor([3., 1., 2.])
    """
    x = as_tensor(x)
    steps = normalize_shape("roll", shifts)
    if dims is None:
        if len(steps) != 1:
            raise ShapeError(f"roll: {len(steps)} shifts need as many axes, got dims=None")
        axes = None
    else:
        given = dims if isinstance(dims, Sequence) else (dims,)
        axes = tuple([normalize_axis("roll", axis, x.ndim) for axis in given])
        if len(axes) != len(steps):
            raise ShapeError(f"roll: expected as many shifts as dims, got {steps} and {axes}")
    result: Tensor = apply(Roll, x, shifts=steps, dims=axes)
    return result


@implements(np.roll)
def _np_roll(a: Any, shift: int | Sequence[int], axis: Axis = None) -> Tensor:
    if isinstance(axis, Sequence) and not isinstance(shift, Sequence):
        shift = (shift,) * len(axis)
    return roll(a, shift, axis)
