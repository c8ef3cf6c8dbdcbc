"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.promotion import cast, result_type
from minigrad.ops.shape import reshape
from minigrad.registry import FUNCTIONS, implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["Linear", "MatMul", "dot", "linear", "matmul"]


class MatMul(Op):
    """``a b`` of matrices, or stacks of them that broadcast: da = dy b^T, db = a^T dy."""

    saves = (0, 1)
    broadcasts = True
    bilinear = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Any:
        return np.matmul(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        da = np.matmul(dy, np.swapaxes(b, -2, -1)) if ctx.needs[0] else None
        db = np.matmul(np.swapaxes(a, -2, -1), dy) if ctx.needs[1] else None
        return da, db


@public
@implements(np.matmul)
def matmul(a: Any, b: Any) -> Tensor:
    """Multiply matrices, vectors, or stacks of matrices.

    Parameters
    ----------
    a : Tensor, shape (K,) or (*, N, K)
    b : Tensor, shape (K,) or (*, K, M)
        The axes before the last two broadcast. Dtypes are promoted.

    Returns
    -------
    Tensor, shape (*, N, M)
        Without the axis N if ``a`` is a vector, without M if ``b`` is.

    Raises
    ------
    ShapeError
        If the lengths K differ, the other axes do not broadcast, or an operand has no axes.
    """
    a, b = as_tensor(a), as_tensor(b)
    if a.array.dtype != b.array.dtype:
        dtype = result_type(a, b)
        a, b = cast(a, dtype), cast(b, dtype)
    if a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[0]:
        result: Tensor = apply(MatMul, a, b)
        return result
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-min(b.ndim, 2)]:
        raise _do_not_multiply(a, b)
    return _matmul_general(a, b)


def _matmul_general(a: Tensor, b: Tensor) -> Tensor:
    """Multiply vectors and stacks: as matrices, in shapes that are restored afterwards."""
    rows, columns = a.shape[:-1][-1:], b.shape[1:][-1:] if b.ndim > 1 else ()
    stack_a, stack_b = a.shape[:-2], b.shape[:-2]
    if a.ndim == 1:
        a = reshape(a, (1, -1))  # (K,) -> (1, K)
    if b.ndim == 1:
        b = reshape(b, (-1, 1))  # (K,) -> (K, 1)
    if b.ndim == 2:
        # One product instead of a stack of them, and of its gradient: (*, N, K) -> (*N, K).
        result: Tensor = apply(MatMul, reshape(a, _as_rows(a.shape)), b)
        return reshape(result, (*stack_a, *rows, *columns))
    try:
        stack = np.broadcast_shapes(stack_a, stack_b)
    except ValueError:
        raise _do_not_multiply(a, b) from None
    return reshape(apply(MatMul, a, b), (*stack, *rows, *columns))


def _as_rows(shape: Shape) -> Shape:
    """Return the shape (M, K) of (*, K) as one matrix. A length of -1 fails where K is 0."""
    return (math.prod(shape[:-1]), shape[-1])


def _do_not_multiply(a: Tensor, b: Tensor) -> ShapeError:
    return ShapeError(
        f"matmul: expected shapes (*, N, K) and (*, K, M), got {a.shape} and {b.shape}"
    )


@public
def dot(a: Any, b: Any) -> Tensor:
    """Return the inner product of two vectors.

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
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"dot: expected two vectors of one length, got {a.shape} and {b.shape}")
    return matmul(a, b)


@implements(np.dot)
def _np_dot(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        product: Tensor = FUNCTIONS["mul"](a, b)
        return product
    if b.ndim > 2:
        raise ShapeError(
            f"numpy.dot on Tensors: expected a second operand of one or two axes, got {b.shape}; "
            "numpy.matmul multiplies stacks of matrices"
        )
    return matmul(a, b)


class Linear(Op):
    """``x W^T + b`` of rows x: dx = dy W, dW = dy^T x, db = the sum of dy over rows."""

    saves = (0, 1)
    bilinear = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, weight: Array, bias: Array | None) -> Array:
        # One product of matrices: NumPy would multiply a stack one by one.
        y = np.matmul(_rows(x), weight.T)
        if bias is not None:
            y += bias
        return y if x.ndim == 2 else np.reshape(y, (*x.shape[:-1], weight.shape[0]))

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
        dx = dweight = dbias = None
        rows = _rows(dy)
        if ctx.needs[0]:
            dx = np.matmul(rows, weight)
            if dy.ndim != 2:
                dx = np.reshape(dx, ctx.shape_of(0))
        if ctx.needs[1]:
            dweight = np.matmul(np.swapaxes(rows, 0, 1), _rows(x))
        if ctx.needs[2]:
            dbias = np.sum(rows, axis=0)
        return dx, dweight, dbias


def _rows(x: Any) -> Any:
    """Return (*, K) as one matrix (M, K)."""
    return x if x.ndim == 2 else np.reshape(x, _as_rows(x.shape))


@public
def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """Multiply the last axis by a matrix and add a vector: ``x W^T + b``.

    Parameters
    ----------
    x : Tensor, shape (*, in_features), floating
    weight : Tensor, shape (out_features, in_features), dtype of ``x``
    bias : Tensor, shape (out_features,), dtype of ``x``, optional

    Returns
    -------
    Tensor, shape (*, out_features)

    Raises
    ------
    ShapeError
        If shapes do not fit.
    DTypeError
        If dtypes differ or are not floating.
    """
    x, weight = as_tensor(x), as_tensor(weight)
    bias = None if bias is None else as_tensor(bias)
    if weight.ndim != 2:
        raise ShapeError(
            f"linear: weight must have shape (out_features, in_features), got {weight.shape}"
        )
    out_features, in_features = weight.shape
    if x.ndim == 0 or x.shape[-1] != in_features:
        raise ShapeError(
            f"linear: expected in_features = {in_features} as the last axis of x, got shape "
            f"{x.shape}"
        )
    if bias is not None and bias.shape != (out_features,):
        raise ShapeError(f"linear: bias must have shape ({out_features},), got {bias.shape}")
    dtype = x.array.dtype
    if (
        dtype.kind != "f"
        or weight.array.dtype != dtype
        or (bias is not None and bias.array.dtype != dtype)
    ):
        got = [str(t.dtype) for t in (x, weight, bias) if t is not None]
        raise DTypeError(
            f"linear: x, weight and bias must have one floating dtype, got {', '.join(got)}; "
            "convert with .to(dtype)"
        )
    result: Tensor = apply(Linear, x, weight, bias)
    return result
