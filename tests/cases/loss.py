"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops import loss
from minigrad.typing import Array
from tests.cases import Case


def reduce(losses: Array, reduction: str, total_weight: Any = None) -> Any:
    """Return the sum, the (weighted) mean, or the losses themselves."""
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if reduction == "sum" else total / (total_weight or losses.size)


def log_softmax(z: Array, axis: int) -> Array:
    """Return log p, the straightforward way: the cases have small logits."""
    log_p: Array = z - np.log(np.exp(z).sum(axis, keepdims=True))
    return log_p


def nll(
    log_p: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Sample by sample, as the definition reads."""
    losses = np.zeros(target.shape)
    total = np.float64(0.0)
    for place in np.ndindex(target.shape):
        label = target[place]
        if label == ignore_index:
            continue
        w: Any = 1.0 if weight is None else weight[label]
        at = (place[0], label, *place[1:]) if place else (label,)
        losses[place] = -w * log_p[at]
        total += w
    return reduce(losses, reduction, total)


def cross_entropy(
    z: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Mixture of the target and the uniform distribution, by the definition."""
    axis = 1 if z.ndim > 1 else 0
    log_p = log_softmax(z, axis)
    classes = z.shape[axis]
    w = np.ones(classes) if weight is None else weight
    shape = [1] * z.ndim
    shape[axis] = classes
    if target.dtype.kind == "f":
        q = target * (1.0 - label_smoothing) + label_smoothing / classes
        return reduce(-(q * w.reshape(shape) * log_p).sum(axis), reduction)
    hard = nll(log_p, target, w, ignore_index=ignore_index, reduction="none")
    smooth = np.where(target == ignore_index, 0.0, -(w.reshape(shape) * log_p).sum(axis)) / classes
    total = sum(w[label] for label in target.reshape(-1) if label != ignore_index)
    return reduce((1 - label_smoothing) * hard + label_smoothing * smooth, reduction, total)


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


LABELS = np.array([2, 0, 3, -100, 3])
WEIGHT = np.array([0.5, 1.0, 2.0, 1.5])


def logits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return five samples of four classes, one of them ignored."""
    return rng.normal(size=(5, 4)), LABELS


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
        loss.CrossEntropy,
        loss.cross_entropy,
        logits,
        cross_entropy,
        errors=[
            ((np.ones((2, 3)), np.array([0, 3])), IndexError, "from 0 to 2.*got 3"),
            ((np.ones((2, 3)), np.array([0, -1])), IndexError, "got -1"),
            ((np.ones((2, 3)), np.array([0])), ShapeError, r"shape \(2,\), got \(1,\)"),
            ((np.ones((2, 3)), np.ones((2, 2))), ShapeError, r"\(2, 3\), got \(2, 2\)"),
            ((np.ones((2, 3)), np.array([True, False])), DTypeError, "integers, got bool"),
            ((np.ones((2, 3)), np.array([0, 1]), np.ones(2)), ShapeError, r"weight.*\(3,\)"),
            ((np.ones(()), np.array(0)), ShapeError, "logits must have shape"),
        ],
    ),
    *[
        Case(
            loss.CrossEntropy,
            loss.cross_entropy,
            lambda rng: (*logits(rng), WEIGHT),
            cross_entropy,
            kwargs={"reduction": reduction, "label_smoothing": 0.2},
            constants=(2,),
            id=f"weights, smoothing, {reduction}",
        )
        for reduction in ("mean", "sum", "none")
    ],
    Case(
        loss.CrossEntropy,
        loss.cross_entropy,
        lambda rng: (rng.normal(size=(2, 3, 2, 2)), rng.integers(0, 3, (2, 2, 2))),
        cross_entropy,
        kwargs={"reduction": "none", "label_smoothing": 0.1},
        id="images",
    ),
    Case(
        loss.CrossEntropy,
        loss.cross_entropy,
        lambda rng: (rng.normal(size=3), np.array(1)),
        cross_entropy,
        id="one sample",
    ),
    Case(
        None,
        loss.cross_entropy,
        lambda rng: (rng.normal(size=(3, 4)), rng.dirichlet(np.ones(4), 3), WEIGHT),
        cross_entropy,
        kwargs={"label_smoothing": 0.1},
        constants=(2,),
        id="probabilities",
    ),
    Case(
        None,
        loss.nll_loss,
        lambda rng: (rng.normal(size=(5, 4)), LABELS, WEIGHT),
        nll,
        constants=(2,),
        errors=[
            ((np.ones((2, 3)), np.array([0, 5])), IndexError, "got 5"),
            ((np.ones((2, 3)), np.array([0.0, 1.0])), DTypeError, "integers, got float64"),
        ],
    ),
    Case(
        None,
        loss.nll_loss,
        lambda rng: (rng.normal(size=(2, 3, 2)), np.array([[0, 2], [1, 1]])),
        nll,
        kwargs={"reduction": "none"},
        id="sequences",
    ),
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
