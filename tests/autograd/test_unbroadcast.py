"""Summing a gradient back to the shape that was broadcast to its own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from minigrad.autograd import unbroadcast
from minigrad.typing import Shape

SIZES = (0, 1, 2)


def broadcast_to(target: Shape) -> list[Shape]:
    """Return every shape that can be broadcast to ``target``."""
    shapes: list[Shape] = []
    for lead in range(len(target) + 1):
        shapes += itertools.product(*[{1, size} for size in target[lead:]])
    return shapes


@pytest.mark.parametrize("ndim", range(5))
def test_every_broadcast_of_few_axes(ndim: int, rng: np.random.Generator) -> None:
    """Each element gets the sum over its copies; zero, if none was made of it."""
    for target in itertools.product(SIZES, repeat=ndim):
        gradient = rng.normal(size=target)
        for shape in broadcast_to(target):
            size = math.prod(shape)
            copies = np.broadcast_to(np.arange(size).reshape(shape), target)
            expected = np.bincount(copies.ravel(), gradient.ravel(), minlength=size)
            result = unbroadcast(gradient, shape)
            assert result.shape == shape
            np.testing.assert_allclose(result.ravel(), expected, rtol=1e-14, atol=1e-14)
