"""Elementwise functions made of others."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case, normals

X = np.ones((2, 3))
STEPS = np.array([-2, 0, 3], np.float32)
SPECIAL = np.array([[np.nan, 1.0, 2.0], [np.inf, -np.inf, 0.5]])
MISSING = np.array([[np.nan, 1.0, 2.0], [0.0, np.nan, np.nan]])


def between(weight: float) -> Any:
    return lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=3), weight)


def replaced(x: Any, special: Array) -> Tensor:
    """Return ``x`` where ``special`` is finite, else that."""
    return mg.where(np.isfinite(special), x, mg.as_tensor(special, x.dtype))


def reference_lerp(start: Array, end: Array, weight: Any) -> Any:
    return (1.0 - weight) * start + weight * end


CASES = [
    Case(
        None,
        mg.lerp,
        lambda rng: (rng.normal(size=3), rng.normal(size=3), np.array([-0.3, 0.4, 1.2])),
        reference_lerp,
        errors=[((X, np.ones(2), 0.5), ShapeError, "do not broadcast")],
        empty=(np.ones(0), np.ones(0), 0.5),
    ),
    *(
        Case(
            None,
            mg.lerp,
            between(weight),
            reference_lerp,
            id=f"by {weight}",
        )
        for weight in (0.3, 0.75)
    ),
    *(
        Case(
            None,
            function,
            lambda rng: (
                rng.normal(size=(2, 3)),
                rng.normal(size=3),
                rng.uniform(0.5, 2.0, size=(2, 1)),
            ),
            reference,
            kwargs,
            errors=[BadInput((X, X, np.ones(2)), ShapeError, "do not broadcast", {})],
        )
        for function, reference in (
            (mg.addcmul, lambda x, a, b, value=1: x + value * a * b),
            (mg.addcdiv, lambda x, a, b, value=1: x + value * a / b),
        )
        for kwargs in ({}, {"value": -0.3})
    ),
    Case(
        None,
        lambda values: mg.heaviside(STEPS, values),
        normals((3, 1)),
        lambda values: np.heaviside(STEPS, values),
        id="heaviside",
        errors=[((np.ones(2),), ShapeError, "do not broadcast")],
    ),
    Case(None, mg.nan_to_num, normals((2, 3)), np.nan_to_num, empty=(np.ones(0),)),
    Case(
        None,
        lambda x, **kwargs: mg.nan_to_num(replaced(x, SPECIAL), **kwargs),
        normals((2, 3)),
        lambda x, **kwargs: np.nan_to_num(np.where(np.isfinite(SPECIAL), x, SPECIAL), **kwargs),
        {"nan": 0.1, "posinf": 3.5, "neginf": -0.2},
        id="replaced",
    ),
    *(
        Case(None, function, normals((2, 3)), reference, empty=(np.ones((0, 3)),), errors=errors)
        for function, reference, errors in (
            (mg.nansum, np.nansum, [((X, 2), ShapeError, "dim must be")]),
            (
                mg.nanmean,
                np.nanmean,
                [
                    ((X, 2), ShapeError, "dim must be"),
                    ((np.ones(2, int),), DTypeError, "mean of int64"),
                ],
            ),
        )
    ),
    *(
        Case(
            None,
            lambda x, function=function: function(replaced(x, MISSING), 1, True),
            normals((2, 3)),
            lambda x, reference=reference: reference(
                np.where(np.isfinite(MISSING), x, MISSING), axis=1, keepdims=True
            ),
            id=f"{function.__name__} with NaN",
        )
        for function, reference in ((mg.nansum, np.nansum), (mg.nanmean, np.nanmean))
    ),
]
