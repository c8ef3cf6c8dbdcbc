"""Indexing, gathering, and what is their gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minigrad.engine import apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.gathering import Gather, ScatterAlong, gather, scatter_add
from minigrad.ops.index import (
    Index,
    IndexPut,
    Key,
    ScatterAdd,
    embedding,
    index,
    index_put,
    index_select,
    take,
)
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape
from tests.cases import BadInput, Case

MASK = np.array([[True, False, True], [False, False, True], [True, True, True]])
REPEATED = np.array([2, 0, -1, 2])

KEYS: dict[str, tuple[tuple[int, ...], Any]] = {
    "int": ((3, 2), 1),
    "scalar": ((3, 2), (1, -1)),
    "slice": ((4, 2), slice(3, 0, -2)),
    "nothing": ((3,), slice(2, 1)),
    "new axes": ((3, 2), (None, ..., None, 0)),
    "repeated": ((3, 2), REPEATED),
    "repeated, rank 1": ((3,), REPEATED),
    "matrix of indices": ((3, 2), REPEATED.reshape(2, 2)),
    "list": ((3, 2), [0, 0]),
    "empty list": ((3, 2), []),
    "pairs": ((3, 3), (REPEATED, np.array([1, 0, 1, 1]))),
    "apart": ((2, 3, 2), (np.array([0, 1, 1]), slice(None), np.array([1, 1, 1]))),
    "second axis": ((2, 3), (slice(None), REPEATED)),
    "int and array": ((2, 3), (1, REPEATED)),
    "mask": ((3, 3), MASK),
    "mask of rows": ((3, 2), MASK[0]),
    "mask and int": ((3, 3), (MASK[0], 1)),
    "true": ((2,), True),
}


def draw(shape: Shape, key: Any, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=shape), key


def draw_selected(shape: Shape, key: Any, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=np.ones(shape)[key].shape), key, shape


def draw_with_selected(shape: Shape, key: Any, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=shape), rng.normal(size=np.ones(shape)[key].shape)


def reference_index(x: Array, key: Any) -> Any:
    return x[key]


def scatter(x: Any, key: Any, shape: tuple[int, ...]) -> Tensor:
    """Return zeros to which ``x`` is added at ``key``."""
    entry = key.array if isinstance(key, Tensor) else key
    repeats = isinstance(entry, np.ndarray) and entry.dtype.kind == "i"
    result: Tensor = apply(ScatterAdd, as_tensor(x), index=Key((entry,), repeats), shape=shape)
    return result


def reference_scatter(x: Array, key: Any, shape: tuple[int, ...]) -> Array:
    y = np.zeros(shape, x.dtype)
    np.add.at(y, key, x)
    return y


def put(x: Any, value: Any, *, key: Any) -> Tensor:
    return index_put(x, key, value)


def reference_put(x: Array, value: Any, *, key: Any) -> Array:
    y = x.copy()
    y[key] = value
    return y


def reference_gather(x: Array, dim: int, places: Array) -> Array:
    y = np.zeros(places.shape, x.dtype)
    for place in np.ndindex(places.shape):
        source = list(place)
        source[dim] = places[place]
        y[place] = x[tuple(source)]
    return y


def reference_scatter_add(x: Array, dim: int, places: Array, src: Array) -> Array:
    y = x.copy()
    for place in np.ndindex(places.shape):
        target = list(place)
        target[dim] = places[place]
        y[tuple(target)] += src[place]
    return y


def reference_select(x: Array, dim: int, places: Array) -> Array:
    return np.take(x, places, axis=dim)


def reference_embedding(indices: Array, weight: Array) -> Array:
    return weight[indices]


X = np.ones((2, 3))
PLACES = np.array([[0, 2], [1, 1]])

INDEX_ERRORS = [
    ((X, 2), IndexError, "index 2 is out of bounds for axis 0 with size 2"),
    ((X, np.array([0, -3])), IndexError, "index -3 is out of bounds for axis 0 with size 2"),
    ((X, (0, 0, 0)), IndexError, "too many indices"),
    ((X, np.array([True])), IndexError, "boolean index did not match"),
    ((X, 1.0), DTypeError, "integers, booleans or slices, got float"),
    ((X, np.array([1.0])), DTypeError, "integers, booleans or slices, got float64"),
    ((X, "a"), DTypeError, "integers, booleans or slices, got str"),
]

CASES = [
    *(
        Case(
            Index,
            index,
            partial(draw, shape, key),
            reference_index,
            id=name,
            errors=INDEX_ERRORS if name == "int" else (),
            empty=(np.ones((0, 2)), slice(None)) if name == "slice" else None,
        )
        for name, (shape, key) in KEYS.items()
    ),
    *(
        Case(
            ScatterAdd,
            scatter,
            partial(draw_selected, shape, key),
            reference_scatter,
            id=name,
            empty=(np.ones((0, 2)), np.zeros(0, np.int64), (3, 2)) if name == "repeated" else None,
        )
        for name, (shape, key) in KEYS.items()
        if name in ("slice", "repeated", "repeated, rank 1", "matrix of indices", "mask")
    ),
    *(
        Case(
            IndexPut,
            put,
            partial(draw_with_selected, shape, key),
            reference_put,
            {"key": key},
            id=name,
        )
        for name, (shape, key) in KEYS.items()
    ),
    Case(
        IndexPut,
        put,
        lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=(2,))),
        reference_put,
        {"key": slice(0, 2)},
        id="broadcast",
        errors=[
            ((X, np.ones(2)), ShapeError, r"shape \(2,\) does not broadcast to \(2, 3\)"),
            ((X, np.ones((1, 2, 3))), ShapeError, r"\(1, 2, 3\) does not broadcast"),
            ((np.ones(2, np.int64), 0.5), DTypeError, "float32 cannot be assigned to.*int64"),
            ((np.ones(2, np.bool_), 2), DTypeError, "int64 cannot be assigned to.*bool"),
            BadInput((X, 0.0), IndexError, "index 2 is out of bounds", {"key": 2}),
            BadInput((X, 0.0), DTypeError, "got float", {"key": 0.5}),
        ],
    ),
    Case(
        IndexPut,
        put,
        lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=())),
        reference_put,
        {"key": REPEATED},
        id="broadcast to repeated",
    ),
    Case(
        Gather,
        gather,
        lambda rng: (rng.normal(size=(2, 3)), 1, PLACES),
        reference_gather,
        errors=[
            ((X, 2, PLACES), ShapeError, "gather: dim must be"),
            ((X, 1, PLACES[0]), ShapeError, r"2 axes, none but dim 1 longer.*got shape \(2,\)"),
            ((X, 1, np.zeros((3, 1), int)), ShapeError, r"none but dim 1 longer.*\(3, 1\)"),
            ((X, 0, PLACES), IndexError, "from 0 to 1, for dim 0 of length 2, got 2"),
            ((X, 1, -PLACES), IndexError, "from 0 to 2, for dim 1 of length 3, got -2"),
            ((X, 1, X), DTypeError, "index must be integer, got float64"),
        ],
        empty=(np.ones((2, 3)), 1, np.zeros((2, 0), np.int64)),
    ),
    Case(
        Gather,
        gather,
        lambda rng: (rng.normal(size=(3, 3, 2)), -3, PLACES[:, :, None]),
        lambda x, dim, places: reference_gather(x, 0, places),
        id="shorter",
    ),
    Case(
        Gather,
        lambda x, places: np.take_along_axis(x, places, -1),
        lambda rng: (rng.normal(size=(2, 3)), np.array([[0, -1, 0]])),
        lambda x, places: np.take_along_axis(x, places, -1),
        id="numpy broadcasts",
    ),
    Case(
        ScatterAlong,
        scatter_add,
        lambda rng: (
            rng.normal(size=(2, 3)),
            1,
            np.array([[0, 2, 0, 0], [1, 1, 2, 1]]),
            rng.normal(size=(2, 4)),
        ),
        reference_scatter_add,
        errors=[
            ((X, 1, PLACES, X[:, :1]), ShapeError, r"as long as index.*\(2, 2\), got \(2, 1\)"),
            ((X, 1, PLACES[:, :1], X[0]), ShapeError, r"\(2, 1\), got \(3,\)"),
            ((X, 0, np.zeros((1, 4), int), X), ShapeError, "none but dim 0 longer"),
            ((X, 1, PLACES + 1, X[:, :2]), IndexError, "got 3"),
        ],
    ),
    Case(
        ScatterAdd,
        scatter_add,
        lambda rng: (rng.normal(size=(3, 3)), 0, PLACES, rng.normal(size=(2, 3))),
        reference_scatter_add,
        id="shorter index, longer src",
    ),
    Case(
        Index,
        index_select,
        lambda rng: (rng.normal(size=(2, 3)), -1, REPEATED),
        reference_select,
        id="index_select",
        errors=[
            ((X, 2, REPEATED), ShapeError, "index_select: dim must be"),
            ((X, 0, X), DTypeError, "must be integer, got float64"),
        ],
    ),
    Case(
        Index,
        take,
        lambda rng: (rng.normal(size=(2, 3)), REPEATED),
        np.take,
        id="take",
        errors=[((X, np.array([6])), IndexError, "index 6 is out of bounds.*size 6")],
    ),
    Case(
        Index,
        embedding,
        lambda rng: (np.array([[1, 0], [1, 1], [3, 0]]), rng.normal(size=(4, 2))),
        reference_embedding,
        id="embedding",
        errors=[
            ((np.array([4]), np.ones((4, 2))), IndexError, "embedding: .* from 0 to 3, got 4"),
            ((np.array([0, -1]), np.ones((4, 2))), IndexError, "from 0 to 3, got -1"),
            ((np.array([0.0]), np.ones((4, 2))), DTypeError, "must be integers, got float64"),
            ((np.array([0]), np.ones(4)), ShapeError, r"\(V, D\), got \(4,\)"),
        ],
        empty=(np.zeros((0, 2), np.int64), np.ones((4, 2))),
    ),
    Case(
        Index,
        embedding,
        lambda rng: (np.array(2), rng.normal(size=(3, 2))),
        reference_embedding,
        id="embedding, rank 0",
    ),
]
