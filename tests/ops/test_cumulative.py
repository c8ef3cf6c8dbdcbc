"""Running sums and products where they are special: zeros, infinities, NaN, integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import grad
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.strategies import float_arrays, layouts

ZEROS = st.lists(st.booleans(), min_size=1, max_size=5)


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


def third_derivative(function: Callable[[Tensor], Tensor], x: Tensor) -> Any:
    """Return the derivative of ``function(x)`` by the first three elements, one after another."""
    value = function(x)
    for place in range(3):
        (gradient,) = grad(value, x, create_graph=True)
        assert gradient is not None
        value = gradient[place]
    return value.item()


@pytest.mark.parametrize("function", [mg.prod, lambda x: mg.cumprod(x, 0)[-1]])
def test_three_zeros_have_one_third_derivative(function: Callable[[Tensor], Tensor]) -> None:
    """Of x0 x1 x2 x3 by x0, x1 and x2: x3, where every lower derivative is zero."""
    x = leaf([0.0, 0.0, 0.0, 7.0])
    first = grad(function(x), x)[0]
    assert first is not None
    assert first.tolist() == [0.0] * 4
    assert third_derivative(function, x) == 7.0


@given(ZEROS, st.integers(0, 2**32 - 1))
def test_products_with_any_zeros(zeros: list[bool], seed: int) -> None:
    x = np.random.default_rng(seed).uniform(0.5, 2.0, size=len(zeros))
    x[np.array(zeros)] = 0.0
    for function in (mg.prod, lambda t: mg.cumprod(t, 0)):
        gradcheck(function, x, step=1e-3)
        gradgradcheck(function, x, step=1e-3, rtol=1e-5)
        gradgradcheck(function, x, order=3, step=1e-3, rtol=1e-5)


@given(float_arrays(low=-1.0), st.data())
def test_cumsum_of_any_layout(values: Any, data: st.DataObject) -> None:
    x = data.draw(layouts(values))
    for axis in range(x.ndim):
        np.testing.assert_array_equal(mg.cumsum(x, axis).array, np.cumsum(x, axis))


@pytest.mark.parametrize("function", [mg.cumsum, mg.cumprod, mg.prod])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.bool_, np.uint8])
def test_integers_and_booleans_give_int64(function: Callable[..., Tensor], dtype: Any) -> None:
    x = np.ones((2, 300), dtype)
    result = function(x, 1)
    assert result.dtype == np.int64
    assert result.array.reshape(2, -1)[0, -1] == (300 if function is mg.cumsum else 1)
    assert not result.requires_grad
    assert function(x, 1, dtype=np.float64).dtype == np.float64


def test_numpys_dtype_is_converted_to_first() -> None:
    x: Any = mg.tensor([1.0, 2.0])
    for function in (np.cumsum, np.cumprod, np.prod):
        assert function(x, dtype=np.float64).dtype == np.float64
        assert function(x).dtype == np.float32


def test_nan_and_infinity_go_on() -> None:
    x = mg.tensor([1.0, math.nan, 2.0])
    for function in (mg.cumsum, mg.cumprod, mg.logcumsumexp):
        assert np.isnan(function(x, 0).array).tolist() == [False, True, True]
    assert mg.cumsum(mg.tensor([math.inf, 1.0]), 0).tolist() == [math.inf, math.inf]


def test_logcumsumexp_neither_overflows_nor_underflows() -> None:
    x = leaf([1000.0, -1000.0, 1000.0, 2000.0])
    y = mg.logcumsumexp(x, 0)
    np.testing.assert_allclose(y.array, [1000.0, 1000.0, 1000.0 + math.log(2.0), 2000.0])
    y.backward(np.array([1.0, 2.0, 4.0, 8.0]))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.array, [1.0 + 2.0 + 2.0, 0.0, 2.0, 8.0], atol=1e-300)


def test_logcumsumexp_of_opposite_extremes() -> None:
    largest = np.finfo(np.float32).max
    x = Tensor(np.array([-largest, largest, -largest], np.float32), requires_grad=True)
    y = mg.logcumsumexp(x, 0)
    assert y.tolist() == [-largest, largest, largest]
    y.backward(np.array([1.0, 2.0, 4.0], np.float32))
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 6.0, 0.0]


def test_logcumsumexp_of_minus_infinity() -> None:
    """What is minus infinity moves nothing, also where the sum is empty so far."""
    x = leaf([-math.inf, -math.inf, 1.0, -math.inf, 1.0])
    y = mg.logcumsumexp(x, 0)
    np.testing.assert_allclose(y.array, [-math.inf] * 2 + [1.0, 1.0, 1.0 + math.log(2.0)])
    (first,) = grad(y, x, np.array([1.0, 2.0, 4.0, 8.0, 16.0]), create_graph=True)
    assert first is not None
    np.testing.assert_allclose(first.array, [0.0, 0.0, 20.0, 0.0, 8.0])
    (second,) = grad(first[2], x)
    assert second is not None
    np.testing.assert_allclose(second.array, [0.0, 0.0, 4.0, 0.0, -4.0])


def test_logsumexp_of_infinities() -> None:
    x = leaf([[-math.inf, -math.inf], [-math.inf, 3.0], [math.inf, 1.0], [1e308, -1e308]])
    y = mg.logsumexp(x, 1)
    assert y.tolist() == [-math.inf, 3.0, math.inf, 1e308]
    y.backward(np.array([1.0, 2.0, 4.0, 8.0]))
    assert x.grad is not None
    np.testing.assert_array_equal(
        x.grad.array, [[0.0, 0.0], [0.0, 2.0], [math.nan, 0.0], [8.0, 0.0]]
    )
    assert np.isnan(mg.logsumexp(mg.tensor([math.nan, math.inf])).item())


@pytest.mark.parametrize("shift", [-1024.0, 1024.0])
def test_logsumexp_moves_with_a_constant(shift: float) -> None:
    x = np.array([[1.0, 2.0, 4.0], [0.0, 0.5, -3.0]])
    for dim in (0, 1, (0, 1), None):
        moved, still = mg.logsumexp(x + shift, dim), mg.logsumexp(x, dim)
        np.testing.assert_allclose(moved.array - shift, still.array, rtol=1e-12)


def test_cummax_finds_the_place() -> None:
    values, indices = mg.cummax(mg.tensor([[2.0, 1.0, 2.0, 3.0]]), 1)
    assert values.tolist() == [[2.0, 2.0, 2.0, 3.0]]
    assert indices.tolist() == [[0, 0, 2, 3]]
    assert indices.dtype == np.int64
    assert mg.cummin(mg.tensor(4.0), 0).indices.shape == ()


def test_differences_of_booleans_and_of_numpys_arguments() -> None:
    x = np.array([True, True, False])
    assert mg.diff(x).tolist() == [False, True]
    t: Any = leaf([[1.0, 4.0, 9.0]])
    for kwargs in ({"prepend": 0.0}, {"append": np.ones((1, 2))}, {"n": 2, "axis": 1}):
        options: Any = kwargs
        result = np.diff(t, **options)
        assert isinstance(result, Tensor)
        assert result.requires_grad
        np.testing.assert_array_equal(result.array, np.diff(t.array, **options))


def test_no_differences_are_the_elements() -> None:
    """Nothing is joined to them, as in NumPy and PyTorch."""
    x = mg.tensor([1.0, 3.0])
    assert mg.diff(x, 0, prepend=mg.tensor([5.0])).tolist() == [1.0, 3.0]
