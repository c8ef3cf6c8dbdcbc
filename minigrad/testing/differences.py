"""Central differences of fourth order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.typing import Array, Shape

__all__ = ["directional", "random_direction", "step_size"]

_ROUNDING = 4.0
"""Units in the last place by which each value of the function may be off."""
_SMALLEST_SPREAD = 1e-7
"""Of an input, relative to its magnitude: keeps steps well above the spacing of its values."""


def directional(
    f: Callable[[list[Any]], list[Array]],
    arguments: list[Any],
    position: int,
    direction: Array,
    h: float,
    upstream: list[Array],
) -> tuple[float, float]:
    """Differentiate ``sum(upstream * f(arguments))`` along a direction of one argument.

    Parameters
    ----------
    f : callable
        Takes the list of arguments, returns a list of arrays.
    arguments : list
    position : int
        Of the argument that varies, an array.
    direction : ndarray, of its shape
    h : float
        Step along ``direction``.
    upstream : list of ndarray
        Weights of each array that ``f`` returns.

    Returns
    -------
    derivative : float
    noise : float
        How far rounding in ``f`` may have put it off.

    Notes
    -----
    Differences are taken before the sum, so elements that do not depend on the argument
    contribute exactly nothing, to the derivative and to the noise.
    """

    def at(distance: float) -> list[Array]:
        moved = list(arguments)
        moved[position] = arguments[position] + distance * direction
        return f(moved)

    total = noise = 0.0
    points = (at(h), at(-h), at(2 * h), at(-2 * h))
    for u, plus, minus, plus2, minus2 in zip(upstream, *points, strict=True):
        difference = 8.0 * (plus - minus) - (plus2 - minus2)
        total += float(np.sum(u * difference))
        noise += float(np.sum(np.abs(u * plus) * (difference != 0.0)))
    return total / (12.0 * h), _ROUNDING * float(np.finfo(np.float64).eps) * noise / h


def step_size(value: Array, step: float) -> float:
    """Return ``step`` times the spread of ``value``, as the nearest power of two.

    The spread is the standard deviation, or the magnitude if all values are equal. A power of two
    makes ``x + h`` exact for nearly every ``x``.
    """
    largest = float(np.max(np.abs(value), initial=0.0)) or 1.0
    deviation = float(np.std(value)) if value.size > 1 else 0.0
    spread = max(deviation, _SMALLEST_SPREAD * largest) if deviation else largest
    return float(2.0 ** round(math.log2(step * spread)))


def random_direction(shape: Shape, rng: np.random.Generator) -> Array:
    """Return signs times 1/2, 1 or 2: no element is left out, and steps along it stay exact."""
    magnitudes = rng.choice(np.array([0.5, 1.0, 2.0]), size=shape)
    direction: Array = magnitudes * rng.choice(np.array([-1.0, 1.0]), size=shape)
    return direction
