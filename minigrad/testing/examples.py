"""Arguments of BatchNorm to test an implementation on; without Hypothesis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minigrad.typing import DTypeLike, FloatArray, Shape

__all__ = ["BatchNormExample", "batch_norm_example"]


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


def batch_norm_example(
    shape: Shape = (6, 3, 2, 2),
    *,
    offset: float = 0.0,
    scale: float = 1.0,
    eps: float = 1e-3,
    dtype: DTypeLike = np.float64,
    seed: int = 0,
) -> BatchNormExample:
    """Return arguments for BatchNorm; the same ones for the same arguments.

    Parameters
    ----------
    shape : tuple of int
        Of x, (N, C, *S), with at least two values per channel.
    offset : float
        Mean of every channel, in units of ``scale``.
    scale : float
        Spread of every channel.
    eps : float
    dtype : dtype
    seed : int

    Returns
    -------
    BatchNormExample

    Examples
    --------
    >>> batch_norm_example((4, 2)).x.shape
    (4, 2)
    """
    rng = np.random.default_rng(seed)
    n = math.prod(shape) // max(1, shape[1])
    # Evenly spread values, each channel in an order of its own: none has a tiny variance.
    columns = np.linspace(-1.8, 1.8, n)[:, None] + rng.uniform(-0.4, 0.4, (n, shape[1])) / n
    columns = rng.permuted(columns, axis=0) * scale + offset * scale
    x = np.moveaxis(columns.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
    channels = (shape[1],)
    return BatchNormExample(
        x=np.ascontiguousarray(x, dtype=dtype),
        dy=rng.standard_normal(shape).astype(dtype),
        gamma=(rng.uniform(0.5, 2.0, channels) * rng.choice([-1.0, 1.0], channels)).astype(dtype),
        beta=rng.standard_normal(channels).astype(dtype),
        eps=eps,
    )
