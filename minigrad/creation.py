"""Functions that make Tensors, under PyTorch's names."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_number, real_dtype
from minigrad.device import Device
from minigrad.errors import DTypeError, ShapeError
from minigrad.random import Generator, generator_or_default
from minigrad.tensor import Tensor, _wrap, as_array, as_tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = [
    "arange",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "linspace",
    "ones",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
]

_FLOAT32 = np.dtype(np.float32)


def _made_as(dtype: DTypeLike, device: Any, requires_grad: bool = False) -> np.dtype[Any]:
    """Return the dtype, after a check of all that says how a Tensor is made."""
    kind = real_dtype(dtype)
    if device is not None:
        Device(device)
    if requires_grad and kind.kind != "f":
        raise DTypeError(f"only floating Tensors can require a gradient, got dtype {kind}")
    return kind


def _finish(array: Array, device: Any, requires_grad: bool) -> Tensor:
    if device is not None:
        Device(device)
    return Tensor(array, requires_grad) if requires_grad else _wrap(array)


def _size(name: str, size: tuple[Any, ...]) -> Shape:
    """Accept both ``zeros(2, 3)`` and ``zeros((2, 3))``."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    try:
        shape = tuple([operator.index(length) for length in size])
    except TypeError:
        raise DTypeError(
            f"{name}: expected lengths as integers, got {size}; dtype= and others are keywords"
        ) from None
    if any(length < 0 for length in shape):
        raise ShapeError(f"{name}: expected lengths of 0 or more, got {shape}")
    return shape


