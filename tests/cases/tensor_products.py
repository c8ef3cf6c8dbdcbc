"""Products of vectors and arrays of any rank."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.contraction import Contract
from minigrad.ops.elementwise import Mul
from minigrad.ops.linalg import MatMul
from minigrad.ops.tensor_products import Cross
from minigrad.typing import Array
from tests.cases import BadInput, Case, normals


def reference_tensordot(a: Array, b: Array, dims: Any) -> Any:
    return np.tensordot(a, b, dims)


def reference_cross(a: Array, b: Array, dim: int) -> Array:
    a, b = np.broadcast_arrays(a, b)
    return np.cross(a, b, axis=dim)


def reference_vecdot(a: Array, b: Array, dim: int) -> Any:
    return np.sum(a * b, axis=dim)


TENSORDOTS: tuple[tuple[Any, tuple[int, ...], tuple[int, ...]], ...] = (
    (0, (2,), (3, 2)),
    (1, (2, 3), (3, 2)),
    (3, (2, 3, 2), (2, 3, 2)),
    (([1, 2], [1, 0]), (2, 3, 4), (4, 3, 2)),
    (([-1], [0]), (2, 3), (3,)),
    ((1, 1), (2, 3), (4, 3)),
)

CASES = [
    Case(
        Contract,
        mg.tensordot,
        normals((2, 3, 2), (3, 2, 4)),
        np.tensordot,
        id="tensordot",
        empty=(np.ones((2, 0, 3)), np.ones((0, 3, 2))),
        errors=[
            BadInput(
                (np.ones((2, 3)), np.ones((2, 4))),
                ShapeError,
                r"axes \(0, 1\) of shape \(2, 3\) and \(0, 1\) of shape \(2, 4\)",
            ),
            BadInput((np.ones(2), np.ones((2, 2)), 2), ShapeError, r"dims must be from 0 to 1.*2"),
            BadInput((np.ones(2), np.ones(2), -1), ShapeError, r"dims must be from 0 to 1.*-1"),
            BadInput((np.ones(2), np.ones(2), ([1], [0])), ShapeError, "dim must be from -1 to 0"),
            BadInput(
                (np.ones((2, 2)), np.ones(2), ([0, 1], [0])), ShapeError, r"got \[2, 2\] and \[2\]"
            ),
            BadInput((np.ones(2), np.ones(2), "ab"), DTypeError, "integer or a pair.*got 'ab'"),
        ],
    ),
    *(
        Case(
            Contract,
            mg.tensordot,
            normals(a, b),
            reference_tensordot,
            {"dims": dims},
            id=f"tensordot {dims}",
        )
        for dims, a, b in TENSORDOTS
    ),
    Case(
        Contract,
        mg.inner,
        normals((2, 3), (4, 3)),
        np.inner,
        id="inner",
        errors=[((np.ones((2, 3)), np.ones(2)), ShapeError, r"inner: .*\(2, 3\) and \(2,\)")],
    ),
    Case(Mul, mg.inner, normals((2, 3), ()), np.inner, id="inner of a number"),
    Case(
        MatMul,
        mg.vdot,
        normals((3,), (3,)),
        np.vdot,
        id="vdot",
        errors=[((np.ones(3), np.ones(2)), ShapeError, r"vdot: .*\(3,\) and \(2,\)")],
    ),
    *(
        Case(
            Mul,
            mg.linalg.vecdot,
            normals((2, 3, 2), (3, 2)),
            reference_vecdot,
            {"dim": dim},
            id=f"vecdot {dim}",
            errors=[
                BadInput((np.ones(3), np.ones(2)), ShapeError, r"\(3,\) and \(2,\) do not"),
                BadInput((np.ones(3), np.ones(3)), ShapeError, "from -1 to 0", {"dim": 1}),
            ],
        )
        for dim in (-1, 1)
    ),
    Case(Mul, mg.kron, normals((2, 3), (3, 2)), np.kron, id="kron"),
    Case(Mul, mg.kron, normals((2,), (2, 1, 3)), np.kron, id="kron of other ranks"),
    Case(Mul, mg.kron, normals((), (2,)), np.kron, id="kron of a number"),
    Case(
        Cross,
        mg.cross,
        normals((2, 3), (3,)),
        np.cross,
        empty=(np.ones((0, 3)), np.ones(3)),
        errors=[
            BadInput((np.ones(3), np.ones(2)), ShapeError, r"\(3,\) and \(2,\) do not broadcast"),
            BadInput((np.ones(2), np.ones(2)), ShapeError, r"length 3 at axis -1.*\(2,\)"),
            BadInput((np.ones(1), np.ones(3)), ShapeError, r"length 3 at axis -1.*\(1,\)"),
            BadInput((np.ones(3), np.ones((3, 3)), 0), ShapeError, r"length 3 at axis -2.*\(3,\)"),
            BadInput((np.ones(3), np.ones(3), 1), ShapeError, "dim must be from -1 to 0"),
        ],
    ),
    Case(
        Cross, mg.cross, normals((3, 2), (3, 1)), reference_cross, {"dim": 0}, id="along the first"
    ),
]
