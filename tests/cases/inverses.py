"""Inverses, systems of equations, determinants, powers."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, LinAlgError, ShapeError
from minigrad.ops.inverses import Det, Inv, LogDet, Solve
from minigrad.ops.linalg import MatMul
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case


def regular(*shape: int) -> Any:
    """Return a drawer of matrices with condition numbers below ten or so."""

    def draw(rng: np.random.Generator) -> tuple[Array]:
        return (2.0 * np.eye(shape[-1]) + rng.uniform(-0.6, 0.6, size=shape),)

    return draw


def system(a: tuple[int, ...], b: tuple[int, ...]) -> Any:
    return lambda rng: (*regular(*a)(rng), rng.normal(size=b))


def reference_solve(a: Array, b: Array, left: bool = True) -> Array:
    if left:
        return np.linalg.solve(a, b)
    return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def reference_vectors(a: Array, b: Array) -> Array:
    return np.linalg.solve(a, b[..., None])[..., 0]


def reference_triangular(
    a: Array, b: Array, upper: bool, left: bool = True, unitriangular: bool = False
) -> Array:
    triangle = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        triangle = triangle - np.eye(a.shape[-1]) * triangle + np.eye(a.shape[-1])
    return reference_solve(triangle, b, left)


def logabsdet(a: Tensor) -> Tensor:
    return mg.slogdet(a).logabsdet


def reference_logabsdet(a: Array) -> Any:
    return np.linalg.slogdet(a)[1]


def reference_logdet(a: Array) -> Any:
    return np.log(np.linalg.det(a))


SINGULAR = np.stack([np.eye(2), np.ones((2, 2)), np.zeros((2, 2))])
SQUARE_ERRORS = [
    BadInput((np.ones((2, 3)),), ShapeError, r"square matrices of shape.*got \(2, 3\)"),
    BadInput((np.ones(3),), ShapeError, r"square matrices of shape.*got \(3,\)"),
    BadInput((np.ones((2, 2), np.int64),), DTypeError, r"of int64.*\.float\(\)"),
]
SYSTEM_ERRORS = [
    BadInput((np.ones((2, 3)), np.ones(2)), ShapeError, r"square matrices.*got \(2, 3\)"),
    BadInput((np.eye(2), np.ones((3, 1))), ShapeError, r"\(2, 2\) and \(3, 1\)"),
    BadInput((np.eye(2), np.ones(())), ShapeError, r"\(2, 2\) and \(\)"),
    BadInput((np.ones((2, 2, 2)), np.ones((3, 2, 1))), ShapeError, r"\(2, 2, 2\) and \(3, 2, 1\)"),
    BadInput((np.eye(2), np.ones(2, int)), DTypeError, "of int64"),
]

CASES = [
    Case(
        Inv,
        mg.linalg.inv,
        regular(2, 3, 3),
        np.linalg.inv,
        empty=(np.ones((0, 2, 2)),),
        errors=[
            *SQUARE_ERRORS,
            BadInput((SINGULAR,), LinAlgError, r"inv: matrix \(1,\) of \(3,\) is singular"),
            BadInput((np.ones((2, 2)),), np.linalg.LinAlgError, "inv: the matrix is singular"),
        ],
    ),
    Case(Inv, mg.inverse, regular(2, 2), np.linalg.inv, id="inverse", empty=(np.ones((3, 0, 0)),)),
    Case(
        Solve,
        mg.linalg.solve,
        system((3, 3), (3, 2)),
        np.linalg.solve,
        empty=(np.ones((0, 2, 2)), np.ones((0, 2, 3))),
        errors=[
            *SYSTEM_ERRORS,
            BadInput(
                (SINGULAR, np.ones((2, 1))), LinAlgError, r"solve: matrix \(1,\) of \(3,\) is sing"
            ),
            BadInput((np.eye(2), np.ones(2)), ShapeError, "with left=False", {"left": False}),
            BadInput((np.eye(2), np.ones((2, 3))), ShapeError, r"\(\*, K, N\)", {"left": False}),
        ],
    ),
    Case(Solve, mg.linalg.solve, system((3, 3), (3,)), np.linalg.solve, id="vector"),
    Case(Solve, mg.linalg.solve, system((2, 3, 3), (2, 3)), reference_vectors, id="vectors"),
    Case(Solve, mg.linalg.solve, system((2, 2, 2), (2,)), np.linalg.solve, id="one vector"),
    Case(Solve, mg.linalg.solve, system((2, 1, 2, 2), (3, 2, 1)), np.linalg.solve, id="stacks"),
    Case(
        Solve,
        mg.linalg.solve,
        system((2, 3, 3), (4, 3)),
        reference_solve,
        {"left": False},
        id="from the right",
    ),
    *(
        Case(
            Solve,
            mg.linalg.solve_triangular,
            system((2, 3, 3), (3, 3)),
            reference_triangular,
            {"upper": upper, "left": left, "unitriangular": unitriangular},
            id=f"triangular {upper} {left} {unitriangular}",
            errors=[entry for entry in SYSTEM_ERRORS if entry.inputs[0].ndim == 2],
        )
        for upper, left, unitriangular in (
            (True, True, False),
            (False, True, False),
            (True, False, True),
            (False, False, True),
        )
    ),
    Case(
        Det,
        mg.det,
        regular(2, 3, 3),
        np.linalg.det,
        empty=(np.ones((3, 0, 0)),),
        errors=SQUARE_ERRORS,
    ),
    Case(Det, mg.linalg.det, regular(1, 1), np.linalg.det, id="of numbers"),
    Case(
        LogDet,
        logabsdet,
        lambda rng: (regular(3, 3)(rng)[0] * [[-1.0], [1.0], [1.0]],),
        reference_logabsdet,
        empty=(np.ones((3, 0, 0)),),
        errors=SQUARE_ERRORS,
    ),
    Case(LogDet, mg.logdet, regular(2, 2, 2), reference_logdet, id="logdet", errors=SQUARE_ERRORS),
    *(
        Case(
            op,
            mg.linalg.matrix_power,
            regular(2, 2, 2),
            np.linalg.matrix_power,
            {"n": n},
            id=f"power {n}",
            errors=SQUARE_ERRORS,
        )
        for op, n in ((MatMul, 2), (MatMul, 3), (MatMul, 6), (Inv, -1), (Inv, -2), (None, 1))
    ),
    Case(
        None,
        mg.matrix_power,
        lambda rng: (rng.normal(size=(2, 3, 3)), 0),
        np.linalg.matrix_power,
        id="power 0",
        differentiable=False,
        errors=[
            BadInput((np.eye(2), 1.5), DTypeError, "n must be an integer, got float"),
            BadInput((np.ones((2, 2)), -1), LinAlgError, "the matrix is singular"),
        ],
    ),
]
