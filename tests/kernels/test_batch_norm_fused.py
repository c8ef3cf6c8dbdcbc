"""What is fused with batch normalisation, and its pieces for parts of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels.cpu import batch_norm as cpu
from minigrad.kernels.cpu import batch_norm_launch, simd
from minigrad.kernels.reference import batch_norm as reference
from minigrad.kernels.types import GradientSums, Needs
from minigrad.typing import Array, Shape
from tests.kernels.layouts import LAYOUTS, WITHOUT_GAPS, Layout, assert_close

DTYPES = (np.float32, np.float64)
EPS = 1e-3
ALL: Needs = (True, True, True)
SHAPES = [
    (1, 1),
    (9, 5),
    (33, 17),
    (40, 1030),  # more than a tile of channels
    (1100, 3),  # more than a block of rows
    (4, 3, 49),
    (3, 31, 5),
    (5, 3, 2, 3, 4),
    (300, 2, 64),  # more than a part, cut between rows
    (1, 2, 33000),  # more than a part, cut within a row
]


def _draw(seed: int, shape: Shape, dtype: Any) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "x": (3.0 * rng.standard_normal(shape) + 1.5).astype(dtype),
        "dy": (rng.standard_normal(shape) + 0.25).astype(dtype),
        "residual": (rng.standard_normal(shape) - 0.1).astype(dtype),
        "gamma": rng.standard_normal(shape[1]).astype(dtype),
        "beta": rng.standard_normal(shape[1]).astype(dtype),
        "mean": rng.standard_normal(shape[1]),
        "var": rng.uniform(0.1, 2.0, shape[1]),
    }


def _check(
    arrays: dict[str, Array],
    layout: Layout,
    needs: Needs = ALL,
    *,
    residual: bool = True,
    write: bool = True,
    evaluation: bool = False,
) -> list[Array | None]:
    """Compare forward and backward, rectified, with the reference; return what they gave."""
    x, dy = layout(arrays["x"]), layout(arrays["dy"])
    added = arrays["residual"] if residual else None
    gamma, beta, mean, var = (arrays[name] for name in ("gamma", "beta", "mean", "var"))
    mask = cpu.empty_mask(x)
    expected_mask = reference.empty_mask(x)
    if evaluation:
        y = cpu.forward_eval(x, mean, var, gamma, beta, added, eps=EPS, mask=mask)
        expected_y = reference.forward_eval(
            x, mean, var, gamma, beta, added, eps=EPS, mask=expected_mask
        )
    else:
        y, mean, _, inv_std = cpu.forward_train(x, gamma, beta, added, eps=EPS, mask=mask)
        expected_y = reference.forward_train(x, gamma, beta, added, eps=EPS, mask=expected_mask).y
    assert_close(y, expected_y)
    unpacked = cpu.unpack_mask(mask, x)
    np.testing.assert_array_equal(unpacked, y != 0.0, strict=True)
    masked_dy = np.full(x.shape, np.nan, x.dtype) if write else None  # in C order
    if evaluation:
        gradients = cpu.backward_eval(
            dy, x, mean, var, gamma, eps=EPS, needs=needs, mask=mask, masked_dy=masked_dy
        )
        expected = reference.backward_eval(
            dy, x, mean, var, gamma, eps=EPS, needs=needs, mask=unpacked
        )
    else:
        gradients = cpu.backward_train(
            dy, x, mean, inv_std, gamma, needs=needs, mask=mask, masked_dy=masked_dy
        )
        expected = reference.backward_train(dy, x, mean, inv_std, gamma, needs=needs, mask=unpacked)
    for got, want in zip(gradients, expected, strict=True):
        assert_close(got, want)
    if masked_dy is not None:
        np.testing.assert_array_equal(masked_dy, np.where(unpacked, dy, 0.0))
    return [y, *gradients, masked_dy]


@pytest.mark.parametrize("evaluation", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_the_reference(shape: Shape, dtype: Any, evaluation: bool) -> None:
    _check(_draw(0, shape, dtype), np.ascontiguousarray, evaluation=evaluation)


@pytest.mark.parametrize("evaluation", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(9, 5), (3, 4, 5, 6), (2, 18, 3, 1)], ids=str)
def test_any_memory_order(shape: Shape, layout: str, evaluation: bool) -> None:
    """Of x and dy: the residual and its gradient are in C order all the same."""
    _check(_draw(1, shape, np.float32), LAYOUTS[layout], evaluation=evaluation)


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    residual=st.booleans(),
    write=st.booleans(),
    evaluation=st.booleans(),
    needs=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_configurations(
    shape: Shape,
    dtype: Any,
    layout: str,
    residual: bool,
    write: bool,
    evaluation: bool,
    needs: Needs,
    seed: int,
) -> None:
    arrays = _draw(seed, shape, dtype)
    _check(arrays, LAYOUTS[layout], needs, residual=residual, write=write, evaluation=evaluation)


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("shape", [(9, 5), (3, 4, 7)], ids=str)
def test_residual_without_rectification(module: Any, shape: Shape) -> None:
    arrays = _draw(2, shape, np.float64)
    x, residual, gamma, beta, mean, var = (
        arrays[name] for name in ("x", "residual", "gamma", "beta", "mean", "var")
    )
    plain = module.forward_train(x, gamma, beta, eps=EPS).y
    assert_close(module.forward_train(x, gamma, beta, residual, eps=EPS).y, plain + residual)
    plain = module.forward_eval(x, mean, var, gamma, beta, eps=EPS)
    added = module.forward_eval(x, mean, var, gamma, beta, residual, eps=EPS)
    assert_close(added, plain + residual)


@pytest.mark.parametrize("layout", WITHOUT_GAPS)
def test_what_is_fused_changes_no_bit_of_the_rest(layout: str) -> None:
    """Rectified or not: the same statistics, the same values where they are positive."""
    arrays = _draw(3, (6, 5, 7, 3), np.float32)
    x = WITHOUT_GAPS[layout](arrays["x"])
    plain = cpu.forward_train(x, arrays["gamma"], arrays["beta"], eps=EPS)
    fused = cpu.forward_train(x, arrays["gamma"], arrays["beta"], eps=EPS, mask=cpu.empty_mask(x))
    np.testing.assert_array_equal(fused.y, np.maximum(plain.y, 0.0), strict=True)
    for got, want in zip(fused[1:], plain[1:], strict=True):
        np.testing.assert_array_equal(got, want)
    added = cpu.forward_train(
        x,
        arrays["gamma"],
        arrays["beta"],
        arrays["residual"],
        eps=EPS,
        mask=cpu.empty_mask(x),
    )
    expected = np.maximum(plain.y + arrays["residual"], 0.0)
    np.testing.assert_array_equal(added.y, expected)


@pytest.mark.parametrize("layout", ["c", "channels_last"])
def test_the_parallel_kernels_give_the_bits_of_the_serial_ones(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (32, 24, 30, 30)
    assert np.prod(shape) >= batch_norm_launch.PARALLEL_MIN_SIZE
    arrays = _draw(4, shape, np.float32)
    results = []
    for count in (1, 2):
        monkeypatch.setattr(batch_norm_launch, "get_num_threads", lambda count=count: count)
        results.append(_check(arrays, WITHOUT_GAPS[layout]))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 37)], ids=str)
def test_sharing_out_parts_gives_the_bits_of_sharing_out_groups(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = _draw(5, shape, np.float32)
    results = []
    for by_part in (False, True):
        monkeypatch.setattr(batch_norm_launch, "_by_part", lambda *_, answer=by_part: answer)
        results.append(_check(arrays, np.ascontiguousarray))
    for by_group, by_part_too in zip(*results, strict=True):
        np.testing.assert_array_equal(by_group, by_part_too, strict=True)


@pytest.mark.parametrize("shape", [(40, 21), (6, 3, 37)], ids=str)
def test_nan_is_not_rectified_away(shape: Shape) -> None:
    arrays = _draw(6, shape, np.float32)
    x, dy = arrays["x"], arrays["dy"]
    arrays["residual"][2, 1] = np.nan
    mask = cpu.empty_mask(x)
    result = cpu.forward_train(x, None, None, arrays["residual"], eps=EPS, mask=mask)
    assert np.isnan(result.y[2, 1]).all()
    assert np.isfinite(np.delete(result.y, 1, axis=1)).all()
    assert cpu.unpack_mask(mask, x)[2, 1].all()
    # An upstream gradient that is not finite has no part where the result was 0.
    blocked = ~cpu.unpack_mask(mask, x)
    dy = np.where(blocked, np.nan, dy).astype(np.float32)
    gradients = cpu.backward_train(dy, x, result.mean, result.inv_std, None, mask=mask)
    assert gradients.dx is not None
    assert np.isfinite(gradients.dx).all()


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (4, 3, 0), (2, 0, 4)], ids=str)
def test_empty_batch(module: Any, shape: Shape) -> None:
    x = np.empty(shape, np.float32)
    mask = module.empty_mask(x)
    result = module.forward_train(x, None, None, x, eps=EPS, mask=mask)
    assert result.y.shape == shape
    assert module.unpack_mask(mask, x).shape == shape
    written = np.empty_like(x)
    gradients = module.backward_train(
        x, x, result.mean, result.inv_std, None, mask=mask, masked_dy=written
    )
    np.testing.assert_array_equal(gradients.dgamma, np.zeros(shape[1], np.float32))


def test_a_mask_is_one_bit_a_value() -> None:
    """Vectors end with planes and rows, so that it may be a little more."""
    for shape in ((64, 16, 32, 32), (128, 256)):
        x = np.empty(shape, np.float32)
        assert cpu.empty_mask(x).nbytes * 8 == x.size * max(1, 8 // simd.LANES)
    x = np.empty((2, 3, 5), np.float32)
    assert cpu.empty_mask(x).size == 6


def test_refuses_what_would_read_out_of_bounds() -> None:
    x = np.zeros((4, 3, 2), np.float32)
    statistics = np.zeros(3), np.ones(3)
    mask = cpu.empty_mask(x)
    with pytest.raises(ShapeError, match=r"residual must have the shape of x, \(4, 3, 2\), got"):
        cpu.forward_train(x, None, None, x[:2], eps=EPS)
    with pytest.raises(DTypeError, match="residual must have the dtype of x, float32, got float64"):
        cpu.forward_eval(x, *statistics, None, None, x.astype(np.float64), eps=EPS)
    with pytest.raises(ShapeError, match=r"mask must be what empty_mask\(x\) returns"):
        cpu.forward_train(x, None, None, eps=EPS, mask=mask[:-1])
    with pytest.raises(ShapeError, match=r"mask must be what empty_mask\(x\) returns"):
        cpu.backward_eval(x, x, *statistics, None, eps=EPS, mask=np.ones(x.shape, np.bool_))
    with pytest.raises(ShapeError, match="masked_dy must have the shape of x"):
        cpu.backward_train(x, x, *statistics, None, mask=mask, masked_dy=x[0])
    with pytest.raises(ValueError, match="masked_dy needs a mask"):
        cpu.backward_train(x, x, *statistics, None, masked_dy=np.empty_like(x))
    with pytest.raises(ValueError, match=r"n must count the values .* 8 of which .* got 7"):
        cpu.gradient_from_sums(x, x, *statistics, None, GradientSums(*statistics), n=7)
    with pytest.raises(ShapeError, match=r"sums.dy must have shape \(3,\)"):
        cpu.gradient_from_sums(x, x, *statistics, None, GradientSums(np.zeros(2), np.zeros(3)), n=8)


# --------------------------------------------------------------------------- parts of a batch


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("layout", ["c", "channels_last", "sliced"])
@pytest.mark.parametrize("sizes", [(8,), (3, 5), (1, 0, 7)], ids=str)
def test_parts_of_a_batch_have_the_gradients_of_the_whole(
    module: Any, layout: str, sizes: tuple[int, ...]
) -> None:
    """Uneven parts and empty ones: sums are added over parts, n is that of the whole."""
    arrays = _draw(7, (8, 3, 2, 5), np.float32)
    x, dy, gamma, beta = (arrays[name] for name in ("x", "dy", "gamma", "beta"))
    whole = reference.forward_train(x, gamma, beta, eps=EPS)
    expected = reference.backward_train(dy, x, whole.mean, whole.inv_std, gamma)
    cuts = np.cumsum(sizes)[:-1]
    parts = [
        (LAYOUTS[layout](part_dy), LAYOUTS[layout](part_x))
        for part_dy, part_x in zip(np.split(dy, cuts), np.split(x, cuts), strict=True)
    ]
    sums = [module.gradient_sums(*part, whole.mean, whole.inv_std) for part in parts]
    total = GradientSums(*(sum(values) for values in zip(*sums, strict=True)))
    dx = [
        module.gradient_from_sums(*part, whole.mean, whole.inv_std, gamma, total, n=x.size // 3)
        for part in parts
    ]
    assert total.dy.dtype == np.float64
    assert_close(np.concatenate(dx), expected.dx)
    assert_close(total.dy_x_hat.astype(np.float32), expected.dgamma)
    assert_close(total.dy.astype(np.float32), expected.dbeta)
