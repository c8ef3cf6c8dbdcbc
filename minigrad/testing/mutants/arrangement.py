"""Wrong versions of ops that move, repeat or accumulate elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.cumulative import Cumprod, Cumsum
from minigrad.ops.gathering import ScatterAlong
from minigrad.ops.joining import Concatenate
from minigrad.ops.padding import Pad
from minigrad.ops.products import Prod
from minigrad.ops.repetition import Roll, Tile
from minigrad.testing.mutants.rules import OPS, rule, value

__all__ = ["OPS"]


def _moved(dy: Any, widths: Any, shape: Any, places: int) -> Any:
    """Return dy where x would be if it had been padded elsewhere along axes with room for it."""
    starts = [
        before + places if 0 <= before + places <= before + after else before
        for before, after in widths
    ]
    return dy[tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=True))].copy()


@value(Pad, "off by one", "x is one place too far along each axis that is padded after it")
def _(right: Any, ctx: Any, x: Any, *, widths: Any, value: float) -> Any:
    shifts = [1 if after > 0 else 0 for _, after in widths]
    return np.roll(right, shifts, range(x.ndim)) if x.ndim else right


@rule(Pad, "off by one too late", "dx is taken one place too far")
def _(right: Any, ctx: Any, dy: Any, *, widths: Any, value: float) -> Any:
    return (_moved(dy, widths, right[0].shape, 1),)


@rule(Pad, "off by one too early", "dx is taken one place too early")
def _(right: Any, ctx: Any, dy: Any, *, widths: Any, value: float) -> Any:
    return (_moved(dy, widths, right[0].shape, -1),)


@rule(Roll, "not moved back", "dx is moved as x was")
def _(right: Any, ctx: Any, dy: Any, *, shifts: Any, dims: Any) -> Any:
    return (np.roll(dy, shifts, dims),)


@rule(Tile, "one copy", "dx is dy of the first copy")
def _(right: Any, ctx: Any, dy: Any, *, reps: Any) -> Any:
    shape = right[0].shape
    if dy.size == 0:
        return right
    lead = (0,) * (dy.ndim - len(shape))
    first = dy[(*lead, *(slice(n) for n in shape))]
    return (first.copy() if first.shape == shape else right[0],)


@rule(Concatenate, "swapped inputs", "the first two gradients are exchanged")
def _(right: Any, ctx: Any, dy: Any, *, dim: int) -> Any:
    if len(right) < 2 or any(g is None for g in right) or right[0].shape != right[1].shape:
        return right
    return (right[1], right[0], *right[2:])


@value(ScatterAlong, "last for sum", "of repeated indices only the last counts")
def _(right: Any, ctx: Any, x: Any, index: Any, *, dim: int, size: int) -> Any:
    y = np.zeros_like(right)
    np.put_along_axis(y, index, x[tuple(slice(n) for n in index.shape)], dim)
    return y


@rule(Cumsum, "not reversed", "dx sums dy up to each element, not from it on")
def _(right: Any, ctx: Any, dy: Any, *, dim: int) -> Any:
    return (np.cumsum(dy, axis=dim, dtype=dy.dtype),)


@rule(Cumsum, "exclusive", "dx leaves out the element's own dy")
def _(right: Any, ctx: Any, dy: Any, *, dim: int) -> Any:
    return (right[0] - dy,)


@rule(Cumprod, "own product alone", "dx_j = dy_j x_0 ... x_{j-1}, without the products after it")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, dim: int) -> Any:
    ones = np.ones_like(np.take(x, [0], axis=dim)) if x.shape[dim] else x
    before = np.cumprod(np.take(x, range(x.shape[dim] - 1), axis=dim), axis=dim, dtype=x.dtype)
    return (dy * np.concatenate([ones, before], axis=dim) if x.shape[dim] else right[0],)


@rule(Prod, "own factor kept", "dx = dy y: not divided by the element")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, dim: Any, keepdim: bool) -> Any:
    return (right[0] * x,)
