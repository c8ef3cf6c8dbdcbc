"""Norms where they have no derivative, and of values whose squares have no float."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

TOLERANCE = 1e-12
ORDERS = (0, 0.5, 1, 1.5, 2, 3, 4, -1, math.inf, -math.inf)


def gradient(x: Any, **kwargs: Any) -> Array:
    leaf = Tensor(np.asarray(x, dtype=np.float64), requires_grad=True)
    mg.linalg.vector_norm(leaf, **kwargs).sum().backward()
    assert leaf.grad is not None
    return leaf.grad.array


@pytest.mark.parametrize("p", ORDERS)
def test_gradient_of_zero_is_zero(p: float) -> None:
    np.testing.assert_array_equal(gradient(np.zeros((2, 3)), ord=p, dim=1), np.zeros((2, 3)))


@pytest.mark.parametrize("p", [1.5, 2, 3, 4])
def test_second_derivative_at_zero_is_zero(p: float) -> None:
    x = mg.zeros(3, requires_grad=True)
    (dx,) = mg.grad(mg.linalg.vector_norm(x, p), x, create_graph=True)
    assert dx is not None
    (ddx,) = mg.grad(dx.sum(), x)
    assert ddx is not None
    np.testing.assert_array_equal(ddx.array, np.zeros(3))


@pytest.mark.parametrize("p", [2, 4, 6])
@pytest.mark.parametrize("order", [2, 3])
def test_an_even_norm_is_smooth_where_one_element_is_zero(p: int, order: int) -> None:
    x = np.array([0.0, 1.0, -2.0, 0.5])
    gradgradcheck(lambda t: mg.linalg.vector_norm(t, p), x, order=order)


def test_the_fourth_derivative_of_the_fourth_norm_at_a_zero() -> None:
    """With ``y = (x**4 + 1)**(1/4)``, it is 24/4 at x = 0: there is no kink to be left out."""
    x = mg.tensor([0.0, 1.0], dtype=np.float64, requires_grad=True)
    y = mg.linalg.vector_norm(x, 4)
    for _ in range(4):
        (slope,) = mg.grad(y, x, create_graph=True)
        assert slope is not None
        y = slope[0]
    np.testing.assert_allclose(y.item(), 6.0, rtol=TOLERANCE)


@pytest.mark.parametrize("p", [1.5, 2, 3, 2.5, -1, 0.5])
@pytest.mark.parametrize("order", [2, 3])
def test_every_order(p: float, order: int) -> None:
    x = np.array([[1.5, -1.0, 2.0], [0.5, 3.0, -0.7]])
    gradgradcheck(lambda t: mg.linalg.vector_norm(t, p, 1), x, order=order, rtol=1e-5)


def test_first_derivative_at_a_zero_among_others() -> None:
    """The limit for p > 1, a subgradient for 1, and 0 where the derivative is infinite."""
    x = np.array([0.0, 3.0, -4.0])
    gradcheck(lambda t: mg.linalg.vector_norm(t, 3), x)
    np.testing.assert_allclose(gradient(x, ord=2), [0.0, 0.6, -0.8], rtol=TOLERANCE)
    np.testing.assert_array_equal(gradient(x, ord=1), [0.0, 1.0, -1.0])
    assert gradient(x, ord=0.5)[0] == 0.0
    np.testing.assert_array_equal(gradient(x, ord=-1), np.zeros(3))  # the norm is 0


def test_ties_share_the_gradient() -> None:
    x = np.array([1.0, -2.0, 2.0])
    np.testing.assert_array_equal(gradient(x, ord=math.inf), [0.0, -0.5, 0.5])
    np.testing.assert_array_equal(gradient(-x[1:], ord=-math.inf), [0.5, -0.5])


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1e30, 1e200, 1e307])
@pytest.mark.parametrize("p", [1.5, 2, 3, -2])
def test_huge_and_tiny_values(scale: float, p: float) -> None:
    """NumPy's squares would overflow or vanish; 1e-320 has few digits itself."""
    tolerance = 2e-3 if scale < 1e-300 else TOLERANCE
    x = np.array([[3.0, -4.0, 1.0], [1.0, 1.0, 2.0]])
    y = mg.linalg.vector_norm(x * scale, p, 1)
    desired = np.linalg.vector_norm(x, ord=p, axis=1)
    np.testing.assert_allclose(y.array / scale, desired, rtol=tolerance)
    np.testing.assert_allclose(
        gradient(x * scale, ord=p, dim=1), gradient(x, ord=p, dim=1), rtol=tolerance
    )


