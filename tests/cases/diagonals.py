"""Diagonals and triangles."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops.diagonals import Diagonal, DiagonalEmbed
from minigrad.ops.selection import Where
from minigrad.typing import Array
from tests.cases import BadInput, Case, drawn


def reference_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    stack = np.zeros((*x.shape[:-1], *[x.shape[-1] + abs(offset)] * 2))
    for place in np.ndindex(x.shape[:-1]):
        stack[place] = np.diag(x[place], offset)
    return np.moveaxis(stack, (-2, -1), (dim1, dim2))


X = np.ones((2, 3))

CASES = [
    Case(
        Diagonal,
        mg.diagonal,
        drawn((3, 3)),
        np.diagonal,
        errors=[
            BadInput((np.ones(3),), ShapeError, "dim must be", {}),
            BadInput((X, 0, 1, -1), ShapeError, "must differ, got 1 and -1", {}),
        ],
        empty=(np.ones((0, 2)),),
    ),
    *(
        Case(Diagonal, mg.diagonal, drawn(shape, *arguments), np.diagonal, id=f"{arguments}")
        for shape, arguments in (
            ((2, 3), (1,)),
            ((3, 2), (-1,)),
            ((2, 3), (5,)),
            ((2, 3, 2), (0, 2, 0)),
            ((2, 3, 2), (-1, -2, -1)),
        )
    ),
    *(
        Case(
            DiagonalEmbed,
            mg.diag_embed,
            drawn(shape, *arguments),
            reference_embed,
            id=f"{shape} {arguments}",
            errors=[
                ((np.ones(()),), ShapeError, "one axis or more, got a Tensor of rank 0"),
                ((X, 0, 1, 1), ShapeError, "must differ, got 1 and 1"),
                ((X, 0, 0, 3), ShapeError, "dim must be from -3 to 2"),
            ],
            empty=(np.ones((2, 0)),),
        )
        for shape, arguments in (
            ((3,), ()),
            ((2, 2), (1,)),
            ((2, 2), (-2, 0, -1)),
            ((2, 3), (0, -1, 0)),
        )
    ),
    Case(
        Diagonal,
        mg.diag,
        drawn((2, 3)),
        np.diag,
        errors=[BadInput((np.ones((2, 2, 2)),), ShapeError, "a vector or a matrix, got", {})],
    ),
    Case(Diagonal, mg.diag, drawn((2, 3), -1), np.diag, id="diag below"),
    Case(DiagonalEmbed, mg.diag, drawn((2,), 1), np.diag, id="diag of a vector"),
    Case(DiagonalEmbed, mg.diagflat, drawn((2, 2), -1), np.diagflat, id="flat"),
    Case(
        Diagonal,
        mg.trace,
        drawn((2, 3)),
        np.trace,
        id="trace",
        errors=[((np.ones(2),), ShapeError, r"expected a matrix, got shape \(2,\)")],
        empty=(np.ones((0, 3)),),
    ),
    Case(
        Diagonal,
        lambda x: np.trace(x, 1, 2, 0),
        drawn((2, 3, 2)),
        lambda x: np.trace(x, 1, 2, 0),
        id="numpy's trace",
    ),
    *(
        Case(
            Where,
            function,
            drawn(shape, k),
            reference,
            id=f"{shape} {k}",
            errors=[((np.ones(3),), ShapeError, r"stack of them, got shape \(3,\)")],
            empty=(np.ones((0, 2)),),
        )
        for function, reference in ((mg.tril, np.tril), (mg.triu, np.triu))
        for shape, k in (((2, 3), 0), ((3, 2), -1), ((2, 2, 3), 1), ((2, 2), 5))
    ),
]
