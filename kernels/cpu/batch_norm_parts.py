"""Batch normalisation over one part of one channel, in memory (outer, C, inner).

A part is a range of rows (values of ``outer``) and a range of columns (values of ``inner``).
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.batch_norm_channel import split_mean
from minigrad.kernels.cpu.jit import helper
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fence,
    fma,
    load,
    load_head,
    prefetch,
    splat,
    store,
    store_head,
    stream,
    sum_lanes,
)
from minigrad.typing import Array

__all__ = [
    "bounds_of",
    "part_gradient",
    "part_gradient_sums",
    "part_normalise",
    "part_scale",
    "part_sums",
    "parts_of",
]

_PART_SIZE = 16384
"""Values of a channel in one part: 64 KB of float32, a fraction of a core's second-level cache."""
_AHEAD = 1024
"""Values between one that is read and one that is asked for: a row is shorter than what the
hardware needs to recognise a stream, so each row tells where the next ones are."""


def parts_of(outer: int, inner: int) -> tuple[int, int, int]:
    """Cut a channel into parts.

    Parameters
    ----------
    outer, inner : int
        Shape of a channel's values.

    Returns
    -------
    row_parts, segments, segment_size : int
        Groups of rows; segments of a row and their size, a multiple of two vectors.
    """
    row_parts = min(outer, -(-outer * inner // _PART_SIZE))
    if row_parts < outer or inner < 2 * _PART_SIZE:
        return row_parts, 1, inner
    segments = inner // _PART_SIZE
    step = 2 * LANES
    segment_size = -(-inner // (segments * step)) * step
    return row_parts, -(-inner // segment_size), segment_size


@helper
def bounds_of(
    part: int, outer: int, inner: int, row_parts: int, segments: int, segment_size: int
) -> tuple[int, int, int, int]:
    """Return the first and last row, and the first and last column, of a part."""
    if row_parts * segments == 1:
        return 0, outer, 0, inner  # the divisions below would be half the work on a small channel
    row_part = part // segments
    start = (part - row_part * segments) * segment_size
    return (
        outer * row_part // row_parts,
        outer * (row_part + 1) // row_parts,
        start,
        min(inner, start + segment_size),
    )


@helper
def part_sums(
    x: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    shift: float,
) -> tuple[float, float]:
    """Return the sums of ``x - shift`` and of its square over one part, in float64."""
    first, last, start, stop = bounds
    shifts = splat(np.float64(shift))
    fill = x.dtype.type(shift)  # lanes without a value add nothing
    sum_a = splat(0.0)
    sum_b = splat(0.0)
    square_a = splat(0.0)
    square_b = splat(0.0)
    ahead = max(1, _AHEAD // inner) * channels * inner
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + 2 * LANES <= end:
            prefetch(x, i + ahead)
            prefetch(x, i + LANES + ahead)
            a = extend(load(x, i)) - shifts
            b = extend(load(x, i + LANES)) - shifts
            sum_a = sum_a + a
            sum_b = sum_b + b
            square_a = fma(a, a, square_a)
            square_b = fma(b, b, square_b)
            i += 2 * LANES
        if i + LANES <= end:
            a = extend(load(x, i)) - shifts
            sum_a = sum_a + a
            square_a = fma(a, a, square_a)
            i += LANES
        if i < end:
            b = extend(load_head(x, i, end - i, fill)) - shifts
            sum_b = sum_b + b
            square_b = fma(b, b, square_b)
    return sum_lanes(sum_a + sum_b), sum_lanes(square_a + square_b)


@helper
def part_gradient_sums(
    dy: Array,
    x: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    mean: float,
) -> tuple[float, float]:
    """Return the sums of ``dy`` and of ``dy * (x - mean)`` over one part, in float64."""
    first, last, start, stop = bounds
    means = splat(np.float64(mean))
    zero = x.dtype.type(0.0)
    sum_a = splat(0.0)
    sum_b = splat(0.0)
    product_a = splat(0.0)
    product_b = splat(0.0)
    ahead = max(1, _AHEAD // inner) * channels * inner
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + 2 * LANES <= end:
            prefetch(dy, i + ahead)
            prefetch(dy, i + LANES + ahead)
            prefetch(x, i + ahead)
            prefetch(x, i + LANES + ahead)
            a = extend(load(dy, i))
            b = extend(load(dy, i + LANES))
            sum_a = sum_a + a
            sum_b = sum_b + b
            product_a = fma(a, extend(load(x, i)) - means, product_a)
            product_b = fma(b, extend(load(x, i + LANES)) - means, product_b)
            i += 2 * LANES
        if i + LANES <= end:
            a = extend(load(dy, i))
            sum_a = sum_a + a
            product_a = fma(a, extend(load(x, i)) - means, product_a)
            i += LANES
        if i < end:
            # A mean that is not finite would make NaN of the lanes without a value: fill with 0
            # what is multiplied, and let the last vector of values decide.
            n = end - i
            b = extend(load_head(dy, i, n, zero))
            sum_b = sum_b + b
            product_b = fma(b, extend(load_head(x, i, n, zero)) - means, product_b)
    return sum_lanes(sum_a + sum_b), sum_lanes(product_a + product_b)


@helper
def part_normalise(
    x: Array,
    y: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    mean: float,
    scale: float,
    shift: float,
    streaming: bool,
) -> None:
    """Write ``y = (x - mean) * scale + shift`` over one part."""
    first, last, start, stop = bounds
    high, low = split_mean(mean, x)
    highs = splat(high)
    lows = splat(low)
    scales = splat(x.dtype.type(scale))
    shifts = splat(x.dtype.type(shift))
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + LANES <= end:
            values = fma((load(x, i) - highs) - lows, scales, shifts)
            if streaming:
                stream(y, i, values)
            else:
                store(y, i, values)
            i += LANES
        if i < end:
            n = end - i
            values = load_head(x, i, n, high)
            store_head(y, i, fma((values - highs) - lows, scales, shifts), n)
    if streaming:
        fence()


@helper
def part_gradient(
    dy: Array,
    x: Array,
    dx: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    mean: float,
    scale: float,
    k0: float,
    k1: float,
    streaming: bool,
) -> None:
    """Write ``dx = scale * (dy - k0 - (x - mean) * k1)`` over one part."""
    first, last, start, stop = bounds
    high, low = split_mean(mean, x)
    highs = splat(high)
    lows = splat(low)
    scales = splat(x.dtype.type(scale))
    offsets = splat(x.dtype.type(k0))
    slopes = splat(x.dtype.type(-k1))
    zero = x.dtype.type(0.0)
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + LANES <= end:
            centred = (load(x, i) - highs) - lows
            values = scales * fma(centred, slopes, load(dy, i) - offsets)
            if streaming:
                stream(dx, i, values)
            else:
                store(dx, i, values)
            i += LANES
        if i < end:
            n = end - i
            centred = (load_head(x, i, n, high) - highs) - lows
            values = fma(centred, slopes, load_head(dy, i, n, zero) - offsets)
            store_head(dx, i, scales * values, n)
    if streaming:
        fence()


@helper
def part_scale(
    dy: Array,
    dx: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    scale: float,
) -> None:
    """Write ``dx = scale * dy`` over one part."""
    first, last, start, stop = bounds
    scales = splat(dy.dtype.type(scale))
    zero = dy.dtype.type(0.0)
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + LANES <= end:
            store(dx, i, scales * load(dy, i))
            i += LANES
        if i < end:
            store_head(dx, i, scales * load_head(dy, i, end - i, zero), end - i)
