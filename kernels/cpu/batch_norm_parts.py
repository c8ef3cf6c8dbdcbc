"""Batch normalisation over one part of a group of channels, in memory (outer, C, inner).

A part is a range of rows (values of ``outer``) and a range of columns (values of ``inner``). Its
place is the three lengths, what `parts_of` says, the number of its group and its own.
"""

from __future__ import annotations

import functools

from minigrad.kernels.cpu.jit import helper
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fence,
    fma,
    keep,
    load,
    load_head,
    maximum,
    nonzero,
    prefetch,
    splat,
    store,
    store_head,
    stream,
    sum_lanes,
)
from minigrad.typing import Array

__all__ = [
    "Place",
    "bounds_of",
    "channels_of",
    "one_vector",
    "part_gradient",
    "part_gradient_sums",
    "part_normalise",
    "part_scale",
    "part_sums",
    "parts_of",
    "vector_of",
]

Place = tuple[tuple[int, int, int], tuple[int, int, int, int], int, int]
"""Shape, parts, group and part."""

_PART_SIZE = 16384
"""Values in one part of a group: 64 KB of float32, a fraction of a core's second-level cache."""
_RUN = 1024
"""Values of a group that are adjacent in memory, where planes are smaller: 4 KB of float32."""
_AHEAD = 1024
"""Values between one that is read and one that is asked for: a row is shorter than what the
hardware needs to recognise a stream, so each row tells where the next ones are."""


