"""Kernels: arrays in, arrays out; this layer knows nothing of tensors.

``reference`` says in NumPy what each kernel means, ``cpu`` does it in Numba, and
:func:`minigrad.kernels.dispatch.module` maps a family and a device to the module that does
the work. Every module of a family has the same functions (:mod:`minigrad.kernels.types`).

Importing this package imports neither Numba nor a kernel, and compiles nothing: kernels are
compiled at their first call and kept on disk, or ahead of time by
:func:`minigrad.kernels.warmup.warmup`.
"""

if __name__ != "minigrad.kernels":
    # From the root of the source tree `import kernels` would load a second copy of every
    # module here, with its own classes, pool and settings.
    raise ImportError(
        f"this folder was imported as {__name__!r}, which makes a second copy of it: "
        "write `import minigrad.kernels` instead"
    )
