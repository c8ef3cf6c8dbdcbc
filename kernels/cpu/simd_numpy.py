"""Vectors as NumPy arrays, for ``NUMBA_DISABLE_JIT=1``; what each function does is in :mod:`.simd`.

The results are those of the machine code to the last bit, except where ``fma`` would have rounded
once and this one rounds twice: see :func:`fma`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.vector_width import LANE_BITS, LANES
from minigrad.typing import Array, FloatArray

__all__ = [
    "extend",
    "fence",
    "fma",
    "keep",
    "load",
    "load_head",
    "maximum",
    "nonzero",
    "prefetch",
    "splat",
    "sqrt",
    "store",
    "store_head",
    "stream",
    "sum_lanes",
    "truncate",
]


def _check(array: Array, offset: int, n: int) -> None:
    """Slices are clipped silently: refuse what machine code would do out of bounds."""
    if not (0 <= n <= LANES and offset >= 0 and offset + n <= array.size):
        raise IndexError(f"{n} elements at {offset} of an array of {array.size}")


def load(array: Array, offset: int) -> Array:
    """Read LANES elements."""
    _check(array, offset, LANES)
    return array[offset : offset + LANES].copy()


def load_head(array: Array, offset: int, n: int, fill: float) -> Array:
    """Read ``n`` elements, and fill the other lanes."""
    _check(array, offset, n)
    lanes = np.full(LANES, fill, array.dtype)
    lanes[:n] = array[offset : offset + n]
    return lanes


def store(array: Array, offset: int, lanes: Array) -> None:
    """Write all lanes."""
    _check(array, offset, LANES)
    array[offset : offset + LANES] = lanes


def store_head(array: Array, offset: int, lanes: Array, n: int) -> None:
    """Write the first ``n`` lanes."""
    _check(array, offset, n)
    array[offset : offset + n] = lanes[:n]


def stream(array: Array, offset: int, lanes: Array) -> None:
    """Write all lanes, to an aligned address."""
    address = array[offset:].__array_interface__["data"][0]
    if address % min(64, LANES * array.itemsize) != 0:
        raise ValueError(f"element {offset} is not aligned")
    store(array, offset, lanes)


def fence() -> None:
    """Do nothing: there is one thread."""


def prefetch(array: Array, offset: int) -> None:
    """Do nothing: there is no cache to fill."""


def splat(scalar: float) -> Array:
    """Repeat a scalar in every lane."""
    return np.full(LANES, scalar)  # of the scalar's dtype; a Python float is float64


def fma(a: Array, b: Array, c: Array) -> FloatArray:
    """Multiply and add in the wider dtype: rounded twice, the first time far below the last bit.

    For float32 the product is exact in float64, so that only a sum within 2**-29 of the middle
    between two float32 values can come out differently. For float64 it is ``longdouble``, where
    the platform has one that is wider.
    """
    wide = np.float64 if a.dtype == np.float32 else np.longdouble
    total: FloatArray = a.astype(wide) * b.astype(wide) + c.astype(wide)
    return total.astype(a.dtype)


def sqrt(lanes: Array) -> Array:
    """Square root of each lane."""
    return np.asarray(np.sqrt(lanes))


def maximum(a: Array, b: Array) -> Array:
    """Return the larger of each two lanes, NaN where either is."""
    return np.asarray(np.maximum(a, b))


def nonzero(lanes: Array) -> np.unsignedinteger[Any]:
    """Return a bit for each lane: whether it is not 0, which NaN is not."""
    bits: np.unsignedinteger[Any] = np.packbits(lanes != 0, bitorder="little").view(LANE_BITS)[0]
    return bits


def keep(lanes: Array, bits: int) -> Array:
    """Return the lanes whose bit is set, and 0 in the others."""
    return np.where((int(bits) >> np.arange(LANES)) & 1, lanes, lanes.dtype.type(0.0))


def extend(lanes: Array) -> Array:
    """Convert to float64."""
    return lanes.astype(np.float64)


def truncate(lanes: Array, like: Array) -> Array:
    """Convert float64 to the dtype of an array."""
    return lanes.astype(like.dtype)


def sum_lanes(lanes: Array) -> np.floating[Any]:
    """Add the upper half of the lanes to the lower half, until one is left."""
    while lanes.size > 1:
        half = lanes.size // 2
        lanes = lanes[:half] + lanes[half:]
    total: np.floating[Any] = lanes[0]
    return total
