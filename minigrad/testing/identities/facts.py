"""What is true of an example, and how far rounding may lead away from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from minigrad.testing.examples import BatchNormExample
from minigrad.typing import Array

__all__ = ["ROUNDINGS", "Claim", "Facts", "along"]

ROUNDINGS = 64
"""Units in the last place that the operations on one value may cost; plain sums of n cost n more.

No more is asked for than a formula in plain arithmetic of the dtype of x can do: every tolerance
is this number of units, times the size of what is compared, times the condition |x| / std of the
subtraction of the mean. A wrong term is of the size of what is compared."""


class Claim(NamedTuple):
    """Two arrays that an identity says are equal."""

    what: str
    """Of which result this is: ``"dx"``."""
    left: Array
    right: Array
    allowed: Array | float
    """Largest absolute difference; broadcasts over the arrays."""


def along(values: Array, x: Array) -> Array:
    """Return (C,) values in the shape that broadcasts over ``x``."""
    return np.reshape(values, (1, -1, *(1,) * (x.ndim - 2)))


class Facts:
    """What is true of an example, in longdouble, and how far rounding may lead away from it.

    Attributes
    ----------
    n : int
        Values of a channel.
    mean, var, r : ndarray, shape (C,)
        With the biased variance, and ``r = (var + eps)**-0.5``.
    q : ndarray, shape (C,)
        ``var / (var + eps)``, the mean of x_hat squared.
    x_hat, g : ndarray, shape (N, C, *S)
        ``(x - mean) * r`` and ``gamma * dy``.
    """

    def __init__(self, example: BatchNormExample) -> None:
        x, dy, gamma = (
            np.asarray(v, np.longdouble) for v in (example.x, example.dy, example.gamma)
        )
        self.axes = (0, *range(2, x.ndim))
        self.n = x.size // x.shape[1]
        self.mean = x.mean(self.axes)
        deviation = x - along(self.mean, x)
        self.var = (deviation * deviation).mean(self.axes)
        self.r = 1.0 / np.sqrt(self.var + np.longdouble(example.eps))
        self.q = self.var * self.r * self.r
        self.x_hat = deviation * along(self.r, x)
        self.g = dy * along(gamma, x)
        self._x, self._example = x, example
        unit = float(np.finfo(example.x.dtype).eps) * (ROUNDINGS + 2 * self.n)
        self._unit = unit * (1.0 + np.abs(x).max(self.axes) * self.r)

    def sum(self, values: Array) -> Array:
        """Sum over all axes but that of the channels, in longdouble."""
        total: Array = np.asarray(values, np.longdouble).sum(self.axes)
        return total

    def largest(self, values: Array) -> Array:
        """Return the largest magnitude of each channel."""
        result: Array = np.abs(np.asarray(values, np.longdouble)).max(self.axes)
        return result

    @cached_property
    def allowed_x_hat(self) -> Array:
        """Of x_hat, shape (C,)."""
        result: Array = self._unit * (1.0 + self.largest(self.x_hat))
        return result

    @cached_property
    def allowed_y(self) -> Array:
        """Of y, for broadcasting over it."""
        gamma, beta = np.abs(self._example.gamma), np.abs(self._example.beta)
        return along(gamma * self.allowed_x_hat + self._unit * beta, self._x)

    @cached_property
    def allowed_dx_channel(self) -> Array:
        """Of each element of dx, shape (C,)."""
        peak = 1.0 + self.largest(self.x_hat)
        result: Array = self._unit * self.r * self.largest(self.g) * peak * peak
        return result

    @cached_property
    def allowed_dx(self) -> Array:
        """Of dx, for broadcasting over it."""
        return along(self.allowed_dx_channel, self._x)

    @cached_property
    def allowed_dgamma(self) -> Array:
        """Of dgamma, shape (C,)."""
        result: Array = self.n * self.largest(self._example.dy) * self.allowed_x_hat
        return result

    @cached_property
    def allowed_dbeta(self) -> Array:
        """Of dbeta, shape (C,)."""
        result: Array = self.n * self.largest(self._example.dy) * self._unit
        return result

    @cached_property
    def allowed_mean(self) -> Array:
        """Of the mean, shape (C,)."""
        result: Array = self._unit * (self.largest(self._x) + 1.0 / self.r)
        return result

    @cached_property
    def allowed_var(self) -> Array:
        """Of the variance, shape (C,)."""
        result: Array = self._unit * (self.var + self._example.eps)
        return result

    def claims_of_gradients(
        self, got: Iterable[Array], expected: Iterable[Array], factor: float = 1.0
    ) -> Iterator[Claim]:
        """Claim that two triples (dx, dgamma, dbeta) are equal."""
        allowed = (self.allowed_dx, self.allowed_dgamma, self.allowed_dbeta)
        names = ("dx", "dgamma", "dbeta")
        for name, left, right, most in zip(names, got, expected, allowed, strict=True):
            yield Claim(name, left, right, factor * most)
