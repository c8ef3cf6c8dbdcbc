"""Checks of hyperparameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.arguments import (
    check_callable,
    check_integer,
    check_items,
    check_number,
    check_text,
    real_dtype,
)
from minigrad.errors import DTypeError


@pytest.mark.parametrize("value", [3, np.int32(3), mg.tensor(3), mg.tensor([3])])
def test_integers(value: Any) -> None:
    result = check_integer("f", "n", value, 3)
    assert type(result) is int
    assert result == 3


@pytest.mark.parametrize("value", [3.0, True, np.True_, "3", None, [3], mg.tensor([1, 2])])
def test_no_integers(value: Any) -> None:
    with pytest.raises(DTypeError, match="f: n must be an integer, got "):
        check_integer("f", "n", value)


def test_least_integer() -> None:
    with pytest.raises(ValueError, match="f: n must be >= 0, got -1"):
        check_integer("f", "n", -1, 0)


@pytest.mark.parametrize("value", [3, 0.5, np.float32(1), np.int64(2), float("nan")])
def test_numbers(value: Any) -> None:
    check_number("f", "p", value)


@pytest.mark.parametrize("value", ["1", None, 1j, [1.0], mg.tensor(1.0)])
def test_no_numbers(value: Any) -> None:
    with pytest.raises(DTypeError, match="f: p must be a real number, got "):
        check_number("f", "p", value)


def test_items() -> None:
    assert check_items("f", "xs", iter((1, 2))) == [1, 2]
    for value in ("ab", b"ab", 3, None):
        with pytest.raises(DTypeError, match="f: xs must be a sequence, got "):
            check_items("f", "xs", value)


def test_callables() -> None:
    assert check_callable("f", "hook", max) is max
    for value in ("max", 3, None):
        with pytest.raises(DTypeError, match="f: hook must be callable, got "):
            check_callable("f", "hook", value)


def test_text() -> None:
    assert check_text("f", "name", "a") == "a"
    for value in (b"a", 3, None):
        with pytest.raises(DTypeError, match="f: name must be a string, got "):
            check_text("f", "name", value)


def test_dtypes() -> None:
    assert real_dtype("float32") == np.float32
    for value in ("nonsense", None, object, complex, 3, str):
        with pytest.raises(DTypeError, match="expected a dtype of real numbers or booleans"):
            real_dtype(value)
