"""What the batch normalisation kernels mean.

Channels are on axis 1 of ``x``, shape (N, C, *S); ``n = x.size / C`` is the number of values of a
channel. All arithmetic is done in at least float64 (in ``longdouble`` for such input) and rounded
once, to the dtype of ``x``, at the end.

References
----------
.. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167: Algorithm 1 (forward), section 3 (gradients; exact
   with ``eps`` inside the root), section 3.1 (running variance).
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.types import Gradients, GradientSums, Needs, Statistics, TrainForward
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


def _wide(x: Array) -> Array:
    """Return ``x`` in the dtype of the arithmetic."""
    return x.astype(np.result_type(x.dtype, np.float64))


def _along_channels(values: Array | float, x: Array) -> Array:
    """Reshape per-channel values to broadcast over ``x``: (C,) -> (1, C, 1, ...)."""
    return np.reshape(values, (1, -1) + (1,) * (x.ndim - 2))


def _other_axes(x: Array) -> tuple[int, ...]:
    """Return every axis but that of the channels."""
    return (0, *range(2, x.ndim))


def _scale(gamma: Array | None) -> Array | float:
    return 1.0 if gamma is None else _wide(gamma)


def statistics(x: Array) -> Statistics:
    """Mean and biased variance of each channel.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), floating
        Values.

    Returns
    -------
    Statistics
        ``mean`` and ``var``, shape (C,), at least float64; zeros for an empty batch.
    """
    wide = _wide(x)
    if x.size == 0:
        zeros = np.zeros(x.shape[1], wide.dtype)
        return Statistics(zeros, zeros.copy())
    axes = _other_axes(x)
    # Measured from one of its values, the mean of a constant channel is exact. The variance is that
    # of the deviations: E[x^2] - E[x]^2 cancels when the mean is large.
    start = wide[0].reshape(x.shape[1], -1)[:, 0]
    start = np.where(np.isfinite(start), start, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = start + (wide - _along_channels(start, x)).mean(axes)
        var = np.square(wide - _along_channels(mean, x)).mean(axes)
    return Statistics(mean, var)


def empty_mask(x: Array) -> Array:
    """Memory for the mask of a rectified result.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S)
        What is to be normalised.

    Returns
    -------
    ndarray
        Here of booleans and of the shape of ``x``; every device has a form of its own.
    """
    return np.empty(x.shape, np.bool_)


def unpack_mask(mask: Array, x: Array) -> Array:
    """Return a mask as booleans.

    Parameters
    ----------
    mask : ndarray
        From a forward pass on ``x``.
    x : ndarray, shape (N, C, *S)
        Its input, or an array of the same strides.

    Returns
    -------
    ndarray, bool, of the shape of ``x``
        Where the result was not 0.
    """
    return mask.reshape(x.shape)


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

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` with the biased variance.

    Parameters
    ----------
    x : ndarray, shape (N, C, *S), floating
        Values.
    gamma, beta : ndarray of shape (C,), or None
        Scale and shift; None means 1 and 0, independently.
    residual : ndarray, of the shape of ``x``, optional
        Added to the result.
    eps : float
        Added to the variance, in squared units of ``x``; >= 0. With ``eps`` 0 a constant channel
        is NaN.
    mask : ndarray, optional
        From `empty_mask`. Given, the result is rectified, ``max(y, 0)``, and the mask says where
        it is not 0 (NaN is not).

    Returns
    -------
    TrainForward
        ``y`` like ``x``; ``mean``, ``var``, ``inv_std`` of shape (C,), at least float64.
    """
    mean, var = statistics(x)
    with np.errstate(divide="ignore"):
        inv_std = 1.0 / np.sqrt(var + eps)
    y = _normalise(x, mean, inv_std, gamma, beta, residual, mask)
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
    x : ndarray, shape (N, C, *S), floating
        Values.
    mean, var : ndarray, shape (C,), floating
        Statistics, constants here.
    gamma, beta : ndarray of shape (C,), or None
        Scale and shift.
    residual : ndarray, of the shape of ``x``, optional
        Added to the result.
    eps : float
        Added to the variance; >= 0.
    mask : ndarray, optional
        From `empty_mask`. Given, the result is rectified, ``max(y, 0)``, and the mask says where
        it is not 0 (NaN is not).

    Returns
    -------
    ndarray
        Like ``x``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        inv_std = 1.0 / np.sqrt(_wide(var) + eps)
    return _normalise(x, _wide(mean), inv_std, gamma, beta, residual, mask)


