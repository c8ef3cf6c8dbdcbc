"""Strategies for shapes, dtypes, axes and indices, and for arrays of all layouts and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minigrad.testing.arrays import relaid, spread_values
from minigrad.typing import Array, DTypeLike, FloatArray, Shape

__all__ = [
    "axes",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "dtypes",
    "extreme_arrays",
    "float_arrays",
    "index_expressions",
    "layouts",
    "permutations",
    "seeds",
    "shapes",
]


def seeds() -> st.SearchStrategy[int]:
    """Draw a seed for ``numpy.random.default_rng``."""
    return st.integers(0, 2**32 - 1)


def shapes(
    *, min_dims: int = 0, max_dims: int = 4, min_side: int = 1, max_side: int = 5
) -> st.SearchStrategy[Shape]:
    """Draw an array shape.

    Parameters
    ----------
    min_dims, max_dims : int
        Number of axes.
    min_side, max_side : int
        Length of each; 0 allows empty arrays.
    """
    return npst.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )


def dtypes(*, integers: bool = False) -> st.SearchStrategy[np.dtype[Any]]:
    """Draw float64 or float32; with ``integers`` also int64, int32, uint8 or bool."""
    names = ["float64", "float32"]
    return st.sampled_from(
        [np.dtype(name) for name in (*names, *(["int64", "int32", "uint8", "bool"] * integers))]
    )


def axes(ndim: int, *, min_size: int = 0) -> st.SearchStrategy[int | tuple[int, ...] | None]:
    """Draw axes to reduce: None for all, one, or a tuple of different ones; negative ones too.

    Parameters
    ----------
    ndim : int
        Of the array.
    min_size : int
        The least number of axes of a tuple; with 1 or more, None and rank 0 are left out as well.
    """
    if ndim == 0:
        if min_size:
            raise ValueError(f"axes: an array of rank 0 has no {min_size} axes")
        return st.sampled_from([None, ()])
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(one, min_size=min_size, max_size=ndim, unique_by=lambda axis: axis % ndim)
    choices: list[st.SearchStrategy[Any]] = [st.none()] if not min_size else []
    if min_size <= 1:
        choices.append(one)
    return st.one_of(*choices, several.map(tuple))


def permutations(ndim: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw an order of ``ndim`` axes; shrinks to theirs."""
    return st.permutations(range(ndim)).map(tuple)


@st.composite
def index_expressions(draw: st.DrawFn, shape: Shape, *, repeated: bool = True) -> Any:
    """Draw what can stand in brackets behind an array: basic, integer or boolean indices.

    Parameters
    ----------
    shape : tuple of int
        Of the array, of at least one element.
    repeated : bool
        Whether an integer array may name an element twice, so that gradients add up there.

    Returns
    -------
    int, slice, None, Ellipsis, ndarray or tuple of them
    """
    kinds = ["basic", "integers", "mask"] if shape else ["basic"]
    kind = draw(st.sampled_from(kinds))
    if kind == "basic":
        return draw(npst.basic_indices(shape, allow_newaxis=True, max_dims=len(shape) + 2))
    rng = np.random.default_rng(draw(seeds()))
    if kind == "mask":
        axes_of_mask = draw(st.integers(1, len(shape)))
        return rng.random(shape[:axes_of_mask]) < 0.5
    length = draw(st.integers(1, 4))
    used = draw(st.integers(1, len(shape)))
    columns = [
        rng.integers(-size, size, size=length)
        if repeated
        else rng.permutation(size)[: min(length, *shape[:used])]
        for size in shape[:used]
    ]
    return tuple(columns) if len(columns) > 1 else columns[0]


@st.composite
def float_arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    offset: float = 0.0,
    scale: float = 1.0,
    dtype: DTypeLike = np.float64,
) -> FloatArray:
    """Draw an array of well-spread values, free of ties and kinks.

    Parameters
    ----------
    shape : tuple of int or strategy, optional
        Default: `shapes`.
    low, high, kinks, dtype
        As `spread_values`.
    offset : float
        Added to every value: data with a mean that is large against their spread.
    scale : float
        Multiplies every value, and the offset.
    """
    if not isinstance(shape, tuple):
        shape = draw(shapes() if shape is None else shape)
    rng = np.random.default_rng(draw(seeds()))
    values = spread_values(shape, rng, low=low, high=high, kinks=kinks)
    return np.asarray((values + offset) * scale, dtype=dtype)


@st.composite
def extreme_arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    offsets: Sequence[float] = (0.0, 1.0, 1e2, 1e4, 1e6),
    scales: Sequence[float] = (1.0, 1e-6, 1e6, 1e-30, 1e30),
    dtype: DTypeLike = np.float64,
) -> FloatArray:
    """Draw finite values that are tiny, huge or far from zero: where sums lose their digits.

    Parameters
    ----------
    shape : tuple of int or strategy, optional
        Default: `shapes`.
    offsets : sequence of float
        Of the values, in units of their spread. Shrinks to the first.
    scales : sequence of float
        Of values and offset. Shrinks to the first.
    dtype : dtype

    Returns
    -------
    ndarray
        ``(values + offset) * scale`` with values in [-2, 2].
    """
    offset, scale = draw(st.sampled_from(offsets)), draw(st.sampled_from(scales))
    values: FloatArray = draw(float_arrays(shape, offset=offset, scale=scale, dtype=dtype))
    return values


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Draw shapes that broadcast together.

    Parameters
    ----------
    count : int
        Number of shapes.
    max_dims, min_side, max_side : int
        Of each; a side of length 1 is broadcast.
    """
    drawn = npst.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side
    )
    return drawn.map(lambda group: group.input_shapes)


@st.composite
def broadcastable_arrays(
    draw: st.DrawFn,
    count: int = 2,
    *,
    max_dims: int = 3,
    max_side: int = 4,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    dtype: DTypeLike = np.float64,
) -> tuple[FloatArray, ...]:
    """Draw arrays whose shapes broadcast together.

    Parameters
    ----------
    count : int
        Number of arrays.
    max_dims, max_side : int
        Of each shape; axes have at least one element.
    low, high, kinks, dtype
        As `spread_values`.
    """
    group = draw(broadcastable_shapes(count, max_dims=max_dims, max_side=max_side))
    rng = np.random.default_rng(draw(seeds()))
    return tuple(
        spread_values(shape, rng, low=low, high=high, kinks=kinks, dtype=dtype) for shape in group
    )


@st.composite
def layouts(draw: st.DrawFn, array: Array) -> Array:
    """Draw an array of equal values that lies differently in memory.

    Axes are stored in a random order, and each forwards or backwards, with or without gaps.
    """
    order = draw(st.permutations(range(array.ndim)))
    steps = tuple(draw(st.sampled_from([1, 2, -1, -2])) for _ in range(array.ndim))
    return relaid(array, order, steps)