@functools.lru_cache(maxsize=256)
def parts_of(outer: int, inner: int) -> tuple[int, int, int, int]:
    """Cut the channels of a group into parts.

    Parameters
    ----------
    outer, inner : int
        Shape of a channel's values.

    Returns
    -------
    group, row_parts, segments, segment_size : int
        Channels of a group; ranges of rows; segments of a row and their size, a multiple of two
        vectors.
    """
    group = max(1, _RUN // inner)
    row_parts = min(outer, -(-outer * inner * group // _PART_SIZE), -(-outer * inner // _RUN))
    if row_parts < outer or inner < 2 * _PART_SIZE:
        return group, row_parts, 1, inner
    segments = inner // _PART_SIZE
    step = 2 * LANES
    segment_size = -(-inner // (segments * step)) * step
    return group, row_parts, -(-inner // segment_size), segment_size


@helper
def channels_of(
    group: int, shape: tuple[int, int, int], parts: tuple[int, int, int, int]
) -> tuple[int, int]:
    """Return the first and last channel of a group."""
    first = group * parts[0]
    return first, min(shape[1], first + parts[0])


@helper
def bounds_of(
    part: int, shape: tuple[int, int, int], parts: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Return the first and last row, and the first and last column, of a part."""
    outer, _, inner = shape
    _, row_parts, segments, segment_size = parts
    row_part = part // segments
    start = (part - row_part * segments) * segment_size
    return (
        outer * row_part // row_parts,
        outer * (row_part + 1) // row_parts,
        start,
        min(inner, start + segment_size),
    )


@helper
def one_vector(place: Place) -> Place:
    """Return a place whose planes are one vector as one where that is a constant."""
    shape, parts, group, part = place
    return (shape[0], shape[1], LANES), (parts[0], parts[1], 1, LANES), group, part


@helper
def vector_of(line: int, start: int, length: int) -> int:
    """Return which vector of a mask belongs to the element at ``start`` of a line.

    A mask has one entry for each vector of each line, a plane or a row, of ``length`` elements;
    the last of a line may be incomplete.
    """
    return line * (-(-length // LANES)) + start // LANES


@helper
def part_sums(
    x: Array,
    shift: Array,
    sums: Array,
    squares: Array,
    place: Place,
    prefetching: bool,
) -> None:
    """Write the sums of ``x - shift`` and of its square over one part of a group.

    ``sums`` and ``squares`` are (parts, C) flat.
    """
    shape, parts, group, part = place
    _, channels, inner = shape
    first, last, start, stop = bounds_of(part, shape, parts)
    left, right = channels_of(group, shape, parts)
    pairs = (stop - start) // (2 * LANES)
    single = (stop - start) % (2 * LANES) >= LANES
    rest = (stop - start) % LANES
    ahead = max(1, _AHEAD // inner) * channels * inner if prefetching else 0
    for c in range(left, right):
        shifts = splat(shift[c])
        fill = x.dtype.type(shift[c])  # lanes without a value add nothing
        sum_a = splat(0.0)
        sum_b = splat(0.0)
        square_a = splat(0.0)
        square_b = splat(0.0)
        for row in range(first, last):
            i = (row * channels + c) * inner + start
            for _ in range(pairs):
                if ahead:
                    prefetch(x, i + ahead)
                    prefetch(x, i + LANES + ahead)
                a = extend(load(x, i)) - shifts
                b = extend(load(x, i + LANES)) - shifts
                sum_a = sum_a + a
                sum_b = sum_b + b
                square_a = fma(a, a, square_a)
                square_b = fma(b, b, square_b)
                i += 2 * LANES
            if single:
                a = extend(load(x, i)) - shifts
                sum_a = sum_a + a
                square_a = fma(a, a, square_a)
                i += LANES
            if rest:
                b = extend(load_head(x, i, rest, fill)) - shifts
                sum_b = sum_b + b
                square_b = fma(b, b, square_b)
        sums[part * channels + c] = sum_lanes(sum_a + sum_b)
        squares[part * channels + c] = sum_lanes(square_a + square_b)


@helper
def part_gradient_sums(
    dy: Array,
    x: Array,
    mask: Array,
    masked_dy: Array,
    mean: Array,
    sums: Array,
    products: Array,
    place: Place,
    has_mask: bool,
    write_masked: bool,
    prefetching: bool,
) -> None:
    """Write the sums of ``dy`` and of ``dy * (x - mean)`` over one part of a group.

    ``sums`` and ``products`` are (parts, C) flat. With a mask ``dy`` counts where it is set, and
    may be written to ``masked_dy``.
    """
    shape, parts, group, part = place
    _, channels, inner = shape
    first, last, start, stop = bounds_of(part, shape, parts)
    left, right = channels_of(group, shape, parts)
    pairs = (stop - start) // (2 * LANES)
    single = (stop - start) % (2 * LANES) >= LANES
    rest = (stop - start) % LANES
    ahead = max(1, _AHEAD // inner) * channels * inner if prefetching else 0
    zero = x.dtype.type(0.0)
    for c in range(left, right):
        means = splat(mean[c])
        sum_a = splat(0.0)
        sum_b = splat(0.0)
        product_a = splat(0.0)
        product_b = splat(0.0)
        for row in range(first, last):
            i = (row * channels + c) * inner + start
            k = vector_of(row * channels + c, start, inner)
            for _ in range(pairs):
                if ahead:
                    prefetch(dy, i + ahead)
                    prefetch(dy, i + LANES + ahead)
                    prefetch(x, i + ahead)
                    prefetch(x, i + LANES + ahead)
                a = load(dy, i)
                b = load(dy, i + LANES)
                if has_mask:
                    a = keep(a, mask[k])
                    b = keep(b, mask[k + 1])
                    if write_masked:
                        store(masked_dy, i, a)
                        store(masked_dy, i + LANES, b)
                wide_a = extend(a)
                wide_b = extend(b)
                sum_a = sum_a + wide_a
                sum_b = sum_b + wide_b
                product_a = fma(wide_a, extend(load(x, i)) - means, product_a)
                product_b = fma(wide_b, extend(load(x, i + LANES)) - means, product_b)
                i += 2 * LANES
                k += 2
            if single:
                a = load(dy, i)
                if has_mask:
                    a = keep(a, mask[k])
                    if write_masked:
                        store(masked_dy, i, a)
                wide_a = extend(a)
                sum_a = sum_a + wide_a
                product_a = fma(wide_a, extend(load(x, i)) - means, product_a)
                i += LANES
                k += 1
            if rest:
                # A mean that is not finite would make NaN of the lanes without a value: fill with
                # 0 what is multiplied, and let the last vector of values decide.
                b = load_head(dy, i, rest, zero)
                if has_mask:
                    b = keep(b, mask[k])
                    if write_masked:
                        store_head(masked_dy, i, b, rest)
                wide_b = extend(b)
                sum_b = sum_b + wide_b
                centred = extend(load_head(x, i, rest, zero)) - means
                product_b = fma(wide_b, centred, product_b)
        sums[part * channels + c] = sum_lanes(sum_a + sum_b)
        products[part * channels + c] = sum_lanes(product_a + product_b)


@helper
def part_normalise(
    x: Array,
    residual: Array,
    y: Array,
    mask: Array,
    factors: Array,
    place: Place,
    has_residual: bool,
    relu: bool,
    streaming: bool,
) -> None:
    """Write ``y = (x - high - low) * scale + shift`` over one part of a group.

    ``factors`` holds the four, (4, C) flat. To that the residual is added, and the whole is
    rectified: then ``mask`` says where the result is not 0.
    """
    shape, parts, group, part = place
    _, channels, inner = shape
    first, last, start, stop = bounds_of(part, shape, parts)
    left, right = channels_of(group, shape, parts)
    vectors = (stop - start) // LANES
    rest = (stop - start) % LANES
    zero = x.dtype.type(0.0)
    zeros = splat(zero)
    for row in range(first, last):
        for c in range(left, right):
            high = factors[c]
            highs = splat(high)
            lows = splat(factors[channels + c])
            scales = splat(factors[2 * channels + c])
            shifts = splat(factors[3 * channels + c])
            i = (row * channels + c) * inner + start
            k = vector_of(row * channels + c, start, inner)
            for _ in range(vectors):
                values = fma((load(x, i) - highs) - lows, scales, shifts)
                if has_residual:
                    values = values + load(residual, i)
                if relu:
                    values = maximum(values, zeros)
                    mask[k] = nonzero(values)
                    k += 1
                if streaming:
                    stream(y, i, values)
                else:
                    store(y, i, values)
                i += LANES
            if rest:
                values = (load_head(x, i, rest, high) - highs) - lows
                values = fma(values, scales, shifts)
                if has_residual:
                    values = values + load_head(residual, i, rest, zero)
                if relu:
                    values = maximum(values, zeros)
                    mask[k] = nonzero(values)
                store_head(y, i, values, rest)
    if streaming:
        fence()


@helper
def part_gradient(
    dy: Array,
    x: Array,
    mask: Array,
    dx: Array,
    factors: Array,
    place: Place,
    has_mask: bool,
    streaming: bool,
) -> None:
    """Write ``dx = scale * (dy - k0 - (x - high - low) * k1)`` over one part of a group.

    ``factors`` holds ``high, low, scale, k0, -k1``, (5, C) flat. With a mask ``dy`` counts where
    it is set.
    """
    shape, parts, group, part = place
    _, channels, inner = shape
    first, last, start, stop = bounds_of(part, shape, parts)
    left, right = channels_of(group, shape, parts)
    zero = x.dtype.type(0.0)
    vectors = (stop - start) // LANES
    rest = (stop - start) % LANES
    for row in range(first, last):
        for c in range(left, right):
            high = factors[c]
            highs = splat(high)
            lows = splat(factors[channels + c])
            scales = splat(factors[2 * channels + c])
            offsets = splat(factors[3 * channels + c])
            slopes = splat(factors[4 * channels + c])
            i = (row * channels + c) * inner + start
            k = vector_of(row * channels + c, start, inner)
            for _ in range(vectors):
                centred = (load(x, i) - highs) - lows
                upstream = load(dy, i)
                if has_mask:
                    upstream = keep(upstream, mask[k])
                    k += 1
                values = scales * fma(centred, slopes, upstream - offsets)
                if streaming:
                    stream(dx, i, values)
                else:
                    store(dx, i, values)
                i += LANES
            if rest:
                centred = (load_head(x, i, rest, high) - highs) - lows
                upstream = load_head(dy, i, rest, zero)
                if has_mask:
                    upstream = keep(upstream, mask[k])
                values = fma(centred, slopes, upstream - offsets)
                store_head(dx, i, scales * values, rest)
    if streaming:
        fence()


@helper
def part_scale(
    dy: Array,
    mask: Array,
    dx: Array,
    factors: Array,
    place: Place,
    has_mask: bool,
) -> None:
    """Write ``dx = scale * dy`` over one part of a group; ``scale`` is ``factors[2]``.

    With a mask ``dy`` counts where it is set.
    """
    shape, parts, group, part = place
    _, channels, inner = shape
    first, last, start, stop = bounds_of(part, shape, parts)
    left, right = channels_of(group, shape, parts)
    zero = dy.dtype.type(0.0)
    vectors = (stop - start) // LANES
    rest = (stop - start) % LANES
    for row in range(first, last):
        for c in range(left, right):
            scales = splat(factors[2 * channels + c])
            i = (row * channels + c) * inner + start
            k = vector_of(row * channels + c, start, inner)
            for _ in range(vectors):
                upstream = load(dy, i)
                if has_mask:
                    upstream = keep(upstream, mask[k])
                    k += 1
                store(dx, i, scales * upstream)
                i += LANES
            if rest:
                upstream = load_head(dy, i, rest, zero)
                if has_mask:
                    upstream = keep(upstream, mask[k])
                store_head(dx, i, scales * upstream, rest)
