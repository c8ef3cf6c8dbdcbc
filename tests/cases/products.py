"""Products of elements and of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops.elementwise import Mul
from minigrad.ops.products import Prod
from minigrad.typing import Array
from tests.cases import BadInput, Case, normals


def with_zeros(rng: np.random.Generator) -> tuple[Array]:
    """Return rows without a zero, with one, and with two."""
    x = rng.normal(size=(3, 4))
    x[1, 2] = x[2, 0] = x[2, 3] = 0.0
    return (x,)


def one_zero(rng: np.random.Generator) -> tuple[Array]:
    x = rng.normal(size=(2, 3))
    x[1, 1] = 0.0
    return (x,)


def reference_prod(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.prod(x, axis=dim, keepdims=keepdim)


X = np.ones((2, 3))

CASES = [
    Case(
        Prod,
        mg.prod,
        normals((2, 3)),
        np.prod,
        errors=[
            BadInput((X, 2), ShapeError, "prod: dim must be from -2 to 1.*got 2", {}),
            BadInput((X, (0, -2)), ShapeError, "names an axis twice", {}),
        ],
        empty=(np.ones((2, 0)),),
    ),
    Case(Prod, mg.prod, normals(()), np.prod, id="rank 0"),
    Case(Prod, mg.prod, one_zero, np.prod, id="a zero"),
    Case(Prod, mg.prod, with_zeros, reference_prod, {"dim": 1}, id="zeros"),
    *(
        Case(
            Prod,
            mg.prod,
            normals((2, 3, 2)),
            reference_prod,
            {"dim": dim, "keepdim": kept},
            id=f"{dim} {kept}",
            empty=(np.ones((2, 0, 2)),),
        )
        for dim, kept in ((0, False), ((-1, 0), True), ((2, 1), False), ((), False), (None, True))
    ),
    Case(
        Mul,
        mg.outer,
        normals((3,), (2,)),
        np.outer,
        errors=[
            ((np.ones(3), X), ShapeError, r"expected two vectors, got shapes \(3,\) and \(2, 3\)"),
            ((np.ones(()), np.ones(3)), ShapeError, r"shapes \(\) and \(3,\)"),
        ],
        id="outer",
        empty=(np.ones(0), np.ones(2)),
    ),
    Case(Mul, lambda a, b: np.outer(a, b), normals((2, 2), ()), np.outer, id="numpy flattens"),
]
