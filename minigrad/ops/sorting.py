"""Order: sorting, the largest few, order statistics.

Indices come from a stable search, so of elements that tie the first comes first, and results are
the same on every machine. Gradients go to the elements that were chosen, through `Gather`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axes, normalize_axis
from minigrad.ops.extrema import ValuesAndIndices, _shared_by_ties
from minigrad.ops.gathering import Gather
from minigrad.ops.promotion import as_float
from minigrad.ops.shape import movedim, reshape, squeeze
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, Axis

__all__ = ["Median", "argsort", "kthvalue", "median", "msort", "sort", "topk"]


def _order(x: Array, axis: int, descending: bool) -> Array:
    """Return the indices that sort ``x``; those of equal elements ascend. NaN is the largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sorted back to front, then read back to front: ties keep their order, NaN comes first.
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    order: Array = x.shape[axis] - 1 - np.flip(backwards, axis)
    return order


def _with_axis(name: str, x: Any, dim: int) -> tuple[Tensor, int]:
    """Return ``x``, of rank 0 as a vector, and its axis ``dim``, checked."""
    x = as_tensor(x)
    axis = normalize_axis(name, dim, max(x.ndim, 1))
    return (x if x.ndim else reshape(x, 1)), axis


def _chosen(x: Tensor, indices: Array, axis: int) -> ValuesAndIndices:
    places = _wrap(indices)
    return ValuesAndIndices(apply(Gather, x, places, dim=axis), places)


def _without(pair: ValuesAndIndices, axis: int) -> ValuesAndIndices:
    return ValuesAndIndices(squeeze(pair.values, axis), squeeze(pair.indices, axis))


