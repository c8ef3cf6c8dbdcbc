"""`DataLoader`: batches of a data set, in an order that is drawn anew every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.data.collate import default_collate
from minigrad.data.dataset import GivesBatches, check_sized
from minigrad.data.prefetch import prefetched
from minigrad.random import Generator, default_generator, generator_or_default
from minigrad.typing import Array

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a data set in batches; each iteration is one epoch.

    Parameters
    ----------
    dataset : Dataset
        If it has a method ``get_batch(indices)``, as `TensorDataset` has, and no ``collate_fn`` is
        given, a batch is one call of it; otherwise samples are fetched one by one.
    batch_size : int, >= 1
    shuffle : bool
        Draw a new order for every epoch.
    drop_last : bool
        Leave out the last batch if it is not full.
    generator : Generator, optional
        What draws; default: the default generator.
    transform : callable, optional
        From a batch and a `Generator` to the batch to yield. Random changes draw from that
        generator, which is the epoch's own, so they are repeatable with or without ``prefetch``.
    collate_fn : callable, optional
        From a list of samples to a batch; default: `default_collate`.
    prefetch : int, >= 0
        Batches prepared ahead by a background thread (never another process). Worth it where
        preparing a batch releases the GIL or waits, for a disk say; slices of memory are faster
        with 0, in the calling thread.

    Raises
    ------
    ValueError
        If ``batch_size`` or ``prefetch`` is out of range.

    Notes
    -----
    An epoch that is shuffled or transformed takes one number from ``generator``, when its
    iterator is made, and everything in it follows from that number. So the generator's state
    does not depend on how far an epoch was read.

    Examples
    --------
    >>> import minigrad as mg
    >>> loader = mg.data.DataLoader(mg.data.TensorDataset(mg.arange(5)), batch_size=2)
    >>> [batch for (batch,) in loader]
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        transform: Callable[[Any, Generator], Any] | None = None,
        collate_fn: Callable[[Sequence[Any]], Any] | None = None,
        prefetch: int = 0,
    ) -> None:
        _check_integer("batch_size", batch_size, 1)
        _check_integer("prefetch", prefetch, 0)
        check_sized("DataLoader", dataset)
        for name, value in (("transform", transform), ("collate_fn", collate_fn)):
            if value is not None and not callable(value):
                raise TypeError(f"DataLoader: {name} must be a function, got {value!r}")
        if generator is not None:
            generator_or_default(generator)
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator
        self.transform = transform
        self.collate_fn = collate_fn
        self.prefetch = prefetch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def smallest_batch(self) -> int:
        """The number of samples of an epoch's last batch, which is its smallest; 0: no batch."""
        if len(self) == 0:
            return 0
        rest = len(self.dataset) % self.batch_size
        return self.batch_size if rest == 0 or self.drop_last else rest

    def __iter__(self) -> Iterator[Any]:
        size = len(self.dataset)
        order = np.arange(size)
        stream: Generator | None = None
        if self.shuffle or self.transform is not None:
            parent = self.generator or default_generator
            stream = Generator(int(parent.numpy.integers(2**63)))
            if self.shuffle:
                order = stream.numpy.permutation(size)
        batches = self._batches(order, stream)
        return prefetched(batches, self.prefetch) if self.prefetch else batches

    def _batches(self, order: Array, stream: Generator | None) -> Iterator[Any]:
        for number in range(len(self)):
            start = number * self.batch_size
            batch = self._fetch(order[start : start + self.batch_size])
            if self.transform is not None and stream is not None:
                batch = self.transform(batch, stream)
            yield batch

    def _fetch(self, indices: Array) -> Any:
        if self.collate_fn is None and isinstance(self.dataset, GivesBatches):
            return self.dataset.get_batch(indices)
        samples = [self.dataset[index] for index in indices.tolist()]
        return (self.collate_fn or default_collate)(samples)


def _check_integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"DataLoader: {name} must be an integer >= {least}, got {value!r}")
