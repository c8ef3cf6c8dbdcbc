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
from minigrad.kernels.types import Gradients, Needs, Statistics, TrainForward
from minigrad.typing import Array

__all__ = [
    "backward_eval",
    "backward_train",
    "forward_eval",
    "forward_train",
    "statistics",
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
    _check(x)
    x, slab = batch_norm_launch.without_gaps(x)
    mean, var, inv_std = np.zeros((3, x.shape[1]))
    if slab is not None:
        batch_norm_launch.forward(x, None, None, None, mean, var, inv_std, 0.0, slab, measure=True)
    return Statistics(mean, var)


def forward_train(x: Array, gamma: Array | None, beta: Array | None, *, eps: float) -> TrainForward:
    """Normalise each channel by the statistics of the batch.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), float32 or float64
        Values. With a single value a channel's variance is 0.
    gamma, beta : ndarray of shape (C,), of the dtype of ``x``, or None
        Scale and shift; None means 1 and 0.
    eps : float
        Added to the variance; >= 0. With 0 a constant channel is NaN.

    Returns
    -------
    TrainForward
        ``y`` like ``x``; ``mean``, ``var``, ``inv_std`` of shape (C,), float64.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, or ``gamma`` or ``beta`` is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or another dtype differs from it.
    """
    _check(x)
    gamma = _parameter(gamma, x, "gamma")
    beta = _parameter(beta, x, "beta")
    x, slab = batch_norm_launch.without_gaps(x)
    y = memory.empty_like(x)
    mean, var, inv_std = np.zeros((3, x.shape[1]))
    if slab is None:
        inv_std = _inverse_std(var, eps)
    else:
        batch_norm_launch.forward(x, y, gamma, beta, mean, var, inv_std, eps, slab, measure=True)
    return TrainForward(y, mean, var, inv_std)


def forward_eval(
    x: Array,
    mean: Array,
    var: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    eps: float,
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
    eps : float
        Added to the variance; >= 0.

    Returns
    -------
    ndarray
        Like ``x``.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, or another array is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``gamma`` or ``beta`` differ from it.
    """
    _check(x)
    gamma = _parameter(gamma, x, "gamma")
    beta = _parameter(beta, x, "beta")
    mean = _statistic(mean, x, "mean")
    var = _statistic(var, x, "var")
    x, slab = batch_norm_launch.without_gaps(x)
    y = memory.empty_like(x)
    if slab is not None:
        inv_std = np.empty(x.shape[1])
        batch_norm_launch.forward(x, y, gamma, beta, mean, var, inv_std, eps, slab, measure=False)
    return y


def backward_train(
    dy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    *,
    needs: Needs = (True, True, True),
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

    Returns
    -------
    Gradients
        None for what is not wanted; ``dgamma`` and ``dbeta`` are zero for an empty batch.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``dy`` has another shape, or another array is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``dy`` or ``gamma`` differ from it.
    """
    return _backward(dy, x, mean, inv_std, gamma, needs, batch_statistics=True)


def backward_eval(
    dy: Array,
    x: Array,
    mean: Array,
    var: Array,
    gamma: Array | None,
    *,
    eps: float,
    needs: Needs = (True, True, True),
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

    Returns
    -------
    Gradients
        None for what is not wanted; ``dgamma`` and ``dbeta`` are zero for an empty batch.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``dy`` has another shape, or another array is not (C,).
    DTypeError
        If ``x`` is neither float32 nor float64, or ``dy`` or ``gamma`` differ from it.
    """
    _check(x)
    inv_std = _inverse_std(_statistic(var, x, "var"), eps)
    return _backward(dy, x, mean, inv_std, gamma, needs, batch_statistics=False)


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
        _as_float64(mean),
        _as_float64(var),
        float(momentum),
        n / max(1, n - 1) if unbiased else 1.0,
    )
    if new_mean is not running_mean:
        running_mean[...] = new_mean
    if new_var is not running_var:
        running_var[...] = new_var


def _check(x: Array) -> None:
    """Refuse what the kernels cannot read."""
    if x.dtype not in batch_norm_launch.DTYPES:
        raise DTypeError(f"x must be float32 or float64, got {x.dtype}: convert it first")
    if x.ndim < 2:
        raise ShapeError(f"x must have shape (N, C, *S), got {x.shape}")


def _parameter(values: Array | None, x: Array, name: str) -> Array | None:
    """Check gamma or beta, and make it contiguous."""
    if values is None:
        return None
    if values.shape != (x.shape[1],):
        raise ShapeError(f"{name} must have shape ({x.shape[1]},), got {values.shape}")
    if values.dtype != x.dtype:
        raise DTypeError(f"{name} must have the dtype of x, {x.dtype}, got {values.dtype}")
    return values if values.flags.carray else values.copy()


def _statistic(values: Array, x: Array, name: str) -> Array:
    """Check a mean, variance or inverse standard deviation, and make it contiguous float64."""
    if values.shape != (x.shape[1],):
        raise ShapeError(f"{name} must have shape ({x.shape[1]},), got {values.shape}")
    return _as_float64(values)


def _as_float64(values: Array) -> Array:
    if values.dtype == np.float64 and values.flags.carray:
        return values
    return values.astype(np.float64)


def _inverse_std(var: Array, eps: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 / np.sqrt(var + eps))


def _backward(
    dy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    needs: Needs,
    *,
    batch_statistics: bool,
) -> Gradients:
    """Check, and run the backward kernel for this layout and size."""
    _check(x)
    if dy.shape != x.shape:
        raise ShapeError(f"dy must have the shape of x, {x.shape}, got {dy.shape}")
    if dy.dtype != x.dtype:
        raise DTypeError(f"dy must have the dtype of x, {x.dtype}, got {dy.dtype}")
    gamma = _parameter(gamma, x, "gamma")
    mean = _statistic(mean, x, "mean")
    inv_std = _statistic(inv_std, x, "inv_std")
    x, slab = batch_norm_launch.without_gaps(x)
    channels = x.shape[1]
    need_dx, need_dgamma, need_dbeta = needs
    dx = memory.empty_like(x) if need_dx else None
    dgamma = np.zeros(channels, x.dtype)
    dbeta = np.zeros(channels, x.dtype)
    need_sums = need_dgamma or need_dbeta or (need_dx and batch_statistics)
    if slab is not None and (need_dx or need_sums):
        batch_norm_launch.backward(
            batch_norm_launch.in_order_of(dy, x),
            x,
            dx,
            gamma,
            mean,
            inv_std,
            dgamma,
            dbeta,
            slab,
            batch_statistics=batch_statistics,
            need_sums=need_sums,
        )
    return Gradients(dx, dgamma if need_dgamma else None, dbeta if need_dbeta else None)
