"""Order: sorting, the largest few, order statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.gathering import Gather
from minigrad.ops.sorting import Median
from minigrad.testing.strategies import spread_values
from minigrad.typing import Array
from tests.cases import BadInput, Case


def spread(*shape: int, then: tuple[Any, ...] = ()) -> Any:
    """Return a drawer of one array without ties, which other arguments follow."""
    return lambda rng: (spread_values(shape, rng), *then)


def reference_sort(x: Array, dim: int = -1, descending: bool = False) -> Array:
    if not x.ndim:
        return x
    ascending = np.sort(x, axis=dim)
    return np.flip(ascending, dim) if descending else ascending


def reference_argsort(x: Array, dim: int = -1, descending: bool = False) -> Array:
    return np.argsort(-x if descending else x, axis=dim, kind="stable")


def reference_topk(x: Array, k: int, dim: int = -1, largest: bool = True) -> Array:
    return np.take(reference_sort(x, dim, largest), range(k), axis=dim)


def reference_kth(x: Array, k: int, dim: int = -1, keepdim: bool = False) -> Array:
    kept = np.take(np.sort(x, dim), [k - 1], axis=dim)
    return kept if keepdim else np.squeeze(kept, dim)


def reference_median(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the lower median: NumPy calls it a percentile."""
    return np.percentile(x, 50, axis=dim, keepdims=keepdim, method="lower")


X = np.ones((2, 3))
AXIS_ERRORS = [
    BadInput((X,), ShapeError, "dim must be from -2 to 1.*got 2", {"dim": 2}),
    BadInput((X,), DTypeError, "dim must be an integer.*tuple", {"dim": (0, 1)}),
]

CASES = [
    Case(Gather, mg.sort, spread(2, 3), np.sort, errors=AXIS_ERRORS, empty=(np.ones((2, 0)),)),
    *(
        Case(Gather, mg.sort, spread(*shape), reference_sort, kwargs, id=f"sort {shape} {kwargs}")
        for shape, kwargs in (
            ((3, 2), {"dim": 0}),
            ((2, 4), {"descending": True}),
            ((3, 2, 2), {"dim": -3, "descending": True}),
            ((), {"descending": True}),
        )
    ),
    Case(Gather, lambda x: np.sort(x, axis=None), spread(2, 3), lambda x: np.sort(x, axis=None)),
    Case(Gather, mg.msort, spread(3, 2), lambda x: np.sort(x, 0), id="msort"),
    *(
        Case(
            None,
            mg.argsort,
            spread(3, 4),
            reference_argsort,
            kwargs,
            differentiable=False,
            errors=AXIS_ERRORS,
        )
        for kwargs in ({}, {"dim": 0}, {"descending": True})
    ),
    *(
        Case(
            Gather,
            mg.topk,
            spread(3, 4, then=(k,)),
            reference_topk,
            kwargs,
            id=f"topk {k} {kwargs}",
            errors=[
                BadInput((X, 4), ShapeError, "k must be from 0 to 3.*dim 1, got 4", {}),
                BadInput((X, -1), ShapeError, "k must be from 0 to 3.*got -1", {}),
            ],
            empty=(np.ones((3, 4)), 0),
        )
        for k, kwargs in ((2, {}), (3, {"dim": 0}), (2, {"dim": 1, "largest": False}))
    ),
    *(
        Case(
            Gather,
            mg.kthvalue,
            spread(3, 4, then=(2,)),
            reference_kth,
            kwargs,
            id=f"kthvalue {kwargs}",
            errors=[
                BadInput((X, 0), ShapeError, "k must be from 1 to 3.*got 0", {}),
                BadInput((X, 4), ShapeError, "k must be from 1 to 3.*got 4", {}),
            ],
        )
        for kwargs in ({}, {"dim": 0, "keepdim": True})
    ),
    *(
        Case(
            Gather if "dim" in kwargs else Median,
            mg.median,
            spread(*shape),
            reference_median,
            kwargs,
            id=f"median {shape} {kwargs}",
            errors=[
                BadInput((np.ones((2, 0)), 1), ShapeError, "no elements along dim 1", {}),
                BadInput((np.ones(0),), ShapeError, r"shape \(0,\) has no elements; expected", {}),
                BadInput((X, 2), ShapeError, "dim must be", {}),
            ],
        )
        for shape, kwargs in (
            ((2, 3), {}),
            ((5,), {}),
            ((), {}),
            ((3, 4), {"dim": 1}),
            ((3, 4), {"dim": 0, "keepdim": True}),
        )
    ),
    *(
        Case(
            Gather,
            lambda x, axis=axis, kept=kept: np.median(x, axis=axis, keepdims=kept),
            spread(2, 3, 4),
            lambda x, axis=axis, kept=kept: np.median(x, axis=axis, keepdims=kept),
            id=f"numpy median {axis} {kept}",
            errors=[((np.ones((0, 0, 0)),), ShapeError, "has no elements along axis")],
        )
        for axis, kept in ((None, False), (1, True), ((2, 0), False), (-1, False))
    ),
]
