"""The largest and smallest elements, where they are, and whether any is nonzero."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.extrema import Amax, Amin
from minigrad.ops.gathering import Gather
from minigrad.testing.strategies import spread_values
from minigrad.typing import Array
from tests.cases import BadInput, Case


def spread(*shape: int) -> Any:
    """Return a drawer of one array without ties."""
    return lambda rng: (spread_values(shape, rng),)


def signs(rng: np.random.Generator) -> tuple[Array]:
    return (rng.integers(-1, 2, size=(3, 4)),)


def reference_amax(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.max(x, axis=dim, keepdims=keepdim)


def reference_amin(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.min(x, axis=dim, keepdims=keepdim)


def reference_argmax(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.argmax(x, axis=dim, keepdims=keepdim)


def reference_argmin(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.argmin(x, axis=dim, keepdims=keepdim)


NOTHING = BadInput((np.ones((2, 0)),), ShapeError, r"shape \(2, 0\) has no elements; expected", {})
AXIS_ERRORS = [
    NOTHING,
    BadInput((np.ones((2, 0)), 1), ShapeError, "has no elements along dim 1", {}),
    BadInput((np.ones((2, 3)), -3), ShapeError, "dim must be from -2 to 1.*got -3", {}),
]
ONE_AXIS = BadInput((np.ones((2, 3)), (0, 1)), DTypeError, "dim must be an integer.*tuple", {})

CASES = [
    Case(Amax, mg.amax, spread(3, 4), np.max, errors=AXIS_ERRORS),
    Case(Amax, mg.max, spread(3, 4), np.amax, id="full"),
    *(
        Case(
            Amax,
            mg.amax,
            spread(2, 3, 2),
            reference_amax,
            {"dim": dim, "keepdim": kept},
            id=f"{dim} {kept}",
        )
        for dim, kept in ((0, False), ((-1, 0), True), ((), False), (None, True))
    ),
    Case(Amin, mg.amin, spread(3, 4), np.min, errors=AXIS_ERRORS),
    Case(Amin, mg.min, spread(3, 4), np.amin, id="full"),
    *(
        Case(
            Amin,
            mg.amin,
            spread(2, 3, 2),
            reference_amin,
            {"dim": dim, "keepdim": kept},
            id=f"{dim} {kept}",
        )
        for dim, kept in ((1, False), ((-1, 0), True))
    ),
    *(
        Case(
            Gather,
            function,
            spread(2, 3, 2),
            reference,
            {"dim": dim, "keepdim": kept},
            id=f"{function.__name__} {dim}",
            errors=[*AXIS_ERRORS[1:], ONE_AXIS],
        )
        for function, reference in ((mg.max, reference_amax), (mg.min, reference_amin))
        for dim, kept in ((1, False), (-1, True))
    ),
    *(
        Case(
            None,
            function,
            spread(3, 4),
            reference,
            kwargs,
            errors=[*AXIS_ERRORS, ONE_AXIS],
            differentiable=False,
        )
        for function, reference in ((mg.argmax, reference_argmax), (mg.argmin, reference_argmin))
        for kwargs in ({}, {"dim": 0}, {"dim": -1, "keepdim": True})
    ),
    *(
        Case(
            None,
            function,
            signs,
            reference,
            differentiable=False,
            errors=[AXIS_ERRORS[2]],
            empty=(np.ones((0, 2)),),
        )
        for function, reference in (
            (mg.any, lambda x: np.any(x)),
            (mg.all, lambda x: np.all(x)),
            (mg.count_nonzero, lambda x: np.count_nonzero(x)),
        )
    ),
    *(
        Case(None, function, signs, reference, {"dim": 1}, differentiable=False, id="along")
        for function, reference in (
            (mg.any, lambda x, dim: np.any(x, dim)),
            (mg.all, lambda x, dim: np.all(x, dim)),
            (mg.count_nonzero, lambda x, dim: np.count_nonzero(x, dim)),
        )
    ),
]
