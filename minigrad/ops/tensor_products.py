"""Products of vectors and arrays of any rank."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axes, normalize_axis
from minigrad.ops.einsum import contract
from minigrad.ops.elementwise import mul
from minigrad.ops.linalg import matmul
from minigrad.ops.promotion import promote
from minigrad.ops.reduce import sum as add_along
from minigrad.ops.shape import movedim, reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["cross", "inner", "kron", "tensordot", "vdot", "vecdot"]


def _pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two operands as Tensors of one dtype."""
    a, b = promote(as_tensor(a), as_tensor(b))
    return a, b


@public
def tensordot(a: Any, b: Any, dims: Any = 2) -> Tensor:
    """Multiply and sum over some axes of each operand.

    Parameters
    ----------
    a, b : Tensor
        Dtypes are promoted.
    dims : int or pair of sequences of int
        How many axes: the last of ``a`` with the first of ``b``, in order. Or which axes of
        ``a``, and with which of ``b`` they are paired.

    Returns
    -------
    Tensor
        The axes of ``a`` that are not summed, then those of ``b``.

    Raises
    ------
    ShapeError
        If paired axes differ in number or length, or do not exist.
    DTypeError
        If ``dims`` is not of integers.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.tensordot(mg.ones(2, 3, 4), mg.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    (2, 5)
    """
    a, b = _pair(a, b)
    axes_a, axes_b = _paired_axes(a, b, dims)
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in range(a.ndim)]
    right = [next(letters) for _ in range(b.ndim)]
    for i, j in zip(axes_a, axes_b, strict=True):
        right[j] = left[i]
    output = [c for c in left if c not in right] + [c for c in right if c not in left]
    return contract(a, b, "".join(left), "".join(right), "".join(output))


def _paired_axes(a: Tensor, b: Tensor, dims: Any) -> tuple[Shape, Shape]:
    """Return the axes that are summed, of each operand."""
    if isinstance(dims, (int, np.integer)):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: dims must be from 0 to {min(a.ndim, b.ndim)} for shapes {a.shape} and "
                f"{b.shape}, got {dims}"
            )
        axes_a: Shape = tuple(range(a.ndim - int(dims), a.ndim))
        axes_b: Shape = tuple(range(int(dims)))
    elif isinstance(dims, (tuple, list)) and len(dims) == 2:
        axes_a = normalize_axes("tensordot", dims[0], a.ndim) or ()
        axes_b = normalize_axes("tensordot", dims[1], b.ndim) or ()
    else:
        raise DTypeError(
            f"tensordot: dims must be an integer or a pair of sequences of integers, got {dims!r}"
        )
    lengths_a, lengths_b = [a.shape[i] for i in axes_a], [b.shape[j] for j in axes_b]
    if lengths_a != lengths_b:
        raise ShapeError(
            f"tensordot: axes {axes_a} of shape {a.shape} and {axes_b} of shape {b.shape} must "
            f"have equal lengths, got {lengths_a} and {lengths_b}"
        )
    return axes_a, axes_b


@implements(np.tensordot, np.linalg.tensordot)
def _np_tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    return tensordot(a, b, axes)


@public
@implements(np.inner)
def inner(a: Any, b: Any) -> Tensor:
    """Multiply and sum over the last axis of both operands.

    Parameters
    ----------
    a : Tensor, shape (*A, K)
    b : Tensor, shape (*B, K)
        One of rank 0 multiplies the other.

    Returns
    -------
    Tensor, shape (*A, *B)

    Raises
    ------
    ShapeError
        If the last axes differ in length.
    """
    a, b = _pair(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return mul(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(
            f"inner: expected last axes of equal length, got shapes {a.shape} and {b.shape}"
        )
    return tensordot(a, b, ([-1], [-1]))


@public
def vdot(a: Any, b: Any) -> Tensor:
    """Return the inner product of two vectors, as `dot`: there are no complex numbers here.

    Parameters
    ----------
    a, b : Tensor, shape (K,)

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ShapeError
        If they are not vectors of one length.
    """
    a, b = _pair(a, b)
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"vdot: expected two vectors of one length, got {a.shape} and {b.shape}")
    return matmul(a, b)


@implements(np.vdot)
def _np_vdot(a: Any, b: Any) -> Tensor:
    return vdot(reshape(a, -1), reshape(b, -1))


@public
def vecdot(a: Any, b: Any, *, dim: int = -1) -> Tensor:
    """Return the inner products of the vectors along an axis.

    Parameters
    ----------
    a, b : Tensor, shape (*, K, *)
        Of shapes that broadcast.
    dim : int
        The axis that is summed, of the shape that they broadcast to.

    Returns
    -------
    Tensor
        Without that axis.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast, or there is no such axis.
    """
    product = mul(*_pair(a, b))
    return add_along(product, normalize_axis("vecdot", dim, product.ndim))


@implements(np.vecdot, np.linalg.vecdot)
def _np_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    return vecdot(x1, x2, dim=axis)


@public
@implements(np.kron)
def kron(a: Any, b: Any) -> Tensor:
    """Return the Kronecker product: each element of ``a`` times all of ``b``.

    Parameters
    ----------
    a, b : Tensor
        The one with fewer axes gets axes of length one in front.

    Returns
    -------
    Tensor
        The length of each axis is the product of theirs.
    """
    a, b = _pair(a, b)
    ndim = max(a.ndim, b.ndim)
    lengths_a = (1,) * (ndim - a.ndim) + a.shape
    lengths_b = (1,) * (ndim - b.ndim) + b.shape
    # (A, B) and (C, D) as (A, 1, B, 1) and (1, C, 1, D)
    spread_a = reshape(a, [size for length in lengths_a for size in (length, 1)])
    spread_b = reshape(b, [size for length in lengths_b for size in (1, length)])
    product = [m * n for m, n in zip(lengths_a, lengths_b, strict=True)]
    return reshape(mul(spread_a, spread_b), product)


class Cross(Op):
    """``a x b`` along the last axis, of length 3: da = b x dy, db = dy x a."""

    saves = (0, 1)
    broadcasts = True
    bilinear = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.cross(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        return (
            apply(Cross, b, dy) if ctx.needs[0] else None,
            apply(Cross, dy, a) if ctx.needs[1] else None,
        )


@public
def cross(a: Any, b: Any, dim: int = -1) -> Tensor:
    """Return the vector products along an axis of length 3.

    Parameters
    ----------
    a, b : Tensor, shape (*, 3, *)
        Of shapes that broadcast, but for that axis.
    dim : int
        The axis of the vectors, of the shape that they broadcast to.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If that axis is not of length 3 in both, or the shapes do not broadcast.
    """
    a, b = _pair(a, b)
    shape = broadcast_shapes(a.shape, b.shape)
    if shape is None:
        raise ShapeError(f"cross: shapes {a.shape} and {b.shape} do not broadcast")
    axis = normalize_axis("cross", dim, len(shape)) - len(shape)  # from the end: that of both
    for operand in (a, b):
        if operand.ndim < -axis or operand.shape[axis] != 3:
            raise ShapeError(
                f"cross: expected length 3 at axis {axis} of both, got {a.shape} and {b.shape}"
            )
    return movedim(apply(Cross, movedim(a, axis, -1), movedim(b, axis, -1)), -1, axis)


@implements(np.cross)
def _np_cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = movedim(a, axisa, -1), movedim(b, axisb, -1)
    return movedim(cross(a, b), -1, axisc)


@implements(np.linalg.cross)
def _np_linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    return cross(x1, x2, axis)
