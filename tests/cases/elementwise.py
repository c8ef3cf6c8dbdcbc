"""Arithmetic."""

from __future__ import annotations

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops import elementwise as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case


def pair(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return operands that broadcast on both sides."""
    return rng.normal(size=(3, 1, 4)), rng.normal(size=(2, 4))


def quotient(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return operands whose quotient is at least 0.2 away from an integer; of both signs."""
    divisor = rng.uniform(0.5, 2.0, size=(4,)) * np.array([1.0, -1.0, 1.0, -1.0])
    whole = rng.integers(-3, 3, size=(3, 4))
    return divisor * (whole + rng.uniform(0.2, 0.8, size=(3, 4))), divisor


def away_from_zero(rng: np.random.Generator) -> tuple[Array]:
    """Return values of both signs, 0.1 or more away from zero."""
    return (rng.uniform(0.1, 2.0, size=(3, 4)) * rng.choice([-1.0, 1.0], size=(3, 4)),)


def refused(name: str) -> tuple[BadInput]:
    """Return operands that do not broadcast."""
    message = rf"{name}: shapes \(2, 3\) and \(4,\) do not broadcast"
    return (BadInput((np.ones((2, 3)), np.ones(4)), ShapeError, message),)


CASES = [
    Case(ops.Add, ops.add, pair, np.add, errors=refused("Add"), empty=(np.ones((0, 4)), 1.0)),
    Case(
        ops.Add,
        ops.add,
        lambda rng: (rng.normal(size=(2, 3)), -1.5),
        np.add,
        id="scalar",
    ),
    Case(
        ops.Sub,
        ops.sub,
        pair,
        np.subtract,
        errors=(
            *refused("Sub"),
            BadInput((np.ones(2, bool), np.ones(2, bool)), DTypeError, "Sub .* bool and bool"),
        ),
    ),
    Case(
        ops.Sub,
        ops.sub,
        lambda rng: (2.0, rng.normal(size=(2, 3))),
        np.subtract,
        id="from-scalar",
    ),
    Case(
        ops.Mul,
        ops.mul,
        pair,
        np.multiply,
        errors=refused("Mul"),
        empty=(np.ones((0, 1)), np.ones((1, 4))),
    ),
    Case(
        ops.Mul,
        ops.mul,
        lambda rng: (rng.normal(size=(2, 3)), -1.5),
        np.multiply,
        id="scalar",
    ),
    Case(
        ops.Mul,
        ops.mul,
        lambda rng: (np.array(1.5), rng.normal(size=())),
        np.multiply,
        id="rank-0",
    ),
    Case(
        ops.Div,
        ops.div,
        lambda rng: (rng.normal(size=(3, 1, 4)), rng.uniform(0.5, 2.0, size=(2, 4))),
        np.divide,
        errors=refused("Div"),
    ),
    Case(
        ops.Div,
        ops.div,
        lambda rng: (2.0, rng.uniform(-2.0, -0.5, size=(2, 4))),
        np.divide,
        id="of-scalar",
    ),
    Case(
        ops.DivScalar,
        ops.div,
        lambda rng: (rng.normal(size=(2, 3)), 3),
        np.divide,
    ),
    Case(
        ops.FloorDivide,
        ops.floor_divide,
        quotient,
        np.floor_divide,
        errors=refused("FloorDivide"),
        higher_order=False,
    ),
    Case(ops.Remainder, ops.remainder, quotient, np.remainder, errors=refused("Remainder")),
    Case(ops.Fmod, ops.fmod, quotient, np.fmod, errors=refused("Fmod")),
    Case(
        ops.Neg,
        ops.neg,
        lambda rng: (rng.normal(size=(2, 3)),),
        np.negative,
        errors=(BadInput((np.ones(2, bool),), DTypeError, "Neg .* bool"),),
    ),
    Case(ops.Abs, ops.abs, away_from_zero, np.absolute, empty=(np.ones((0, 2)),)),
]
