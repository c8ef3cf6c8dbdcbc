"""Batch normalisation on the CPU against the reference, and its behaviour at the edges."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels.cpu import batch_norm as cpu
from minigrad.kernels.cpu import batch_norm_blocks, batch_norm_launch, batch_norm_parts, simd
from minigrad.kernels.reference import batch_norm as reference
from minigrad.kernels.types import BatchNormKernels, Needs
from minigrad.typing import Array
from tests.kernels.layouts import LAYOUTS, WITHOUT_GAPS, Layout, assert_close

DTYPES = (np.float32, np.float64)
EPS = 1e-5
ALL: Needs = (True, True, True)
SHAPES = [
    (1, 1),
    (2, 1),
    (60, 100),
    (7, 13),
    (33, 17),
    (40, 1030),  # more than a tile of channels
    (1100, 3),  # more than a block of rows
    (1, 3, 2),
    (4, 3, 49),
    (3, 31, 5),
    (2, 2, 3, 3),
    (5, 3, 2, 3, 4),
    (300, 2, 64),  # more than a part, cut between rows
    (1, 2, 33000),  # more than a part, cut within a row
]


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> dict[str, Array]:
    """Return random arrays for one batch normalisation, none of them symmetric around 0."""
    per_channel = (shape[1],)
    return {
        "x": (3.0 * rng.standard_normal(shape) + 1.5).astype(dtype),
        "dy": (rng.standard_normal(shape) + 0.25).astype(dtype),
        "gamma": rng.standard_normal(per_channel).astype(dtype),
        "beta": rng.standard_normal(per_channel).astype(dtype),
        "mean": rng.standard_normal(per_channel),
        "var": rng.uniform(0.1, 2.0, per_channel),
    }


def _assert_all_close(actual: Iterable[Array | None], expected: Iterable[Array | None]) -> None:
    for a, b in zip(actual, expected, strict=True):
        assert_close(a, b)


def _compare(
    arrays: dict[str, Array],
    layout: Layout,
    needs: Needs = ALL,
    *,
    gamma: bool = True,
    beta: bool = True,
    eps: float = EPS,
) -> None:
    """Compare all functions with the reference."""
    x, dy = layout(arrays["x"]), layout(arrays["dy"])
    scale = arrays["gamma"] if gamma else None
    shift = arrays["beta"] if beta else None
    mean, var = arrays["mean"], arrays["var"]

    _assert_all_close(cpu.statistics(x), reference.statistics(x))
    result = cpu.forward_train(x, scale, shift, eps=eps)
    _assert_all_close(result, reference.forward_train(x, scale, shift, eps=eps))
    _assert_all_close(
        cpu.backward_train(dy, x, result.mean, result.inv_std, scale, needs=needs),
        reference.backward_train(dy, x, result.mean, result.inv_std, scale, needs=needs),
    )
    assert_close(
        cpu.forward_eval(x, mean, var, scale, shift, eps=eps),
        reference.forward_eval(x, mean, var, scale, shift, eps=eps),
    )
    _assert_all_close(
        cpu.backward_eval(dy, x, mean, var, scale, eps=eps, needs=needs),
        reference.backward_eval(dy, x, mean, var, scale, eps=eps, needs=needs),
    )


@pytest.mark.parametrize("module", [cpu, reference])
def test_module_has_the_functions_of_the_protocol(module: ModuleType) -> None:
    for name, declared in inspect.getmembers(BatchNormKernels, inspect.isfunction):
        if name.startswith("_"):
            continue
        expected = list(inspect.signature(declared).parameters.values())[1:]  # without self
        found = list(inspect.signature(getattr(module, name)).parameters.values())
        assert [(p.name, p.kind, p.default) for p in found] == [
            (p.name, p.kind, p.default) for p in expected
        ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_the_reference(
    shape: tuple[int, ...], dtype: Any, rng: np.random.Generator
) -> None:
    _compare(_draw(rng, shape, dtype), np.ascontiguousarray)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(9, 5), (3, 4, 5, 6), (2, 18, 3, 1)], ids=str)
def test_any_memory_order(
    shape: tuple[int, ...], layout: str, dtype: Any, rng: np.random.Generator
) -> None:
    _compare(_draw(rng, shape, dtype), LAYOUTS[layout])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 7), (300, 2, 64), (1, 2, 33000)], ids=str)
def test_sharing_out_parts_gives_the_bits_of_sharing_out_groups(
    shape: tuple[int, ...], dtype: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of them is done depends on the number of threads, and no result may."""
    arrays = _draw(rng, shape, dtype)
    x, dy, gamma, beta = (arrays[name] for name in ("x", "dy", "gamma", "beta"))
    results = []
    for by_part in (False, True):
        monkeypatch.setattr(batch_norm_launch, "_by_part", lambda *_, answer=by_part: answer)
        _compare(arrays, np.ascontiguousarray)
        forward = cpu.forward_train(x, gamma, beta, eps=EPS)
        backward = cpu.backward_train(dy, x, forward.mean, forward.inv_std, gamma)
        frozen = cpu.backward_eval(dy, x, forward.mean, forward.var, gamma, eps=EPS)
        results.append([*forward, *backward, *frozen])
        some = cpu.backward_eval(
            dy, x, forward.mean, forward.var, gamma, eps=EPS, needs=(True, False, False)
        )
        np.testing.assert_array_equal(some.dx, frozen.dx, strict=True)
        sums = cpu.backward_train(
            dy, x, forward.mean, forward.inv_std, gamma, needs=(False, True, True)
        )
        np.testing.assert_array_equal(sums.dgamma, backward.dgamma, strict=True)
        np.testing.assert_array_equal(sums.dbeta, backward.dbeta, strict=True)
    for by_group, by_part_too in zip(*results, strict=True):
        np.testing.assert_array_equal(by_group, by_part_too, strict=True)


