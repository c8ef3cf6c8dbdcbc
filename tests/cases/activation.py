"""Activations; their kinks and edges are tested in ``tests/ops/test_activation.py``."""

from __future__ import annotations

import math

import numpy as np

from minigrad.ops import activation as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case


def both_sides(rng: np.random.Generator) -> tuple[Array]:
    """Return values of both signs, 0.1 or more away from the kink at 0."""
    return (rng.uniform(0.1, 3.0, size=(3, 4)) * rng.choice([-1.0, 1.0], size=(3, 4)),)


def sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
        return np.asarray(0.5 * x * (1.0 + np.tanh(inner)))
    erf = np.vectorize(math.erf, otypes=[np.float64])
    return np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0))))


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    return np.where(beta * x > threshold, x, np.log1p(np.exp(beta * x)) / beta)


CASES = [
    Case(ops.Relu, ops.relu, both_sides, lambda x: np.maximum(x, 0.0), empty=(np.ones((0, 2)),)),
    *[
        Case(
            ops.LeakyRelu,
            ops.leaky_relu,
            both_sides,
            lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
            kwargs=kwargs,
            id=str(kwargs.get("negative_slope", "")),
        )
        for kwargs in ({}, {"negative_slope": 0.3}, {"negative_slope": 2})
    ],
    *[
        Case(
            ops.Elu,
            ops.elu,
            both_sides,
            lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
            kwargs=kwargs,
            id=str(kwargs.get("alpha", "")),
        )
        for kwargs in ({}, {"alpha": 0.5}, {"alpha": -2})
    ],
    Case(ops.Sigmoid, ops.sigmoid, both_sides, sigmoid),
    Case(ops.Silu, ops.silu, both_sides, lambda x: x * sigmoid(x)),
    Case(ops.Gelu, ops.gelu, both_sides, gelu),
    Case(
        ops.GeluTanh,
        ops.gelu,
        both_sides,
        gelu,
        kwargs={"approximate": "tanh"},
        errors=(
            BadInput(
                (np.ones(2),), ValueError, "'none' or 'tanh', got 'erf'", {"approximate": "erf"}
            ),
        ),
    ),
    Case(
        ops.Softplus,
        ops.softplus,
        both_sides,
        softplus,
        errors=(BadInput((np.ones(2),), ValueError, "beta must be positive, got 0", {"beta": 0}),),
    ),
    Case(
        ops.Softplus,
        ops.softplus,
        lambda rng: (np.concatenate([rng.uniform(-2.0, 1.1, 6), rng.uniform(1.3, 2.0, 6)]),),
        softplus,  # with a small jump at 1.2
        kwargs={"beta": 2.5, "threshold": 3.0},
        id="beta-threshold",
    ),
]
