"""The inverse square root of symmetric positive definite matrices.

It is a smooth function of the matrix also where eigenvalues are equal, unlike the eigenvectors
through which it is computed: so it is an op of its own, whose gradient never divides by the
difference of two eigenvalues.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.ops.matrices import as_square, blaming, transposed
from minigrad.registry import public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["inverse_sqrt"]


class Sylvester(Op):
    """``z`` with ``y z + z y = q``, for symmetric positive definite y.

    In the basis of the eigenvectors of y, element (i, j) of z is that of q divided by
    ``w_i + w_j``: a sum of positive numbers. The map from q to z is its own adjoint, so dq solves
    the same equation for dz; and since ``y dz + dz y = dq - dy z - z dy``,
    ``dy = -(dq z^T + z^T dq)``.
    """

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, y: Array, q: Array) -> Any:
        w, v = blaming("inverse_sqrt", "did not converge", np.linalg.eigh, y)
        inner = np.matmul(np.matmul(transposed(v), q), v)
        inner /= w[..., :, None] + w[..., None, :]
        return np.matmul(np.matmul(v, inner), transposed(v))

    @staticmethod
    def backward(ctx: Node, dz: Any, y: Any, z: Any) -> tuple[Any, Any]:
        dq = apply(Sylvester, y, dz)
        z = transposed(z)
        dy = -(np.matmul(dq, z) + np.matmul(z, dq)) if ctx.needs[0] else None
        return dy, dq if ctx.needs[1] else None


class InverseSqrt(Op):
    """The symmetric y with ``y x y = 1``, of symmetric positive definite x.

    From ``y y = x^-1`` follows ``y dy + dy y = -x^-1 dx x^-1``, a Sylvester equation. Its adjoint:
    with z the solution of ``y z + z y = dy``, ``dx = -x^-1 z x^-1``, made symmetric. In the basis
    of the eigenvectors this is the divided difference of ``w**-0.5``,
    ``-1 / (w_i w_j (w_i**-0.5 + w_j**-0.5))``, which equal eigenvalues do not disturb.
    """

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return blaming("inverse_sqrt", "is not positive definite", _inverse_sqrt, x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        inverse = np.matmul(y, y)
        dx = np.matmul(np.matmul(inverse, apply(Sylvester, y, dy)), inverse)
        return ((dx + transposed(dx)) * -0.5,)


def _inverse_sqrt(x: Array) -> Any:
    w, v = np.linalg.eigh(x)
    if not np.all(w > 0.0):
        raise np.linalg.LinAlgError
    return np.matmul(v / np.sqrt(w)[..., None, :], transposed(v))


@public
def inverse_sqrt(a: Any) -> Tensor:
    """Return the inverse of the square root of each symmetric, positive definite matrix.

    Parameters
    ----------
    a : Tensor, shape (*, N, N), floating
        Symmetric; only the lower triangle is read.

    Returns
    -------
    Tensor like ``a``
        The symmetric, positive definite Y with ``Y a Y = 1``: ``V diag(w**-0.5) V^T`` for the
        eigenvalues w and eigenvectors V of ``a``.

    Raises
    ------
    LinAlgError
        If a matrix has an eigenvalue that is not positive, or is not finite.
    ShapeError
        If matrices are not square.
    DTypeError
        If ``a`` is not float32 or float64.

    Notes
    -----
    The gradient is symmetric: the one of the function of symmetric matrices. It is exact at every
    order also where eigenvalues are equal or close, because it solves Sylvester equations [1]_
    instead of differentiating eigenvectors. Errors are those of rounding times the condition number
    of ``a``.

    References
    ----------
    .. [1] Higham, 2008, Functions of Matrices: Theory and Computation, sections 3.2 and 6.1.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.inverse_sqrt(mg.tensor([[4.0, 0.0], [0.0, 16.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    result: Tensor = apply(InverseSqrt, as_square("inverse_sqrt", a))
    return result
