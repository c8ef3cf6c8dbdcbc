"""Other ways to see the same values."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.expansion import Broadcast
from minigrad.ops.index import Index
from minigrad.ops.shape import Permute, Reshape
from tests.cases import BadInput, Case, drawn, normals


def second(function: Any) -> Any:
    """Return the second of the results."""

    def call(*arguments: Any, **kwargs: Any) -> Any:
        return function(*arguments, **kwargs)[1]

    call.__name__ = function.__name__
    return call


X = np.ones((2, 3))

CASES = [
    Case(Reshape, mg.ravel, normals((2, 3)), np.ravel, empty=(np.ones((2, 0)),)),
    Case(Reshape, mg.ravel, normals(()), np.ravel, id="rank 0"),
    *(
        Case(
            Reshape,
            mg.unflatten,
            drawn((2, 6), dim, sizes),
            lambda x, dim, sizes, shape=shape: x.reshape(shape),
            id=f"unflatten {dim} {sizes}",
            errors=[
                ((X, 1, (2, 2)), ShapeError, r"\(2, 2\) do not make up dim 1 of length 3"),
                ((X, 1, (-1, 2)), ShapeError, "do not make up"),
                ((X, 1, (-1, -1)), ShapeError, "do not make up"),
                ((X, 1, (-2, -1)), ShapeError, "do not make up"),
                ((X[:1], 0, ()), ShapeError, "do not make up"),
                ((X, 2, (3,)), ShapeError, "unflatten: dim must be"),
                ((X, 1, 1.5), DTypeError, "integers"),
            ],
            empty=(np.ones((2, 0)), 1, (3, -1)) if dim == 2 else None,
        )
        for dim, sizes, shape in ((1, (2, 3), (2, 2, 3)), (-1, (-1, 2), (2, 3, 2)))
    ),
    Case(Permute, lambda x: mg.swapdims(x, 0, -1), normals((2, 3, 2)), lambda x: x.swapaxes(0, 2)),
    *(
        Case(
            Index,
            mg.select,
            drawn((2, 3), dim, place),
            lambda x, dim, place: np.take(x, place, dim),
            id=f"select {dim} {place}",
            errors=[
                ((X, 2, 0), ShapeError, "select: dim must be"),
                ((X, 1, 3), IndexError, "from -3 to 2, for dim 1 of length 3, got 3"),
                ((X, 1, -4), IndexError, "got -4"),
                ((X, 1, 0.5), DTypeError, r"select: index must be an integer, got 0\.5 \(float\)"),
            ],
        )
        for dim, place in ((0, 1), (-1, -2))
    ),
    *(
        Case(
            Index,
            mg.narrow,
            drawn((2, 4), 1, start, 2),
            lambda x, dim, start, length: x[:, start % 4 : start % 4 + 2],
            id=f"narrow {start}",
            errors=[
                ((X, 2, 0, 1), ShapeError, "narrow: dim must be"),
                ((X, 1, 2, 2), ShapeError, "dim 1 of length 3 has no 2 slices from 2 on"),
                ((X, 1, 0, -1), ShapeError, "has no -1 slices"),
                ((X, 1, -4, 1), ShapeError, "from -4 on"),
            ],
            empty=(np.ones((0, 4)), 1, 1, 2),
        )
        for start in (1, -3)
    ),
    Case(
        Index,
        mg.fliplr,
        normals((2, 3)),
        np.fliplr,
        errors=[((np.ones(2),), ShapeError, "dim must be")],
    ),
    Case(
        Index,
        mg.flipud,
        normals((2,)),
        np.flipud,
        errors=[((np.ones(()),), ShapeError, "rank 0 has no axes")],
    ),
    *(
        Case(
            Index,
            mg.rot90,
            drawn((2, 3, 2), k, dims),
            np.rot90,
            id=f"rot90 {k} {dims}",
            errors=[
                ((X, 1, (0, -2)), ShapeError, r"two different axes, got \(0, -2\)"),
                ((X, 1, (0, 2)), ShapeError, "dim must be"),
                ((X, 1, (0,)), ShapeError, "two different axes"),
            ],
        )
        for k, dims in ((1, (0, 1)), (2, (0, 1)), (-1, (2, 1)), (3, (1, 0)), (4, (0, 1)))
    ),
    *(
        Case(
            Reshape,
            function,
            drawn(shape),
            reference,
            id=f"{function.__name__} {shape}",
        )
        for function, reference in (
            (mg.atleast_1d, np.atleast_1d),
            (mg.atleast_2d, np.atleast_2d),
            (mg.atleast_3d, np.atleast_3d),
        )
        for shape in ((), (2,), (2, 3), (2, 1, 2, 1))
    ),
    Case(
        Broadcast,
        second(mg.broadcast_tensors),
        lambda rng: (np.ones((2, 3), int), rng.normal(size=(2, 1))),
        second(np.broadcast_arrays),
        id="broadcast_tensors",
        errors=[((X, np.ones(2)), ShapeError, r"\(2, 3\) and \(2,\) do not broadcast")],
    ),
    *(
        Case(
            Broadcast,
            second(mg.meshgrid),
            lambda rng: (np.arange(2), rng.normal(size=3), np.array(1)),
            second(np.meshgrid),
            {"indexing": indexing},
            id=f"meshgrid {indexing}",
            errors=[
                ((X,), ShapeError, r"expected vectors, got shape \(2, 3\)"),
                BadInput((X[0],), ValueError, "'ij' or 'xy', got 'ab'", {"indexing": "ab"}),
            ],
        )
        for indexing in ("ij", "xy")
    ),
]
