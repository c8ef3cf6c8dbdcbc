"""Questions about Tensors: where, how many, how close. Nothing here has a gradient.

`numpy.isclose` and its like, called on Tensors, return NumPy's arrays; these return Tensors.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigrad.arguments import check_integer, check_number
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.axes import broadcast_shapes, normalize_axis
from minigrad.registry import public
from minigrad.tensor import Tensor, _wrap, as_tensor

__all__ = [
    "allclose",
    "argwhere",
    "bincount",
    "equal",
    "isclose",
    "nonzero",
    "searchsorted",
    "unique",
]


@public
def isclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Return where ``|a - b| <= atol + rtol * |b|``.

    Parameters
    ----------
    a, b : Tensor, ndarray or scalar
        Of shapes that broadcast.
    rtol, atol : float
    equal_nan : bool
        Whether NaN is close to NaN.

    Returns
    -------
    Tensor, bool

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    """
    check_number("isclose", "rtol", rtol)
    check_number("isclose", "atol", atol)
    x, y = as_tensor(a).array, as_tensor(b).array
    if broadcast_shapes(x.shape, y.shape) is None:
        raise ShapeError(f"isclose: shapes {x.shape} and {y.shape} do not broadcast")
    return _wrap(np.asarray(np.isclose(x, y, rtol, atol, equal_nan)))


@public
def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Return whether `isclose` holds for all elements: a Python bool."""
    return bool(isclose(a, b, rtol, atol, equal_nan).array.all())


@public
def equal(a: Any, b: Any) -> bool:
    """Return whether two Tensors have the same shape and the same elements: a Python bool.

    Parameters
    ----------
    a, b : Tensor
        NaN is equal to nothing. `eq` compares element by element.
    """
    return bool(np.array_equal(as_tensor(a).array, as_tensor(b).array))


@public
def nonzero(x: Any, *, as_tuple: bool = False) -> Any:
    """Return where the elements are not zero.

    Parameters
    ----------
    x : Tensor, any shape
    as_tuple : bool
        Return the indices along each axis, by which ``x`` can be indexed.

    Returns
    -------
    Tensor, shape (number of elements, axes of x), or tuple of Tensor
        int64, in C order.
    """
    array = as_tensor(x).array
    if as_tuple:
        return tuple([_wrap(indices) for indices in np.nonzero(np.atleast_1d(array))])
    return _wrap(np.argwhere(array))


@public
def argwhere(x: Any) -> Tensor:
    """Return where the elements are not zero, as `nonzero`."""
    result: Tensor = nonzero(x)
    return result


@public
def searchsorted(
    sorted_sequence: Any, values: Any, *, right: bool = False, side: str | None = None
) -> Tensor:
    """Return where values would be inserted into a sorted sequence.

    Parameters
    ----------
    sorted_sequence : Tensor, shape (..., N)
        In ascending order along its last axis.
    values : Tensor, ndarray or scalar
        Any shape if the sequence is a vector; else of the same axes but for the last.
    right : bool
        Insert after elements that are equal, not before.
    side : {"left", "right"}, optional
        The same, in NumPy's words.

    Returns
    -------
    Tensor
        Of the shape of ``values``, int64.

    Raises
    ------
    ShapeError
        If the axes do not agree.
    ValueError
        If there is no such side, or it contradicts ``right``.
    """
    if side not in (None, "left", "right") or (right and side == "left"):
        raise ValueError(f"searchsorted: expected side left or right, got {side!r}, right={right}")
    sequence, wanted = as_tensor(sorted_sequence).array, as_tensor(values).array
    where: Literal["left", "right"] = "right" if right or side == "right" else "left"
    if sequence.ndim == 1:
        return _wrap(np.asarray(np.searchsorted(sequence, wanted, where)))
    if sequence.ndim == 0 or sequence.shape[:-1] != wanted.shape[:-1] or wanted.ndim == 0:
        raise ShapeError(
            f"searchsorted: expected a vector, or values with the leading axes of shape "
            f"{sequence.shape}, got {wanted.shape}"
        )
    found = np.empty(wanted.shape, np.int64)
    for row in np.ndindex(sequence.shape[:-1]):
        found[row] = np.searchsorted(sequence[row], wanted[row], where)
    return _wrap(found)


@public
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """Return how often each number occurs.

    Parameters
    ----------
    x : Tensor, shape (N,), integer, 0 or more
    weights : Tensor, shape (N,), optional
        Add these instead of 1, in float64; not differentiable: `index_add` is.
    minlength : int
        The least length of the result.

    Returns
    -------
    Tensor, shape (max(x) + 1,)
        int64; with weights of their dtype, float64 if they are integers.

    Raises
    ------
    DTypeError
        If ``x`` is not integer.
    ShapeError
        If ``x`` is not a vector, or weights have another shape.
    ValueError
        If a number or ``minlength`` is negative.
    """
    array = as_tensor(x).array
    if array.dtype.kind not in "iu":
        raise DTypeError(f"bincount: expected integers, got {array.dtype}")
    if array.ndim != 1:
        raise ShapeError(f"bincount: expected a vector, got shape {array.shape}")
    minlength = check_integer("bincount", "minlength", minlength, 0)
    if np.min(array, initial=0) < 0:
        raise ValueError(f"bincount: expected numbers of 0 or more, got {np.min(array)}")
    if weights is None:
        return _wrap(np.bincount(array, minlength=minlength))
    amounts = as_tensor(weights).array
    if amounts.shape != array.shape:
        raise ShapeError(f"bincount: weights must have shape {array.shape}, got {amounts.shape}")
    dtype = amounts.dtype if amounts.dtype.kind == "f" else None
    return _wrap(np.asarray(np.bincount(array, amounts, minlength), dtype))


@public
def unique(
    x: Any,
    sorted: bool = True,  # noqa: A002 - PyTorch's name
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the different elements, or the different slices along an axis, in ascending order.

    Parameters
    ----------
    x : Tensor, any shape
    sorted : bool
        They are in any case; the argument is PyTorch's.
    return_inverse : bool
        Return also, for each element or slice of ``x``, its place in the result.
    return_counts : bool
        Return also how often each occurs.
    dim : int, optional
        Default: the elements of the flattened Tensor.

    Returns
    -------
    Tensor or tuple of Tensor
        Without a gradient. Each NaN counts as different from others.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    array = as_tensor(x).array
    axis = None if dim is None else normalize_axis("unique", dim, array.ndim)
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    # Before NumPy 2.1 the shape of the inverse depends on the version.
    inverse = inverse.reshape(array.shape if axis is None else -1)
    results = [values]
    if return_inverse:
        results.append(inverse)
    if return_counts:
        results.append(counts)
    tensors = tuple([_wrap(result) for result in results])
    return tensors if len(tensors) > 1 else tensors[0]
