"""Batch normalisation: training and evaluation are two ops, because their gradients differ."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.arguments import check_number
from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels import dispatch
from minigrad.kernels.memory import empty_like
from minigrad.ops.promotion import Cast
from minigrad.registry import public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = [
    "BatchNormEval",
    "BatchNormOutput",
    "BatchNormTrain",
    "batch_norm_eval",
    "batch_norm_train",
]


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class BatchNormOutput(NamedTuple):
    """What normalising by the statistics of a batch returns."""

    y: Any
    """Like ``x``: a Tensor."""
    mean: Array
    """Of each channel, shape (C,), float64; not differentiable."""
    var: Array
    """Of each channel, shape (C,), float64, biased (divided by n); not differentiable."""


class BatchNormTrain(Op):
    """``gamma * x_hat + beta`` with ``x_hat = (x - mean) * r`` and ``r = (var + eps)**-0.5``.

    With ``g = gamma * dy`` and means over all values of a channel (Ioffe & Szegedy 2015,
    section 3, simplified; exact with eps)::

        dx = r * (g - mean(g) - x_hat * mean(g * x_hat))
        dgamma = sum(dy * x_hat)
        dbeta = sum(dy)

    A residual is added to the result, and the whole rectified, if that is asked for: then dy counts
    where y is not 0, and dresidual is that. Of y one bit a value is kept, of the residual nothing.
    """

    saves = (0, 1, 2)
    addends = (3,)
    fresh = True

    @staticmethod
    def forward(
        ctx: Node | None,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        residual: Array | None,
        *,
        eps: float,
        relu: bool,
    ) -> BatchNormOutput:
        kernels = dispatch.module("batch_norm")
        mask = kernels.empty_mask(x) if relu else None
        y, mean, var, inv_std = kernels.forward_train(x, gamma, beta, residual, eps=eps, mask=mask)
        if ctx is not None:
            ctx.extra = (mask, mean, inv_std)
        return BatchNormOutput(y, mean, var)

    @staticmethod
    def backward(
        ctx: Node,
        dy: Array,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        *,
        eps: float,
        relu: bool,
    ) -> tuple[Array | None, ...]:
        mask, mean, inv_std = ctx.extra or ()
        kernels = dispatch.module("batch_norm")
        needs = (ctx.needs[0], ctx.needs[1], ctx.needs[2])
        masked_dy = empty_like(x) if ctx.needs[3] and relu else None
        gradients = kernels.backward_train(
            dy, x, mean, inv_std, gamma, needs=needs, mask=mask, masked_dy=masked_dy
        )
        return *gradients, _of_residual(dy, masked_dy) if ctx.needs[3] else None

    @staticmethod
    def composite(
        ctx: Node | None, x: Any, gamma: Any, beta: Any, residual: Any, *, eps: float, relu: bool
    ) -> Any:
        axes = (0, *range(2, x.ndim))
        deviation = x - np.mean(x, axis=axes, keepdims=True)
        var = np.mean(deviation * deviation, axis=axes, keepdims=True)
        y = affine(deviation / np.sqrt(var + eps), gamma, beta)
        return _activated(ctx, x, y, residual, relu)


class BatchNormEval(Op):
    """``gamma * x_hat + beta`` where ``x_hat = (x - mean) * r`` has constant statistics.

    With ``r = (var + eps)**-0.5``::

        dx = gamma * r * dy,    dgamma = sum(dy * x_hat),    dbeta = sum(dy)

    Residual and rectification are as in `BatchNormTrain`.
    """

    saves = (0, 1, 2, 3, 4)
    addends = (5,)
    fresh = True

    @staticmethod
    def forward(
        ctx: Node | None,
        x: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        beta: Array | None,
        residual: Array | None,
        *,
        eps: float,
        relu: bool,
    ) -> Array:
        kernels = dispatch.module("batch_norm")
        mask = kernels.empty_mask(x) if relu else None
        if ctx is not None and relu:
            ctx.extra = (mask,)
        return kernels.forward_eval(x, mean, var, gamma, beta, residual, eps=eps, mask=mask)

    @staticmethod
    def backward(
        ctx: Node,
        dy: Array,
        x: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        beta: Array | None,
        *,
        eps: float,
        relu: bool,
    ) -> tuple[Array | None, ...]:
        kernels = dispatch.module("batch_norm")
        needs = (ctx.needs[0], ctx.needs[3], ctx.needs[4])
        mask = ctx.extra[0] if ctx.extra else None
        masked_dy = empty_like(x) if ctx.needs[5] and relu else None
        dx, dgamma, dbeta = kernels.backward_eval(
            dy, x, mean, var, gamma, eps=eps, needs=needs, mask=mask, masked_dy=masked_dy
        )
        dresidual = _of_residual(dy, masked_dy) if ctx.needs[5] else None
        return dx, None, None, dgamma, dbeta, dresidual

    @staticmethod
    def composite(
        ctx: Node | None,
        x: Any,
        mean: Any,
        var: Any,
        gamma: Any,
        beta: Any,
        residual: Any,
        *,
        eps: float,
        relu: bool,
    ) -> Any:
        # The statistics are float64: the result is rounded once, to the dtype of x.
        mean, scale = _per_channel(mean, x.ndim), _per_channel(1.0 / np.sqrt(var + eps), x.ndim)
        y = affine((x - mean) * scale, gamma, beta)
        return _activated(ctx, x, apply(Cast, y, dtype=x.dtype), residual, relu)


def _of_residual(dy: Array, masked_dy: Array | None) -> Array:
    """Return the gradient of a residual in memory of its own: dy where y is not 0, or all of it."""
    return np.copy(dy) if masked_dy is None else masked_dy


def _activated(ctx: Node | None, x: Any, y: Any, residual: Any, relu: bool) -> Any:
    """Add the residual and rectify, where a recorded node did."""
    y = y if residual is None else y + residual
    if not relu:
        return y
    if ctx is None or ctx.extra is None:
        return np.maximum(y, 0.0)
    # A recorded node has no residual to compute it from; and what is kept is exact.
    mask = dispatch.module("batch_norm").unpack_mask(ctx.extra[0], x.array)
    return np.where(mask, y, 0.0)


def affine(x_hat: Any, gamma: Any, beta: Any) -> Any:
    """Return ``gamma * x_hat + beta``, with (C,) vectors or None, written with primitive ops."""
    y = x_hat if gamma is None else x_hat * _per_channel(gamma, x_hat.ndim)
    return y if beta is None else y + _per_channel(beta, x_hat.ndim)


def _per_channel(values: Any, ndim: int) -> Any:
    """Return (C,) values in the shape that broadcasts along axis 1."""
    return np.reshape(values, (1, *values.shape, *(1,) * (ndim - 2)))


@public
def batch_norm_train(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    residual: Any = None,
    *,
    relu: bool = False,
    eps: float = 1e-5,
) -> BatchNormOutput:
    """Normalise each channel by the statistics of this batch.

    Parameters
    ----------
    x : Tensor, shape (N, C, *S), float32 or float64
        Values; at least two per channel, or none at all.
    gamma, beta : Tensor, shape (C,), same dtype as ``x``, or None
        Scale and shift; None stands for ones and zeros.
    residual : Tensor, shape and dtype of ``x``, optional
        Added to the result.
    relu : bool
        Return ``max(y, 0)``, of the sum with ``residual`` if there is one.
    eps : float, in units of variance (squared units of ``x``), >= 0
        Added to the variance inside the root. With 0, a constant channel gives NaN.

    Returns
    -------
    BatchNormOutput
        ``y`` : Tensor like ``x``; ``mean``, ``var`` : ndarray (C,), float64, biased, not
        differentiable.

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, ``gamma`` or ``beta`` is not (C,), ``residual`` is not of the shape of
        ``x``, or a channel has one value.
    DTypeError
        If dtypes differ or are not float32 or float64.
    ValueError
        If ``eps`` is negative or not a number.

    Notes
    -----
    Statistics are accumulated in float64 about a value of the channel and the mean is kept in
    float64 up to the subtraction: the error is at most 4 ulp of float32 for ``|mean|/std`` up to
    1e6. Saved for backward: ``x`` and vectors of C values, and with ``relu`` one bit a value. The
    same bits on every run and for every number of threads. An empty batch gives an empty result
    and statistics of zero. A residual and ``relu`` take part in the same two passes over memory.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167, Algorithm 1 and section 3 (backward).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.batch_norm_train(mg.tensor([[1.0], [3.0]]), eps=0.0).y
    tensor([[-1.],
            [ 1.]])
    """
    x = x if isinstance(x, Tensor) else as_tensor(x)
    array = x.array
    residual = check_arguments(array, gamma, beta, eps, residual, relu)
    shape = array.shape
    if array.size == shape[1]:
        raise ShapeError(
            f"batch_norm in training needs more than one value per channel, got x of shape "
            f"{shape}: use larger batches (drop_last=True in the DataLoader), or evaluation mode"
        )
    result: BatchNormOutput = apply(BatchNormTrain, x, gamma, beta, residual, eps=eps, relu=relu)
    return result


@public
def batch_norm_eval(
    x: Any,
    mean: Any,
    var: Any,
    gamma: Any = None,
    beta: Any = None,
    residual: Any = None,
    *,
    relu: bool = False,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel by given statistics, which are constants of the gradient.

    Parameters
    ----------
    x : Tensor, shape (N, C, *S), float32 or float64
    mean, var : Tensor or ndarray, shape (C,), float32 or float64
        Statistics; copied, so that later updates in place do no harm.
    gamma, beta : Tensor, shape (C,), same dtype as ``x``, or None
        Scale and shift; None stands for ones and zeros.
    residual : Tensor, shape and dtype of ``x``, optional
        Added to the result.
    relu : bool
        Return ``max(y, 0)``, of the sum with ``residual`` if there is one.
    eps : float, in units of variance, >= 0

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    ShapeError
        If ``x.ndim < 2``, a vector is not (C,), or ``residual`` is not of the shape of ``x``.
    DTypeError
        If dtypes differ or are not float32 or float64.
    ValueError
        If ``eps`` is negative or not a number.

    Notes
    -----
    ``x - mean`` is formed first, with the mean in float64; scale and shift are not folded.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167, Algorithm 2, steps 10 and 11.
    """
    x = x if isinstance(x, Tensor) else as_tensor(x)
    array = x.array
    residual = check_arguments(array, gamma, beta, eps, residual, relu)
    statistics = []
    for name, value in (("mean", mean), ("var", var)):
        source = as_tensor(value).array
        _check_vector(name, source.shape, array.shape)
        statistics.append(np.array(source, dtype=np.float64))
    result: Tensor = apply(BatchNormEval, x, *statistics, gamma, beta, residual, eps=eps, relu=relu)
    return result


