"""Batch normalisation over memory (outer, C, inner): the values of a channel lie in planes.

Every channel is cut into ``row_parts * segments`` parts, a number that depends on the shape alone:
the rows (values of ``outer``) are shared out evenly, and long rows are cut into segments. The sums
of a channel are those of its parts, added in order. So the bits are the same whoever works on
what, and the schedule may follow the number of threads:

- *by channel*, when there are enough channels: sums and result of one channel in one go, while its
  values are in the cache;
- *by part*, when there are few: first the sums of all parts, then the results of all parts.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigrad.kernels.cpu.batch_norm_channel import (
    finite_or_zero,
    gradient_factors,
    inverse_std,
    mean_and_variance,
    split_mean,
)
from minigrad.kernels.cpu.jit import helper, jit, parallel_jit
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fma,
    load,
    load_head,
    splat,
    store,
    store_head,
    sum_lanes,
)
from minigrad.typing import Array

__all__ = [
    "backward_parallel",
    "backward_serial",
    "forward_parallel",
    "forward_serial",
    "parts_of",
]

_PART_SIZE = 16384
"""Values of a channel in one part: 64 KB of float32, a fraction of a core's second-level cache."""


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
def _bounds(
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
def _part_sums(
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
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + 2 * LANES <= end:
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
def _part_gradient_sums(
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
    for row in range(first, last):
        base = (row * channels + c) * inner
        i = base + start
        end = base + stop
        while i + 2 * LANES <= end:
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
def _part_normalise(
    x: Array,
    y: Array,
    channels: int,
    inner: int,
    c: int,
    bounds: tuple[int, int, int, int],
    mean: float,
    scale: float,
    shift: float,
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
            store(y, i, fma((load(x, i) - highs) - lows, scales, shifts))
            i += LANES
        if i < end:
            n = end - i
            values = load_head(x, i, n, high)
            store_head(y, i, fma((values - highs) - lows, scales, shifts), n)


@helper
def _part_gradient(
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
            store(dx, i, scales * fma(centred, slopes, load(dy, i) - offsets))
            i += LANES
        if i < end:
            n = end - i
            centred = (load_head(x, i, n, high) - highs) - lows
            values = fma(centred, slopes, load_head(dy, i, n, zero) - offsets)
            store_head(dx, i, scales * values, n)


@helper
def _part_scale(
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


def _forward(
    x: Array,
    y: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    var: Array,
    inv_std: Array,
    eps: float,
    has_gamma: bool,
    has_beta: bool,
    measure: bool,
    normalise: bool,
    shape: tuple[int, int, int],
    parts: tuple[int, int, int],
    by_part: bool,
) -> None:
    """Measure the statistics, normalise by them, or both.

    Contract: ``x`` and ``y`` are flat, of ``shape`` (outer, C, inner), of one dtype, and do not
    overlap; the other arrays are (C,), ``gamma`` and ``beta`` of the dtype of ``x`` and read only
    if they are said to be there. Writes ``mean`` and ``var`` if it measures, ``inv_std`` always,
    ``y`` if it normalises. One read of ``x`` to measure, one read and one write to normalise; by
    channel the second read is from the cache when the channel fits. Each task owns a channel or a
    part. Sums are in float64; the bits do not depend on threads or schedule.
    """
    outer, channels, inner = shape
    row_parts, segments, segment_size = parts
    n_parts = row_parts * segments
    n = outer * inner
    if by_part:
        sums = np.empty((channels * n_parts, 2))
        if measure:
            for task in prange(channels * n_parts):
                c = task // n_parts
                bounds = _bounds(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                shift = finite_or_zero(x[c * inner])
                sums[task, 0], sums[task, 1] = _part_sums(x, channels, inner, c, bounds, shift)
        for c in range(channels):
            if measure:
                total = 0.0
                total_square = 0.0
                for task in range(c * n_parts, (c + 1) * n_parts):
                    total += sums[task, 0]
                    total_square += sums[task, 1]
                shift = finite_or_zero(x[c * inner])
                mean[c], var[c] = mean_and_variance(total, total_square, n, shift)
            inv_std[c] = inverse_std(var[c], eps)
        if normalise:
            for task in prange(channels * n_parts):
                c = task // n_parts
                bounds = _bounds(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                offset = beta[c] if has_beta else x.dtype.type(0.0)
                _part_normalise(x, y, channels, inner, c, bounds, mean[c], scale, offset)
    else:
        for c in prange(channels):
            if measure:
                total = 0.0
                total_square = 0.0
                shift = finite_or_zero(x[c * inner])
                for part in range(n_parts):
                    bounds = _bounds(part, outer, inner, row_parts, segments, segment_size)
                    a, b = _part_sums(x, channels, inner, c, bounds, shift)
                    total += a
                    total_square += b
                mean[c], var[c] = mean_and_variance(total, total_square, n, shift)
            inv_std[c] = inverse_std(var[c], eps)
            if normalise:
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                offset = beta[c] if has_beta else x.dtype.type(0.0)
                bounds = (0, outer, 0, inner)
                _part_normalise(x, y, channels, inner, c, bounds, mean[c], scale, offset)


def _backward(
    dy: Array,
    x: Array,
    dx: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    dgamma: Array,
    dbeta: Array,
    has_gamma: bool,
    batch_statistics: bool,
    need_sums: bool,
    need_dx: bool,
    shape: tuple[int, int, int],
    parts: tuple[int, int, int],
    by_part: bool,
) -> None:
    """Compute the sums, the gradient of ``x``, or both.

    Contract: ``dy``, ``x``, ``dx`` are flat, of ``shape`` (outer, C, inner), of one dtype, and
    ``dx`` overlaps none; ``dgamma`` and ``dbeta`` are (C,) of that dtype too. With
    ``batch_statistics`` the statistics depend on ``x``, and ``need_sums`` must be set. Writes
    ``dgamma`` and ``dbeta`` if it sums, ``dx`` if that is needed. Two reads of ``dy`` and ``x``,
    one write; who owns what, the sums and the bits are as in ``_forward``.
    """
    outer, channels, inner = shape
    row_parts, segments, segment_size = parts
    n_parts = row_parts * segments
    n = outer * inner
    if by_part:
        sums = np.empty((channels * n_parts, 2))
        if need_sums:
            for task in prange(channels * n_parts):
                c = task // n_parts
                bounds = _bounds(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                sums[task, 0], sums[task, 1] = _part_gradient_sums(
                    dy, x, channels, inner, c, bounds, mean[c]
                )
            for c in range(channels):
                sum_dy = 0.0
                sum_product = 0.0
                for task in range(c * n_parts, (c + 1) * n_parts):
                    sum_dy += sums[task, 0]
                    sum_product += sums[task, 1]
                sum_x_hat = sum_product * inv_std[c]
                dbeta[c] = sum_dy
                dgamma[c] = sum_x_hat
                sums[c * n_parts, 0] = sum_dy
                sums[c * n_parts, 1] = sum_x_hat
        if need_dx:
            for task in prange(channels * n_parts):
                c = task // n_parts
                bounds = _bounds(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                if batch_statistics:
                    first = c * n_parts  # the total is kept with the first part
                    k0, k1 = gradient_factors(sums[first, 0], sums[first, 1], n, inv_std[c])
                    _part_gradient(dy, x, dx, channels, inner, c, bounds, mean[c], scale, k0, k1)
                else:
                    _part_scale(dy, dx, channels, inner, c, bounds, scale)
    else:
        for c in prange(channels):
            sum_dy = 0.0
            sum_x_hat = 0.0
            if need_sums:
                sum_product = 0.0
                for part in range(n_parts):
                    bounds = _bounds(part, outer, inner, row_parts, segments, segment_size)
                    a, b = _part_gradient_sums(dy, x, channels, inner, c, bounds, mean[c])
                    sum_dy += a
                    sum_product += b
                sum_x_hat = sum_product * inv_std[c]
                dbeta[c] = sum_dy
                dgamma[c] = sum_x_hat
            if need_dx:
                bounds = (0, outer, 0, inner)
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                if batch_statistics:
                    k0, k1 = gradient_factors(sum_dy, sum_x_hat, n, inv_std[c])
                    _part_gradient(dy, x, dx, channels, inner, c, bounds, mean[c], scale, k0, k1)
                else:
                    _part_scale(dy, dx, channels, inner, c, bounds, scale)


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
