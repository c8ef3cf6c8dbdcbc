"""Batch normalisation on the CPU: checks, memory and the choice of a kernel.

What each function computes is said in :mod:`minigrad.kernels.reference.batch_norm`. Here ``x`` is
float32 or float64 in any memory order:

- without gaps, memory is (outer, C, inner) for some axes before and after the channels, and the
  planes kernels read it as it is; with ``inner`` 1, which is (N, C) and channels-last, the rows
  kernels do. Results have the memory order of ``x``;
- anything else (slices, broadcasts, reversed axes) is copied once, to C order, and so are results.
  Read-only arrays are copied too.

``eps`` is inside the root and added to the biased variance. Sums are in float64 and the mean is
subtracted in full, so in float32 the error of ``y`` stays within 4 units in the last place of
``|gamma * x_hat| + |beta|`` for ``|mean| / std`` up to 1e6. The bits are the same for any number of
threads. NaN and infinity propagate within their channel.
"""

from __future__ import annotations

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels import memory
from minigrad.kernels.cpu import batch_norm_channel, batch_norm_launch
from minigrad.kernels.cpu import batch_norm_checks as checks
from minigrad.kernels.cpu.batch_norm_shards import gradient_from_sums, gradient_sums
from minigrad.kernels.cpu.simd import LANE_BITS
from minigrad.kernels.types import Gradients, Needs, Statistics, TrainForward
from minigrad.typing import Array

__all__ = [
    "backward_eval",
    "backward_train",
    "empty_mask",
    "forward_eval",
    "forward_train",
    "gradient_from_sums",
    "gradient_sums",
    "statistics",
    "unpack_mask",
    "update_running",
]


def statistics(x: Array) -> Statistics:
    """Mean and biased variance of each channel.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), float32 or float64
        Values.

    Returns
    -------
    Statistics
        ``mean`` and ``var``, shape (C,), float64; zeros for an empty batch.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``.
    DTypeError
        If ``x`` is neither float32 nor float64.
    """
    checks.check(x)
    x, slab = batch_norm_launch.without_gaps(x)
    mean, var, inv_std = np.zeros((3, x.shape[1]))
    if slab is not None:
        batch_norm_launch.forward(x, None, None, None, mean, var, inv_std, 0.0, slab, measure=True)
    return Statistics(mean, var)


def empty_mask(x: Array) -> Array:
    """Memory for the mask of a rectified result: one bit for each value of ``x``.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S)
        What is to be normalised.

    Returns
    -------
    ndarray, shape (M,)
        Its order is that of vectors in memory: only `backward_train`, `backward_eval` and
        `unpack_mask` know it. The last bits of a row or plane may be unused.
    """
    return np.empty(batch_norm_launch.mask_size(x) if x.size else 0, LANE_BITS)


def unpack_mask(mask: Array, x: Array) -> Array:
    """Return a mask as booleans.

    Parameters
    ----------
    mask : ndarray, shape (M,)
        From a forward pass on ``x``.
    x : ndarray, shape (N, C, *S)
        Its input, or an array of the same strides.

    Returns
    -------
    ndarray, bool, of the shape of ``x``
        Where the result was not 0.
    """
    return batch_norm_launch.unpacked(mask, x) if x.size else np.empty(x.shape, np.bool_)


def forward_train(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    residual: Array | None = None,
    *,
    eps: float,
    mask: Array | None = None,
) -> TrainForward:
    """Normalise each channel by the statistics of the batch.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), float32 or float64
        Values. With a single value a channel's variance is 0.
    gamma, beta : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale and shift; None means 1 and 0.
    residual : ndarray, of the shape and dtype of ``x``, optional
        Added to the result; copied when its memory order is not that of ``x``.
    eps : float
        Added to the variance; >= 0. With 0 a constant channel is NaN.
    mask : ndarray, optional
        From `empty_mask`. Given, the result is rectified, ``max(y, 0)``, and the mask says where
        it is not 0.

    Returns
    -------
    TrainForward
        ``y`` like ``x``; ``mean``, ``var``, ``inv_std`` of shape (C,), float64.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``gamma`` or ``beta`` is not (C,), or ``residual`` or ``mask`` does not
        fit ``x``.
    DTypeError
        If ``x`` is neither float32 nor float64, or another dtype differs from it.
    """
    checks.check(x)
    gamma = checks.parameter(gamma, x, "gamma")
    beta = checks.parameter(beta, x, "beta")
    checks.check_fused(x, residual, mask)
    x, slab = batch_norm_launch.without_gaps(x)
    y = memory.empty_like(x)
    channels = x.shape[1]
    mean, var, inv_std = np.empty(channels), np.empty(channels), np.empty(channels)
    if slab is None:
        mean[...] = var[...] = 0.0
        inv_std = checks.inverse_std(var, eps)
    else:
        batch_norm_launch.forward(
            x,
            y,
            gamma,
            beta,
            mean,
            var,
            inv_std,
            eps,
            slab,
            measure=True,
            residual=residual,
            mask=mask,
        )
    return TrainForward(y, mean, var, inv_std)


