"""Sums, means, variances."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.reduce import Mean, Std, Sum, Var
from minigrad.typing import Array
from tests.cases import BadInput, Case


def normal(*shape: int) -> Any:
    """Return a drawer of one array."""
    return lambda rng: (rng.normal(size=shape),)


def reference_sum(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.sum(x, axis=dim, keepdims=keepdim)


def reference_mean(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.mean(x, axis=dim, keepdims=keepdim)


def reference_var(
    x: Array, dim: Any = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    return np.var(x, axis=dim, ddof=correction, keepdims=keepdim)


def reference_std(
    x: Array, dim: Any = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    return np.std(x, axis=dim, ddof=correction, keepdims=keepdim)


AXIS_ERRORS = [
    BadInput((np.ones((2, 3)), 2), ShapeError, "dim must be from -2 to 1.*got 2", {}),
    BadInput((np.ones((2, 3)), (0, -2)), ShapeError, r"names an axis twice: \(0, -2\)", {}),
    BadInput((np.ones(()), 1), ShapeError, "rank 0 has no axes, got dim 1", {}),
    BadInput((np.ones(2), "x"), DTypeError, "must be an integer or a tuple.*got str", {}),
]
INTEGERS = BadInput((np.ones(3, np.int64),), DTypeError, r"of int64.*\.float\(\)", {})

AXES: tuple[Any, ...] = (0, -1, (0, 2), (), (2, 0, 1))

CASES = [
    Case(Sum, mg.sum, normal(3, 2), np.sum, errors=AXIS_ERRORS, empty=(np.ones((0, 3)),)),
    Case(Sum, mg.sum, normal(), np.sum, id="rank 0"),
    *(Case(Sum, mg.sum, normal(2, 3, 2), reference_sum, {"dim": dim}, id=f"{dim}") for dim in AXES),
    *(
        Case(
            Sum,
            mg.sum,
            normal(2, 3, 2),
            reference_sum,
            {"dim": dim, "keepdim": True},
            id=f"{dim} kept",
        )
        for dim in (None, 1, (-1, 0))
    ),
    Case(
        None,
        mg.sum,
        lambda rng: (rng.integers(-9, 9, size=(2, 3), dtype=np.int32),),
        reference_sum,
        {"dim": 0},
        id="integers",
        differentiable=False,
    ),
    Case(Mean, mg.mean, normal(3, 2), np.mean, errors=[*AXIS_ERRORS, INTEGERS]),
    Case(Mean, mg.mean, normal(), np.mean, id="rank 0"),
    *(
        Case(
            Mean,
            mg.mean,
            normal(2, 3, 2),
            reference_mean,
            {"dim": dim, "keepdim": kept},
            id=f"{dim} {kept}",
        )
        for dim in AXES
        for kept in (False, True)
    ),
    Case(Var, mg.var, normal(3, 2), reference_var, errors=[*AXIS_ERRORS, INTEGERS]),
    *(
        Case(
            Var,
            mg.var,
            normal(3, 2, 2),
            reference_var,
            {"dim": dim, "correction": correction, "keepdim": kept},
            id=f"{dim} {correction} {kept}",
        )
        for dim, correction, kept in ((0, 1, False), ((0, -1), 0, True), (None, 2.5, True))
    ),
    Case(Std, mg.std, normal(3, 2), reference_std, errors=[*AXIS_ERRORS, INTEGERS]),
    *(
        Case(
            Std,
            mg.std,
            normal(3, 2, 2),
            reference_std,
            {"dim": dim, "correction": correction, "keepdim": kept},
            id=f"{dim} {correction} {kept}",
        )
        for dim, correction, kept in ((0, 1, False), ((0, -1), 0, True), (None, 2.5, True))
    ),
]
