"""Losses of regression and of yes and no."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops import loss
from minigrad.typing import Array
from tests.cases import Case


def reduce(losses: Array, reduction: str, total_weight: Any = None) -> Any:
    """Return the sum, the (weighted) mean, or the losses themselves."""
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if reduction == "sum" else total / (total_weight or losses.size)


def binary_cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    pos_weight: Array | None = None,
    reduction: str = "mean",
) -> Any:
    """Return the definition, by way of the sigmoid."""
    p = 1.0 / (1.0 + np.exp(-x))
    positive = 1.0 if pos_weight is None else pos_weight
    losses = -(positive * target * np.log(p) + (1.0 - target) * np.log(1.0 - p))
    return reduce(losses * (1.0 if weight is None else weight), reduction)


def huber(x: Array, target: Array, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Return the definition."""
    d = np.abs(x - target)
    return reduce(np.where(d <= delta, d * d / 2, delta * (d - delta / 2)), reduction)


def pair(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return predictions and targets 0.05 or more, and never 1, apart."""
    x = rng.normal(size=(3, 4))
    return x, x + rng.choice([-1, 1], (3, 4)) * (rng.uniform(0.05, 0.7, (3, 4)) + 0.5)


def far_and_near(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return predictions on either side of the point where the Huber loss turns linear."""
    x = rng.normal(size=(2, 3))
    return x, x + np.array([[0.2, -0.3, 0.5], [1.2, -2.0, 3.0]])


CASES = [
    Case(
        None,
        loss.mse_loss,
        pair,
        lambda x, t, reduction="mean": reduce((x - t) ** 2, reduction),
        errors=[((np.ones((2, 3)), np.ones(3)), ShapeError, r"\(2, 3\), got \(3,\)")],
    ),
    Case(
        None,
        loss.l1_loss,
        pair,
        lambda x, t, reduction="mean": reduce(np.abs(x - t), reduction),
        kwargs={"reduction": "sum"},
    ),
    Case(None, loss.huber_loss, far_and_near, huber, kwargs={"delta": 0.8}),
    Case(
        None,
        loss.binary_cross_entropy_with_logits,
        lambda rng: (rng.normal(size=(3, 4)), rng.uniform(size=(3, 4))),
        binary_cross_entropy,
        kwargs={"pos_weight": np.array([0.5, 1.0, 2.0, 3.0])},
    ),
    Case(
        None,
        loss.binary_cross_entropy_with_logits,
        lambda rng: (rng.normal(size=(3, 4)), rng.uniform(size=(3, 4)), rng.uniform(size=4)),
        binary_cross_entropy,
        kwargs={"reduction": "none"},
        id="weights",
    ),
]
