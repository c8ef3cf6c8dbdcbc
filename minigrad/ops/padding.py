"""Padding: a constant, or elements of the array, around it.

`Pad` and indexing are each other's gradient. The other modes read elements at indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from minigrad.arguments import check_integer, check_items
from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.ops.axes import normalize_shape
from minigrad.ops.copying import clone
from minigrad.ops.index import index_select
from minigrad.ops.promotion import assignable
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = ["Pad", "pad"]

Widths: TypeAlias = tuple[tuple[int, int], ...]
"""For each axis, how many elements go before and after."""

_INDEX_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's modes that read elements, and what NumPy calls them."""


class Pad(Op):
    """``x`` with a constant around it: dx = dy where x is."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, widths: Widths, value: float) -> Array:
        y = np.full([a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)], value, x.dtype)
        y[_inside(x.shape, widths)] = x
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, *, widths: Widths, value: float) -> tuple[Any]:
        return (dy[_inside(ctx.shape_of(0), widths)],)


def _inside(shape: Sequence[int], widths: Widths) -> tuple[slice, ...]:
    """Return the index of an array of ``shape`` inside of the padded one."""
    return tuple([slice(a, a + n) for n, (a, _) in zip(shape, widths, strict=True)])


@public
def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return ``x`` with elements added before and after those that it has.

    Parameters
    ----------
    x : Tensor, any shape
    pad : sequence of int
        Before and after the last axis, before and after the one before it, and so on. A negative
        number takes elements away; "circular" goes around what is left, "reflect" mirrors all.
    mode : {"constant", "reflect", "replicate", "circular"}
        What is added: ``value``; the elements mirrored at the first or last one, which is not
        repeated; the first or last element; the elements from the other end.
    value : float, optional
        For mode "constant"; default 0.

    Returns
    -------
    Tensor
        A copy, of the dtype of ``x``.

    Raises
    ------
    ShapeError
        If ``pad`` has an odd number of entries or more than two for each axis, takes away more
        elements than there are, or adds more than the mode has to offer: fewer than the length of
        the axis if "reflect", no more than it if "circular", none to an axis of length 0.
    DTypeError
        If ``pad`` is not of integers, or ``value`` is floating and ``x`` is not.
    AutogradError
        If ``value`` requires a gradient.
    ValueError
        If there is no such mode, or ``value`` is given for a mode other than "constant".

    Notes
    -----
    The signature is that of ``torch.nn.functional.pad``, but every mode takes any number of axes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.pad(mg.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    tensor([3., 2., 1., 2., 3., 2.])
    """
    x = as_tensor(x)
    entries = normalize_shape("pad", check_items("pad", "pad", pad))
    if len(entries) % 2 or len(entries) > 2 * x.ndim:
        raise ShapeError(
            f"pad: expected two numbers for each of at most {x.ndim} axes, got {entries}"
        )
    if mode != "constant":
        if mode not in _INDEX_MODES:
            expected = ", ".join(["constant", *_INDEX_MODES])
            raise ValueError(f"pad: mode must be one of {expected}, got {mode!r}")
        if value is not None and value != 0:
            raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    widths: list[tuple[int, int]] = [(0, 0)] * x.ndim
    for position in range(len(entries) // 2):
        widths[x.ndim - 1 - position] = entries[2 * position], entries[2 * position + 1]
    for length, (before, after) in zip(x.shape, widths, strict=True):
        if length + min(before, 0) + min(after, 0) < 0:
            raise ShapeError(
                f"pad: cannot take {-min(before, 0)} and {-min(after, 0)} elements from an axis of "
                f"length {length} of shape {x.shape}"
            )
    if mode in ("constant", "circular"):  # they continue what is left
        x = _cropped(x, widths)
        widths = [(max(before, 0), max(after, 0)) for before, after in widths]
    if mode == "constant":
        zero = False  # of any dtype
        return _constant(x, widths, zero if value is None else value)
    for length, pair in zip(x.shape, widths, strict=True):
        _check_source(mode, length, max(pair))
    return _read_around(x, widths, _INDEX_MODES[mode])


def _check_source(mode: str, length: int, width: int) -> None:
    largest = {"reflect": length - 1, "circular": length, "replicate": width if length else 0}[mode]
    if width > 0 and width > largest:
        raise ShapeError(
            f"pad: mode {mode!r} adds at most {max(largest, 0)} elements to an axis of length "
            f"{length}, got {width}"
        )


def _cropped(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Return ``x`` without what negative widths take away."""
    if all(before >= 0 and after >= 0 for before, after in widths):
        return x
    kept = [
        slice(max(-before, 0), length - max(-after, 0))
        for length, (before, after) in zip(x.shape, widths, strict=True)
    ]
    return x[tuple(kept)]


def _constant(x: Tensor, widths: Sequence[tuple[int, int]], value: Any) -> Tensor:
    if x.dtype.kind != "f" and isinstance(value, float) and value.is_integer():
        value = int(value)  # PyTorch's 0.0 is a number for integers, too
    added = assignable(value, x.dtype)
    if added.ndim:
        raise ShapeError(f"pad: expected one value, got shape {added.shape}")
    if added.requires_grad:
        raise AutogradError("pad: value is a constant, got a Tensor that requires a gradient")
    result: Tensor = apply(Pad, x, widths=tuple(widths), value=added.item())
    return result


def _read_around(x: Tensor, widths: Sequence[tuple[int, int]], mode: Any) -> Tensor:
    """Read, along each padded axis, the elements that NumPy's mode would repeat."""
    start = x
    for axis, (before, after) in enumerate(widths):
        if before or after:
            widths_of_axis = (max(before, 0), max(after, 0))
            grown = np.pad(np.arange(start.shape[axis]), widths_of_axis, mode)
            kept = slice(max(-before, 0), len(grown) - max(-after, 0))
            x = index_select(x, axis, grown[kept])
    return clone(x) if x is start else x


@implements(np.pad)
def _np_pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Tensor:
    x = as_tensor(array)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ValueError(
            f"numpy.pad on a Tensor takes mode constant, edge, reflect, symmetric or wrap, "
            f"got {mode!r}"
        )
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(axis, pad_width.get(axis - x.ndim, 0)) for axis in range(x.ndim)]
        pad_width = [w if np.ndim(w) else (w, w) for w in pad_width]
    widths = [
        (check_integer("pad", "a width", before), check_integer("pad", "a width", after))
        for before, after in _pairs("pad_width", pad_width, x.ndim)
    ]
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"numpy.pad: widths must be 0 or more, got {pad_width}")
    values = options.pop("constant_values", False) if mode == "constant" else 0
    if options:
        raise DTypeError(f"numpy.pad on a Tensor does not take {', '.join(options)}=")
    if mode != "constant":
        for length, pair in zip(x.shape, widths, strict=True):
            if length == 0 and any(pair):
                raise ShapeError(f"pad: mode {mode!r} has nothing to repeat in shape {x.shape}")
        return _read_around(x, widths, mode)
    if isinstance(values, Tensor) and values.requires_grad:
        raise AutogradError("pad: constant_values requires a gradient, which it would not get")
    constants = _pairs("constant_values", values, x.ndim)
    if len({value for pair in constants for value in pair}) <= 1:
        return _constant(x, widths, constants[0][0] if constants else False)
    for axis, (pair, sides) in enumerate(zip(widths, constants, strict=True)):
        for side, value in enumerate(sides):
            one = [(0, 0)] * x.ndim
            one[axis] = (pair[0], 0) if side == 0 else (0, pair[1])
            x = _constant(x, one, value)
    return x


def _pairs(name: str, given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """Return NumPy's one number, one pair, or a pair for each axis as the last of these."""
    try:
        return [tuple(pair) for pair in np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()]
    except ValueError:
        raise ShapeError(
            f"pad: {name} must be a number, a pair, or a pair for each of {ndim} axes, got {given}"
        ) from None
