"""Batch normalisation of channels: what follows from their sums, in float64.

Arrays over channels are (C,) unless said otherwise, and functions work on a range of channels.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.cpu.jit import helper, jit
from minigrad.kernels.cpu.simd import (
    LANES,
    load_head,
    maximum,
    splat,
    sqrt,
    store_head,
    truncate,
)
from minigrad.typing import Array

__all__ = [
    "add_partial",
    "backward_factors",
    "finite_or_zero",
    "forward_factors",
    "inverse_std",
    "mean_and_variance",
    "update_running",
    "write_totals",
]


@helper
def finite_or_zero(value: float) -> float:
    """Return ``value``, the point that a channel's values are measured from.

    Sums of ``x - value`` and its square lose nothing when the mean is large, as those of ``x`` do.
    Any element will do: it is at most ``std * sqrt(n - 1)`` away from the mean, so that even an
    outlier makes the rounding of float64 count no more than about ``n`` times in the variance.
    """
    return value if math.isfinite(value) else 0.0


@helper
def add_partial(partial: Array, blocks: int, channels: int, first: int, last: int) -> None:
    """Add the partial sums, (blocks, C) flat, to those of the first block, in order.

    For the channels from first to last, as everything below.
    """
    for c in range(first, last, LANES):
        n = min(LANES, last - c)
        total = load_head(partial, c, n, 0.0)
        for block in range(1, blocks):
            total = total + load_head(partial, block * channels + c, n, 0.0)
        store_head(partial, c, total, n)


@helper
def mean_and_variance(
    shift: Array,
    total: Array,
    square: Array,
    n: int,
    mean: Array,
    var: Array,
    first: int,
    last: int,
) -> None:
    """Write mean and biased variance, from the sums of ``x - shift`` and of its square.

    ``total`` becomes ``mean - shift``: the two together say the mean to more digits than ``mean``.
    """
    count = splat(np.float64(n))
    for c in range(first, last, LANES):
        lanes = min(LANES, last - c)
        offset = load_head(total, c, lanes, 0.0) / count
        spread = load_head(square, c, lanes, 0.0) / count - offset * offset
        # Below zero by rounding, in a channel that is nearly constant; NaN stays.
        store_head(var, c, maximum(spread, splat(0.0)), lanes)
        store_head(mean, c, load_head(shift, c, lanes, 0.0) + offset, lanes)
        store_head(total, c, offset, lanes)


@helper
def inverse_std(var: Array, eps: float, result: Array, first: int, last: int) -> None:
    """Write ``1 / sqrt(var + eps)``, infinite for a variance of zero without ``eps``."""
    for c in range(first, last, LANES):
        lanes = min(LANES, last - c)
        values = splat(1.0) / sqrt(load_head(var, c, lanes, 1.0) + splat(np.float64(eps)))
        store_head(result, c, values, lanes)


@helper
def forward_factors(
    shift: Array,
    offset: Array,
    inv_std: Array,
    gamma: Array,
    beta: Array,
    has_gamma: bool,
    has_beta: bool,
    factors: Array,
    first: int,
    last: int,
) -> None:
    """Write ``high, low, scale, shift`` of ``y = (x - high - low) * scale + shift``, (4, C) flat.

    The mean is ``shift + offset``. Rounded to float32 it is wrong by up to 2**-24 of itself, which
    for data far from zero is many times their spread, and even rounded to float64 it is wrong by
    many digits of those values that happen to lie next to it. ``(x - high) - low`` is right.
    """
    channels = shift.size
    for c in range(first, last):
        _split_mean(shift[c], offset[c], factors, c, channels)
        scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
        factors[2 * channels + c] = scale
        factors[3 * channels + c] = beta[c] if has_beta else factors.dtype.type(0.0)


@helper
def backward_factors(
    mean: Array,
    inv_std: Array,
    gamma: Array,
    has_gamma: bool,
    totals: Array,
    n: int,
    batch_statistics: bool,
    factors: Array,
    first: int,
    last: int,
) -> None:
    """Write ``high, low, scale, k0, -k1`` of ``dx = scale * (dy - k0 - (x - high - low) * k1)``.

    They are (5, C) flat. ``totals`` holds the sum of ``dy`` and that of ``dy * x_hat``, so ``k0``
    is the mean of ``dy`` and ``(x - mean) * k1`` is ``x_hat * mean(dy * x_hat)``. Both are written
    only if the statistics are those of the batch.
    """
    channels = mean.size
    for c in range(first, last):
        _split_mean(mean[c], 0.0, factors, c, channels)
        scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
        factors[2 * channels + c] = scale
    if batch_statistics:
        count = splat(np.float64(n))
        for c in range(first, last, LANES):
            lanes = min(LANES, last - c)
            k0 = load_head(totals, c, lanes, 0.0) / count
            product = load_head(totals, channels + c, lanes, 0.0)
            slope = load_head(inv_std, c, lanes, 0.0) * product / count
            store_head(factors, 3 * channels + c, truncate(k0, factors), lanes)
            store_head(factors, 4 * channels + c, truncate(splat(0.0) - slope, factors), lanes)


@helper
def _split_mean(shift: float, offset: float, factors: Array, c: int, channels: int) -> None:
    """Write a mean, ``shift + offset``, as the sum of two numbers of the dtype of ``factors``."""
    high = factors.dtype.type(shift + offset)
    low = factors.dtype.type((shift - high) + offset)
    factors[c] = high
    factors[channels + c] = low if math.isfinite(low) else factors.dtype.type(0.0)


@helper
def write_totals(
    total: Array, product: Array, inv_std: Array, totals: Array, first: int, last: int
) -> None:
    """Write the sums of ``dy`` and of ``dy * x_hat``, (2, C) flat.

    From those of ``dy`` and of ``dy * (x - mean)``.
    """
    channels = inv_std.size
    for c in range(first, last):
        totals[c] = total[c]
        totals[channels + c] = product[c] * inv_std[c]


def _update_running(
    running_mean: Array,
    running_var: Array,
    mean: Array,
    var: Array,
    momentum: float,
    var_factor: float,
) -> None:
    """Move running statistics towards those of a batch, in float64.

    Contract: arrays of shape (C,); the running ones, of one dtype, are written.
    """
    for c in range(mean.size):
        new_mean = mean[c]
        new_var = var[c] * var_factor
        if momentum != 1.0:  # with 1, not 0 * running: that would keep a NaN for ever
            new_mean = (1.0 - momentum) * running_mean[c] + momentum * new_mean
            new_var = (1.0 - momentum) * running_var[c] + momentum * new_var
        running_mean[c] = new_mean
        running_var[c] = new_var


update_running = jit(_update_running)
