"""What the memory can do: a copy, shared among threads as the kernels share their work."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numba
import numpy as np

from minigrad.typing import Array

__all__ = ["make_copies"]

_SERIAL_BYTES = 1 << 17  # below, the copy is done before another thread has started
_PARALLEL_BYTES = 1 << 22  # above, more threads are faster, however long they take to start


def _copy_blocks(source: Array, target: Array, blocks: int) -> None:
    size = source.size
    for block in numba.prange(blocks):
        start, stop = block * size // blocks, (block + 1) * size // blocks
        target[start:stop] = source[start:stop]


@cache
def _parallel_copy() -> Callable[[Array, Array, int], None]:
    compiled: Callable[[Array, Array, int], None]
    compiled = numba.njit(parallel=True, nogil=True)(_copy_blocks)
    return compiled


def make_copies(footprint: int, threads: int) -> dict[str, Callable[[], None]]:
    """Return functions that copy so that ``footprint`` bytes are touched: read or written.

    Parameters
    ----------
    footprint : int
    threads : int

    Returns
    -------
    dict of str to callable
        By the number of threads; both where it is open which of them is faster.
    """
    source = np.ones(max(footprint // 8, 1), np.float32)
    target = np.zeros_like(source)
    copies: dict[str, Callable[[], None]] = {}
    if threads == 1 or footprint < _PARALLEL_BYTES:
        copies["copy, 1 thread"] = lambda: np.copyto(target, source)
    if threads > 1 and footprint >= _SERIAL_BYTES:
        copy_blocks = _parallel_copy()
        copies[f"copy, {threads} threads"] = lambda: copy_blocks(source, target, threads)
    return copies
