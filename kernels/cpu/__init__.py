"""The Numba kernels for the CPU. Flags and the disk cache are in :mod:`.jit` alone."""
