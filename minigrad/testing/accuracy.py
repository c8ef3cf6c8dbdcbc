"""How many units in the last place a BatchNorm is off, against extended precision.

Errors are counted in units of the last place of what is added up, not of the result, where it may
cancel: of ``|gamma * x_hat| + |beta|`` for y, and of ``r * (|g| + |mean(g)| + |x_hat * mean(g *
x_hat)|)`` for dx, with ``g = gamma * dy`` and ``r = (var + eps)**-0.5``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.testing.examples import BatchNormExample
from minigrad.testing.identities.facts import Facts, along
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.typing import Array

__all__ = ["BatchNormUlps", "batch_norm_ulps"]


class BatchNormUlps(NamedTuple):
    """Largest errors, in units in the last place of the dtype of x; infinite where not finite."""

    y: float
    dx: float


def batch_norm_ulps(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> BatchNormUlps:
    """Return the largest errors of training's y and dx.

    Parameters
    ----------
    implementation : BatchNormImplementation
    example : BatchNormExample
        Taken as it is stored: that its x has been rounded is no error.

    Returns
    -------
    BatchNormUlps
        ``y``, in units in the last place of ``|gamma * x_hat| + |beta|``, and ``dx``, of
        ``r * (|g| + |mean(g)| + |x_hat * mean(g * x_hat)|)``.

    Raises
    ------
    DTypeError
        If an argument is something else, or a result has another dtype than x.
    ShapeError
        If a result has another shape than x, or x is empty.

    Notes
    -----
    The reference is in `numpy.longdouble`. Where that is no wider than float64, as on Windows,
    errors of float64 implementations are those of the reference as well.

    Examples
    --------
    >>> from minigrad.testing import batch_norm_example
    >>> from minigrad.testing.implementations import cpu_implementation
    >>> example = batch_norm_example((64, 3), offset=1e6, dtype="float32")
    >>> max(batch_norm_ulps(cpu_implementation(), example)) <= 4.0
    True
    """
    if not isinstance(implementation, BatchNormImplementation):
        raise DTypeError(
            "batch_norm_ulps: implementation must be a BatchNormImplementation, got "
            f"{type(implementation).__name__}"
        )
    if not isinstance(example, BatchNormExample):
        raise DTypeError(
            f"batch_norm_ulps: example must be a BatchNormExample, got {type(example).__name__}"
        )
    x, dy, gamma, beta = example.x, example.dy, example.gamma, example.beta
    if x.size == 0:
        raise ShapeError(f"batch_norm_ulps: x must have values, got shape {x.shape}")
    facts = Facts(example)
    scaled, shift = along(gamma, x) * facts.x_hat, along(beta, x)
    y, _, _ = implementation.forward(x, gamma, beta, example.eps)
    mean_g = along(facts.g.mean(facts.axes), x)
    third = facts.x_hat * along((facts.g * facts.x_hat).mean(facts.axes), x)
    r = along(facts.r, x)
    dx, _, _ = implementation.backward(dy, x, gamma, beta, example.eps)
    return BatchNormUlps(
        _ulps("y", y, scaled + shift, np.abs(scaled) + np.abs(shift), x),
        _ulps(
            "dx",
            dx,
            r * (facts.g - mean_g - third),
            r * (np.abs(facts.g) + np.abs(mean_g) + np.abs(third)),
            x,
        ),
    )


def _ulps(name: str, actual: Array, expected: Array, size: Array, x: Array) -> float:
    """Return the largest error in units in the last place of ``size``."""
    if actual.shape != x.shape:
        raise ShapeError(
            f"batch_norm_ulps: {name} must have the shape of x, {x.shape}, got {actual.shape}"
        )
    if actual.dtype != x.dtype:
        raise DTypeError(
            f"batch_norm_ulps: {name} must have the dtype of x, {x.dtype}, got {actual.dtype}"
        )
    unit = np.spacing(size.astype(x.dtype)).astype(np.longdouble)
    # A result that overflowed where the true one is finite is wrong by any measure.
    with np.errstate(invalid="ignore", over="ignore"):
        largest = float(np.max(np.abs(actual.astype(np.longdouble) - expected) / unit))
    return largest if math.isfinite(largest) else math.inf
