"""Cutting at given places, and stacking along axes that are lacking."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops.index import Index
from minigrad.ops.joining import Concatenate
from tests.cases import BadInput, Case, drawn


def second(function: Any) -> Any:
    """Return the second of the results, which starts inside the Tensor."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)[1]

    call.__name__ = function.__name__
    return call


def together(function: Any) -> Any:
    """Return a function of a sequence as one of its elements."""

    def call(*parts: Any) -> Any:
        return function(parts)

    call.__name__ = function.__name__
    return call


X = np.ones((2, 3))

CASES = [
    *(
        Case(
            Index,
            second(mg.tensor_split),
            drawn((5, 4), *arguments),
            second(np.array_split),
            id=f"tensor_split {arguments}",
            errors=[
                BadInput((X, 0), ShapeError, "expected one part or more, got 0"),
                BadInput((X, 2, 2), ShapeError, "tensor_split: dim must be"),
            ],
        )
        for arguments in ((3,), (2, 1), ([1, 3],), ([1, 9, 2], -1), (7,))
    ),
    *(
        Case(
            Index,
            second(function),
            drawn(shape, parts),
            second(reference),
            id=f"{function.__name__} {shape} {parts}",
            errors=errors,
        )
        for function, reference, shape, parts, errors in (
            (
                mg.hsplit,
                np.hsplit,
                (2, 4),
                2,
                [
                    ((X, 2), ShapeError, "2 equal parts cannot make up dim 1 of length 3"),
                    ((X, 0), ShapeError, "0 equal parts"),
                    ((np.ones(()), 1), ShapeError, r"1 axes or more, got shape \(\)"),
                ],
            ),
            (mg.hsplit, np.hsplit, (4,), [1, 3], ()),
            (
                mg.vsplit,
                np.vsplit,
                (4, 2),
                2,
                [((np.ones(2), 1), ShapeError, r"2 axes or more, got shape \(2,\)")],
            ),
            (
                mg.dsplit,
                np.dsplit,
                (2, 1, 4),
                [1],
                [((X, 1), ShapeError, r"3 axes or more, got shape \(2, 3\)")],
            ),
        )
    ),
    Case(
        Concatenate,
        together(mg.dstack),
        lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 2))),
        together(np.dstack),
        errors=[
            ((), ShapeError, "one Tensor or more"),
            ((X, X[0]), ShapeError, "agree but for dim 2"),
        ],
    ),
    Case(
        Concatenate,
        together(mg.column_stack),
        lambda rng: (rng.normal(size=2), rng.normal(size=(2, 3))),
        together(np.column_stack),
        errors=[((X, X[0]), ShapeError, "agree but for dim 1")],
    ),
]
