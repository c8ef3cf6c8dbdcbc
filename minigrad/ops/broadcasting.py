"""How the elementwise families apply an op whose operands broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import Op, apply
from minigrad.errors import DTypeError, MinigradError, ShapeError
from minigrad.ops.promotion import as_float, promote
from minigrad.tensor import Tensor

__all__ = ["apply_broadcasting", "explain_refusal", "promote_to_float"]


def apply_broadcasting(op: type[Op], *operands: Any) -> Tensor:
    """Apply an op whose operands broadcast, and say clearly what does not fit.

    Parameters
    ----------
    op : type of Op
    *operands : Tensor, ndarray, Python scalar or None

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If NumPy has no such function of these dtypes.
    """
    try:  # NumPy finds what does not fit, so operands that do fit cost nothing extra
        result: Tensor = apply(op, *operands)
    except (TypeError, ValueError) as error:
        explain_refusal(op.__name__, operands, error)
        raise
    return result


def explain_refusal(name: str, operands: tuple[Any, ...], error: Exception) -> None:
    """Raise our error in place of NumPy's, if it is about the shapes or dtypes of the operands.

    Parameters
    ----------
    name : str
        Of the function, for the message.
    operands : tuple of Tensor, ndarray, Python scalar or None
    error : Exception
        What NumPy raised.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If NumPy has no such function of these dtypes.
    """
    if isinstance(error, MinigradError):
        return
    arrays = [operand for operand in operands if operand is not None]
    if isinstance(error, TypeError):
        dtypes = " and ".join(str(np.asarray(array).dtype) for array in arrays)
        raise DTypeError(f"{name} is not defined for {dtypes}: {error}") from error
    shapes = [np.shape(array.array if isinstance(array, Tensor) else array) for array in arrays]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise ShapeError(
            f"{name}: shapes {listed} do not broadcast; aligned from the last axis, lengths must "
            "be equal or 1"
        ) from error


def promote_to_float(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the operands in one floating dtype: integers and booleans become float32.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar

    Returns
    -------
    tuple
        At least one Tensor; the other a Tensor of the same dtype or a Python scalar.
    """
    a, b = promote(a, b)
    if (a if isinstance(a, Tensor) else b).array.dtype.kind == "f":
        return a, b
    return (
        as_float(a) if isinstance(a, Tensor) else a,
        as_float(b) if isinstance(b, Tensor) else b,
    )
