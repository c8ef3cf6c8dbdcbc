"""Sorting against what it means, whatever the values; and against NumPy's two medians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.tensor import Tensor
from minigrad.typing import Array

# Few different values: most examples have ties; NaN and both zeros among them.
VALUES = st.sampled_from([-1.0, -0.0, 0.0, 2.0, np.inf, -np.inf, np.nan])
MATRICES = arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(1, 5)), elements=VALUES)


def precedes(a: float, b: float) -> bool:
    """Return whether ``a`` is smaller than ``b``, NaN being the largest."""
    return bool(not np.isnan(a) and (np.isnan(b) or a < b))


@given(MATRICES, st.booleans())
def test_sorted_is_stable_and_in_order(x: Array, descending: bool) -> None:
    values, indices = mg.sort(x, 1, descending)
    np.testing.assert_array_equal(values.array, np.take_along_axis(x, indices.array, 1))
    np.testing.assert_array_equal(np.sort(indices.array, 1), np.indices(x.shape)[1])
    for row, places in zip(values.array, indices.array, strict=True):
        for k in range(len(row) - 1):
            first, second = (row[k + 1], row[k]) if descending else (row[k], row[k + 1])
            assert not precedes(second, first)
            if not precedes(first, second):  # they tie
                assert places[k] < places[k + 1]
    np.testing.assert_array_equal(mg.argsort(x, 1, descending).array, indices.array)


@given(MATRICES, st.data())
def test_topk_and_kthvalue_are_parts_of_sorted(x: Array, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, x.shape[1]))
    for largest in (True, False):
        expected = mg.sort(x, 1, largest)
        found = mg.topk(x, k, 1, largest)
        np.testing.assert_array_equal(found.values.array, expected.values.array[:, :k])
        np.testing.assert_array_equal(found.indices.array, expected.indices.array[:, :k])
    one = mg.kthvalue(x, k, 1)
    ascending = mg.sort(x, 1)
    np.testing.assert_array_equal(one.values.array, ascending.values.array[:, k - 1])
    np.testing.assert_array_equal(one.indices.array, ascending.indices.array[:, k - 1])


@given(MATRICES)
def test_median_is_the_lower_one(x: Array) -> None:
    values, indices = mg.median(x, 1)
    np.testing.assert_array_equal(values.array, x[np.arange(len(x)), indices.array])
    lower = np.sort(x, 1)[:, (x.shape[1] - 1) // 2]
    expected = np.where(np.isnan(x).any(1), np.nan, lower)
    np.testing.assert_array_equal(values.array, expected)
    if x.size:
        flat = np.sort(x, None)[(x.size - 1) // 2]
        of_all = np.nan if np.isnan(x).any() else flat
        np.testing.assert_array_equal(mg.median(x).array, of_all)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-9, 9))
)
def test_numpys_median(x: Array) -> None:
    t: Any = Tensor(x, requires_grad=True)
    for axis in (None, 0, -1, (0, 1)):
        result = np.median(t, axis=axis)
        assert isinstance(result, Tensor)
        assert result.requires_grad
        np.testing.assert_allclose(result.array, np.median(x, axis=axis), rtol=1e-14)
    assert np.isnan(np.median(mg.tensor([1.0, np.nan])).item())


def test_numpys_median_of_an_even_number_shares() -> None:
    x: Any = mg.tensor([4.0, 1.0, 3.0, 2.0], requires_grad=True)
    np.median(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.5, 0.5]


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8, np.float32])
def test_dtypes_are_kept(dtype: Any) -> None:
    x = np.array([[1, 0, 1]], dtype)
    assert mg.sort(x).values.dtype == dtype
    assert mg.sort(x).indices.tolist() == [[1, 0, 2]]
    assert mg.topk(x, 1).values.dtype == dtype
    assert mg.median(x).dtype == dtype


def test_numbers_of_rank_0() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    for values, indices in (mg.sort(x, 0), mg.topk(x, 1), mg.kthvalue(x, 1), mg.median(x, 0)):
        assert values.shape == indices.shape == ()
        assert (values.item(), indices.item()) == (2.0, 0)
    assert mg.argsort(x).shape == ()
    assert mg.topk(x, 0).values.shape == (0,)
    with pytest.raises(ShapeError, match="dim must be from -1 to 0"):
        mg.sort(x, 1)


def test_gradients_of_both_uses_add() -> None:
    x = mg.tensor([3.0, 1.0, 2.0], requires_grad=True)
    values, indices = mg.topk(x, 2)
    (values.sum() + x[indices][0]).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


def test_unique_and_its_company() -> None:
    x = mg.tensor([[3, 1], [1, 3]])
    values, inverse, counts = mg.unique(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 3]
    assert inverse.tolist() == [[1, 0], [0, 1]]
    assert counts.tolist() == [2, 2]
    rows, places = mg.unique(mg.tensor([[1, 2], [0, 5], [1, 2]]), return_inverse=True, dim=0)
    assert rows.tolist() == [[0, 5], [1, 2]]
    assert places.tolist() == [1, 0, 1]
    assert len(mg.unique(np.array([np.nan, np.nan]))) == 2


def test_weighted_counts_have_the_dtype_of_the_weights() -> None:
    x = mg.tensor([1, 0, 1])
    assert mg.bincount(x, np.ones(3, np.float32)).dtype == np.float32
    assert mg.bincount(x, np.ones(3)).dtype == np.float64
    assert mg.bincount(x, np.array([1, 2, 3])).tolist() == [2.0, 4.0]
