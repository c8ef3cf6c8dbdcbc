"""Which gradients the engine adds to in place, and keeps without a copy: those of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import _add
from minigrad.engine import Node, Op, apply
from minigrad.typing import Array


class Noted(Op):
    """Twice the input; notes which arrays or Tensors its rule has returned."""

    returned: list[Any]

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x * 2.0

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        gradient = dy * 2.0
        Noted.returned.append(gradient)
        return (gradient,)


class FreshNoted(Noted):
    fresh = True


@pytest.fixture(autouse=True)
def nothing_returned() -> None:
    Noted.returned = []


@pytest.mark.parametrize("op", [Noted, FreshNoted])
@pytest.mark.parametrize("how", ["backward", "grad"])
def test_fresh_gradient_is_kept_without_a_copy(op: type[Op], how: str) -> None:
    x = mg.ones(3, requires_grad=True)
    y = apply(op, x)
    if how == "grad":
        (gradient,) = mg.grad(y, x, mg.ones(3))
    else:
        y.backward(mg.ones(3))
        gradient = x.grad
    assert gradient is not None
    assert np.shares_memory(gradient.array, Noted.returned[0]) == op.fresh


def test_fresh_gradient_is_added_to_in_place() -> None:
    x = mg.ones(3, requires_grad=True)
    y = apply(FreshNoted, x) + apply(FreshNoted, x)
    y.backward(mg.ones(3))
    assert x.grad is not None
    assert np.shares_memory(x.grad.array, Noted.returned[0])
    assert x.grad.tolist() == [4.0] * 3


def test_recorded_gradient_is_not_added_to_in_place() -> None:
    """It may be part of the graph of the backward pass."""
    x = mg.ones(3, requires_grad=True)
    y = apply(FreshNoted, x) + apply(FreshNoted, x)
    y.backward(mg.ones(3), create_graph=True)
    assert x.grad is not None
    assert x.grad.tolist() == [4.0] * 3
    assert [gradient.tolist() for gradient in Noted.returned] == [[2.0] * 3] * 2


def test_sum_of_two_gradients_is_the_engines() -> None:
    x = mg.ones(3, requires_grad=True)
    first, second = np.full(3, 1.0), np.full(3, 2.0)
    gradients: dict[Any, Any] = {x: first}
    owned: set[int] = set()
    _add(gradients, owned, x, second, None)
    total = gradients[x]
    assert owned == {id(total)}
    _add(gradients, owned, x, second, None)
    assert gradients[x] is total
    assert total.tolist() == [5.0] * 3
    assert (first.tolist(), second.tolist()) == ([1.0] * 3, [2.0] * 3)


def test_sum_of_two_recorded_gradients_is_part_of_the_graph() -> None:
    x = mg.ones(3, requires_grad=True)
    gradients: dict[Any, Any] = {x: mg.ones(3)}
    owned: set[int] = set()
    _add(gradients, owned, x, mg.ones(3), None)
    total = gradients[x]
    assert not owned
    _add(gradients, owned, x, mg.ones(3), None)
    assert gradients[x] is not total
    assert total.tolist() == [2.0] * 3
