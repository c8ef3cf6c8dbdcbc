"""Comparisons, logic and tests of elements: nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops import comparison as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case

Inputs = Callable[[np.random.Generator], tuple[Array, ...]]


def with_equals(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return small whole numbers, so that many are equal."""
    a, b = rng.integers(0, 3, size=(3, 4)), rng.integers(0, 3, size=(4,))
    return a.astype(np.float64), b.astype(np.float64)


def integers(rng: np.random.Generator) -> tuple[Array, Array]:
    return rng.integers(0, 8, size=(3, 4)), rng.integers(0, 8, size=(4,))


def booleans(rng: np.random.Generator) -> tuple[Array, Array]:
    return rng.random((3, 4)) < 0.5, rng.random((4,)) < 0.5


def first(inputs: Inputs) -> Inputs:
    return lambda rng: inputs(rng)[:1]


def special(rng: np.random.Generator) -> tuple[Array]:
    return (rng.choice([0.0, -1.0, np.inf, -np.inf, np.nan], size=(5, 4)),)


def refused(name: str) -> tuple[BadInput]:
    """Return operands that do not broadcast."""
    message = rf"{name}: shapes \(2, 3\) and \(4,\) do not broadcast"
    return (BadInput((np.ones((2, 3), int), np.ones(4, int)), ShapeError, message),)


def floats_refused(name: str) -> tuple[BadInput]:
    return (BadInput((np.ones(2), np.ones(2)), DTypeError, f"{name} .* float64 and float64"),)


CASES = [
    *[
        Case(
            None,
            function,
            with_equals,
            reference,
            differentiable=False,
            errors=refused(reference.__name__),
            empty=(np.ones((0, 2)), 1.0),
        )
        for function, reference in (
            (ops.eq, np.equal),
            (ops.ne, np.not_equal),
            (ops.lt, np.less),
            (ops.le, np.less_equal),
            (ops.gt, np.greater),
            (ops.ge, np.greater_equal),
            (ops.logical_and, np.logical_and),
            (ops.logical_or, np.logical_or),
            (ops.logical_xor, np.logical_xor),
        )
    ],
    *[
        Case(
            None,
            function,
            inputs,
            reference,
            differentiable=False,
            errors=refused(reference.__name__) + floats_refused(reference.__name__),
            id=inputs.__name__,
        )
        for function, reference in (
            (ops.bitwise_and, np.bitwise_and),
            (ops.bitwise_or, np.bitwise_or),
            (ops.bitwise_xor, np.bitwise_xor),
        )
        for inputs in (integers, booleans)
    ],
    Case(None, ops.logical_not, special, np.logical_not, differentiable=False),
    *[
        Case(
            None,
            ops.bitwise_not,
            first(inputs),
            np.invert,
            differentiable=False,
            errors=(BadInput((np.ones(2),), DTypeError, "bitwise_not .* float64"),),
            id=inputs.__name__,
        )
        for inputs in (integers, booleans)
    ],
    # NumPy's own names return arrays: tests/ops/test_comparison.py.
    Case(None, ops.isnan, special, lambda x: np.isnan(x), differentiable=False),
    Case(None, ops.isinf, special, lambda x: np.isinf(x), differentiable=False),
    Case(None, ops.isfinite, special, lambda x: np.isfinite(x), differentiable=False),
]
