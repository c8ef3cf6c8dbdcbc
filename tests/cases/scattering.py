"""Writing, adding and choosing."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.gathering import Gather
from minigrad.ops.index import Index, IndexPut, ScatterAdd
from minigrad.ops.selection import Where
from minigrad.typing import Array
from tests.cases import BadInput, Case, drawn

PLACES = np.array([[0, 2], [1, 1]])  # the second row writes twice to one place
ROWS = np.array([2, 0, -1])  # the first and the last are one
MASK = np.array([[True, False, True], [False, False, True]])
X = np.ones((2, 3))


def slices(shape: tuple[int, ...], dim: int) -> Any:
    """Return a drawer of an array and of a slice for each of `ROWS`."""
    return lambda rng: (rng.normal(size=shape), dim, ROWS, rng.normal(size=shape))


def reference_scatter(x: Array, dim: int, places: Array, src: Any) -> Array:
    y = x.copy()
    for place in np.ndindex(places.shape):
        target = list(place)
        target[dim] = places[place]
        y[tuple(target)] = src if np.ndim(src) == 0 else src[place]
    return y


def reference_add(x: Array, dim: int, places: Array, source: Array, *, alpha: float = 1) -> Array:
    y = np.moveaxis(x, dim, 0).copy()
    np.add.at(y, places, alpha * np.moveaxis(source, dim, 0))
    return np.moveaxis(y, 0, dim)


def reference_copy(x: Array, dim: int, places: Array, source: Array) -> Array:
    y = np.moveaxis(x, dim, 0).copy()
    for place, row in zip(places, np.moveaxis(source, dim, 0), strict=True):
        y[place] = row
    return np.moveaxis(y, 0, dim)


def reference_fill(x: Array, dim: int, places: Array, value: Any) -> Array:
    y = np.moveaxis(x, dim, 0).copy()
    y[places] = value
    return np.moveaxis(y, 0, dim)


def reference_select(x: Array, mask: Array) -> Array:
    wide, chosen = np.broadcast_arrays(x, mask)
    result: Array = wide[chosen]
    return result


INDEX_ERRORS = [
    ((X, 2, ROWS, X), ShapeError, "dim must be from -2 to 1"),
    ((X, 0, np.array([2]), X[:1]), IndexError, "below 2, the length of dim 0, got 2"),
    ((X, 0, np.array([-3]), X[:1]), IndexError, "below 2, the length of dim 0, got -3"),
    ((X, 0, X, X), DTypeError, "index must be integer, got float64"),
    ((X, 0, PLACES, X), ShapeError, r"index must be a vector, got shape \(2, 2\)"),
    ((X, 0, np.array([1]), X), ShapeError, r"shape \(1, 3\), got \(2, 3\)"),
]

CASES = [
    Case(
        IndexPut,
        mg.scatter,
        lambda rng: (rng.normal(size=(2, 3)), 1, PLACES, rng.normal(size=(2, 2))),
        reference_scatter,
        id="scatter",
        errors=[
            ((X, 2, PLACES, X), ShapeError, "dim must be"),
            ((X, 1, PLACES[0], X), ShapeError, "2 axes, none but dim 1 longer"),
            ((X, 1, PLACES, X[:, :1]), ShapeError, r"as long as index.*\(2, 2\), got \(2, 1\)"),
            ((X, 1, PLACES + 1, X), IndexError, "from 0 to 2, for dim 1 of length 3, got 3"),
            ((X, 1, X, X), DTypeError, "index must be integer"),
            ((np.ones((2, 3), int), 1, PLACES, X), DTypeError, "float64 cannot be assigned"),
        ],
        empty=(X, 1, np.zeros((2, 0), int), np.ones((2, 0))),
    ),
    Case(
        IndexPut,
        mg.scatter,
        lambda rng: (rng.normal(size=(3, 3)), -2, PLACES, rng.normal(size=(2, 3))),
        lambda x, dim, places, src: reference_scatter(x, 0, places, src),
        id="scatter, shorter index",
    ),
    Case(
        IndexPut,
        mg.scatter,
        lambda rng: (rng.normal(size=(2, 3)), 1, PLACES, 0.3),
        reference_scatter,
        id="scatter a number",
    ),
    *(
        Case(
            ScatterAdd,
            mg.index_add,
            slices(shape, dim),
            reference_add,
            kwargs,
            id=f"index_add {shape} {dim}",
            errors=INDEX_ERRORS,
            empty=(np.ones((0, 2)), 1, np.array([0]), np.ones((0, 1))),
        )
        for shape, dim, kwargs in (
            ((3, 2), 0, {}),
            ((2, 3), 1, {"alpha": -0.5}),
            ((3,), -1, {}),
            ((2, 3, 2), 1, {}),
        )
    ),
    *(
        Case(
            IndexPut,
            mg.index_copy,
            slices(shape, dim),
            reference_copy,
            id=f"index_copy {shape} {dim}",
            errors=[
                *INDEX_ERRORS,
                ((np.ones((2, 3), int), 0, np.array([1]), X[:1]), DTypeError, "float64 cannot"),
            ],
        )
        for shape, dim in (((3, 2), 0), ((2, 3), -1))
    ),
    Case(
        IndexPut,
        mg.index_fill,
        lambda rng: (rng.normal(size=(2, 3)), 1, ROWS, rng.normal(size=())),
        reference_fill,
        id="index_fill",
        errors=[
            *INDEX_ERRORS[:2],
            ((X, 0, np.array([1]), np.ones(3)), ShapeError, r"one value, got shape \(3,\)"),
            ((np.ones((2, 3), int), 0, np.array([1]), 0.5), DTypeError, "cannot be assigned"),
        ],
    ),
    *(
        Case(
            Index,
            mg.masked_select,
            drawn(shape, mask),
            reference_select,
            id=f"masked_select {shape} {mask.shape}",
            errors=[
                ((X, PLACES), DTypeError, "the mask must be boolean, got int64"),
                ((X, MASK[:, :2]), ShapeError, r"\(2, 3\) and \(2, 2\) do not broadcast"),
            ],
            empty=(np.ones((0, 3)), np.ones((0, 3), bool)),
        )
        for shape, mask in (((2, 3), MASK), ((3,), MASK), ((2, 3), MASK[0]), ((), np.array(True)))
    ),
    Case(
        Where,
        mg.masked_fill,
        lambda rng: (rng.normal(size=(2, 3)), MASK, rng.normal(size=())),
        lambda x, mask, value: np.where(mask, value, x),
        id="masked_fill",
        errors=[
            ((X, PLACES, 0), DTypeError, "the mask must be boolean, got int64"),
            ((X, MASK, np.ones(3)), ShapeError, r"one value, got shape \(3,\)"),
            ((X, MASK[:, :2], 0.0), ShapeError, "do not broadcast"),
            ((np.ones(3, int), MASK, 0.5), DTypeError, "float32 cannot be assigned.*int64"),
        ],
    ),
    Case(
        Where,
        mg.masked_fill,
        lambda rng: (rng.normal(size=(3,)), MASK, 0.1),
        lambda x, mask, value: np.where(mask, value, x),
        id="masked_fill with a number",
    ),
    Case(
        Gather,
        mg.take_along_dim,
        lambda rng: (rng.normal(size=(2, 3)), np.array([[0, -1, 0]]), 1),
        np.take_along_axis,
        id="take_along_dim",
        errors=[
            BadInput((X, X, 1), DTypeError, "indices must be integer"),
            BadInput((X, PLACES[0], 1), ShapeError, "indices must have 2 axes"),
        ],
    ),
    Case(
        Gather,
        mg.take_along_dim,
        lambda rng: (rng.normal(size=(2, 3)), np.array([[5, 0]])),
        lambda x, indices: x.reshape(-1)[indices.reshape(-1)],
        id="take_along_dim, flattened",
    ),
]
