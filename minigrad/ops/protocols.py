"""Tensors like others, and NumPy functions without a gradient.

NumPy's questions (`numpy.argmax`, `numpy.allclose`) return plain arrays, scalars or booleans;
what makes an array like another (`numpy.zeros_like`) returns a Tensor that is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.arguments import real_dtype
from minigrad.device import Device
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.expansion import broadcast_to
from minigrad.ops.shape import contiguous
from minigrad.registry import NUMPY, implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import DTypeLike

__all__ = ["empty_like", "full_like", "ones_like", "zeros_like"]


def _finish(tensor: Tensor, device: Any, requires_grad: bool) -> Tensor:
    if device is not None:
        Device(device)
    return tensor.requires_grad_() if requires_grad else tensor


def _optional(dtype: DTypeLike) -> np.dtype[Any] | None:
    return None if dtype is None else real_dtype(dtype)


@public
def zeros_like(
    x: Any, *, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of zeros of the shape and dtype of ``x``, unless another is given."""
    return _finish(
        _wrap(np.zeros_like(as_tensor(x).array, _optional(dtype))), device, requires_grad
    )


@public
def ones_like(
    x: Any, *, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of ones of the shape and dtype of ``x``, unless another is given."""
    return _finish(_wrap(np.ones_like(as_tensor(x).array, _optional(dtype))), device, requires_grad)


@public
def empty_like(
    x: Any, *, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of arbitrary values of the shape and dtype of ``x``."""
    return _finish(
        _wrap(np.empty_like(as_tensor(x).array, _optional(dtype))), device, requires_grad
    )


@public
def full_like(
    x: Any,
    fill_value: Any,
    *,
    dtype: DTypeLike = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a Tensor of the shape and dtype of ``x`` in which every element is ``fill_value``.

    Parameters
    ----------
    x : Tensor, any shape
    fill_value : scalar or Tensor of rank 0
        A Tensor that requires a gradient is recorded.
    dtype : dtype, optional
        Default: that of ``x``.
    device : str or Device, optional
    requires_grad : bool

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If ``fill_value`` has axes.
    DTypeError
        If ``fill_value`` is floating and the dtype is not.
    """
    x, given = as_tensor(x), as_tensor(fill_value)
    dtype = x.dtype if dtype is None else real_dtype(dtype)
    if given.ndim:
        raise ShapeError(f"full_like: expected a value of rank 0, got shape {given.shape}")
    if given.dtype.kind == "f" and dtype.kind != "f":
        raise DTypeError(f"full_like: expected a value for dtype {dtype}, got {given.dtype}")
    value = as_tensor(fill_value, dtype)  # of what was given: a Python float keeps its digits
    if value.requires_grad:
        return contiguous(broadcast_to(value, x.shape))
    return _finish(_wrap(np.full_like(x.array, value.array, dtype)), device, requires_grad)


def _array(value: Any) -> Any:
    """Return the array of a Tensor, also within a list or tuple; other values as they are."""
    if isinstance(value, Tensor):
        return value.array
    if isinstance(value, (list, tuple)):
        return type(value)([_array(item) for item in value])
    return value


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function that takes Tensors for their arrays and returns what it returns."""

    def on_arrays(*args: Any, **kwargs: Any) -> Any:
        arguments = {name: _array(value) for name, value in kwargs.items()}
        return function(*[_array(value) for value in args], **arguments)

    return on_arrays


_QUESTIONS: tuple[Callable[..., Any], ...] = (
    np.all,
    np.allclose,
    np.any,
    np.argmax,
    np.argmin,
    np.argsort,
    np.argwhere,
    np.array2string,
    np.array_equal,
    np.array_equiv,
    np.array_repr,
    np.array_str,
    np.can_cast,
    np.count_nonzero,
    np.flatnonzero,
    np.iscomplexobj,
    np.isclose,
    np.isrealobj,
    np.may_share_memory,
    np.ndim,
    np.nonzero,
    np.result_type,
    np.searchsorted,
    np.shape,
    np.shares_memory,
    np.size,
    np.unique,
)
for _function in _QUESTIONS:
    NUMPY[_function] = _on_arrays(_function)


def _creation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function that makes an array, so that it makes a Tensor."""

    def create(*args: Any, **kwargs: Any) -> Tensor:
        return _wrap(function(*[_array(value) for value in args], **kwargs))

    return create


# Gradient rules say np.zeros_like(x), or np.zeros(shape, like=x) where another shape is needed.
_CREATIONS: tuple[Callable[..., Any], ...] = (
    np.empty,
    np.empty_like,
    np.ones,
    np.ones_like,
    np.zeros,
    np.zeros_like,
)
for _function in _CREATIONS:
    NUMPY[_function] = _creation(_function)


@implements(np.full_like)
def _np_full_like(a: Any, fill_value: Any, dtype: DTypeLike = None) -> Tensor:
    return full_like(a, fill_value, dtype=dtype)


@implements(np.copyto)
def _np_copyto(dst: Any, src: Any) -> None:
    """Copy into an array; a Tensor as the target would be changed behind the graph's back."""
    if isinstance(dst, Tensor):
        raise DTypeError("numpy.copyto does not write to a Tensor; use dst.copy_(src)")
    np.copyto(dst, _array(src))
