"""Several Tensors from one, and one from several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_items
from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axes, normalize_axis
from minigrad.ops.promotion import cast, result_type
from minigrad.ops.shape import reshape, unsqueeze
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Axis

__all__ = [
    "Concatenate",
    "cat",
    "chunk",
    "concatenate",
    "flip",
    "hstack",
    "split",
    "stack",
    "unbind",
    "vstack",
]


class Concatenate(Op):
    """The inputs one after another along ``dim``: each gradient is its part of dy."""

    @staticmethod
    def forward(ctx: Node | None, *inputs: Array, dim: int) -> Array:
        if ctx is not None:
            ctx.extra = tuple([x.shape[dim] for x in inputs])
        return np.concatenate(inputs, axis=dim)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, dim: int) -> tuple[Any, ...]:
        before = (slice(None),) * dim
        gradients = []
        start = 0
        for needed, size in zip(ctx.needs, ctx.extra or (), strict=True):
            part = dy[(*before, slice(start, start + size))] if needed else None
            gradients.append(part)
            start += size
        return tuple(gradients)


@public
def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Join Tensors along an axis that they have.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of equal shapes but for axis ``dim``. Dtypes are promoted.
    dim : int

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If there are none, or shapes do not fit.
    """
    parts = _promoted("cat", tensors)
    first = parts[0]
    axis = normalize_axis("cat", dim, first.ndim)
    expected = (*first.shape[:axis], *first.shape[axis + 1 :])
    for part in parts:
        if part.ndim != first.ndim or (*part.shape[:axis], *part.shape[axis + 1 :]) != expected:
            raise ShapeError(
                f"cat: shapes must agree but for dim {axis}, got {first.shape} and {part.shape}"
            )
    result: Tensor = apply(Concatenate, *parts, dim=axis)
    return result


def _tensors(name: str, tensors: Any) -> list[Tensor]:
    return [as_tensor(tensor) for tensor in check_items(name, "tensors", tensors)]


def _promoted(name: str, tensors: Any) -> list[Tensor]:
    """Return the sequence as Tensors of one dtype."""
    parts = _tensors(name, tensors)
    if not parts:
        raise ShapeError(f"{name}: expected a sequence of one Tensor or more, got none")
    dtype = parts[0].dtype
    if all(part.dtype == dtype for part in parts):
        return parts
    dtype = result_type(*parts)
    return [cast(part, dtype) for part in parts]


@implements(np.concatenate)
def _np_concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Tensor:
    if axis is None:
        return cat([reshape(array, -1) for array in arrays])
    return cat(arrays, axis)


