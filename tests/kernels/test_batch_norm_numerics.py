"""Accuracy of batch normalisation against extended precision, and equality of bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigrad.kernels.cpu import batch_norm as cpu
from minigrad.kernels.cpu import (
    batch_norm_blocks,
    batch_norm_launch,
    batch_norm_parts,
    batch_norm_planes,
    batch_norm_rows,
    threads,
)
from minigrad.kernels.cpu.batch_norm_channel import mean_and_variance
from minigrad.kernels.cpu.simd import LANE_BITS, LANES
from minigrad.kernels.reference import batch_norm as reference
from minigrad.typing import Array
from tests.kernels.layouts import channels_last

# The promise of the kernels: in float32, units in the last place of |gamma * x_hat| + |beta|.
MAX_ULPS = 4.0
# The same for dx, in units of inv_std * (|g| + |mean g| + |x_hat * mean(g * x_hat)|).
MAX_ULPS_GRADIENT = 4.0
SHAPES = [(500, 19), (8, 5, 81), (700, 2, 64), (90, 130, 9)]
CANARY = 777.0


def _channels(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _ulps(actual: Array, expected: Array, size: Array) -> float:
    """Return the largest error in units in the last place of ``size``."""
    spacing = np.spacing(np.abs(size).astype(actual.dtype))
    return float(np.max(np.abs(actual - expected) / spacing))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("affine", [False, True])
def test_error_of_y(
    shape: tuple[int, ...], offset: float, affine: bool, rng: np.random.Generator
) -> None:
    x = (rng.standard_normal(shape) + offset).astype(np.float32)
    gamma = rng.uniform(0.5, 2.0, shape[1]).astype(np.float32) if affine else None
    beta = rng.standard_normal(shape[1]).astype(np.float32) if affine else None
    exact = reference.forward_train(x.astype(np.longdouble), gamma, beta, eps=1e-5)
    shift = 0.0 if beta is None else _channels(np.abs(beta).astype(np.longdouble), x)
    size = np.abs(exact.y - (0.0 if beta is None else _channels(beta, x))) + shift
    result = cpu.forward_train(x, gamma, beta, eps=1e-5)
    assert _ulps(result.y, exact.y, size) <= MAX_ULPS
    # In evaluation, given these statistics, of which the mean has been rounded.
    mean, var = result.mean, result.var
    y = cpu.forward_eval(x, mean, var, gamma, beta, eps=1e-5)
    exact_y = reference.forward_eval(x.astype(np.longdouble), mean, var, gamma, beta, eps=1e-5)
    size = np.abs(exact_y - (0.0 if beta is None else _channels(beta, x))) + shift
    assert _ulps(y, exact_y, size) <= MAX_ULPS


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
def test_error_of_dx(shape: tuple[int, ...], offset: float, rng: np.random.Generator) -> None:
    x = (rng.standard_normal(shape) + offset).astype(np.float32)
    dy = (rng.standard_normal(shape) + 1.0).astype(np.float32)
    gamma = rng.uniform(0.5, 2.0, shape[1]).astype(np.float32)
    wide = x.astype(np.longdouble)
    exact = reference.forward_train(wide, None, None, eps=1e-5)
    expected = reference.backward_train(dy, wide, exact.mean, exact.inv_std, gamma)
    assert expected.dx is not None
    g = dy * _channels(gamma, x).astype(np.longdouble)
    axes = (0, *range(2, x.ndim))
    size = _channels(exact.inv_std, x) * (
        np.abs(g)
        + _channels(np.abs(g.mean(axes)), x)
        + np.abs(exact.y * _channels((g * exact.y).mean(axes), x))
    )
    result = cpu.forward_train(x, gamma, None, eps=1e-5)
    gradients = cpu.backward_train(dy, x, result.mean, result.inv_std, gamma)
    assert gradients.dx is not None
    assert _ulps(gradients.dx, expected.dx, size) <= MAX_ULPS_GRADIENT
    # The sums are exact to the rounding of their result, but for cancellation in float64.
    for actual, wanted in ((gradients.dgamma, expected.dgamma), (gradients.dbeta, expected.dbeta)):
        assert actual is not None
        assert wanted is not None
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-15, 1e15, 1e30])
def test_scale_of_x_does_not_matter(
    shape: tuple[int, ...], scale: float, rng: np.random.Generator
) -> None:
    # float32 sums of squares would be 0 or infinite.
    x = (scale * (rng.standard_normal(shape) + 3.0)).astype(np.float32)
    dy = rng.standard_normal(shape).astype(np.float32)
    eps = 1e-5 * scale**2
    exact = reference.forward_train(x.astype(np.longdouble), None, None, eps=eps)
    result = cpu.forward_train(x, None, None, eps=eps)
    assert _ulps(result.y, exact.y, exact.y) <= MAX_ULPS
    gradients = cpu.backward_train(dy, x, result.mean, result.inv_std, None)
    expected = reference.backward_train(
        dy, x.astype(np.longdouble), exact.mean, exact.inv_std, None
    )
    assert gradients.dx is not None
    assert expected.dx is not None
    # Relative to the size of dx, about 1 / scale.
    np.testing.assert_allclose(
        gradients.dx.astype(np.longdouble) * scale, expected.dx * scale, rtol=0.0, atol=4e-6
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outlier_at_the_start(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    # Values are measured from the first one of their channel: the worst choice.
    x = rng.standard_normal(shape).astype(np.float32)
    x.reshape(*shape[:2], -1)[0, :, 0] = 1e6
    exact = reference.forward_train(x.astype(np.longdouble), None, None, eps=1e-5)
    result = cpu.forward_train(x, None, None, eps=1e-5)
    # The sum of squares is n times what is left of it, and has a few roundings itself.
    tolerance = 16 * (x.size // shape[1]) * np.finfo(np.float64).eps
    np.testing.assert_allclose(result.var, exact.var.astype(np.float64), rtol=tolerance)


def test_variance_is_never_negative() -> None:
    # The sum of squares, rounded, can be less than n times the square of the mean.
    total, square = np.array([[3.0, np.nan, 3.0], [3.0 - 1e-15, np.nan, 6.0]])
    mean, var = np.full((2, 3), CANARY)
    mean_and_variance(np.full(3, 5.0), total, square, 3, mean, var, 0, 2)
    np.testing.assert_array_equal(mean, [6.0, np.nan, CANARY])
    np.testing.assert_array_equal(var, [0.0, np.nan, CANARY])


def test_float64_offset_data(rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 3)) + 1e6
    exact = reference.forward_train(x.astype(np.longdouble), None, None, eps=1e-5)
    result = cpu.forward_train(x, None, None, eps=1e-5)
    # Sums of 200 values round a few dozen times; a mean rounded to float64 would cost 1e-10.
    np.testing.assert_allclose(result.y, exact.y.astype(np.float64), rtol=0.0, atol=5e-14)


DETERMINISM_SHAPES = [
    (3, 2, 40_000),  # few channels: rows are cut
    (100, 3, 500),  # few channels: rows are shared out
    (20, 33, 65),
    (100, 200, 16),  # groups of small channels, the last one incomplete, in several parts
    (5000, 17),
    (40, 2100),
]


def _all_bits(x: Array, dy: Array, gamma: Array) -> list[Array]:
    result = cpu.forward_train(x, gamma, gamma, eps=1e-5)
    gradients = cpu.backward_train(dy, x, result.mean, result.inv_std, gamma)
    evaluation = cpu.backward_eval(dy, x, result.mean, result.var, gamma, eps=1e-5)
    statistics = cpu.statistics(x)
    found = [*result, *gradients, *evaluation, *statistics]
    return [values for values in found if values is not None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", DETERMINISM_SHAPES, ids=str)
def test_bits_do_not_depend_on_threads_or_schedule(
    shape: tuple[int, ...],
    last: bool,
    dtype: Any,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if threads.get_num_threads() < 2:
        pytest.skip("one thread only")
    x = rng.standard_normal(shape).astype(dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    if last:
        x, dy = channels_last(x), channels_last(dy)
    gamma = rng.standard_normal(shape[1]).astype(dtype)
    monkeypatch.setattr(batch_norm_launch, "PARALLEL_MIN_SIZE", x.size + 1)
    serial = _all_bits(x, dy, gamma)
    monkeypatch.setattr(batch_norm_launch, "PARALLEL_MIN_SIZE", 0)
    for by_part in (False, True, True):
        monkeypatch.setattr(batch_norm_launch, "_by_part", lambda *_, chosen=by_part: chosen)
        for a, b in zip(_all_bits(x, dy, gamma), serial, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(4, 16, 1000, 2), (3, 32, 32, 16), (3, 32, 17, 29)], ids=str)
def test_writing_past_the_caches_changes_nothing(
    shape: tuple[int, ...],
    last: bool,
    dtype: Any,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Large enough for the pool, whose blocks are aligned; the last shape has rows that are not.
    large: tuple[int, ...] = (8 * shape[0], *shape[1:])
    x = rng.standard_normal(large).astype(dtype)
    dy = rng.standard_normal(large).astype(dtype)
    if last:
        x, dy = channels_last(x), channels_last(dy)
    gamma = rng.standard_normal(shape[1]).astype(dtype)
    through = _all_bits(x, dy, gamma)
    monkeypatch.setattr(batch_norm_launch, "LARGE_BYTES", 0)
    for a, b in zip(_all_bits(x, dy, gamma), through, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_thread_count_runs(n_threads: int, rng: np.random.Generator) -> None:
    if threads.get_num_threads() < n_threads:
        pytest.skip("not so many threads")
    x = rng.standard_normal((64, 3, 1500)).astype(np.float32)
    assert x.size >= batch_norm_launch.PARALLEL_MIN_SIZE
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(n_threads)
        y = cpu.forward_train(x, None, None, eps=1e-5).y
    finally:
        threads.set_num_threads(before)
    np.testing.assert_array_equal(y, cpu.forward_train(x, None, None, eps=1e-5).y)


@pytest.mark.parametrize("inner", [1, 2, 15, 16, 17, 33, 70])
@pytest.mark.parametrize("channels", [1, 5, 16, 35])
def test_writes_only_its_output(inner: int, channels: int, rng: np.random.Generator) -> None:
    outer, margin = 3, 64
    size = outer * channels * inner
    x = rng.standard_normal(size).astype(np.float32)
    empty = np.empty(0, np.float32)
    mean, var, inv_std = np.zeros((3, channels))
    y, dx, masked = np.full((3, margin + size + margin), CANARY, np.float32)
    totals = np.full(2 * channels + margin, CANARY)
    inside = slice(margin, margin + size)
    lines = size // (channels if inner == 1 else inner)
    used = lines * -(-(channels if inner == 1 else inner) // LANES)
    mask = np.full(used + margin, 77, LANE_BITS)
    forward: list[Any] = [
        x, x, y[inside], mask[:used], empty, empty, mean, var, inv_std, 1e-5,
        False, False, True, True, True, True,
    ]  # fmt: skip
    backward: list[Any] = [
        x, x, mask[:used], masked[inside], dx[inside], empty, mean, inv_std,
        totals[: 2 * channels], outer * inner, False, True, True, True, True, True,
    ]  # fmt: skip
    if inner == 1:
        cut = batch_norm_blocks.blocks_of(outer, channels)
        batch_norm_rows.forward_serial(*[*forward, (outer, channels), cut, False])
        batch_norm_rows.backward_serial(*[*backward, (outer, channels), cut, False])
    else:
        parts = batch_norm_parts.parts_of(outer, inner)
        shape = (outer, channels, inner)
        batch_norm_planes.forward_serial(*[*forward, shape, parts, False, False, False])
        batch_norm_planes.backward_serial(*[*backward, shape, parts, False, False, False])
    for values in (y, dx, masked):
        assert (values[:margin] == CANARY).all()
        assert (values[inside] != CANARY).all()
        assert (values[margin + size :] == CANARY).all()
    assert (totals[2 * channels :] == CANARY).all()
    assert (mask[used:] == 77).all()
