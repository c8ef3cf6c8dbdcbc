"""What the compiler refuses of explicit vectors, and the checks that can be compiled in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from minigrad.kernels.cpu import jit
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fma,
    load,
    load_head,
    maximum,
    prefetch,
    splat,
    store,
    store_head,
    stream,
    sum_lanes,
    truncate,
)

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="NUMBA_DISABLE_JIT=1: nothing is compiled")

SINGLE = np.ones(LANES, np.float32)
DOUBLE = np.ones(LANES, np.float64)
INTEGERS = np.ones(LANES, np.int64)
MATRIX = np.ones((LANES, LANES), np.float32)
STRIDED = np.ones(2 * LANES, np.float32)[::2]
READ_ONLY = np.ones(LANES, np.float32)
READ_ONLY.flags.writeable = False


def _store(a: Any, b: Any, offset: Any) -> None:
    store(b, offset, load(a, 0))


def _store_head(a: Any, b: Any, offset: Any) -> None:
    store_head(b, offset, load(a, 0), 1)


def _store_head_of(a: Any, n: Any) -> None:
    store_head(a, 0, load(a, 0), n)


def _stream(a: Any, b: Any, offset: Any) -> None:
    stream(b, offset, load(a, 0))


def _load(a: Any, offset: Any) -> None:
    sum_lanes(load(a, offset))


def _load_head(a: Any, offset: Any, n: Any) -> Any:
    return sum_lanes(load_head(a, offset, n, 0.0))


def _prefetch(a: Any, offset: Any) -> None:
    prefetch(a, offset)


def _splat(scalar: Any) -> None:
    sum_lanes(splat(scalar))


def _fma(a: Any, b: Any) -> None:
    sum_lanes(fma(load(a, 0), load(a, 0), load(b, 0)))


def _fma_of_scalars(a: Any) -> None:
    fma(a[0], a[0], a[0])


def _maximum(a: Any, b: Any) -> None:
    sum_lanes(maximum(load(a, 0), load(b, 0)))


def _maximum_of_scalars(a: Any) -> None:
    maximum(a[0], a[0])


def _extend_scalar(a: Any) -> None:
    extend(a[0])


def _truncate(a: Any, like: Any) -> None:
    sum_lanes(truncate(load(a, 0), like))


def _sum_scalar(a: Any) -> None:
    sum_lanes(a[0])


def _add(a: Any, b: Any) -> None:
    sum_lanes(load(a, 0) + load(b, 0))


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (_load, (SINGLE, 0), (INTEGERS, 0)),
        (_load, (SINGLE, 0), (MATRIX, 0)),
        (_load, (SINGLE, 0), (STRIDED, 0)),
        (_load, (SINGLE, 0), (SINGLE, 0.0)),
        (_load_head, (SINGLE, 0, 1), (INTEGERS, 0, 1)),
        (_load_head, (SINGLE, 0, 1), (SINGLE, 0, 1.0)),
        (_store, (SINGLE, SINGLE, 0), (SINGLE, DOUBLE, 0)),
        (_store, (SINGLE, SINGLE, 0), (SINGLE, READ_ONLY, 0)),
        (_store, (SINGLE, SINGLE, 0), (SINGLE, SINGLE, 0.0)),
        (_store_head, (SINGLE, SINGLE, 0), (SINGLE, DOUBLE, 0)),
        (_store_head, (SINGLE, SINGLE, 0), (SINGLE, READ_ONLY, 0)),
        (_store_head_of, (SINGLE, 1), (SINGLE, 1.0)),
        (_stream, None, (SINGLE, DOUBLE, 0)),  # alone it wants an aligned address
        (_stream, None, (SINGLE, READ_ONLY, 0)),
        (_stream, None, (SINGLE, SINGLE, 0.0)),
        (_prefetch, (SINGLE, 0), (MATRIX, 0)),
        (_prefetch, (SINGLE, 0), (SINGLE, 0.0)),
        (_splat, (np.float32(1),), (1,)),
        (_fma, (SINGLE, SINGLE), (SINGLE, DOUBLE)),
        (_fma_of_scalars, None, (SINGLE,)),
        (_maximum, (DOUBLE, DOUBLE), (SINGLE, DOUBLE)),
        (_maximum_of_scalars, None, (SINGLE,)),
        (_extend_scalar, None, (SINGLE,)),
        (_truncate, (DOUBLE, SINGLE), (SINGLE, SINGLE)),
        (_truncate, (DOUBLE, SINGLE), (DOUBLE, INTEGERS)),
        (_sum_scalar, None, (SINGLE,)),
        (_add, (SINGLE, SINGLE), (SINGLE, DOUBLE)),
    ],
)
def test_wrong_types_are_refused(
    function: Callable[..., Any], right: tuple[Any, ...] | None, wrong: tuple[Any, ...]
) -> None:
    """Never reinterpreted: that would read or write other memory than what was meant."""
    compiled = numba.njit(function)
    with pytest.raises(numba.core.errors.TypingError):
        compiled(*wrong)
    if right is not None:
        compiled(*right)


@pytest.mark.parametrize(("offset", "n"), [(LANES - 2, 3), (-1, 2), (2, -1)])
def test_bounds_are_checked_where_that_is_asked_for(offset: int, n: int) -> None:
    checked = numba.njit(boundscheck=True)(_load_head)
    assert checked(SINGLE, LANES - 3, 3) == 3.0
    with pytest.raises(IndexError, match="vector access out of bounds"):
        checked(SINGLE, offset, n)
