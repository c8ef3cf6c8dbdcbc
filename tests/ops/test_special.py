"""The special points of `sinc`, `logit`, `xlogy`, `copysign` and `nan_to_num`; never a warning."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import grad
from minigrad.engine import apply
from minigrad.ops.special import Sinc
from minigrad.tensor import Tensor
from minigrad.testing import gradgradcheck

# Digits that the formula of `Sinc` and its reference lose together, relative to pi**order.
SINC_TOLERANCE = 1e-13


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def test_all_derivatives_of_sinc_at_zero() -> None:
    """sin(u) / u = 1 - u^2 / 6 + u^4 / 120 - ..., with u = pi x."""
    x = leaf(0.0)
    value = mg.sinc(x)
    expected = [1.0, 0.0, -(math.pi**2) / 3.0, 0.0, math.pi**4 / 5.0, 0.0, -(math.pi**6) / 7.0]
    for derivative in expected:
        np.testing.assert_allclose(value.array, [derivative], rtol=1e-13, atol=1e-300)
        (next_value,) = grad(value, x, create_graph=True)
        assert next_value is not None
        value = next_value


@pytest.mark.parametrize("order", range(9))
def test_derivatives_of_sinc_are_integrals(order: int) -> None:
    """sinc(x) is the integral of cos(pi x t) over t from 0 to 1, and so are its derivatives."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = math.pi * (nodes + 1.0) / 2.0
    x = np.concatenate([np.linspace(-5.0, 5.0, 101), np.logspace(-8, 0, 30)])
    integrand = t**order * np.cos(np.multiply.outer(x, t) + order * math.pi / 2.0)
    expected = integrand @ weights / 2.0
    np.testing.assert_allclose(
        apply(Sinc, x, order=order), expected, rtol=0.0, atol=SINC_TOLERANCE * math.pi**order
    )


def test_third_order_of_sinc_everywhere() -> None:
    x = np.array([0.0, 1e-8, 0.2, 0.31, 0.32, 0.64, 1.0, 1.27, 3.0])
    gradgradcheck(mg.sinc, x, order=3)


def test_sinc_of_float32_and_of_integers() -> None:
    assert mg.sinc(np.array([0, 1, 2])).dtype == np.float32
    x = np.linspace(-5.0, 5.0, 101)
    np.testing.assert_allclose(
        mg.sinc(x.astype(np.float32)).array, np.sinc(x.astype(np.float32).astype(float)), atol=1e-7
    )


def test_logit_at_the_ends() -> None:
    x = leaf(0.0, 1.0, 0.5, 2.0, -1.0)
    y = mg.logit(x)
    np.testing.assert_array_equal(y.array, [-math.inf, math.inf, 0.0, math.nan, math.nan])
    y.backward(np.ones(5))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.array, [math.inf, math.inf, 4.0, -0.5, -0.5])
    limited = mg.logit(x, eps=0.25)
    third = math.log(3.0)
    np.testing.assert_allclose(limited.array, [-third, third, 0.0, third, -third], rtol=1e-15)
    inverse = mg.sigmoid(mg.logit(leaf(0.1, 0.9)))
    np.testing.assert_allclose(inverse.array, [0.1, 0.9], rtol=1e-14)


def test_logit_keeps_the_digits_of_small_values() -> None:
    np.testing.assert_allclose(mg.logit(leaf(1e-20)).array, [math.log(1e-20)], rtol=1e-15)


def test_xlogy_at_zero() -> None:
    x, y = leaf(0.0, 0.0, 0.0, 0.0, 1.0, 2.0), leaf(0.0, -1.0, math.inf, 4.0, 0.0, 1.0)
    value = mg.xlogy(x, y)
    np.testing.assert_array_equal(value.array, [0.0, 0.0, 0.0, 0.0, -math.inf, 0.0])
    value.sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(
        x.grad.array, [0.0, 0.0, math.inf, math.log(4.0), -math.inf, 0.0], rtol=1e-15
    )
    np.testing.assert_array_equal(y.grad.array, [0.0, 0.0, 0.0, 0.0, math.inf, 2.0])
    nan = mg.xlogy(leaf(0.0, math.nan), leaf(math.nan, 1.0))
    assert np.isnan(nan.array).all()


def test_xlogy_of_integers_and_scalars() -> None:
    assert mg.xlogy(np.array([0, 2]), 2.0).dtype == np.float32
    np.testing.assert_allclose(mg.xlogy(2.0, leaf(3.0)).array, [2.0 * math.log(3.0)])


def test_copysign_of_signed_zeros() -> None:
    assert mg.copysign(leaf(1.0, -2.0), leaf(-0.0, 0.0)).tolist() == [-1.0, 2.0]
    assert math.copysign(1.0, mg.copysign(leaf(0.0), -3.0).item()) == -1.0


def test_nan_to_num_takes_the_limits_of_the_dtype() -> None:
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array([math.nan, math.inf, -math.inf, 0.1], dtype), requires_grad=True)
        y = mg.nan_to_num(x)
        limits = np.finfo(dtype)
        assert y.dtype == dtype
        assert y.tolist() == [0.0, limits.max, limits.min, dtype(0.1)]
        y.backward(np.array([1.0, 2.0, 4.0, 8.0], dtype))
        assert x.grad is not None
        assert x.grad.tolist() == [0.0, 0.0, 0.0, 8.0]
    assert mg.nan_to_num(np.array([1, 2])).tolist() == [1, 2]


def test_means_without_what_is_missing() -> None:
    x = leaf(1.0, math.nan, 5.0)
    y = mg.nanmean(x)
    assert y.item() == 3.0
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.5, 0.0, 0.5]
    assert np.isnan(mg.nanmean(leaf(math.nan)).item())
    assert mg.nansum(leaf(math.nan)).item() == 0.0
    assert mg.nansum(np.array([1, 2])).item() == 3


def test_lerp_ends_exactly() -> None:
    start, end = leaf(0.1, -0.3, 1e16), leaf(0.7, 1e16, 1.0)
    assert mg.lerp(start, end, 1.0).tolist() == end.tolist()
    assert mg.lerp(start, end, 0.0).tolist() == start.tolist()


def test_heaviside_at_zero_and_of_nan() -> None:
    x, values = leaf(-1.0, 0.0, -0.0, 2.0, math.nan), leaf(5.0, 6.0, 7.0, 8.0, 9.0)
    y = mg.heaviside(x, values)
    np.testing.assert_array_equal(y.array, [0.0, 6.0, 7.0, 1.0, math.nan])
    y.backward(np.ones(5))
    assert x.grad is None
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert mg.heaviside(np.array([-1, 0, 2]), 0.5).tolist() == [0.0, 0.5, 1.0]
