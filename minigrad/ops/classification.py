"""Losses of classification: cross-entropy and negative log-likelihood."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_number
from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.loss import Reduction, check_reduction, reduce_losses
from minigrad.ops.promotion import as_float, promote
from minigrad.registry import FUNCTIONS, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["CrossEntropy", "cross_entropy", "nll_loss"]


class CrossEntropy(Op):
    """Cross-entropy of the softmax of ``z`` (M, K) with class indices ``target`` (M,).

    With ``p = softmax(z)``, class weights ``w`` and smoothing ``s``::

        y_m    = -(1 - s) w_t log p_t - s/K sum_k w_k log p_k
        dz_mk  = dy_m * (p_mk * ((1 - s) w_t + s/K sum_k w_k) - (1 - s) w_t [k = t] - s/K w_k)

    ``"mean"`` divides the sum by the total weight ``sum_m w_t``.
    """

    saves = (0, 1, 2)
    fresh = True

    @staticmethod
    def forward(
        ctx: Node | None,
        z: Array,
        target: Array,
        weight: Array | None,
        *,
        reduction: Reduction,
        label_smoothing: float,
    ) -> Array:
        samples = np.arange(z.shape[0])
        with np.errstate(invalid="ignore"):  # infinite logits give NaN, silently
            shifted = z - np.maximum.reduce(z, axis=1, keepdims=True)
            at_target = shifted[samples, target]
            if label_smoothing:
                at_all = np.sum(shifted, axis=1) if weight is None else shifted @ weight
            exponentials = np.exp(shifted, out=shifted)
            total = np.add.reduce(exponentials, axis=1)
            log_total = np.log(total)
            y = log_total - at_target
            scale = None if weight is None else weight[target]
            if scale is not None:
                y = y * scale
            if label_smoothing:
                smooth = log_total * _total_weight(weight, z.shape[1]) - at_all
                y = y * (1.0 - label_smoothing) + smooth * (label_smoothing / z.shape[1])
            if ctx is not None:
                ctx.extra = (exponentials, total, scale)
            if reduction == "none":
                return np.asarray(y)
            divisor = _divisor(scale, z.shape[0], reduction)
            return np.asarray(np.add.reduce(y) / divisor, dtype=z.dtype)

    @staticmethod
    def backward(
        ctx: Node,
        dy: Array,
        z: Array,
        target: Array,
        weight: Array | None,
        *,
        reduction: Reduction,
        label_smoothing: float,
    ) -> tuple[Array, None, None]:
        exponentials, total, scale = ctx.extra or ()
        with np.errstate(invalid="ignore", divide="ignore"):
            upstream = dy / _divisor(scale, z.shape[0], reduction) * (1.0 - label_smoothing)
            on_target = upstream if scale is None else upstream * scale
            everywhere = on_target
            if label_smoothing:
                smooth = dy / _divisor(scale, z.shape[0], reduction)
                smooth = smooth * (label_smoothing / z.shape[1])
                everywhere = on_target + smooth * _total_weight(weight, z.shape[1])
            dz = exponentials * (everywhere / total)[:, None]
        dz[np.arange(z.shape[0], like=dz), target] -= on_target
        if label_smoothing:
            smooth = np.expand_dims(smooth, -1)  # () or (M,) -> (1,) or (M, 1)
            dz -= smooth if weight is None else smooth * weight
        return dz, None, None

    @staticmethod
    def composite(
        ctx: Node | None,
        z: Any,
        target: Any,
        weight: Any,
        *,
        reduction: Reduction,
        label_smoothing: float,
    ) -> Any:
        log_p = FUNCTIONS["log_softmax"](z, 1)
        scale = None if weight is None else weight[target]
        at_target = np.take_along_axis(log_p, np.expand_dims(target, 1), axis=1)[:, 0]
        y = -at_target * (1.0 - label_smoothing)
        if scale is not None:
            y = y * scale
        if label_smoothing:
            weighted = log_p if weight is None else log_p * weight
            y = y - np.sum(weighted, axis=1) * (label_smoothing / z.shape[1])
        if reduction == "none":
            return y
        return np.sum(y) / _divisor(scale, z.shape[0], reduction)


def _total_weight(weight: Array | None, classes: int) -> float:
    return float(classes) if weight is None else float(np.sum(weight))


def _divisor(scale: Any, samples: int, reduction: Reduction) -> float:
    """Return what the sum of the losses is divided by; ``scale`` is the weight of each."""
    if reduction != "mean":
        return 1.0
    # Without samples the mean is NaN, as in PyTorch: Python's 0 / 0 would raise.
    return (samples or math.nan) if scale is None else (float(np.sum(scale)) or math.nan)


@public
def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the softmax of logits with class indices or probabilities.

    Parameters
    ----------
    x : Tensor, shape (N, K, *S) or (K,), float32 or float64
        Logits of K classes.
    target : Tensor, shape (N, *S) or (), integer; or float of the shape of ``x``
        Class indices below K, or probabilities of each class.
    weight : Tensor, shape (K,), optional
        Weight of each class; a constant of the gradient.
    ignore_index : int
        Samples with this target count neither in the loss nor in its gradient.
    reduction : "mean", "sum" or "none"
        ``"mean"`` divides by the total weight of the samples that count (for probabilities, by
        their number). Without any, it is NaN.
    label_smoothing : float, between 0 and 1
        Share of the target that is spread evenly over the classes.

    Returns
    -------
    Tensor
        Of shape (), or of the shape of class indices with ``"none"``.

    Raises
    ------
    ShapeError
        If shapes do not fit.
    DTypeError
        If ``target`` is neither integer nor of the dtype of ``x``.
    IndexError
        If a class index is negative or K or more, and not ``ignore_index``.
    ValueError
        If ``reduction`` or ``label_smoothing`` is none of those named.

    Notes
    -----
    One kernel-free fused op: logits of any size cause neither overflow nor cancellation, because
    the largest is subtracted first.

    References
    ----------
    .. [1] Szegedy et al., 2016, arXiv:1512.00567, section 7 (label smoothing).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.cross_entropy(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3862944)
    """
    check_reduction("cross_entropy", reduction)
    check_number("cross_entropy", "label_smoothing", label_smoothing)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    x, target = as_float(x), as_tensor(target)
    classes = _class_count("cross_entropy", x)
    weight = _class_weight("cross_entropy", weight, classes, x)
    if target.array.dtype.kind == "f":
        return _soft_cross_entropy(x, target, weight, reduction, label_smoothing)
    samples = _check_samples("cross_entropy", x, target)
    rows = _classes_last(x)
    indices, kept = _class_indices("cross_entropy", target, classes, ignore_index)
    if kept is not None:
        rows, indices = rows[kept], indices[kept]
    result: Tensor = apply(
        CrossEntropy,
        rows,
        indices,
        weight,
        reduction=reduction,
        label_smoothing=float(label_smoothing),
    )
    return _restore(result, kept, samples) if reduction == "none" else result


