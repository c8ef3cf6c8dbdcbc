"""Arithmetic: dtypes, edges of the domain, what is kept for the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.creation import tensor
from minigrad.ops.elementwise import (
    abs,  # noqa: A004 - the name under test
    add,
    div,
    floor_divide,
    fmod,
    mul,
    neg,
    positive,
    remainder,
    sub,
)
from minigrad.tensor import Tensor, as_tensor

# One array of each dtype, and scalars, as operands of the promotion table.
F32 = Tensor(np.ones(2, np.float32))
F64 = Tensor(np.ones(2, np.float64))
I64 = Tensor(np.ones(2, np.int64))
I32 = Tensor(np.ones(2, np.int32))
BOOL = Tensor(np.ones(2, bool))
RANK0_F64 = Tensor(np.array(1.0))
RANK0_I64 = Tensor(np.array(1))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (F32, F64, np.float64),
        (F32, 0.1, np.float32),
        (F32, 2, np.float32),
        (F32, True, np.float32),
        (F32, np.float64(0.1), np.float32),
        (F32, RANK0_F64, np.float32),
        (F32, RANK0_I64, np.float32),
        (F32, I64, np.float32),
        (F64, I32, np.float64),
        (I64, 2, np.int64),
        (I32, 2, np.int32),
        (I64, 0.5, np.float32),
        (I64, RANK0_F64, np.float64),
        (I32, I64, np.int64),
        (I32, BOOL, np.int32),
        (BOOL, 2, np.int64),
        (F32, np.ones(2, np.float64), np.float64),
    ],
)
@pytest.mark.parametrize("function", [add, mul, remainder])
def test_promotion(function: Callable[..., Tensor], a: Any, b: Any, expected: type) -> None:
    assert function(a, b).dtype == expected
    assert function(b, a).dtype == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (I64, I64, np.float32),
        (I64, 2, np.float32),
        (2, I64, np.float32),
        (BOOL, BOOL, np.float32),
        (F64, I64, np.float64),
        (F32, 2, np.float32),
    ],
)
def test_division_is_floating(a: Any, b: Any, expected: type) -> None:
    assert div(a, b).dtype == expected


def test_integers_stay_integers() -> None:
    assert floor_divide(I64, 2).dtype == np.int64
    assert remainder(Tensor(np.array([-7, 7])), 3).tolist() == [2, 1]
    assert fmod(Tensor(np.array([-7, 7])), 3).tolist() == [-1, 1]
    assert neg(I32).dtype == np.int32
    assert abs(Tensor(np.array([-2, 3]))).tolist() == [2, 3]


def test_python_numbers_lose_nothing_on_their_way_to_float64() -> None:
    """They become float32 only where no dtype says otherwise."""
    assert as_tensor(0.1, np.float64).item() == 0.1
    assert tensor([0.1], dtype=np.float64).item() == 0.1
    assert add(Tensor(np.zeros(1)), [0.1]).item() == 0.1


def test_scalars_alone_make_float32() -> None:
    result = add(1.0, 2.0)
    assert result.dtype == np.float32
    assert result.item() == 3.0


def test_gradient_of_abs_at_zero_is_zero() -> None:
    x = Tensor(np.array([-0.0, 0.0, -2.0]), requires_grad=True)
    (dx,) = grad(abs(x), x, np.ones(3))
    assert dx is not None
    assert dx.tolist() == [0.0, 0.0, -1.0]


def test_fmod_gradient_agrees_with_its_own_quotient() -> None:
    """1.0 / 0.1 rounds to 10, but 0.1 is a little more than a tenth: fmod subtracts it 9 times."""
    divisor = Tensor(np.array([0.1]), requires_grad=True)
    y = fmod(1.0, divisor)
    assert y.item() == pytest.approx(0.1)
    (db,) = grad(y, divisor, np.ones(1))
    assert db is not None
    assert db.item() == -9.0


def test_division_by_zero_follows_numpy() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert div(Tensor(np.ones(1)), 0.0).item() == np.inf


def test_division_by_a_number_keeps_nothing() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    node = (x / 2.0).node
    assert node is not None
    assert node.saved == []


def test_same_operand_twice() -> None:
    x = Tensor(np.array([3.0]), requires_grad=True)
    for function, slope in ((mul, 6.0), (add, 2.0), (sub, 0.0), (div, 0.0)):
        (dx,) = grad(function(x, x), x, np.ones(1))
        assert dx is not None
        assert dx.item() == slope


def test_positive_is_the_tensor_itself() -> None:
    assert positive(F32) is F32
    assert np.positive(F32) is F32  # type: ignore[comparison-overlap]  # a Tensor's own rule
