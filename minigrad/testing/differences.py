"""Central differences of fourth order, and whether the function is smooth where they are taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.typing import Array, Shape

__all__ = [
    "Differences",
    "differences",
    "directional",
    "is_smooth",
    "random_direction",
    "step_size",
]

_ROUNDING = 4.0
"""Units in the last place by which each value of the function may be off."""
_SMALLEST_SPREAD = 1e-7
"""Of an input, relative to its magnitude: keeps steps well above the spacing of its values."""
_NOISE = 16.0
"""How much more than the derivative a fourth difference at half the step magnifies rounding."""
_DEVIATION = 0.03
"""From how the differences of a smooth function shrink with the step, relative to their size: half
of what the least visible kink shows, 0.057 (`is_smooth`)."""


class Differences(NamedTuple):
    """What five equidistant values of a function say."""

    derivative: float
    noise: float
    """How far rounding in the function may have put ``derivative`` off."""
    left: float
    """Slope on this side, of second order."""
    right: float
    third: float
    """``(f(x+h) - f(x-h)) / 2h - (f(x+2h) - f(x-2h)) / 4h``: for a smooth function -h**2 f'''/2."""
    fourth: float
    """``right - left``: for a smooth function -h**3 f''''/2."""

    @property
    def bend(self) -> float:
        """How much of the slope depends on where in the step it is measured."""
        return max(abs(self.third), abs(self.fourth))


def differences(
    f: Callable[[list[Any]], list[Array]],
    arguments: list[Any],
    position: int,
    direction: Array,
    h: float,
    upstream: list[Array],
    centre: list[Array],
) -> Differences:
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
    centre : list of ndarray
        ``f(arguments)``.

    Returns
    -------
    Differences

    Notes
    -----
    Differences are taken before the sum, so elements that do not depend on the argument
    contribute exactly nothing, to the derivative and to the noise.
    """

    def at(distance: float) -> list[Array]:
        moved = list(arguments)
        moved[position] = arguments[position] + distance * direction
        return f(moved)

    total = noise = left = right = third = 0.0
    with np.errstate(all="ignore"):  # a step may leave the domain: that shows in the result
        points = (centre, at(h), at(-h), at(2 * h), at(-2 * h))
        for u, here, plus, minus, plus2, minus2 in zip(upstream, *points, strict=True):
            near, far = plus - minus, plus2 - minus2
            difference = 8.0 * near - far
            total += float(np.sum(u * difference))
            noise += float(np.sum(np.abs(u * plus) * (difference != 0.0)))
            third += float(np.sum(u * (2.0 * near - far)))
            left += float(np.sum(u * (4.0 * (here - minus) - (here - minus2))))
            right += float(np.sum(u * (4.0 * (plus - here) - (plus2 - here))))
    return Differences(
        derivative=total / (12.0 * h),
        noise=_ROUNDING * float(np.finfo(np.float64).eps) * noise / h,
        left=left / (2.0 * h),
        right=right / (2.0 * h),
        third=third / (4.0 * h),
        fourth=(right - left) / (2.0 * h),
    )


def directional(
    f: Callable[[list[Any]], list[Array]],
    arguments: list[Any],
    position: int,
    direction: Array,
    h: float,
    upstream: list[Array],
) -> tuple[float, float]:
    """Return the derivative of `differences` and its noise, for a function known to be smooth."""
    found = differences(f, arguments, position, direction, h, upstream, f(arguments))
    return found.derivative, found.noise


def is_smooth(coarse: Differences, fine: Differences, rounding: float = 0.0) -> bool:
    """Whether differences at a step and at half of it are those of a smooth function.

    ``rounding``: what slopes may differ by beyond the noise that is known.

    Notes
    -----
    Halving the step divides ``third`` by 4 and ``fourth`` by 8 if the function has as many
    derivatives. If its slope changes by J at a distance t h from the point, ``third`` is
    ``-J/4 min(t, 2 - t)`` and ``fourth`` is ``J (1 - 3/2 t)`` up to t = 1, ``-J/2 (2 - t)`` from
    there to 2. For no t do both shrink like that: one is off by 0.057 of the larger or more, the
    least at t = 0.93. Jumps give differences that do not shrink at all.
    """
    deviation = max(abs(fine.third - coarse.third / 4.0), abs(fine.fourth - coarse.fourth / 8.0))
    return deviation <= _DEVIATION * coarse.bend + _NOISE * coarse.noise + rounding


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
