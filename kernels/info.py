"""What the kernels found on this machine."""

from __future__ import annotations

from typing import Any

__all__ = ["kernel_info"]


def kernel_info() -> dict[str, Any]:
    """Describe the CPU, the threads, the cache and the pool.

    Returns
    -------
    dict from str to object
        ``cpu``: LLVM's name of it; ``vector_bits``: width of its vectors; ``lanes``: values of
        float32 or float64 that a kernel handles together; ``threads``, ``threads_available``;
        ``threading_layer``; ``blas_threads_settable``: whether NumPy's matrix products follow
        ``set_num_threads``; ``jit``: False under ``NUMBA_DISABLE_JIT=1``; ``cache_folder``: None
        when none is writable; ``pool``: see :func:`minigrad.kernels.memory.pool_info`.
    """
    import llvmlite.binding

    from minigrad.kernels.cpu import cache, jit, simd, threads
    from minigrad.kernels.memory import pool_info

    return {
        "cpu": llvmlite.binding.get_host_cpu_name(),
        "vector_bits": simd.VECTOR_BITS,
        "lanes": simd.LANES,
        "threads": threads.get_num_threads(),
        "threads_available": threads.available_threads(),
        "threading_layer": threads.threading_layer(),
        "blas_threads_settable": threads.blas_threads_settable(),
        "jit": not jit.DISABLED,
        "cache_folder": cache.cache_folder(),
        "pool": pool_info(),
    }
