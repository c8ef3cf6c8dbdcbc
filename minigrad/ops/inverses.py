"""Inverse matrices, systems of linear equations, determinants and powers.

NumPy (LAPACK) computes the values, from one LU decomposition per matrix of a stack.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes
from minigrad.ops.elementwise import add
from minigrad.ops.linalg import matmul
from minigrad.ops.matrices import as_floating, as_square, blaming, check_precision, transposed
from minigrad.ops.minors import is_odd, submatrices
from minigrad.ops.promotion import promote
from minigrad.ops.selection import where
from minigrad.ops.shape import reshape, transpose
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap
from minigrad.typing import Array

__all__ = [
    "SlogdetResult",
    "det",
    "inv",
    "inverse",
    "logdet",
    "matrix_power",
    "slogdet",
    "solve",
    "solve_triangular",
]


class Inv(Op):
    """``y = x^-1``: dx = -y^T dy y^T."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return blaming("inv", "is singular", np.linalg.inv, x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        y = transposed(y)
        return (-np.matmul(np.matmul(y, dy), y),)


@public
@implements(np.linalg.inv)
def inv(a: Any) -> Tensor:
    """Return the inverse of each matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating

    Returns
    -------
    Tensor like ``a``

    Raises
    ------
    LinAlgError
        If a matrix is singular: LAPACK found an exact zero where it would divide. One that is
        nearly so gives large numbers instead.
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    ``solve(a, b)`` is faster and more accurate than ``inv(a) @ b``.
    """
    result: Tensor = apply(Inv, as_square("inv", a))
    return result


@public
def inverse(a: Any) -> Tensor:
    """Return the inverse of each matrix; as `inv`."""
    return inv(a)


class Solve(Op):
    """``y`` with ``a y = b``: db solves ``a^T db = dy``, da = -db y^T."""

    saves = (0, "y")
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Any:
        return blaming("solve", "is singular", np.linalg.solve, a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, y: Any) -> tuple[Any, Any]:
        db = apply(Solve, transposed(a), dy)
        da = -np.matmul(db, transposed(y)) if ctx.needs[0] else None
        return da, db if ctx.needs[1] else None


@public
def solve(a: Any, b: Any, *, left: bool = True) -> Tensor:
    """Solve ``a x = b``, systems of N linear equations.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Dtypes are promoted.
    b : Tensor, shape (*, N, K), or (*, N) with the ``*`` of ``a``, or (N,)
        Right-hand sides: matrices, whose stack broadcasts with that of ``a``, or vectors.
    left : bool
        False: solve ``x a = b``, for ``b`` of shape (*, K, N).

    Returns
    -------
    Tensor
        Of the shape of ``b``, broadcast.

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    ShapeError
        If shapes do not fit.
    DTypeError
        If ``a`` or ``b`` is not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.solve(mg.tensor([[2.0, 0.0], [0.0, 4.0]]), mg.tensor([1.0, 1.0]))
    tensor([0.5 , 0.25])
    """
    a, b = promote(as_square("solve", a), _right_side("solve", b))
    vectors = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    if not vectors:
        return _solve_matrices("solve", a, b, left)
    if not left:
        raise ShapeError(f"solve: with left=False, expected b of shape (*, K, N), got {b.shape}")
    x = _solve_matrices("solve", a, reshape(b, (*b.shape, 1)), left)
    return reshape(x, x.shape[:-1])


def _right_side(name: str, b: Any) -> Tensor:
    return check_precision(name, as_floating(name, b))


def _solve_matrices(name: str, a: Tensor, b: Tensor, left: bool) -> Tensor:
    """Solve ``a x = b``, or ``x a = b``, for matrices b."""
    axis = -2 if left else -1
    stack = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if b.ndim < 2 or b.shape[axis] != a.shape[-1] or stack is None:
        rows, columns = ("N", "K") if left else ("K", "N")
        raise ShapeError(
            f"{name}: expected shapes (*, N, N) and (*, {rows}, {columns}), got {a.shape} and "
            f"{b.shape}"
        )
    if not left:
        return transpose(apply(Solve, transpose(a, -2, -1), transpose(b, -2, -1)), -2, -1)
    result: Tensor = apply(Solve, a, b)
    return result


@implements(np.linalg.solve)
def _np_solve(a: Any, b: Any) -> Tensor:
    a, b = promote(as_square("solve", a), _right_side("solve", b))
    return solve(a, b) if b.ndim == 1 else _solve_matrices("solve", a, b, True)


