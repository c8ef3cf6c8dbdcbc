"""How the backward pass walks through the graph, and what it leaves."""

from __future__ import annotations

import pytest

import minigrad as mg
from minigrad.errors import AutogradError
from minigrad.tensor import Tensor


def test_backward_records_nothing_unless_asked_to() -> None:
    x = mg.ones(2, requires_grad=True)
    y = (x * x).sum()
    mg.backward(y)
    assert x.grad is not None
    assert not x.grad.requires_grad
    with pytest.raises(AutogradError, match="second time through"):
        mg.backward(y)


def test_target_whose_history_is_not_asked_for_ends_its_branch_alone() -> None:
    x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    a = x * 2.0
    b = y * 3.0  # after a: the pass reaches it first, and has to go on
    db, dx = mg.grad((a + b * 5.0).sum(), [b, x])
    assert db is not None
    assert dx is not None
    assert db.tolist() == [5.0, 5.0]
    assert dx.tolist() == [2.0, 2.0]


def test_hooks_of_a_branch_that_is_not_asked_for_do_not_run() -> None:
    x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    other = y * 3.0
    seen: list[Tensor] = []
    other.register_hook(seen.append)
    (dx,) = mg.grad((x * 2.0 + other * 5.0).sum(), x)
    assert dx is not None
    assert dx.tolist() == [2.0, 2.0]
    assert not seen
