"""How an array lies in memory, as far as kernels care."""

from __future__ import annotations

from typing import NamedTuple

from minigrad.typing import Array, Shape

__all__ = ["Slab", "slab_of", "strides_like"]


class Slab(NamedTuple):
    """Memory without gaps as (outer, channels, inner): axis 1 and what lies around it.

    ``inner`` is 1 when channels are adjacent: (N, C) arrays and channels-last memory.
    """

    outer: int
    channels: int
    inner: int


def _slowest_first(x: Array) -> list[int]:
    """Return the axes by falling stride; of equal ones, in their order."""
    strides = x.strides
    return sorted(range(x.ndim), key=lambda axis: -abs(strides[axis]))


def strides_like(x: Array) -> Shape:
    """Return the strides of a new array with the order of axes of ``x`` and no gaps."""
    strides = [0] * x.ndim
    step = x.itemsize
    for axis in reversed(_slowest_first(x)):
        strides[axis] = step
        step *= x.shape[axis]
    return tuple(strides)


def slab_of(x: Array) -> Slab | None:
    """Describe the memory of ``x`` around its axis 1.

    Parameters
    ----------
    x : ndarray, ndim >= 2, not empty
        Axes may lie in any order in memory.

    Returns
    -------
    Slab or None
        None when elements are missing between those of ``x`` (slices), are shared (broadcasts),
        run backwards or are not aligned: then a copy is needed.
    """
    channels = x.shape[1]
    if not x.flags.aligned:
        return None
    if x.flags.c_contiguous:
        n = x.shape[0]
        return Slab(n, channels, x.size // (n * channels))
    inner = 0
    step = x.itemsize
    for axis in reversed(_slowest_first(x)):
        if x.shape[axis] == 1:
            continue  # its stride means nothing
        if x.strides[axis] != step:
            return None
        if axis == 1:
            inner = step // x.itemsize
        step *= x.shape[axis]
    if channels == 1:
        return Slab(1, 1, x.size)
    return Slab(x.size // (channels * inner), channels, inner)
