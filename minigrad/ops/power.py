"""Powers, roots and reciprocals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.ops.broadcasting import apply_broadcasting
from minigrad.ops.promotion import as_float, cast, promote
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = ["cbrt", "pow", "reciprocal", "rsqrt", "sqrt", "square"]


class Pow(Op):
    """``a ** b``: da = dy * b * a ** (b - 1), db = dy * y * log(a).

    Where ``b`` is 0, the function is 1 for every ``a``, NaN included, so da = 0. Where ``a`` is 0
    and ``b`` is not negative, db = 0, the limit for positive ``b``. Below 0 a power is defined at
    single exponents only, so db is NaN. These are PyTorch's conventions.
    """

    saves = (0, 1, "y")
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.power(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any, y: Any) -> tuple[Any, Any]:
        da = db = None
        if ctx.needs[0]:
            # b * a ** (b - 1) would be 0 * inf or 0 * NaN there: subnormal numbers, too, have no
            # finite reciprocal.
            smallest = float(np.finfo(a.dtype).tiny)
            undefined = np.logical_and(b == 0, np.logical_not(np.abs(a) >= smallest))
            da = dy * (b * np.where(undefined, 1.0, a) ** (b - 1.0))
        if ctx.needs[1]:
            at_zero = np.logical_and(a == 0, b >= 0)
            base = np.where(at_zero, 1.0, np.where(a < 0, math.nan, a))
            db = dy * (y * np.log(base))
        return da, db


class PowScalar(Op):
    """``x ** exponent``: dx = dy * exponent * x ** (exponent - 1), and 0 for exponent 0."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, exponent: float) -> Array:
        if exponent == 3:
            return x * x * x  # a general power takes far longer; ** itself knows -1, 0.5 and 2
        return x**exponent

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, exponent: float) -> tuple[Any]:
        if exponent == 0:
            return (np.zeros_like(x),)
        return (dy * (exponent * apply(PowScalar, x, exponent=exponent - 1)),)


class PowOfNumber(Op):
    """``base ** x`` for a Python number above 0: dx = dy * y * log(base).

    The logarithm is that of the number, not of what is left of it in float32: next to 1 that has
    lost most of its digits.
    """

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, base: float) -> Array:
        return np.power(base, x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any, *, base: float) -> tuple[Any]:
        return (dy * (y * math.log(base)),)


@public
@implements(np.power)
def pow(a: Any, b: Any) -> Tensor:  # noqa: A001 - PyTorch's name
    """Raise ``a`` to the power ``b`` elementwise, with broadcasting.

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
    ValueError
        If an integer is raised to a negative integer.

    Notes
    -----
    The gradient for ``a`` is 0 where ``b`` is 0. The gradient for ``b`` is 0 where ``a`` is 0 and
    ``b`` is not negative, and NaN where ``a`` is negative.
    """
    a, b = promote(a, b)
    if not isinstance(b, Tensor):
        result: Tensor = apply(PowScalar, a, exponent=b)
        return result
    if not isinstance(a, Tensor):
        if a > 0 and b.array.dtype.kind == "f":
            of_number: Tensor = apply(PowOfNumber, b, base=a)
            return of_number
        a = as_tensor(a, b.dtype)
    return apply_broadcasting(Pow, a, b)


class Square(Op):
    """``x * x``: dx = dy * 2 x."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.square(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * (x * 2.0),)


@public
@implements(np.square)
def square(x: Any) -> Tensor:
    """Return the square of each element; booleans become int64."""
    tensor = as_tensor(x)
    if tensor.array.dtype.kind == "b":  # whose square is int8 to NumPy, and int64 to `pow`
        tensor = cast(tensor, np.int64)
    result: Tensor = apply(Square, tensor)
    return result


class Sqrt(Op):
    """``sqrt(x)``: dx = dy / (2 y), so infinite at 0."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.sqrt(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy / (y * 2.0),)


@public
@implements(np.sqrt)
def sqrt(x: Any) -> Tensor:
    """Return the square root of each element; the gradient at 0 is infinite."""
    result: Tensor = apply(Sqrt, as_float(x))
    return result


class Rsqrt(Op):
    """``1 / sqrt(x)``: dx = -dy * y**3 / 2."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.reciprocal(np.sqrt(x))

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y * y * y * -0.5),)


@public
def rsqrt(x: Any) -> Tensor:
    """Return the reciprocal of the square root of each element."""
    result: Tensor = apply(Rsqrt, as_float(x))
    return result


class Cbrt(Op):
    """The cube root: dx = dy / (3 y**2), so infinite at 0."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.cbrt(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy / (y * y * 3.0),)


@public
@implements(np.cbrt)
def cbrt(x: Any) -> Tensor:
    """Return the cube root of each element, negative for negative ones."""
    result: Tensor = apply(Cbrt, as_float(x))
    return result


class Reciprocal(Op):
    """``1 / x``: dx = -dy * y**2."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.reciprocal(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (-dy * (y * y),)


@public
@implements(np.reciprocal)
def reciprocal(x: Any) -> Tensor:
    """Return one divided by each element."""
    result: Tensor = apply(Reciprocal, as_float(x))
    return result