def _normalise(
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    beta: Array | None,
    residual: Array | None,
    mask: Array | None,
) -> Array:
    shift = 0.0 if beta is None else _wide(beta)
    with np.errstate(invalid="ignore", over="ignore"):
        x_hat = (_wide(x) - _along_channels(mean, x)) * _along_channels(inv_std, x)
        y = x_hat * _along_channels(_scale(gamma), x) + _along_channels(shift, x)
        if residual is not None:
            y = y + residual
        y = y.astype(x.dtype)
    if mask is not None:
        y = np.maximum(y, 0.0)
        mask[...] = y != 0.0
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

    With ``g = gamma * dy``:
    ``dx = inv_std * (g - mean(g) - x_hat * mean(g * x_hat))``, ``dgamma = sum(dy * x_hat)``,
    ``dbeta = sum(dy)``. The statistics depend on ``x``: that is where the two means come from.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), floating
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), floating
        Input of the forward pass.
    mean, inv_std : ndarray, shape (C,)
        From the forward pass.
    gamma : ndarray of shape (C,), or None
        Scale.
    needs : tuple of three bool
        Which of ``dx, dgamma, dbeta`` are wanted.
    mask : ndarray, optional
        Of the forward pass, if its result was rectified.
    masked_dy : ndarray, of the shape of ``x``, optional
        Receives ``dy`` where the mask is set and 0 elsewhere, the gradient of ``residual``.

    Returns
    -------
    Gradients
        None for what is not wanted; ``dgamma`` and ``dbeta`` are zero for an empty batch.
    """
    dy = _masked(dy, mask, masked_dy)
    axes = _other_axes(x)
    with np.errstate(invalid="ignore", over="ignore"):
        x_hat = (_wide(x) - _along_channels(mean, x)) * _along_channels(inv_std, x)
        upstream = _wide(dy)
        dgamma = (upstream * x_hat).sum(axes)
        dbeta = upstream.sum(axes)
        dx = None
        if needs[0]:
            n = max(1, x.size // max(1, x.shape[1]))
            centred = (
                upstream - _along_channels(dbeta / n, x) - x_hat * _along_channels(dgamma / n, x)
            )
            dx = (_along_channels(_scale(gamma) * inv_std, x) * centred).astype(x.dtype)
        return Gradients(
            dx,
            dgamma.astype(x.dtype) if needs[1] else None,
            dbeta.astype(x.dtype) if needs[2] else None,
        )


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

    ``dx = gamma * inv_std * dy``, ``dgamma = sum(dy * x_hat)``, ``dbeta = sum(dy)``.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), floating
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), floating
        Input of the forward pass.
    mean, var : ndarray, shape (C,)
        The statistics of the forward pass.
    gamma : ndarray of shape (C,), or None
        Scale.
    eps : float
        Added to the variance; >= 0.
    needs : tuple of three bool
        Which of ``dx, dgamma, dbeta`` are wanted.
    mask : ndarray, optional
        Of the forward pass, if its result was rectified.
    masked_dy : ndarray, of the shape of ``x``, optional
        Receives ``dy`` where the mask is set and 0 elsewhere, the gradient of ``residual``.

    Returns
    -------
    Gradients
        None for what is not wanted.
    """
    dy = _masked(dy, mask, masked_dy)
    axes = _other_axes(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inv_std = 1.0 / np.sqrt(_wide(var) + eps)
        x_hat = (_wide(x) - _along_channels(_wide(mean), x)) * _along_channels(inv_std, x)
        upstream = _wide(dy)
        dx = _along_channels(_scale(gamma) * inv_std, x) * upstream
        return Gradients(
            dx.astype(x.dtype) if needs[0] else None,
            (upstream * x_hat).sum(axes).astype(x.dtype) if needs[1] else None,
            upstream.sum(axes).astype(x.dtype) if needs[2] else None,
        )


def _masked(dy: Array, mask: Array | None, masked_dy: Array | None) -> Array:
    """Return ``dy`` as it is before the rectification, and write it if it is asked for."""
    if mask is None:
        return dy
    dy = np.where(mask, dy, dy.dtype.type(0.0))
    if masked_dy is not None:
        masked_dy[...] = dy
    return dy


def gradient_sums(dy: Array, x: Array, mean: Array, inv_std: Array) -> GradientSums:
    """Compute the sums that a part of a batch contributes to the gradients of the whole.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), floating
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), floating
        This part's input of the forward pass.
    mean, inv_std : ndarray, shape (C,)
        Of the whole batch.

    Returns
    -------
    GradientSums
        ``sum(dy)`` and ``sum(dy * x_hat)`` of this part; those of several parts add up.
    """
    axes = _other_axes(x)
    x_hat = (_wide(x) - _along_channels(mean, x)) * _along_channels(inv_std, x)
    return GradientSums(_wide(dy).sum(axes), (_wide(dy) * x_hat).sum(axes))


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

    ``dx = gamma * inv_std * (dy - sum(dy) / n - x_hat * sum(dy * x_hat) / n)``.

    Parameters
    ----------
    dy : ndarray, shape (N, C, *S), floating
        Gradient with respect to ``y``.
    x : ndarray, shape (N, C, *S), floating
        This part's input of the forward pass.
    mean, inv_std : ndarray, shape (C,)
        Of the whole batch.
    gamma : ndarray of shape (C,), or None
        Scale.
    sums : GradientSums
        Added up over all parts.
    n : int
        Values of a channel in the whole batch.

    Returns
    -------
    ndarray
        ``dx``, like ``x``.
    """
    x_hat = (_wide(x) - _along_channels(mean, x)) * _along_channels(inv_std, x)
    centred = _wide(dy) - _along_channels(sums.dy / n, x)
    centred = centred - x_hat * _along_channels(sums.dy_x_hat / n, x)
    dx: Array = (_along_channels(_scale(gamma) * inv_std, x) * centred).astype(x.dtype)
    return dx


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

    ``running <- (1 - momentum) * running + momentum * batch``; the variance that is stored is
    ``var * n / (n - 1)`` unless ``unbiased`` is false.

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
        Weight of the new value, 0 to 1: PyTorch's convention (Keras and Flax have the weight of
        the old one).
    unbiased : bool, default True
        Whether to store the unbiased variance.
    """
    if n == 0:
        return
    factor = n / max(1, n - 1) if unbiased else 1.0
    for running, batch in ((running_mean, mean), (running_var, var * factor)):
        if momentum == 1.0:
            running[...] = batch  # not 0 * running, which keeps a NaN
        else:
            running[...] = (1.0 - momentum) * running.astype(np.float64) + momentum * batch
