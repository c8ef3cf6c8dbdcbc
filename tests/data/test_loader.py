"""Batches: order, threads, exceptions."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import DataLoader, TensorDataset

THREAD = "minigrad-prefetch"


def values(loader: DataLoader) -> list[list[int]]:
    return [batch.tolist() for (batch,) in loader]


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


class Samples:
    """A data set without batches; index 5 can fail."""

    def __init__(self, size: int, fails: bool = False) -> None:
        self.size = size
        self.fails = fails

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[int, float]:
        if self.fails and index == 5:
            raise RuntimeError("sample 5 is broken")
        return index, index / 2


@pytest.mark.parametrize(
    ("size", "batch_size", "drop_last", "sizes"),
    [
        (10, 4, False, [4, 4, 2]),
        (10, 4, True, [4, 4]),
        (8, 4, False, [4, 4]),
        (3, 4, False, [3]),
        (3, 4, True, []),
        (0, 4, False, []),
    ],
)
def test_sizes(size: int, batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    loader = DataLoader(TensorDataset(np.arange(size)), batch_size, drop_last=drop_last)
    assert [len(batch) for batch in values(loader)] == sizes
    assert len(loader) == len(sizes)
    assert loader.smallest_batch == min(sizes, default=0)


def test_order_is_kept_without_shuffle() -> None:
    state = mg.default_generator.get_state()
    assert values(DataLoader(TensorDataset(mg.arange(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert mg.default_generator.get_state() == state


@pytest.mark.parametrize("prefetch", [0, 2])
def test_shuffle_is_seeded_and_redrawn_every_epoch(prefetch: int) -> None:
    def epochs() -> list[list[list[int]]]:
        generator = mg.Generator(3)
        dataset = TensorDataset(mg.arange(20))
        loader = DataLoader(dataset, 6, True, generator=generator, prefetch=prefetch)
        return [values(loader) for _ in range(3)]

    first, second, third = epochs()
    for epoch in (first, second, third):
        assert sorted(number for batch in epoch for number in batch) == list(range(20))
    assert first != second != third != first
    assert epochs() == [first, second, third]


def test_shuffle_draws_from_the_default_generator() -> None:
    loader = DataLoader(TensorDataset(mg.arange(20)), 20, shuffle=True)
    mg.manual_seed(0)
    first = values(loader)
    mg.manual_seed(0)
    assert values(loader) == first
    assert values(loader) != first


def test_the_next_epoch_does_not_depend_on_how_far_one_was_read() -> None:
    def second_epoch(read: int, prefetch: int) -> list[list[int]]:
        loader = DataLoader(
            TensorDataset(mg.arange(20)), 2, True, generator=mg.Generator(0), prefetch=prefetch
        )
        batches = iter(loader)
        for _ in range(read):
            next(batches)
        return values(loader)

    assert second_epoch(1, 0) == second_epoch(7, 0) == second_epoch(1, 3)


@pytest.mark.parametrize("prefetch", [0, 3])
def test_a_random_transform_is_repeatable(prefetch: int) -> None:
    def noisy(batch: Any, generator: mg.Generator) -> Any:
        (x,) = batch
        return (x + mg.randint(0, 1000, x.shape, generator=generator),)

    def epochs(ahead: int) -> list[list[list[int]]]:
        dataset = TensorDataset(mg.zeros(9, dtype=mg.int64))
        loader = DataLoader(dataset, 4, generator=mg.Generator(1), transform=noisy, prefetch=ahead)
        return [values(loader), values(loader)]

    first, second = epochs(prefetch)
    assert first != second
    assert epochs(0) == [first, second]


def test_samples_are_collated() -> None:
    numbers, halves = next(iter(DataLoader(Samples(4), 3)))
    assert (numbers.dtype, numbers.tolist()) == (np.int64, [0, 1, 2])
    assert (halves.dtype, halves.tolist()) == (np.float32, [0.0, 0.5, 1.0])
    assert next(iter(DataLoader(Samples(4), 2, collate_fn=list))) == [(0, 0.0), (1, 0.5)]


def test_an_array_is_a_data_set_of_its_rows() -> None:
    batch = next(iter(DataLoader(np.arange(6.0).reshape(3, 2), 2)))
    assert batch.tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_batches_are_fetched_at_once_where_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: TensorDataset, index: Any) -> Any:
        raise AssertionError("fetched sample by sample")

    monkeypatch.setattr(TensorDataset, "__getitem__", slow)
    assert values(DataLoader(TensorDataset(mg.arange(3)), 2)) == [[0, 1], [2]]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_an_exception_arrives_in_its_place(prefetch: int) -> None:
    batches = iter(DataLoader(Samples(8, fails=True), 2, prefetch=prefetch))
    assert [next(batches)[0].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(RuntimeError, match="sample 5 is broken"):
        next(batches)
    assert loader_threads() == []


def test_batches_come_from_the_thread_and_only_so_far_ahead() -> None:
    seen: list[str] = []
    fetched = threading.Semaphore(0)

    class Watched(Samples):
        def __getitem__(self, index: int) -> tuple[int, float]:
            seen.append(threading.current_thread().name)
            fetched.release()
            return super().__getitem__(index)

    batches = iter(DataLoader(Watched(10), 1, prefetch=2))
    next(batches)
    for _ in range(3):  # the batch taken, and two ahead
        assert fetched.acquire(timeout=5)
    assert not fetched.acquire(timeout=0.05)
    assert set(seen) == {THREAD}


@pytest.mark.parametrize("how", ["break", "exhaust", "raise"])
def test_no_thread_is_left_behind(how: str) -> None:
    loader = DataLoader(Samples(50), 1, prefetch=2)

    with contextlib.suppress(KeyError):
        for number, _ in enumerate(loader):
            assert loader_threads()
            if number == 3 and how == "break":
                break
            if number == 3 and how == "raise":
                raise KeyError("stop")
    assert loader_threads() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"batch_size": 2.0}, "batch_size must be an integer >= 1, got 2.0"),
        ({"prefetch": -1}, "prefetch must be an integer >= 0, got -1"),
    ],
)
def test_arguments_are_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader(range(3), **arguments)