def check_arguments(
    x: Array, gamma: Any, beta: Any, eps: float, residual: Any = None, relu: bool = False
) -> Any:
    """Refuse what does not fit, and return the residual as a Tensor, if there is one."""
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: x must have shape (N, C, *S), got {x.shape}")
    if x.dtype not in _FLOATS:
        raise DTypeError(f"batch_norm: x must be float32 or float64, got {x.dtype}")
    for name, value in (("gamma", gamma), ("beta", beta)):
        if value is None:
            continue
        if not isinstance(value, (Tensor, np.ndarray)):
            raise DTypeError(f"batch_norm: {name} must be a Tensor, got {type(value).__name__}")
        _check_vector(name, value.shape, x.shape)
        if value.dtype != x.dtype:
            raise DTypeError(f"batch_norm: {name} must be {x.dtype}, as x is, got {value.dtype}")
    check_number("batch_norm", "eps", eps)
    if not (eps >= 0.0 and math.isfinite(eps)):
        raise ValueError(f"batch_norm: eps must be a finite number >= 0, got {eps!r}")
    if not isinstance(relu, bool):
        raise TypeError(f"batch_norm: relu must be True or False, got {relu!r}")
    if residual is None:
        return None
    residual = residual if isinstance(residual, Tensor) else as_tensor(residual)
    if residual.shape != x.shape:
        raise ShapeError(
            f"batch_norm: residual must have the shape of x, {x.shape}, got {residual.shape}"
        )
    if residual.dtype != x.dtype:
        raise DTypeError(f"batch_norm: residual must be {x.dtype}, as x is, got {residual.dtype}")
    return residual


def _check_vector(name: str, shape: Shape, x_shape: Shape) -> None:
    if shape != (x_shape[1],):
        raise ShapeError(
            f"batch_norm: {name} must have shape ({x_shape[1]},), one value per channel of x "
            f"{x_shape}, got {shape}"
        )
