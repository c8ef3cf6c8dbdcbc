"""Arithmetic: the elementwise ops behind Python's operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.ops.promotion import as_float, promote
from minigrad.registry import implements, public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["add", "exp", "mul"]


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
    result: Tensor = apply(Add, *promote(a, b))
    return result


class Mul(Op):
    """``a * b``: da = dy * b, db = dy * a."""

    saves = (0, 1)
    broadcasts = True
    bilinear = True

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
    result: Tensor = apply(Mul, *promote(a, b))
    return result


class Exp(Op):
    """``exp(x)``: dx = dy * y."""

    saves = ("y",)

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.exp(x)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * y,)


@public
@implements(np.exp)
def exp(x: Any) -> Tensor:
    """Return e to the power of each element."""
    result: Tensor = apply(Exp, as_float(x))
    return result