def _soft_cross_entropy(
    x: Tensor, target: Tensor, weight: Array | None, reduction: Reduction, label_smoothing: float
) -> Tensor:
    """Cross-entropy with probabilities as targets: primitive ops, differentiable in both."""
    if target.shape != x.shape:
        raise ShapeError(
            f"cross_entropy: floating targets are class probabilities and must have the shape of "
            f"the logits, {x.shape}, got {target.shape}"
        )
    axis = 1 if x.ndim > 1 else 0
    x, target = promote(x, target)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / x.shape[axis]
    if weight is not None:
        target = target * weight.reshape(-1, *(1,) * (x.ndim - axis - 1))
    losses: Tensor = -(target * FUNCTIONS["log_softmax"](x, axis)).sum(axis)
    return reduce_losses(losses, reduction)


def _classes_last(x: Tensor) -> Tensor:
    """Return logits (N, K, *S) as (M, K)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x.reshape(1, -1)
    return x.permute(0, *range(2, x.ndim), 1).reshape(-1, x.shape[1])  # (N, K, *S) -> (N*S, K)


def _class_count(name: str, x: Tensor) -> int:
    """Return the number of classes, the length of axis 1 (of a single sample, of axis 0)."""
    shape = x.shape
    if not shape or shape[len(shape) > 1] == 0:
        raise ShapeError(f"{name}: x must have shape (N, K, *S) or (K,) with K > 0, got {shape}")
    return shape[len(shape) > 1]


def _class_weight(name: str, weight: Any, classes: int, x: Tensor) -> Array | None:
    if weight is None:
        return None
    weight = as_tensor(weight, x.dtype)
    if weight.shape != (classes,):
        raise ShapeError(
            f"{name}: weight must have shape ({classes},), one per class, got {weight.shape}"
        )
    array: Array = weight.array
    return array


def _check_samples(name: str, x: Tensor, target: Tensor) -> Shape:
    """Return the shape that class indices must have, and have."""
    shape = x.shape
    samples = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    if target.shape != samples:
        raise ShapeError(
            f"{name}: for x of shape {shape}, class indices must have shape {samples}, "
            f"got {target.shape}"
        )
    return samples


def _class_indices(
    name: str, target: Tensor, classes: int, ignore_index: int
) -> tuple[Array, Array | None]:
    """Return targets as a vector, and which of them count (None: all), or raise."""
    ignore_index = check_integer(name, "ignore_index", ignore_index)
    array = target.array
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: class indices must be integers, got {array.dtype}")
    indices = array.reshape(-1).astype(np.int64, copy=False)
    # As unsigned numbers, negative ones are large: one pass finds both kinds of wrong index.
    if not indices.size or indices.view(np.uint64).max() < classes:
        ignored = indices == ignore_index if 0 <= ignore_index < classes else None
    else:
        ignored = indices == ignore_index
        wrong = indices[((indices < 0) | (indices >= classes)) & ~ignored]
        if wrong.size:
            raise IndexError(
                f"{name}: class indices must be from 0 to {classes - 1} (or ignore_index "
                f"{ignore_index}), got {wrong[0]}"
            )
    return indices, None if ignored is None or not ignored.any() else ~ignored


def _restore(losses: Tensor, kept: Array | None, samples: Shape) -> Tensor:
    """Put the losses of the samples that count into their places, among zeros."""
    if kept is not None:
        losses = FUNCTIONS["index_put"](_wrap(np.zeros(kept.shape, losses.dtype)), kept, losses)
    return losses if losses.shape == samples else losses.reshape(samples)


@public
def nll_loss(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    """Negative log-likelihood of class indices, given log-probabilities.

    Parameters
    ----------
    x : Tensor, shape (N, K, *S) or (K,), float32 or float64
        Log-probabilities, as `log_softmax` returns them.
    target : Tensor, shape (N, *S) or (), integer
        Class indices below K.
    weight : Tensor, shape (K,), optional
        Weight of each class; a constant of the gradient.
    ignore_index : int
        Samples with this target do not count.
    reduction : "mean", "sum" or "none"
        ``"mean"`` divides by the total weight of the samples that count.

    Returns
    -------
    Tensor
        Of shape (), or of the shape of ``target`` with ``"none"``.

    Raises
    ------
    ShapeError, DTypeError, IndexError, ValueError
        As `cross_entropy`.
    """
    check_reduction("nll_loss", reduction)
    x, target = as_float(x), as_tensor(target)
    classes = _class_count("nll_loss", x)
    weight = _class_weight("nll_loss", weight, classes, x)
    samples = _check_samples("nll_loss", x, target)
    rows = _classes_last(x)
    indices, kept = _class_indices("nll_loss", target, classes, ignore_index)
    if kept is not None:
        rows, indices = rows[kept], indices[kept]
    losses: Tensor = -rows[np.arange(indices.size), indices]
    scale = None if weight is None else weight[indices]
    if scale is not None:
        losses = losses * scale
    if reduction == "none":
        return _restore(losses, kept, samples)
    total = losses.sum()
    return total / _divisor(scale, indices.size, reduction) if reduction == "mean" else total
