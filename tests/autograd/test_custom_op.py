"""A user's own op."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import OPS
from minigrad.errors import ShapeError
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


@pytest.mark.parametrize(
    ("shape", "wrong"), [((2,), (3,)), ((2,), (4, 3)), ((2, 1), (2,)), ((3,), (1,)), ((), None)]
)
def test_gradient_that_no_broadcast_explains_is_refused(
    shape: tuple[int, ...], wrong: tuple[int, ...] | None
) -> None:
    """A sum over axes would give it another wrong shape, or the right one and wrong values."""

    class Wrong(mg.Op):
        broadcasts = True

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, dy: Any) -> tuple[Any]:
            return (np.ones((2, 3) if wrong is None else wrong),)

    x = mg.ones(*shape, dtype=np.float64, requires_grad=True)
    y = mg.apply(Wrong, x).sum()
    if wrong is None:  # a number broadcasts to any shape
        (gradient,) = mg.grad(y, x)
        assert gradient is not None
        assert gradient.tolist() == 6.0
        return
    text = f"must have shape {re.escape(str(shape))}, got {re.escape(str(wrong))}"
    with pytest.raises(ShapeError, match=text):
        mg.grad(y, x)


def test_fused_op_that_saves_its_result() -> None:
    """The result is not an input of the composite."""

    class FusedExpm1(mg.Op):
        """exp(x) - 1: dx = dy (y + 1), in a kernel that records nothing."""

        saves = (0, "y")

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return np.expm1(x)

        @staticmethod
        def composite(ctx: Any, x: Any) -> Any:
            return mg.exp(x) - 1.0

        @staticmethod
        def backward(ctx: Any, dy: Any, x: Any, y: Any) -> tuple[Any]:
            return (dy * (y + 1.0),)

    assert gradgradcheck(lambda x: mg.apply(FusedExpm1, x), [np.array([-1.0, 0.5])], order=3)
