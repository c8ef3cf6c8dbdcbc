"""Products of elements, and of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axes
from minigrad.ops.cumulative import exclusive_cumprod
from minigrad.ops.reduce import _with_reduced_axes
from minigrad.ops.shape import reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, Axis, DTypeLike, Shape

__all__ = ["Prod", "outer", "prod"]

# What `numpy.prod` calls; NumPy's types lack a keepdims that is a variable.
_multiply_along: Any = np.multiply.reduce


class Prod(Op):
    """``x_0 x_1 ... x_n``: dx_j = dy (x_0 ... x_{j-1}) (x_{j+1} ... x_n).

    Products from both ends, not the product of all divided by x_j, which zeros would forbid.
    """

    saves = (0,)

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        return _multiply_along(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, dim: Shape | None, keepdim: bool) -> tuple[Any]:
        axes = range(x.ndim) if dim is None else dim
        order = (*[axis for axis in range(x.ndim) if axis not in axes], *axes)
        kept = len(order) - len(axes)
        last = np.transpose(x, order)  # the reduced axes last, then as one
        lengths = last.shape[:kept]
        rows = np.reshape(last, (*lengths, math.prod(last.shape[kept:])))
        before = exclusive_cumprod(rows, kept)
        after = np.flip(exclusive_cumprod(np.flip(rows, axis=kept), kept), axis=kept)
        others = np.reshape(before * after, last.shape)
        inverse = tuple(sorted(range(x.ndim), key=order.__getitem__))
        return (_with_reduced_axes(dy, x.shape, dim) * np.transpose(others, inverse),)


@public
def prod(x: Any, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
    """Multiply the elements along axes.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.
    dtype : dtype, optional
        Convert to it first.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; int64 for integers and booleans. The product of nothing is 1. The
        gradient is right where elements are zero, at every order.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> mg.prod(x).backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    x = as_tensor(x, dtype)
    axes = normalize_axes("prod", dim, x.ndim)
    if x.dtype.kind != "f":
        return _wrap(np.asarray(_multiply_along(x.array, axes, np.int64, keepdims=bool(keepdim))))
    result: Tensor = apply(Prod, x, dim=axes, keepdim=bool(keepdim))
    return result


@implements(np.prod)
def _np_prod(a: Any, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False) -> Tensor:
    return prod(a, axis, keepdims, dtype=dtype)


@public
def outer(a: Any, b: Any) -> Tensor:
    """Return the matrix of the products of each element of ``a`` and each of ``b``.

    Parameters
    ----------
    a : Tensor, shape (N,)
    b : Tensor, shape (M,)

    Returns
    -------
    Tensor, shape (N, M)

    Raises
    ------
    ShapeError
        If an operand is not a vector; `numpy.outer` flattens them.
    """
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"outer: expected two vectors, got shapes {a.shape} and {b.shape}; flatten() them "
            "first, or use a[..., None] * b for stacks"
        )
    return _np_outer(a, b)


@implements(np.outer)
def _np_outer(a: Any, b: Any) -> Tensor:
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))
