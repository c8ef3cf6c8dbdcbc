"""Other shapes for the same values."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.expansion import Broadcast, broadcast_to, expand
from minigrad.ops.shape import (
    Contiguous,
    Permute,
    Reshape,
    contiguous,
    flatten,
    movedim,
    permute,
    reshape,
    squeeze,
    swapaxes,
    transpose,
    unsqueeze,
)
from minigrad.typing import Array
from tests.cases import Case


def normal(*shape: int, then: tuple[Any, ...] = ()) -> Any:
    """Return a drawer of one array, and more arguments."""
    return lambda rng: (rng.normal(size=shape), *then)


def reference_flatten(x: Array, start: int = 0, end: int = -1) -> Array:
    start, end = start % x.ndim, end % x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def reference_expand(x: Array, sizes: tuple[int, ...]) -> Array:
    lead = len(sizes) - x.ndim
    kept = [x.shape[i - lead] if size == -1 else size for i, size in enumerate(sizes)]
    return np.broadcast_to(x, kept)


X = np.ones((2, 3))

CASES = [
    Case(
        Reshape,
        reshape,
        normal(2, 3, then=((3, 2),)),
        np.reshape,
        errors=[
            ((X, (4, 2)), ShapeError, r"\(2, 3\) has 6 elements.*do not fit \(4, 2\)"),
            ((X, (4, -1)), ShapeError, r"do not fit \(4, -1\)"),
            ((X, (-1, -1)), ShapeError, r"do not fit \(-1, -1\)"),
            ((X, (2.0, 3)), DTypeError, "shape of integers"),
        ],
        empty=(np.ones((0, 3)), (3, 0, 1)),
    ),
    Case(Reshape, reshape, normal(2, 3, then=((1, -1, 2),)), np.reshape, id="-1"),
    Case(Reshape, reshape, normal(2, 2, then=(-1,)), np.reshape, id="int"),
    Case(Reshape, reshape, normal(1, then=((),)), np.reshape, id="to rank 0"),
    Case(
        Reshape,
        flatten,
        normal(2, 1, 3),
        reference_flatten,
        id="flatten",
        errors=[
            ((X, 1, 0), ShapeError, "end_dim 0 comes before start_dim 1"),
            ((X, 2), ShapeError, "flatten: dim must be"),
        ],
    ),
    Case(Reshape, flatten, normal(2, 1, 3, then=(1, -1)), reference_flatten, id="flatten 1"),
    Case(Reshape, squeeze, normal(1, 3, 1), np.squeeze, id="squeeze"),
    Case(
        Reshape,
        squeeze,
        normal(1, 3, 1, then=((0, 1),)),
        lambda x, dim: x[0],
        id="squeeze some",
        errors=[((X, 2), ShapeError, "dim must be from -2 to 1")],
    ),
    Case(
        Reshape,
        unsqueeze,
        normal(2, 3, then=(-1,)),
        np.expand_dims,
        id="unsqueeze",
        errors=[((X, 3), ShapeError, "dim must be from -3 to 2")],
    ),
    Case(
        Permute,
        permute,
        normal(2, 3, 4, then=((2, 0, 1),)),
        np.transpose,
        errors=[
            ((X, (0, 0)), ShapeError, "names an axis twice"),
            ((X, (0,)), ShapeError, r"expected 2 axes for shape \(2, 3\)"),
            ((X, (0, 2)), ShapeError, "dim must be"),
        ],
    ),
    Case(Permute, permute, normal(2, 3, 2, then=(None,)), np.transpose, id="reversed"),
    Case(
        Permute,
        transpose,
        normal(2, 3, 2, then=(0, -1)),
        np.swapaxes,
        id="transpose",
        errors=[((X, 0, 2), ShapeError, "transpose: dim must be")],
    ),
    Case(Permute, swapaxes, normal(2, 3, then=(0, 1)), np.swapaxes, id="swapaxes"),
    Case(
        Permute,
        movedim,
        normal(2, 3, 4, then=((0, 1), (-1, 0))),
        np.moveaxis,
        id="movedim",
        errors=[
            ((X, (0, 1), 0), ShapeError, "2 axes cannot move to 1"),
            ((X, 2, 0), ShapeError, "movedim: dim must be"),
        ],
    ),
    Case(
        Broadcast,
        broadcast_to,
        normal(2, 1, then=((3, 2, 2),)),
        np.broadcast_to,
        errors=[
            ((X, (2, 4)), ShapeError, r"shape \(2, 3\) does not broadcast to \(2, 4\)"),
            ((X, (3,)), ShapeError, r"shape \(2, 3\) does not broadcast to \(3,\)"),
        ],
        empty=(np.ones((1, 3)), (0, 3)),
    ),
    Case(Broadcast, broadcast_to, normal(then=((2, 2),)), np.broadcast_to, id="rank 0"),
    Case(
        Broadcast,
        expand,
        normal(2, 1, then=((3, -1, 2),)),
        reference_expand,
        id="expand",
        errors=[
            ((X, (-1, 2, 3)), ShapeError, "-1 needs an axis"),
            ((X, (-1,)), ShapeError, "-1 needs an axis"),
            ((X, (2, 4)), ShapeError, r"expand: shape \(2, 3\) does not broadcast to \(2, 4\)"),
        ],
    ),
    Case(Contiguous, contiguous, lambda rng: (rng.normal(size=(3, 2)).T,), np.copy),
]
