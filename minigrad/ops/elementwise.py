"""Arithmetic: the elementwise ops behind Python's operators.

Operands are Tensors, arrays or scalars of any dtype; `minigrad.ops.promotion` says which dtype
the result has. Division by zero and overflow follow NumPy's error state (``numpy.errstate``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.ops.broadcasting import apply_broadcasting, promote_to_float
from minigrad.ops.promotion import promote
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = [
    "abs",
    "absolute",
    "add",
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "remainder",
    "sub",
    "subtract",
    "true_divide",
]


class Add(Op):
    """``a + b``: da = dy, db = dy."""

    broadcasts = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.add(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
        return dy, dy


@public
@implements(np.add)
def add(a: Any, b: Any) -> Tensor:
    """Add elementwise, with broadcasting.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Add, *promote(a, b))


class Sub(Op):
    """``a - b``: da = dy, db = -dy."""

    broadcasts = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
        return dy, -dy if ctx.needs[1] else None


@public
@implements(np.subtract)
def sub(a: Any, b: Any) -> Tensor:
    """Subtract ``b`` from ``a`` elementwise, with broadcasting.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If both are boolean.
    """
    return apply_broadcasting(Sub, *promote(a, b))


class Mul(Op):
    """``a * b``: da = dy * b, db = dy * a."""

    saves = (0, 1)
    broadcasts = True
    bilinear = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        return (dy * b if ctx.needs[0] else None, dy * a if ctx.needs[1] else None)


@public
@implements(np.multiply)
def mul(a: Any, b: Any) -> Tensor:
    """Multiply elementwise, with broadcasting.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Mul, *promote(a, b))


class Div(Op):
    """``a / b``: da = dy / b, db = -(dy / b) * (a / b)."""

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.divide(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        da = dy / b
        return da, -da * (a / b) if ctx.needs[1] else None


class DivScalar(Op):
    """``x / divisor``, which keeps nothing: dx = dy / divisor."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, divisor: float) -> Array:
        return np.divide(x, divisor)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, divisor: float) -> tuple[Any]:
        return (dy / divisor,)


@public
@implements(np.divide)
def div(a: Any, b: Any) -> Tensor:
    """Divide ``a`` by ``b`` elementwise, with broadcasting.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Floating: the quotient of integers is float32.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    a, b = promote_to_float(a, b)
    if not isinstance(b, Tensor):
        result: Tensor = apply(DivScalar, a, divisor=b)
        return result
    return apply_broadcasting(Div, a, b)


class FloorDivide(Op):
    """``floor(a / b)``: da = db = 0."""

    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.floor_divide(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
        return np.zeros_like(dy), np.zeros_like(dy)


@public
@implements(np.floor_divide)
def floor_divide(a: Any, b: Any) -> Tensor:
    """Divide elementwise and round towards minus infinity; the gradient is zero.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Of integers for integers.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(FloorDivide, *promote(a, b))


class Remainder(Op):
    """``a - b * floor(a / b)``: da = dy, db = -dy * floor(a / b)."""

    saves = (0, 1)
    broadcasts = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.remainder(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        return dy, -dy * np.floor_divide(a, b) if ctx.needs[1] else None


@public
@implements(np.remainder)
def remainder(a: Any, b: Any) -> Tensor:
    """Return the remainder of the division, of the sign of ``b``, as Python's ``%``.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Remainder, *promote(a, b))


class Fmod(Op):
    """``a - b * trunc(a / b)``: da = dy, db = -dy * trunc(a / b)."""

    saves = (0, 1)
    broadcasts = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.fmod(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        if not ctx.needs[1]:
            return dy, None
        # Not trunc(a / b): where the quotient rounds up to an integer, the remainder does not.
        return dy, -dy * np.round((a - np.fmod(a, b)) / b)


@public
@implements(np.fmod)
def fmod(a: Any, b: Any) -> Tensor:
    """Return the remainder of the division, of the sign of ``a``, as C's ``fmod``.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Fmod, *promote(a, b))


class Neg(Op):
    """``-x``: dx = -dy."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.negative(x)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (-dy,)


@public
@implements(np.negative)
def neg(x: Any) -> Tensor:
    """Return each element with the other sign; booleans are refused."""
    return apply_broadcasting(Neg, as_tensor(x))


@public
@implements(np.positive)
def positive(x: Any) -> Tensor:
    """Return ``x`` itself, as a Tensor."""
    return as_tensor(x)


class Abs(Op):
    """``|x|``: dx = dy * sign(x), so 0 at 0."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.abs(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * np.sign(x),)


@public
@implements(np.absolute, np.fabs)
def abs(x: Any) -> Tensor:  # noqa: A001 - PyTorch's name
    """Return the absolute value of each element; the gradient at 0 is 0."""
    result: Tensor = apply(Abs, as_tensor(x))
    return result


absolute = abs
divide = true_divide = div
multiply = mul
negative = neg
subtract = sub