def forward_eval(
    x: Array,
    mean: Array,
    var: Array,
    gamma: Array | None,
    beta: Array | None,
    residual: Array | None = None,
    *,
    eps: float,
    mask: Array | None = None,
) -> Array:
    """Normalise each channel by given statistics, such as running averages.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), float32 or float64
        Values.
    mean, var : ndarray, shape (C,), floating
        Statistics; used in float64.
    gamma, beta : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale and shift.
    residual : ndarray, of the shape and dtype of ``x``, optional
        Added to the result; copied when its memory order is not that of ``x``.
    eps : float
        Added to the variance; >= 0.
    mask : ndarray, optional
        From `empty_mask`. Given, the result is rectified, ``max(y, 0)``, and the mask says where
        it is not 0.

    Returns
    -------
    ndarray
        Like ``x``.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``residual`` or ``mask`` does not fit ``x``, or another array is not
        (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``gamma``, ``beta`` or ``residual`` differ
        from it.
    """
    checks.check(x)
    gamma = checks.parameter(gamma, x, "gamma")
    beta = checks.parameter(beta, x, "beta")
    mean = checks.statistic(mean, x, "mean")
    var = checks.statistic(var, x, "var")
    checks.check_fused(x, residual, mask)
    x, slab = batch_norm_launch.without_gaps(x)
    y = memory.empty_like(x)
    if slab is not None:
        inv_std = np.empty(x.shape[1])
        batch_norm_launch.forward(
            x,
            y,
            gamma,
            beta,
            mean,
            var,
            inv_std,
            eps,
            slab,
            measure=False,
            residual=residual,
            mask=mask,
        )
    return y


def backward_train(
    dy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    *,
    needs: Needs = (True, True, True),
    mask: Array | None = None,
    masked_dy: Array | None = None,
) -> Gradients:
    """Gradients of :func:`forward_train`.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), of the dtype of ``x``
        Gradient with respect to ``y``; copied when its memory order is not that of ``x``.
    x : ndarray, shape (N, C, *S), float32 or float64
        Input of the forward pass.
    mean, inv_std : ndarray, shape (C,), float64
        From the forward pass.
    gamma : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale.
    needs : tuple of three bool
        Which of ``dx, dgamma, dbeta`` are wanted.
    mask : ndarray, optional
        Of the forward pass, if its result was rectified.
    masked_dy : ndarray, of the shape and dtype of ``x``, optional
        Receives ``dy`` where the mask is set and 0 elsewhere, the gradient of ``residual``.

    Returns
    -------
    Gradients
        None for what is not wanted; ``dgamma`` and ``dbeta`` are zero for an empty batch.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``dy``, ``mask`` or ``masked_dy`` does not fit ``x``, or another array
        is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``dy``, ``masked_dy`` or ``gamma`` differ from
        it.
    """
    return _backward(dy, x, mean, inv_std, gamma, needs, mask, masked_dy, batch_statistics=True)


