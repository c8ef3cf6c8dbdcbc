"""Batch normalisation in training and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.batch_norm import BatchNormEval, BatchNormTrain, batch_norm_eval, batch_norm_train
from minigrad.typing import Array
from tests.cases import Case

EPS = 1e-3
"""Large enough to show in the result: with 1e-5 a wrong eps could pass as rounding."""


def per_channel(values: Array, ndim: int) -> Array:
    """Return (C,) values in the shape that broadcasts along axis 1."""
    return values.reshape(1, -1, *(1,) * (ndim - 2))


def reference_eval(
    x: Array, mean: Array, var: Array, gamma: Array | None, beta: Array | None, *, eps: float
) -> Array:
    """Algorithm 2 of the paper, steps 10 and 11."""
    y = (x - per_channel(mean, x.ndim)) / np.sqrt(per_channel(var, x.ndim) + eps)
    y = y if gamma is None else y * per_channel(gamma, x.ndim)
    return y if beta is None else y + per_channel(beta, x.ndim)


def reference_train(x: Array, gamma: Array | None, beta: Array | None, *, eps: float) -> Array:
    """Algorithm 1 of the paper."""
    axes = (0, *range(2, x.ndim))
    return reference_eval(x, x.mean(axes), x.var(axes), gamma, beta, eps=eps)


def train_inputs(*shape: int, offset: float = 0.0) -> Any:
    """Return a drawer of (x, gamma, beta)."""

    def draw(rng: np.random.Generator) -> tuple[Array, Array, Array]:
        channels = shape[1]
        x = rng.normal(size=shape) + offset
        return x, rng.uniform(0.5, 1.5, channels), rng.normal(size=channels)

    return draw


def eval_inputs(*shape: int) -> Any:
    """Return a drawer of (x, mean, var, gamma, beta)."""

    def draw(rng: np.random.Generator) -> tuple[Array, ...]:
        channels = shape[1]
        return (
            rng.normal(size=shape),
            rng.normal(size=channels),
            rng.uniform(0.5, 2.0, channels),
            rng.uniform(0.5, 1.5, channels),
            rng.normal(size=channels),
        )

    return draw


def reference_train_relu(
    x: Array, gamma: Array | None, beta: Array | None, residual: Array | None, **options: Any
) -> Array:
    """Return max(batch norm + residual, 0)."""
    y = reference_train(x, gamma, beta, eps=options["eps"])
    y = y if residual is None else y + residual
    return np.maximum(y, 0.0) if options.get("relu") else y


def reference_eval_relu(x: Array, *rest: Any, **options: Any) -> Array:
    """The same of given statistics."""
    *statistics, residual = rest
    y = reference_eval(x, *statistics, eps=options["eps"])
    y = y if residual is None else y + residual
    return np.maximum(y, 0.0) if options.get("relu") else y


def away_from_the_kink(draw: Any, reference: Any, *shape: int, residual: bool = True) -> Any:
    """Return a drawer whose results, before they are rectified, are not near 0."""

    def drawn(rng: np.random.Generator) -> tuple[Any, ...]:
        while True:
            inputs = draw(rng)
            added = rng.normal(size=shape) if residual else None
            y = reference(*inputs, added, eps=EPS)
            if np.abs(y).min() > 0.02:
                return (*inputs, added)

    return drawn


ERRORS = [
    ((np.ones(3), None, None), ShapeError, r"\(N, C, \*S\), got \(3,\)"),
    ((np.ones((1, 3)), None, None), ShapeError, "more than one value per channel.*drop_last"),
    ((np.ones((2, 3)), np.ones(4), None), ShapeError, r"gamma must have shape \(3,\).*got \(4,\)"),
    ((np.ones((2, 3)), None, np.ones((3, 1))), ShapeError, r"beta must have shape \(3,\)"),
    ((np.ones((2, 3), np.int64), None, None), DTypeError, "float32 or float64, got int64"),
    ((np.ones((2, 3)), np.ones(3, np.float32), None), DTypeError, "gamma must be float64"),
]

CASES = [
    Case(
        BatchNormTrain,
        batch_norm_train,
        train_inputs(5, 3),
        reference_train,
        kwargs={"eps": EPS},
        errors=ERRORS,
        empty=(np.zeros((0, 3)), np.ones(3), np.zeros(3)),
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        train_inputs(2, 3, 2, 2, offset=10.0),
        reference_train,
        kwargs={"eps": EPS},
        id="images, offset",
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        lambda rng: (rng.normal(size=(4, 2, 3)), None, rng.normal(size=2)),
        reference_train,
        kwargs={"eps": EPS},
        id="beta only",
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        lambda rng: (rng.normal(size=(4, 2)), rng.normal(size=2), None),
        reference_train,
        kwargs={"eps": EPS},
        id="gamma only",
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        away_from_the_kink(train_inputs(4, 3, 2), reference_train_relu, 4, 3, 2),
        reference_train_relu,
        kwargs={"eps": EPS, "relu": True},
        id="residual and relu",
        errors=[
            ((np.ones((2, 3)), None, None, np.ones((3, 3))), ShapeError, r"residual.*\(2, 3\)"),
            (
                (np.ones((2, 3)), None, None, np.ones((2, 3), np.float32)),
                DTypeError,
                "residual must be float64",
            ),
        ],
        empty=(np.zeros((0, 3)), np.ones(3), np.zeros(3), np.zeros((0, 3))),
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        away_from_the_kink(train_inputs(5, 3), reference_train_relu, residual=False),
        reference_train_relu,
        kwargs={"eps": EPS, "relu": True},
        id="relu",
    ),
    Case(
        BatchNormTrain,
        batch_norm_train,
        lambda rng: (*train_inputs(5, 3)(rng), rng.normal(size=(5, 3))),
        reference_train_relu,
        kwargs={"eps": EPS, "relu": False},
        id="residual",
    ),
    Case(
        BatchNormEval,
        batch_norm_eval,
        away_from_the_kink(eval_inputs(2, 3, 4), reference_eval_relu, 2, 3, 4),
        reference_eval_relu,
        kwargs={"eps": EPS, "relu": True},
        constants=(1, 2),
        id="residual and relu",
        errors=[
            (
                (np.ones((2, 3)), np.ones(3), np.ones(3), None, None, np.ones(3)),
                ShapeError,
                "residual must have the shape",
            ),
        ],
        empty=(*(np.zeros((0, 3)), np.zeros(3), np.ones(3)), None, None, np.zeros((0, 3))),
    ),
    Case(
        BatchNormEval,
        batch_norm_eval,
        away_from_the_kink(eval_inputs(2, 3), reference_eval_relu, residual=False),
        reference_eval_relu,
        kwargs={"eps": EPS, "relu": True},
        constants=(1, 2),
        id="relu",
    ),
    Case(
        BatchNormEval,
        batch_norm_eval,
        lambda rng: (*eval_inputs(2, 3)(rng), rng.normal(size=(2, 3))),
        reference_eval_relu,
        kwargs={"eps": EPS, "relu": False},
        constants=(1, 2),
        id="residual",
    ),
    Case(
        BatchNormEval,
        batch_norm_eval,
        eval_inputs(2, 3, 4),
        reference_eval,
        kwargs={"eps": EPS},
        constants=(1, 2),
        errors=[
            ((np.ones(3), np.ones(3), np.ones(3)), ShapeError, r"\(N, C, \*S\), got \(3,\)"),
            ((np.ones((2, 3)), np.ones(4), np.ones(3)), ShapeError, "mean must have shape"),
            ((np.ones((2, 3)), np.ones(3), np.ones(())), ShapeError, "var must have shape"),
        ],
        empty=(np.zeros((0, 3)), np.zeros(3), np.ones(3), np.ones(3), np.zeros(3)),
    ),
    Case(
        BatchNormEval,
        batch_norm_eval,
        lambda rng: (rng.normal(size=(1, 2)), rng.normal(size=2), np.ones(2), None, None),
        reference_eval,
        kwargs={"eps": EPS},
        constants=(1, 2),
        id="one sample, no affine",
    ),
]
