"""Clipping of gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minigrad.optim import clip_grad_norm_, clip_grad_value_
from minigrad.tensor import Tensor

# PyTorch adds 1e-6 to the norm, and float32 has seven digits.
TOLERANCE = 2e-6


def _params(*grads: Any) -> list[Tensor]:
    params = []
    for grad in grads:
        array = np.asarray(grad, np.float32)
        param = Tensor(np.zeros_like(array), requires_grad=True)
        param.grad = Tensor(array)
        params.append(param)
    return params


def _grads(params: list[Tensor]) -> np.ndarray:
    return np.concatenate([param.grad.array.ravel() for param in params if param.grad is not None])


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
def test_large_gradients_are_scaled_together(order: float) -> None:
    params = _params([[3.0, -4.0]], 12.0)
    without = Tensor(np.zeros(3), requires_grad=True)
    before = _grads(params)
    total = clip_grad_norm_(iter([*params, without]), 2.0, order)
    assert total.dtype == np.float32
    np.testing.assert_allclose(total.item(), np.linalg.norm(before, order), rtol=TOLERANCE)
    after = _grads(params)
    np.testing.assert_allclose(np.linalg.norm(after, order), 2.0, rtol=TOLERANCE)
    np.testing.assert_allclose(after / after[0], before / before[0], rtol=TOLERANCE)
    assert [param.grad._version for param in params if param.grad is not None] == [1, 1]


def test_small_gradients_stay() -> None:
    params = _params([3.0, -4.0])
    before = _grads(params)
    clip_grad_norm_(params[0], 5.1)
    np.testing.assert_array_equal(_grads(params), before)


def test_float32_squares_do_not_overflow() -> None:
    params = _params([3e30, 4e30])
    assert clip_grad_norm_(params, 1.0).item() == pytest.approx(5e30)
    np.testing.assert_allclose(_grads(params), [0.6, 0.8], rtol=TOLERANCE)


def test_no_gradients() -> None:
    assert clip_grad_norm_([], 1.0).item() == 0.0


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_nonfinite(bad: float) -> None:
    params = _params([1.0, bad])
    with pytest.raises(RuntimeError, match="cannot be clipped"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(_grads(params), [1.0, bad])
    total = clip_grad_norm_(params, 1.0).item()
    np.testing.assert_equal(total, bad)
    np.testing.assert_equal(_grads(params), [0.0 if bad == math.inf else math.nan, math.nan])


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, math.inf])
def test_torch(order: float) -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    params = _params(values)
    theirs = torch.zeros(4, 3, requires_grad=True)
    theirs.grad = torch.tensor(values)
    total = torch.nn.utils.clip_grad_norm_([theirs], 0.7, order).item()
    assert clip_grad_norm_(params, 0.7, order).item() == pytest.approx(total, rel=TOLERANCE)
    np.testing.assert_allclose(_grads(params), theirs.grad.numpy().ravel(), rtol=TOLERANCE)


def test_clip_value() -> None:
    params = _params([3.0, -4.0, 0.5, math.nan])
    clip_grad_value_(params, 1.0)
    np.testing.assert_equal(_grads(params), [1.0, -1.0, 0.5, math.nan])


def test_wrong_limits() -> None:
    params = _params([1.0])
    with pytest.raises(ValueError, match="max_norm must be a number >= 0, got -1"):
        clip_grad_norm_(params, -1.0)
    with pytest.raises(ValueError, match="norm_type must be a number > 0, got 0"):
        clip_grad_norm_(params, 1.0, 0.0)
    with pytest.raises(ValueError, match="clip_value must be a number >= 0, got nan"):
        clip_grad_value_(params, math.nan)
