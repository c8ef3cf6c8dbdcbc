"""What minigrad runs on: threads, versions, compiled kernels."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minigrad._version import __version__

if TYPE_CHECKING:
    from minigrad.kernels.notice import CompileRecord

__all__ = ["get_num_threads", "info", "set_num_threads", "warmup"]


def set_num_threads(n: int) -> None:
    """Set how many threads kernels, and NumPy's matrix products where possible, use.

    Parameters
    ----------
    n : int
        From 1 to the number of cores.

    Raises
    ------
    ValueError
        If ``n`` is not such a number.
    """
    from minigrad.kernels.cpu import threads

    threads.set_num_threads(n)


def get_num_threads() -> int:
    """Return how many threads kernels use."""
    from minigrad.kernels.cpu import threads

    return threads.get_num_threads()


def info() -> dict[str, Any]:
    """Describe versions, CPU, threads, caches and GPU.

    Returns
    -------
    dict from str to object
        Versions of ``minigrad``, ``python``, ``numpy`` and ``numba``; what
        `minigrad.kernels.info.kernel_info` says; ``gpu``: why none is used.
    """
    import numba
    import numpy as np

    from minigrad.kernels.info import kernel_info

    return {
        "minigrad": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        **kernel_info(),
        "gpu": "none: this version of minigrad runs on the CPU only",
    }


def warmup(progress: Callable[[CompileRecord], None] | None = None) -> list[CompileRecord]:
    """Compile every kernel for this CPU, in float32 and float64, and keep it on disk.

    Parameters
    ----------
    progress : callable, optional
        Called with the record of each kernel as it becomes ready.

    Returns
    -------
    list of CompileRecord
        The kernels that were not ready yet.
    """
    from minigrad.kernels import warmup as kernels

    return kernels.warmup(progress)
