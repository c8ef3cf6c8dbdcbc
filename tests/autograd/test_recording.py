"""Which results of `apply` are views: a change of one counts as a change of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import Alias
from minigrad.engine import Node, Op, apply
from minigrad.tensor import Tensor
from minigrad.typing import Array


class FirstPlusNothing(Op):
    """The first of two inputs itself; the second has no influence."""

    view = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        return a

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
        return dy, np.zeros_like(dy)


def is_view_of(view: Tensor, base: Tensor) -> bool:
    """Whether a change of one counts as a change of the other."""
    return view.counter is base.counter


@pytest.mark.parametrize("second", [np.ones(2), mg.ones(2)], ids=["array", "tensor"])
def test_view_of_the_first_input(second: Any) -> None:
    first = mg.zeros(2, dtype=np.float64)
    view = apply(FirstPlusNothing, first, second)
    assert np.shares_memory(view.array, first.array)
    assert is_view_of(view, first)


def test_view_of_an_array() -> None:
    """There is no Tensor whose version it could share."""
    array, other = np.zeros(2), mg.ones(2, dtype=np.float64)
    view = apply(FirstPlusNothing, array, other)
    assert np.shares_memory(view.array, array)
    assert not is_view_of(view, other)


def test_alias_is_a_view() -> None:
    x = mg.ones(2)
    alias = apply(Alias, x)
    assert alias is not x
    assert alias.array is x.array
    assert is_view_of(alias, x)


def test_copy_by_an_op_of_views_is_none() -> None:
    base = mg.zeros(2, 3).T  # cannot be flattened in place
    copy = base.reshape(6)
    assert not np.shares_memory(copy.array, base.array)
    assert not is_view_of(copy, base)