def test_huge_and_tiny_values_together() -> None:
    """The largest decides a norm of positive order, the smallest one of negative order."""
    for p, desired in ((2, 1e200), (3, 1e200), (-2, 1e-200), (-1.5, 1e-200)):
        y = mg.linalg.vector_norm(np.array([1e200, 1e-200]), p)
        np.testing.assert_allclose(y.item(), desired, rtol=TOLERANCE)


def test_huge_and_tiny_values_of_float32() -> None:
    for scale in (1e-30, 1e30):
        y = mg.linalg.vector_norm(mg.tensor([3.0, 4.0]) * scale)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.array, 5.0 * scale, rtol=1e-6)


def test_rows_of_zeros_and_of_huge_values_together() -> None:
    x = np.array([[0.0, 0.0], [3e200, 4e200], [3.0, 4.0]])
    for keepdim in (False, True):
        y = mg.linalg.vector_norm(x, 2, 1, keepdim)
        np.testing.assert_allclose(y.array.reshape(-1), [0.0, 5e200, 5.0], rtol=TOLERANCE)


def test_nan_and_infinity_propagate() -> None:
    for p in (1, 1.5, 2, math.inf):
        assert math.isnan(mg.linalg.vector_norm(mg.tensor([1.0, math.nan]), p).item())
        assert math.isinf(mg.linalg.vector_norm(mg.tensor([1.0, -math.inf]), p).item())


def test_norms_of_nothing() -> None:
    for p in (0, 1, 2, 3):
        assert mg.linalg.vector_norm(mg.ones(0), p).item() == 0.0
    assert mg.linalg.matrix_norm(mg.ones(0, 3), "nuc").item() == 0.0
    assert mg.linalg.vector_norm(mg.ones(2, 0), 2, 1).tolist() == [0.0, 0.0]


def test_nuclear_norm_of_singular_matrices() -> None:
    """Only vectors of singular values that are not 0 count: those of others are arbitrary."""
    u, v = np.array([[0.6], [0.8], [0.0]]), np.array([[1.0, 0.0]])
    x = Tensor(np.stack([u @ v * 5.0, np.zeros((3, 2))]), requires_grad=True)
    mg.linalg.matrix_norm(x, "nuc").sum().backward()
    assert x.grad is not None
    desired = np.stack([u @ v, np.zeros((3, 2))])
    np.testing.assert_allclose(x.grad.array, desired, atol=TOLERANCE)


def test_norm_in_its_three_spellings() -> None:
    x = mg.tensor([[1.0, -2.0], [3.0, -4.0]])
    assert x.norm().item() == pytest.approx(math.sqrt(30))
    assert x.norm(1).item() == 10.0  # of all elements, although it is a matrix
    assert mg.norm(x, 2, (0, 1)).item() == pytest.approx(math.sqrt(30))
    assert mg.linalg.norm(x, 1).item() == 6.0  # of the columns: a matrix norm
    assert mg.linalg.norm(x, 2).item() == pytest.approx(np.linalg.norm(x.array, 2))
    assert mg.norm(x, "nuc").item() == pytest.approx(np.linalg.norm(x.array, "nuc"))
    assert mg.norm(x, dim=1, keepdim=True).shape == (2, 1)
    assert mg.norm(x, dtype=np.float64).dtype == np.float64
    assert mg.linalg.norm(x, dtype=np.float64).dtype == np.float64
    assert mg.linalg.matrix_norm(x, dtype=np.float64).dtype == np.float64


def test_numpys_norms() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for kwargs in ({}, {"axis": 1}, {"ord": 1, "axis": (0, 2)}, {"ord": 3, "axis": 0}):
        for keepdims in (False, True):
            actual: Any = np.linalg.norm(Tensor(x), **kwargs, keepdims=keepdims)
            desired: Any = np.linalg.norm(x, **kwargs, keepdims=keepdims)
            np.testing.assert_allclose(actual.array, desired, rtol=TOLERANCE)
    matrix: Any = np.linalg.matrix_norm(Tensor(x), ord="nuc", keepdims=True)
    np.testing.assert_allclose(
        matrix.array, np.linalg.matrix_norm(x, ord="nuc", keepdims=True), rtol=TOLERANCE
    )


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, math.inf, -math.inf])
@pytest.mark.parametrize("x", [[1.0, -2.0, 2.0, 0.5], [0.0, 1.0, -1.0], [0.0, 0.0], [3.0]])
def test_pytorch_agrees(p: float, x: list[float]) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    desired = torch.linalg.vector_norm(theirs, p)
    ours = mg.linalg.vector_norm(mg.tensor(x, dtype=np.float64), p)
    np.testing.assert_allclose(ours.item(), desired.item(), rtol=TOLERANCE)
    if p != 0:
        desired.backward()
        np.testing.assert_allclose(gradient(x, ord=p), theirs.grad.numpy(), rtol=TOLERANCE)
