"""How kernels are compiled: the only place where Numba's flags are set.

No fast-math: NaN and infinity propagate and the order of every sum is the one written. Where a
kernel wants fused multiply-adds or several partial sums it says so with :mod:`.simd`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

# Idle OpenMP workers spin after a parallel kernel and starve the threads of NumPy's matmul: 8 ms
# instead of 0.2 ms for a 256 x 256 product. GNU OpenMP reads this when it is loaded, which is at
# the first parallel kernel.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numba
import numpy as np

from minigrad.kernels.cpu.cache import cache_of

__all__ = ["DISABLED", "helper", "jit", "kernels", "parallel_jit"]

DISABLED = bool(numba.config.DISABLE_JIT)
"""Whether ``NUMBA_DISABLE_JIT=1`` is set: kernels then run as Python, slowly, on stand-ins."""

kernels: list[Any] = []
"""Every kernel made so far."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

# error_model: 1 / 0 is infinity, as in NumPy, not an exception.
_FLAGS = {"nogil": True, "error_model": "numpy"}


def _kernel(function: _Function, variant: str, **flags: Any) -> _Function:
    """Compile at the first call, or load from our cache."""
    if DISABLED:
        compiled = _as_python(function)
    else:
        compiled = numba.njit(**_FLAGS, **flags)(function)
        compiled._cache = cache_of(cast(Any, function), variant)
    kernels.append(compiled)
    return cast(_Function, compiled)


def _as_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a kernel as Python, as silent about NaN and infinity as machine code is."""

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return run


def jit(function: _Function) -> _Function:
    """Make a kernel that runs in the calling thread.

    Parameters
    ----------
    function : callable
        Defined at the top of a module.

    Returns
    -------
    callable
        The kernel: compiled at its first call for each combination of dtypes, kept on disk,
        without the GIL.
    """
    return _kernel(function, "serial")


def parallel_jit(function: _Function) -> _Function:
    """Make a kernel whose ``numba.prange`` loops are shared among threads.

    Parameters
    ----------
    function : callable
        Defined at the top of a module. The same function under :func:`jit` is its serial build.

    Returns
    -------
    callable
        The kernel.
    """
    return _kernel(function, "parallel", parallel=True)


def helper(function: _Function) -> _Function:
    """Compile a function that kernels call; it becomes part of their machine code.

    Parameters
    ----------
    function : callable
        Defined at the top of a module.

    Returns
    -------
    callable
        The helper.
    """
    return cast(
        _Function, function if DISABLED else numba.njit(**_FLAGS, forceinline=True)(function)
    )
