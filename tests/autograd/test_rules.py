"""What a gradient rule may return, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError, DTypeError
from minigrad.typing import Array, DTypeLike


def identity(rule: Callable[[Any], tuple[Any, ...]]) -> type[Op]:
    """Return an op of one input with the given gradient rule."""

    class Identity(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x.copy()

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any, ...]:
            return rule(dy)

    return Identity


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_gradients(count: int) -> None:
    x = mg.ones(2, requires_grad=True)
    y = apply(identity(lambda dy: (dy,) * count), x)
    with pytest.raises(AutogradError, match=f"must return a tuple of 1 gradient, .*got {count}"):
        y.backward(mg.ones(2))
    assert x.grad is None


@pytest.mark.parametrize(("dtype", "other"), [("float32", "float64"), ("float64", "float32")])
def test_another_dtype(dtype: DTypeLike, other: DTypeLike) -> None:
    """Neither a narrower nor a wider one is rounded to that of the input."""
    x = mg.ones(2, dtype=dtype, requires_grad=True)
    y = apply(identity(lambda dy: (np.asarray(dy, dtype=other),)), x)
    with pytest.raises(DTypeError, match=f"must be {dtype}, got {other}"):
        y.backward(mg.ones(2, dtype=dtype))
    assert x.grad is None


def test_equal_dtype_that_is_another_object() -> None:
    """As of an array that was unpickled."""
    array = pickle.loads(pickle.dumps(np.ones(2)))
    assert array.dtype is not np.dtype(np.float64)
    x = mg.tensor(array, requires_grad=True)
    (x * 2.0).backward(np.ones(2))
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


def test_hundreds_of_inputs() -> None:
    x = mg.ones(1, requires_grad=True)
    mg.cat([x] * 300).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [300.0]
