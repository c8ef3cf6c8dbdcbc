"""The gradient of a view of a leaf is the same view of the leaf's gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import Node
from minigrad.tensor import Tensor
from minigrad.typing import Array

VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "slice": lambda x: x[1:, ::-2],
    "row": lambda x: x[-1],
    "new axis": lambda x: x[:, None],
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(2, 6),
    "expand": lambda x: x.expand(2, 3, 4),
    "chain": lambda x: x.T[1:].reshape(3, 3, 1)[..., 0].transpose(0, 1)[2],
    "ellipsis": lambda x: x[...],
}


class Same(mg.Op):
    """``x`` itself, but by its own account no view."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy,)


@pytest.fixture
def x(rng: np.random.Generator) -> Tensor:
    return mg.tensor(rng.normal(size=(3, 4)), requires_grad=True)


@pytest.mark.parametrize("name", VIEWS)
def test_view_of_the_gradient(name: str, x: Tensor) -> None:
    view = VIEWS[name](x)
    before = view.grad
    assert before is None
    (x**3).sum().backward()
    assert x.grad is not None
    assert view.grad is not None
    np.testing.assert_array_equal(view.grad.array, VIEWS[name](x.grad).array)
    assert np.shares_memory(view.grad.array, x.grad.array)
    assert not view.grad.requires_grad


def test_it_shows_the_whole_gradient_of_the_leaf(x: Tensor) -> None:
    """Not that which flows through the view alone, which `retain_grad` keeps."""
    seen, kept = x[0], x[0]
    kept.retain_grad()
    (seen * 2.0 + kept * 3.0 + x[0] * 5.0).sum().backward()
    assert seen.grad is not None
    assert kept.grad is not None
    assert seen.grad.tolist() == [10.0] * 4
    assert kept.grad.tolist() == [3.0] * 4


def test_changes_go_both_ways(x: Tensor) -> None:
    row = x[1]
    (x * 2.0).sum().backward()
    assert x.grad is not None
    assert row.grad is not None
    version = x.grad._version
    row.grad.zero_()
    assert x.grad.tolist() == [[2.0] * 4, [0.0] * 4, [2.0] * 4]
    assert x.grad._version == version + 1
    (x * 2.0).sum().backward()
    assert row.grad.tolist() == [2.0] * 4
    x.grad = None
    assert row.grad is None


def test_copies_and_results_show_nothing(x: Tensor) -> None:
    copies = [
        x[[0, 1]],
        x.T.reshape(-1),
        x.T.reshape(-1)[2:],
        x.clone(),
        x * 1.0,
        (x * 1.0)[0],
        x.detach()[0],
        mg.apply(Same, x),
    ]
    (x * 2.0).sum().backward()
    assert [copy.grad for copy in copies] == [None] * len(copies)


def test_view_of_new_data_shows_nothing(x: Tensor) -> None:
    row = x[0]
    (x * 2.0).sum().backward()
    x.data = np.zeros((3, 4))
    assert row.grad is None


def test_gradient_in_another_order_is_copied(x: Tensor) -> None:
    flat = x.reshape(-1)
    x.grad = mg.tensor(np.arange(12.0).reshape(4, 3)).T
    assert flat.grad is not None
    np.testing.assert_array_equal(flat.grad.array, x.grad.array.reshape(-1))
    assert not np.shares_memory(flat.grad.array, x.grad.array)


def test_recorded_gradient_is_viewed_with_its_history(x: Tensor) -> None:
    row = x[0]
    (x**3).sum().backward(create_graph=True)
    assert row.grad is not None
    (curvature,) = mg.grad(row.grad.sum(), x)
    assert curvature is not None
    expected = np.zeros((3, 4))
    expected[0] = 6.0 * x.array[0]
    np.testing.assert_allclose(curvature.array, expected)
