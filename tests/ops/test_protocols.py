"""NumPy functions that a gradient does not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.tensor import Tensor

X = np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 2.0]])

QUESTIONS: list[Callable[[Any], Any]] = [
    lambda x: np.all(x),
    lambda x: np.allclose(x, x),
    lambda x: np.allclose(X, x + 1.0),
    lambda x: np.any(x, axis=0),
    lambda x: np.argmax(x, axis=1),
    lambda x: np.argmin(x),
    lambda x: np.argsort(x, axis=-1, kind="stable"),
    lambda x: np.argwhere(x),
    lambda x: np.array2string(x),
    lambda x: np.array_equal(x, X),
    lambda x: np.array_str(x),
    lambda x: np.count_nonzero(x, axis=0),
    lambda x: np.flatnonzero(x),
    lambda x: np.isclose(x, 2.0),
    lambda x: np.may_share_memory(x, x),
    lambda x: np.ndim(x),
    lambda x: np.nonzero(x),
    lambda x: np.result_type(x, np.float32),
    lambda x: np.searchsorted(x[0], 0.5),
    lambda x: np.shape(x),
    lambda x: np.shares_memory(x, np.ones(2)),
    lambda x: np.size(x),
    lambda x: np.size(x, 1),
    lambda x: np.unique(x),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_have_numpys_answer(question: Callable[[Any], Any]) -> None:
    answer, expected = question(Tensor(X, requires_grad=True)), question(X)
    assert type(answer) is type(expected)
    np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("function", [np.zeros_like, np.ones_like, np.empty_like])
def test_likes(function: Callable[..., Any]) -> None:
    x = Tensor(X, requires_grad=True)
    for tensor, shape, dtype in (
        (function(x), (2, 3), np.float64),
        (function(x, dtype=np.float32), (2, 3), np.float32),
        (function(x, shape=(4,)), (4,), np.float64),
    ):
        assert isinstance(tensor, Tensor)
        assert not tensor.requires_grad
        assert tensor.shape == shape
        assert tensor.dtype == dtype


def test_arrays_of_nothing_like_a_tensor() -> None:
    x = Tensor(X, requires_grad=True)
    zeros: Any = np.zeros((2, 2), np.float32, like=x)
    assert isinstance(zeros, Tensor)
    assert zeros.shape == (2, 2)
    assert zeros.dtype == np.float32
    assert np.ones(2, like=x).tolist() == [1.0, 1.0]


def test_full_like() -> None:
    x = mg.zeros(2, dtype=np.float32)
    assert mg.full_like(x, 1.5).tolist() == [1.5, 1.5]
    assert mg.full_like(x, 2, dtype=np.int64).dtype == np.int64
    assert np.full_like(x, 3.0).dtype == np.float32
    assert mg.zeros_like(x, requires_grad=True).requires_grad
    assert mg.ones_like(x, dtype=np.int64).tolist() == [1, 1]
    assert mg.empty_like(x).shape == (2,)


def test_fill_with_a_value_that_has_a_gradient() -> None:
    x, value = mg.zeros(2, 3) * 1.0, Tensor(np.array(2.0), requires_grad=True)
    x.fill_(value)
    assert x.tolist() == [[2.0] * 3] * 2
    x.sum().backward()
    assert value.grad is not None
    assert value.grad.dtype == np.float64
    assert value.grad.item() == 6.0


def test_fill_and_zero_in_place() -> None:
    whole = mg.arange(3)
    assert whole.fill_(7).tolist() == [7, 7, 7]
    assert whole.zero_().tolist() == [0, 0, 0]
    with pytest.raises(DTypeError, match="for dtype int64, got float32"):
        whole.fill_(0.5)
    with pytest.raises(ShapeError, match="rank 0"):
        whole.fill_(whole)


def test_copyto() -> None:
    array = np.zeros((2, 3))
    np.copyto(array, Tensor(X))
    np.testing.assert_array_equal(array, X)
    target: Any = Tensor(array)
    with pytest.raises(DTypeError, match=r"copy_\(src\)"):
        np.copyto(target, X)


def test_functions_without_a_rule_say_what_to_do() -> None:
    with pytest.raises(DTypeError, match=r"no rule for Tensors; use np.asarray\(t\)"):
        np.ptp(Tensor(X))
