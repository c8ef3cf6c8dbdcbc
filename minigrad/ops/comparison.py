"""Comparisons, logic and tests of elements: results without a gradient.

Each function returns a Tensor that is not recorded; ``numpy.isnan`` and its like, called on a
Tensor, return an array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops.broadcasting import explain_refusal
from minigrad.ops.promotion import promote
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
]


def _unrecorded(ufunc: np.ufunc, a: Any, b: Any) -> Tensor:
    """Return a ufunc of two operands, in one dtype, as a Tensor that is not recorded."""
    a, b = promote(a, b)
    if isinstance(a, Tensor):
        a = a.array
    if isinstance(b, Tensor):
        b = b.array
    try:
        return _wrap(np.asarray(ufunc(a, b)))
    except (TypeError, ValueError) as error:
        explain_refusal(ufunc.__name__, (a, b), error)
        raise


# ------------------------------------------------------------------------------ comparisons


@public
@implements(np.equal)
def eq(a: Any, b: Any) -> Tensor:
    """Return where ``a == b``.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast. They are compared in the dtype of their sum.

    Returns
    -------
    Tensor, bool

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return _unrecorded(np.equal, a, b)


@public
@implements(np.not_equal)
def ne(a: Any, b: Any) -> Tensor:
    """Return where ``a != b``; as `eq`."""
    return _unrecorded(np.not_equal, a, b)


@public
@implements(np.less)
def lt(a: Any, b: Any) -> Tensor:
    """Return where ``a < b``; as `eq`."""
    return _unrecorded(np.less, a, b)


@public
@implements(np.less_equal)
def le(a: Any, b: Any) -> Tensor:
    """Return where ``a <= b``; as `eq`."""
    return _unrecorded(np.less_equal, a, b)


@public
@implements(np.greater)
def gt(a: Any, b: Any) -> Tensor:
    """Return where ``a > b``; as `eq`."""
    return _unrecorded(np.greater, a, b)


@public
@implements(np.greater_equal)
def ge(a: Any, b: Any) -> Tensor:
    """Return where ``a >= b``; as `eq`."""
    return _unrecorded(np.greater_equal, a, b)


# ------------------------------------------------------------------------------ logic


@public
@implements(np.logical_and)
def logical_and(a: Any, b: Any) -> Tensor:
    """Return where both operands are nonzero.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.

    Returns
    -------
    Tensor, bool

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    return _unrecorded(np.logical_and, a, b)


@public
@implements(np.logical_or)
def logical_or(a: Any, b: Any) -> Tensor:
    """Return where an operand is nonzero; as `logical_and`."""
    return _unrecorded(np.logical_or, a, b)


@public
@implements(np.logical_xor)
def logical_xor(a: Any, b: Any) -> Tensor:
    """Return where exactly one operand is nonzero; as `logical_and`."""
    return _unrecorded(np.logical_xor, a, b)


@public
@implements(np.logical_not)
def logical_not(x: Any) -> Tensor:
    """Return where ``x`` is zero."""
    return _wrap(np.asarray(np.logical_not(as_tensor(x).array)))


@public
@implements(np.bitwise_and)
def bitwise_and(a: Any, b: Any) -> Tensor:
    """Return the bits that are set in both operands: of booleans, where both hold.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar, integer or bool
        Of shapes that broadcast.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If an operand is floating.
    """
    return _unrecorded(np.bitwise_and, a, b)


@public
@implements(np.bitwise_or)
def bitwise_or(a: Any, b: Any) -> Tensor:
    """Return the bits that are set in either operand; as `bitwise_and`."""
    return _unrecorded(np.bitwise_or, a, b)


@public
@implements(np.bitwise_xor)
def bitwise_xor(a: Any, b: Any) -> Tensor:
    """Return the bits that are set in exactly one operand; as `bitwise_and`."""
    return _unrecorded(np.bitwise_xor, a, b)


@public
@implements(np.invert)
def bitwise_not(x: Any) -> Tensor:
    """Return ``x`` with each bit flipped: of booleans, where ``x`` does not hold.

    Parameters
    ----------
    x : Tensor, integer or bool, any shape

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    DTypeError
        If ``x`` is floating.
    """
    array = as_tensor(x).array
    try:
        return _wrap(np.asarray(np.invert(array)))
    except TypeError as error:
        explain_refusal("bitwise_not", (array,), error)
        raise


# ------------------------------------------------------------------------------ tests


@public
def isnan(x: Any) -> Tensor:
    """Return where ``x`` is NaN."""
    return _wrap(np.asarray(np.isnan(as_tensor(x).array)))


@public
def isinf(x: Any) -> Tensor:
    """Return where ``x`` is plus or minus infinity."""
    return _wrap(np.asarray(np.isinf(as_tensor(x).array)))


@public
def isfinite(x: Any) -> Tensor:
    """Return where ``x`` is neither infinite nor NaN."""
    return _wrap(np.asarray(np.isfinite(as_tensor(x).array)))


def _on_array(ufunc: np.ufunc) -> Callable[[Any], Array]:
    """Return ``ufunc`` as it is on a Tensor's array."""

    def function(x: Any) -> Array:
        result: Array = ufunc(as_tensor(x).array)
        return result

    return function


for _ufunc in (np.isnan, np.isinf, np.isfinite, np.signbit):
    implements(_ufunc)(_on_array(_ufunc))

greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
