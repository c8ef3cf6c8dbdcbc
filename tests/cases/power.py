"""Powers, roots and reciprocals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops import power as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case

Inputs = Callable[[np.random.Generator], tuple[Any, ...]]


def positive(rng: np.random.Generator) -> tuple[Array]:
    return (rng.uniform(0.5, 3.0, size=(3, 4)),)


def both_signs(rng: np.random.Generator) -> tuple[Array]:
    """Return values of both signs, 0.5 or more away from zero."""
    return (rng.uniform(0.5, 2.0, size=(3, 4)) * rng.choice([-1.0, 1.0], size=(3, 4)),)


def raised(base: Inputs, exponent: float) -> Inputs:
    return lambda rng: (*base(rng), exponent)


CASES = [
    Case(
        ops.Pow,
        ops.pow,
        lambda rng: (rng.uniform(0.5, 2.0, size=(3, 1)), rng.normal(size=(2, 1, 4))),
        np.power,
        errors=(
            BadInput((np.ones((2, 3)), np.ones(4)), ShapeError, r"Pow: shapes \(2, 3\) and \(4,\)"),
        ),
    ),
    Case(ops.PowOfNumber, ops.pow, lambda rng: (2.1, rng.normal(size=(2, 3))), np.power),
    Case(ops.PowOfNumber, ops.pow, lambda rng: (0.3, rng.normal(size=3)), np.power, id="below 1"),
    *[
        Case(
            ops.PowScalar,
            ops.pow,
            raised(both_signs, exponent),
            np.power,
            id=f"exponent={exponent}",
            errors=(BadInput((np.array([2, 3]), -1), ValueError, "negative integer"),),
        )
        for exponent in (-2, -1.0, 1, 2, 3, 4.0)
    ],
    *[
        Case(
            ops.PowScalar,
            ops.pow,
            raised(positive, exponent),
            np.power,
            id=f"exponent={exponent}",
        )
        for exponent in (-1.5, 0.5, 2.25)
    ],
    Case(
        ops.PowScalar,
        ops.pow,
        raised(both_signs, 0),
        np.power,
        id="exponent=0",
        higher_order=False,
    ),
    Case(ops.Square, ops.square, both_signs, np.square),
    Case(ops.Sqrt, ops.sqrt, positive, np.sqrt),
    Case(ops.Rsqrt, ops.rsqrt, positive, lambda x: 1.0 / np.sqrt(x)),
    Case(ops.Cbrt, ops.cbrt, both_signs, np.cbrt),
    Case(ops.Reciprocal, ops.reciprocal, both_signs, np.reciprocal, empty=(np.ones((2, 0)),)),
]
