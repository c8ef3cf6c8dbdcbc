"""Activations at their kinks, for huge elements, for infinities and NaN; never a warning."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.ops import activation as ops
from minigrad.tensor import Tensor
from minigrad.typing import Array

# A few roundings each in negation, exp, addition and reciprocal; exp(-x) itself adds one more.
SIGMOID_ULP = 4


def tanh_gelu(x: Tensor) -> Tensor:
    return ops.gelu(x, "tanh")


ACTIVATIONS = (
    ops.relu,
    ops.leaky_relu,
    ops.elu,
    ops.sigmoid,
    ops.silu,
    ops.gelu,
    tanh_gelu,
    ops.softplus,
)
ALL = pytest.mark.parametrize("function", ACTIVATIONS, ids=lambda f: f.__name__)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def slope(function: Callable[..., Tensor], x: Array) -> Array:
    leaf = Tensor(x, requires_grad=True)
    (dx,) = grad(function(leaf), leaf, np.ones_like(x))
    assert dx is not None
    return dx.array


@ALL
@DTYPES
def test_no_warning_for_any_element(function: Callable[..., Tensor], dtype: type) -> None:
    largest = np.finfo(dtype).max
    x: Array = np.array([0.0, 1e4, 1e25, largest, math.inf, math.nan, np.finfo(dtype).tiny], dtype)
    x = np.concatenate([x, -x])
    assert np.isnan(function(x).array[[5, 12]]).all()
    slope(function, x)


@ALL
@DTYPES
def test_far_out(function: Callable[..., Tensor], dtype: type) -> None:
    """Huge elements go to the asymptotes, with the slopes of those."""
    far: Array = np.array([-1e4, 1e4], dtype)
    left = {"leaky_relu": -1e2, "elu": -1.0}.get(function.__name__, 0.0)
    right = 1.0 if function is ops.sigmoid else 1e4
    np.testing.assert_allclose(function(far).array, [left, right], rtol=1e-6)
    slopes = [0.01 if function is ops.leaky_relu else 0.0, 0.0 if function is ops.sigmoid else 1.0]
    np.testing.assert_allclose(slope(function, far), slopes, rtol=1e-6)


@ALL
def test_integers_become_float32(function: Callable[..., Tensor]) -> None:
    assert function(np.ones(2, np.int64)).dtype == np.float32


@ALL
def test_large_arrays_in_any_layout(function: Callable[..., Tensor]) -> None:
    """Outputs above 256 kB come from the pool of output memory, in the order of the input."""
    x = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32)
    whole = function(x).array
    np.testing.assert_array_equal(function(x.T).array, whole.T)
    np.testing.assert_array_equal(function(x[:, ::-2]).array, whole[:, ::-2])


def test_slopes_at_zero() -> None:
    zero = np.array([0.0, -0.0])
    assert slope(ops.relu, zero).tolist() == [0.0, 0.0]
    assert slope(ops.leaky_relu, zero).tolist() == [0.01, 0.01]
    assert slope(lambda x: ops.elu(x, alpha=0.5), zero).tolist() == [0.5, 0.5]


def test_leaky_relu_of_any_slope() -> None:
    x = np.array([-math.inf, -2.0, 2.0, math.inf])
    for negative_slope in (-1.0, 0.5, 1.0, 3.0):
        expected = [-math.inf * negative_slope, -2.0 * negative_slope, 2.0, math.inf]
        assert ops.leaky_relu(x, negative_slope).tolist() == expected
    assert ops.leaky_relu(x, 0.0).tolist() == [0.0, 0.0, 2.0, math.inf]


def test_nan_passes_through_relu_both_ways() -> None:
    x = np.array([math.nan, 1.0])
    assert np.isnan(ops.relu(x).array[0])
    assert slope(ops.relu, x).tolist() == [1.0, 1.0]


@DTYPES
def test_sigmoid_of_very_negative_elements(dtype: type) -> None:
    """Below 0 the value is small, but not less accurate: the reference is exp(x) / (1 + exp(x))."""
    smallest = math.log(np.finfo(dtype).tiny)
    x: Array = np.linspace(smallest + 1.0, 0.0, 1001).astype(dtype)
    exact = np.exp(x.astype(np.longdouble))
    exact /= 1.0 + exact
    error = np.abs(ops.sigmoid(x).array - exact) / np.spacing(exact.astype(dtype))
    assert error.max() < SIGMOID_ULP


def test_sigmoid_at_infinity() -> None:
    x = np.array([-math.inf, math.inf])
    assert ops.sigmoid(x).tolist() == [0.0, 1.0]
    assert slope(ops.sigmoid, x).tolist() == [0.0, 0.0]


def test_softplus_is_linear_above_its_threshold() -> None:
    x = np.array([1.9, 2.1])
    y = ops.softplus(x, beta=2.0, threshold=4.0)
    assert y.tolist()[1] == 2.1
    assert y.tolist()[0] == pytest.approx(math.log1p(math.exp(3.8)) / 2.0, rel=1e-15)
    assert slope(lambda t: ops.softplus(t, 2.0, 4.0), x).tolist()[1] == 1.0


def test_softplus_of_very_negative_elements() -> None:
    assert ops.softplus(np.array([-700.0])).item() == pytest.approx(math.exp(-700.0), rel=1e-14)


def test_gelu_approximation_is_close() -> None:
    """Hendrycks and Gimpel's approximation is off by less than 5e-4."""
    x = np.linspace(-5.0, 5.0, 101)
    assert np.abs(ops.gelu(x).array - tanh_gelu(x).array).max() < 5e-4  # type: ignore[arg-type]
