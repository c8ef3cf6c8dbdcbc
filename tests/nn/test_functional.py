"""minigrad.nn.functional: in-place variants, one_hot, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it


@pytest.mark.parametrize("function", [F.relu, F.leaky_relu, F.elu, F.silu])
def test_in_place(function: Callable[..., Any]) -> None:
    leaf = mg.tensor([-1.5, 2.0], requires_grad=True)
    expected = function(leaf)
    expected.backward(mg.tensor([1.0, 2.0]))
    gradient = np.array(leaf.grad)
    leaf.zero_grad()
    x = leaf * 1.0
    result = function(x, inplace=True)
    assert result is x
    assert x.tolist() == expected.tolist()
    result.backward(mg.tensor([1.0, 2.0]))
    np.testing.assert_array_equal(np.asarray(leaf.grad), gradient)


def test_in_place_errors() -> None:
    with pytest.raises(AutogradError, match="leaf"):
        F.relu(mg.ones(2, requires_grad=True), inplace=True)
    with pytest.raises(TypeError, match="relu: inplace=True needs a Tensor, got ndarray"):
        F.relu(np.ones(2), inplace=True)


def test_dropout_in_place() -> None:
    x = mg.ones(50)
    assert F.dropout(x, 0.5, training=False, inplace=True) is x
    assert F.dropout(x, 0.5, inplace=True) is x
    assert set(x.tolist()) == {0.0, 2.0}


def test_softmax_in_another_dtype() -> None:
    x = mg.tensor([1.0, 2.0])
    assert F.softmax(x, 0, dtype=np.float64).dtype == np.float64
    assert F.log_softmax(x, dim=-1).dtype == np.float32


def test_one_hot() -> None:
    result = F.one_hot(mg.tensor([[0, 2]]))
    assert result.dtype == np.int64
    assert result.tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert F.one_hot(mg.tensor(1), 3).tolist() == [0, 1, 0]
    assert F.one_hot(mg.tensor(np.zeros(0, np.int64)), 3).shape == (0, 3)
    with pytest.raises(IndexError, match="between 0 and 1, got 0 to 2"):
        F.one_hot(mg.tensor([0, 2]), 2)
    with pytest.raises(IndexError, match="got -1 to 2"):
        F.one_hot(mg.tensor([-1, 2]))
    with pytest.raises(DTypeError, match="integer class indices"):
        F.one_hot(mg.tensor([0.5]))
    with pytest.raises(ShapeError, match="num_classes is needed"):
        F.one_hot(mg.tensor(np.zeros(0, np.int64)))


def test_arrays_and_lists_are_accepted() -> None:
    assert F.linear(np.ones((2, 3), np.float32), np.ones((1, 3), np.float32)).tolist() == [
        [3.0],
        [3.0],
    ]
    assert F.relu([-1.0, 1.0]).tolist() == [0.0, 1.0]
    assert F.embedding([1, 0], mg.tensor([[1.0], [2.0]])).tolist() == [[2.0], [1.0]]


def test_embedding_counts_padding_from_the_end() -> None:
    weight = mg.ones(3, 2, requires_grad=True)
    F.embedding(mg.tensor([2, 0]), weight, padding_idx=-1).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(IndexError, match="padding_idx -4"):
        F.embedding(mg.tensor([0]), weight, -4)


def test_pad_has_the_arguments_of_pytorch() -> None:
    x = mg.arange(6.0).reshape(2, 3)
    padded = F.pad(x, (1, 2), value=7.0)
    assert padded.tolist() == [[7.0, 0.0, 1.0, 2.0, 7.0, 7.0], [7.0, 3.0, 4.0, 5.0, 7.0, 7.0]]
    assert F.pad(x, (0, 1), "circular").tolist() == [[0.0, 1.0, 2.0, 0.0], [3.0, 4.0, 5.0, 3.0]]
