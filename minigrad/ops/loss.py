"""Losses: from predictions and targets to one number, or one per sample."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.promotion import as_float, promote
from minigrad.registry import FUNCTIONS, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = [
    "CrossEntropy",
    "Reduction",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
]

Reduction = Literal["none", "mean", "sum"]


class CrossEntropy(Op):
    """Cross-entropy of the softmax of ``z`` (M, K) with class indices ``target`` (M,).

    With ``p = softmax(z)``, class weights ``w``, smoothing ``s``, and 0 for ignored samples::

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
        ignore_index: int,
        reduction: Reduction,
        label_smoothing: float,
    ) -> Array:
        samples, classes = np.arange(z.shape[0]), z.shape[1]
        kept, safe_target = _kept(target, ignore_index)
        with np.errstate(invalid="ignore", divide="ignore"):  # infinite logits give NaN, silently
            shifted = z - np.max(z, axis=1, keepdims=True, initial=-np.inf)
            at_target = shifted[samples, safe_target]
            if label_smoothing:
                at_all = np.sum(shifted, axis=1) if weight is None else shifted @ weight
            exponentials = np.exp(shifted, out=shifted)
            total = np.sum(exponentials, axis=1)
            log_total = np.log(total)
        y = log_total - at_target
        scale = np.ones_like(y) if weight is None else weight[safe_target]
        if kept is not None:
            scale = np.where(kept, scale, 0.0)
            y = np.where(kept, y, 0.0)
        y = y * scale
        if label_smoothing:
            weight_total = classes if weight is None else float(np.sum(weight))
            smooth = (log_total * weight_total - at_all) * (label_smoothing / classes)
            if kept is not None:
                smooth = np.where(kept, smooth, 0.0)
            y = y * (1.0 - label_smoothing) + smooth
        if ctx is not None:
            ctx.extra = (exponentials, total, scale)
        if reduction == "none":
            return np.asarray(y)
        if reduction == "sum":
            return np.asarray(np.sum(y))
        with np.errstate(invalid="ignore"):  # the mean of nothing is NaN, as in PyTorch
            return np.asarray(np.sum(y) / np.sum(scale))

    @staticmethod
    def backward(
        ctx: Node,
        dy: Array,
        z: Array,
        target: Array,
        weight: Array | None,
        *,
        ignore_index: int,
        reduction: Reduction,
        label_smoothing: float,
    ) -> tuple[Array, None, None]:
        exponentials, total, scale = ctx.extra or ()
        samples, classes = np.arange(z.shape[0], like=z), z.shape[1]
        kept, safe_target = _kept(target, ignore_index)
        with np.errstate(invalid="ignore", divide="ignore"):
            upstream = dy / np.sum(scale) if reduction == "mean" else dy
            on_target = scale * (1.0 - label_smoothing) * upstream  # (M,)
            everywhere = on_target
            if label_smoothing:
                weight_total = classes if weight is None else float(np.sum(weight))
                smooth = np.broadcast_to(upstream * (label_smoothing / classes), scale.shape)
                if kept is not None:
                    smooth = np.where(kept, smooth, 0.0)
                everywhere = on_target + smooth * weight_total
            dz = exponentials * (everywhere / total)[:, None]
        dz[samples, safe_target] -= on_target
        if label_smoothing:
            dz -= smooth[:, None] if weight is None else smooth[:, None] * weight
        if kept is not None:
            dz[~kept] = 0.0  # an ignored sample has no part in the gradient, whatever its logits
        return dz, None, None

    @staticmethod
    def composite(
        z: Any,
        target: Any,
        weight: Any,
        *,
        ignore_index: int,
        reduction: Reduction,
        label_smoothing: float,
    ) -> Any:
        log_p = FUNCTIONS["log_softmax"](z, 1)
        target = np.asarray(target)
        kept, safe_target = _kept(target, ignore_index)
        scale = np.ones_like(z, shape=target.shape) if weight is None else weight[safe_target]
        samples = np.arange(z.shape[0], like=target)
        y = -log_p[samples, safe_target] * scale * (1.0 - label_smoothing)
        if label_smoothing:
            weighted = log_p if weight is None else log_p * weight
            y = y - np.sum(weighted, axis=1) * (label_smoothing / z.shape[1])
        if kept is not None:
            y = np.where(kept, y, 0.0)
            scale = np.where(kept, scale, 0.0)
        if reduction == "none":
            return y
        return np.sum(y) / np.sum(scale) if reduction == "mean" else np.sum(y)


