"""The singular value decomposition."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.grad_mode import is_grad_enabled
from minigrad.ops.matrices import as_divisor, as_matrices, blaming, transposed
from minigrad.ops.shape import reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap
from minigrad.typing import Array

__all__ = ["SVDResult", "svd", "svdvals"]


class Svd(Op):
    """``x = U diag(s) V^T`` with K = min(M, N) singular values: y is U, s and V^T, flattened.

    With ``C = U^T dU``, ``D = V^T dV`` and ``F_ij = 1 / (s_j^2 - s_i^2)``::

        dx = U (F * (C - C^T) diag(s) + diag(s) F * (D - D^T) + diag(ds)) V^T
             + (dU - U C) diag(1/s) V^T + U diag(1/s) (dV - V D)^T

    in which ``*`` is elementwise. See [1]_. Where singular values count as equal, F is 0; where
    one counts as zero, so is 1/s.

    References
    ----------
    .. [1] Townsend, 2016, Differentiating the singular value decomposition.
    """

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        u, s, vh = blaming(
            "svd", "did not converge", lambda a: np.linalg.svd(a, full_matrices=False), x
        )
        stack = x.shape[:-2]
        rows, columns = u.shape[-2] * u.shape[-1], vh.shape[-2] * vh.shape[-1]
        flat_u, flat_vh = np.reshape(u, (*stack, rows)), np.reshape(vh, (*stack, columns))
        return np.concatenate([flat_u, s, flat_vh], axis=-1)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        m, n = ctx.shape_of(0)[-2:]
        u, s, vh = _factors(y, m, n)
        du, ds, dvh = _factors(dy, m, n)
        v, dv = transposed(vh), transposed(dvh)
        largest = s[..., :1]  # they are in descending order
        # The square of the sum is 0 only for two zeros, which count as equal.
        gaps = as_divisor(s - transposed(s), max(m, n), largest)
        sums = as_divisor(s + transposed(s), max(m, n), largest)
        inverse = 1.0 / as_divisor(s, max(m, n), largest)
        c, d = np.matmul(transposed(u), du), np.matmul(transposed(v), dv)
        left = (c - transposed(c)) / gaps / sums * s
        right = (d - transposed(d)) / gaps / sums * transposed(s)
        inside = np.matmul(u, left + right) + u * ds
        beyond_u = (du - np.matmul(u, c)) * inverse
        beyond_v = (dv - np.matmul(v, d)) * inverse
        return (np.matmul(inside + beyond_u, vh) + np.matmul(u, transposed(beyond_v)),)


def _factors(y: Any, m: int, n: int) -> tuple[Any, Any, Any]:
    """Return (*, M, K), (*, 1, K) and (*, K, N), which lie flattened in the last axis of ``y``."""
    k = min(m, n)
    stack = y.shape[:-1]
    u = np.reshape(y[..., : m * k], (*stack, m, k))
    s = np.reshape(y[..., m * k : m * k + k], (*stack, 1, k))
    vh = np.reshape(y[..., m * k + k :], (*stack, k, n))
    return u, s, vh


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    """Left singular vectors, of length 1, in the columns, shape (*, M, K)."""
    S: Tensor
    """Singular values in descending order, shape (*, K)."""
    Vh: Tensor
    """Right singular vectors, of length 1, in the rows, shape (*, K, N)."""


@public
def svd(a: Any, full_matrices: bool = True) -> SVDResult:
    """Return the singular value decomposition of each matrix.

    Parameters
    ----------
    a : Tensor, shape (*, M, N), floating
    full_matrices : bool
        False: K = min(M, N) vectors on each side. True, PyTorch's default, is the same for square
        matrices and is refused for others: the vectors beyond K are arbitrary.

    Returns
    -------
    SVDResult
        With ``a = U diag(S) Vh``. The common sign of a left and a right vector is arbitrary; so
        are the bases that they form where singular values are equal.

    Raises
    ------
    LinAlgError
        If the iteration does not converge.
    ShapeError
        If there are no matrices, or ``full_matrices`` is asked of ones that are not square.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    The gradient is exact, at every order, where all singular values differ and none is 0. They
    count as equal, or as 0, if it is by at most ``8 max(M, N) eps`` times the largest, ``eps``
    being the spacing of floats at 1. What would turn their vectors into each other, or into the
    space beyond, then has gradient 0, as in `eigh`, with the same consequences.
    """
    a = as_matrices("svd", a)
    m, n = a.shape[-2:]
    if full_matrices and m != n:
        raise ShapeError(
            f"svd: full_matrices=True needs square matrices, got shape {a.shape}; pass "
            "full_matrices=False for as many vectors as there are values"
        )
    u, s, vh = _factors(apply(Svd, a), m, n)
    return SVDResult(u, reshape(s, (*a.shape[:-2], min(m, n))), vh)


@implements(np.linalg.svd)
def _np_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return svd(a, full_matrices) if compute_uv else svdvals(a)


@public
def svdvals(a: Any) -> Tensor:
    """Return the singular values of each matrix, in descending order.

    Parameters
    ----------
    a : Tensor, shape (*, M, N), floating

    Returns
    -------
    Tensor, shape (*, min(M, N))

    Raises
    ------
    LinAlgError
        If the iteration does not converge.
    ShapeError
        If there are no matrices.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    Where no gradient is recorded, no vectors are computed. The first derivative is exact where a
    singular value is simple and not 0.
    """
    a = as_matrices("svdvals", a)
    if a.requires_grad and is_grad_enabled():
        return svd(a, full_matrices=False).S
    values = blaming(
        "svdvals", "did not converge", lambda x: np.linalg.svd(x, compute_uv=False), a.array
    )
    return _wrap(values)


@implements(np.linalg.svdvals)
def _np_svdvals(x: Any, /) -> Tensor:
    return svdvals(x)
