"""Copies that are recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["clone", "copy_of"]


class Clone(Op):
    """A copy of ``x``: dx = dy."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x.copy(order="K")

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy,)


@public
def clone(x: Any) -> Tensor:
    """Return a copy, in the same memory order, through which gradients flow."""
    result: Tensor = apply(Clone, as_tensor(x))
    return result


@implements(np.copy)
def _numpy_copy(a: Any, order: str = "K") -> Tensor:
    return clone(a)


class CopyOf(Op):
    """``source`` broadcast to a shape: dsource = dy, which the engine sums to its shape."""

    broadcasts = True
    view = True

    @staticmethod
    def forward(ctx: Node | None, source: Array, *, shape: Shape) -> Array:
        return np.broadcast_to(source, shape)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, shape: Shape) -> tuple[Any]:
        return (dy,)


@public
def copy_of(x: Any, source: Any) -> Tensor:
    """Return ``source``, converted to the dtype of ``x`` and broadcast to its shape.

    Parameters
    ----------
    x : Tensor
        Gives shape and dtype.
    source : Tensor, ndarray or scalar
        Of a shape that broadcasts to that of ``x``.

    Returns
    -------
    Tensor
        Read-only; it may share memory with ``source``.

    Raises
    ------
    ShapeError
        If ``source`` does not broadcast to the shape of ``x``.
    """
    x = as_tensor(x)
    source = as_tensor(source, x.dtype)
    try:
        result: Tensor = apply(CopyOf, source, shape=x.shape)
    except ValueError as error:
        raise ShapeError(
            f"copy: expected a source that broadcasts to shape {x.shape}, got {source.shape}"
        ) from error
    return result