@pytest.mark.parametrize("layout", WITHOUT_GAPS)
@pytest.mark.parametrize("large", [False, True])
def test_results_have_the_memory_order_of_x(
    layout: str, large: bool, rng: np.random.Generator
) -> None:
    shape = (20, 16, 30, 30) if large else (3, 4, 5, 6)  # large: from the pool
    arrays = _draw(rng, shape, np.float32)
    x, dy = WITHOUT_GAPS[layout](arrays["x"]), arrays["dy"]
    result = cpu.forward_train(x, None, None, eps=EPS)
    assert result.y.strides == x.strides
    assert_close(result.y, reference.forward_train(x, None, None, eps=EPS).y)
    # dy has another order than x: it is copied, and dx follows x.
    gradients = cpu.backward_train(dy, x, result.mean, result.inv_std, None)
    assert gradients.dx is not None
    assert gradients.dx.strides == x.strides
    expected = reference.backward_train(dy, x, result.mean, result.inv_std, None)
    assert_close(gradients.dx, expected.dx)


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    affine=st.tuples(st.booleans(), st.booleans()),
    needs=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    eps=st.sampled_from([1e-5, 1e-3, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_configurations(
    shape: tuple[int, ...],
    dtype: Any,
    layout: str,
    affine: tuple[bool, bool],
    needs: Needs,
    eps: float,
    seed: int,
) -> None:
    arrays = _draw(np.random.default_rng(seed), shape, dtype)
    # The reference centres x in float64: it is compared where x_hat is not amplified rounding.
    if np.prod(shape) == shape[1]:
        eps = 1.0
    gamma, beta = affine
    _compare(arrays, LAYOUTS[layout], needs, gamma=gamma, beta=beta, eps=eps)


@pytest.mark.parametrize("needs", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
@pytest.mark.parametrize("shape", [(9, 5), (3, 4, 7)], ids=str)
def test_only_what_is_needed(
    shape: tuple[int, ...], needs: tuple[int, int, int], rng: np.random.Generator
) -> None:
    arrays = _draw(rng, shape, np.float32)
    wanted = (bool(needs[0]), bool(needs[1]), bool(needs[2]))
    _compare(arrays, np.ascontiguousarray, wanted)


@pytest.mark.parametrize("module", [cpu, reference])
def test_inputs_are_not_changed(module: Any, rng: np.random.Generator) -> None:
    arrays = _draw(rng, (4, 3, 5), np.float32)
    before = {name: values.copy() for name, values in arrays.items()}
    x, dy, gamma, beta = (arrays[name] for name in ("x", "dy", "gamma", "beta"))
    result = module.forward_train(x, gamma, beta, eps=EPS)
    module.backward_train(dy, x, result.mean, result.inv_std, gamma)
    module.forward_eval(x, arrays["mean"], arrays["var"], gamma, beta, eps=EPS)
    module.backward_eval(dy, x, arrays["mean"], arrays["var"], gamma, eps=EPS)
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, before[name])


def test_read_only_and_strided_parameters(rng: np.random.Generator) -> None:
    arrays = _draw(rng, (4, 3, 5), np.float64)
    arrays["gamma"] = np.broadcast_to(np.float64(2.0), (3,))
    arrays["beta"] = rng.standard_normal(6)[::2]
    arrays["mean"] = rng.standard_normal(6).astype(np.float32)[::-2]
    arrays["x"].flags.writeable = False
    _compare(arrays, lambda x: x)


def test_broadcast_upstream(rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 3, 4))
    dy = np.broadcast_to(np.float64(0.5), x.shape)
    result = cpu.forward_train(x, None, None, eps=EPS)
    actual = cpu.backward_train(dy, x, result.mean, result.inv_std, None)
    expected = reference.backward_train(dy, x, result.mean, result.inv_std, None)
    _assert_all_close(actual, expected)


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (4, 3, 0), (2, 0, 4), (0, 0)], ids=str)
def test_empty_batch(module: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    x = np.empty(shape, dtype)
    for values in module.statistics(x):
        np.testing.assert_array_equal(values, np.zeros(shape[1]), strict=True)
    result = module.forward_train(x, None, None, eps=EPS)
    assert result.y.shape == shape
    for values in result[1:]:
        assert values.shape == (shape[1],)
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
    for gradients in (
        module.backward_train(x, x, result.mean, result.inv_std, None),
        module.backward_eval(x, x, result.mean, result.var, None, eps=EPS),
    ):
        assert gradients.dx.shape == shape
        np.testing.assert_array_equal(gradients.dgamma, np.zeros(shape[1], dtype), strict=True)
        np.testing.assert_array_equal(gradients.dbeta, np.zeros(shape[1], dtype), strict=True)
    assert module.forward_eval(x, result.mean, result.var, None, None, eps=EPS).shape == shape


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(50, 3), (4, 3, 25)], ids=str)
@pytest.mark.parametrize("value", [0.1, -3.7e7, 1e30])
def test_constant_channel_gives_beta(
    module: Any, dtype: Any, shape: tuple[int, ...], value: float
) -> None:
    x = np.full(shape, value, dtype)
    beta = np.array([1.5, -2.0, 0.1], dtype)
    result = module.forward_train(x, np.full(3, 3.0, dtype), beta, eps=EPS)
    np.testing.assert_array_equal(result.var, 0.0)
    expected = np.broadcast_to(beta.reshape(1, 3, *[1] * (len(shape) - 2)), shape)
    np.testing.assert_array_equal(result.y, expected)


