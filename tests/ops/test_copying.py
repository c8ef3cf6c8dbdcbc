"""Copies: memory, dtype, versions."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.errors import AutogradError
from minigrad.grad_mode import no_grad
from minigrad.ops.copying import clone, copy_of
from minigrad.tensor import Tensor


def test_clone_keeps_the_memory_order_and_shares_nothing() -> None:
    x = Tensor(np.asfortranarray(np.ones((2, 3))))
    copy = clone(x)
    assert copy.array.flags.f_contiguous
    assert not np.shares_memory(copy.array, x.array)


def test_copy_of_converts_and_sums_back() -> None:
    x = Tensor(np.zeros((2, 3), np.float64))
    source = Tensor(np.ones(3, np.float32), requires_grad=True)
    result = copy_of(x, source)
    assert result.dtype == np.float64
    (dsource,) = grad(result, source, np.ones((2, 3)))
    assert dsource is not None
    assert dsource.dtype == np.float32
    assert dsource.tolist() == [2.0, 2.0, 2.0]


def test_copy_in_place_is_recorded() -> None:
    source = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    x = Tensor(np.zeros((3, 2)))
    x.copy_(source)
    assert x.tolist() == [[1.0, 2.0]] * 3
    x.backward(np.ones((3, 2)))
    assert source.grad is not None
    assert source.grad.tolist() == [3.0, 3.0]


def test_copy_of_is_a_view_of_its_source() -> None:
    """What a later op saved of it changes with the source, and backward notices."""
    source = Tensor(np.ones(2), requires_grad=True)
    result = copy_of(Tensor(np.zeros(2)), source)
    assert not result.array.flags.writeable
    y = result * result
    with no_grad():
        source += 1.0
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward(np.ones(2))
