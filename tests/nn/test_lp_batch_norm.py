"""Normalisation by l1, l2 and l-infinity norms: identities, kinks, and the text of the paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError
from minigrad.testing import gradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""Some roundings in float64."""
NORMS = (1, 2, math.inf)


def normalised(p: float, x: Array, **options: Any) -> Array:
    layer = nn.LpBatchNorm(x.shape[1], p, affine=False, **options)
    return np.asarray(layer(mg.tensor(x)))


def p_mean(p: float, x: Array) -> Array:
    """Return the average norm of each column."""
    return np.asarray(np.abs(x).max(0) if p == math.inf else (np.abs(x) ** p).mean(0) ** (1 / p))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_p_2_it_is_batch_norm(
    dtype: Any, momentum: float | None, rng: np.random.Generator
) -> None:
    """Outputs, gradients and running statistics; a constant channel among the others."""
    ours = nn.LpBatchNorm(3, 2, momentum=momentum, dtype=dtype)
    theirs = nn.BatchNorm(3, momentum=momentum, dtype=dtype)
    tolerance = 1e-6 if dtype == np.float32 else FLOAT64
    for training in (True, True, False):
        x = (rng.normal(size=(5, 3, 2)) * [[1], [20], [0]] + 7).astype(dtype)
        upstream = mg.tensor(rng.normal(size=x.shape).astype(dtype))
        leaves = [mg.tensor(x, requires_grad=True) for _ in range(2)]
        results = [
            layer.train(training)(leaf) for layer, leaf in zip((ours, theirs), leaves, strict=True)
        ]
        for result in results:
            result.backward(upstream)
        for left, right in (results, [leaf.grad for leaf in leaves]):
            np.testing.assert_allclose(
                np.asarray(left), np.asarray(right), rtol=tolerance, atol=1e3 * tolerance
            )
    assert ours.running_square is not None
    assert theirs.running_var is not None
    np.testing.assert_allclose(ours.running_square.array, theirs.running_var.array, rtol=tolerance)


@pytest.mark.parametrize("p", NORMS)
def test_the_average_norm_of_the_result_is_1(p: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 3)) * [1, 10, 0.1] + 5
    y = normalised(p, x, eps=0.0)
    np.testing.assert_allclose(p_mean(p, y), 1.0, rtol=FLOAT64)
    np.testing.assert_allclose(y.mean(0), 0.0, atol=FLOAT64)


@pytest.mark.parametrize("p", NORMS)
def test_eps_is_added_to_the_square_of_the_norm(p: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 3))
    s = p_mean(p, x - x.mean(0))
    expected = s / np.sqrt(s**2 + 0.25)
    np.testing.assert_allclose(p_mean(p, normalised(p, x, eps=0.25)), expected, rtol=FLOAT64)


@pytest.mark.parametrize("p", NORMS)
def test_shift_and_scale_of_the_input(p: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(20, 3))
    y = normalised(p, x, eps=0.0)
    np.testing.assert_allclose(normalised(p, 3 * x + 8, eps=0.0), y, rtol=0, atol=FLOAT64)
    np.testing.assert_allclose(normalised(p, -2 * x, eps=0.0), -y, rtol=0, atol=FLOAT64)


def test_the_norms_are_in_order(rng: np.random.Generator) -> None:
    """Means of higher powers are greater, so results are smaller: l1 >= l2 >= l-infinity."""
    x = rng.normal(size=(20, 3))
    first, second, third = (np.abs(normalised(p, x)) for p in NORMS)
    assert np.all(first > second)
    assert np.all(second > third)


def test_normal_values_have_the_norms_of_theory() -> None:
    x = np.random.default_rng(0).normal(size=(100_000, 1))
    deviation = p_mean(1, x) / p_mean(2, x)
    np.testing.assert_allclose(deviation, math.sqrt(2 / math.pi), rtol=5e-3)  # 1/sqrt(100 000)
    np.testing.assert_allclose(normalised(1, x).std(), math.sqrt(math.pi / 2), rtol=5e-3)


