"""Ties, bounds and NaN: who gets the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.errors import DTypeError
from minigrad.ops.selection import clamp, fmax, fmin, maximum, minimum, where
from minigrad.tensor import Tensor

Gradients = list[list[float]]


def gradients(function: Callable[..., Tensor], *values: list[float] | None) -> Gradients:
    """Return the gradients of all operands, for an upstream of ones."""
    leaves = [None if v is None else Tensor(np.array(v), requires_grad=True) for v in values]
    output = function(*leaves)
    wanted = [leaf for leaf in leaves if leaf is not None]
    return [g.tolist() for g in grad(output, wanted, np.ones(output.shape)) if g is not None]


@pytest.mark.parametrize("function", [maximum, minimum, fmax, fmin])
def test_equal_operands_share(function: Callable[..., Tensor]) -> None:
    a, b = gradients(function, [1.0, 0.0, math.inf], [1.0, -0.0, math.inf])
    assert a == b == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("function", [maximum, minimum])
def test_nan_wins_and_both_get_the_gradient(function: Callable[..., Tensor]) -> None:
    values = [math.nan, 1.0, math.nan], [1.0, math.nan, math.nan]
    assert np.isnan(function(*map(np.array, values)).array).all()
    assert gradients(function, *values) == [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize("function", [fmax, fmin])
def test_nan_loses(function: Callable[..., Tensor]) -> None:
    values = [math.nan, 1.0], [2.0, math.nan]
    assert function(*map(np.array, values)).tolist() == [2.0, 1.0]
    assert gradients(function, *values) == [[0.0, 1.0], [1.0, 0.0]]


def test_maximum_of_a_tensor_with_itself() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    (dx,) = grad(maximum(x, x), x, np.ones(2))
    assert dx is not None
    assert dx.tolist() == [1.0, 1.0]


def test_clamp_passes_the_gradient_at_its_bounds() -> None:
    x = Tensor(np.array([-2.0, -1.0, 0.0, 1.0, 2.0, math.nan]), requires_grad=True)
    y = clamp(x, -1.0, 1.0)
    assert y.tolist()[:5] == [-1.0, -1.0, 0.0, 1.0, 1.0]
    assert math.isnan(y.tolist()[5])
    (dx,) = grad(y, x, np.ones(6))
    assert dx is not None
    assert dx.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_every_clamped_element_gives_its_gradient_to_one() -> None:
    x, low, high = [-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0] * 5, [1.0] * 5
    found = gradients(clamp, x, low, high)
    assert found == [[0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 4 + [1.0]]


def test_crossed_bounds_give_the_upper_one() -> None:
    x, low, high = [-2.0, 0.0, 2.0], [1.0] * 3, [-1.0] * 3
    assert clamp(*map(np.array, (x, low, high))).tolist() == high
    assert gradients(clamp, x, low, high) == [[0.0] * 3, [0.0] * 3, [1.0] * 3]


def test_equal_bounds_have_one_winner_each() -> None:
    found = gradients(clamp, [-2.0, 2.0], [1.0, 1.0], [1.0, 1.0])
    assert found == [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("x", "low", "high", "expected"),
    [
        (np.ones(2, np.float32), 0, None, np.float32),
        (np.ones(2, np.float32), np.zeros(2, np.float64), None, np.float64),
        (np.ones(2, np.int64), 0, 5, np.int64),
        (np.ones(2, np.int64), 0, 0.5, np.float32),
    ],
)
def test_clamp_promotes(x: Any, low: Any, high: Any, expected: type) -> None:
    assert clamp(x, low, high).dtype == expected


def test_clip_under_numpys_names() -> None:
    x = Tensor(np.array([-2.0, 2.0]), requires_grad=True)
    assert np.clip(x, -1.0, 1.0).tolist() == [-1.0, 1.0]
    assert np.clip(x, None, 1.0).tolist() == [-2.0, 1.0]
    assert np.clip(x, a_min=0.0, a_max=None).tolist() == [0.0, 2.0]


def test_where_hides_what_it_does_not_choose() -> None:
    """A NaN that was not chosen does not get into the value; its gradient is a plain 0."""
    a, b = gradients(lambda a, b: where(np.array([True, False]), a, b), [1.0, math.nan], [5.0, 6.0])
    assert a == [1.0, 0.0]
    assert b == [0.0, 1.0]


def test_where_stops_an_infinite_gradient() -> None:
    a = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    (da,) = grad(where(np.array([True, False]), a, 0.0), a, np.array([math.inf, math.inf]))
    assert da is not None
    assert da.tolist() == [math.inf, 0.0]


def test_where_of_scalars_is_float32() -> None:
    result = where(Tensor(np.array([True, False])), 1.0, 0.0)
    assert result.dtype == np.float32
    assert result.tolist() == [1.0, 0.0]


def test_where_with_numpys_single_argument() -> None:
    (index,) = np.where(Tensor(np.array([False, True])))
    assert index.tolist() == [1]


def test_masked_fill() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x.masked_fill(np.array([True, False]), -math.inf)
    assert y.tolist() == [-math.inf, 2.0]
    with pytest.raises(DTypeError, match="must be boolean"):
        x.masked_fill(np.array([1, 0]), 0.0)
