"""Repetition and rolling."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.index import Index
from minigrad.ops.repetition import Roll, Tile
from tests.cases import BadInput, Case, drawn

X = np.ones((2, 3))

CASES = [
    *(
        Case(
            Tile,
            mg.tile,
            drawn(shape, dims),
            np.tile,
            id=f"{shape} {dims}",
            errors=[
                ((X, (2, -1)), ShapeError, r"0 or more for each axis, got \(2, -1\)"),
                ((X, 1.5), DTypeError, "expected a shape of integers"),
            ],
            empty=(np.ones((2, 0)), (2, 1)),
        )
        for shape, dims in (((2, 3), 2), ((2, 3), (2, 1)), ((2,), (3, 2)), ((), (2,)), ((2,), ()))
    ),
    Case(
        Tile,
        mg.repeat,
        drawn((2, 2), (2, 1, 2)),
        np.tile,
        id="repeat",
        errors=[((X, (2,)), ShapeError, r"each of the 2 axes of shape \(2, 3\), got \(2,\)")],
    ),
    Case(
        Tile,
        mg.repeat,
        drawn((2,), (0, 2)),
        np.tile,
        id="no copies",
    ),
    *(
        Case(
            Index,
            mg.repeat_interleave,
            drawn((2, 3), repeats, dim),
            np.repeat,
            id=f"repeat_interleave {repeats} {dim}",
            errors=[
                BadInput((X, -1), ShapeError, "must be 0 or more, got -1"),
                BadInput((X, 1.5), DTypeError, "must be integer, got float"),
                BadInput((X, np.array([1, 2]), 1), ShapeError, "each of the 3 slices of dim 1"),
                BadInput((X, 1, 2), ShapeError, "dim must be"),
            ],
            empty=(np.ones((0, 2)), 2, 1),
        )
        for repeats, dim in ((2, None), (np.array([0, 3, 1]), 1), (np.array([2]), -2))
    ),
    *(
        Case(
            Roll,
            mg.roll,
            drawn((2, 3), shifts, dims),
            np.roll,
            id=f"{shifts} {dims}",
            errors=[
                ((X, (1, 2)), ShapeError, "2 shifts need as many axes"),
                ((X, (1, 2), 0), ShapeError, r"as many shifts as dims, got \(1, 2\) and \(0,\)"),
                ((X, 1, 2), ShapeError, "dim must be"),
                ((X, 1.5, 1), DTypeError, "integers"),
            ],
            empty=(np.ones((0, 2)), 1, 0),
        )
        for shifts, dims in ((4, None), (1, 0), (-4, 1), ((1, -1), (0, 1)), ((1, 1), (1, 1)))
    ),
    Case(Roll, mg.roll, drawn((), 1), np.roll, id="rank 0"),
    Case(
        Roll,
        lambda x: np.roll(x, 1, (0, 1)),
        drawn((2, 3)),
        lambda x: np.roll(x, 1, (0, 1)),
        id="numpy's one shift",
    ),
]
