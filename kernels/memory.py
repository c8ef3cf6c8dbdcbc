"""Memory for the outputs of kernels: large blocks are kept and used again.

Most of the cost of a large new array is not the work on it but the page faults of its first
touch: the operating system clears each page. A training step makes arrays of the same sizes again
and again, so blocks that nobody refers to any more are kept, up to a limit, and handed out again.

A block returns when the last view of it dies. ``MINIGRAD_POOL=0`` in the environment, or
``set_pool_limit(0)``, switches the pool off.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.layout import strides_like
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["MIN_POOLED_BYTES", "empty", "empty_like", "pool_info", "set_pool_limit"]

MIN_POOLED_BYTES = 1 << 18
"""Smaller arrays come from NumPy: the C library keeps small blocks itself, and borrowing
costs half a microsecond more than ``numpy.empty``."""

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
_PAGE = 4096
_BYTES = np.dtype(np.uint8)
_DEFAULT_LIMIT = 1 << 30


class _Memory(NamedTuple):
    """Aligned memory."""

    data: Array  # of bytes
    buffer: Any  # the same bytes, as an object that is no array


def _allocate(size: int) -> _Memory:
    unaligned = np.empty(size + _ALIGNMENT, np.uint8)
    start = -unaligned.ctypes.data % _ALIGNMENT
    data = unaligned[start : start + size]
    return _Memory(data, (ctypes.c_ubyte * size).from_address(data.ctypes.data))


class _Loan(np.ndarray[Any, Any]):
    """Memory on loan to one array: its views refer to this object, and its end ends the loan.

    An array refers to what its base refers to instead of to its base, as long as both are arrays of
    one type: so this is a type of its own, over a buffer that is no array.
    """

    memory: _Memory | None = None  # of the loan itself, not of views of it

    def __del__(self) -> None:
        # While the interpreter shuts down there is nobody left to lend to.
        if self.memory is not None and not sys.is_finalizing():
            _pool.take_back(self.memory)


class _Pool:
    """Free blocks by size, the size that was not used for longest first."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free: OrderedDict[int, list[_Memory]] = OrderedDict()
        self.limit = limit
        self.free_bytes = 0
        self.hits = 0
        self.misses = 0

    def take(self, n_bytes: int) -> _Memory:
        """Return memory for at least ``n_bytes``."""
        size = -(-n_bytes // _PAGE) * _PAGE
        with self._lock:
            blocks = self._free.get(size)
            if blocks:
                self.free_bytes -= size
                self.hits += 1
                return blocks.pop()
            self.misses += 1
        return _allocate(size)

    def take_back(self, memory: _Memory) -> None:
        """Keep memory whose loan ended, unless that exceeds the limit."""
        # The garbage collector may end a loan in this very thread while it holds the lock:
        # then let the memory go instead of waiting for ever.
        if not self._lock.acquire(blocking=False):
            return
        try:
            size = memory.data.nbytes
            if size > self.limit:
                return
            if self.free_bytes + size > self.limit:
                self._shrink(self.limit - size)
            blocks = self._free.get(size)
            if blocks is None:
                self._free[size] = [memory]
            else:
                blocks.append(memory)
                self._free.move_to_end(size)
            self.free_bytes += size
        finally:
            self._lock.release()

    def set_limit(self, limit: int) -> None:
        """Change the limit, and free what exceeds it."""
        with self._lock:
            self.limit = limit
            self._shrink(limit)

    def renew_lock(self) -> None:
        """Make a new lock: after a fork nobody is left to release the old one."""
        self._lock = threading.Lock()

    def _shrink(self, limit: int) -> None:
        """Free the blocks of the sizes that were not used for longest."""
        while self.free_bytes > limit:
            size, blocks = next(iter(self._free.items()))
            if blocks:
                blocks.pop()
                self.free_bytes -= size
            else:
                del self._free[size]


def empty(shape: Shape, dtype: DTypeLike) -> Array:
    """Return a new array, not initialised, in C order.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its dtype.

    Returns
    -------
    ndarray
        On a block of the pool, aligned to 64 bytes, if it has at least ``MIN_POOLED_BYTES``.
    """
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < MIN_POOLED_BYTES or _pool.limit == 0:
        return np.empty(shape, dtype)
    return _borrow(shape, dtype, None, n_bytes)


def empty_like(x: Array) -> Array:
    """Return a new array, not initialised, with the shape, dtype and memory order of ``x``.

    Parameters
    ----------
    x : ndarray
        The model. Its axes may lie in any order in memory; the new array has them in the same
        order, without gaps: the layout of ``numpy.empty_like``.

    Returns
    -------
    ndarray
        On a block of the pool, aligned to 64 bytes, if it has at least ``MIN_POOLED_BYTES``.
    """
    if x.nbytes < MIN_POOLED_BYTES or _pool.limit == 0:
        return np.empty_like(x, subok=False)
    strides = None if x.flags.c_contiguous else strides_like(x)
    return _borrow(x.shape, x.dtype, strides, x.nbytes)


def _borrow(shape: Shape, dtype: np.dtype[Any], strides: Shape | None, n_bytes: int) -> Array:
    """Return an array on memory of the pool."""
    memory = _pool.take(n_bytes)
    loan = _Loan(memory.data.shape, _BYTES, memory.buffer)
    loan.memory = memory
    return np.ndarray(shape, dtype, loan, 0, strides)


def set_pool_limit(n_bytes: int) -> int:
    """Limit the free memory that the pool keeps.

    Parameters
    ----------
    n_bytes : int
        0 switches the pool off and frees what it keeps.

    Returns
    -------
    int
        The limit until now.

    Raises
    ------
    ValueError
        If it is negative.
    """
    if n_bytes < 0:
        raise ValueError(f"the limit of the pool must be >= 0 bytes, got {n_bytes}")
    previous = _pool.limit
    _pool.set_limit(n_bytes)
    return previous


def pool_info() -> dict[str, int]:
    """Tell how the pool is doing.

    Returns
    -------
    dict from str to int
        ``limit_bytes``; ``free_bytes``, kept for later; ``hits`` and ``misses``, how often a large
        array was and was not served from memory kept.
    """
    return {
        "limit_bytes": _pool.limit,
        "free_bytes": _pool.free_bytes,
        "hits": _pool.hits,
        "misses": _pool.misses,
    }


_pool = _Pool(0 if os.environ.get("MINIGRAD_POOL", "1") == "0" else _DEFAULT_LIMIT)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.renew_lock)
