"""Matrix products."""

from __future__ import annotations

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.linalg import Linear, MatMul, dot, linear, matmul
from minigrad.typing import Array
from tests.cases import Case, normals


def reference_linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    y: Array = np.einsum("...i,oi->...o", x, weight)
    return y if bias is None else y + bias


SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((1, 2, 3), (2, 3, 1)),
)

CASES = [
    Case(
        MatMul,
        matmul,
        normals((2, 3), (3, 4)),
        np.matmul,
        errors=[
            ((np.ones((2, 3)), np.ones((2, 3))), ShapeError, r"got \(2, 3\) and \(2, 3\)"),
            ((np.ones(3), np.ones(2)), ShapeError, r"got \(3,\) and \(2,\)"),
            ((np.ones((2, 3)), np.ones(2)), ShapeError, r"got \(2, 3\) and \(2,\)"),
            ((np.ones((2, 1, 3)), np.ones((3, 3, 2))), ShapeError, r"got \(2, 1, 3\) and"),
            ((np.ones(()), np.ones(2)), ShapeError, r"got \(\) and \(2,\)"),
        ],
        empty=(np.ones((2, 0)), np.ones((0, 3))),
    ),
    *(Case(MatMul, matmul, normals(a, b), np.matmul, id=f"{a} {b}") for a, b in SHAPES),
    Case(
        MatMul,
        dot,
        normals((3,), (3,)),
        np.dot,
        id="dot",
        errors=[((np.ones((1, 2)), np.ones(2)), ShapeError, r"two vectors.*\(1, 2\) and \(2,\)")],
    ),
    Case(
        Linear,
        linear,
        normals((4, 3), (2, 3), (2,)),
        reference_linear,
        errors=[
            ((np.ones((4, 2)), np.ones((2, 3))), ShapeError, r"in_features = 3.*\(4, 2\)"),
            ((np.ones(()), np.ones((2, 3))), ShapeError, r"in_features = 3.*got shape \(\)"),
            ((np.ones(3), np.ones(3)), ShapeError, r"\(out_features, in_features\), got \(3,\)"),
            ((np.ones(3), np.ones((2, 3)), np.ones(3)), ShapeError, r"bias must have shape \(2,\)"),
            ((np.ones(3, np.float32), np.ones((2, 3))), DTypeError, "got float32, float64"),
            ((np.ones(3, int), np.ones((2, 3), int)), DTypeError, "one floating dtype, got int64"),
        ],
        empty=(np.ones((0, 3)), np.ones((2, 3)), np.ones(2)),
    ),
    Case(Linear, linear, normals((4, 3), (2, 3)), reference_linear, id="no bias"),
    Case(Linear, linear, normals((3,), (2, 3), (2,)), reference_linear, id="one row"),
    Case(Linear, linear, normals((2, 2, 3), (1, 3), (1,)), reference_linear, id="more axes"),
]
