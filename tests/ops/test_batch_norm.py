"""Batch normalisation as functions: what they refuse, and what they do not copy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels import dispatch
from minigrad.typing import DTypeLike, Shape

VECTORS = ("gamma", "beta", "mean", "var")


@pytest.mark.parametrize("channels", [1, 3, 1000])
def test_batch_norm_train_needs_two_values_per_channel(channels: int) -> None:
    for shape in ((1, channels), (1, channels, 1, 1)):
        with pytest.raises(ShapeError, match=r"batch_norm.* more than one value per channel"):
            mg.batch_norm_train(mg.ones(*shape))
    result = mg.batch_norm_train(mg.ones(1, channels, 2))
    np.testing.assert_array_equal(result.mean, np.ones(channels))


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (3, 1), (1, 3), (2, 3), (4, 3)])
@pytest.mark.parametrize("name", VECTORS)
def test_batch_norm_takes_one_value_per_channel(name: str, shape: Shape) -> None:
    x, right, wrong = mg.ones(2, 3), mg.ones(3), mg.ones(shape)
    text = rf"batch_norm: {name} must have shape \(3,\), one value per channel"
    vectors: dict[str, Any] = {**dict.fromkeys(VECTORS, right), name: wrong}
    with pytest.raises(ShapeError, match=text):
        mg.batch_norm_eval(x, **vectors)
    if name in ("gamma", "beta"):
        vector: dict[str, Any] = {name: wrong}
        with pytest.raises(ShapeError, match=text):
            mg.batch_norm_train(x, **vector)


@pytest.mark.parametrize(("dtype", "other"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("name", ["gamma", "beta"])
def test_batch_norm_mixes_no_dtypes(name: str, dtype: DTypeLike, other: DTypeLike) -> None:
    """Neither a narrower nor a wider vector is converted to the dtype of x."""
    x, mean, var = mg.ones(2, 3, dtype=dtype), mg.zeros(3), mg.ones(3)
    wrong: dict[str, Any] = {name: mg.ones(3, dtype=other)}
    with pytest.raises(DTypeError, match=f"{name} must be {dtype}.* got {other}"):
        mg.batch_norm_train(x, **wrong)
    with pytest.raises(DTypeError, match=f"{name} must be {dtype}.* got {other}"):
        mg.batch_norm_eval(x, mean, var, **wrong)


def test_batch_norm_takes_an_equal_dtype_that_is_another_object() -> None:
    """As of arrays that were unpickled."""
    gamma = mg.tensor(pickle.loads(pickle.dumps(np.ones(3))))
    assert gamma.dtype is not np.dtype(np.float64)
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(
        mg.batch_norm_train(x, gamma, eps=0.0).y.array, [[-1.0] * 3, [1.0] * 3]
    )


@pytest.mark.parametrize("eps", [-1.0, -1e-300, np.inf, -np.inf, np.nan])
def test_batch_norm_takes_a_finite_eps(eps: float) -> None:
    text = r"batch_norm: eps must be a finite number >= 0"
    with pytest.raises(ValueError, match=text):
        mg.batch_norm_train(mg.ones(2, 3), eps=eps)
    with pytest.raises(ValueError, match=text):
        mg.batch_norm_eval(mg.ones(2, 3), mg.zeros(3), mg.ones(3), eps=eps)


def test_eps_of_batch_norm_is_by_default_that_of_pytorch(rng: np.random.Generator) -> None:
    x, mean, var = mg.tensor(rng.normal(size=(4, 3)) * 1e-3), mg.zeros(3), mg.full(3, 1e-6)
    train, evaluation = mg.batch_norm_train(x).y, mg.batch_norm_eval(x, mean, var)
    np.testing.assert_array_equal(train.array, mg.batch_norm_train(x, eps=1e-5).y.array)
    np.testing.assert_array_equal(
        evaluation.array, mg.batch_norm_eval(x, mean, var, eps=1e-5).array
    )


@pytest.mark.parametrize("name", ["train", "eval"])
def test_gradients_of_batch_norm_are_not_copied(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are as large as the batch, and the kernels allocate them for this alone."""
    kernels = dispatch.module("batch_norm")
    rule = getattr(kernels, f"backward_{name}")
    returned: list[Any] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        returned.extend(gradients := rule(*args, **kwargs))
        return gradients

    monkeypatch.setattr(kernels, f"backward_{name}", noted)
    x, gamma, beta = mg.rand(4, 3), mg.ones(3), mg.zeros(3)
    for tensor in (x, gamma, beta):
        tensor.requires_grad_()
    if name == "train":
        y = mg.batch_norm_train(x, gamma, beta).y
    else:
        y = mg.batch_norm_eval(x, mg.zeros(3), mg.ones(3), gamma, beta)
    y.backward(mg.ones(4, 3))
    for tensor, gradient in zip((x, gamma, beta), returned, strict=True):
        assert tensor.grad is not None
        assert np.shares_memory(tensor.grad.array, gradient)
