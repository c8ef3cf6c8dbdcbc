"""Higher orders: right rules pass, mistakes that show at the second order are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigrad.engine import Node, Op, apply
from minigrad.ops.elementwise import add, mul
from minigrad.ops.math import exp
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array


def test_second_order_mistake_is_found_at_second_order(rng: np.random.Generator) -> None:
    """A rule that computes on bare arrays is right once, and a constant after that."""

    class Square(Op):
        saves = (0,)

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * x

        @staticmethod
        def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
            return (dy * (2.0 * np.asarray(x)),)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(Square, x)
        return result

    x = rng.normal(size=3)
    assert gradcheck(function, x)
    report = gradgradcheck(function, x, raise_exception=False)
    assert {mismatch.input for mismatch in report.mismatches} == {0}


def test_kernel_that_differs_from_its_composite_is_found(rng: np.random.Generator) -> None:
    """The second derivatives come from the composite, the differences from the fused rule."""

    class FusedSquare(Op):
        saves = (0,)
        composite = staticmethod(lambda ctx, x: mul(x, x))

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * x

        @staticmethod
        def backward(ctx: Node, dy: Array, x: Array) -> tuple[Array]:
            return (dy * 3.0 * x,)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(FusedSquare, x)
        return result

    report = gradgradcheck(function, rng.normal(size=3), raise_exception=False)
    assert {mismatch.input for mismatch in report.mismatches} == {0, 1}


@pytest.mark.parametrize("order", [2, 3])
def test_higher_orders_pass(order: int, rng: np.random.Generator) -> None:
    inputs = [rng.normal(size=(2, 3)), rng.normal(size=3)]
    report = gradgradcheck(lambda a, b: mul(exp(mul(a, b)), a), inputs, order=order)
    assert report.checked > 9


def test_higher_order_of_a_linear_function(rng: np.random.Generator) -> None:
    """The second derivative is zero and the graph of the gradient does not contain the inputs."""
    assert gradgradcheck(add, [rng.normal(size=3), rng.normal(size=(2, 1))])


def test_order_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        gradgradcheck(exp, np.ones(2), order=1)
