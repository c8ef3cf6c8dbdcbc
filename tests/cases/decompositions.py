"""Decompositions of matrices.

Signs of vectors are LAPACK's choice, which may differ at two points that are close: cases square
the vectors, or multiply pairs of them. The functions of symmetric matrices are differentiated
through one that makes matrices symmetric, because they read one triangle only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import apply
from minigrad.errors import DTypeError, LinAlgError, ShapeError
from minigrad.ops.decompositions import Cholesky, Eigh, HalfTriangle
from minigrad.ops.singular import Svd
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case
from tests.cases.norms import matrices


def symmetric(*shape: int) -> Any:
    """Return a drawer of symmetric matrices with eigenvalues about 1, 2, 3, ..."""

    def draw(rng: np.random.Generator) -> tuple[Array]:
        q = np.linalg.qr(rng.normal(size=shape))[0]
        w = np.arange(1, shape[-1] + 1) + rng.uniform(-0.2, 0.2, size=(*shape[:-2], 1, shape[-1]))
        return ((q * w) @ np.swapaxes(q, -1, -2),)

    return draw


def made_symmetric(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) * 0.5


def cholesky(a: Tensor, upper: bool = False) -> Tensor:
    return mg.linalg.cholesky(made_symmetric(a), upper=upper)


def reference_cholesky(a: Array, upper: bool = False) -> Array:
    factor = np.linalg.cholesky(made_symmetric(a))
    return np.swapaxes(factor, -1, -2) if upper else factor


def half_triangle(x: Tensor) -> Any:
    return apply(HalfTriangle, x)


def reference_half_triangle(x: Array) -> Any:
    return np.tril(x) * (1.0 - 0.5 * np.eye(x.shape[-1]))


def eigenvalues(a: Tensor, UPLO: str = "L") -> Tensor:
    return mg.linalg.eigh(made_symmetric(a), UPLO).eigenvalues


def eigenvalues_alone(a: Tensor, UPLO: str = "L") -> Tensor:
    return mg.linalg.eigvalsh(made_symmetric(a), UPLO)


def reference_eigenvalues(a: Array, UPLO: str = "L") -> Any:
    return np.linalg.eigvalsh(made_symmetric(a))


def eigenvectors(a: Tensor) -> Tensor:
    return mg.square(mg.linalg.eigh(made_symmetric(a)).eigenvectors)


def reference_eigenvectors(a: Array) -> Any:
    return np.square(np.linalg.eigh(made_symmetric(a))[1])


def root(a: Any) -> Any:
    """Return the square root of positive definite matrices, by eigenvalues and eigenvectors."""
    w, v = np.linalg.eigh(made_symmetric(a))
    return np.matmul(v * np.sqrt(np.expand_dims(w, -2)), np.swapaxes(v, -1, -2))


def svd_values(a: Tensor) -> Tensor:
    return mg.linalg.svd(a, full_matrices=False).S


def reference_svd_values(a: Array) -> Any:
    return np.linalg.svd(a)[1]


def svd_vectors(a: Tensor) -> Tensor:
    u, s, vh = mg.linalg.svd(a, full_matrices=False)
    return mg.cat([mg.square(u), mg.square(vh.mT), mg.unsqueeze(s, -2)], dim=-2)


def reference_svd_vectors(a: Array) -> Array:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate(
        [np.square(u), np.square(np.swapaxes(vh, -1, -2)), s[..., None, :]], axis=-2
    )


def polar(a: Tensor) -> Tensor:
    u, _, vh = mg.linalg.svd(a, full_matrices=False)
    return u @ vh


def reference_polar(a: Array) -> Any:
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh


INDEFINITE = np.stack([np.eye(2), np.diag([1.0, -1.0])])
SHAPES = ((2, 3, 3), (3, 2), (2, 3))

CASES = [
    Case(
        Cholesky,
        cholesky,
        symmetric(2, 3, 3),
        reference_cholesky,
        empty=(np.ones((0, 2, 2)),),
        errors=[
            BadInput((INDEFINITE,), LinAlgError, r"matrix \(1,\) of \(2,\) is not positive def"),
            BadInput((-np.eye(2),), np.linalg.LinAlgError, "the matrix is not positive definite"),
        ],
    ),
    Case(Cholesky, cholesky, symmetric(3, 3), reference_cholesky, {"upper": True}, id="upper"),
    Case(Cholesky, cholesky, symmetric(1, 1), reference_cholesky, id="of numbers"),
    Case(HalfTriangle, half_triangle, matrices(2, 3, 3), reference_half_triangle),
    Case(
        Eigh,
        eigenvalues,
        symmetric(2, 3, 3),
        reference_eigenvalues,
        id="values",
        empty=(np.ones((0, 2, 2)),),
        errors=[BadInput((np.eye(2), "x"), ValueError, "UPLO must be 'L' or 'U', got 'x'")],
    ),
    Case(Eigh, eigenvalues, symmetric(3, 3), reference_eigenvalues, {"UPLO": "U"}, id="upper"),
    Case(
        Eigh,
        eigenvalues_alone,
        symmetric(3, 3),
        reference_eigenvalues,
        id="eigvalsh",
        empty=(np.ones((2, 0, 0)),),
        errors=[BadInput((np.eye(2), "x"), ValueError, "UPLO must be 'L' or 'U', got 'x'")],
    ),
    Case(Eigh, eigenvectors, symmetric(2, 3, 3), reference_eigenvectors, id="vectors"),
    Case(Eigh, root, symmetric(3, 3), root, id="root"),
    *(
        Case(Svd, svd_values, matrices(*shape), reference_svd_values, id=f"values {shape}")
        for shape in SHAPES
    ),
    *(
        Case(Svd, svd_vectors, matrices(*shape), reference_svd_vectors, id=f"vectors {shape}")
        for shape in SHAPES
    ),
    *(Case(Svd, polar, matrices(*shape), reference_polar, id=f"polar {shape}") for shape in SHAPES),
    Case(
        Svd,
        mg.linalg.svdvals,
        matrices(3, 2),
        np.linalg.svdvals,
        id="svdvals",
        empty=(np.ones((3, 0)),),
        errors=[
            BadInput((np.ones(3),), ShapeError, r"matrices of shape \(\*, M, N\), got \(3,\)"),
            BadInput((np.ones((2, 2), int),), DTypeError, "svdvals of int64"),
        ],
    ),
]
