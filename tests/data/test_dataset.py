"""Data sets, parts of them, and the digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import Subset, TensorDataset, default_collate, load_digits, random_split
from minigrad.errors import ShapeError


def test_tensor_dataset_gives_samples_and_batches() -> None:
    dataset = TensorDataset(np.arange(6.0).reshape(3, 2), np.array([7, 8, 9]))
    assert len(dataset) == 3
    x, y = dataset[1]
    assert x.tolist() == [2.0, 3.0]
    assert y.item() == 8
    x, y = dataset.get_batch(np.array([2, 0]))
    assert x.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert y.tolist() == [9, 7]


def test_a_batch_shares_no_memory_with_the_data() -> None:
    x = np.zeros((3, 2))
    (batch,) = TensorDataset(x).get_batch(np.array([0, 1]))
    batch.array[...] = 1.0
    assert not x.any()


@pytest.mark.parametrize("tensors", [(), (np.float32(1.0),), (np.zeros(3), np.zeros(4))])
def test_tensor_dataset_refuses(tensors: Any) -> None:
    with pytest.raises(ShapeError, match="first axes have the same length"):
        TensorDataset(*tensors)


def test_subset_maps_indices() -> None:
    subset = Subset(TensorDataset(mg.arange(10)), [7, 3])
    assert [subset[index][0].item() for index in range(len(subset))] == [7, 3]
    with pytest.raises(IndexError, match="from 0 to 9"):
        Subset(TensorDataset(mg.arange(10)), [10])


@pytest.mark.parametrize("dataset", [range(10), TensorDataset(mg.arange(10))])
@pytest.mark.parametrize(
    ("lengths", "sizes"), [([7, 3], [7, 3]), ([0.75, 0.25], [8, 2]), ([0.5, 0.3, 0.2], [5, 3, 2])]
)
def test_random_split_is_a_partition(dataset: Any, lengths: Any, sizes: list[int]) -> None:
    parts = random_split(dataset, lengths, mg.Generator(0))
    assert [len(part) for part in parts] == sizes
    indices = np.concatenate([part.indices for part in parts])
    assert sorted(indices) == list(range(10))
    assert indices.tolist() != list(range(10))
    again = random_split(dataset, lengths, mg.Generator(0))
    assert [part.indices.tolist() for part in again] == [part.indices.tolist() for part in parts]


def test_a_part_of_tensors_gives_batches() -> None:
    part = random_split(TensorDataset(mg.arange(10)), [4, 6], mg.Generator(0))[0]
    samples = [part[index] for index in (2, 0)]
    batch = mg.data.DataLoader(part, batch_size=4)
    (values,) = next(iter(batch))
    assert values.tolist() == part.indices.tolist()
    assert [sample[0].item() for sample in samples] == part.indices[[2, 0]].tolist()


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [11, -1]])
def test_random_split_refuses(lengths: Any) -> None:
    with pytest.raises(ValueError, match="must add up"):
        random_split(range(10), lengths)


def test_collate_keeps_the_structure() -> None:
    batch = default_collate(
        [{"x": (1.5, [1]), "y": np.zeros(2)}, {"x": (2.5, [2]), "y": mg.ones(2)}]
    )
    floats, (integers,) = batch["x"]
    assert (floats.tolist(), floats.dtype) == ([1.5, 2.5], np.float32)
    assert (integers.tolist(), integers.dtype) == ([1, 2], np.int64)
    assert batch["y"].tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([np.zeros(2), np.zeros(3)], ShapeError, r"same shape, got \[\(2,\), \(3,\)\]"),
        ([(1, 2), (1,)], ShapeError, "as many entries"),
        (["a", "b"], TypeError, "cannot make a batch of str"),
    ],
)
def test_collate_refuses(samples: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        default_collate(samples)


def test_digits_are_scaled_and_split() -> None:
    digits = load_digits()
    for part, size in ((digits.train, 1438), (digits.test, 359)):
        images, labels = part.tensors
        assert images.shape == (size, 1, 8, 8)
        assert images.dtype == np.float32
        assert labels.shape == (size,)
        assert labels.dtype == np.int64
        assert (images.array.min(), images.array.max()) == (0.0, 1.0)
        assert np.array_equal(images.array * 16, np.round(images.array * 16))
        assert np.unique(labels.array).tolist() == list(range(10))