def _kept(target: Array, ignore_index: int) -> tuple[Array | None, Array]:
    """Return which samples count (None: all), and targets that are safe to index with."""
    ignored = target == ignore_index
    if not np.any(ignored):
        return None, target
    return ~ignored, np.where(ignored, 0, target)


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
    _check_reduction("cross_entropy", reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    x, target = as_float(x), as_tensor(target)
    if x.ndim == 0:
        raise ShapeError("cross_entropy: logits must have shape (N, K, *S) or (K,), got ()")
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weight is not None:
        weight = as_tensor(weight, x.dtype).detach()
        if weight.shape != (classes,):
            raise ShapeError(
                f"cross_entropy: weight must have shape ({classes},), one per class, "
                f"got {weight.shape}"
            )
    if target.dtype.kind == "f":
        return _soft_cross_entropy(x, target, weight, reduction, label_smoothing)
    samples = (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    if target.shape != samples:
        raise ShapeError(
            f"cross_entropy: for logits of shape {x.shape}, class indices must have shape "
            f"{samples}, got {target.shape}"
        )
    indices = _class_indices("cross_entropy", target, classes, ignore_index)
    result: Tensor = apply(
        CrossEntropy,
        _classes_last(x),
        indices,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=float(label_smoothing),
    )
    return result.reshape(samples) if reduction == "none" and len(samples) != 1 else result


def _soft_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, reduction: Reduction, label_smoothing: float
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
    return _reduce(losses, reduction)


def _classes_last(x: Tensor) -> Tensor:
    """Return logits (N, K, *S) as (M, K)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x.reshape(1, -1)
    return x.permute(0, *range(2, x.ndim), 1).reshape(-1, x.shape[1])  # (N, K, *S) -> (N*S, K)


def _class_indices(name: str, target: Tensor, classes: int, ignore_index: int) -> Array:
    """Return targets as a vector of valid indices, or raise."""
    if target.dtype.kind not in "iu":
        raise DTypeError(f"{name}: class indices must be integers, got {target.dtype}")
    indices = target.array.reshape(-1)
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        wrong = indices[((indices < 0) | (indices >= classes)) & (indices != ignore_index)]
        if wrong.size:
            raise IndexError(
                f"{name}: class indices must be from 0 to {classes - 1} (or ignore_index "
                f"{ignore_index}), got {int(wrong[0])}"
            )
    return indices


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
    _check_reduction("nll_loss", reduction)
    x, target = as_float(x), as_tensor(target)
    if x.ndim == 0:
        raise ShapeError("nll_loss: log-probabilities must have shape (N, K, *S) or (K,), got ()")
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    samples = (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    if target.shape != samples:
        raise ShapeError(
            f"nll_loss: for log-probabilities of shape {x.shape}, target must have shape "
            f"{samples}, got {target.shape}"
        )
    indices = _class_indices("nll_loss", target, classes, ignore_index)
    kept, safe = _kept(indices, ignore_index)
    scale = np.ones(indices.shape, dtype=x.dtype)
    if weight is not None:
        weight = as_tensor(weight, x.dtype).array
        if weight.shape != (classes,):
            raise ShapeError(f"nll_loss: weight must have shape ({classes},), got {weight.shape}")
        scale = weight[safe]
    if kept is not None:
        scale = np.where(kept, scale, np.zeros_like(scale))
    picked = _classes_last(x)[np.arange(indices.size), safe]
    if kept is not None:  # before the product: 0 * (-inf) would be NaN
        picked = FUNCTIONS["where"](kept, picked, 0.0)
    losses: Tensor = -picked * scale
    if reduction == "mean":
        with np.errstate(invalid="ignore"):  # the mean of nothing is NaN, as in PyTorch
            losses = losses.sum() / float(scale.sum(dtype=np.float64))
    elif reduction == "sum":
        losses = losses.sum()
    else:
        losses = losses.reshape(samples)
    return losses


@public
def mse_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Tensor:
    """Squared error ``(x - target)**2``.

    Parameters
    ----------
    x, target : Tensor, same shape, float32 or float64
    reduction : "mean", "sum" or "none"

    Returns
    -------
    Tensor
        Of shape (), or of the shape of ``x`` with ``"none"``.

    Raises
    ------
    ShapeError
        If the shapes differ: broadcasting a target is more often a mistake than meant.
    """
    difference = _difference("mse_loss", x, target, reduction)
    return _reduce(difference * difference, reduction)


@public
def l1_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Tensor:
    """Absolute error ``|x - target|``; parameters and errors as `mse_loss`."""
    return _reduce(_difference("l1_loss", x, target, reduction).abs(), reduction)


@public
def huber_loss(x: Any, target: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Half the squared error up to ``delta``, linear beyond (Huber 1964).

    Parameters
    ----------
    x, target : Tensor, same shape, float32 or float64
    delta : float, > 0, in units of ``x``
        Where the parabola ``d**2 / 2`` goes over into the line ``delta * (|d| - delta / 2)``.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    Tensor
        Of shape (), or of the shape of ``x`` with ``"none"``.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If ``delta`` is not positive.
    """
    if not delta > 0.0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta!r}")
    size = _difference("huber_loss", x, target, reduction).abs()
    parabola, line = size * size * 0.5, (size - 0.5 * delta) * delta
    losses: Tensor = FUNCTIONS["where"](size <= delta, parabola, line)
    return _reduce(losses, reduction)


@public
def binary_cross_entropy_with_logits(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    pos_weight: Any = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy of the sigmoid of logits with probabilities.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
        Logits.
    target : Tensor, shape of ``x``
        Probabilities, between 0 and 1.
    weight : Tensor, optional
        Factor of each loss; broadcasts.
    pos_weight : Tensor, optional
        Factor of the positive part; broadcasts.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    Tensor
        Of shape (), or of the shape of ``x`` with ``"none"``.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Notes
    -----
    ``(1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))``, with the logarithm as a softplus
    that is exact everywhere: it neither overflows nor loses small values.
    """
    _check_reduction("binary_cross_entropy_with_logits", reduction)
    x, target = _same_shape("binary_cross_entropy_with_logits", x, target)
    softplus = FUNCTIONS["softplus"](-x, threshold=math.inf)
    if pos_weight is not None:
        softplus = softplus * ((as_tensor(pos_weight, x.dtype) - 1.0) * target + 1.0)
    losses = (1.0 - target) * x + softplus
    if weight is not None:
        losses = losses * as_tensor(weight, x.dtype)
    return _reduce(losses, reduction)


def _same_shape(name: str, x: Any, target: Any) -> tuple[Tensor, Tensor]:
    x, target = promote(as_float(x), as_tensor(target))
    if x.shape != target.shape:
        raise ShapeError(f"{name}: target must have the shape of x, {x.shape}, got {target.shape}")
    return x, target


def _difference(name: str, x: Any, target: Any, reduction: Reduction) -> Tensor:
    _check_reduction(name, reduction)
    x, target = _same_shape(name, x, target)
    difference: Tensor = x - target
    return difference


def _reduce(losses: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