def backward_eval(
    dy: Array,
    x: Array,
    mean: Array,
    var: Array,
    gamma: Array | None,
    *,
    eps: float,
    needs: Needs = (True, True, True),
    mask: Array | None = None,
    masked_dy: Array | None = None,
) -> Gradients:
    """Gradients of :func:`forward_eval`, whose statistics are constants.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), of the dtype of ``x``
        Gradient with respect to ``y``; copied when its memory order is not that of ``x``.
    x : ndarray, shape (N, C, *S), float32 or float64
        Input of the forward pass.
    mean, var : ndarray, shape (C,), floating
        The statistics of the forward pass.
    gamma : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale.
    eps : float
        Added to the variance; >= 0.
    needs : tuple of three bool
        Which of ``dx, dgamma, dbeta`` are wanted.
    mask : ndarray, optional
        Of the forward pass, if its result was rectified.
    masked_dy : ndarray, of the shape and dtype of ``x``, optional
        Receives ``dy`` where the mask is set and 0 elsewhere, the gradient of ``residual``.

    Returns
    -------
    Gradients
        None for what is not wanted; ``dgamma`` and ``dbeta`` are zero for an empty batch.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``dy``, ``mask`` or ``masked_dy`` does not fit ``x``, or another array
        is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``dy``, ``masked_dy`` or ``gamma`` differ from
        it.
    """
    checks.check(x)
    inv_std = checks.inverse_std(checks.statistic(var, x, "var"), eps)
    return _backward(dy, x, mean, inv_std, gamma, needs, mask, masked_dy, batch_statistics=False)


def update_running(
    running_mean: Array,
    running_var: Array,
    mean: Array,
    var: Array,
    *,
    n: int,
    momentum: float,
    unbiased: bool = True,
) -> None:
    """Move the running statistics towards those of a batch, in place.

    Parameters
    ----------
    running_mean, running_var : ndarray, shape (C,), float32 or float64
        Changed in place; the arithmetic is in float64.
    mean, var : ndarray, shape (C,), float64
        Statistics of the batch, the variance biased.
    n : int
        Values of a channel in the batch. With one value the variance, zero, is stored as it is;
        with none nothing changes.
    momentum : float
        Weight of the new value, 0 to 1.
    unbiased : bool, default True
        Whether to store ``var * n / (n - 1)``.

    Raises
    ------
    ShapeError
        If the arrays are not all (C,).
    DTypeError
        If a running array is neither float32 nor float64.
    """
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running.dtype not in batch_norm_launch.DTYPES:
            raise DTypeError(f"{name} must be float32 or float64, got {running.dtype}")
        if running.ndim != 1 or running.shape != mean.shape or running.shape != var.shape:
            raise ShapeError(
                f"{name}, mean and var must all have shape (C,), got {running.shape}, "
                f"{mean.shape} and {var.shape}"
            )
    if n == 0:
        return
    new_mean = running_mean if running_mean.flags.carray else running_mean.copy()
    new_var = running_var if running_var.flags.carray else running_var.copy()
    batch_norm_channel.update_running(
        new_mean,
        new_var,
        checks.as_float64(mean),
        checks.as_float64(var),
        float(momentum),
        n / max(1, n - 1) if unbiased else 1.0,
    )
    if new_mean is not running_mean:
        running_mean[...] = new_mean
    if new_var is not running_var:
        running_var[...] = new_var


def _backward(
    dy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    needs: Needs,
    mask: Array | None,
    masked_dy: Array | None,
    *,
    batch_statistics: bool,
) -> Gradients:
    """Check, and run the backward kernel for this layout and size."""
    mean, inv_std = checks.check_gradient(dy, x, mean, inv_std)
    gamma = checks.parameter(gamma, x, "gamma")
    checks.check_fused(x, None, mask)
    if masked_dy is not None:
        checks.check_like(masked_dy, x, "masked_dy")
        if mask is None:
            raise ValueError("masked_dy needs a mask: without one it is dy")
    x, slab = batch_norm_launch.without_gaps(x)
    channels = x.shape[1]
    need_dx, need_dgamma, need_dbeta = needs
    dx = memory.empty_like(x) if need_dx else None
    totals = np.zeros(2 * channels)
    need_sums = need_dgamma or need_dbeta or (need_dx and batch_statistics)
    written = masked_dy
    if written is not None and (written.strides != x.strides or not written.flags.behaved):
        written = memory.empty_like(x)
    if slab is not None and (need_dx or need_sums or written is not None):
        batch_norm_launch.backward(
            dy,
            x,
            dx,
            gamma,
            mean,
            inv_std,
            totals,
            x.size // channels,
            slab,
            batch_statistics=batch_statistics,
            need_sums=need_sums or written is not None,
            mask=mask,
            masked_dy=written,
        )
    if written is not None and masked_dy is not None and written is not masked_dy:
        np.copyto(masked_dy, written)
    return Gradients(
        dx,
        totals[channels:].astype(x.dtype) if need_dgamma else None,
        totals[:channels].astype(x.dtype) if need_dbeta else None,
    )
