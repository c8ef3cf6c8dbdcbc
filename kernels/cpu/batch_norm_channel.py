"""Batch normalisation of one channel: what follows from its sums, in float64."""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.cpu.jit import helper, jit
from minigrad.typing import Array

__all__ = [
    "finite_or_zero",
    "gradient_factors",
    "inverse_std",
    "mean_and_variance",
    "split_mean",
    "update_running",
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
def mean_and_variance(
    total: float, total_square: float, n: int, shift: float
) -> tuple[float, float]:
    """Return mean and biased variance from the sums of ``x - shift`` and of its square."""
    offset = total / n
    var = total_square / n - offset * offset
    if var < 0.0:  # by rounding, of a channel that is nearly constant; NaN stays
        var = 0.0
    return shift + offset, var


@helper
def inverse_std(var: float, eps: float) -> float:
    """Return ``1 / sqrt(var + eps)``, infinite for a variance of zero without ``eps``."""
    return 1.0 / np.sqrt(var + eps)  # type: ignore[no-any-return]  # a float


@helper
def split_mean(mean: float, like: Array) -> tuple[float, float]:
    """Return the mean as the sum of two numbers of the dtype of ``like``.

    A mean rounded to float32 is wrong by up to 2**-24 of itself, which for data far from zero is
    many times their spread. ``(x - high) - low`` is right to the last bits of the spread.
    """
    high = like.dtype.type(mean)
    low = like.dtype.type(mean - high)
    return high, low if math.isfinite(low) else like.dtype.type(0.0)


@helper
def gradient_factors(dbeta: float, dgamma: float, n: int, inv_std: float) -> tuple[float, float]:
    """Return ``k0, k1`` of ``dx = gamma * inv_std * (dy - k0 - (x - mean) * k1)``.

    ``dbeta`` is the sum of ``dy``, ``dgamma`` that of ``dy * x_hat``. So ``k0`` is the mean of
    ``dy`` and ``(x - mean) * k1`` is ``x_hat * mean(dy * x_hat)``.
    """
    return dbeta / n, inv_std * dgamma / n


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
