"""Compile every kernel ahead of time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.kernels.notice import CompileRecord, set_compile_listener
from minigrad.typing import DTypeLike

__all__ = ["warmup"]


def warmup(progress: Callable[[CompileRecord], None] | None = None) -> list[CompileRecord]:
    """Compile, or load from disk, every kernel for float32 and float64.

    With one thread the parallel kernels are left out: they are never used then.

    Parameters
    ----------
    progress : callable, optional
        Called with the record of each kernel as it becomes ready.

    Returns
    -------
    list of CompileRecord
        Those that were not ready yet, in order; empty under ``NUMBA_DISABLE_JIT=1``.
    """
    from minigrad.kernels.cpu import jit

    records: list[CompileRecord] = []
    if jit.DISABLED:
        return records

    def listen(record: CompileRecord) -> None:
        records.append(record)
        if progress is not None:
            progress(record)

    previous = set_compile_listener(listen)
    try:
        for dtype in (np.float32, np.float64):
            _batch_norm(dtype)
            _optimizer(dtype)
            _elementwise(dtype)
    finally:
        set_compile_listener(previous)
    return records


def _batch_norm(dtype: DTypeLike) -> None:
    """Call each kernel once: both layouts, below and above the size for several threads."""
    from minigrad.kernels.cpu import batch_norm, batch_norm_launch

    large = batch_norm_launch.PARALLEL_MIN_SIZE // 2
    for shape in ((2, 2), (2, 2, 2), (large, 2), (large, 2, 2)):
        x = np.zeros(shape, dtype)
        result = batch_norm.forward_train(x, None, None, eps=1e-5)
        batch_norm.backward_train(x, x, result.mean, result.inv_std, None)
    running_mean, running_var = np.zeros((2, 2), dtype)
    batch_norm.update_running(running_mean, running_var, result.mean, result.var, n=2, momentum=0.1)


def _optimizer(dtype: DTypeLike) -> None:
    """Call each rule once, below and above the size for several threads."""
    from minigrad.kernels.cpu import optimizer

    for size in (1, optimizer.PARALLEL_MIN_SIZE):
        param, grad, state, other, another = np.zeros((5, size), dtype)
        optimizer.sgd(
            param,
            grad,
            state,
            lr=0.1,
            momentum=0.9,
            dampening=0.0,
            weight_decay=0.0,
            nesterov=False,
            maximize=False,
            first_step=True,
        )
        optimizer.adam(
            param,
            grad,
            state,
            other,
            another,
            step=1,
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            eps=1e-8,
            weight_decay=0.0,
            decoupled=False,
            maximize=False,
        )
        optimizer.rmsprop(
            param,
            grad,
            state,
            other,
            another,
            lr=0.1,
            alpha=0.9,
            eps=1e-8,
            weight_decay=0.0,
            momentum=0.9,
            maximize=False,
        )
        optimizer.adagrad(
            param,
            grad,
            state,
            step=1,
            lr=0.1,
            lr_decay=0.0,
            weight_decay=0.0,
            eps=1e-10,
            maximize=False,
        )


def _elementwise(dtype: DTypeLike) -> None:
    """Call each function once, below and above the size for several threads."""
    from minigrad.kernels.cpu import elementwise

    for size in (1, elementwise.PARALLEL_MIN_SIZE):
        elementwise.erf(np.zeros(size, dtype))
