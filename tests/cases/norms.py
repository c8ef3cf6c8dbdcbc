"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.elementwise import Abs
from minigrad.ops.extrema import Amax, Amin
from minigrad.ops.norms import VectorNorm
from minigrad.ops.singular import Svd
from minigrad.testing.strategies import spread_values
from minigrad.typing import Array
from tests.cases import BadInput, Case


def spread(*shape: int) -> Any:
    """Return a drawer of values away from 0 whose absolute values differ."""

    def draw(rng: np.random.Generator) -> tuple[Array]:
        signs = rng.choice([-1.0, 1.0], size=shape)
        return (spread_values(shape, rng, low=0.5, high=3.0) * signs,)

    return draw


def graded(*shape: int) -> Any:
    """Return a drawer of values of which each is about twice the one before: no two sums tie."""

    def draw(rng: np.random.Generator) -> tuple[Array]:
        sizes = 2.0 ** np.arange(math.prod(shape)).reshape(shape)
        return (sizes * rng.uniform(0.8, 1.0, shape) * rng.choice([-1.0, 1.0], shape),)

    return draw


def matrices(*shape: int) -> Any:
    """Return a drawer of matrices whose singular values differ, and are not 0."""

    def draw(rng: np.random.Generator) -> tuple[Array]:
        k = min(shape[-2:])
        u = np.linalg.qr(rng.normal(size=(*shape[:-1], k)))[0]
        v = np.linalg.qr(rng.normal(size=(*shape[:-2], shape[-1], k)))[0]
        values = np.arange(1, k + 1) + rng.uniform(-0.2, 0.2, size=(*shape[:-2], 1, k))
        return (u * values @ np.swapaxes(v, -1, -2),)

    return draw


def reference_vector_norm(
    x: Array,
    ord: Any = 2,  # noqa: A002 - PyTorch's keyword
    dim: Any = None,
    keepdim: bool = False,
) -> Any:
    return np.linalg.vector_norm(x, axis=dim, keepdims=keepdim, ord=ord)


def reference_matrix_norm(
    x: Array,
    ord: Any = "fro",  # noqa: A002 - PyTorch's keyword
    dim: Any = (-2, -1),
    keepdim: bool = False,
) -> Any:
    return np.linalg.norm(x, ord, dim, keepdim)


def reference_norm(x: Array, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return reference_vector_norm(x, 2 if p == "fro" else p, dim, keepdim)


OPS: dict[Any, Any] = {math.inf: Amax, -math.inf: Amin, 0: Abs, 1: Abs}
AXIS_ERRORS = [
    BadInput((np.ones((2, 3)), 2, 2), ShapeError, "dim must be from -2 to 1.*got 2", {}),
    BadInput((np.ones((2, 3)), 2, (0, 0)), ShapeError, "names an axis twice", {}),
    BadInput((np.ones(3, np.int64),), DTypeError, r"of int64.*\.float\(\)", {}),
]

CASES = [
    Case(
        VectorNorm,
        mg.linalg.vector_norm,
        spread(2, 3),
        np.linalg.vector_norm,
        empty=(np.ones((0, 3)),),
        errors=[
            *AXIS_ERRORS,
            BadInput((np.ones(2), "fro"), DTypeError, "a vector must be a number, got 'fro'"),
            BadInput((np.ones((2, 0)), math.inf, 1), ShapeError, r"\(2, 0\) has no elements"),
        ],
    ),
    *(
        Case(
            OPS.get(p, VectorNorm),
            mg.linalg.vector_norm,
            spread(2, 3, 2),
            reference_vector_norm,
            {"ord": p, "dim": dim, "keepdim": keepdim},
            id=f"{p} {dim} {keepdim}",
        )
        for p in (0, 0.5, 1, 1.5, 2, 3, 4, -1, -2, math.inf, -math.inf)
        for dim, keepdim in ((1, False), ((0, -1), True))
    ),
    *(
        Case(
            op,
            mg.linalg.matrix_norm,
            graded(2, 3, 2) if op in (Amax, Amin) else matrices(2, 3, 2),
            reference_matrix_norm,
            {"ord": p},
            id=f"matrix {p}",
        )
        for op, p in (
            (VectorNorm, "fro"),
            (Svd, "nuc"),
            (Svd, 2),
            (Svd, -2),
            (Amax, 1),
            (Amin, -1),
            (Amax, math.inf),
            (Amin, -math.inf),
        )
    ),
    *(
        Case(
            op,
            mg.linalg.matrix_norm,
            graded(3, 2, 2),
            reference_matrix_norm,
            {"ord": p, "dim": (2, 0), "keepdim": keepdim},
            id=f"matrix {p} of other axes {keepdim}",
        )
        for op, p in ((VectorNorm, "fro"), (Amax, 1), (Amax, math.inf))
        for keepdim in (False, True)
    ),
    Case(
        VectorNorm,
        mg.linalg.matrix_norm,
        spread(2, 3),
        np.linalg.matrix_norm,
        id="matrix",
        errors=[
            BadInput((np.ones(3),), ShapeError, "dim must be from -1 to 0"),
            BadInput((np.ones((2, 3)), 3), ValueError, "ord must be one of 'fro', 'nuc'.*got 3"),
            BadInput((np.ones((2, 3)), "fro", 1), ShapeError, "a pair of axes, got 1"),
            BadInput((np.ones((0, 2)), math.inf), ShapeError, "has no elements"),
            BadInput((np.ones((2, 2), int),), DTypeError, "matrix_norm of int64"),
        ],
    ),
    Case(
        VectorNorm,
        mg.linalg.norm,
        spread(2, 3, 2),
        np.linalg.norm,
        id="linalg.norm",
        errors=[
            *AXIS_ERRORS,
            BadInput((np.ones((2, 2, 2)), 2), ShapeError, r"one axis or two, got 3 of shape"),
            BadInput((np.ones(()), 2), ShapeError, r"one axis or two, got 0"),
            BadInput((np.ones(2), "nuc"), DTypeError, "ord of a vector must be a number"),
        ],
    ),
    *(
        Case(op, mg.linalg.norm, graded(2, 3), reference_matrix_norm, kwargs, id=f"linalg {kwargs}")
        for op, kwargs in (
            (Amax, {"ord": 1, "dim": None}),
            (VectorNorm, {"ord": 3, "dim": 0}),
            (Amax, {"ord": math.inf, "dim": (1, 0), "keepdim": True}),
        )
    ),
    *(
        Case(
            OPS.get(p, VectorNorm),
            mg.norm,
            spread(2, 3),
            reference_norm,
            {"p": p, "dim": dim},
            id=f"norm {p} {dim}",
            errors=AXIS_ERRORS,
        )
        for p, dim in (("fro", None), (1, (0, 1)), (3, 0))
    ),
]
