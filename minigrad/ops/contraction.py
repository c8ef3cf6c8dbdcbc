"""Sums of products of two arrays whose axes are named by letters."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.typing import Array, Shape

__all__ = ["Contract", "PutDiagonal", "TakeDiagonal"]


class Contract(Op):
    """``y = sum a b`` over every letter that ``output`` lacks: da = sum dy b, db = sum a dy.

    Each letter names one axis of two or three of a, b and y. That is as true of the sums that
    are the gradients, so the op is its own gradient, at any order.
    """

    saves = (0, 1)
    bilinear = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array, *, left: str, right: str, output: str) -> Any:
        layout = _layout(left, right, output)
        if not layout.summed:
            return np.multiply(_aligned(a, left, output), _aligned(b, right, output))
        if layout.batch and not layout.rows and not layout.columns:  # a stack of inner products
            return np.einsum(f"{left},{right}->{output}", a, b)
        # Else a matrix product, or a stack of them, whose axes are groups of ours.
        a, b = np.transpose(a, layout.order_a), np.transpose(b, layout.order_b)
        stack, rows = a.shape[: layout.batch], a.shape[layout.batch : -layout.summed]
        summed, columns = a.shape[-layout.summed :], b.shape[layout.batch + layout.summed :]
        k = math.prod(summed)
        product = np.matmul(
            np.reshape(a, (*stack, math.prod(rows), k)),
            np.reshape(b, (*stack, k, math.prod(columns))),
        )
        return np.transpose(np.reshape(product, (*stack, *rows, *columns)), layout.order_y)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, a: Any, b: Any, *, left: str, right: str, output: str
    ) -> tuple[Any, Any]:
        da = db = None
        if ctx.needs[0]:
            da = apply(Contract, dy, b, left=output, right=right, output=left)
        if ctx.needs[1]:
            db = apply(Contract, a, dy, left=left, right=output, output=right)
        return da, db


class _Layout(NamedTuple):
    """How many axes each group of a contraction has, and the order that puts them together."""

    batch: int
    rows: int
    columns: int
    summed: int
    order_a: Shape
    order_b: Shape
    order_y: Shape


@functools.lru_cache(maxsize=512)
def _layout(left: str, right: str, output: str) -> _Layout:
    batch = [letter for letter in output if letter in left and letter in right]
    summed = [letter for letter in left if letter in right and letter not in output]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]
    made = [*batch, *rows, *columns]
    return _Layout(
        len(batch),
        len(rows),
        len(columns),
        len(summed),
        tuple([left.index(letter) for letter in [*batch, *rows, *summed]]),
        tuple([right.index(letter) for letter in [*batch, *summed, *columns]]),
        tuple([made.index(letter) for letter in output]),
    )


def _aligned(x: Array, letters: str, output: str) -> Array:
    """Return a view whose axes are those of ``output``, of length one where ``x`` has none."""
    x = np.transpose(x, [letters.index(letter) for letter in output if letter in letters])
    lengths = iter(x.shape)
    return np.reshape(x, [next(lengths) if letter in letters else 1 for letter in output])


class TakeDiagonal(Op):
    """The elements of ``x`` at which all axes of one letter have one index: dx = dy there, else 0.

    ``letters`` names the axes of x, some of them alike; ``output`` those of y, all different.
    """

    view = True
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, letters: str, output: str) -> Any:
        return np.einsum(f"{letters}->{output}", x)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, letters: str, output: str) -> tuple[Any]:
        shape = ctx.shape_of(0)
        return (apply(PutDiagonal, dy, letters=letters, output=output, shape=shape),)


class PutDiagonal(Op):
    """Zeros of ``shape`` with ``x`` on the diagonal that `TakeDiagonal` reads: dx = that of dy."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, letters: str, output: str, shape: Shape) -> Array:
        y = np.zeros(shape, x.dtype)
        np.einsum(f"{letters}->{output}", y)[...] = x  # a view into y
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, *, letters: str, output: str, shape: Shape) -> tuple[Any]:
        return (apply(TakeDiagonal, dy, letters=letters, output=output),)
