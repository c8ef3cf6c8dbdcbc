"""Wrong versions of linear algebra, of norms and of logarithms of sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.decompositions import Cholesky, Eigh
from minigrad.ops.inverses import Det, Inv, Solve
from minigrad.ops.norms import VectorNorm
from minigrad.ops.softmax import Logsumexp
from minigrad.testing.mutants.rules import OPS, rule

__all__ = ["OPS"]


@rule(Inv, "no sign", "dx = y^T dy y^T")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (-right[0],)


@rule(Inv, "not transposed", "dx = -y dy y")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (-np.matmul(np.matmul(y, dy), y),)


@rule(Solve, "no sign in da", "da = db y^T")
def _(right: Any, ctx: Any, dy: Any, a: Any, y: Any) -> Any:
    return None if right[0] is None else -right[0], right[1]


@rule(Solve, "not transposed", "db solves a db = dy")
def _(right: Any, ctx: Any, dy: Any, a: Any, y: Any) -> Any:
    return right[0], None if right[1] is None else np.linalg.solve(a, dy)


@rule(Det, "not transposed", "dx = dy y x^-1")
def _(right: Any, ctx: Any, dy: Any, x: Any, y: Any) -> Any:
    return (np.swapaxes(right[0], -1, -2).copy(),)


@rule(Cholesky, "one triangle", "dx is the lower triangle of twice the symmetric gradient")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (np.tril(right[0]),)


@rule(Eigh, "eigenvalues alone", "what comes through the eigenvectors is dropped")
def _(right: Any, ctx: Any, dy: Any, y: Any, *, uplo: str) -> Any:
    v = y[..., 1:, :]
    return (np.matmul(v * dy[..., :1, :], np.swapaxes(v, -1, -2)),)


@rule(VectorNorm, "not divided by the norm", "dx = dy sign(x) |x|^(p-1)")
def _(right: Any, ctx: Any, dy: Any, x: Any, y: Any, *, p: float, dim: Any, keepdim: bool) -> Any:
    total = np.sum(np.abs(x) ** p, axis=dim, keepdims=True) ** (1.0 / p)
    return (right[0] * total ** (p - 1.0),)


@rule(Logsumexp, "not normalised", "dx = dy exp(x)")
def _(right: Any, ctx: Any, dy: Any, x: Any, y: Any, *, dim: Any, keepdim: bool) -> Any:
    return (right[0] * np.exp(np.reshape(y, np.sum(x, axis=dim, keepdims=True).shape)),)
