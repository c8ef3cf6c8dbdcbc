"""Which dtype an op computes in: PyTorch's rules within Tensors.

==============================================  ==========================================
operands                                        result
==============================================  ==========================================
float32 and float64 Tensors                     float64
a Tensor and a Python or NumPy scalar           the Tensor's dtype, unless the scalar is of a
                                                higher kind (bool < integer < float)
a Tensor and a Tensor of rank 0                 likewise
an integer Tensor and a float scalar            float32
an integer and a floating Tensor                the floating dtype
``/``, ``exp`` and the like of integers         float32
mean, var, std of integers                      an error: say which float with ``.float()``
==============================================  ==========================================

Nothing is cast down: in-place operators refuse a result of another dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import real_dtype
from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError
from minigrad.registry import public
from minigrad.tensor import Tensor, _wrap, as_array, as_tensor
from minigrad.typing import Array, DTypeLike

__all__ = ["Cast", "as_float", "assignable", "cast", "promote", "result_type"]

_FLOAT32 = np.dtype(np.float32)
_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}
_SCALAR_DTYPES = (np.dtype(np.bool_), np.dtype(np.int64), _FLOAT32)


class Cast(Op):
    """``x`` in another floating dtype: dx = dy in the dtype of x."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dtype: np.dtype[Any]) -> Array:
        return x.astype(dtype)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dtype: np.dtype[Any]) -> tuple[Any]:
        return (apply(Cast, dy, dtype=ctx.dtype_of(0)),)


@public
def cast(x: Any, dtype: DTypeLike) -> Tensor:
    """Convert to ``dtype``; recorded between floating dtypes.

    Parameters
    ----------
    x : Tensor, any shape
    dtype : dtype

    Returns
    -------
    Tensor like ``x``
        ``x`` itself if it has that dtype.
    """
    tensor = as_tensor(x)
    dtype = real_dtype(dtype)
    if tensor.dtype == dtype:
        return tensor
    if dtype.kind != "f":  # integers and booleans carry no gradient
        return _wrap(tensor.array.astype(dtype))
    result: Tensor = apply(Cast, tensor, dtype=dtype)
    return result


def result_type(*operands: Any) -> np.dtype[Any]:
    """Return the dtype of an arithmetic result, by the table of this module.

    Parameters
    ----------
    *operands : Tensor, ndarray or scalar
    """
    ranked: np.dtype[Any] | None = None  # of Tensors and arrays with axes
    unranked: np.dtype[Any] | None = None  # of those of rank 0
    scalar: np.dtype[Any] | None = None
    for operand in operands:
        if isinstance(operand, (Tensor, np.ndarray)):
            if operand.dtype.kind not in _KINDS:
                as_array(operand)  # which refuses it
            if operand.ndim:
                ranked = _wider(ranked, operand.dtype)
            else:
                unranked = _wider(unranked, operand.dtype)
        else:
            kind = _KINDS[as_array(operand).dtype.kind]
            scalar = _wider(scalar, _SCALAR_DTYPES[kind])
    result = ranked
    for weaker in (unranked, scalar):
        if weaker is None:
            continue
        if result is None or _KINDS[weaker.kind] > _KINDS[result.kind]:
            result = weaker
    return _FLOAT32 if result is None else result


def _wider(a: np.dtype[Any] | None, b: np.dtype[Any]) -> np.dtype[Any]:
    if a is None or a == b:
        return b
    if (a.kind == "f") != (b.kind == "f"):  # NumPy would make float64 of float32 and int64
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def promote(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the operands of an arithmetic op in one dtype, scalars as they are.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar

    Returns
    -------
    tuple
        At least one Tensor; the other a Tensor of the same dtype or a Python scalar.
    """
    if isinstance(a, Tensor):
        if isinstance(b, Tensor):
            if a.array.dtype == b.array.dtype:
                return a, b
        elif type(b) is float or type(b) is int:
            kind = a.array.dtype.kind
            if kind == "f" or (kind == "i" and type(b) is int):
                return a, b
    elif isinstance(b, Tensor) and (type(a) is float or type(a) is int):
        kind = b.array.dtype.kind
        if kind == "f" or (kind == "i" and type(a) is int):
            return a, b
    dtype = result_type(a, b)
    return as_tensor(a, dtype), as_tensor(b, dtype)


def as_float(x: Any) -> Tensor:
    """Return ``x`` as a floating Tensor: integers and booleans become float32."""
    tensor = x if isinstance(x, Tensor) else as_tensor(x)
    return tensor if tensor.array.dtype.kind == "f" else cast(tensor, _FLOAT32)


def assignable(value: Any, dtype: np.dtype[Any]) -> Tensor:
    """Return ``value`` in the dtype of the Tensor that it is written to.

    Parameters
    ----------
    value : Tensor, ndarray or scalar
        Python floats keep their digits.
    dtype : dtype

    Raises
    ------
    DTypeError
        If ``value`` is floating and ``dtype`` is not, or ``dtype`` alone is boolean.
    """
    given = as_tensor(value).dtype
    if (given.kind == "f" and dtype.kind != "f") or (dtype.kind == "b" != given.kind):
        raise DTypeError(
            f"a value of {given} cannot be assigned to a Tensor of {dtype}; "
            f"convert one of them with .to(dtype) first"
        )
    return as_tensor(value, dtype)
