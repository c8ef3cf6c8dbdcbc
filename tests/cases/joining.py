"""Joining and splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops.index import Index
from minigrad.ops.joining import (
    Concatenate,
    cat,
    chunk,
    concatenate,
    flip,
    hstack,
    split,
    stack,
    unbind,
    vstack,
)
from minigrad.typing import Array
from tests.cases import BadInput, Case, normals


def together(function: Any) -> Any:
    """Return a function of a sequence as one of its elements."""

    def call(*parts: Any, **kwargs: Any) -> Any:
        return function(parts, **kwargs)

    call.__name__ = function.__name__
    return call


def second(function: Any) -> Any:
    """Return the second of the results, which starts inside the Tensor."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)[1]

    call.__name__ = function.__name__
    return call


def reference_cat(*parts: Array, dim: int = 0) -> Array:
    return np.concatenate(parts, axis=dim)


def reference_stack(*parts: Array, dim: int = 0) -> Array:
    return np.stack(parts, axis=dim)


X = np.ones((2, 3))

CASES = [
    Case(
        Concatenate,
        together(cat),
        normals((2, 2), (1, 2), (3, 2)),
        reference_cat,
        errors=[
            ((), ShapeError, "one Tensor or more, got none"),
            ((X, np.ones((2, 4))), ShapeError, r"agree but for dim 0, got \(2, 3\) and \(2, 4\)"),
            ((X, np.ones(3)), ShapeError, r"got \(2, 3\) and \(3,\)"),
            ((np.ones(()),), ShapeError, "rank 0 has no axes"),
            BadInput((X, X), ShapeError, "dim must be from -2 to 1", {"dim": 2}),
        ],
        empty=(np.ones((0, 2)), np.ones((0, 2))),
    ),
    Case(Concatenate, together(concatenate), normals((2, 1), (2, 2)), reference_cat, {"dim": -1}),
    Case(
        Concatenate,
        together(stack),
        normals((2, 3), (2, 3)),
        reference_stack,
        {"dim": -1},
        errors=[
            BadInput((X, X.T), ShapeError, r"agree, got \(2, 3\) and \(3, 2\)", {}),
            BadInput((), ShapeError, "one Tensor or more", {}),
            BadInput((X,), ShapeError, "dim must be from -3 to 2", {"dim": 3}),
        ],
    ),
    Case(Concatenate, together(vstack), normals((3,), (2, 3)), together(np.vstack)),
    Case(Concatenate, together(hstack), normals((3,), (2,)), together(np.hstack)),
    Case(Concatenate, together(hstack), normals((2, 1, 2), (2, 3, 2)), together(np.hstack)),
    Case(
        Index,
        second(split),
        lambda rng: (rng.normal(size=(5, 2)), 2),
        lambda x, size: x[2:4],
        errors=[
            ((X, 0), ShapeError, "must be positive, got 0"),
            ((X, (1, 2), 0), ShapeError, r"add up to 2, the length of dim 0, got \[1, 2\]"),
            ((X, (3, -1), 0), ShapeError, "add up to 2"),
            ((X, 1, 2), ShapeError, "split: dim must be"),
        ],
        id="equal parts",
    ),
    Case(
        Index,
        second(split),
        lambda rng: (rng.normal(size=(2, 5)), (1, 3, 1), 1),
        lambda x, sizes, dim: x[:, 1:4],
        id="lengths",
    ),
    Case(
        Index,
        second(chunk),
        lambda rng: (rng.normal(size=(5, 2)), 3),
        lambda x, chunks: x[2:4],
        errors=[((X, 0), ShapeError, "expected one part or more, got 0")],
    ),
    Case(
        Index,
        second(unbind),
        lambda rng: (rng.normal(size=(2, 3)), -1),
        lambda x, dim: x[:, 1],
        errors=[((X, 2), ShapeError, "unbind: dim must be")],
    ),
    Case(
        Index,
        flip,
        lambda rng: (rng.normal(size=(2, 3)), (0, -1)),
        np.flip,
        errors=[((X, (0, 0)), ShapeError, "names an axis twice")],
    ),
]
