"""Powers where the general rule would be 0 * inf, 0 * NaN or the logarithm of nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.ops.power import pow, square  # noqa: A004 - the name under test
from minigrad.tensor import Tensor
from minigrad.typing import Array


def gradients(a: list[float], b: list[float]) -> tuple[Array, Array]:
    """Return the gradients of ``a ** b`` for both."""
    base, exponent = Tensor(np.array(a), requires_grad=True), Tensor(np.array(b), True)
    da, db = grad(pow(base, exponent), (base, exponent), np.ones(len(a)))
    assert da is not None
    assert db is not None
    return da.array, db.array


def test_power_zero_has_no_slope_anywhere() -> None:
    bases = [0.0, -0.0, 2.0, -2.0, math.inf, -math.inf, math.nan]
    da, _ = gradients(bases, [0.0] * 7)
    assert da.tolist() == [0.0] * 7
    x = Tensor(np.array(bases), requires_grad=True)
    (dx,) = grad(pow(x, 0), x, np.ones(7))
    assert dx is not None
    assert dx.tolist() == [0.0] * 7


def test_powers_of_zero() -> None:
    da, db = gradients([0.0, 0.0, 0.0, 0.0], [0.0, 0.5 + 0.5, 2.0, 3.0])
    assert da.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert db.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_exponent_of_a_negative_base_has_no_gradient() -> None:
    da, db = gradients([-2.0, -2.0], [2.0, 3.0])
    assert da.tolist() == [-4.0, 12.0]
    assert np.isnan(db).all()


def test_scalar_exponents_at_zero_to_the_third_order() -> None:
    """x**2 at 0: slope 0, curvature 2, then nothing; and no warning on the way."""
    x = Tensor(np.zeros(1), requires_grad=True)
    y = pow(x, 2)
    found = []
    for _ in range(3):
        (y,) = grad(y, x, np.ones(1), create_graph=True)  # type: ignore[assignment]  # used
        found.append(y.item())
    assert found == [0.0, 2.0, 0.0]


def test_mixed_second_derivative_at_exponent_zero() -> None:
    """d2(a**b)/da db = a**(b-1) * (1 + b log a), which at b = 0 is 1 / a."""
    a, b = Tensor(np.array([4.0]), requires_grad=True), Tensor(np.zeros(1), requires_grad=True)
    (da,) = grad(pow(a, b), a, np.ones(1), create_graph=True)
    assert da is not None
    (dab,) = grad(da, b, np.ones(1))
    assert dab is not None
    assert dab.item() == 0.25


@pytest.mark.parametrize("exponent", [-2, -1, 0, 1, 2, 3, 0.5, 2.5])
def test_scalar_and_tensor_exponents_agree(exponent: float) -> None:
    x = np.linspace(0.5, 2.0, 7)
    np.testing.assert_allclose(
        pow(x, exponent).array, pow(x, np.full(7, exponent)).array, rtol=1e-15
    )


def test_scalar_base_keeps_the_dtype_of_the_exponent() -> None:
    b = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    y = 2.0**b
    assert y.dtype == np.float32
    y.backward(np.ones(2, np.float32))
    assert b.grad is not None
    np.testing.assert_allclose(b.grad.array, math.log(2.0) * np.array([2.0, 4.0]), rtol=1e-6)


def test_integers_stay_integers() -> None:
    assert pow(np.array([2, 3]), 3).tolist() == [8, 27]
    assert pow(np.array([2, 3]), 3).dtype == np.int64
    assert square(np.array([2, 3])).dtype == np.int64
    assert pow(np.array([2, 3]), 0.5).dtype == np.float32
    assert square(np.array([True, False])).dtype == np.int64


def test_exponent_zero_at_subnormal_numbers() -> None:
    """Their reciprocal overflows, and 0 * inf is no gradient."""
    da, _ = gradients([5e-324, -5e-324, 0.0], [0.0, 0.0, 0.0])
    assert da.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("base", [1.0005, 0.9995])
def test_the_logarithm_of_a_number_keeps_its_digits(base: float) -> None:
    x = Tensor(np.array([-1.5, 0.0, 2.0], np.float32), requires_grad=True)
    (dx,) = grad(pow(base, x), x, np.ones(3, np.float32))
    assert dx is not None
    exact = np.float64(base) ** x.array * math.log(base)
    np.testing.assert_allclose(dx.array, exact, rtol=2e-7)


@pytest.mark.parametrize("base", [0.0, -2.0])
def test_a_number_without_logarithm_is_a_base_like_any_other(base: float) -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    (dx,) = grad(pow(base, x), x, np.ones(2))
    _, expected = gradients([base, base], [1.0, 2.0])
    assert dx is not None
    np.testing.assert_array_equal(dx.array, expected)
