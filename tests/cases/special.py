"""Functions with special points: the points themselves are in ``tests/ops/test_special.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops.special import Copysign, Logit, Sinc, Xlogy
from minigrad.testing.strategies import spread_values
from minigrad.typing import Array
from tests.cases import Case

X = np.ones((2, 3))
SHAPES = ((X, np.ones(2)), ShapeError, r"shapes \(2, 3\) and \(2,\) do not broadcast")


def inside(shape: tuple[int, ...]) -> Any:
    return lambda rng: (rng.uniform(0.05, 0.95, size=shape),)


def reference_logit(x: Array, eps: float | None = None) -> Any:
    x = x if eps is None else np.clip(x, eps, 1.0 - eps)
    return np.log(x / (1.0 - x))


CASES = [
    Case(Logit, mg.logit, inside((2, 3)), reference_logit, empty=(np.ones(0),)),
    Case(Logit, mg.logit, inside(()), reference_logit, id="rank 0"),
    Case(
        Logit,
        mg.logit,
        lambda rng: (spread_values((3, 3), rng, low=0.0, high=1.0, kinks=(0.25, 0.75)),),
        reference_logit,
        {"eps": 0.25},
        id="limited",
    ),
    Case(
        Xlogy,
        mg.xlogy,
        lambda rng: (rng.normal(size=(2, 1)), rng.uniform(0.5, 2.0, size=(2, 3))),
        lambda x, y: x * np.log(y),
        errors=[SHAPES],
        empty=(np.ones((0, 2)), np.ones(2)),
    ),
    Case(
        Xlogy,
        mg.xlogy,
        lambda rng: (0.0 * rng.normal(size=3), rng.uniform(0.5, 2.0, size=3)),
        lambda x, y: x * np.log(y),
        id="zero times a logarithm",
    ),
    Case(
        Copysign,
        mg.copysign,
        lambda rng: (
            spread_values((2, 3), rng, kinks=(0.0,)),
            spread_values((3,), rng, kinks=(0.0,)),
        ),
        np.copysign,
        errors=[SHAPES],
        empty=(np.ones((0, 2)), np.ones(2)),
    ),
    Case(Sinc, mg.sinc, lambda rng: (rng.normal(size=(2, 3)),), np.sinc, empty=(np.ones(0),)),
    Case(Sinc, mg.sinc, lambda rng: (rng.normal(size=4) * 1e-3,), np.sinc, id="close to 0"),
    Case(Sinc, mg.sinc, lambda rng: (3.0 + rng.normal(size=4),), np.sinc, id="far from 0"),
]
