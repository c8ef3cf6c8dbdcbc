"""Matrix products of prescribed ranks, and of chains of matrices: beside `minigrad.matmul`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.arguments import check_items
from minigrad.errors import ShapeError
from minigrad.ops.axes import broadcast_shapes
from minigrad.ops.elementwise import add, mul
from minigrad.ops.linalg import matmul
from minigrad.ops.promotion import promote
from minigrad.ops.shape import transpose
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor

__all__ = ["addmm", "addmv", "baddbmm", "bmm", "mm", "multi_dot", "mv"]


def _product(name: str, a: Any, b: Any, ranks: tuple[int, int], expected: str) -> Tensor:
    """Multiply operands of given ranks whose lengths fit without broadcasting."""
    a, b = promote(as_tensor(a), as_tensor(b))
    inner = b.ndim - ranks[1] + (1 if ranks[1] == 3 else 0)  # the axis of b that is summed
    fits = (a.ndim, b.ndim) == ranks and a.shape[-1] == b.shape[inner]
    if not fits or (ranks == (3, 3) and a.shape[0] != b.shape[0]):
        raise ShapeError(f"{name}: expected shapes {expected}, got {a.shape} and {b.shape}")
    return matmul(a, b)


@public
def mm(a: Any, b: Any) -> Tensor:
    """Multiply two matrices, as `matmul`, which also takes vectors and stacks.

    Parameters
    ----------
    a : Tensor, shape (N, K)
    b : Tensor, shape (K, M)

    Returns
    -------
    Tensor, shape (N, M)

    Raises
    ------
    ShapeError
        If they have other shapes.
    """
    return _product("mm", a, b, (2, 2), "(N, K) and (K, M)")


@public
def mv(a: Any, b: Any) -> Tensor:
    """Multiply a matrix and a vector.

    Parameters
    ----------
    a : Tensor, shape (N, K)
    b : Tensor, shape (K,)

    Returns
    -------
    Tensor, shape (N,)

    Raises
    ------
    ShapeError
        If they have other shapes.
    """
    return _product("mv", a, b, (2, 1), "(N, K) and (K,)")


@public
def bmm(a: Any, b: Any) -> Tensor:
    """Multiply two stacks of matrices one by one, without broadcasting.

    Parameters
    ----------
    a : Tensor, shape (B, N, K)
    b : Tensor, shape (B, K, M)

    Returns
    -------
    Tensor, shape (B, N, M)

    Raises
    ------
    ShapeError
        If they have other shapes.
    """
    return _product("bmm", a, b, (3, 3), "(B, N, K) and (B, K, M)")


@public
def addmm(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return ``beta * x + alpha * (a @ b)`` of matrices.

    Parameters
    ----------
    x : Tensor, broadcasts to (N, M)
        Ignored, NaN included, if ``beta`` is 0.
    a : Tensor, shape (N, K)
    b : Tensor, shape (K, M)
    beta, alpha : int or float

    Returns
    -------
    Tensor, shape (N, M)

    Raises
    ------
    ShapeError
        If shapes do not fit.
    """
    return _weighted_sum("addmm", x, mm(a, b), beta, alpha)


@public
def addmv(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return ``beta * x + alpha * (a @ b)`` of a matrix and a vector; otherwise as `addmm`.

    Parameters
    ----------
    x : Tensor, broadcasts to (N,)
    a : Tensor, shape (N, K)
    b : Tensor, shape (K,)
    beta, alpha : int or float
    """
    return _weighted_sum("addmv", x, mv(a, b), beta, alpha)


@public
def baddbmm(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return ``beta * x + alpha * (a @ b)`` of stacks of matrices; otherwise as `addmm`.

    Parameters
    ----------
    x : Tensor, broadcasts to (B, N, M)
    a : Tensor, shape (B, N, K)
    b : Tensor, shape (B, K, M)
    beta, alpha : int or float
    """
    return _weighted_sum("baddbmm", x, bmm(a, b), beta, alpha)


def _weighted_sum(name: str, x: Any, product: Tensor, beta: float, alpha: float) -> Tensor:
    x = as_tensor(x)
    if broadcast_shapes(x.shape, product.shape) != product.shape:
        raise ShapeError(
            f"{name}: expected x to broadcast to the product's shape {product.shape}, got {x.shape}"
        )
    if alpha != 1:
        product = mul(product, alpha)
    if beta == 0:
        return product
    return add(x if beta == 1 else mul(x, beta), product)


@public
def multi_dot(tensors: Sequence[Any]) -> Tensor:
    """Multiply a chain of matrices, in the order that takes the fewest multiplications.

    Parameters
    ----------
    tensors : sequence of Tensor
        Two or more matrices of shapes that fit one after the other. The first and the last may
        be vectors: a row and a column.

    Returns
    -------
    Tensor
        Without an axis for each of the ends that is a vector.

    Raises
    ------
    ShapeError
        If there are fewer than two, their ranks are others, or they do not fit.

    References
    ----------
    .. [1] Cormen et al., Introduction to Algorithms, chapter 15.2: matrix-chain multiplication.
    """
    chain = [as_tensor(tensor) for tensor in check_items("multi_dot", "tensors", tensors)]
    shapes = ", ".join(str(tensor.shape) for tensor in chain)
    ranks = [tensor.ndim for tensor in chain]
    if len(chain) < 2 or any(r != 2 for r in ranks[1:-1]) or not {ranks[0], ranks[-1]} <= {1, 2}:
        raise ShapeError(
            "multi_dot: expected two matrices or more, of which the first and the last may be "
            f"vectors, got {f'shapes {shapes}' if chain else 'none'}"
        )
    if any(a.shape[-1] != b.shape[0] for a, b in pairwise(chain)):
        raise ShapeError(f"multi_dot: shapes {shapes} do not fit one after the other")
    sizes = [tensor.shape[0] for tensor in chain] + [chain[-1].shape[-1]]
    sizes[0] = 1 if ranks[0] == 1 else sizes[0]
    sizes[-1] = 1 if ranks[-1] == 1 else sizes[-1]
    splits = _best_splits(sizes)

    def multiply(first: int, last: int) -> Tensor:
        if first == last:
            return chain[first]
        split = splits[first, last]
        return matmul(multiply(first, split), multiply(split + 1, last))

    return multiply(0, len(chain) - 1)


def _best_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return after which matrix to split each part of a chain; matrix i is sizes[i : i + 2]."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            total, splits[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
            cost[i, j] = total
    return splits


@implements(np.linalg.multi_dot)
def _np_multi_dot(arrays: Sequence[Any]) -> Tensor:
    return multi_dot(arrays)


@implements(np.linalg.matmul)
def _np_linalg_matmul(x1: Any, x2: Any, /) -> Tensor:
    return matmul(x1, x2)


@implements(np.linalg.matrix_transpose)
def _np_linalg_matrix_transpose(x: Any, /) -> Tensor:
    return transpose(x, -2, -1)
