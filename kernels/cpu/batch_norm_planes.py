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
)
from minigrad.kernels.cpu.batch_norm_parts import (
    bounds_of,
    part_gradient,
    part_gradient_sums,
    part_normalise,
    part_scale,
    part_sums,
)
from minigrad.kernels.cpu.jit import jit, parallel_jit
from minigrad.typing import Array

__all__ = ["backward_parallel", "backward_serial", "forward_parallel", "forward_serial"]


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
    streaming: bool,
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
                bounds = bounds_of(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                shift = finite_or_zero(x[c * inner])
                sums[task, 0], sums[task, 1] = part_sums(x, channels, inner, c, bounds, shift)
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
                bounds = bounds_of(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                offset = beta[c] if has_beta else x.dtype.type(0.0)
                part_normalise(x, y, channels, inner, c, bounds, mean[c], scale, offset, streaming)
    else:
        for c in prange(channels):
            if measure:
                total = 0.0
                total_square = 0.0
                shift = finite_or_zero(x[c * inner])
                for part in range(n_parts):
                    bounds = bounds_of(part, outer, inner, row_parts, segments, segment_size)
                    a, b = part_sums(x, channels, inner, c, bounds, shift)
                    total += a
                    total_square += b
                mean[c], var[c] = mean_and_variance(total, total_square, n, shift)
            inv_std[c] = inverse_std(var[c], eps)
            if normalise:
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                offset = beta[c] if has_beta else x.dtype.type(0.0)
                bounds = (0, outer, 0, inner)
                part_normalise(x, y, channels, inner, c, bounds, mean[c], scale, offset, streaming)


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
    streaming: bool,
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
                bounds = bounds_of(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                sums[task, 0], sums[task, 1] = part_gradient_sums(
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
                bounds = bounds_of(
                    task - c * n_parts, outer, inner, row_parts, segments, segment_size
                )
                scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
                if batch_statistics:
                    first = c * n_parts  # the total is kept with the first part
                    k0, k1 = gradient_factors(sums[first, 0], sums[first, 1], n, inv_std[c])
                    part_gradient(
                        dy, x, dx, channels, inner, c, bounds, mean[c], scale, k0, k1, streaming
                    )
                else:
                    part_scale(dy, dx, channels, inner, c, bounds, scale)
    else:
        for c in prange(channels):
            sum_dy = 0.0
            sum_x_hat = 0.0
            if need_sums:
                sum_product = 0.0
                for part in range(n_parts):
                    bounds = bounds_of(part, outer, inner, row_parts, segments, segment_size)
                    a, b = part_gradient_sums(dy, x, channels, inner, c, bounds, mean[c])
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
                    part_gradient(
                        dy, x, dx, channels, inner, c, bounds, mean[c], scale, k0, k1, streaming
                    )
                else:
                    part_scale(dy, dx, channels, inner, c, bounds, scale)


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
