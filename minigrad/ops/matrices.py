"""Checks that the functions of matrices share, and whose fault it is if NumPy refuses one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.errors import DTypeError, LinAlgError, ShapeError
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = [
    "as_divisor",
    "as_floating",
    "as_matrices",
    "as_square",
    "blaming",
    "check_precision",
    "closeness",
    "transposed",
]


def as_floating(name: str, x: Any) -> Tensor:
    """Return a floating Tensor, or raise: of integers, it is not clear which float is wanted."""
    tensor = as_tensor(x)
    if tensor.array.dtype.kind != "f":
        raise DTypeError(
            f"{name} of {tensor.dtype}: expected a floating Tensor; convert with .float() or "
            ".double()"
        )
    return tensor


def check_precision(name: str, x: Tensor) -> Tensor:
    """Return a Tensor of float32 or float64, which is what LAPACK computes in, or raise."""
    if x.array.dtype not in (np.float32, np.float64):
        raise DTypeError(
            f"{name}: expected float32 or float64, got {x.dtype}; convert with .float() or "
            ".double()"
        )
    return x


def as_matrices(name: str, x: Any) -> Tensor:
    """Return a float32 or float64 Tensor of shape (*, M, N), or raise."""
    tensor = check_precision(name, as_floating(name, x))
    if tensor.ndim < 2:
        raise ShapeError(f"{name}: expected matrices of shape (*, M, N), got {tensor.shape}")
    return tensor


def as_square(name: str, x: Any) -> Tensor:
    """Return a float32 or float64 Tensor of shape (*, N, N), or raise."""
    tensor = check_precision(name, as_floating(name, x))
    if tensor.ndim < 2 or tensor.shape[-2] != tensor.shape[-1]:
        raise ShapeError(f"{name}: expected square matrices of shape (*, N, N), got {tensor.shape}")
    return tensor


def transposed(x: Any) -> Any:
    """Return a view of an array or Tensor with its last two axes exchanged."""
    return np.swapaxes(x, -2, -1)


_CLOSE = 8.0
"""How far rounding moves eigenvalues or singular values, with room, in the units of `closeness`."""


def closeness(n: int, dtype: np.dtype[Any]) -> float:
    """Return up to which difference values count as equal, relative to the largest.

    Parameters
    ----------
    n : int
        The number of rows or columns, the larger one.
    dtype : dtype
        What the values were computed in.
    """
    return _CLOSE * n * float(np.finfo(dtype).eps)


def as_divisor(differences: Any, n: int, largest: Any) -> Any:
    """Return differences, infinite where they are those of values that count as equal.

    Parameters
    ----------
    differences : ndarray or Tensor
    n : int
        As for `closeness`.
    largest : ndarray or Tensor, broadcasts
        The largest absolute value.
    """
    close = np.abs(differences) <= closeness(n, differences.dtype) * largest
    return np.where(close, np.inf, differences)


def blaming(name: str, fault: str, function: Callable[..., Any], x: Array, *others: Array) -> Any:
    """Call a function of ``numpy.linalg``; if it fails, say for which matrix of the stack.

    Parameters
    ----------
    name : str
        What the user called, for the message.
    fault : str
        What is wrong with a matrix that NumPy refuses: "is singular".
    function : callable
    x : ndarray, shape (*, M, N)
        The matrices that may be at fault.
    *others : ndarray
        Further arguments, which cannot be.

    Raises
    ------
    LinAlgError
        If NumPy raises its error of that name.
    """
    try:
        return function(x, *others)
    except np.linalg.LinAlgError as error:
        where = next(
            (index for index in np.ndindex(x.shape[:-2]) if _fails(function, x[index], others)), ()
        )
        which = f"matrix {where} of {x.shape[:-2]}" if where else "the matrix"
        raise LinAlgError(f"{name}: {which} {fault}, got shape {x.shape}, {x.dtype}") from error


def _fails(function: Callable[..., Any], matrix: Array, others: tuple[Array, ...]) -> bool:
    try:
        function(matrix, *[np.zeros((len(matrix), 1), other.dtype) for other in others])
    except np.linalg.LinAlgError:
        return True
    return False
