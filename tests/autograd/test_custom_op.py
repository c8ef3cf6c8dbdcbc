"""A user's own op."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import OPS
from minigrad.testing import gradcheck, gradgradcheck

CELL = '''
class Cube(mg.Op):
    """x**3: dx = dy * 3 x**2."""

    saves = (0,)

    @staticmethod
    def forward(ctx, x):
        return x**3

    @staticmethod
    def backward(ctx, dy, x):
        return (dy * FACTOR * x**2,)
'''


def run_cell(factor: float) -> Any:
    """Run the cell of a notebook that defines the op."""
    namespace = {"mg": mg, "__name__": "__main__", "FACTOR": factor}
    exec(CELL, namespace)
    return namespace["Cube"]


def test_op_is_public_and_checked(rng: np.random.Generator) -> None:
    cube = run_cell(3.0)
    x = rng.normal(size=(2, 3))
    assert gradcheck(lambda x: mg.apply(cube, x), [x])
    assert gradgradcheck(lambda x: mg.apply(cube, x), [x])


def test_cell_that_is_run_twice(rng: np.random.Generator) -> None:
    """The new op takes the name; what was recorded with the old one keeps its rule."""
    x = mg.tensor([2.0], requires_grad=True)
    try:
        first = run_cell(-1.0)
        wrong = mg.apply(first, x)
        second = run_cell(3.0)
        assert OPS["__main__.Cube"] is second
        (gradient,) = mg.grad(mg.apply(second, x), x)
        assert gradient is not None
        assert gradient.tolist() == [12.0]
        (gradient,) = mg.grad(wrong, x)
        assert gradient is not None
        assert gradient.tolist() == [-4.0]
    finally:
        OPS.pop("__main__.Cube")
