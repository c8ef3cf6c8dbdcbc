"""Losses of regression and of yes and no: from predictions and targets to one number."""

from __future__ import annotations

import math
from typing import Any, Literal

from minigrad.arguments import check_number
from minigrad.errors import ShapeError
from minigrad.ops.promotion import as_float, promote
from minigrad.registry import FUNCTIONS, public
from minigrad.tensor import Tensor, as_tensor

__all__ = [
    "Reduction",
    "binary_cross_entropy_with_logits",
    "check_reduction",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "reduce_losses",
]

Reduction = Literal["none", "mean", "sum"]


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
    return reduce_losses(difference * difference, reduction)


@public
def l1_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Tensor:
    """Absolute error ``|x - target|``; parameters and errors as `mse_loss`."""
    return reduce_losses(_difference("l1_loss", x, target, reduction).abs(), reduction)


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
    check_number("huber_loss", "delta", delta)
    if not delta > 0.0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta!r}")
    size = _difference("huber_loss", x, target, reduction).abs()
    parabola, line = size * size * 0.5, (size - 0.5 * delta) * delta
    losses: Tensor = FUNCTIONS["where"](size <= delta, parabola, line)
    return reduce_losses(losses, reduction)


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
    check_reduction("binary_cross_entropy_with_logits", reduction)
    x, target = _same_shape("binary_cross_entropy_with_logits", x, target)
    softplus = FUNCTIONS["softplus"](-x, threshold=math.inf)
    if pos_weight is not None:
        softplus = softplus * ((as_tensor(pos_weight, x.dtype) - 1.0) * target + 1.0)
    losses = (1.0 - target) * x + softplus
    if weight is not None:
        losses = losses * as_tensor(weight, x.dtype)
    return reduce_losses(losses, reduction)


def _same_shape(name: str, x: Any, target: Any) -> tuple[Tensor, Tensor]:
    x, target = promote(as_float(x), as_tensor(target))
    if x.shape != target.shape:
        raise ShapeError(f"{name}: target must have the shape of x, {x.shape}, got {target.shape}")
    return x, target


def _difference(name: str, x: Any, target: Any, reduction: Reduction) -> Tensor:
    check_reduction(name, reduction)
    x, target = _same_shape(name, x, target)
    difference: Tensor = x - target
    return difference


def reduce_losses(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or the sum of the losses, or the losses themselves."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def check_reduction(name: str, reduction: str) -> None:
    """Refuse a reduction that is none."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
