"""Where the layers above `tensor` announce themselves to it.

`Tensor` has operators, methods and NumPy protocols whose functions live in ``minigrad.ops``,
which imports `Tensor`. The tables of this module close that loop: ``ops`` fills them when it is
imported, `Tensor` looks functions up when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["FUNCTIONS", "NUMPY", "implements", "public"]

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Public name of an op's function -> the function: what Tensor's methods and operators call."""

NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy function or ufunc -> what it means on a Tensor."""


def public(function: F) -> F:
    """Announce ``function`` under its own name, for Tensor's methods and operators."""
    FUNCTIONS[function.__name__] = function
    return function


def implements(*numpy_functions: Callable[..., Any]) -> Callable[[F], F]:
    """Announce the decorated function as the meaning of NumPy functions on a Tensor.

    The decorated function takes the NumPy function's arguments.
    """

    def register(function: F) -> F:
        for numpy_function in numpy_functions:
            NUMPY[numpy_function] = function
        return function

    return register
