"""Hypothesis strategies for arrays that gradients can be checked on.

Values are drawn through a seed, so examples are quick to make; what shrinks is the shape.
Needs Hypothesis: ``pip install "minigrad-numba[test]"``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.testing.arrays import relaid, spread_values
from minigrad.typing import Array, DTypeLike, FloatArray, Shape

try:
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
except ImportError as error:
    raise ImportError(
        "minigrad.testing.strategies needs hypothesis, which is not installed; "
        'pip install "minigrad-numba[test]"'
    ) from error

__all__ = [
    "BatchNormExample",
    "batch_norm_examples",
    "broadcastable_arrays",
    "float_arrays",
    "layouts",
    "seeds",
    "shapes",
    "spread_values",
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
    return array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@st.composite
def float_arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    offset: float = 0.0,
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
    """
    if not isinstance(shape, tuple):
        shape = draw(shapes() if shape is None else shape)
    rng = np.random.default_rng(draw(seeds()))
    values = spread_values(shape, rng, low=low, high=high, kinks=kinks)
    return np.asarray(values + offset, dtype=dtype)


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
    drawn = draw(
        mutually_broadcastable_shapes(
            num_shapes=count, min_dims=0, max_dims=max_dims, min_side=1, max_side=max_side
        )
    )
    rng = np.random.default_rng(draw(seeds()))
    return tuple(
        spread_values(shape, rng, low=low, high=high, kinks=kinks, dtype=dtype)
        for shape in drawn.input_shapes
    )


@st.composite
def layouts(draw: st.DrawFn, array: Array) -> Array:
    """Draw an array of equal values that lies differently in memory.

    Axes are stored in a random order, and each forwards or backwards, with or without gaps.
    """
    order = draw(st.permutations(range(array.ndim)))
    steps = tuple(draw(st.sampled_from([1, 2, -1, -2])) for _ in range(array.ndim))
    return relaid(array, order, steps)


@dataclass(frozen=True)
class BatchNormExample:
    """Arguments of one BatchNorm forward and backward.

    Attributes
    ----------
    x, dy : ndarray, shape (N, C, *S)
        At least two values per channel; each channel has a spread of ``scale`` about its mean.
    gamma, beta : ndarray, shape (C,)
        No element of ``gamma`` is near zero.
    eps : float
        In units of variance.
    """

    x: FloatArray
    dy: FloatArray
    gamma: FloatArray
    beta: FloatArray
    eps: float


@st.composite
def batch_norm_examples(
    draw: st.DrawFn,
    *,
    max_samples: int = 5,
    max_channels: int = 3,
    max_spatial_dims: int = 2,
    max_side: int = 3,
    offsets: Sequence[float] = (0.0, 100.0),
    scales: Sequence[float] = (1.0, 0.01),
    dtype: DTypeLike = np.float64,
) -> BatchNormExample:
    """Draw arguments for BatchNorm: shapes, offsets, scales and eps.

    Parameters
    ----------
    max_samples, max_channels, max_spatial_dims, max_side : int
        Of the shape (N, C, *S).
    offsets : sequence of float
        Means to draw from, in units of the spread.
    scales : sequence of float
        Spreads to draw from.
    dtype : dtype
    """
    spatial = draw(shapes(max_dims=max_spatial_dims, max_side=max_side))
    n_min = 2 if math.prod(spatial) == 1 else 1
    shape = (
        draw(st.integers(n_min, max_samples)),
        draw(st.integers(1, max_channels)),
        *spatial,
    )
    scale = draw(st.sampled_from(scales))
    offset = draw(st.sampled_from(offsets)) * scale
    rng = np.random.default_rng(draw(seeds()))
    channels = (shape[1],)

    def as_dtype(values: Any) -> FloatArray:
        return np.asarray(values, dtype=dtype)

    return BatchNormExample(
        x=as_dtype(spread_values(shape, rng) * scale + offset),
        dy=as_dtype(rng.standard_normal(shape)),
        gamma=as_dtype(rng.uniform(0.5, 2.0, channels) * rng.choice([-1.0, 1.0], channels)),
        beta=as_dtype(rng.standard_normal(channels)),
        eps=draw(st.sampled_from([1e-5, 1e-3, 0.1])),
    )
