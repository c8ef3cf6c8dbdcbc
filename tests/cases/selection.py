"""Choosing between elements; ties and bounds are tested in ``tests/ops/test_selection.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops import selection as ops
from minigrad.typing import Array
from tests.cases import BadInput, Case

Inputs = Callable[[np.random.Generator], tuple[Any, ...]]


def distinct(rng: np.random.Generator, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return arrays of which no two elements are closer than 0.1."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    values = rng.permutation(np.arange(sum(sizes)) * 0.1 - 0.05 * sum(sizes))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def clip(x: Array, low: Any = None, high: Any = None) -> Array:
    return np.clip(x, low, high)


def with_bounds(low: float | None, high: float | None) -> Inputs:
    return lambda rng: (*distinct(rng, (4, 5)), low, high)


def choice(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    return rng.random((3, 1, 4)) < 0.5, rng.normal(size=(2, 4)), rng.normal(size=(3, 1, 1))


CASES = [
    *[
        Case(
            op,
            function,
            lambda rng: distinct(rng, (3, 1, 4), (2, 4)),
            reference,
            errors=(
                BadInput(
                    (np.ones((2, 3)), np.ones(4)),
                    ShapeError,
                    rf"{op.__name__}: shapes \(2, 3\) and \(4,\) do not broadcast",
                ),
            ),
            empty=(np.ones((0, 2)), np.ones(2)),
        )
        for op, function, reference in (
            (ops.Maximum, ops.maximum, np.maximum),
            (ops.Minimum, ops.minimum, np.minimum),
            (ops.Fmax, ops.fmax, np.fmax),
            (ops.Fmin, ops.fmin, np.fmin),
        )
    ],
    Case(
        ops.Maximum,
        ops.maximum,
        lambda rng: (*distinct(rng, (3, 4)), 0.02),
        np.maximum,
        id="scalar",
    ),
    *[
        Case(
            ops.Clamp,
            ops.clamp,
            with_bounds(*bounds),
            clip,
            id=f"{bounds[0]}-{bounds[1]}",
            errors=(
                BadInput((np.ones(2),), ValueError, "expected min, max or both, got neither"),
                BadInput((np.ones(2), np.ones(3)), ShapeError, r"\(2,\) and \(3,\)"),
            ),
            empty=(np.ones((0, 2)), -1.0, 1.0),
        )
        for bounds in ((-0.42, None), (None, 0.58), (-0.42, 0.58), (0.58, -0.42))
    ],
    Case(
        ops.Clamp,
        ops.clamp,
        lambda rng: distinct(rng, (4, 5), (5,), (4, 1)),
        np.clip,
        id="arrays",
    ),
    Case(
        ops.Clamp,
        ops.clamp,
        lambda rng: (*distinct(rng, (4, 5)), None, np.array(0.33)),
        clip,
        id="array-above",
    ),
    Case(
        ops.Where,
        ops.where,
        choice,
        np.where,
        errors=(
            BadInput((np.ones(2, int), 1.0, 0.0), DTypeError, "must be boolean, got int64"),
            BadInput(
                (np.ones(2, bool), np.ones(3), 0.0), ShapeError, r"\(2,\) and \(3,\) and \(\)"
            ),
        ),
        empty=(np.ones((0, 2), bool), np.ones(2), 0.0),
    ),
    Case(
        ops.Where,
        ops.where,
        lambda rng: (rng.random((3, 4)) < 0.5, rng.normal(size=(3, 4)), 0.0),
        np.where,
        id="scalar",
    ),
]
