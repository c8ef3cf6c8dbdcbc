"""Batch normalisation over chunks: which chunks, values, gradients and state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, NonFiniteError, ShapeError
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array
from tests.nn.layers import as_function, buffers, gradients, randomised

FLOAT64 = 1e-12
"""A few roundings in float64."""
FLOAT32 = 2e-6
"""A few roundings of float32 in results of order 3; statistics are in float64."""

EPS = 1e-2
"""Large enough to show in the result: with 1e-5 a wrong eps could pass as rounding."""

SHAPES: list[tuple[tuple[int, ...], int, list[int]]] = [
    ((8, 3), 4, [0, 4, 8]),
    ((10, 3), 4, [0, 4, 8, 10]),
    ((9, 3), 4, [0, 4, 9]),
    ((5, 3), 4, [0, 5]),
    ((5, 3), 8, [0, 5]),
    ((5, 3), 1, [0, 2, 5]),
    ((2, 3), 1, [0, 2]),
    ((6, 3), 2, [0, 2, 4, 6]),
    ((9, 3, 2), 4, [0, 4, 8, 9]),
    ((3, 2, 2, 3), 1, [0, 1, 2, 3]),
    ((5, 2, 2, 3), 2, [0, 2, 4, 5]),
    ((7, 2, 1, 1), 3, [0, 3, 7]),
    ((4, 2, 2, 1, 2), 3, [0, 3, 4]),
]
"""A batch, the size of chunks, and where they start."""


class Model:
    """BatchNorm fed with one chunk after another, in NumPy."""

    def __init__(self, channels: int, momentum: float | None = 0.1) -> None:
        self.mean, self.var = np.zeros(channels), np.ones(channels)
        self.momentum, self.batches = momentum, 0

    def __call__(self, x: Array, starts: list[int]) -> Array:
        return np.concatenate([self.one(x[a:b]) for a, b in pairwise(starts)])

    def one(self, x: Array) -> Array:
        axes = (0, *range(2, x.ndim))
        n = x.size // x.shape[1]
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        self.mean += factor * (mean.ravel() - self.mean)
        self.var += factor * (var.ravel() * n / (n - 1) - self.var)
        return np.asarray((x - mean) / np.sqrt(var + EPS))


@pytest.mark.parametrize(("shape", "size", "starts"), SHAPES)
def test_chunks(
    shape: tuple[int, ...], size: int, starts: list[int], rng: np.random.Generator
) -> None:
    """Values and running statistics, over three batches."""
    layer, model = nn.GhostBatchNorm(shape[1], size, EPS), Model(shape[1])
    for _ in range(3):
        x = rng.normal(size=shape) * 2 + rng.normal(size=(shape[0],) + (1,) * (len(shape) - 1))
        x = x.astype(np.float32)
        y = layer(mg.tensor(x)).detach().array
        assert y.dtype == np.float32
        expected = model(x.astype(np.float64), starts)
        np.testing.assert_allclose(y, expected, rtol=FLOAT32, atol=FLOAT32)
    state = buffers(layer)
    np.testing.assert_allclose(state["running_mean"], model.mean, rtol=FLOAT64, atol=FLOAT64)
    np.testing.assert_allclose(state["running_var"], model.var, rtol=FLOAT64)
    assert state["num_batches_tracked"] == 3 * (len(starts) - 1)


@pytest.mark.parametrize(("shape", "size", "starts"), SHAPES)
def test_gradients(
    shape: tuple[int, ...], size: int, starts: list[int], rng: np.random.Generator
) -> None:
    """Of the input, the weight and the bias, to the second order."""
    layer = randomised(nn.GhostBatchNorm(shape[1], size, EPS, dtype=np.float64), rng)
    function, parameters = as_function(layer)
    inputs = [rng.normal(size=shape) * 2 + 1, *parameters]
    gradcheck(function, inputs, max_elements=24)
    gradgradcheck(function, inputs, max_elements=4, projections=2)


def test_third_order(rng: np.random.Generator) -> None:
    layer = randomised(nn.GhostBatchNorm(2, 2, EPS, dtype=np.float64), rng)
    function, parameters = as_function(layer)
    inputs = [rng.normal(size=(5, 2)), *parameters]
    gradgradcheck(function, inputs, order=3, max_elements=4, projections=1)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0, None])
def test_each_chunk_is_a_batch_to_the_running_statistics(
    momentum: float | None, rng: np.random.Generator
) -> None:
    """Bit for bit those of BatchNorm that meets the chunks one by one."""
    ghost = nn.GhostBatchNorm(2, 3, momentum=momentum)
    plain = nn.BatchNorm(2, momentum=momentum)
    x = rng.normal(size=(11, 2, 4)).astype(np.float32)
    ghost(mg.tensor(x))
    for start in range(0, 11, 3):
        plain(mg.tensor(x[start : start + 3]))
    for name, value in buffers(ghost).items():
        np.testing.assert_array_equal(value, buffers(plain)[name])


def test_the_papers_formula_of_the_running_mean(rng: np.random.Generator) -> None:
    """The last chunk has the weight m, the one before it (1 - m) m, and so on."""
    m, x = 0.2, rng.normal(size=(12, 3))
    layer = nn.GhostBatchNorm(3, 4, momentum=m, dtype=np.float64)
    layer(mg.tensor(x))
    means = x.reshape(3, 4, 3).mean(1)
    expected = sum((1 - m) ** i * m * means[-1 - i] for i in range(3))
    np.testing.assert_allclose(buffers(layer)["running_mean"], expected, rtol=FLOAT64)


@pytest.mark.parametrize("order", ["C", "channels last", "reversed", "samples last"])
@pytest.mark.parametrize("samples", [8, 9])
def test_memory_orders(order: str, samples: int, rng: np.random.Generator) -> None:
    layer = randomised(nn.GhostBatchNorm(3, 4, dtype=np.float64), rng)
    x, dy = rng.normal(size=(2, samples, 3, 2, 5))
    expected = gradients(layer, x, dy)
    orders: dict[str, Callable[[Array], Array]] = {
        "C": lambda v: v,
        "channels last": lambda v: np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 1, -1)), -1, 1),
        "reversed": lambda v: np.ascontiguousarray(v[::-1, ::-1])[::-1, ::-1],
        "samples last": np.asfortranarray,
    }
    other = orders[order]
    found = gradients(layer, other(x), other(dy))
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=FLOAT64, atol=FLOAT64)
    if order in ("C", "channels last") and samples == 8:  # the memory order of y is that of x
        assert found[0].strides == other(x).strides


def test_evaluation_is_that_of_batch_norm(rng: np.random.Generator) -> None:
    ghost = randomised(nn.GhostBatchNorm(2, 3), rng)
    ghost(mg.tensor(rng.normal(size=(8, 2)), dtype=np.float32))
    plain = nn.BatchNorm(2)
    plain.load_state_dict(ghost.state_dict())
    x, dy = (rng.normal(size=(8, 2)).astype(np.float32) for _ in range(2))
    before = buffers(ghost)
    pairs = zip(gradients(ghost.eval(), x, dy), gradients(plain.eval(), x, dy), strict=True)
    for got, expected in pairs:
        np.testing.assert_array_equal(got, expected)
    for name, value in buffers(ghost).items():
        np.testing.assert_array_equal(value, before[name])
    ghost(mg.zeros(1, 2))


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_truth_table(training: bool, track: bool, present: bool, rng: np.random.Generator) -> None:
    """By chunks in training alone; without statistics, evaluation is by the whole batch."""
    layer = nn.GhostBatchNorm(2, 3, EPS, track_running_stats=present).train(training)
    layer.track_running_stats = track
    if layer.running_mean is not None:
        layer.running_mean.fill_(1.0)
    before = buffers(layer)
    x = (rng.normal(size=(6, 2)) + 3).astype(np.float32)
    starts = [0, 3, 6] if training else [0, 6]
    by_batch = Model(2)(x.astype(np.float64), starts)
    expected = by_batch if training or not present else (x - 1) / np.sqrt(1 + EPS)
    y = layer(mg.tensor(x)).detach().array
    np.testing.assert_allclose(y, expected, rtol=FLOAT32, atol=FLOAT32)
    changed = any(np.any(value != before[name]) for name, value in buffers(layer).items())
    assert changed == (training and track and present)


@pytest.mark.parametrize("options", [{"bias": False}, {"affine": False}])
def test_without_scale_or_shift(options: dict[str, Any], rng: np.random.Generator) -> None:
    layer = randomised(nn.GhostBatchNorm(2, 3, EPS, dtype=np.float64, **options), rng)
    x = rng.normal(size=(8, 2))
    expected = Model(2)(x, [0, 3, 6, 8])
    if layer.weight is not None:
        expected = expected * layer.weight.array
    np.testing.assert_allclose(layer(mg.tensor(x)).detach().array, expected, rtol=FLOAT64)
    function, parameters = as_function(layer)
    gradcheck(function, [x, *parameters])


def test_never_an_error_for_two_values_or_more(rng: np.random.Generator) -> None:
    for samples in range(2, 12):
        for size in range(1, 13):
            layer = nn.GhostBatchNorm(1, size, eps=0.0, affine=False)
            y = layer(mg.tensor(rng.normal(size=(samples, 1))))
            # A chunk of one value would be NaN without eps.
            assert np.all(np.isfinite(y.array)), (samples, size)


def test_empty_batches() -> None:
    layer = nn.GhostBatchNorm(2, 3)
    before = buffers(layer)
    for shape in ((0, 2), (0, 2, 3), (7, 2, 0)):
        zeros = np.zeros(shape, np.float32)
        y, dx, dweight, dbias = gradients(layer, zeros, zeros)
        assert y.shape == dx.shape == shape
        assert dweight.tolist() == dbias.tolist() == [0.0, 0.0]
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])


def test_updates_are_seen_by_the_version_of_the_buffers() -> None:
    layer = nn.GhostBatchNorm(2, 3)
    before = [buffer._version for buffer in layer.buffers()]
    layer(mg.randn(8, 2))
    assert [buffer._version for buffer in layer.buffers()] == [version + 1 for version in before]


def test_a_checkpoint_counts_each_chunk_once(rng: np.random.Generator) -> None:
    plain, again = nn.GhostBatchNorm(2, 3), nn.GhostBatchNorm(2, 3)
    x = mg.tensor(rng.normal(size=(8, 2)), dtype=np.float32, requires_grad=True)
    plain(x)
    mg.checkpoint(again, x).sum().backward()
    for name, value in buffers(again).items():
        np.testing.assert_array_equal(value, buffers(plain)[name])


def test_backward_uses_what_forward_used(rng: np.random.Generator) -> None:
    layer = nn.GhostBatchNorm(2, 3, dtype=np.float64)
    x, dy = rng.normal(size=(2, 8, 2))
    expected = gradients(copy.deepcopy(layer), x, dy)
    leaf = mg.tensor(x, requires_grad=True)
    y = layer(leaf)
    layer(leaf * 3.0)
    layer.eval()
    layer(leaf)
    y.backward(mg.tensor(dy))
    np.testing.assert_array_equal(np.asarray(leaf.grad), expected[1])


def test_state_repr_and_copies(rng: np.random.Generator) -> None:
    layer = randomised(nn.GhostBatchNorm(2, chunk_size=3), rng)
    layer(mg.randn(8, 2))
    assert list(layer.state_dict()) == list(nn.BatchNorm(2).state_dict())
    assert repr(layer).startswith("GhostBatchNorm(2, eps=1e-05, momentum=0.1,")
    assert repr(layer).endswith("chunk_size=3)")
    other = nn.GhostBatchNorm(2, chunk_size=3)
    other.load_state_dict(layer.state_dict())
    twin = copy.deepcopy(layer)
    x = mg.randn(8, 2)
    expected = layer(x).detach().array
    for one in (other, twin):
        np.testing.assert_array_equal(one(x).detach().array, expected)
        for name, value in buffers(layer).items():
            np.testing.assert_array_equal(value, buffers(one)[name])
    layer.double()(mg.randn(8, 2, dtype=np.float64))


# ---------------------------------------------------------------------------------- as BatchNorm


def test_any_axis(rng: np.random.Generator) -> None:
    x, dy = rng.normal(size=(2, 8, 3, 5))
    first = randomised(nn.GhostBatchNorm(3, 3, dtype=np.float64), rng)
    last = nn.GhostBatchNorm(3, 3, axis=-1, dtype=np.float64)
    last.load_state_dict(first.state_dict())
    expected = gradients(first, x, dy)
    found = gradients(last, np.moveaxis(x, 1, -1), np.moveaxis(dy, 1, -1))
    for got, want in zip(found, expected, strict=True):
        wide = np.moveaxis(got, -1, 1) if got.ndim > 1 else got
        np.testing.assert_allclose(wide, want, rtol=FLOAT64, atol=FLOAT64)


def test_frozen_it_is_in_evaluation(rng: np.random.Generator) -> None:
    layer = nn.GhostBatchNorm(2, 3)
    layer(mg.tensor(rng.normal(size=(8, 2)), dtype=np.float32))
    x = mg.tensor(rng.normal(size=(8, 2)), dtype=np.float32)
    before = buffers(layer)
    expected = copy.deepcopy(layer).eval()(x).detach().array
    np.testing.assert_array_equal(layer.freeze()(x).detach().array, expected)
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("momentum", [0.3, None])
def test_chunks_that_are_not_finite(
    momentum: float | None, unbiased: bool, rng: np.random.Generator
) -> None:
    """Each chunk is a batch to the policy; an error leaves all of them out."""
    x = rng.normal(size=(8, 2, 2))
    x[4, 0, 0] = np.nan  # in the second chunk
    options: dict[str, Any] = {"momentum": momentum, "unbiased": unbiased, "dtype": np.float64}
    layer = nn.GhostBatchNorm(2, 3, nonfinite="skip", **options)
    plain = nn.BatchNorm(2, nonfinite="skip", **options)
    layer(mg.tensor(x))
    for start in (0, 3, 6):
        plain(mg.tensor(x[start : start + 3]))
    assert layer.num_batches_skipped == plain.num_batches_skipped == 1
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, buffers(plain)[name])
    versions = [buffer._version for buffer in layer.buffers()]
    layer(mg.full((8, 2, 2), np.inf, dtype=np.float64))
    assert layer.num_batches_skipped == 4
    assert [buffer._version for buffer in layer.buffers()] == versions  # nothing was stored
    strict = nn.GhostBatchNorm(2, 3, nonfinite="raise", **options)
    before, versions = buffers(strict), [b._version for b in strict.buffers()]
    with pytest.raises(NonFiniteError, match="GhostBatchNorm: the batch has statistics"):
        strict(mg.tensor(x))
    for name, value in buffers(strict).items():
        np.testing.assert_array_equal(value, before[name])
    assert [b._version for b in strict.buffers()] == versions


def test_statistics_outside_of_the_gradient(rng: np.random.Generator) -> None:
    layer = nn.GhostBatchNorm(2, 3, detach_statistics=True, dtype=np.float64)
    plain = nn.BatchNorm(2, detach_statistics=True, dtype=np.float64)
    x, dy = rng.normal(size=(2, 8, 2))
    found = gradients(layer, x, dy)
    parts = [gradients(plain, x[i : i + 3], dy[i : i + 3]) for i in (0, 3, 6)]
    for place in (0, 1):
        expected = np.concatenate([part[place] for part in parts])
        np.testing.assert_allclose(found[place], expected, rtol=FLOAT64, atol=FLOAT64)


def test_masks_are_for_evaluation_alone(rng: np.random.Generator) -> None:
    layer, mask = nn.GhostBatchNorm(2, 3), mg.tensor([True] * 6 + [False] * 2)
    x = mg.tensor(rng.normal(size=(8, 2)), dtype=np.float32)
    before = buffers(layer)
    for option, given in (("mask", mask), ("sample_weight", mg.ones(8))):
        with pytest.raises(ValueError, match=f"neither mask nor sample_weight.*got {option} for"):
            layer(x, **{option: given})
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])
    layer(x)
    assert layer.eval()(x, mask=mask)[6:].tolist() == [[0.0, 0.0]] * 2


def test_one_sample_in_training_by_the_running_statistics() -> None:
    layer = nn.GhostBatchNorm(2, 3, single="eval")
    layer(mg.randn(4, 2))
    before = buffers(layer)
    layer(mg.randn(1, 2))
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])


def test_errors() -> None:
    with pytest.raises(ValueError, match="GhostBatchNorm: chunk_size must be >= 1, got 0"):
        nn.GhostBatchNorm(2, 0)
    with pytest.raises(DTypeError, match=r"chunk_size must be an integer, got 2\.5"):
        nn.GhostBatchNorm(2, 2.5)  # type: ignore[arg-type]
    layer = nn.GhostBatchNorm(2, 3)
    before = buffers(layer)
    for x, error, message in (
        (mg.zeros(1, 2), ShapeError, r"when training.*\(1, 2\)"),
        (mg.zeros(8, 3), ShapeError, r"GhostBatchNorm: expected x of shape .*C = 2, got \(8, 3\)"),
        (mg.zeros(8), ShapeError, r"C = 2, got \(8,\)"),
        (mg.zeros(8, 2, dtype=np.float64), DTypeError, "float64"),
        (mg.zeros(7, 2, dtype=np.float64), DTypeError, "float64"),
    ):
        with pytest.raises(error, match=message):
            layer(x)
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])
