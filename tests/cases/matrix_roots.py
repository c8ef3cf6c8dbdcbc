"""Roots of symmetric matrices, differentiated through a function that makes matrices symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import apply
from minigrad.errors import LinAlgError
from minigrad.ops.matrix_roots import InverseSqrt, Sylvester
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case
from tests.cases.decompositions import INDEFINITE, made_symmetric, symmetric


def inverse_sqrt(a: Tensor) -> Tensor:
    return mg.linalg.inverse_sqrt(made_symmetric(a))


def reference_inverse_sqrt(a: Array) -> Any:
    w, v = np.linalg.eigh(made_symmetric(a))
    return (v / np.sqrt(w)[..., None, :]) @ np.swapaxes(v, -1, -2)


def sylvester(y: Tensor, q: Tensor) -> Any:
    return apply(Sylvester, made_symmetric(y), q)


def reference_sylvester(y: Array, q: Array) -> Any:
    """Solve the equation as N*N linear ones."""
    y, unit = made_symmetric(y), np.eye(y.shape[-1])
    both = np.stack([np.kron(m, unit) + np.kron(unit, m) for m in y])
    return np.linalg.solve(both, q.reshape(len(q), -1, 1)).reshape(q.shape)


def with_right_side(rng: np.random.Generator) -> tuple[Array, ...]:
    return (*symmetric(2, 3, 3)(rng), rng.normal(size=(2, 3, 3)))


CASES = [
    Case(
        InverseSqrt,
        inverse_sqrt,
        symmetric(2, 3, 3),
        reference_inverse_sqrt,
        empty=(np.ones((0, 2, 2)),),
        errors=[
            BadInput((INDEFINITE,), LinAlgError, r"matrix \(1,\) of \(2,\) is not positive def"),
            BadInput((np.diag([1.0, 0.0]),), LinAlgError, "the matrix is not positive definite"),
            BadInput((np.full((2, 2), np.nan),), LinAlgError, "is not positive definite"),
        ],
    ),
    Case(InverseSqrt, inverse_sqrt, symmetric(1, 1), reference_inverse_sqrt, id="of numbers"),
    Case(Sylvester, sylvester, with_right_side, reference_sylvester),
]
