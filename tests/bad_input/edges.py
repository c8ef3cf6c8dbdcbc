"""What functions return of nothing, of one number and of extreme ones.

Each row has a call and its result: NumPy's or PyTorch's, where they have the function and agree
with each other. `REFUSED` has calls for which there is no result, and what the error says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.linalg import det, inv, matrix_norm, matrix_power, multi_dot, slogdet, vector_norm

__all__ = ["REFUSED", "RESULTS"]

NAN, INF = np.nan, np.inf
NONE = np.zeros(0)
NO_ROWS, NO_COLUMNS = np.zeros((0, 2)), np.zeros((2, 0))
ONE = np.array(1.5)
HUGE, HUGE_32 = np.full(3, 1e308), np.full(3, 3e38, np.float32)
TINY, TINY_32 = np.full(4, 5e-324), np.full(4, 1e-45, np.float32)
WITH_NAN = np.array([1.0, NAN, 2.0])
WITH_INF = np.array([1.0, INF, -INF])
ZEROS = np.zeros((2, 2))
NO_INDICES = np.zeros(0, np.int64)

Row = tuple[Callable[..., Any], tuple[Any, ...], Any]

RESULTS: list[Row] = [
    # nothing
    (mg.cumsum, (NONE, 0), NONE),
    (mg.cumprod, (NO_COLUMNS, 1), NO_COLUMNS),
    (mg.logcumsumexp, (NO_ROWS, 0), NO_ROWS),
    (mg.cummax, (NONE, 0), [NONE, NO_INDICES]),
    (mg.prod, (NONE,), 1.0),
    (mg.prod, (NO_COLUMNS, 1), [1.0, 1.0]),
    (mg.nansum, (NO_COLUMNS, 1), [0.0, 0.0]),
    (mg.nanmean, (NO_COLUMNS, 1), [NAN, NAN]),
    (mg.logsumexp, (NO_COLUMNS, 1), [-INF, -INF]),
    (mg.sort, (NO_ROWS, 0), [NO_ROWS, np.zeros((0, 2), np.int64)]),
    (mg.topk, (NONE, 0), [NONE, NO_INDICES]),
    (mg.diff, (NONE,), NONE),
    (mg.unique, (NONE,), NONE),
    (mg.bincount, (NO_INDICES,), NO_INDICES),
    (mg.bincount, (NO_INDICES, None, 2), [0, 0]),
    (mg.nonzero, (NONE,), np.zeros((0, 1), np.int64)),
    (mg.roll, (NONE, 1), NONE),
    (mg.tile, (NO_ROWS, 2), np.zeros((0, 4))),
    (mg.repeat_interleave, (np.ones(2), 0), NONE),
    (mg.pad, (NONE, (1, 1)), [0.0, 0.0]),
    (mg.diag, (NONE,), np.zeros((0, 0))),
    (mg.diag_embed, (NONE, 2), ZEROS),
    (mg.diagonal, (np.ones((2, 2)), 5), NONE),
    (mg.trace, (NO_ROWS,), 0.0),
    (mg.tril, (NO_COLUMNS,), NO_COLUMNS),
    (mg.scatter, (np.ones(2), 0, NO_INDICES, NONE), [1.0, 1.0]),
    (mg.index_add, (np.ones(2), 0, NO_INDICES, NONE), [1.0, 1.0]),
    (mg.index_copy, (np.ones(2), 0, NO_INDICES, NONE), [1.0, 1.0]),
    (mg.index_fill, (np.ones(2), 0, NO_INDICES, 3.0), [1.0, 1.0]),
    (mg.masked_select, (np.ones(2), np.zeros(2, bool)), NONE),
    (mg.take_along_dim, (np.ones(2), NO_INDICES, 0), NONE),
    (mg.einsum, ("ij,jk->ik", NO_COLUMNS, NO_ROWS), ZEROS),
    (mg.inner, (NONE, NONE), 0.0),
    (mg.kron, (NONE, np.ones(2)), NONE),
    (mg.outer, (NONE, np.ones(2)), NO_ROWS),
    (det, (np.zeros((0, 0)),), 1.0),
    (slogdet, (np.zeros((0, 0)),), [1.0, 0.0]),
    (inv, (np.zeros((0, 2, 2)),), np.zeros((0, 2, 2))),
    (multi_dot, ((NO_COLUMNS, NO_ROWS),), ZEROS),
    (vector_norm, (NONE,), 0.0),
    (matrix_norm, (NO_ROWS,), 0.0),
    (matrix_norm, (NO_ROWS, "nuc"), 0.0),
    # rank 0
    (mg.cumsum, (ONE, 0), 1.5),
    (mg.sort, (ONE,), [1.5, 0]),
    (mg.median, (ONE,), 1.5),
    (mg.topk, (ONE, 1), [1.5, 0]),
    (mg.unique, (ONE,), [1.5]),
    (mg.ravel, (ONE,), [1.5]),
    (mg.atleast_3d, (ONE,), [[[1.5]]]),
    (mg.diagflat, (ONE,), [[1.5]]),
    (mg.outer, (np.ones(1), np.ones(1)), [[1.0]]),
    (vector_norm, (-ONE,), 1.5),
    (vector_norm, (-ONE, 2, 0), 1.5),
    # huge, tiny and special numbers
    (mg.logcumsumexp, (HUGE, 0), HUGE),
    (mg.logsumexp, (HUGE_32,), np.float32(3e38)),
    (mg.logsumexp, (np.full(2, -INF),), -INF),
    (mg.logsumexp, (WITH_INF,), INF),
    (vector_norm, (HUGE,), np.sqrt(3.0) * 1e308),
    (vector_norm, (HUGE, 3), np.cbrt(3.0) * 1e308),
    (vector_norm, (TINY,), 1e-323),
    (vector_norm, (TINY_32,), np.float32(3e-45)),
    (vector_norm, (WITH_NAN, 0), 3.0),
    (vector_norm, (np.array([0.0, NAN]), 0), 1.0),
    (vector_norm, (WITH_NAN,), NAN),
    (vector_norm, (WITH_INF,), INF),
    (matrix_power, (np.full((1, 1), 1e308), 0), [[1.0]]),
    (mg.cummax, (WITH_NAN, 0), [[1.0, NAN, NAN], [0, 1, 1]]),
    (mg.sort, (WITH_NAN,), [[1.0, 2.0, NAN], [0, 2, 1]]),
    (mg.median, (WITH_NAN,), NAN),
    (mg.nansum, (WITH_NAN,), 3.0),
    (mg.nanmean, (np.array([NAN]),), NAN),
    (mg.nan_to_num, (np.array([NAN, INF, -INF]),), [0.0, np.finfo(float).max, np.finfo(float).min]),
    (mg.isclose, (WITH_INF, WITH_INF), [True, True, True]),
    (mg.isclose, (WITH_NAN, WITH_NAN), [True, False, True]),
    (mg.equal, (WITH_NAN, WITH_NAN), False),
    (mg.xlogy, (0.0, 0.0), 0.0),
    (mg.xlogy, (0.0, NAN), NAN),
    (mg.logit, (np.array([0.0, 1.0]),), [-INF, INF]),
    (mg.tril, (np.full((2, 2), NAN),), [[NAN, 0.0], [NAN, NAN]]),
]

SQUARES = partial(mg.jacobian, mg.square)

REFUSED: list[tuple[Callable[..., Any], tuple[Any, ...], type[Exception], str]] = [
    (mg.kthvalue, (NONE, 1), mg.errors.ShapeError, "k must be from 1 to 0"),
    (mg.topk, (np.ones(2), 3), mg.errors.ShapeError, "k must be from 0 to 2.*got 3"),
    (mg.median, (NONE,), mg.errors.ShapeError, r"shape \(0,\) has no elements"),
    (mg.select, (NONE, 0, 0), IndexError, "length 0, got 0"),
    (mg.select, (np.ones(2), 0, 2), IndexError, "from -2 to 1.*got 2"),
    *[
        (function, (np.ones(2), 0, np.array([0, place]), *more), IndexError, f"(got|index) {place}")
        for function, more in (
            (mg.index_add, (np.ones(2),)),
            (mg.index_copy, (np.ones(2),)),
            (mg.index_fill, (1.0,)),
            (mg.index_select, ()),
            (mg.scatter, (np.ones(2),)),
            (mg.scatter_add, (np.ones(2),)),
            (mg.gather, ()),
        )
        for place in (2, -3)
    ],
    (mg.narrow, (np.ones(2), 0, 1, 2), mg.errors.ShapeError, "length 2 has no 2 slices from 1 on"),
    (mg.prod, (np.ones((2, 2)), (0, 0)), mg.errors.ShapeError, "prod: dim names an axis twice"),
    (mg.nansum, (np.ones((2, 2)), (0, -2)), mg.errors.ShapeError, "nansum: dim names an axis"),
    (mg.nanmean, (np.ones(2), 1), mg.errors.ShapeError, "nanmean: dim must be from -1 to 0"),
    (mg.cumsum, (np.ones(2), 1.0), mg.errors.DTypeError, "cumsum: dim must be an integer.*float"),
    (mg.cumsum, (np.ones(2), True), mg.errors.DTypeError, "cumsum: dim must be an integer.*bool"),
    (mg.diagonal, (np.ones((2, 2)), 0, 1, 1), mg.errors.ShapeError, "must differ, got 1 and 1"),
    (mg.pad, (NONE, (1, 1), "reflect"), mg.errors.ShapeError, "at most 0 elements"),
    (matrix_norm, (NO_ROWS, INF), mg.errors.ShapeError, r"matrix_norm: shape \(0, 2\) has no"),
    (matrix_norm, (NO_COLUMNS, -1), mg.errors.ShapeError, r"matrix_norm: shape \(2, 0\) has no"),
    (matrix_norm, (NO_COLUMNS, 2), mg.errors.ShapeError, r"matrix_norm: shape \(2, 0\) has no"),
    (vector_norm, (ONE, 2, 1), mg.errors.ShapeError, "rank 0 has no axes, got dim 1"),
    (vector_norm, (np.ones(2), "inf"), mg.errors.DTypeError, "must be a number, got 'inf'"),
    (det, (np.eye(2, dtype=np.float16),), mg.errors.DTypeError, "float32 or float64, got float16"),
    (inv, (ZEROS,), mg.errors.LinAlgError, r"is singular, got shape \(2, 2\), float64"),
    (inv, (np.zeros((3, 2, 2)),), mg.errors.LinAlgError, r"matrix \(0,\) of \(3,\) is singular"),
    (SQUARES, ((),), mg.errors.ShapeError, "one Tensor or more, got none"),
]
