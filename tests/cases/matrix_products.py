"""Matrix products of prescribed ranks, and of chains."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops.linalg import MatMul
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case, normals


def reference_addition(x: Array, a: Array, b: Array, beta: float = 1, alpha: float = 1) -> Any:
    return beta * x + alpha * np.matmul(a, b)


def multi_dot(*chain: Any) -> Tensor:
    return mg.linalg.multi_dot(chain)


def reference_multi_dot(*chain: Array) -> Any:
    return np.linalg.multi_dot(chain)


CASES = [
    Case(
        MatMul,
        mg.mm,
        normals((2, 3), (3, 2)),
        np.matmul,
        id="mm",
        errors=[
            ((np.ones((2, 3)), np.ones((2, 3))), ShapeError, r"mm: .*\(2, 3\) and \(2, 3\)"),
            ((np.ones((2, 3)), np.ones(3)), ShapeError, r"mm: .*\(2, 3\) and \(3,\)"),
            ((np.ones((1, 2, 3)), np.ones((3, 2))), ShapeError, r"mm: .*\(1, 2, 3\)"),
        ],
    ),
    Case(
        MatMul,
        mg.mv,
        normals((2, 3), (3,)),
        np.matmul,
        id="mv",
        errors=[
            ((np.ones((2, 3)), np.ones(2)), ShapeError, r"mv: .*\(2, 3\) and \(2,\)"),
            ((np.ones((2, 3)), np.ones((3, 1))), ShapeError, r"mv: .*\(2, 3\) and \(3, 1\)"),
        ],
    ),
    Case(
        MatMul,
        mg.bmm,
        normals((2, 2, 3), (2, 3, 2)),
        np.matmul,
        id="bmm",
        errors=[
            ((np.ones((2, 2, 3)), np.ones((2, 2, 3))), ShapeError, r"bmm: .*\(2, 2, 3\) and"),
            ((np.ones((1, 2, 3)), np.ones((2, 3, 2))), ShapeError, r"bmm: .*\(1, 2, 3\) and"),
            ((np.ones((2, 3)), np.ones((3, 2))), ShapeError, r"bmm: .*\(2, 3\) and"),
        ],
    ),
    *(
        Case(
            MatMul,
            function,
            normals(*shapes),
            reference_addition,
            kwargs,
            id=f"{function.__name__} {sorted(kwargs)}",
            errors=[(bad, ShapeError, f"{function.__name__}: expected x to broadcast")],
        )
        for function, shapes, bad in (
            (mg.addmm, ((2, 2), (2, 3), (3, 2)), (np.ones(3), np.ones((2, 3)), np.ones((3, 2)))),
            (mg.addmv, ((2,), (2, 3), (3,)), (np.ones((2, 2)), np.ones((2, 3)), np.ones(3))),
            (
                mg.baddbmm,
                ((2, 1), (2, 2, 3), (2, 3, 2)),
                (np.ones((3, 1, 1)), np.ones((2, 2, 3)), np.ones((2, 3, 2))),
            ),
        )
        for kwargs in ({}, {"beta": 0.5, "alpha": -2})
    ),
    Case(
        MatMul,
        multi_dot,
        normals((2, 3), (3, 2), (2, 4), (4, 2)),
        reference_multi_dot,
        id="multi_dot",
        errors=[
            BadInput((np.ones((2, 3)), np.ones((2, 3))), ShapeError, r"\(2, 3\), \(2, 3\) do not"),
            BadInput((np.ones((2, 3)),), ShapeError, r"two matrices or more.*\(2, 3\)"),
            BadInput((), ShapeError, "two matrices or more.*got none"),
            BadInput((np.ones((2, 3)), np.ones(3), np.ones(3)), ShapeError, "two matrices or more"),
            BadInput((np.ones((1, 2, 3)), np.ones(3)), ShapeError, "two matrices or more"),
        ],
    ),
    Case(
        MatMul,
        multi_dot,
        normals((3,), (3, 2), (2, 3), (3,)),
        reference_multi_dot,
        id="multi_dot between vectors",
    ),
]