@public
def sort(
    x: Any, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> ValuesAndIndices:
    """Sort along an axis.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int
    descending : bool
        The largest first.
    stable : bool
        Equal elements keep their order. They do in any case; the argument is PyTorch's.

    Returns
    -------
    ValuesAndIndices
        The sorted elements, and where they were, int64. The gradient of a value goes to the
        element at its index. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Examples
    --------
    >>> import minigrad as mg
    >>> values, indices = mg.sort(mg.tensor([2.0, 3.0, 1.0]), descending=True)
    >>> values, indices
    (tensor([3., 2., 1.]), tensor([1, 0, 2]))
    """
    tensor, axis = _with_axis("sort", x, dim)
    pair = _chosen(tensor, _order(tensor.array, axis, descending), axis)
    return pair if as_tensor(x).ndim else _without(pair, 0)


@implements(np.sort)
def _np_sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Tensor:
    return sort(reshape(a, -1) if axis is None else a, 0 if axis is None else axis).values


@public
def msort(x: Any) -> Tensor:
    """Return the elements sorted along axis 0; as `sort`, without indices."""
    return sort(x, 0).values


@public
def argsort(x: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Return the indices that `sort` along an axis: int64, without a gradient.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int
    descending, stable : bool
        As for `sort`.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the axis does not exist.
    """
    tensor, axis = _with_axis("argsort", x, dim)
    return _wrap(_order(tensor.array, axis, descending).reshape(as_tensor(x).shape))


@public
def topk(
    x: Any,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: A002 - PyTorch's name
) -> ValuesAndIndices:
    """Return the ``k`` largest elements along an axis, and where they are.

    Parameters
    ----------
    x : Tensor, any shape
    k : int, from 0 to the length of the axis
    dim : int
    largest : bool
        False: the smallest.
    sorted : bool
        From the largest (or smallest) on. They are in any case; the argument is PyTorch's.

    Returns
    -------
    ValuesAndIndices
        The gradient of a value goes to the element at its index. Of those that tie, the first
        are chosen. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist, or has fewer than ``k`` elements.
    """
    tensor, axis = _with_axis("topk", x, dim)
    length = tensor.shape[axis]
    if not 0 <= check_integer("topk", "k", k) <= length:
        raise ShapeError(f"topk: k must be from 0 to {length}, the length of dim {axis}, got {k}")
    order = _order(tensor.array, axis, largest)
    pair = _chosen(tensor, order[(*(slice(None),) * axis, slice(k))], axis)
    return pair if as_tensor(x).ndim or k != 1 else _without(pair, 0)


@public
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """Return the ``k``-th smallest element along an axis, and where it is.

    Parameters
    ----------
    x : Tensor, any shape
    k : int, from 1 to the length of the axis
    dim : int
    keepdim : bool
        Leave the axis in place, with length one.

    Returns
    -------
    ValuesAndIndices
        The gradient of a value goes to the element at its index; among those that tie, they are
        counted in their order. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist, or has fewer than ``k`` elements.
    """
    tensor, axis = _with_axis("kthvalue", x, dim)
    length = tensor.shape[axis]
    if not 1 <= check_integer("kthvalue", "k", k) <= length:
        raise ShapeError(
            f"kthvalue: k must be from 1 to {length}, the length of dim {axis}, got {k}"
        )
    order = _order(tensor.array, axis, False)
    pair = _chosen(tensor, order[(*(slice(None),) * axis, slice(k - 1, k))], axis)
    return pair if keepdim and as_tensor(x).ndim else _without(pair, axis)


class Median(Op):
    """The lower median of all elements: dx = dy there, shared evenly by those that tie."""

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        flat = x.reshape(-1)
        return flat[_middle(flat, 0)[0]]

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, y: Any) -> tuple[Any]:
        return (_shared_by_ties(dy, x, y, None),)


def _middle(x: Array, axis: int) -> Array:
    """Return the index of the lower median, or of the first NaN; the axis has length one."""
    place = (x.shape[axis] - 1) // 2
    order = _order(x, axis, False)
    middle = order[(*(slice(None),) * axis, slice(place, place + 1))]
    nan = np.isnan(x)
    if not nan.any():
        return middle
    first = np.argmax(nan, axis=axis, keepdims=True)
    return np.where(nan.any(axis=axis, keepdims=True), first, middle)


@public
def median(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, of an even number of elements the lower of the two in the middle.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int, optional
        Default: all axes.
    keepdim : bool
        Leave the axis in place, with length one.

    Returns
    -------
    Tensor or ValuesAndIndices
        Without ``dim``, a Tensor of rank 0, whose gradient elements that tie share evenly. With
        it, values and indices; the gradient of a value goes to the element at its index, where
        those that tie count in their order. NaN if an element is.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are no elements.

    Notes
    -----
    PyTorch's median. `numpy.median` of a Tensor is NumPy's, the mean of the two in the middle.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.median(mg.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        x = as_tensor(x)
        if x.array.size == 0:
            raise ShapeError(f"median: shape {x.shape} has no elements; expected one or more")
        return apply(Median, x)
    tensor, axis = _with_axis("median", x, dim)
    if tensor.shape[axis] == 0:
        raise ShapeError(
            f"median: shape {tensor.shape} has no elements along dim {axis}; expected one or more"
        )
    pair = _chosen(tensor, _middle(tensor.array, axis), axis)
    return pair if keepdim and as_tensor(x).ndim else _without(pair, axis)


@implements(np.median)
def _np_median(
    a: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False
) -> Tensor:
    x = as_float(a)
    axes = normalize_axes("median", axis, x.ndim)
    if axes is None:
        axes = tuple(range(x.ndim))
    kept = [size for i, size in enumerate(x.shape) if i not in axes]
    length = math.prod([x.shape[i] for i in axes])
    if length == 0:
        raise ShapeError(f"median: shape {x.shape} has no elements along axis {axis}")
    rows = reshape(movedim(x, axes, range(len(kept), x.ndim)), (*kept, length))
    middle = median(rows, -1).values  # of an even number, the lower of two
    if length % 2 == 0:
        middle = middle * 0.5 + kthvalue(rows, length // 2 + 1).values * 0.5
    ones = [1 if i in axes else size for i, size in enumerate(x.shape)]
    return reshape(middle, ones) if keepdims else middle