@pytest.mark.parametrize("p", NORMS)
def test_the_norm_before_the_shift(p: float, rng: np.random.Generator) -> None:
    """As the paper writes it: centred values over the norm of those that are not."""
    x = rng.normal(size=(9, 3)) + np.array([0.0, 1.0, -5.0])
    layer = nn.LpBatchNorm(3, p, 0.0, 1.0, affine=False, centered=False)
    expected = (x - x.mean(0)) / p_mean(p, x)
    np.testing.assert_allclose(np.asarray(layer(mg.tensor(x))), expected, rtol=FLOAT64)
    assert layer.running_square is not None
    np.testing.assert_allclose(layer.running_square.array, p_mean(p, x) ** 2, rtol=FLOAT64)
    layer.eval()
    np.testing.assert_allclose(np.asarray(layer(mg.tensor(x))), expected, rtol=FLOAT64)
    gradcheck(layer.train(), x)


@pytest.mark.parametrize("p", NORMS)
def test_a_constant_channel_gives_zeros(p: float) -> None:
    x = mg.tensor(np.full((4, 1), 3.0), requires_grad=True)
    y = nn.LpBatchNorm(1, p, affine=False)(x)
    np.testing.assert_array_equal(np.asarray(y), 0.0)
    y.backward(mg.tensor([[1.0], [-1.0], [0.0], [0.0]], dtype="float64"))
    r = 1 / math.sqrt(1e-5)  # the norm stays as it is to first order, or has the subgradient 0
    np.testing.assert_allclose(np.asarray(x.grad), [[r], [-r], [0.0], [0.0]], rtol=FLOAT64)


def test_gradients_at_kinks() -> None:
    """|v| at 0 has gradient 0; two values that tie for the maximum share its gradient."""
    x = np.array([[-1.0], [0.0], [1.0]])  # the mean is 0: the second value is at the kink of l1
    upstream = np.array([[1.0], [2.0], [4.0]])
    for p, norm, slopes in ((1, 2 / 3, [-1 / 3, 0, 1 / 3]), (math.inf, 1.0, [-0.5, 0, 0.5])):
        leaf = mg.tensor(x, requires_grad=True)
        nn.LpBatchNorm(1, p, 0.0, affine=False)(leaf).backward(mg.tensor(upstream))
        # y = d / s: dd = dy / s - slope * sum(dy d) / s**2, and dx = dd - mean(dd).
        dd = upstream / norm - np.array(slopes)[:, None] * (upstream * x).sum() / norm**2
        np.testing.assert_allclose(np.asarray(leaf.grad), dd - dd.mean(), rtol=FLOAT64)


@pytest.mark.parametrize("p", NORMS)
def test_digits_far_from_zero(p: float) -> None:
    """float32 values at 1e6 standard deviations: all that is lost was lost in storing them."""
    x = (np.random.default_rng(0).normal(size=(64, 2)) + 1e6).astype(np.float32)
    y = np.asarray(nn.LpBatchNorm(2, p, affine=False)(mg.tensor(x)))
    expected = normalised(p, x.astype(np.float64))
    np.testing.assert_allclose(y, expected, rtol=2.0**-23, atol=1e-9)


def test_repr() -> None:
    assert repr(nn.LpBatchNorm(3, math.inf, bias=False)) == (
        "LpBatchNorm(3, p=inf, centered=True, eps=1e-05, momentum=0.1, affine=True, bias=False, "
        "track_running_stats=True)"
    )


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="p must be 1, 2 or infinity, got 3"):
        nn.LpBatchNorm(3, 3)
    with pytest.raises(DTypeError, match="p must be a real number, got 'inf'"):
        nn.LpBatchNorm(3, "inf")  # type: ignore[arg-type]
