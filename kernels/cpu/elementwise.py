"""Elementwise functions on the CPU, where NumPy has none or is slow.

What each function computes is said in :mod:`minigrad.kernels.reference.elementwise`.
"""

from __future__ import annotations

import math

from numba import prange

from minigrad.errors import DTypeError
from minigrad.kernels import memory
from minigrad.kernels.cpu.jit import jit, parallel_jit
from minigrad.kernels.cpu.threads import get_num_threads
from minigrad.typing import Array

__all__ = ["erf"]

PARALLEL_MIN_SIZE = 1 << 13
"""Smaller arrays are done before other threads have started."""


def _erf(x: Array, y: Array) -> None:
    """Write ``y = erf(x)``. Contract: flat arrays of one dtype and size; one read, one write."""
    for i in prange(x.size):
        y[i] = math.erf(x[i])


erf_serial = jit(_erf)
erf_parallel = parallel_jit(_erf)


def erf(x: Array) -> Array:
    """Error function of each element.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
        Argument.

    Returns
    -------
    ndarray
        Shape, dtype and memory order of ``x``.

    Raises
    ------
    DTypeError
        If ``x`` is neither float32 nor float64.
    """
    if x.dtype.char not in "fd" or not x.dtype.isnative:
        raise DTypeError(f"x must be float32 or float64, got {x.dtype}: convert it first")
    y = memory.empty_like(x)
    if not x.flags.behaved:
        x = x.copy(order="K")  # Numba would compile anew for read-only or unaligned arrays
    threaded = x.size >= PARALLEL_MIN_SIZE and get_num_threads() > 1
    (erf_parallel if threaded else erf_serial)(x.ravel("K"), y.ravel("K"))
    return y
