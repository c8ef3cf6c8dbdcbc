"""What takes the place of a valid argument, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.tensor import _wrap

__all__ = ["Corruption", "corruptions_of", "wrong_axes"]


class Corruption(NamedTuple):
    """A value in the place of a valid one.

    Attributes
    ----------
    name : str
    value : Any
    nonsense : bool
        No function may take it: there must be an error. Otherwise a result will do as well.
    extreme : bool
        NumPy's floating-point warnings are in order (``numpy.errstate`` decides).
    """

    name: str
    value: Any
    nonsense: bool = False
    extreme: bool = False


class Foreign:
    """An object that nothing knows."""

    def __repr__(self) -> str:
        return "<a foreign object>"


def corruptions_of(value: Any) -> Iterator[Corruption]:
    """Yield what takes the place of a valid ``value``."""
    if isinstance(value, bool):  # a flag is what Python holds for true
        yield Corruption("two", 2)
        yield Corruption("None", None)
        return
    yield Corruption("a foreign object", Foreign(), nonsense=True)
    if isinstance(value, str):
        yield Corruption("an unknown word", "nonsense", nonsense=True)
        yield Corruption("a number for a word", 3, nonsense=True)
        return
    yield Corruption("a word", "nonsense", nonsense=True)
    if value is not None:
        yield Corruption("None", None)
    for kind, spoil in _KINDS:
        if isinstance(value, kind):
            yield from spoil(value)
            return


def _of_tensor(tensor: mg.Tensor) -> Iterator[Corruption]:
    array, kind = tensor.array, tensor.dtype.kind
    shape = array.shape
    grown = (*shape[:-1], shape[-1] + 1) if shape else (2,)
    yield Corruption("complex numbers", np.asarray(array, dtype=np.complex128), nonsense=True)
    yield Corruption("objects", np.full(shape, None, dtype=object), nonsense=True)
    yield Corruption("words", np.full(shape, "a"), nonsense=True)
    yield Corruption("lists of unequal lengths", [[1.0], [1.0, 2.0]], nonsense=True)
    for dtype in (np.int64, np.uint8, np.bool_, np.float32, np.float64, np.float16):
        if dtype != array.dtype:
            values = mg.Tensor(np.abs(array).astype(dtype))
            values.requires_grad = tensor.requires_grad and values.is_floating_point()
            yield Corruption(f"of {np.dtype(dtype)}", values, extreme=True)  # may be zero
    yield Corruption("one axis more", _like(tensor, array[None]))
    yield Corruption(
        "seven axes", _like(tensor, np.broadcast_to(array, (2,) * (7 - array.ndim) + shape))
    )
    yield Corruption("rank 0", _like(tensor, array.reshape(-1)[0].reshape(())))
    yield Corruption("longer", _like(tensor, np.resize(array, grown)))
    yield Corruption("empty", _like(tensor, array.reshape(-1)[:0]))
    yield Corruption("no samples", _like(tensor, array[:0] if shape else array.reshape(-1)[:0]))
    if kind == "f":
        limits = np.finfo(array.dtype)
        for name, number in (
            ("NaN", np.nan),
            ("infinite", np.inf),
            ("huge", limits.max),
            ("tiny", limits.smallest_subnormal),
            ("zero", 0.0),
            ("negative", -1.5),
        ):
            yield Corruption(name, _like(tensor, np.full_like(array, number)), extreme=True)
    if kind == "i":
        for number in (1000, -1000):
            yield Corruption(f"all {number}", _like(tensor, np.full_like(array, number)))


def _like(tensor: mg.Tensor, array: Any) -> mg.Tensor:
    """Return a Tensor of ``array`` that requires a gradient as ``tensor`` does."""
    result = _wrap(np.array(array))
    result.requires_grad = tensor.requires_grad
    return result


def _of_int(value: int) -> Iterator[Corruption]:
    yield Corruption("a fraction", 1.5)
    yield Corruption("true", True)
    yield Corruption("a complex number", 1j, nonsense=True)
    yield Corruption("NaN", float("nan"), extreme=True)
    yield Corruption("a list", [1, 2])
    yield Corruption("large", 1000, extreme=True)
    yield Corruption("negative", -1000, extreme=True)
    yield Corruption("minus one", -1)
    yield Corruption("zero", 0)
    yield Corruption("several numbers", mg.tensor([1, 2]))


def wrong_axes() -> Iterator[Corruption]:
    """Yield what is an axis of no Tensor."""
    for axis in (True, 1.0, 1000, -1000, (0, 0), "0"):
        yield Corruption(f"an axis of {axis!r}", axis, nonsense=True)


def _of_float(value: float) -> Iterator[Corruption]:
    yield Corruption("a complex number", 1j, nonsense=True)
    yield Corruption("a list of words", ["a"], nonsense=True)
    for number in (float("nan"), float("inf"), -1.0, 2.5, 0.0, 1e308, 1e-320):
        yield Corruption(repr(number), number, extreme=True)
    yield Corruption("several numbers", mg.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))


def _of_sequence(value: Any) -> Iterator[Corruption]:
    make = type(value)
    yield Corruption("of words", make("ab"), nonsense=True)
    yield Corruption("of foreign objects", make([Foreign(), Foreign()]), nonsense=True)
    yield Corruption("nothing in it", make(()))
    yield Corruption("a number", 7)
    if all(isinstance(item, int) for item in value):
        yield Corruption("fractions", make([1.5, 0.5]))
        yield Corruption("an element twice", make([value[0]] * 2) if value else make([0, 0]))
        yield Corruption("large", make([1000, 1001]))
        yield Corruption("negative", make([-1000, -1001]))
        yield Corruption("one more", make([*value, 1]))
        yield Corruption("true and false", make([True, False]))
    if value and all(isinstance(item, mg.Tensor) for item in value):
        yield Corruption("a None in it", make([*value, None]), nonsense=True)
        for spoiled in _of_tensor(value[-1]):
            yield spoiled._replace(
                name=f"one {spoiled.name}", value=make([*value[:-1], spoiled.value])
            )


def _of_dtype(value: Any) -> Iterator[Corruption]:
    yield Corruption("complex", np.complex128, nonsense=True)
    yield Corruption("object", object, nonsense=True)
    yield Corruption("str", str, nonsense=True)
    yield Corruption("a number", 3, nonsense=True)
    yield Corruption("an integer dtype", np.int64)


def _of_callable(value: Any) -> Iterator[Corruption]:
    yield Corruption("a number", 3, nonsense=True)


def _of_object(value: Any) -> Iterator[Corruption]:
    yield Corruption("a number", 3, nonsense=True)


_KINDS: tuple[tuple[Any, Callable[[Any], Iterator[Corruption]]], ...] = (
    (mg.Tensor, _of_tensor),
    (int, _of_int),
    (float, _of_float),
    ((tuple, list), _of_sequence),
    (np.dtype, _of_dtype),
    (Callable, _of_callable),
    (object, _of_object),
)
