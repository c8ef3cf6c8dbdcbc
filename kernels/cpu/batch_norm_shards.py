"""Gradients of batch normalisation where each part of a batch is somewhere else.

The statistics are those of the whole: merge what `statistics` says of each part. Then each sums,
the sums are added up, and each has its gradient from the total: the two passes of a backward.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels import memory
from minigrad.kernels.cpu import batch_norm_checks as checks
from minigrad.kernels.cpu import batch_norm_launch
from minigrad.kernels.types import GradientSums
from minigrad.typing import Array

__all__ = ["gradient_from_sums", "gradient_sums"]


def gradient_sums(dy: Array, x: Array, mean: Array, inv_std: Array) -> GradientSums:
    """Compute the sums that a part of a batch contributes to the gradients of the whole.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), of the dtype of ``x``
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), float32 or float64
        This part's input of the forward pass.
    mean, inv_std : ndarray, shape (C,), float64
        Of the whole batch.

    Returns
    -------
    GradientSums
        Of this part, shape (C,), float64; zeros if it is empty. Those of several parts add up.

    Raises
    ------
    ShapeError, DTypeError
        As in :func:`backward_train`.
    """
    mean, inv_std = checks.check_gradient(dy, x, mean, inv_std)
    x, slab = batch_norm_launch.without_gaps(x)
    channels = x.shape[1]
    totals = np.zeros(2 * channels)
    if slab is not None:
        batch_norm_launch.backward(
            dy,
            x,
            None,
            None,
            mean,
            inv_std,
            totals,
            1,
            slab,
            batch_statistics=True,
            need_sums=True,
        )
    return GradientSums(totals[:channels], totals[channels:])


def gradient_from_sums(
    dy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    sums: GradientSums,
    *,
    n: int,
) -> Array:
    """Gradient of a part of a batch, from the sums of the whole.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), of the dtype of ``x``
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), float32 or float64
        This part's input of the forward pass.
    mean, inv_std : ndarray, shape (C,), float64
        Of the whole batch.
    gamma : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale.
    sums : GradientSums
        Added up over all parts.
    n : int
        Values of a channel in the whole batch.

    Returns
    -------
    ndarray
        ``dx``, like ``x``.

    Raises
    ------
    ShapeError, DTypeError
        As in :func:`backward_train`.
    ValueError
        If ``n`` is less than the values that are here.
    """
    mean, inv_std = checks.check_gradient(dy, x, mean, inv_std)
    gamma = checks.parameter(gamma, x, "gamma")
    sum_dy = checks.statistic(sums.dy, x, "sums.dy")
    sum_dy_x_hat = checks.statistic(sums.dy_x_hat, x, "sums.dy_x_hat")
    if n * x.shape[1] < x.size:
        raise ValueError(
            f"n must count the values of a channel in the whole batch, {x.size // x.shape[1]} of "
            f"which are in this part, got {n}"
        )
    x, slab = batch_norm_launch.without_gaps(x)
    dx = memory.empty_like(x)
    if slab is not None:
        batch_norm_launch.backward(
            dy,
            x,
            dx,
            gamma,
            mean,
            inv_std,
            np.concatenate([sum_dy, sum_dy_x_hat]),
            n,
            slab,
            batch_statistics=True,
            need_sums=False,
        )
    return dx
