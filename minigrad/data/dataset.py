"""Data sets: samples by index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from minigrad.arguments import check_items, check_number
from minigrad.errors import DTypeError, ShapeError
from minigrad.random import Generator, generator_or_default
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = ["Dataset", "GivesBatches", "Subset", "TensorDataset", "random_split"]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Protocol[T_co]):
    """What a data set is: a length, and a sample for each index from 0.

    Any class with these two methods is one; deriving from this class is optional.
    """

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> T_co:
        """Return one sample, usually a tuple (input, target)."""
        ...


@runtime_checkable
class GivesBatches(Protocol):
    """A data set that returns many samples at once, already as a batch."""

    def get_batch(self, indices: Array) -> Any:
        """Return the samples at ``indices``, shape (N,), as one batch."""
        ...


class TensorDataset:
    """Samples along the first axis of one or more Tensors.

    Parameters
    ----------
    *tensors : Tensor or ndarray, shape (N, ...)
        Usually inputs and targets; shared, not copied.

    Raises
    ------
    ShapeError
        If there are none, one has no axes, or their first axes differ in length.

    Examples
    --------
    >>> import minigrad as mg
    >>> dataset = mg.data.TensorDataset(mg.zeros(5, 2), mg.arange(5))
    >>> len(dataset), dataset[3][1]
    (5, tensor(3))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors: tuple[Tensor, ...] = tuple(as_tensor(tensor) for tensor in tensors)
        shapes = [tensor.shape for tensor in self.tensors]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                "TensorDataset: expected Tensors whose first axes have the same length, got "
                f"shapes {shapes}"
            )

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def get_batch(self, indices: Array) -> tuple[Tensor, ...]:
        """Return the samples at ``indices``, shape (N,), as a copy: one Tensor (N, ...) each."""
        return tuple(Tensor(tensor.array[indices]) for tensor in self.tensors)


class Subset:
    """Some samples of another data set.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Which samples, in which order; from 0 to ``len(dataset) - 1``.

    Raises
    ------
    IndexError
        If an index is outside ``dataset``.
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        check_sized("Subset", dataset)
        places = as_tensor(indices).array
        if places.size and places.dtype.kind not in "iu":
            raise DTypeError(f"Subset: indices must be integers, got {places.dtype}")
        if places.ndim != 1:
            raise ShapeError(f"Subset: indices must have one axis, got shape {places.shape}")
        self.indices: Array = places.astype(np.int64)
        if self.indices.size and not 0 <= self.indices.min() <= self.indices.max() < len(dataset):
            raise IndexError(
                f"Subset: indices must be from 0 to {len(dataset) - 1}, got "
                f"{self.indices.min()} to {self.indices.max()}"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]


class _BatchSubset(Subset):
    """Some samples of a data set that returns whole batches."""

    def get_batch(self, indices: Array) -> Any:
        """Return the samples at ``indices`` of this subset as one batch."""
        return self.dataset.get_batch(self.indices[indices])


def check_sized(name: str, dataset: Any) -> None:
    """Raise TypeError unless ``dataset`` has a length and samples."""
    if isinstance(dataset, str) or not hasattr(dataset, "__len__"):
        raise TypeError(
            f"{name}: expected a data set, with a length and samples by index, got {dataset!r}"
        )


def random_split(
    dataset: Any,
    lengths: Sequence[int] | Sequence[float],
    generator: Generator | None = None,
) -> list[Subset]:
    """Split a data set at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int, or of float
        Samples of each part, which add up to ``len(dataset)``; or the share of each, which add
        up to 1. Shares are rounded down, and the samples left over go to the parts in turn.
    generator : Generator, optional
        What draws; default: the default generator.

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If lengths are negative or do not add up.

    Examples
    --------
    >>> import minigrad as mg
    >>> parts = mg.data.random_split(range(10), [0.75, 0.25], mg.Generator(0))
    >>> [len(part) for part in parts]
    [8, 2]
    """
    check_sized("random_split", dataset)
    size = len(dataset)
    source = generator_or_default(generator)
    for length in check_items("random_split", "lengths", lengths):
        check_number("random_split", "a length", length)
    shares = any(isinstance(length, float) for length in lengths)
    total = 1 if shares else size
    if min(lengths, default=0) < 0 or not math.isclose(sum(lengths), total):
        raise ValueError(
            f"random_split: lengths must add up to the {size} samples, or to 1 as shares (float), "
            f"got {list(lengths)}"
        )
    counts = [int(size * length) if shares else int(length) for length in lengths]
    for part in range(size - sum(counts)):
        counts[part % len(counts)] += 1
    order = source.numpy.permutation(size)
    ends = np.cumsum(counts)
    return [
        _subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]


def _subset(dataset: Any, indices: Array) -> Subset:
    kind = _BatchSubset if isinstance(dataset, GivesBatches) else Subset
    return kind(dataset, indices)