def tensor(
    data: Any, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor with a copy of ``data``.

    Parameters
    ----------
    data : array_like or Tensor
        Python floats become float32; arrays keep their dtype.
    dtype : dtype, optional
    device : str or Device, optional
    requires_grad : bool

    Returns
    -------
    Tensor

    Raises
    ------
    DTypeError
        If the data are not numbers, or ``requires_grad`` is asked of a dtype that is not floating.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.tensor([[1.0, 2.0], [3.0, 4.0]]).sum()
    tensor(10.)
    """
    if dtype is not None:
        dtype = real_dtype(dtype)
    source = data.array if isinstance(data, Tensor) else as_array(data, dtype)
    return _finish(np.array(source, dtype=dtype, copy=True), device, requires_grad)


def from_numpy(array: Array) -> Tensor:
    """Return a Tensor that shares memory with ``array``.

    Raises
    ------
    DTypeError
        If ``array`` is not an ndarray of numbers.
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy expects an ndarray, got {type(array).__name__}")
    return Tensor(array)


def zeros(
    *size: Any, dtype: DTypeLike = _FLOAT32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of zeros; ``size`` as integers or one tuple."""
    return _finish(np.zeros(_size("zeros", size), real_dtype(dtype)), device, requires_grad)


def ones(
    *size: Any, dtype: DTypeLike = _FLOAT32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of ones; ``size`` as integers or one tuple."""
    return _finish(np.ones(_size("ones", size), real_dtype(dtype)), device, requires_grad)


def empty(
    *size: Any, dtype: DTypeLike = _FLOAT32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of arbitrary values; ``size`` as integers or one tuple."""
    return _finish(np.empty(_size("empty", size), real_dtype(dtype)), device, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DTypeLike = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a Tensor of shape ``size`` in which every element is ``fill_value``."""
    # With a dtype, a Python float keeps its digits until it is converted to it.
    value = fill_value.array if isinstance(fill_value, Tensor) else as_array(fill_value, dtype)
    if value.ndim:
        raise ShapeError(f"full: expected a value of rank 0, got shape {value.shape}")
    shape = _size("full", (size,))
    kind = value.dtype if dtype is None else real_dtype(dtype)
    return _finish(np.full(shape, value, dtype=kind), device, requires_grad)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DTypeLike = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the values from ``start`` (or 0) up to, not including, ``end``.

    Integers if all arguments are, else float32.

    Raises
    ------
    ValueError
        If ``step`` is 0.
    """
    if end is None:
        start, end = 0, start
    for argument, value in (("start", start), ("end", end), ("step", step)):
        check_number("arange", argument, value)
        if not math.isfinite(value):
            raise ValueError(f"arange: {argument} must be finite, got {value!r}")
    dtype = None if dtype is None else real_dtype(dtype)
    if step == 0:
        raise ValueError(f"arange: expected a step other than 0, from {start} to {end}")
    if dtype is None and any(isinstance(value, float) for value in (start, end, step)):
        dtype = _FLOAT32
    return _finish(np.arange(start, end, step, dtype=dtype), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: DTypeLike = _FLOAT32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``steps`` equally spaced values from ``start`` to ``end``, both included."""
    check_number("linspace", "start", start)
    check_number("linspace", "end", end)
    steps = check_integer("linspace", "steps", steps, 0)
    return _finish(np.linspace(start, end, steps, dtype=real_dtype(dtype)), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DTypeLike = _FLOAT32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the identity matrix of shape ``(n, m or n)``."""
    n = check_integer("eye", "n", n, 0)
    m = n if m is None else check_integer("eye", "m", m, 0)
    return _finish(np.eye(n, m, dtype=real_dtype(dtype)), device, requires_grad)


def _draw(
    name: str,
    sampler: Callable[[Generator, Shape], Array],
    size: tuple[Any, ...],
    generator: Generator | None,
    dtype: DTypeLike,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    dtype = _made_as(dtype, device, requires_grad)
    if dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating dtype, got {dtype}")
    array = sampler(generator_or_default(generator), _size(name, size))
    return _finish(np.asarray(array, dtype=dtype), device, requires_grad)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DTypeLike = _FLOAT32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return uniform random values in [0, 1).

    The values of float32 are drawn in float32, so that rounding never makes a 1.
    """
    kind = np.float32 if real_dtype(dtype) == _FLOAT32 else np.float64
    return _draw(
        "rand",
        lambda source, shape: source.numpy.random(shape, dtype=kind),
        size,
        generator,
        dtype,
        device,
        requires_grad,
    )


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DTypeLike = _FLOAT32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return random values of the standard normal distribution."""
    kind = np.float32 if real_dtype(dtype) == _FLOAT32 else np.float64
    return _draw(
        "randn",
        lambda source, shape: source.numpy.standard_normal(shape, dtype=kind),
        size,
        generator,
        dtype,
        device,
        requires_grad,
    )


def rand_like(
    x: Tensor, *, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return `rand` of the shape of ``x``, and of its dtype unless another is given."""
    x = as_tensor(x)
    dtype = x.dtype if dtype is None else dtype
    return rand(x.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def randn_like(
    x: Tensor, *, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return `randn` of the shape of ``x``, and of its dtype unless another is given."""
    x = as_tensor(x)
    dtype = x.dtype if dtype is None else dtype
    return randn(x.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = np.int64,
    device: Any = None,
) -> Tensor:
    """Return random integers from ``low`` (or 0) up to, not including, ``high``.

    ``randint(high, size)`` and ``randint(low, high, size)`` both work.

    Raises
    ------
    ValueError
        If there is no integer from ``low`` to below ``high``.
    """
    if isinstance(high, (tuple, list)) and size is None:
        high, size = None, high
    if high is None:
        low, high = 0, low
    low, high = check_integer("randint", "low", low), check_integer("randint", "high", high)
    if not low < high:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    shape = _size("randint", (() if size is None else size,))
    source = generator_or_default(generator)
    dtype = _made_as(dtype, device)
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= low <= high - 1 <= np.iinfo(dtype).max:
        raise ValueError(f"randint: dtype {dtype} does not hold all from {low} to {high - 1}")
    kind = np.int64 if dtype.kind == "f" else dtype
    drawn = source.numpy.integers(low, high, shape, kind)
    return _finish(np.asarray(drawn, dtype=dtype), device, False)


def randperm(n: int, *, generator: Generator | None = None, device: Any = None) -> Tensor:
    """Return a random permutation of the integers below ``n``, int64."""
    (n,) = _size("randperm", (check_integer("randperm", "n", n),))
    source = generator_or_default(generator)
    if device is not None:
        Device(device)
    return _finish(source.numpy.permutation(n).astype(np.int64), device, False)
