"""Trigonometric and hyperbolic functions, under NumPy's names and PyTorch's.

Every function of one operand takes a Tensor, array or scalar of any shape and returns a Tensor of
that shape; integers and booleans become float32. Outside of its domain, and where it overflows,
a function follows NumPy's error state (``numpy.errstate``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.ops.broadcasting import apply_broadcasting, promote_to_float
from minigrad.ops.elementwise import mul
from minigrad.ops.promotion import as_float
from minigrad.registry import implements, public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


class Sin(Op):
    """``sin(x)``: dx = dy * cos(x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.sin(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * np.cos(x),)


@public
@implements(np.sin)
def sin(x: Any) -> Tensor:
    """Return the sine of each element, in radians."""
    result: Tensor = apply(Sin, as_float(x))
    return result


class Cos(Op):
    """``cos(x)``: dx = -dy * sin(x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.cos(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (-dy * np.sin(x),)


@public
@implements(np.cos)
def cos(x: Any) -> Tensor:
    """Return the cosine of each element, in radians."""
    result: Tensor = apply(Cos, as_float(x))
    return result


class Tan(Op):
    """``tan(x)``: dx = dy * (1 + y**2)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.tan(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y * y + 1.0),)


@public
@implements(np.tan)
def tan(x: Any) -> Tensor:
    """Return the tangent of each element, in radians."""
    result: Tensor = apply(Tan, as_float(x))
    return result


class Arcsin(Op):
    """``arcsin(x)``: dx = dy / sqrt(1 - x**2)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arcsin(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / np.sqrt((1.0 - x) * (1.0 + x)),)


@public
@implements(np.arcsin)
def arcsin(x: Any) -> Tensor:
    """Return the angle in radians, in [-pi/2, pi/2], whose sine is each element."""
    result: Tensor = apply(Arcsin, as_float(x))
    return result


class Arccos(Op):
    """``arccos(x)``: dx = -dy / sqrt(1 - x**2)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arccos(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (-dy / np.sqrt((1.0 - x) * (1.0 + x)),)


@public
@implements(np.arccos)
def arccos(x: Any) -> Tensor:
    """Return the angle in radians, in [0, pi], whose cosine is each element."""
    result: Tensor = apply(Arccos, as_float(x))
    return result


class Arctan(Op):
    """``arctan(x)``: dx = dy / (1 + x**2)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arctan(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / (x * x + 1.0),)


@public
@implements(np.arctan)
def arctan(x: Any) -> Tensor:
    """Return the angle in radians, in (-pi/2, pi/2), whose tangent is each element."""
    result: Tensor = apply(Arctan, as_float(x))
    return result


class Sinh(Op):
    """``sinh(x)``: dx = dy * cosh(x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.sinh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * np.cosh(x),)


@public
@implements(np.sinh)
def sinh(x: Any) -> Tensor:
    """Return the hyperbolic sine of each element."""
    result: Tensor = apply(Sinh, as_float(x))
    return result


class Cosh(Op):
    """``cosh(x)``: dx = dy * sinh(x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.cosh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * np.sinh(x),)


@public
@implements(np.cosh)
def cosh(x: Any) -> Tensor:
    """Return the hyperbolic cosine of each element."""
    result: Tensor = apply(Cosh, as_float(x))
    return result


class Tanh(Op):
    """``tanh(x)``: dx = dy * (1 - y**2)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.tanh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (1.0 - y * y),)


@public
@implements(np.tanh)
def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent of each element."""
    result: Tensor = apply(Tanh, as_float(x))
    return result


class Arcsinh(Op):
    """``arcsinh(x)``: dx = dy / sqrt(x**2 + 1)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arcsinh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / np.hypot(x, 1.0),)


@public
@implements(np.arcsinh)
def arcsinh(x: Any) -> Tensor:
    """Return the inverse hyperbolic sine of each element."""
    result: Tensor = apply(Arcsinh, as_float(x))
    return result


class Arccosh(Op):
    """``arccosh(x)``: dx = dy / sqrt(x**2 - 1)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arccosh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / np.sqrt((x - 1.0) * (x + 1.0)),)


@public
@implements(np.arccosh)
def arccosh(x: Any) -> Tensor:
    """Return the inverse hyperbolic cosine of each element, at least 1."""
    result: Tensor = apply(Arccosh, as_float(x))
    return result


class Arctanh(Op):
    """``arctanh(x)``: dx = dy / (1 - x**2)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.arctanh(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy / ((1.0 - x) * (1.0 + x)),)


@public
@implements(np.arctanh)
def arctanh(x: Any) -> Tensor:
    """Return the inverse hyperbolic tangent of each element, between -1 and 1."""
    result: Tensor = apply(Arctanh, as_float(x))
    return result


class Hypot(Op):
    """``sqrt(a**2 + b**2)``: da = dy * a / y, db = dy * b / y; undefined where y is 0."""

    saves = (0, 1, "y")
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.hypot(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any, y: Any) -> tuple[Any, Any]:
        return (
            dy * (a / y) if ctx.needs[0] else None,
            dy * (b / y) if ctx.needs[1] else None,
        )


@public
@implements(np.hypot)
def hypot(a: Any, b: Any) -> Tensor:
    """Return ``sqrt(a**2 + b**2)`` without overflow in between.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor
        Its gradient is NaN where both operands are 0.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Hypot, *promote_to_float(a, b))


class Arctan2(Op):
    """The angle of the point (b, a): da = dy * b / r**2, db = -dy * a / r**2, r = hypot(a, b).

    At the origin, where there is no angle, both are 0, as in PyTorch.
    """

    saves = (0, 1)
    broadcasts = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return np.arctan2(a, b)

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        r = np.hypot(a, b)
        r = np.where(r == 0, 1.0, r)
        scaled = dy / r  # r**2 may overflow, or vanish
        return (
            scaled * (b / r) if ctx.needs[0] else None,
            -scaled * (a / r) if ctx.needs[1] else None,
        )


@public
@implements(np.arctan2)
def arctan2(a: Any, b: Any) -> Tensor:
    """Return the angle in radians, in [-pi, pi], between the first axis and the point (b, a).

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        The second and first coordinate, of shapes that broadcast.

    Returns
    -------
    Tensor
        Its gradient at the origin is 0.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return apply_broadcasting(Arctan2, *promote_to_float(a, b))


@public
@implements(np.deg2rad, np.radians)
def deg2rad(x: Any) -> Tensor:
    """Convert degrees to radians."""
    return mul(as_float(x), math.pi / 180.0)


@public
@implements(np.rad2deg, np.degrees)
def rad2deg(x: Any) -> Tensor:
    """Convert radians to degrees."""
    return mul(as_float(x), 180.0 / math.pi)


acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
