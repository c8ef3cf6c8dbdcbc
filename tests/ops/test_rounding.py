"""Rounding at the steps themselves, and of what is no float."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.ops.rounding import (
    ceil,
    floor,
    round,  # noqa: A004 - the name under test
    sign,
    trunc,
)
from minigrad.tensor import Tensor
from minigrad.typing import Array

ALL = pytest.mark.parametrize("function", [ceil, floor, round, sign, trunc])


@ALL
def test_gradient_at_the_steps_is_zero(function: Callable[..., Tensor]) -> None:
    x = Tensor(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), requires_grad=True)
    (dx,) = grad(function(x), x, np.ones(5))
    assert dx is not None
    assert dx.tolist() == [0.0] * 5


@ALL
@pytest.mark.parametrize("dtype", [np.int32, np.int64, bool])
def test_whole_numbers_stay_as_they_are(function: Callable[..., Tensor], dtype: type) -> None:
    x: Array = np.array([0, 1, 1], dtype=dtype)
    result = function(x)
    assert result.dtype == dtype
    assert result.tolist() == x.tolist()


def test_halves_round_to_even() -> None:
    assert round(np.array([0.5, 1.5, 2.5, -0.5])).tolist() == [0.0, 2.0, 2.0, 0.0]


def test_names_of_numpy() -> None:
    x = Tensor(np.array([1.25, -1.75]), requires_grad=True)
    assert np.round(x, 1).tolist() == np.round(x.array, 1).tolist()
    assert np.around(x).tolist() == np.rint(x).tolist() == [1.0, -2.0]
