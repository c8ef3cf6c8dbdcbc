"""Arrays of one content in many memory orders, and comparison of results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.typing import Array

Layout = Callable[[Array], Array]

# Units of the last place of the largest value. Sums are in float64, so float32 results carry the
# rounding of a few operations; in float64 the sums themselves round, by up to one unit per value.
ULPS = {np.dtype(np.float32): 8, np.dtype(np.float64): 512}


def assert_close(actual: Array | None, expected: Array | None) -> None:
    """Compare a kernel's result with the reference's, in the dtype of the kernel's."""
    if expected is None:
        assert actual is None
        return
    assert actual is not None
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    unit = np.finfo(actual.dtype).eps * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=ULPS[actual.dtype] * unit)


def channels_last(x: Array) -> Array:
    """Channels adjacent in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def permuted(x: Array) -> Array:
    """Axes in a rotated order in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)


def sliced(x: Array) -> Array:
    """Every second element of a larger array, which holds NaN between."""
    larger = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)
    larger[..., ::2] = x
    return larger[..., ::2]


def reversed_channels(x: Array) -> Array:
    """Negative stride of axis 1."""
    return x[:, ::-1].copy()[:, ::-1]


def unaligned(x: Array) -> Array:
    """At an address that is not a multiple of the item size."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    result = memory[1:].view(x.dtype).reshape(x.shape)
    result[...] = x
    return result


WITHOUT_GAPS: dict[str, Layout] = {
    "c": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "channels_last": channels_last,
    "permuted": permuted,
}
LAYOUTS: dict[str, Layout] = {
    **WITHOUT_GAPS,
    "sliced": sliced,
    "reversed": reversed_channels,
    "unaligned": unaligned,
}
