"""Decompositions of symmetric matrices: Cholesky's, and into eigenvalues and eigenvectors.

An op has one differentiable result. A decomposition of several factors is therefore one array in
which they lie side by side, and the public function returns its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.grad_mode import is_grad_enabled
from minigrad.ops.inverses import Solve
from minigrad.ops.matrices import as_divisor, as_square, blaming, transposed
from minigrad.ops.shape import transpose
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap
from minigrad.typing import Array

__all__ = ["EighResult", "cholesky", "eigh", "eigvalsh"]


class HalfTriangle(Op):
    """The lower triangle of ``x`` with half the diagonal, else 0: a linear map, its own adjoint."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return (np.tril(x) + np.tril(x, -1)) * x.dtype.type(0.5)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (apply(HalfTriangle, dy),)


class Cholesky(Op):
    """The lower triangular L with ``L L^T = x``, of symmetric x.

    With P the lower triangle of L^T dL, its diagonal halved, and S = L^-T P L^-1, dx = (S + S^T)/2:
    symmetric, although the upper triangle of x is not read. See [1]_, section 3.3.

    References
    ----------
    .. [1] Murray, 2016, Differentiation of the Cholesky decomposition, arXiv:1602.07527.
    """

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return blaming("cholesky", "is not positive definite", np.linalg.cholesky, x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        upper = transposed(y)
        p = apply(HalfTriangle, np.matmul(upper, dy))
        s = apply(Solve, upper, transposed(apply(Solve, upper, p)))  # S^T
        return ((s + transposed(s)) * 0.5,)


@public
def cholesky(a: Any, *, upper: bool = False) -> Tensor:
    """Return the triangular factor of each symmetric, positive definite matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Symmetric. Only one triangle is read: the lower one, or with ``upper`` the other.
    upper : bool

    Returns
    -------
    Tensor like ``a``
        L, lower triangular, with ``a = L L^T``; with ``upper`` U, with ``a = U^T U``.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    The gradient is symmetric, as in PyTorch: the one of the function of symmetric matrices. Each
    element off the diagonal gets half of what changing it with its mirror image would do.
    """
    a = as_square("cholesky", a)
    if upper:
        return transpose(apply(Cholesky, transpose(a, -2, -1)), -2, -1)
    result: Tensor = apply(Cholesky, a)
    return result


@implements(np.linalg.cholesky)
def _np_cholesky(a: Any, /, *, upper: bool = False) -> Tensor:
    return cholesky(a, upper=upper)


class Eigh(Op):
    """Eigenvalues w and eigenvectors V of symmetric x: w is the first row of y, V the others.

    With ``C = V^T dV`` and ``F_ij = 1 / (w_j - w_i)``, ``dx = V (diag(dw) + F * (C - C^T)/2) V^T``,
    in which ``*`` is elementwise: symmetric, although one triangle of x is not read. See [1]_,
    section 3.1. Where eigenvalues count as equal, F is 0.

    References
    ----------
    .. [1] Giles, 2008, Collected matrix derivative results for forward and reverse mode algorithmic
       differentiation.
    """

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, uplo: str) -> Array:
        w, v = blaming("eigh", "did not converge", _by_triangle(np.linalg.eigh, uplo), x)
        return np.concatenate([w[..., None, :], v], axis=-2)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any, *, uplo: str) -> tuple[Any]:
        w, v = y[..., :1, :], y[..., 1:, :]
        dw, dv = dy[..., :1, :], dy[..., 1:, :]
        scale = np.maximum(np.abs(w[..., :1]), np.abs(w[..., -1:]))  # they are in order
        c = np.matmul(transposed(v), dv)
        rotation = (c - transposed(c)) * 0.5 / as_divisor(w - transposed(w), v.shape[-1], scale)
        return (np.matmul(v * dw + np.matmul(v, rotation), transposed(v)),)


def _by_triangle(function: Any, uplo: str) -> Callable[[Array], Any]:
    return lambda x: function(x, UPLO=uplo)


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    """In ascending order, shape (*, N)."""
    eigenvectors: Tensor
    """Of length 1, in the columns, shape (*, N, N)."""


@public
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Return eigenvalues and eigenvectors of each symmetric matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Symmetric; only one triangle is read.
    UPLO : "L" or "U"
        Which: the lower or the upper one.

    Returns
    -------
    EighResult
        With ``a = V diag(w) V^T``. The sign of an eigenvector is arbitrary; so is the basis that
        they form where eigenvalues are equal.

    Raises
    ------
    LinAlgError
        If the iteration does not converge.
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.
    ValueError
        If ``UPLO`` is something else.

    Notes
    -----
    The gradient is symmetric: the one of the function of symmetric matrices. It is exact, at every
    order, where all eigenvalues differ; it grows with the inverse of their distances, and so does
    its rounding.

    Two of them count as equal if they differ by at most ``8 N eps`` times the largest absolute
    eigenvalue, ``eps`` being the spacing of floats at 1: by no more than rounding. What would turn
    their eigenvectors into each other then has gradient 0. The first derivative is still exact for
    a function that depends on these vectors through the space that they span, such as a projection
    onto it, and on these eigenvalues through their sum. Of other functions, such as ``V f(w) V^T``,
    and of further derivatives, what belongs to the equal eigenvalues is missing.
    """
    a = as_square("eigh", a)
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    packed: Tensor = apply(Eigh, a, uplo=UPLO)
    return EighResult(packed[..., 0, :], packed[..., 1:, :])


@implements(np.linalg.eigh)
def _np_eigh(a: Any, UPLO: str = "L") -> EighResult:
    return eigh(a, UPLO.upper())


@public
def eigvalsh(a: Any, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of each symmetric matrix, in ascending order.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Symmetric; only one triangle is read.
    UPLO : "L" or "U"
        Which: the lower or the upper one.

    Returns
    -------
    Tensor, shape (*, N)

    Raises
    ------
    LinAlgError, ShapeError, DTypeError, ValueError
        As `eigh`.

    Notes
    -----
    Where no gradient is recorded, no eigenvectors are computed. The gradient is exact, at every
    order, where all eigenvalues differ. Equal ones are not differentiable, but their sum is: its
    first and second derivatives are exact.
    """
    a = as_square("eigvalsh", a)
    if UPLO not in ("L", "U") or (a.requires_grad and is_grad_enabled()):
        return eigh(a, UPLO).eigenvalues
    return _wrap(
        blaming("eigvalsh", "did not converge", _by_triangle(np.linalg.eigvalsh, UPLO), a.array)
    )


@implements(np.linalg.eigvalsh)
def _np_eigvalsh(a: Any, UPLO: str = "L") -> Tensor:
    return eigvalsh(a, UPLO.upper())
