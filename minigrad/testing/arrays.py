"""Arrays to test with: well-spread values, and values that lie strangely in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.arguments import check_items, check_number, real_dtype
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import normalize_shape
from minigrad.typing import Array, DTypeLike, FloatArray, Shape

__all__ = ["relaid", "spread_values"]


def spread_values(
    shape: Shape,
    rng: np.random.Generator,
    *,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    dtype: DTypeLike = np.float64,
) -> FloatArray:
    """Return values that fill ``[low, high]``, none close to another or to a kink.

    Parameters
    ----------
    shape : tuple of int
    rng : numpy.random.Generator
    low, high : float
    kinks : sequence of float
        Where the function to be differentiated is not smooth. Values next to one move away from
        it, by at least a quarter of the mean distance between values.
    dtype : dtype

    Returns
    -------
    ndarray, shape ``shape``
        In random order. The smallest distance of two values is a quarter of the mean distance.
    """
    shape = normalize_shape("spread_values", shape)
    if min(shape, default=0) < 0:
        raise ShapeError(f"spread_values: lengths must be 0 or more, got {shape}")
    if not isinstance(rng, np.random.Generator):
        raise DTypeError(f"spread_values: rng must be a Generator, got {type(rng).__name__}")
    kinks = check_items("spread_values", "kinks", kinks)
    for argument, value in (("low", low), ("high", high), *(("a kink", kink) for kink in kinks)):
        check_number("spread_values", argument, value)
        if not math.isfinite(value):
            raise ValueError(f"spread_values: {argument} must be finite, got {value}")
    dtype = real_dtype(dtype)
    size = math.prod(shape)
    cell = (high - low) / max(size + len(kinks), 1)
    # One value per cell, in the middle half of it; cells that contain a kink stay empty.
    starts = low + cell * np.arange(size + len(kinks))
    free = np.ones(starts.shape, dtype=bool)
    for kink in kinks:
        position = math.floor((kink - low) / cell)
        if 0 <= position < free.size:
            free[position] = False
    chosen = rng.permutation(starts[free])[:size]
    values = chosen + cell * rng.uniform(0.375, 0.625, size=size)
    return np.asarray(values.reshape(shape), dtype=dtype)


def relaid(array: Array, order: Sequence[int], steps: Sequence[int]) -> Array:
    """Return a view, equal to ``array``, into memory with another order of axes and other steps.

    Parameters
    ----------
    array : ndarray
    order : sequence of int
        A permutation of its axes, slowest first.
    steps : sequence of int
        For each axis of ``array``, the step in its memory; negative: stored backwards.
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"relaid: expected an ndarray, got {type(array).__name__}")
    order = normalize_shape("relaid", check_items("relaid", "order", order))
    steps = normalize_shape("relaid", check_items("relaid", "steps", steps))
    if sorted(order) != list(range(array.ndim)) or len(steps) < array.ndim or 0 in steps:
        raise ShapeError(
            f"relaid: expected a permutation and a step, not 0, for each axis of shape "
            f"{array.shape}, got {order} and {steps}"
        )
    stored = tuple(array.shape[axis] * abs(steps[axis]) for axis in order)
    memory = np.zeros(stored, dtype=array.dtype)
    view: Array = memory.transpose(np.argsort(np.asarray(order, dtype=np.intp)))
    index: tuple[Any, ...] = (*(slice(None, None, step) for step in steps), ...)
    view = view[index]  # the ellipsis keeps a view also at rank 0
    view[...] = array
    return view
