"""Strategies for layers and small networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigrad import nn
from minigrad.random import default_generator
from minigrad.testing.arrays import spread_values
from minigrad.testing.examples import BatchNormExample
from minigrad.testing.strategies.arrays import seeds, shapes
from minigrad.typing import DTypeLike, FloatArray, Shape

__all__ = [
    "BatchNormConfig",
    "BatchNormExample",
    "NetworkSpec",
    "batch_norm_configs",
    "batch_norm_examples",
    "networks",
]


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


@dataclass(frozen=True)
class BatchNormConfig:
    """How to make a batch normalisation layer, and the shape of an input for it.

    Attributes
    ----------
    num_features, eps, momentum, affine, track_running_stats
        As `minigrad.nn.BatchNorm`.
    shape : tuple of int
        (N, C, *S), with at least two values per channel.
    """

    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    shape: Shape

    def build(self, dtype: DTypeLike = np.float64) -> nn.BatchNorm:
        """Return a new layer: BatchNorm1d, 2d or 3d, as the shape needs."""
        layer = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        return layer[len(self.shape) - 2](
            self.num_features,
            eps=self.eps,
            momentum=self.momentum,
            affine=self.affine,
            track_running_stats=self.track_running_stats,
            dtype=dtype,
        )

    def input(self, seed: int, dtype: DTypeLike = np.float64) -> FloatArray:
        """Return well-spread values of the shape."""
        return spread_values(self.shape, np.random.default_rng(seed), dtype=dtype)


@st.composite
def batch_norm_configs(
    draw: st.DrawFn,
    *,
    dims: Sequence[int] = (1, 2, 3),
    max_samples: int = 5,
    max_features: int = 4,
    max_side: int = 3,
) -> BatchNormConfig:
    """Draw configurations of batch normalisation layers.

    Parameters
    ----------
    dims : sequence of int
        Of the layers to draw from: BatchNorm1d (inputs of two or three axes), 2d, 3d.
    max_samples, max_features, max_side : int
        Of the shape (N, C, *S).
    """
    dim = draw(st.sampled_from(dims))
    n_spatial = draw(st.sampled_from([0, 1])) if dim == 1 else dim
    spatial = draw(shapes(min_dims=n_spatial, max_dims=n_spatial, max_side=max_side))
    n_min = 2 if math.prod(spatial) == 1 else 1
    features = draw(st.integers(1, max_features))
    return BatchNormConfig(
        num_features=features,
        eps=draw(st.sampled_from([1e-5, 1e-3, 0.1])),
        momentum=draw(st.sampled_from([0.1, None, 0.0, 1.0, 0.5])),
        affine=draw(st.sampled_from([True, False])),
        track_running_stats=draw(st.sampled_from([True, False])),
        shape=(draw(st.integers(n_min, max_samples)), features, *spatial),
    )


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "Softplus": nn.Softplus,
    "SiLU": nn.SiLU,
    "GELU": nn.GELU,
    "ReLU": nn.ReLU,
    "LeakyReLU": nn.LeakyReLU,
    "ELU": nn.ELU,
}
SMOOTH_ACTIVATIONS = ("Tanh", "Sigmoid", "Softplus", "SiLU", "GELU")
"""Those whose gradients can be checked at any input."""


@dataclass(frozen=True)
class NetworkSpec:
    """A small multilayer perceptron, as values that print and shrink well.

    Attributes
    ----------
    widths : tuple of int
        Features of the input, of each hidden layer, and of the output.
    activation : str
        Class of `minigrad.nn`, behind each hidden layer.
    batch_norm : bool
        Normalise before each activation.
    dropout : bool
        Put a Dropout with probability 0 behind each activation: it changes nothing.
    samples : int
        In a batch.
    """

    widths: tuple[int, ...]
    activation: str
    batch_norm: bool
    dropout: bool
    samples: int

    @property
    def input_shape(self) -> Shape:
        """The shape of a batch."""
        return (self.samples, self.widths[0])

    def build(self, seed: int, dtype: DTypeLike = np.float64) -> nn.Sequential:
        """Return the network, with weights that depend on ``seed`` alone.

        The default generator is left where it was.
        """
        before = default_generator.get_state()
        try:
            default_generator.manual_seed(seed)
            layers: list[nn.Module] = []
            for inputs, outputs in zip(self.widths[:-2], self.widths[1:-1], strict=True):
                layers.append(nn.Linear(inputs, outputs, dtype=dtype))
                if self.batch_norm:
                    layers.append(nn.BatchNorm1d(outputs, dtype=dtype))
                layers.append(_ACTIVATIONS[self.activation]())
                if self.dropout:
                    layers.append(nn.Dropout(0.0))
            layers.append(nn.Linear(self.widths[-2], self.widths[-1], dtype=dtype))
            return nn.Sequential(*layers)
        finally:
            default_generator.set_state(before)

    def input(self, seed: int, dtype: DTypeLike = np.float64) -> FloatArray:
        """Return a batch of well-spread values."""
        return spread_values(self.input_shape, np.random.default_rng(seed), dtype=dtype)


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    max_hidden: int = 3,
    max_width: int = 5,
    max_samples: int = 5,
    activations: Sequence[str] = SMOOTH_ACTIVATIONS,
    batch_norm: bool | None = None,
) -> NetworkSpec:
    """Draw small multilayer perceptrons; shrinks to one linear layer.

    Parameters
    ----------
    max_hidden, max_width, max_samples : int
        Number of hidden layers, features of each layer, samples in a batch (at least 2).
    activations : sequence of str
        Classes of `minigrad.nn` to draw from. ReLU, LeakyReLU and ELU have kinks, in the function
        or in its derivatives, so they are drawn only if they are asked for.
    batch_norm : bool, optional
        Whether to normalise; default: drawn.
    """
    unknown = sorted(set(activations) - _ACTIVATIONS.keys())
    if unknown:
        raise ValueError(
            f"networks: expected activations among {list(_ACTIVATIONS)}, got {unknown}"
        )
    widths = draw(
        st.lists(st.integers(1, max_width), min_size=2, max_size=max_hidden + 2).map(tuple)
    )
    return NetworkSpec(
        widths=widths,
        activation=draw(st.sampled_from(activations)),
        batch_norm=draw(st.booleans()) if batch_norm is None else batch_norm,
        dropout=draw(st.booleans()),
        samples=draw(st.integers(2, max_samples)),
    )
