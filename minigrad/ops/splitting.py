"""Cutting Tensors at given places, and stacking them along axes that they lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axis
from minigrad.ops.joining import _cut, _tensors, cat
from minigrad.ops.shape import reshape
from minigrad.ops.views import atleast_3d
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor

__all__ = [
    "column_stack",
    "dsplit",
    "dstack",
    "hsplit",
    "tensor_split",
    "vsplit",
]


@public
def tensor_split(
    x: Any, indices_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut a Tensor into a number of parts, or at given places.

    Parameters
    ----------
    x : Tensor, one axis or more
    indices_or_sections : int or sequence of int
        How many parts, whose lengths differ by one at most, the longer ones first; or where to
        cut, as slices take it.
    dim : int

    Returns
    -------
    tuple of Tensor
        Views.

    Raises
    ------
    ShapeError
        If the axis does not exist, or the number of parts is not positive.
    """
    x = as_tensor(x)
    axis = normalize_axis("tensor_split", dim, x.ndim)
    length = x.shape[axis]
    if not isinstance(indices_or_sections, int) and np.ndim(indices_or_sections):
        places = [check_integer("tensor_split", "a place", place) for place in indices_or_sections]
        return _cut(x, (*places, length), axis)
    sections = check_integer("tensor_split", "indices_or_sections", indices_or_sections)
    if sections < 1:
        raise ShapeError(f"tensor_split: expected one part or more, got {sections}")
    size, longer = divmod(length, sections)
    stops = [size * part + min(part, longer) for part in range(1, sections + 1)]
    return _cut(x, stops, axis)


@implements(np.array_split)
def _np_array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> tuple[Tensor, ...]:
    return tensor_split(ary, indices_or_sections, axis)


def _equal_split(name: str, x: Any, parts: Any, dim: int, ndim: int) -> tuple[Tensor, ...]:
    """Return `tensor_split` into parts of equal length, or at given places."""
    x = as_tensor(x)
    if x.ndim < ndim:
        raise ShapeError(f"{name}: expected {ndim} axes or more, got shape {x.shape}")
    length = x.shape[dim]
    if not np.ndim(parts) and (check_integer(name, "parts", parts) < 1 or length % parts):
        raise ShapeError(f"{name}: {parts} equal parts cannot make up dim {dim} of length {length}")
    return tensor_split(x, parts, dim)


@public
@implements(np.hsplit)
def hsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut along axis 1, or the only one, into equal parts or at given places: views."""
    return _equal_split("hsplit", x, indices_or_sections, 0 if as_tensor(x).ndim == 1 else 1, 1)


@public
@implements(np.vsplit)
def vsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut along axis 0 of two or more into equal parts or at given places: views."""
    return _equal_split("vsplit", x, indices_or_sections, 0, 2)


@public
@implements(np.dsplit)
def dsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut along axis 2 of three or more into equal parts or at given places: views."""
    return _equal_split("dsplit", x, indices_or_sections, 2, 3)


@public
@implements(np.dstack)
def dstack(tup: Sequence[Any]) -> Tensor:
    """Join Tensors along axis 2, which those of lower rank get first; see `atleast_3d`."""
    tensors = _tensors("dstack", tup)
    return _joined("dstack", tensors, [atleast_3d(tensor) for tensor in tensors], 2)


@public
@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Tensor:
    """Join Tensors along axis 1; those of rank 0 and 1 become columns of a matrix."""
    tensors = _tensors("column_stack", tup)
    columns = [reshape(t, (-1, 1)) if t.ndim < 2 else t for t in tensors]
    return _joined("column_stack", tensors, columns, 1)


def _joined(name: str, given: Sequence[Tensor], shaped: Sequence[Tensor], dim: int) -> Tensor:
    """Return `cat` of the shaped Tensors; an error names the shapes that were given."""
    try:
        return cat(shaped, dim)
    except ShapeError:
        shapes = ", ".join(str(tensor.shape) for tensor in given) or "none"
        raise ShapeError(
            f"{name}: expected one Tensor or more, of shapes that agree but for dim {dim} of the "
            f"result, got {shapes}"
        ) from None
