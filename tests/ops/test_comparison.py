"""Comparisons: NaN, dtypes, NumPy's names."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.errors import DTypeError
from minigrad.ops import comparison as ops
from minigrad.tensor import Tensor

SPECIAL = np.array([1.0, np.nan, np.inf, -np.inf, 0.0])


@pytest.mark.parametrize(
    "function", [np.isnan, np.isinf, np.isfinite, np.signbit], ids=lambda f: f.__name__
)
def test_tests_under_numpys_names_return_arrays(function: np.ufunc) -> None:
    result = function(Tensor(SPECIAL, requires_grad=True))
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, function(SPECIAL))


def test_comparisons_under_numpys_names_return_tensors() -> None:
    x = Tensor(SPECIAL, requires_grad=True)
    result = np.greater(x, 0.0)
    assert isinstance(result, Tensor)
    assert not result.requires_grad
    assert result.tolist() == [True, False, True, False, False]


def test_nan_equals_nothing() -> None:
    x = Tensor(SPECIAL)
    assert (x == x).tolist() == [True, False, True, True, True]
    assert (x != x).tolist() == [False, True, False, False, False]


def test_scalars_are_compared_in_the_dtype_of_the_tensor() -> None:
    """The float32 nearest to 0.1 is 0.1 to a float32 Tensor, as in PyTorch."""
    x = Tensor(np.array([0.1], np.float32))
    assert (x == 0.1).item()
    assert (x == np.float64(0.1)).item()
    assert (x >= 0.1).item()


def test_rank_0_gives_an_array() -> None:
    result = ops.lt(1.0, 2.0)
    assert type(result.array) is np.ndarray
    assert result.item() is True


def test_operators_of_masks() -> None:
    a, b = Tensor(np.array([True, True, False])), np.array([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (b | a).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DTypeError):
        ops.eq(Tensor(SPECIAL), "text")