@public
def solve_triangular(
    a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Solve ``a x = b`` for triangular matrices, of which the other triangle is not read.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Dtypes are promoted.
    b : Tensor, shape (*, N, K)
        The stack broadcasts with that of ``a``.
    upper : bool
        Which triangle is read.
    left : bool
        False: solve ``x a = b``, for ``b`` of shape (*, K, N).
    unitriangular : bool
        The diagonal is taken to be ones and not read.

    Returns
    -------
    Tensor
        Of the shape of ``b``, broadcast.

    Raises
    ------
    LinAlgError
        If there is a zero on the diagonal.
    ShapeError
        If shapes do not fit.
    DTypeError
        If ``a`` or ``b`` is not float32 or float64.

    Notes
    -----
    NumPy has no solver for triangles, so this takes as long as `solve`.
    """
    a, b = promote(as_square("solve_triangular", a), _right_side("solve_triangular", b))
    n = a.shape[-1]
    read = np.tri(n, k=-1 if unitriangular else 0, dtype=bool)
    fixed = np.eye(n, dtype=a.dtype) if unitriangular else np.zeros((n, n), a.dtype)
    triangle = where(read.T if upper else read, a, fixed)
    return _solve_matrices("solve_triangular", triangle, b, left)


class Det(Op):
    """The determinant y: dx = dy y x^-T.

    That is dy times the cofactors, the determinants of x without a row and a column, with
    alternating signs: this form is used where there is no inverse.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        with np.errstate(all="ignore"):  # NaN, infinity and overflow say so themselves
            return np.linalg.det(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, y: Any) -> tuple[Any]:
        if not np.any(y == 0):
            return (np.expand_dims(dy * y, (-2, -1)) * transposed(apply(Inv, x)),)
        minors = apply(Det, submatrices(x))
        cofactors = np.where(is_odd(x.shape[-1]), -minors, minors)
        return (np.expand_dims(dy, (-2, -1)) * cofactors,)


@public
@implements(np.linalg.det)
def det(a: Any) -> Tensor:
    """Return the determinant of each matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating

    Returns
    -------
    Tensor, shape (*)
        1 for matrices without elements.

    Raises
    ------
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    The gradient takes one inverse per matrix. If the determinant of one of them is exactly 0, it
    takes N**2 determinants for each of the stack instead, and is right there too. Close to
    singular matrices the second derivative loses accuracy, as the condition number grows.
    """
    result: Tensor = apply(Det, as_square("det", a))
    return result


class LogAbsDet(NamedTuple):
    """What the op `LogDet` computes: the logarithm is differentiable, the sign is not."""

    logabsdet: Any
    sign: Any


class LogDet(Op):
    """``log|det(x)|``: dx = dy x^-T. The sign is constant wherever this is finite."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> LogAbsDet:
        with np.errstate(all="ignore"):
            sign, logabsdet = np.linalg.slogdet(x)
        return LogAbsDet(np.asarray(logabsdet), np.asarray(sign))

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (np.expand_dims(dy, (-2, -1)) * transposed(apply(Inv, x)),)


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    """1, -1, or 0 for a singular matrix; without a gradient."""
    logabsdet: Tensor
    """The logarithm of the absolute determinant, minus infinity for a singular matrix."""


@public
@implements(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """Return the sign and the logarithm of the absolute determinant of each matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating

    Returns
    -------
    SlogdetResult
        ``sign`` and ``logabsdet``, each of shape (*). They neither overflow nor underflow where
        `det` would.

    Raises
    ------
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.
    LinAlgError
        From backward, if a matrix is singular.
    """
    found = apply(LogDet, as_square("slogdet", a))
    return SlogdetResult(_wrap(found.sign), found.logabsdet)


@public
def logdet(a: Any) -> Tensor:
    """Return the logarithm of the determinant of each matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating

    Returns
    -------
    Tensor, shape (*)
        NaN where the determinant is negative, minus infinity where it is zero.

    Raises
    ------
    ShapeError, DTypeError, LinAlgError
        As `slogdet`.
    """
    sign, logabsdet = slogdet(as_square("logdet", a))
    return add(logabsdet, np.where(sign.array < 0, np.nan, 0.0).astype(logabsdet.dtype))


@public
@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Tensor:
    """Multiply each matrix ``n`` times with itself, by repeated squaring.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
    n : int
        0 gives identities, a negative number powers of the inverse.

    Returns
    -------
    Tensor like ``a``

    Raises
    ------
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64, or ``n`` not an integer.
    LinAlgError
        If ``n`` is negative and a matrix is singular.
    """
    square = as_square("matrix_power", a)
    try:
        n = operator.index(n)
    except TypeError:
        raise DTypeError(f"matrix_power: n must be an integer, got {type(n).__name__}") from None
    if n == 0:
        identity = np.eye(square.shape[-1], dtype=square.dtype)
        return _wrap(np.broadcast_to(identity, square.shape).copy())
    if n < 0:
        square, n = inv(square), -n
    result: Tensor | None = None
    while True:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        if n == 0:
            assert result is not None  # noqa: S101 - the highest bit of n is set
            return result
        square = matmul(square, square)
