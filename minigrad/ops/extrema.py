"""Reductions that choose or ask: the largest element, where it is, and whether any is nonzero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.ops.axes import normalize_axes, normalize_axis
from minigrad.ops.gathering import Gather
from minigrad.ops.promotion import Cast
from minigrad.ops.reduce import _with_reduced_axes
from minigrad.ops.selection import maximum, minimum
from minigrad.ops.shape import reshape, squeeze
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import Array, Axis, Shape

__all__ = [
    "Amax",
    "Amin",
    "ValuesAndIndices",
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "min",
]

# NumPy's types lack a keepdims that is a variable.
_maximum_along: Any = np.maximum.reduce
_minimum_along: Any = np.minimum.reduce


class Amax(Op):
    """``max(x)``: dx = dy at the largest element, shared evenly by those that tie."""

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        return _maximum_along(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, y: Any, *, dim: Shape | None, keepdim: bool
    ) -> tuple[Any]:
        return (_shared_by_ties(dy, x, y, dim),)


class Amin(Op):
    """``min(x)``: dx = dy at the smallest element, shared evenly by those that tie."""

    saves = (0, "y")
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, dim: Shape | None, keepdim: bool) -> Any:
        return _minimum_along(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(
        ctx: Node, dy: Any, x: Any, y: Any, *, dim: Shape | None, keepdim: bool
    ) -> tuple[Any]:
        return (_shared_by_ties(dy, x, y, dim),)


def _shared_by_ties(dy: Any, x: Any, y: Any, dim: Shape | None) -> Any:
    """Return dy where x equals y, divided by how often it does. The NaN of a result is x's NaN."""
    chosen = (x == _with_reduced_axes(y, x.shape, dim)) | (x != x)
    share = apply(Cast, chosen, dtype=x.dtype)
    ties = np.sum(share, axis=dim, keepdims=True)
    return share / ties * _with_reduced_axes(dy, x.shape, dim)


