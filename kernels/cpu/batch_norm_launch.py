"""The choice of a batch normalisation kernel, by memory order, size and threads."""

from __future__ import annotations

import numpy as np

from minigrad.kernels import memory
from minigrad.kernels.cpu import batch_norm_planes, batch_norm_rows
from minigrad.kernels.cpu.batch_norm_blocks import blocks_of
from minigrad.kernels.cpu.batch_norm_parts import parts_of
from minigrad.kernels.cpu.simd import LANE_BITS, LANES
from minigrad.kernels.cpu.threads import get_num_threads
from minigrad.kernels.layout import Slab, slab_of
from minigrad.typing import Array

__all__ = [
    "DTYPES",
    "PARALLEL_MIN_SIZE",
    "backward",
    "forward",
    "mask_size",
    "unpacked",
    "without_gaps",
]

PARALLEL_MIN_SIZE = 1 << 18
"""Smaller arrays, which take less than 0.1 ms, are not worth waking sleeping threads for: that
takes from 2 microseconds, back to back, to 70 in a virtual machine after a pause."""

LARGE_BYTES = 1 << 23
"""Larger results are written past the caches: they would push out what is read, be pushed out
themselves, and be read first only to be overwritten. What is read comes from beyond the caches
too, and is asked for ahead of time; of smaller arrays that would be work for nothing."""

_ABSENT = {np.dtype(kind): np.empty(0, kind) for kind in (np.float32, np.float64)}
"""Given to kernels, which do not look at it, for an array that is not there."""
_NO_MASK = np.empty(0, LANE_BITS)
DTYPES = frozenset(_ABSENT)
"""What kernels are compiled for."""


def without_gaps(x: Array) -> tuple[Array, Slab | None]:
    """Return ``x``, or a copy of it, that is one slab of memory; None when it is empty."""
    if x.size == 0:
        return x, None
    slab = slab_of(x)
    if slab is None:
        x = x.copy(order="C")
        slab = slab_of(x)
    elif not x.flags.writeable:
        x = x.copy(order="K")  # Numba would compile every kernel anew for read-only arrays
    return x, slab


def _in_order_of(dy: Array, x: Array) -> Array:
    """Return ``dy``, or a copy of it, with the memory order of ``x``."""
    if dy.strides == x.strides and dy.flags.behaved:
        return dy
    copy = memory.empty_like(x)
    np.copyto(copy, dy)
    return copy


def forward(
    x: Array,
    y: Array | None,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    var: Array,
    inv_std: Array,
    eps: float,
    slab: Slab,
    *,
    measure: bool,
    residual: Array | None = None,
    mask: Array | None = None,
) -> None:
    """Run the forward kernel for this layout and size; with a mask the result is rectified.

    The residual may be in any memory order.
    """
    absent = _ABSENT[x.dtype]
    outer, channels, inner = slab
    threads = get_num_threads() if x.size >= PARALLEL_MIN_SIZE else 1
    streaming = y is not None and _streaming(y, slab)
    arguments = (
        x.ravel("K"),
        absent if residual is None else _in_order_of(residual, x).ravel("K"),
        absent if y is None else y.ravel("K"),
        _NO_MASK if mask is None else mask,
        absent if gamma is None else gamma,
        absent if beta is None else beta,
        mean,
        var,
        inv_std,
        float(eps),
        gamma is not None,
        beta is not None,
        residual is not None,
        mask is not None,
        measure,
        y is not None,
    )
    if inner == 1:
        cut = blocks_of(outer, channels)
        rows_kernel = (
            batch_norm_rows.forward_serial if threads == 1 else batch_norm_rows.forward_parallel
        )
        rows_kernel(*arguments, (outer, channels), cut, streaming)
    else:
        parts = parts_of(outer, inner)
        planes_kernel = (
            batch_norm_planes.forward_serial if threads == 1 else batch_norm_planes.forward_parallel
        )
        by_part = _by_part(-(-channels // parts[0]), threads)
        planes_kernel(
            *arguments, (outer, channels, inner), parts, by_part, x.nbytes >= LARGE_BYTES, streaming
        )


def backward(
    dy: Array,
    x: Array,
    dx: Array | None,
    gamma: Array | None,
    mean: Array,
    inv_std: Array,
    totals: Array,
    n: int,
    slab: Slab,
    *,
    batch_statistics: bool,
    need_sums: bool,
    mask: Array | None = None,
    masked_dy: Array | None = None,
) -> None:
    """Run the backward kernel for this layout and size; ``dy`` may be in any memory order."""
    outer, channels, inner = slab
    threads = get_num_threads() if x.size >= PARALLEL_MIN_SIZE else 1
    absent = _ABSENT[x.dtype]
    arguments = (
        _in_order_of(dy, x).ravel("K"),
        x.ravel("K"),
        _NO_MASK if mask is None else mask,
        absent if masked_dy is None else masked_dy.ravel("K"),
        absent if dx is None else dx.ravel("K"),
        absent if gamma is None else gamma,
        mean,
        inv_std,
        totals,
        n,
        gamma is not None,
        mask is not None,
        masked_dy is not None,
        batch_statistics,
        need_sums,
        dx is not None,
    )
    streaming = dx is not None and _streaming(dx, slab)
    if inner == 1:
        cut = blocks_of(outer, channels)
        rows_kernel = (
            batch_norm_rows.backward_serial if threads == 1 else batch_norm_rows.backward_parallel
        )
        rows_kernel(*arguments, (outer, channels), cut, streaming)
    else:
        parts = parts_of(outer, inner)
        planes_kernel = (
            batch_norm_planes.backward_serial
            if threads == 1
            else batch_norm_planes.backward_parallel
        )
        by_part = _by_part(-(-channels // parts[0]), threads)
        planes_kernel(
            *arguments, (outer, channels, inner), parts, by_part, x.nbytes >= LARGE_BYTES, streaming
        )


def mask_size(x: Array) -> int:
    """Return how many entries the mask of a result has: one for each vector of each line."""
    line, lines = _lines(x)
    return lines * -(-line // LANES)


def unpacked(mask: Array, x: Array) -> Array:
    """Return the mask of a result as a boolean array of the shape of ``x``."""
    line, lines = _lines(x)
    bytes_of_vectors = mask.view(np.uint8).reshape(-1, LANE_BITS.itemsize)
    bits = np.unpackbits(bytes_of_vectors, axis=1, bitorder="little")
    flat = bits[:, :LANES].reshape(lines, -1)[:, :line]
    result = np.empty_like(x, np.bool_, order="C" if slab_of(x) is None else "K")
    result.ravel("K")[...] = flat.ravel()
    return result


def _lines(x: Array) -> tuple[int, int]:
    """Return the length of a line and how many there are: rows of channels, or else planes."""
    slab = slab_of(x)
    if slab is None:  # it is copied to C order, as in `without_gaps`
        n, channels = x.shape[:2]
        slab = Slab(n, channels, x.size // (n * channels))
    outer, channels, inner = slab
    return (channels, outer) if inner == 1 else (inner, outer * channels)


def _streaming(result: Array, slab: Slab) -> bool:
    """Tell whether to write past the caches: a large result whose every vector is aligned."""
    if result.nbytes < LARGE_BYTES:
        return False
    row = slab.channels if slab.inner == 1 else slab.inner
    return row % LANES == 0 and result.ctypes.data % 64 == 0


def _by_part(groups: int, threads: int) -> bool:
    """Tell whether there are too few groups of channels to share out whole ones evenly."""
    return threads > 1 and groups % threads != 0 and groups < 8 * threads
