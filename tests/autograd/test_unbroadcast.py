"""Summing a gradient back to the shape that was broadcast to its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.autograd import unbroadcast
from minigrad.typing import Shape

SIZES = (1, 2)


def broadcast_from(target: Shape) -> list[Shape]:
    """Return the shapes of which ``target`` can be made by broadcasting."""
    shapes: list[Shape] = []
    for lead in range(len(target) + 1):
        choices = [{1, size} for size in target[lead:]]
        shapes += itertools.product(*choices)
    return shapes


@pytest.mark.parametrize("ndim", range(5))
def test_every_broadcast_of_few_axes(ndim: int, rng: np.random.Generator) -> None:
    """Elements that were repeated get the sum of their copies: broadcasting, transposed."""
    for target in itertools.product(SIZES, repeat=ndim):
        gradient = rng.normal(size=target)
        for shape in broadcast_from(target):
            index = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), target)
            expected = np.bincount(index.ravel(), gradient.ravel(), minlength=index.max() + 1)
            result = unbroadcast(gradient, shape)
            assert result.shape == shape
            np.testing.assert_allclose(result.ravel(), expected, rtol=1e-14, atol=1e-14)
