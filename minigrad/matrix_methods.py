"""The methods of `Tensor` for products, norms and matrices, under PyTorch's names.

Each one calls the public function of the same meaning, in ``minigrad.ops``, which documents it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minigrad.registry import FUNCTIONS
from minigrad.typing import Axis, DTypeLike

if TYPE_CHECKING:
    from minigrad.ops.inverses import SlogdetResult
    from minigrad.tensor import Tensor

__all__ = ["TensorMatrixMethods"]


class TensorMatrixMethods:
    """Products, norms and linear algebra; `Tensor` adds the state."""

    __slots__ = ()

    def mm(self, other: Any) -> Tensor:
        """Return `minigrad.mm`: the product of this matrix and another."""
        result: Tensor = FUNCTIONS["mm"](self, other)
        return result

    def mv(self, other: Any) -> Tensor:
        """Return `minigrad.mv`: the product of this matrix and a vector."""
        result: Tensor = FUNCTIONS["mv"](self, other)
        return result

    def bmm(self, other: Any) -> Tensor:
        """Return `minigrad.bmm`: the products of this stack of matrices and another."""
        result: Tensor = FUNCTIONS["bmm"](self, other)
        return result

    def addmm(self, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """Return ``beta * self + alpha * (a @ b)`` of matrices."""
        result: Tensor = FUNCTIONS["addmm"](self, a, b, beta=beta, alpha=alpha)
        return result

    def addmv(self, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """Return ``beta * self + alpha * (a @ b)`` of a matrix and a vector."""
        result: Tensor = FUNCTIONS["addmv"](self, a, b, beta=beta, alpha=alpha)
        return result

    def baddbmm(self, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """Return ``beta * self + alpha * (a @ b)`` of stacks of matrices."""
        result: Tensor = FUNCTIONS["baddbmm"](self, a, b, beta=beta, alpha=alpha)
        return result

    def inner(self, other: Any) -> Tensor:
        """Return `minigrad.inner` of this and ``other``."""
        result: Tensor = FUNCTIONS["inner"](self, other)
        return result

    def vdot(self, other: Any) -> Tensor:
        """Return `minigrad.vdot` of this vector and another."""
        result: Tensor = FUNCTIONS["vdot"](self, other)
        return result

    def kron(self, other: Any) -> Tensor:
        """Return the Kronecker product of this and ``other``."""
        result: Tensor = FUNCTIONS["kron"](self, other)
        return result

    def cross(self, other: Any, dim: int = -1) -> Tensor:
        """Return the vector products of this and ``other`` along ``dim``."""
        result: Tensor = FUNCTIONS["cross"](self, other, dim)
        return result

    def norm(
        self,
        p: float | str | None = "fro",
        dim: Axis = None,
        keepdim: bool = False,
        dtype: DTypeLike = None,
    ) -> Tensor:
        """Return `minigrad.norm`: the root of the sum of squares, unless ``p`` is given."""
        result: Tensor = FUNCTIONS["norm"](self, p, dim, keepdim, dtype=dtype)
        return result

    def inverse(self) -> Tensor:
        """Return the inverse of each matrix."""
        result: Tensor = FUNCTIONS["inv"](self)
        return result

    def matrix_power(self, n: int) -> Tensor:
        """Return each matrix multiplied ``n`` times with itself."""
        result: Tensor = FUNCTIONS["matrix_power"](self, n)
        return result

    def det(self) -> Tensor:
        """Return the determinant of each matrix."""
        result: Tensor = FUNCTIONS["det"](self)
        return result

    def logdet(self) -> Tensor:
        """Return the logarithm of the determinant of each matrix."""
        result: Tensor = FUNCTIONS["logdet"](self)
        return result

    def slogdet(self) -> SlogdetResult:
        """Return the sign and the logarithm of the absolute determinant of each matrix."""
        result: SlogdetResult = FUNCTIONS["slogdet"](self)
        return result

    def cholesky(self, upper: bool = False) -> Tensor:
        """Return the triangular factor of each symmetric, positive definite matrix."""
        result: Tensor = FUNCTIONS["cholesky"](self, upper=upper)
        return result
