"""Rounding and signs: between the steps, a gradient of zero."""

from __future__ import annotations

import numpy as np

from minigrad.ops import rounding as ops
from minigrad.typing import Array
from tests.cases import Case


def between_steps(rng: np.random.Generator) -> tuple[Array]:
    """Return values 0.1 or more away from multiples of a half, so also from those of 1."""
    return (rng.integers(-6, 6, size=(3, 4)) * 0.5 + rng.uniform(0.1, 0.4, size=(3, 4)),)


CASES = [
    *[
        Case(
            ops.PiecewiseConstant,
            function,
            between_steps,
            reference,
            id=function.__name__,
            higher_order=False,
        )
        for function, reference in (
            (ops.ceil, np.ceil),
            (ops.floor, np.floor),
            (ops.round, np.round),
            (ops.sign, np.sign),
            (ops.trunc, np.trunc),
        )
    ],
    Case(
        ops.PiecewiseConstant,
        ops.round,
        lambda rng: (rng.integers(-9, 9, size=(3, 4)) / 10 + rng.uniform(0.01, 0.04, size=(3, 4)),),
        np.round,
        kwargs={"decimals": 1},
        id="round-decimals",
        higher_order=False,
    ),
]
