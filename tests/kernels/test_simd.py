"""Explicit vectors: what each function does, in every lane, and nothing beyond."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from minigrad.kernels.cpu import simd_numpy
from minigrad.kernels.cpu.jit import helper
from minigrad.kernels.cpu.simd import (
    LANE_BITS,
    LANES,
    VECTOR_BITS,
    extend,
    fence,
    fma,
    keep,
    load,
    load_head,
    maximum,
    nonzero,
    prefetch,
    splat,
    sqrt,
    store,
    store_head,
    stream,
    sum_lanes,
    truncate,
)
from minigrad.kernels.cpu.vector_width import vector_bits
from minigrad.typing import Array

DTYPES = (np.float32, np.float64)
CANARY = 777.0


@helper
def _arithmetic(a: Array, b: Array, out: Array) -> None:
    x, y = load(a, 0), load(b, 0)
    store(out, 0, x + y)
    store(out, LANES, x - y)
    store(out, 2 * LANES, x * y)
    store(out, 3 * LANES, x / y)
    store(out, 4 * LANES, sqrt(x))
    store(out, 5 * LANES, maximum(x, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_lane_by_lane(dtype: Any, rng: np.random.Generator) -> None:
    a, b = rng.uniform(0.5, 2.0, (2, LANES)).astype(dtype)
    b[:4] = [np.nan, np.inf, 0.0, -0.0]
    a[3] = np.nan
    out = np.empty(6 * LANES, dtype)
    with np.errstate(divide="ignore"):
        _arithmetic(a, b, out)
        expected = [a + b, a - b, a * b, a / b, np.sqrt(a), np.maximum(a, b)]
    np.testing.assert_array_equal(out, np.concatenate(expected), strict=True)


@helper
def _fused(a: Array, b: Array, c: Array, out: Array) -> None:
    store(out, 0, fma(load(a, 0), load(b, 0), load(c, 0)))
    store(out, LANES, load(a, 0) * load(b, 0) + load(c, 0))


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, 12), (np.float64, 27)])
def test_fma_rounds_once_and_nothing_else_is_fused(dtype: Any, bits: int) -> None:
    if dtype is np.float64 and np.finfo(np.longdouble).nmant < 60:
        pytest.skip("no wider float for the stand-in")
    # (1 + h)^2 = 1 + 2h + h^2, and h^2 is lost when the product is rounded.
    h = 2.0**-bits
    a = np.full(LANES, 1.0 + h, dtype)
    c = np.full(LANES, -1.0 - 2.0 * h, dtype)
    out = np.empty(2 * LANES, dtype)
    _fused(a, a, c, out)
    np.testing.assert_array_equal(out[:LANES], h * h)
    np.testing.assert_array_equal(out[LANES:], 0.0)


@helper
def _there_and_back(a: Array, big: Array, out: Array) -> None:
    store(out, 0, (load(a, 0) + load(big, 0)) - load(big, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_not_reordered(dtype: Any) -> None:
    a = np.ones(LANES, dtype)
    big = np.full(LANES, 2.0 / np.finfo(dtype).eps * 2.0, dtype)
    out = np.empty(LANES, dtype)
    _there_and_back(a, big, out)
    np.testing.assert_array_equal(out, 0.0)  # fast-math would give 1


@helper
def _bits(source: Array, bits: Array, other: Array, out: Array) -> None:
    bits[0] = nonzero(load(source, 0))
    store(out, 0, keep(load(other, 0), bits[0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_of_lanes(dtype: Any, rng: np.random.Generator) -> None:
    for _ in range(20):
        source = rng.choice([0.0, -0.0, 1.0, -1e-30, np.nan, np.inf], LANES).astype(dtype)
        other = rng.choice([np.nan, np.inf, 2.0, -3.0], LANES).astype(dtype)
        bits, out = np.zeros(1, LANE_BITS), np.empty(LANES, dtype)
        _bits(source, bits, other, out)
        assert int(bits[0]) == sum(1 << lane for lane in range(LANES) if source[lane] != 0.0)
        np.testing.assert_array_equal(out, np.where(source != 0.0, other, 0.0))


@helper
def _heads(source: Array, target: Array, offset: int, n: int, fill: float) -> None:
    lanes = load_head(source, offset, n, fill)
    store_head(target, offset, lanes, n)
    store(target, target.size - LANES, lanes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_heads_touch_nothing_else(dtype: Any, offset: int) -> None:
    for n in range(LANES + 1):
        source = np.full(offset + n, np.nan, dtype)  # ends where the head ends
        source[offset:] = np.arange(n)
        target = np.full(offset + 3 * LANES, CANARY, dtype)
        _heads(source, target, offset, n, dtype(-5.0))
        assert (target[:offset] == CANARY).all()
        np.testing.assert_array_equal(target[offset : offset + n], np.arange(n))
        assert (target[offset + n : -LANES] == CANARY).all()
        lanes = target[-LANES:]
        np.testing.assert_array_equal(lanes[:n], np.arange(n))
        np.testing.assert_array_equal(lanes[n:], -5.0)


@helper
def _copy(source: Array, target: Array, offset: int) -> None:
    store(target, offset, load(source, offset))


@pytest.mark.parametrize("dtype", DTYPES)
def test_store_writes_all_lanes_and_no_more(dtype: Any) -> None:
    source = np.arange(3 * LANES).astype(dtype)
    for offset in range(2 * LANES + 1):
        target = np.full(3 * LANES, CANARY, dtype)
        _copy(source, target, offset)
        expected = np.full(3 * LANES, CANARY, dtype)
        expected[offset : offset + LANES] = source[offset : offset + LANES]
        np.testing.assert_array_equal(target, expected)


@helper
def _stream(source: Array, target: Array, offset: int) -> None:
    prefetch(source, offset + 10_000_000)  # far outside: it is only a request
    prefetch(source, -10_000_000)
    stream(target, offset, load(source, offset))
    fence()


@pytest.mark.parametrize("dtype", DTYPES)
def test_stream_writes_all_lanes_and_no_more(dtype: Any) -> None:
    source = np.arange(3 * LANES).astype(dtype)
    memory = np.full(4 * LANES + 64, CANARY, dtype)
    start = -memory.ctypes.data % 64 // memory.itemsize
    target = memory[start : start + 3 * LANES]
    _stream(source, target, LANES)
    expected = np.full(3 * LANES, CANARY, dtype)
    expected[LANES : 2 * LANES] = source[LANES : 2 * LANES]
    np.testing.assert_array_equal(target, expected)


@helper
def _convert(a: Array, wide: Array, narrow: Array) -> None:
    store(wide, 0, extend(load(a, 0)))
    store(narrow, 0, truncate(load(wide, LANES), narrow))


@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions(dtype: Any, rng: np.random.Generator) -> None:
    a = rng.standard_normal(LANES).astype(dtype)
    wide = rng.standard_normal(2 * LANES)
    narrow = np.empty(LANES, dtype)
    _convert(a, wide, narrow)
    np.testing.assert_array_equal(wide[:LANES], a.astype(np.float64))
    np.testing.assert_array_equal(narrow, wide[LANES:].astype(dtype))


@helper
def _sum(a: Array) -> float:
    return sum_lanes(load(a, 0))  # type: ignore[no-any-return]  # vectors have no types


@pytest.mark.parametrize("dtype", DTYPES)
def test_sum_adds_halves(dtype: Any, rng: np.random.Generator) -> None:
    for _ in range(20):  # in another order one of them comes out differently
        a = (rng.standard_normal(LANES) * 10.0 ** rng.integers(0, 6, LANES)).astype(dtype)
        expected = a
        while expected.size > 1:
            half = expected.size // 2
            expected = expected[:half] + expected[half:]
        assert _sum(a) == expected[0]


@helper
def _fill(out: Array, value: float) -> None:
    store(out, 0, splat(out.dtype.type(value)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_splat(dtype: Any) -> None:
    out = np.empty(LANES, dtype)
    _fill(out, 0.1)
    np.testing.assert_array_equal(out, dtype(0.1))


def test_stand_ins_refuse_what_machine_code_must_not_do() -> None:
    memory = np.zeros(4 * LANES + 16, np.float32)
    start = -memory.ctypes.data % 64 // memory.itemsize
    aligned = memory[start : start + 2 * LANES + 1]
    lanes = np.ones(LANES, np.float32)
    with pytest.raises(IndexError, match=f"{LANES} elements at {LANES + 2} of an array of"):
        simd_numpy.load(aligned, LANES + 2)
    with pytest.raises(IndexError, match="2 elements at -1 of an array of"):
        simd_numpy.store_head(aligned, -1, lanes, 2)
    with pytest.raises(ValueError, match="element 1 is not aligned"):
        simd_numpy.stream(aligned, 1, lanes)
    assert not memory.any()
    simd_numpy.stream(aligned, 0, lanes)
    assert memory.sum() == LANES


def test_width() -> None:
    assert LANES * 32 == VECTOR_BITS
    assert vector_bits({}) == 128  # SSE2, NEON
    assert vector_bits({"avx2": True}) == 256
    assert vector_bits({"avx2": True, "avx512f": True}) == 512
    assert vector_bits({"avx512f": True}, "128") == 128
    with pytest.raises(ValueError, match="must be one of 128, 256, 512, got '100'"):
        vector_bits({}, "100")


# In a process of its own: the width and the checks are chosen when the modules are loaded.
_OTHER_WIDTH = """
import numpy as np
from minigrad.kernels.cpu import batch_norm_channel, simd
from minigrad.kernels.cpu.jit import helper

@helper
def head(a, offset, n):
    return simd.sum_lanes(simd.load_head(a, offset, n, 0.0))

assert simd.LANES == 4, simd.LANES
a = np.arange(10.0)
assert head(a, 7, 3) == 24.0
for offset, n in ((8, 3), (-1, 2), (2, -1)):
    try:
        head(a, offset, n)
    except IndexError:
        pass
    else:
        raise AssertionError(f"{n} elements at {offset} were read")
"""


def test_other_width_and_bounds_check() -> None:
    environment = {**os.environ, "MINIGRAD_VECTOR_BITS": "128", "NUMBA_BOUNDSCHECK": "1"}
    environment["MINIGRAD_QUIET"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_WIDTH],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
