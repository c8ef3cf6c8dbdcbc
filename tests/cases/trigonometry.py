"""Trigonometric and hyperbolic functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops import trigonometry as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case

Inputs = Callable[[np.random.Generator], tuple[Array, ...]]


def between(low: float, high: float) -> Inputs:
    return lambda rng: (rng.uniform(low, high, size=(3, 4)),)


def pair(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return coordinates, 0.3 or more away from the origin and the cut of arctan2."""
    return (
        rng.uniform(0.3, 2.0, size=(3, 1, 2)) * np.array([1.0, -1.0]),
        rng.normal(size=(4, 2)),
    )


def refused(name: str) -> tuple[BadInput]:
    """Return operands that do not broadcast."""
    message = rf"{name}: shapes \(2, 3\) and \(4,\) do not broadcast"
    return (BadInput((np.ones((2, 3)), np.ones(4)), ShapeError, message),)


CASES = [
    Case(ops.Sin, ops.sin, between(-4.0, 4.0), np.sin),
    Case(ops.Cos, ops.cos, between(-4.0, 4.0), np.cos),
    Case(ops.Tan, ops.tan, between(-1.2, 1.2), np.tan),
    Case(ops.Arcsin, ops.arcsin, between(-0.8, 0.8), np.arcsin),
    Case(ops.Arccos, ops.arccos, between(-0.8, 0.8), np.arccos),
    Case(ops.Arctan, ops.arctan, between(-3.0, 3.0), np.arctan),
    Case(ops.Sinh, ops.sinh, between(-2.0, 2.0), np.sinh),
    Case(ops.Cosh, ops.cosh, between(-2.0, 2.0), np.cosh),
    Case(ops.Tanh, ops.tanh, between(-2.0, 2.0), np.tanh),
    Case(ops.Arcsinh, ops.arcsinh, between(-3.0, 3.0), np.arcsinh),
    Case(ops.Arccosh, ops.arccosh, between(1.3, 4.0), np.arccosh),
    Case(ops.Arctanh, ops.arctanh, between(-0.8, 0.8), np.arctanh),
    Case(ops.Hypot, ops.hypot, pair, np.hypot, errors=refused("Hypot")),
    Case(ops.Arctan2, ops.arctan2, pair, np.arctan2, errors=refused("Arctan2")),
    Case(None, ops.deg2rad, between(-360.0, 360.0), np.deg2rad),
    Case(None, ops.rad2deg, between(-7.0, 7.0), np.rad2deg),
]
