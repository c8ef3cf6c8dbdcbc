"""What the memory can do: a copy, shared among threads as the kernels share their work."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

from minigrad.typing import Array

__all__ = ["make_copy"]

_SERIAL_BYTES = 1 << 17  # below, the copy is done before another thread has started


def _copy_blocks(source: Array, target: Array, blocks: int) -> None:
    size = source.size
    for block in numba.prange(blocks):
        start, stop = block * size // blocks, (block + 1) * size // blocks
        target[start:stop] = source[start:stop]


def make_copy(footprint: int, threads: int) -> Callable[[], None]:
    """Return a function that copies so that ``footprint`` bytes are touched: read or written."""
    source = np.ones(max(footprint // 8, 1), np.float32)
    target = np.zeros_like(source)
    if threads == 1 or footprint < _SERIAL_BYTES:
        return lambda: np.copyto(target, source)
    copy_blocks = numba.njit(parallel=True, nogil=True)(_copy_blocks)
    return lambda: copy_blocks(source, target, threads)
