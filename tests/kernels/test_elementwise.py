"""Elementwise functions on the CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minigrad.errors import DTypeError
from minigrad.kernels.cpu import elementwise as cpu
from minigrad.kernels.cpu import threads
from minigrad.kernels.reference import elementwise as reference
from tests.kernels.layouts import LAYOUTS, WITHOUT_GAPS

# erf in float32 is the C library's: right to about a unit in the last place, more near 0.
TOLERANCE = {np.float32: 4 * 2.0**-24, np.float64: 4 * 2.0**-53}


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_of_known_values(module: Any, dtype: Any) -> None:
    x = np.array([0.0, -0.0, 0.5, -1.0, 3.0, np.inf, -np.inf, np.nan], dtype)
    y = module.erf(x)
    assert y.dtype == dtype
    expected = [math.erf(float(value)) for value in x]
    np.testing.assert_allclose(y, expected, rtol=TOLERANCE[dtype])
    assert np.signbit(y[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_erf_in_any_memory_order(dtype: Any, layout: str, rng: np.random.Generator) -> None:
    x = LAYOUTS[layout](rng.standard_normal((3, 4, 5)).astype(dtype))
    x.flags.writeable = False
    y = cpu.erf(x)
    np.testing.assert_allclose(y, reference.erf(x), rtol=TOLERANCE[dtype])
    assert y.strides == np.empty_like(x).strides
    assert layout not in WITHOUT_GAPS or y.strides == x.strides


@pytest.mark.parametrize("shape", [(), (0,), (1, 1, 1)], ids=str)
def test_erf_of_small_shapes(shape: tuple[int, ...]) -> None:
    y = cpu.erf(np.full(shape, 0.5))
    assert y.shape == shape
    np.testing.assert_array_equal(y, math.erf(0.5))


def test_erf_bits_do_not_depend_on_threads(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads.get_num_threads() < 2:
        pytest.skip("one thread only")
    x = rng.standard_normal(1001)
    serial = cpu.erf(x)
    monkeypatch.setattr(cpu, "PARALLEL_MIN_SIZE", 0)
    np.testing.assert_array_equal(cpu.erf(x), serial)


def test_erf_refuses_other_dtypes() -> None:
    for dtype in (np.int64, np.float16, np.complex128, ">f4"):
        with pytest.raises(DTypeError, match="x must be float32 or float64, got"):
            cpu.erf(np.zeros(3, dtype))
