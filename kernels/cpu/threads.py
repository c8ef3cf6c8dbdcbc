"""Threads of the kernels and of NumPy's matrix products."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np

from minigrad.kernels.cpu.jit import DISABLED

__all__ = [
    "available_threads",
    "blas_threads_settable",
    "get_num_threads",
    "set_num_threads",
    "threading_layer",
]

_BLAS_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def available_threads() -> int:
    """Return the largest number of threads that can be set.

    Returns
    -------
    int
        The CPUs this process may use, or ``NUMBA_NUM_THREADS``.
    """
    return int(numba.config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """Return the number of threads that parallel kernels use when called from this thread.

    Returns
    -------
    int
        1 under ``NUMBA_DISABLE_JIT=1``.
    """
    return 1 if DISABLED else int(numba.get_num_threads())


def set_num_threads(n: int | np.integer[Any]) -> None:
    """Set the threads of parallel kernels and, where it can be set, of NumPy's OpenBLAS.

    The results of kernels do not depend on it. Those of NumPy's matrix products may, in the last
    bits.

    Parameters
    ----------
    n : int
        1 to :func:`available_threads`.

    Raises
    ------
    ValueError
        If ``n`` is not such an integer.
    """
    most = available_threads()
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= most:
        raise ValueError(f"the number of threads must be an integer from 1 to {most}, got {n!r}")
    numba.set_num_threads(int(n))
    setter = _blas_setter()
    if setter is not None:
        setter(int(n))


def blas_threads_settable() -> bool:
    """Tell whether NumPy's matrix products follow :func:`set_num_threads`.

    Returns
    -------
    bool
        False when NumPy's BLAS is not an OpenBLAS that came with it, as for Accelerate or MKL.
    """
    return _blas_setter() is not None


def threading_layer() -> str:
    """Return the library that runs parallel kernels.

    Returns
    -------
    str
        ``omp``, ``tbb`` or ``workqueue``; ``not started`` before the first parallel kernel.
    """
    try:
        return str(numba.threading_layer())
    except ValueError:
        return "not started"


def _blas_libraries() -> Iterator[Path]:
    """Yield the libraries that NumPy's wheel brought along."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        yield from sorted(folder.glob("*openblas*"))


@functools.cache
def _blas_setter() -> Any | None:
    """Return OpenBLAS's function that sets its threads, from the copy NumPy has loaded."""
    # RTLD_NOLOAD: only a library that is loaded already, never a second copy.
    mode = ctypes.DEFAULT_MODE | getattr(os, "RTLD_NOLOAD", 0)
    for path in _blas_libraries():
        try:
            library = ctypes.CDLL(str(path), mode=mode)
        except OSError:
            continue
        for name in _BLAS_SETTERS:
            setter = getattr(library, name, None)
            if setter is not None:
                setter.argtypes = [ctypes.c_int]
                setter.restype = None
                return setter
    return None
