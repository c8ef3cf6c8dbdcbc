"""Losses of classification."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops import classification
from minigrad.typing import Array
from tests.cases import Case
from tests.cases.loss import reduce


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


LABELS = np.array([2, 0, 3, -100, 3])
WEIGHT = np.array([0.5, 1.0, 2.0, 1.5])


def logits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return five samples of four classes, one of them ignored."""
    return rng.normal(size=(5, 4)), LABELS


CASES = [
    Case(
        classification.CrossEntropy,
        classification.cross_entropy,
        logits,
        cross_entropy,
        errors=[
            ((np.ones((2, 3)), np.array([0, 3])), IndexError, "from 0 to 2.*got 3"),
            ((np.ones((2, 3)), np.array([0, -1])), IndexError, "got -1"),
            ((np.ones((2, 3)), np.array([0])), ShapeError, r"shape \(2,\), got \(1,\)"),
            ((np.ones((2, 3)), np.ones((2, 2))), ShapeError, r"\(2, 3\), got \(2, 2\)"),
            ((np.ones((2, 3)), np.array([True, False])), DTypeError, "integers, got bool"),
            ((np.ones((2, 3)), np.array([0, 1]), np.ones(2)), ShapeError, r"weight.*\(3,\)"),
            ((np.ones(()), np.array(0)), ShapeError, "x must have shape"),
        ],
    ),
    *[
        Case(
            classification.CrossEntropy,
            classification.cross_entropy,
            lambda rng: (*logits(rng), WEIGHT),
            cross_entropy,
            kwargs={"reduction": reduction, "label_smoothing": 0.2},
            constants=(2,),
            id=f"weights, smoothing, {reduction}",
        )
        for reduction in ("mean", "sum", "none")
    ],
    Case(
        classification.CrossEntropy,
        classification.cross_entropy,
        lambda rng: (rng.normal(size=(2, 3, 2, 2)), rng.integers(0, 3, (2, 2, 2))),
        cross_entropy,
        kwargs={"reduction": "none", "label_smoothing": 0.1},
        id="images",
    ),
    Case(
        classification.CrossEntropy,
        classification.cross_entropy,
        lambda rng: (rng.normal(size=3), np.array(1)),
        cross_entropy,
        id="one sample",
    ),
    Case(
        None,
        classification.cross_entropy,
        lambda rng: (rng.normal(size=(3, 4)), rng.dirichlet(np.ones(4), 3), WEIGHT),
        cross_entropy,
        kwargs={"label_smoothing": 0.1},
        constants=(2,),
        id="probabilities",
    ),
    Case(
        None,
        classification.nll_loss,
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
        classification.nll_loss,
        lambda rng: (rng.normal(size=(2, 3, 2)), np.array([[0, 2], [1, 1]])),
        nll,
        kwargs={"reduction": "none"},
        id="sequences",
    ),
]
