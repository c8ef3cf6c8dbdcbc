"""Running sums, products, extrema, log-sums, and differences."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import apply
from minigrad.errors import ShapeError
from minigrad.ops.cumulative import Cumprod, Cumsum, Logcumsumexp, Recurrence
from minigrad.ops.gathering import Gather
from minigrad.tensor import Tensor
from minigrad.testing.strategies import spread_values
from minigrad.typing import Array
from tests.cases import BadInput, Case, drawn, normals


def with_zeros(rng: np.random.Generator) -> tuple[Array, int]:
    """Return rows without a zero, with one, and with two."""
    x = rng.normal(size=(3, 4))
    x[1, 2] = x[2, 0] = x[2, 3] = 0.0
    return x, 1


def spread(dim: int) -> Any:
    """Return a drawer of an array without ties, and an axis."""
    return lambda rng: (spread_values((2, 3, 2), rng), dim)


def along(function: Any) -> Any:
    """Return NumPy's function with an axis of any rank but 0, which stays as it is."""

    def reference(x: Array, dim: int) -> Any:
        return function(x, axis=dim) if x.ndim else x

    return reference


def recurrence(a: Any, b: Any, *, reverse: bool) -> Tensor:
    result: Tensor = apply(Recurrence, a, b, dim=1, reverse=reverse)
    return result


def reference_recurrence(a: Array, b: Array, *, reverse: bool) -> Array:
    y = np.zeros_like(b)
    for k in range(b.shape[1]):
        if not reverse:
            y[:, k] = b[:, k] + (a[:, k] * y[:, k - 1] if k else 0.0)
            continue
        last = b.shape[1] - 1 - k
        y[:, last] = b[:, last] + (a[:, last + 1] * y[:, last + 1] if k else 0.0)
    return y


def reference_diff(
    x: Array, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None
) -> Array:
    joined = [part for part in (prepend, x, append) if part is not None]
    return np.diff(np.concatenate(joined, dim), n, dim)


X = np.ones((2, 3))
AXIS = ((X, 2), ShapeError, "dim must be from -2 to 1.*got 2")
EMPTY = (np.ones((2, 0)), 1)

CASES = [
    *(
        Case(op, function, normals((5,)), reference, id="flattened by NumPy", kwargs=kwargs)
        for op, function, reference, kwargs in (
            (Cumsum, lambda x: np.cumsum(x), np.cumsum, {}),
            (Cumprod, lambda x: np.cumprod(x), np.cumprod, {}),
        )
    ),
    *(
        Case(
            op,
            function,
            drawn(shape, dim),
            along(reference),
            id=f"{shape} along {dim}",
            errors=[AXIS],
            empty=EMPTY,
        )
        for op, function, reference in (
            (Cumsum, mg.cumsum, np.cumsum),
            (Cumprod, mg.cumprod, np.cumprod),
            (Logcumsumexp, mg.logcumsumexp, np.logaddexp.accumulate),
        )
        for shape, dim in (((2, 4), 1), ((3, 2, 2), 0), ((), 0), ((2, 1), -1))
    ),
    Case(Cumprod, mg.cumprod, with_zeros, along(np.cumprod), id="zeros"),
    *(
        Case(
            Recurrence,
            recurrence,
            normals((2, 4), (2, 4)),
            reference_recurrence,
            {"reverse": reverse},
            id="reverse" if reverse else "",
            empty=(np.ones((2, 0)), np.ones((2, 0))),
        )
        for reverse in (False, True)
    ),
    *(
        Case(
            Gather,
            function,
            spread(dim),
            lambda x, dim, choose=choose: choose.accumulate(x, axis=dim),
            id=f"{function.__name__} {dim}",
            errors=[AXIS],
            empty=EMPTY,
        )
        for function, choose in ((mg.cummax, np.maximum), (mg.cummin, np.minimum))
        for dim in (1, -3)
    ),
    Case(
        None,
        mg.diff,
        normals((2, 4)),
        np.diff,
        errors=[
            BadInput((np.ones(()),), ShapeError, "rank 0 has no axes", {}),
            BadInput((X, -1), ValueError, "n must be 0 or more, got -1", {}),
            BadInput((X, 1, 2), ShapeError, "dim must be", {}),
            BadInput((X, 1, 1, np.ones((3, 1))), ShapeError, "agree but for dim 1", {}),
        ],
        empty=(np.ones((2, 0)),),
    ),
    *(
        Case(
            None,
            mg.diff,
            drawn((3, 3), n, dim),
            reference_diff,
            id=f"{n} times along {dim}",
        )
        for n, dim in ((2, 0), (0, 1), (1, -2))
    ),
    Case(
        None,
        lambda x, before, after: mg.diff(x, 1, 0, before, after),
        normals((2, 3), (1, 3), (2, 3)),
        lambda x, before, after: reference_diff(x, 1, 0, before, after),
        id="diff of joined",
    ),
]