@pytest.mark.parametrize("module", [cpu, reference])
def test_one_value_per_channel(module: Any) -> None:
    x = np.array([[1.0, -2.0, 1e6]], np.float32)
    result = module.forward_train(x, None, None, eps=EPS)
    np.testing.assert_array_equal(result.mean, x[0])
    np.testing.assert_array_equal(result.var, 0.0)
    np.testing.assert_array_equal(result.y, 0.0)


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("shape", [(6, 2), (3, 2, 5)], ids=str)
def test_constant_channel_without_eps_is_nan(module: Any, shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    x[0, 1] = 2.0
    y = module.forward_train(x, None, None, eps=0.0).y
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(40, 21), (6, 3, 37)], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_non_finite_values_stay_in_their_channel(
    dtype: Any, shape: tuple[int, ...], value: float, first: bool, rng: np.random.Generator
) -> None:
    arrays = _draw(rng, shape, dtype)
    x, dy = arrays["x"], arrays["dy"]
    clean = cpu.forward_train(x, None, None, eps=EPS)
    clean_dx = cpu.backward_train(dy, x, clean.mean, clean.inv_std, None).dx
    x[(0 if first else -1, 1, *[0 if first else -1] * (len(shape) - 2))] = value
    result = cpu.forward_train(x, None, None, eps=EPS)
    expected = reference.forward_train(x, None, None, eps=EPS)
    dx = cpu.backward_train(dy, x, result.mean, result.inv_std, None).dx
    assert clean_dx is not None
    assert dx is not None
    assert np.isnan(result.y[:, 1]).all()
    assert np.isnan(dx[:, 1]).all()
    np.testing.assert_array_equal(np.isnan(result.mean), np.isnan(expected.mean))
    np.testing.assert_array_equal(np.isnan(result.var), np.isnan(expected.var))
    others = [c for c in range(shape[1]) if c != 1]
    np.testing.assert_array_equal(result.y[:, others], clean.y[:, others])
    np.testing.assert_array_equal(dx[:, others], clean_dx[:, others])


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5)], ids=str)
def test_evaluation_propagates_each_value(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    x[0] = np.nan
    x[1] = np.inf
    mean, var = np.zeros(3), np.ones(3)
    y = cpu.forward_eval(x, mean, var, None, None, eps=0.0)
    np.testing.assert_array_equal(y, x)
    # The statistics are constants: a value of x that is not finite does not reach dx.
    gradients = cpu.backward_eval(np.ones_like(x), x, mean, var, None, eps=0.0)
    np.testing.assert_array_equal(gradients.dx, np.ones_like(x))


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("dtype", DTYPES)
def test_update_running(module: Any, dtype: Any, rng: np.random.Generator) -> None:
    running_mean, running_var = np.zeros(3, dtype), np.ones(3, dtype)
    expected_mean, expected_var = np.zeros(3), np.ones(3)
    for _ in range(10):
        mean, var = rng.standard_normal(3), rng.uniform(0.5, 2.0, 3)
        module.update_running(running_mean, running_var, mean, var, n=5, momentum=0.1)
        expected_mean = 0.9 * expected_mean + 0.1 * mean
        expected_var = 0.9 * expected_var + 0.1 * var * 5.0 / 4.0
    # Ten roundings to the dtype of the buffers.
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(running_mean, expected_mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(running_var, expected_var, rtol=tolerance)


@pytest.mark.parametrize("module", [cpu, reference])
def test_update_running_at_the_edges(module: Any) -> None:
    mean, var = np.array([1.0]), np.array([2.0])
    cases: list[tuple[dict[str, Any], float, float]] = [
        ({"n": 0, "momentum": 0.1}, 5.0, 7.0),  # an empty batch changes nothing
        ({"n": 1, "momentum": 1.0}, 1.0, 2.0),  # n / (n - 1) is left out
        ({"n": 2, "momentum": 1.0}, 1.0, 4.0),
        ({"n": 2, "momentum": 1.0, "unbiased": False}, 1.0, 2.0),
        ({"n": 2, "momentum": 0.0}, 5.0, 7.0),
    ]
    for options, expected_mean, expected_var in cases:
        running = np.full((2, 2), 9.0)
        running_mean, running_var = running[:1, 0], running[1:, 0]  # strided views
        running_mean[...], running_var[...] = 5.0, 7.0
        module.update_running(running_mean, running_var, mean, var, **options)
        np.testing.assert_array_equal(running, [[expected_mean, 9.0], [expected_var, 9.0]])
    # Momentum 1 means "the last batch", whatever was there before.
    broken = np.array([np.nan])
    module.update_running(broken, broken.copy(), mean, var, n=2, momentum=1.0)
    np.testing.assert_array_equal(broken, mean)


def test_refuses_what_would_read_out_of_bounds() -> None:
    x = np.zeros((4, 3, 2), np.float32)
    three, four = np.zeros(3, np.float32), np.zeros(4, np.float32)
    wide = np.zeros(3)
    with pytest.raises(ShapeError, match=r"gamma must have shape \(3,\), got \(4,\)"):
        cpu.forward_train(x, four, three, eps=EPS)
    with pytest.raises(ShapeError, match=r"beta must have shape \(3,\), got \(4,\)"):
        cpu.forward_train(x, three, four, eps=EPS)
    with pytest.raises(ShapeError, match=r"var must have shape \(3,\), got \(4,\)"):
        cpu.forward_eval(x, wide, np.zeros(4), three, three, eps=EPS)
    with pytest.raises(ShapeError, match=r"mean must have shape \(3,\), got \(3, 1\)"):
        cpu.backward_train(x, x, wide[:, None], wide, three)
    with pytest.raises(ShapeError, match=r"dy must have the shape of x"):
        cpu.backward_train(x[:2], x, wide, wide, three)
    with pytest.raises(ShapeError, match=r"x must have shape \(N, C, \*S\), got \(3,\)"):
        cpu.backward_eval(three, three, wide, wide, None, eps=EPS)
    with pytest.raises(DTypeError, match="x must be float32 or float64, got float16"):
        cpu.statistics(x.astype(np.float16))
    with pytest.raises(DTypeError, match="gamma must have the dtype of x, float32, got float64"):
        cpu.forward_train(x, wide, three, eps=EPS)
    with pytest.raises(DTypeError, match="dy must have the dtype of x"):
        cpu.backward_train(x.astype(np.float64), x, wide, wide, three)
    with pytest.raises(DTypeError, match="x must be float32 or float64"):
        cpu.statistics(x.astype(">f4"))
    with pytest.raises(ShapeError, match="must all have shape"):
        cpu.update_running(wide, wide, wide, np.zeros(4), n=2, momentum=0.1)
    with pytest.raises(DTypeError, match="running_mean must be float32 or float64, got int64"):
        cpu.update_running(np.zeros(3, int), wide, wide, wide, n=2, momentum=0.1)


@given(outer=st.integers(1, 2000), inner=st.integers(1, 200_000), channels=st.integers(1, 3000))
def test_groups_and_parts_cover_everything_once(outer: int, inner: int, channels: int) -> None:
    parts = batch_norm_parts.parts_of(outer, inner)
    size, row_parts, segments, segment_size = parts
    shape = (outer, channels, inner)
    covered = 0
    rows = set()
    for part in range(row_parts * segments):
        first, last, start, stop = batch_norm_parts.bounds_of(part, shape, parts)
        assert 0 <= first < last <= outer
        assert 0 <= start < stop <= inner
        rows.add((first, last, start))
        covered += (last - first) * (stop - start)
    assert covered == outer * inner
    assert len(rows) == row_parts * segments
    assert segments == 1 or segment_size % simd.LANES == 0
    members = [
        c
        for group in range(-(-channels // size))
        for c in range(*batch_norm_parts.channels_of(group, shape, parts))
    ]
    assert members == list(range(channels))


@given(rows=st.integers(1, 10**6), channels=st.integers(1, 5000))
def test_blocks_cover_the_rows_once(rows: int, channels: int) -> None:
    blocks, block_rows, tiles, strip_rows = batch_norm_blocks.blocks_of(rows, channels)
    assert (blocks - 1) * block_rows < rows <= blocks * block_rows
    assert blocks <= 64
    assert tiles * 1024 >= channels > (tiles - 1) * 1024
    assert strip_rows >= 1