@public
def amax(x: Any, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Return the largest element along axes.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.

    Returns
    -------
    Tensor
        NaN where an element is. Elements that tie share the gradient evenly.

    Raises
    ------
    ShapeError
        If an axis does not exist, is named twice, or has no elements.
    """
    return _extremum("amax", Amax, as_tensor(x), dim, keepdim)


@public
def amin(x: Any, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Return the smallest element along axes; otherwise as `amax`."""
    return _extremum("amin", Amin, as_tensor(x), dim, keepdim)


def _extremum(name: str, op: type[Op], x: Tensor, dim: Axis, keepdim: bool) -> Tensor:
    axes = dim if dim is None else normalize_axes(name, dim, x.ndim)
    try:
        result: Tensor = apply(op, x, dim=axes, keepdim=bool(keepdim))
    except ValueError:
        raise _nothing_to_choose(name, x, dim) from None
    return result


def _nothing_to_choose(name: str, x: Tensor, dim: Axis) -> ShapeError:
    where = "" if dim is None else f" along dim {dim}"
    return ShapeError(f"{name}: shape {x.shape} has no elements{where}; expected one or more")


@implements(np.max, np.amax)
def _np_max(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return amax(a, axis, keepdims)


@implements(np.min, np.amin)
def _np_min(a: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return amin(a, axis, keepdims)


class ValuesAndIndices(NamedTuple):
    """What `max` and `min` along an axis return."""

    values: Tensor
    """The extreme elements."""
    indices: Tensor
    """Where along the axis they are, int64."""


@public
def max(  # noqa: A001 - PyTorch's name
    x: Any, dim: int | Tensor | None = None, keepdim: bool = False
) -> Any:
    """Return the largest element, or along an axis the largest elements and where they are.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or Tensor, optional
        A Tensor is no axis but the other operand of `maximum`, as in PyTorch.
    keepdim : bool
        Leave the axis in place, with length one.

    Returns
    -------
    Tensor or ValuesAndIndices
        Without ``dim``, a Tensor of rank 0, whose gradient elements that tie share evenly. With
        it, values and indices; the gradient of a value goes to the element at its index, which is
        the first of those that tie. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are no elements.
    """
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    if dim is None:
        return _extremum("max", Amax, as_tensor(x), None, keepdim)
    return _extremum_along("max", np.argmax, as_tensor(x), dim, keepdim)


@public
def min(  # noqa: A001 - PyTorch's name
    x: Any, dim: int | Tensor | None = None, keepdim: bool = False
) -> Any:
    """Return the smallest element, or along an axis the smallest elements and where they are.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or Tensor, optional
        A Tensor is no axis but the other operand of `minimum`, as in PyTorch.
    keepdim : bool
        Leave the axis in place, with length one.

    Returns
    -------
    Tensor or ValuesAndIndices
        As `max`. NaN counts as the smallest.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are no elements.
    """
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    if dim is None:
        return _extremum("min", Amin, as_tensor(x), None, keepdim)
    return _extremum_along("min", np.argmin, as_tensor(x), dim, keepdim)


def _extremum_along(
    name: str, search: Callable[..., Any], x: Tensor, dim: int, keepdim: bool
) -> ValuesAndIndices:
    if x.ndim == 0:  # as if it were a vector
        return _extremum_along(name, search, reshape(x, 1), dim, False)
    axis = normalize_axis(name, dim, x.ndim)
    indices = _search(name, search, x, axis, True)
    values: Tensor = apply(Gather, x, indices, dim=axis)
    if keepdim:
        return ValuesAndIndices(values, indices)
    return ValuesAndIndices(squeeze(values, axis), squeeze(indices, axis))


def _search(
    name: str, search: Callable[..., Any], x: Tensor, dim: int | None, keepdim: bool
) -> Tensor:
    """Return `numpy.argmax` or `numpy.argmin` of a Tensor."""
    axis = None if dim is None else normalize_axis(name, dim, x.ndim or 1)
    try:
        return _wrap(np.asarray(search(x.array, axis=axis, keepdims=bool(keepdim))))
    except ValueError:
        raise _nothing_to_choose(name, x, dim) from None


@public
def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest element is, the first of those that tie.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int, optional
        Default: the index into the flattened Tensor.
    keepdim : bool
        Leave the axis in place, with length one.

    Returns
    -------
    Tensor
        int64, without a gradient. NaN counts as the largest.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are no elements.
    """
    return _search("argmax", np.argmax, as_tensor(x), dim, keepdim)


@public
def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the smallest element is; otherwise as `argmax`."""
    return _search("argmin", np.argmin, as_tensor(x), dim, keepdim)


@public
def any(x: Any, dim: Axis = None, keepdim: bool = False) -> Tensor:  # noqa: A001 - PyTorch's name
    """Return whether any element along axes is nonzero: booleans.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Default: all axes.
    keepdim : bool
        Leave the axes in place, with length one.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.
    """
    return _ask("any", np.any, as_tensor(x), dim, keepdim)


@public
def all(x: Any, dim: Axis = None, keepdim: bool = False) -> Tensor:  # noqa: A001 - PyTorch's name
    """Return whether all elements along axes are nonzero; otherwise as `any`."""
    return _ask("all", np.all, as_tensor(x), dim, keepdim)


@public
def count_nonzero(x: Any, dim: Axis = None) -> Tensor:
    """Return how many elements along axes are nonzero: int64.

    Parameters
    ----------
    x : Tensor, any shape
    dim : int or sequence of int, optional
        Default: all axes.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.
    """
    return _ask("count_nonzero", np.count_nonzero, as_tensor(x), dim, False)


def _ask(name: str, question: Callable[..., Any], x: Tensor, dim: Axis, keepdim: bool) -> Tensor:
    axes = normalize_axes(name, dim, x.ndim)
    return _wrap(np.asarray(question(x.array, axis=axes, keepdims=bool(keepdim))))
