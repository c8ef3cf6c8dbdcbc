"""Functions that make Tensors: PyTorch's names, dtypes and meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DeviceError, DTypeError, ShapeError


@pytest.mark.parametrize(
    ("made", "values", "dtype"),
    [
        (lambda: mg.tensor([1.0, 2.0]), [1.0, 2.0], np.float32),
        (lambda: mg.tensor([1, 2]), [1, 2], np.int64),
        (lambda: mg.tensor([True, False]), [True, False], np.bool_),
        (lambda: mg.tensor(np.array([1.5])), [1.5], np.float64),
        (lambda: mg.tensor(2.5), 2.5, np.float32),
        (lambda: mg.tensor([1, 2], dtype=mg.float64), [1.0, 2.0], np.float64),
        (lambda: mg.zeros(2, 3), [[0.0] * 3] * 2, np.float32),
        (lambda: mg.ones((2,), dtype=np.int64), [1, 1], np.int64),
        (lambda: mg.full((2,), 3), [3, 3], np.int64),
        (lambda: mg.full((2,), 3.5), [3.5, 3.5], np.float32),
        (lambda: mg.full((2,), 0.1, dtype=mg.float64), [0.1, 0.1], np.float64),
        (lambda: mg.arange(3), [0, 1, 2], np.int64),
        (lambda: mg.arange(1, 2, 0.5), [1.0, 1.5], np.float32),
        (lambda: mg.linspace(0, 1, 3), [0.0, 0.5, 1.0], np.float32),
        (lambda: mg.eye(2), [[1.0, 0.0], [0.0, 1.0]], np.float32),
    ],
)
def test_values_and_dtypes(made: Any, values: Any, dtype: Any) -> None:
    result = made()
    assert result.dtype == dtype
    assert result.tolist() == values
    assert not result.requires_grad


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: mg.zeros(2, -1), ShapeError, r"zeros: .* 0 or more, got \(2, -1\)"),
        (lambda: mg.ones(2, "float32"), DTypeError, "ones: .*keywords"),
        (lambda: mg.empty(2.5), DTypeError, r"empty: expected lengths as integers, got \(2.5,\)"),
        (lambda: mg.full((2, -2), 1), ShapeError, r"full: .* got \(2, -2\)"),
        (lambda: mg.rand(-1), ShapeError, "rand: "),
        (lambda: mg.randn((-1,)), ShapeError, "randn: "),
        (lambda: mg.randperm(-1), ShapeError, "randperm: "),
        (lambda: mg.randint(5, 2, (3,)), ValueError, "randint: expected low < high, got 5 and 2"),
        (lambda: mg.arange(0, 5, 0), ValueError, "arange: expected a step other than 0"),
    ],
)
def test_wrong_arguments(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_random_integers_take_their_arguments_as_pytorch_does() -> None:
    assert mg.randint(5, (2, 3)).shape == mg.randint(0, 5, (2, 3)).shape == (2, 3)
    assert mg.randint(5).shape == ()
    assert mg.randint(0, 2, (4,), dtype=mg.float32).dtype == np.float32


@pytest.mark.parametrize("like", [mg.rand_like, mg.randn_like])
def test_random_like(like: Any) -> None:
    x = mg.zeros(2, 3, dtype=mg.float64)
    assert like(x).shape == (2, 3)
    assert like(x).dtype == np.float64
    assert like(x, dtype=mg.float32).dtype == np.float32


def test_tensor_copies_and_from_numpy_shares() -> None:
    array = np.zeros(2)
    copied, shared = mg.tensor(array), mg.from_numpy(array)
    array[0] = 1.0
    assert copied.tolist() == [0.0, 0.0]
    assert shared.tolist() == [1.0, 0.0]
    with pytest.raises(DTypeError, match="expects an ndarray, got list"):
        mg.from_numpy([1.0])  # type: ignore[arg-type]  # the mistake under test


def test_requires_grad_is_for_floating_leaves() -> None:
    assert mg.zeros(2, requires_grad=True).requires_grad
    assert mg.randn(2, requires_grad=True).is_leaf
    with pytest.raises(DTypeError, match="only floating Tensors"):
        mg.tensor([1, 2], requires_grad=True)


@pytest.mark.parametrize("data", ["text", [object()], {"a": 1}, [1j]])
def test_data_that_are_not_real_numbers(data: Any) -> None:
    with pytest.raises(DTypeError, match="real numbers"):
        mg.tensor(data)


def test_ragged_data() -> None:
    with pytest.raises(ValueError, match="regular shape"):
        mg.tensor([[1.0], [1.0, 2.0]])


def test_devices() -> None:
    assert mg.zeros(1, device="cpu").device == "cpu"
    with pytest.raises(DeviceError, match="got 'cuda'"):
        mg.zeros(1, device="cuda")
    with pytest.raises(DeviceError, match="got 'tpu'"):
        mg.ones(1, device="tpu")


def test_random_dtypes_must_hold_what_is_drawn() -> None:
    with pytest.raises(DTypeError, match="rand: expected a floating dtype, got int64"):
        mg.rand(3, dtype=np.int64)
    with pytest.raises(ValueError, match="dtype uint8 does not hold all from 0 to 256"):
        mg.randint(0, 257, (3,), dtype=np.uint8)
    assert mg.randint(255, 256, (3,), dtype=np.uint8).tolist() == [255] * 3
