"""Errors in units in the last place: the promise of 4 is kept, and what breaks it is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minigrad.errors import DTypeError, ShapeError
from minigrad.testing import BatchNormExample, batch_norm_example, batch_norm_ulps
from minigrad.testing.implementations import (
    BatchNormImplementation,
    cpu_implementation,
    reference_implementation,
    tensor_implementation,
)
from minigrad.typing import Array

MAX_ULPS = 4.0
SHAPES = [(600, 3), (8, 5, 9, 9)]


def example(shape: tuple[int, ...], mean: float, scale: float = 1.0) -> BatchNormExample:
    eps = 1e-5 * min(1.0, scale**2)
    return batch_norm_example(shape, offset=mean, scale=scale, eps=eps, dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15, 1e30])
@pytest.mark.parametrize("mean", [0.0, 1.0, 1e2, 1e3, 1e4, 1e5, 1e6])
def test_the_promise(mean: float, scale: float, shape: tuple[int, ...]) -> None:
    for implementation in (cpu_implementation(), tensor_implementation()):
        y, dx = batch_norm_ulps(implementation, example(shape, mean, scale))
        assert y <= MAX_ULPS
        assert dx <= MAX_ULPS


def test_the_reference_rounds_once() -> None:
    y, dx = batch_norm_ulps(reference_implementation(), example((8, 5, 9), 1.0))
    assert 0.25 < y < 0.51
    assert 0.25 < dx < 0.51


def spoiled(name: str, spoil: Any) -> BatchNormImplementation:
    """Return the reference with one of its results changed."""
    right = reference_implementation()

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> Any:
        y, mean, var = right.forward(x, gamma, beta, eps)
        return (spoil(y) if name == "y" else y), mean, var

    def backward(dy: Array, x: Array, gamma: Array, beta: Array, eps: float) -> Any:
        dx, dgamma, dbeta = right.backward(dy, x, gamma, beta, eps)
        return (spoil(dx) if name == "dx" else dx), dgamma, dbeta

    return BatchNormImplementation(name, forward, backward)


@pytest.mark.parametrize("name", ["y", "dx"])
def test_an_error_is_counted_where_it_is(name: str) -> None:
    def off_by_a_power(values: Array) -> Array:
        return values * np.float32(1 + 2.0**-16)  # 128 units in the last place, up to 256

    errors = batch_norm_ulps(spoiled(name, off_by_a_power), example((50, 3), 0.0))._asdict()
    assert 200.0 < errors.pop(name) < 257.0
    assert max(errors.values()) < 0.51


@pytest.mark.parametrize("name", ["y", "dx"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_wrong(name: str, value: float) -> None:
    def broken(values: Array) -> Array:
        values[1, 2] = value
        return values

    errors = batch_norm_ulps(spoiled(name, broken), example((50, 3), 0.0))._asdict()
    assert errors[name] == np.inf


def test_errors_are_in_units_of_what_is_added_up() -> None:
    """Where gamma * x_hat and beta cancel, a unit is that of either, not of their sum."""
    one = example((50, 1), 0.0)
    y, _, _ = reference_implementation().forward(one.x, one.gamma, one.beta, one.eps)
    canceling = replace(one, beta=(one.beta - y[7]).astype(np.float32))
    assert batch_norm_ulps(reference_implementation(), canceling).y < 0.51
    rough = spoiled("y", lambda values: values + np.float32(1e-6) * np.abs(one.beta))
    assert batch_norm_ulps(rough, canceling).y < 20.0


@pytest.mark.parametrize("name", ["y", "dx"])
def test_wrong_results_are_refused(name: str) -> None:
    one = example((6, 3), 0.0)
    with pytest.raises(DTypeError, match=f"{name} must have the dtype of x, float32, got float64"):
        batch_norm_ulps(spoiled(name, lambda values: values.astype(np.float64)), one)
    with pytest.raises(
        ShapeError, match=rf"{name} must have the shape of x, \(6, 3\), got \(3, 6\)"
    ):
        batch_norm_ulps(spoiled(name, np.transpose), one)


def test_nothing_to_measure() -> None:
    empty = batch_norm_example((0, 3), dtype=np.float32)
    with pytest.raises(ShapeError, match=r"x must have values, got shape \(0, 3\)"):
        batch_norm_ulps(reference_implementation(), empty)
