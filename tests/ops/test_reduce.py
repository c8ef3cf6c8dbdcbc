"""Reductions where they are special: nothing to reduce, ties, NaN, constant values, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.strategies import float_arrays, shapes
from minigrad.typing import Array

SECOND_ORDER_TOLERANCE = 1e-5
"""Differences of a first derivative that is itself rounded."""


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


def gradient_of(output: Tensor, x: Tensor) -> Any:
    (gradient,) = mg.grad(output, x, np.ones(output.shape))
    assert gradient is not None
    return gradient.tolist()


# ------------------------------------------------------------------------------ any axes


@st.composite
def arrays_and_axes(draw: st.DrawFn) -> tuple[Array, Any]:
    """Draw an array, and None, an axis, or several, some counted from the end."""
    array = draw(float_arrays(draw(shapes(max_dims=3, max_side=3))))
    axes = st.integers(-array.ndim, array.ndim - 1)
    several = st.lists(axes, unique_by=lambda axis: axis % array.ndim).map(tuple)
    return array, draw(st.none() if array.ndim == 0 else st.one_of(st.none(), axes, several))


@given(arrays_and_axes(), st.booleans())
def test_values_and_gradients_along_any_axes(drawn: tuple[Array, Any], keepdim: bool) -> None:
    x, dim = drawn
    for ours, numpys in (
        (mg.sum, np.sum),
        (mg.mean, np.mean),
        (mg.amax, np.max),
        (mg.amin, np.min),
    ):
        expected = numpys(x, axis=dim, keepdims=keepdim)
        actual = ours(x, dim, keepdim)
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual.array, expected, rtol=1e-12, atol=1e-12)
        gradcheck(lambda t, f=ours: f(t, dim, keepdim), x, max_elements=8)
    gradcheck(lambda t: mg.var(t, dim, correction=0, keepdim=keepdim), x, max_elements=8)


# ------------------------------------------------------------------------------ nothing


def test_sum_and_mean_of_nothing() -> None:
    assert mg.sum(mg.zeros(0)).item() == 0.0
    assert math.isnan(mg.mean(mg.zeros(0)).item())
    assert mg.mean(mg.zeros(2, 0), 0).shape == (0,)
    assert np.isnan(mg.mean(mg.zeros(2, 0), 1).array).all()
    x = mg.zeros(2, 0, requires_grad=True)
    mg.mean(x, 1).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (2, 0)


def test_variance_of_too_few_values() -> None:
    """As in PyTorch and NumPy: 0 / 0 is NaN and 1 / 0 infinite, here without a warning."""
    x = leaf([[1.0], [2.0]])
    assert np.isnan(mg.var(x, 1).array).all()
    assert np.isnan(mg.std(x, 1).array).all()
    assert mg.var(x, correction=3).item() == math.inf
    assert np.isnan(gradient_of(mg.var(x, 1), x)).all()
    assert np.isnan(gradient_of(mg.std(x, 1), x)).all()
    assert math.isnan(mg.var(mg.zeros(0)).item())


def test_empty_axes_reduce_nothing() -> None:
    x = leaf([[1.0, 2.0]])
    for function in (mg.sum, mg.mean, mg.amax, mg.amin):
        y = function(x, ())
        np.testing.assert_array_equal(y.array, x.array)
        assert not np.shares_memory(y.array, x.array)


# ------------------------------------------------------------------------------ dtypes


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64])
def test_integers_add_up_to_int64(dtype: Any) -> None:
    total = mg.sum(np.ones((300, 2), dtype), 0)
    assert total.dtype == np.int64
    assert total.tolist() == [300, 300]


def test_dtype_converts_first() -> None:
    whole = np.array([2**24, 1], dtype=np.int64)  # 2**24 + 1 is not a float32
    assert mg.sum(whole, dtype=np.float64).item() == 2.0**24 + 1
    assert mg.mean(whole, dtype=np.float32).dtype == np.float32
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    mg.sum(x, dtype=np.float64).backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32


def test_long_sums_of_float32_are_pairwise() -> None:
    """Added one after another, a million times 0.1 would be off by 1e-2."""
    x = np.full(1_000_000, 0.1, np.float32)
    assert mg.sum(x).item() == pytest.approx(100_000.0, rel=1e-6)
    assert mg.mean(x).item() == pytest.approx(0.1, rel=1e-6)


def test_variance_of_values_far_from_zero() -> None:
    """The mean of squares less the square of the mean would lose everything here."""
    x = np.random.default_rng(0).normal(size=4096).astype(np.float32) + np.float32(10_000.0)
    expected = np.var(x.astype(np.float64))
    assert mg.var(x, correction=0).item() == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------------------ std at zero


def test_std_of_equal_values_has_gradient_zero() -> None:
    x = leaf([[3.0, 3.0], [1.0, 2.0]])
    assert gradient_of(mg.std(x, 1)[:1], x) == [[0.0, 0.0], [0.0, 0.0]]
    (gradient,) = mg.grad(mg.std(x, 1).sum(), x, create_graph=True)
    assert gradient is not None
    second = gradient_of(gradient[:, 0], x)
    assert second[0] == [0.0, 0.0]
    assert np.isfinite(second).all()


def test_std_is_the_root_of_the_variance_at_every_order() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3))

    def slope(function: Any, t: Tensor) -> Tensor:
        (gradient,) = mg.grad(function(t).square().sum() * 0.5, t, create_graph=True)
        assert gradient is not None
        return gradient

    def difference(t: Tensor) -> Tensor:
        by_std = slope(lambda v: mg.std(v, 1) ** 3, t)
        return by_std - slope(lambda v: mg.var(v, 1) ** 1.5, t)

    np.testing.assert_allclose(difference(leaf(x)).array, 0.0, atol=1e-12)
    gradgradcheck(lambda t: slope(lambda v: mg.std(v, 1) ** 2, t), x, rtol=SECOND_ORDER_TOLERANCE)


# ------------------------------------------------------------------------------ ties and NaN


def test_elements_that_tie_share() -> None:
    values = [[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]
    x = leaf(values)
    assert gradient_of(mg.amax(x, 1), x) == [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
    assert gradient_of(mg.max(x), x) == [[0.0, 0.25, 0.25], [0.25, 0.0, 0.25]]
    assert gradient_of(mg.amin(-x, 1), x) == [[0.0, -0.5, -0.5], [-0.5, 0.0, -0.5]]
    assert gradient_of(mg.min(-x), x) == [[0.0, -0.25, -0.25], [-0.25, 0.0, -0.25]]


def test_along_an_axis_the_first_of_those_that_tie_has_the_gradient() -> None:
    x = leaf([[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]])
    values, indices = mg.max(x, 1)
    assert values.tolist() == [3.0, 3.0]
    assert indices.tolist() == [1, 0]
    assert indices.dtype == np.int64
    assert gradient_of(values, x) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert x.max(1, keepdim=True).indices.shape == (2, 1)
    assert x.min(0).values.tolist() == [1.0, 0.0, 3.0]


@pytest.mark.parametrize("function", [mg.amax, mg.amin, mg.max, mg.min])
def test_nan_is_chosen(function: Any) -> None:
    x = leaf([1.0, math.nan, 0.0, math.nan])
    assert math.isnan(function(x).item())
    assert gradient_of(function(x), x) == [0.0, 0.5, 0.0, 0.5]


def test_infinities_are_chosen() -> None:
    x = leaf([math.inf, 1.0, math.inf])
    assert gradient_of(mg.amax(x), x) == [0.5, 0.0, 0.5]


def test_extrema_of_integers_and_booleans() -> None:
    assert mg.amax(np.array([3, 7])).item() == 7
    assert mg.max(np.array([[3, 7]]), 1).values.dtype == np.int64
    assert mg.amin(np.array([True, False])).item() is False


# ------------------------------------------------------------------------------ NumPy's names


def test_numpys_defaults_under_numpys_names() -> None:
    """``ddof`` is 0 there; ``axis`` and ``keepdims`` are its words."""
    x = leaf([[1.0, 2.0, 6.0], [0.0, 2.0, 5.0]])
    a = x.array
    for ours, numpys in (
        (np.var(x), np.var(a)),
        (np.var(x, axis=1, ddof=1, keepdims=True), np.var(a, axis=1, ddof=1, keepdims=True)),
        (np.std(x, 0), np.std(a, 0)),
        (np.std(x, axis=0, correction=1), np.std(a, axis=0, ddof=1)),
        (np.sum(x, axis=(0, 1)), np.sum(a)),
        (np.mean(x, axis=-1, keepdims=True), np.mean(a, axis=-1, keepdims=True)),
        (np.max(x, axis=1), np.max(a, axis=1)),
        (np.amin(x, axis=0), np.amin(a, axis=0)),
    ):
        assert isinstance(ours, Tensor)
        assert ours.requires_grad
        np.testing.assert_allclose(ours.array, numpys, rtol=1e-14)
    assert mg.var(x).item() == pytest.approx(np.var(a, ddof=1))


def test_out_is_refused() -> None:
    with pytest.raises(DTypeError, match="does not take out="):
        np.sum(leaf([1.0]), out=np.zeros(()))


def test_questions_about_no_elements() -> None:
    assert mg.all(mg.zeros(0)).item() is True
    assert mg.any(mg.zeros(0)).item() is False
    with pytest.raises(ShapeError, match="argmax: shape"):
        mg.argmax(mg.zeros(0))


# ------------------------------------------------------------------------------ rank 0

SAME_AT_RANK_0 = ("sum", "mean", "prod", "amax", "amin", "logsumexp", "nansum", "norm", "squeeze",
                  "flip")  # fmt: skip


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("name", SAME_AT_RANK_0)
def test_rank_0_is_taken_for_a_vector(name: str, dim: int) -> None:
    x = leaf(2.0)
    result = mg.norm(x, dim=dim) if name == "norm" else getattr(mg, name)(x, dim)
    assert result.tolist() == 2.0
    assert gradient_of(result, x) == 1.0
    with pytest.raises(ShapeError, match=f"rank 0 has no axes, got dim {dim * 3 + 1}"):
        mg.norm(x, dim=dim * 3 + 1) if name == "norm" else getattr(mg, name)(x, dim * 3 + 1)


def test_choices_of_rank_0() -> None:
    for chosen in (mg.max(leaf(2.0), 0), mg.min(leaf(2.0), -1, keepdim=True)):
        assert [part.tolist() for part in chosen] == [2.0, 0]
    assert mg.argmax(leaf(2.0), 0).tolist() == mg.argmin(leaf(2.0), -1).tolist() == 0
    assert mg.count_nonzero(leaf(2.0), 0).tolist() == 1
    assert mg.all(leaf(2.0), -1).tolist()
    assert mg.transpose(leaf(2.0), 0, -1).shape == ()
    with pytest.raises(ShapeError, match="names an axis twice"):
        mg.sum(leaf(2.0), (0, -1))
    with pytest.raises(ShapeError, match="expected 0 axes"):
        mg.permute(leaf(2.0), (0,))
