"""Broadcasting to a larger shape, without copying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_shape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = ["Broadcast", "broadcast_to", "expand"]


class Broadcast(Op):
    """``x`` repeated along axes of length one: dx = dy summed over them.

    The rule leaves the summing to the engine, which un-broadcasts the gradients of ops that
    broadcast: `Sum` and this op are each other's gradient.
    """

    view = True
    broadcasts = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, shape: Shape) -> Array:
        return np.broadcast_to(x, shape)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, shape: Shape) -> tuple[Any]:
        return (dy,)


@public
def broadcast_to(x: Any, shape: int | Sequence[int]) -> Tensor:
    """Return a read-only view broadcast to ``shape``, without copying.

    Parameters
    ----------
    x : Tensor, any shape
    shape : int or sequence of int
        Aligned at the last axis; where lengths differ, that of ``x`` is 1.

    Returns
    -------
    Tensor
        A view; its array cannot be written to, because elements share memory.

    Raises
    ------
    ShapeError
        If ``x`` does not broadcast to ``shape``.
    """
    x = as_tensor(x)
    return _broadcast("broadcast_to", x, normalize_shape("broadcast_to", shape))


def _broadcast(name: str, x: Tensor, shape: Shape) -> Tensor:
    try:
        result: Tensor = apply(Broadcast, x, shape=shape)
    except ValueError:
        raise ShapeError(f"{name}: shape {x.shape} does not broadcast to {shape}") from None
    return result


@implements(np.broadcast_to)
def _np_broadcast_to(array: Any, shape: int | Sequence[int]) -> Tensor:
    return broadcast_to(array, shape)


@public
def expand(x: Any, sizes: Sequence[int]) -> Tensor:
    """Return a read-only view broadcast to ``sizes``, where -1 keeps a length.

    Parameters
    ----------
    x : Tensor, any shape
    sizes : sequence of int
        Aligned at the last axis.

    Returns
    -------
    Tensor
        A view; its array cannot be written to.

    Raises
    ------
    ShapeError
        If ``x`` does not broadcast to ``sizes``, or -1 stands for an axis that it does not have.
    """
    x = as_tensor(x)
    lengths = normalize_shape("expand", sizes)
    lead = len(lengths) - x.ndim
    if -1 in lengths:
        if lead < 0 or -1 in lengths[:lead]:
            raise ShapeError(f"expand: -1 needs an axis of shape {x.shape} to keep, got {lengths}")
        kept = (1,) * lead + x.shape
        lengths = tuple([old if new == -1 else new for old, new in zip(kept, lengths, strict=True)])
    return _broadcast("expand", x, lengths)
