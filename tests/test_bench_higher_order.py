"""The report on higher orders: its reference is right, and so are our rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench import higher_order, peers
from bench.harness import Settings
from bench.records import Row, table
from bench.taylor import gradient_of_derivative
from minigrad.kernels.reference import batch_norm as reference
from minigrad.testing.mutants import HIGHER_ORDER

ROUNDING = 1e-13
"""A few hundred units of float64: three nested gradients of sums of fifteen values."""
WAYS = {
    "fused": higher_order.minigrad_fused,
    "primitives": higher_order.minigrad_primitives,
}


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("order", [*higher_order.ORDERS, 4])
def test_ours_are_right(order: int, way: str) -> None:
    errors = higher_order.relative_errors(higher_order.minigrad_framework(), WAYS[way], order)
    assert set(errors) == set(higher_order.INPUTS)
    assert max(errors.values()) < ROUNDING


def test_a_detached_mean_shows_from_the_second_order() -> None:
    """The error is that of the mutant, so the report can tell."""
    (mutant,) = (m for m in HIGHER_ORDER if "mean detached inside the variance" in m.name)
    framework = higher_order.minigrad_framework()
    with mutant.applied():
        found = [
            max(higher_order.relative_errors(framework, WAYS["fused"], order).values())
            for order in higher_order.ORDERS
        ]
    assert found[0] < ROUNDING
    assert min(found[1:]) > 1e-3


def test_the_reference_agrees_with_the_gradient_of_the_kernels() -> None:
    inputs, directions = higher_order.draw((4, 2, 3))
    x, gamma, beta, dy = inputs
    y, mean, _, inv_std = reference.forward_train(x, gamma, beta, eps=1e-3)
    expected = [*reference.backward_train(dy, x, mean, inv_std, gamma), y]
    got = gradient_of_derivative(inputs, directions, 1e-3, 1)
    for value, want in zip(got, expected, strict=True):
        assert want is not None
        np.testing.assert_allclose(np.asarray(value, np.float64), want, rtol=0, atol=1e-13)


@pytest.mark.parametrize("order", [2, 3])
def test_the_reference_agrees_with_differences_of_the_order_below(order: int) -> None:
    inputs, directions = higher_order.draw((4, 2))
    h = 1e-3

    def below(distance: float) -> list[Any]:
        moved = [v + distance * d for v, d in zip(inputs, directions, strict=True)]
        return gradient_of_derivative(moved, directions, 0.1, order - 1)

    got = gradient_of_derivative(inputs, directions, 0.1, order)
    for near, far, value in zip(
        zip(below(h), below(-h), strict=True),
        zip(below(2 * h), below(-2 * h), strict=True),
        got,
        strict=True,
    ):
        numeric = (8.0 * (near[0] - near[1]) - (far[0] - far[1])) / (12.0 * h)
        # Fourth order: h**4 times the fifth derivative.
        np.testing.assert_allclose(value, numeric, rtol=0, atol=1e-7)


def test_rows_without_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "torch", lambda: None)
    monkeypatch.setattr(higher_order, "TIMED_SHAPE", (4, 2, 3))
    rows = higher_order.run(Settings(rounds=1, seconds=0.0, warm_up=0))
    assert [row.peer for row in rows] == [None] * 7
    assert {row.unit for row in rows} == {"error", "factor"}


def test_rows_with_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first order is right, whatever becomes of higher ones."""
    pytest.importorskip("torch")
    monkeypatch.setattr(higher_order, "TIMED_SHAPE", (4, 2, 3))
    rows = higher_order.run(Settings(rounds=1, seconds=0.0, warm_up=0))
    assert all(row.peer is not None for row in rows)
    assert rows[0].peer is not None
    assert rows[0].peer < ROUNDING


def test_errors_and_multiples_are_printed_as_such() -> None:
    rows = [Row("b", "right", "error", 2e-16, 0.35), Row("b", "cost", "factor", 7.412)]
    lines = [" ".join(line.split()) for line in table(rows).splitlines()]
    assert lines[1:] == ["right 2.0e-16 3.5e-01", "cost 7.41 x"]
