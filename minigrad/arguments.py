"""Hyperparameters as users give them, checked: integers, numbers, sequences, dtypes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.errors import DTypeError

__all__ = [
    "check_callable",
    "check_integer",
    "check_items",
    "check_number",
    "check_text",
    "real_dtype",
]


def check_callable(name: str, argument: str, value: Any) -> Callable[..., Any]:
    """Return a function, or whatever else can be called.

    Raises
    ------
    DTypeError
        If it cannot be called.
    """
    if not callable(value):
        raise DTypeError(
            f"{name}: {argument} must be callable, got {value!r} ({type(value).__name__})"
        )
    result: Callable[..., Any] = value
    return result


def check_integer(name: str, argument: str, value: Any, least: int | None = None) -> int:
    """Return an integer argument as a Python integer.

    Parameters
    ----------
    name, argument : str
        The function that was called and the argument, for the error message.
    value : int
        Or what acts as one: a NumPy integer, an integer Tensor of one element.
    least : int, optional
        The smallest value that is allowed.

    Raises
    ------
    DTypeError
        If it is not an integer.
    ValueError
        If it is less than ``least``.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except (TypeError, ValueError):
        raise DTypeError(
            f"{name}: {argument} must be an integer, got {value!r} ({type(value).__name__})"
        ) from None
    if least is not None and number < least:
        raise ValueError(f"{name}: {argument} must be >= {least}, got {number}")
    return number


def check_number(name: str, argument: str, value: Any) -> None:
    """Refuse an argument that is not a real number.

    Raises
    ------
    DTypeError
        If it is not an integer or a float, of Python or NumPy.
    """
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise DTypeError(
            f"{name}: {argument} must be a real number, got {value!r} ({type(value).__name__})"
        )


def check_items(name: str, argument: str, value: Any) -> list[Any]:
    """Return what a sequence or another iterable holds.

    Raises
    ------
    DTypeError
        If it holds nothing because it is no iterable, or is a string.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise DTypeError(
            f"{name}: {argument} must be a sequence, got {value!r} ({type(value).__name__})"
        )
    return list(value)


def check_text(name: str, argument: str, value: Any) -> str:
    """Return a string.

    Raises
    ------
    DTypeError
        If it is something else.
    """
    if not isinstance(value, str):
        raise DTypeError(
            f"{name}: {argument} must be a string, got {value!r} ({type(value).__name__})"
        )
    return value


def real_dtype(dtype: Any) -> np.dtype[Any]:
    """Return a dtype that a Tensor can have.

    Raises
    ------
    DTypeError
        If it is no dtype, or not one of real numbers or booleans.
    """
    try:
        result: np.dtype[Any] = np.dtype(dtype)
        if dtype is None or result.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError):
        raise DTypeError(
            "expected a dtype of real numbers or booleans, such as minigrad.float32, got "
            f"{dtype!r} ({type(dtype).__name__})"
        ) from None
    return result
