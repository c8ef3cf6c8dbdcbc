"""Products of matrices of any rank, and what a linear layer keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.engine import Op
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.linalg import Linear, MatMul
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.strategies import broadcastable_arrays, seeds
from minigrad.typing import Array

TOLERANCE = 1e-12


def normal(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)


@given(broadcastable_arrays(max_dims=2, max_side=3), st.integers(0, 3), seeds())
def test_stacks_that_broadcast(stacks: tuple[Array, Array], k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(*stacks[0].shape, 2, k))
    b = rng.normal(size=(*stacks[1].shape, k, 3))
    product = mg.matmul(a, b)
    np.testing.assert_allclose(product.array, np.matmul(a, b), rtol=TOLERANCE, atol=TOLERANCE)
    if k:
        gradcheck(mg.matmul, (a, b), max_elements=8)


def test_no_terms_make_zeros() -> None:
    x, weight, bias = np.ones((2, 2, 0)), np.ones((3, 0)), np.ones(3)
    np.testing.assert_array_equal(mg.linear(x, weight, bias).array, np.ones((2, 2, 3)))
    np.testing.assert_array_equal(mg.matmul(x, weight.T).array, np.zeros((2, 2, 3)))
    gradcheck(mg.linear, (x, weight, bias))


@given(broadcastable_arrays(1, max_dims=3, max_side=3), seeds())
def test_linear_is_a_product_and_a_sum(stack: tuple[Array], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(*stack[0].shape, 2))
    weight, bias = rng.normal(size=(3, 2)), rng.normal(size=3)
    y = mg.linear(x, weight, bias)
    np.testing.assert_allclose(y.array, x @ weight.T + bias, rtol=TOLERANCE, atol=TOLERANCE)
    gradcheck(mg.linear, (x, weight, bias), max_elements=8)


def test_linear_of_a_product_at_third_order() -> None:
    def slope(x: Tensor, weight: Tensor) -> Tensor:
        (dx,) = mg.grad(mg.linear(x, weight).square().square().sum(), x, create_graph=True)
        assert dx is not None
        return dx

    gradgradcheck(slope, (normal(2, 3).array, normal(2, 3).array), rtol=1e-5)


@pytest.mark.parametrize(
    ("op", "output", "kept"),
    [
        (MatMul, lambda: normal(2, 3) @ normal(3, 2), [True, True]),
        (MatMul, lambda: normal(2, 3).detach() @ normal(3, 2), [True, False]),
        (MatMul, lambda: normal(2, 3) @ normal(3, 2).detach(), [False, True]),
        (Linear, lambda: mg.linear(normal(2, 3), normal(4, 3)), [True, True]),
        (Linear, lambda: mg.linear(normal(2, 3).detach(), normal(4, 3)), [True, False]),
        (Linear, lambda: mg.linear(normal(2, 3), normal(4, 3).detach()), [False, True]),
    ],
)
def test_an_input_that_no_gradient_uses_is_not_kept(
    op: type[Op], output: Any, kept: list[bool]
) -> None:
    node = output().node
    assert node is not None
    assert node.op is op
    assert [saved is not None for saved in node.saved or ()] == kept


def test_the_gradient_of_a_weight_is_contiguous() -> None:
    x, weight = normal(5, 3), normal(2, 3)
    mg.linear(x, weight).sum().backward()
    assert weight.grad is not None
    assert weight.grad.is_contiguous()


def test_a_stack_times_a_matrix_is_one_product() -> None:
    """As many rows as the stack has: no stack of gradients is made to be added up."""
    y = normal(4, 5, 3) @ normal(3, 2)
    assert y.node is not None
    (product,) = y.node.edges
    assert product is not None
    assert product.shape == (20, 2)


def test_operators_with_arrays_and_other_dtypes() -> None:
    a, b = np.ones((2, 3), np.float32), normal(3, 2)
    for product in (Tensor(a) @ b, a @ b):
        assert isinstance(product, Tensor)
        assert product.dtype == np.float64
        assert product.requires_grad
    whole = mg.arange(6).reshape(2, 3)
    assert (whole @ whole.T).tolist() == [[5, 14], [14, 50]]
    assert (whole @ mg.ones(3)).dtype == np.float32


def test_numpys_dot() -> None:
    a, b = normal(2, 3), normal(3, 2)
    np.testing.assert_allclose(np.dot(a, b).array, a.array @ b.array, rtol=TOLERANCE)
    np.testing.assert_allclose(np.dot(a[0], b[:, 0]).array, a.array[0] @ b.array[:, 0])
    np.testing.assert_allclose(np.dot(a, 2.0).array, a.array * 2.0)
    np.testing.assert_allclose(np.matmul(a.array, b).array, a.array @ b.array, rtol=TOLERANCE)
    with pytest.raises(ShapeError, match=r"numpy\.matmul multiplies stacks"):
        np.dot(a, normal(2, 3, 2))


def test_linear_wants_floats_of_one_dtype() -> None:
    with pytest.raises(DTypeError, match="got float64, float64, float32"):
        mg.linear(normal(2, 3), normal(4, 3), mg.ones(4))
