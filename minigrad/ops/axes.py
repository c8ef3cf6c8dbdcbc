"""Axes and shapes as users give them, checked."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.typing import Shape

__all__ = ["broadcast_shapes", "normalize_axes", "normalize_axis", "normalize_shape"]


def normalize_axis(name: str, axis: Any, ndim: int) -> int:
    """Return one axis, counted from the front.

    Parameters
    ----------
    name : str
        The function that was called, for the error message.
    axis : int
        Negative: counted from the end.
    ndim : int
        The number of axes there are.

    Raises
    ------
    DTypeError
        If ``axis`` is not an integer.
    ShapeError
        If there is no such axis.
    """
    index = _as_index(name, axis)
    if -ndim <= index < ndim:
        return index % ndim
    if ndim == 0:
        raise ShapeError(f"{name}: a Tensor of rank 0 has no axes, got dim {index}")
    raise ShapeError(
        f"{name}: dim must be from {-ndim} to {ndim - 1} for a Tensor of {ndim} axes, got {index}"
    )


def _as_index(name: str, axis: Any) -> int:
    try:
        if isinstance(axis, (bool, np.bool_)):  # as in x.var(False), where PyTorch has no dim
            raise TypeError
        return operator.index(axis)
    except TypeError:
        raise DTypeError(
            f"{name}: dim must be an integer or a tuple of integers, got {type(axis).__name__}"
        ) from None


def normalize_axes(name: str, axes: Any, ndim: int) -> Shape | None:
    """Return several different axes, counted from the front; None, for all, as it is.

    A Tensor of rank 0 has none, but may be given 0 or -1, as if it were a vector: as in PyTorch.

    Parameters
    ----------
    name : str
        The function that was called, for the error message.
    axes : int, tuple, list or range of int, or None
    ndim : int
        The number of axes there are.

    Raises
    ------
    DTypeError
        If an axis is not an integer.
    ShapeError
        If an axis does not exist or is named twice.
    """
    if axes is None:
        return None
    if not isinstance(axes, (tuple, list, range)):
        axes = (axes,)
    as_vector = ndim == 0 and all(_as_index(name, axis) in (0, -1) for axis in axes)
    found = tuple([normalize_axis(name, axis, 1 if as_vector else ndim) for axis in axes])
    if len(found) > 1 and len(set(found)) != len(found):
        raise ShapeError(f"{name}: dim names an axis twice: {tuple(axes)} of {ndim} axes")
    return found[:ndim]


def normalize_shape(name: str, shape: Any) -> Shape:
    """Return a length, or a sequence of them, as a tuple of Python integers.

    Parameters
    ----------
    name : str
        The function that was called, for the error message.
    shape : int, or tuple or list of int

    Raises
    ------
    DTypeError
        If a length is not an integer.
    """
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        return tuple([operator.index(size) for size in sizes])
    except TypeError:
        raise DTypeError(f"{name}: expected a shape of integers, got {shape!r}") from None


def broadcast_shapes(a: Shape, b: Shape) -> Shape | None:
    """Return the shape to which two shapes broadcast, or None if they do not."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
