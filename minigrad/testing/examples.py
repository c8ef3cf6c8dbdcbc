"""Arguments of BatchNorm to test an implementation on; without Hypothesis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minigrad.arguments import check_integer, check_number, real_dtype
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import normalize_shape
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

    Raises
    ------
    ShapeError
        If ``shape`` is not (N, C, *S).
    DTypeError
        If ``dtype`` is not floating, or a number not a real one.
    ValueError
        If ``seed`` is negative.

    Examples
    --------
    >>> batch_norm_example((4, 2)).x.shape
    (4, 2)
    """
    shape = normalize_shape("batch_norm_example", shape)
    if len(shape) < 2 or min(shape) < 0:
        raise ShapeError(f"batch_norm_example: shape must be (N, C, *S), got {shape}")
    for argument, value in (("offset", offset), ("scale", scale), ("eps", eps)):
        check_number("batch_norm_example", argument, value)
    dtype = real_dtype(dtype)
    if dtype.kind != "f":
        raise DTypeError(f"batch_norm_example: dtype must be floating, got {dtype}")
    rng = np.random.default_rng(check_integer("batch_norm_example", "seed", seed, 0))
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
