"""Batch normalisation by weighted statistics, of primitive ops: right at every order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.batch_norm import affine, check_arguments
from minigrad.ops.promotion import cast
from minigrad.ops.shape import reshape
from minigrad.tensor import Tensor, _wrap
from minigrad.typing import Array

__all__ = ["WeightedOutput", "batch_norm_weighted"]


class WeightedOutput(NamedTuple):
    """What normalising by weighted statistics returns."""

    y: Tensor
    """Like ``x``."""
    mean: Array
    """Of each channel, shape (C,), float64."""
    var: Array
    """Of each channel, shape (C,), float64, biased."""
    bessel: float
    """What the variance is multiplied by to be unbiased."""


def batch_norm_weighted(
    x: Tensor,
    weights: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    *,
    eps: float,
    detach_statistics: bool = False,
) -> WeightedOutput:
    """Normalise each channel by its weighted mean and variance.

    Parameters
    ----------
    x : Tensor, shape (N, C, *S), float32 or float64
    weights : Tensor, shape (N, *S), any real numbers
        At least 0, two or more of them positive.
    gamma, beta : Tensor, shape (C,), or None
        Scale and shift.
    eps : float, in units of variance, >= 0
    detach_statistics : bool
        Take mean and variance for constants of the gradient.

    Returns
    -------
    WeightedOutput

    Raises
    ------
    ShapeError
        If a shape does not fit.
    DTypeError
        If a dtype does not.
    ValueError
        If ``eps`` is negative or not a number.

    Notes
    -----
    With ``W = sum(w)``: ``mean = sum(w x) / W``, ``var = sum(w (x - mean)^2) / W``, and
    ``y = gamma (x - mean) / sqrt(var + eps) + beta``, in float64 throughout and rounded once. The
    variance is unbiased times ``n_eff / (n_eff - 1)`` with the effective number of values
    ``n_eff = W^2 / sum(w^2)`` (Kish, Survey Sampling, 1965, section 8.2): the exact correction for
    independent values of one variance and weights that do not depend on them.
    """
    check_arguments(x.array, gamma, beta, eps)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # as the kernels
        return _weighted(x, weights, gamma, beta, eps, detach_statistics)


def _weighted(
    x: Tensor,
    weights: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    eps: float,
    detach_statistics: bool,
) -> WeightedOutput:
    axes = (0, *range(2, x.ndim))
    # Only ratios of weights matter: scaled by a constant, neither large nor small ones overflow.
    w = cast(weights, np.float64) / float(np.max(weights.array))
    bessel = _bessel(w.array.reshape(-1))
    w = reshape(w, (w.shape[0], 1, *w.shape[1:]))  # (N, *S) -> (N, 1, *S)
    total = np.sum(w)
    # Measured from one of its values, a constant channel has deviations of exactly zero, and the
    # sums lose no digits to a mean far from zero. As the result does not depend on where the
    # measuring starts, that is a constant of the gradient, too.
    start = _one_value(x.array, weights.array)
    values = cast(x, np.float64) - _wrap(start)
    mean = np.sum(w * values, axis=axes, keepdims=True) / total
    deviation = values - mean
    var = np.sum(w * deviation * deviation, axis=axes, keepdims=True) / total
    if detach_statistics:
        mean, var = mean.detach(), var.detach()
        deviation = values - mean
    y = cast(affine(deviation / np.sqrt(var + eps), gamma, beta), x.dtype)
    channels = x.shape[1]
    return WeightedOutput(
        y, (mean.array + start).reshape(channels), var.array.reshape(channels), bessel
    )


def _bessel(w: Array) -> float:
    """Return ``n_eff / (n_eff - 1) = W^2 / (W^2 - sum(w^2))``.

    The difference is the sum of all products of two weights, and formed as such: where one weight
    dominates, a subtraction would have no digits left.
    """
    products = 2.0 * float(np.sum(w[1:] * np.cumsum(w)[:-1]))
    return float(np.sum(w)) ** 2 / products


def _one_value(x: Array, weights: Array) -> Array:
    """Return the first value of each channel whose weight is positive, shape (1, C, 1, ...)."""
    place: Any = np.unravel_index(int(np.argmax(weights > 0.0)), weights.shape)
    start: Array = x[(place[0], slice(None), *place[1:])].astype(np.float64)
    start = np.where(np.isfinite(start), start, 0.0)
    return start.reshape(1, -1, *(1,) * (x.ndim - 2))