@public
def concatenate(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Join Tensors along an axis that they have, as `cat`."""
    return cat(tensors, dim)


@public
def stack(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of equal shapes. Dtypes are promoted.
    dim : int
        The new axis of the result.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If there are none, or shapes differ.
    """
    parts = _promoted("stack", tensors)
    for part in parts:
        if part.shape != parts[0].shape:
            raise ShapeError(f"stack: shapes must agree, got {parts[0].shape} and {part.shape}")
    axis = normalize_axis("stack", dim, parts[0].ndim + 1)
    return cat([unsqueeze(part, axis) for part in parts], axis)


@implements(np.stack)
def _np_stack(arrays: Sequence[Any], axis: int = 0) -> Tensor:
    return stack(arrays, axis)


@public
@implements(np.vstack)
def vstack(tup: Sequence[Any]) -> Tensor:
    """Join Tensors along axis 0; those of rank 1 become rows of a matrix."""
    return cat([reshape(t, (1, -1)) if t.ndim < 2 else t for t in _tensors("vstack", tup)], 0)


@public
@implements(np.hstack)
def hstack(tup: Sequence[Any]) -> Tensor:
    """Join Tensors along axis 1, or those of rank 1 along their only axis."""
    parts = [reshape(t, -1) if t.ndim == 0 else t for t in _tensors("hstack", tup)]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


@public
def split(x: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a Tensor into parts along an axis.

    Parameters
    ----------
    x : Tensor, one axis or more
    split_size_or_sections : int or sequence of int
        The length of each part (the last may be shorter), or the lengths of all parts.
    dim : int

    Returns
    -------
    tuple of Tensor
        Views.

    Raises
    ------
    ShapeError
        If the axis does not exist, or the lengths do not add up to its length.
    """
    x = as_tensor(x)
    axis = normalize_axis("split", dim, x.ndim)
    length = x.shape[axis]
    if isinstance(split_size_or_sections, Sequence):
        for section in check_items("split", "split_size_or_sections", split_size_or_sections):
            check_integer("split", "a length", section)
        stops = np.cumsum(split_size_or_sections).tolist() or [0]
        if stops[-1] != length or min(split_size_or_sections, default=0) < 0:
            raise ShapeError(
                f"split: lengths must add up to {length}, the length of dim {axis}, "
                f"got {list(split_size_or_sections)} for shape {x.shape}"
            )
        return _cut(x, stops, axis)
    split_size_or_sections = check_integer("split", "the length", split_size_or_sections)
    if split_size_or_sections < 1:
        raise ShapeError(
            f"split: the length of a part must be positive, got {split_size_or_sections}"
        )
    stops = [*range(split_size_or_sections, length, split_size_or_sections), length]
    return _cut(x, stops, axis)


def _cut(x: Tensor, stops: Sequence[int], axis: int) -> tuple[Tensor, ...]:
    """Return the parts of ``x`` that end at ``stops``, each starting where the last one ended."""
    before = (slice(None),) * axis
    starts = (0, *stops[:-1])
    return tuple(
        [x[(*before, slice(start, stop))] for start, stop in zip(starts, stops, strict=True)]
    )


@public
def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a Tensor into at most ``chunks`` parts of equal length; the last may be shorter.

    Parameters
    ----------
    x : Tensor, one axis or more
    chunks : int
    dim : int

    Returns
    -------
    tuple of Tensor
        Views; fewer than ``chunks`` where rounding the length up leaves nothing for the last.

    Raises
    ------
    ShapeError
        If the axis does not exist, or ``chunks`` is not positive.
    """
    x = as_tensor(x)
    axis = normalize_axis("chunk", dim, x.ndim)
    chunks = check_integer("chunk", "chunks", chunks)
    if chunks < 1:
        raise ShapeError(f"chunk: expected one part or more, got {chunks}")
    return split(x, max(1, -(-x.shape[axis] // chunks)), axis)


@public
def unbind(x: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices along an axis, without it.

    Parameters
    ----------
    x : Tensor, one axis or more
    dim : int

    Returns
    -------
    tuple of Tensor
        Views.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    x = as_tensor(x)
    axis = normalize_axis("unbind", dim, x.ndim)
    before = (slice(None),) * axis
    return tuple([x[(*before, position)] for position in range(x.shape[axis])])


@implements(np.split)
def _np_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> tuple[Tensor, ...]:
    x = as_tensor(ary)
    dim = normalize_axis("split", axis, x.ndim)
    length = x.shape[dim]
    if np.ndim(indices_or_sections):  # where to cut; slices stop at the end
        return _cut(x, (*indices_or_sections, length), dim)
    if indices_or_sections < 1 or length % indices_or_sections:
        raise ShapeError(
            f"split: {indices_or_sections} equal parts cannot make up dim {dim} of length {length}"
        )
    size = length // indices_or_sections
    return _cut(x, [size * (part + 1) for part in range(indices_or_sections)], dim)


@public
def flip(x: Any, dims: int | Sequence[int]) -> Tensor:
    """Return a view with the order along axes reversed.

    Parameters
    ----------
    x : Tensor, any shape
    dims : int or sequence of int

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.
    """
    x = as_tensor(x)
    axes = normalize_axes("flip", dims, x.ndim) or ()
    steps = [slice(None, None, -1 if axis in axes else None) for axis in range(x.ndim)]
    result: Tensor = x[tuple(steps)]
    return result


@implements(np.flip)
def _np_flip(m: Any, axis: Axis = None) -> Tensor:
    m = as_tensor(m)
    return flip(m, range(m.ndim) if axis is None else axis)
