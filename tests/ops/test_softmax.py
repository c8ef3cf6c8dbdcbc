"""Softmax of huge and infinite elements; never a warning."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.ops.softmax import log_softmax, logaddexp, softmax
from minigrad.tensor import Tensor
from minigrad.typing import Array

# Of float32: a row of ten, each exponential and their sum rounded.
SUM_TOLERANCE = 1e-6

BOTH = pytest.mark.parametrize("function", [softmax, log_softmax])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e4, 1e30])
def test_softmax_adds_up_to_one(dtype: type, size: float) -> None:
    x: Array = (np.random.default_rng(0).normal(size=(5, 10)) * size).astype(dtype)
    y = softmax(x, 1).array
    np.testing.assert_allclose(y.sum(axis=1), 1.0, rtol=SUM_TOLERANCE)
    np.testing.assert_allclose(np.exp(log_softmax(x, 1).array), y, atol=SUM_TOLERANCE)


@DTYPES
def test_a_constant_changes_nothing(dtype: type) -> None:
    x: Array = np.array([[1.0, 2.0, 4.0]], dtype)
    for function in (softmax, log_softmax):
        for shift in (-1024.0, 1024.0):
            np.testing.assert_array_equal(function(x + shift, 1).array, function(x, 1).array)


@DTYPES
def test_opposite_extremes(dtype: type) -> None:
    """Their difference overflows; the smaller one simply has no weight."""
    x: Array = np.array([np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    assert softmax(x, 0).tolist() == [1.0, 0.0]
    assert log_softmax(x, 0).tolist() == [0.0, -math.inf]


@BOTH
def test_minus_infinity_has_no_weight(function: Callable[..., Tensor]) -> None:
    x = Tensor(np.array([-math.inf, 0.0, 0.0]), requires_grad=True)
    y = function(x, 0)
    assert np.exp(y).tolist()[1] > 0 if function is log_softmax else y.tolist() == [0.0, 0.5, 0.5]
    (dx,) = grad(y, x, np.array([1.0, 2.0, 4.0]))
    assert dx is not None
    expected = [1.0, -1.5, 0.5] if function is log_softmax else [0.0, -0.5, 0.5]
    np.testing.assert_allclose(dx.array, expected, rtol=1e-15)


@BOTH
@pytest.mark.parametrize("row", [[math.inf, 0.0], [-math.inf, -math.inf], [math.nan, 0.0]])
def test_what_has_no_softmax_is_nan(function: Callable[..., Tensor], row: list[float]) -> None:
    """NaN in that row alone, silently, as in PyTorch."""
    y = function(np.array([row, [0.0, 0.0]]), 1).array
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


@BOTH
def test_axis_of_length_0(function: Callable[..., Tensor]) -> None:
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    y = function(x, 0)
    assert y.shape == (0, 3)
    (dx,) = grad(y, x, np.ones((0, 3)))
    assert dx is not None
    assert dx.shape == (0, 3)


@BOTH
def test_a_number(function: Callable[..., Tensor]) -> None:
    x = Tensor(np.array(3.0), requires_grad=True)
    y = function(x, -1)
    assert y.item() == (1.0 if function is softmax else 0.0)
    (dx,) = grad(y, x)
    assert dx is not None
    assert dx.item() == 0.0


@BOTH
def test_large_arrays_in_any_layout(function: Callable[..., Tensor]) -> None:
    x = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32)
    np.testing.assert_allclose(function(x.T, 0).array, function(x, 1).array.T, rtol=1e-5)


def test_logaddexp_of_infinities() -> None:
    a = Tensor(np.array([math.inf, -math.inf, 1e4]), requires_grad=True)
    y = logaddexp(a, 0.0)
    assert y.tolist() == [math.inf, 0.0, 1e4]
    (da,) = grad(y, a, np.ones(3))
    assert da is not None
    assert da.tolist() == [1.0, 0.0, 1.0]


def test_logaddexp_of_the_same_infinity_twice() -> None:
    a = Tensor(np.array([math.inf, -math.inf]), requires_grad=True)
    y = logaddexp(a, a.detach())
    assert y.tolist() == [math.inf, -math.inf]
    (da,) = grad(y, a, np.ones(2))
    assert da is not None
    assert np.isnan(da).all()
