"""Batch normalisation over memory (rows, C): channels are adjacent.

This is the layout of (N, C) arrays and of channels-last memory. Vectors run over channels. The rows
are cut into blocks and the channels into tiles; a task is one block of one tile. Their sizes depend
on the shape alone, each block has its own partial sums, and these are added in the order of the
blocks, so the bits do not depend on who works on what.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigrad.kernels.cpu.batch_norm_blocks import (
    block_gradient,
    block_gradient_sums,
    block_normalise,
    block_scale,
    block_sums,
)
from minigrad.kernels.cpu.batch_norm_channel import (
    add_partial,
    backward_factors,
    finite_or_zero,
    forward_factors,
    inverse_std,
    mean_and_variance,
    write_totals,
)
from minigrad.kernels.cpu.jit import jit, parallel_jit
from minigrad.typing import Array

__all__ = ["backward_parallel", "backward_serial", "forward_parallel", "forward_serial"]


def _forward(
    x: Array,
    residual: Array,
    y: Array,
    mask: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    var: Array,
    inv_std: Array,
    eps: float,
    has_gamma: bool,
    has_beta: bool,
    has_residual: bool,
    relu: bool,
    measure: bool,
    normalise: bool,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    streaming: bool,
) -> None:
    """Measure the statistics, normalise by them, or both.

    Contract: ``x``, ``residual`` and ``y`` are flat, of ``shape`` (rows, C), of one dtype, and
    ``y`` overlaps none; ``mask`` has an entry for each vector (`vector_of`); the other arrays are
    (C,), ``gamma`` and ``beta`` of the dtype of ``x``; what is said not to be there is not read.
    Writes ``mean`` and ``var`` if it measures, ``inv_std`` always, ``y`` if it normalises, and
    ``mask`` with ``relu``. One read of ``x`` to measure, one read and one write to normalise. Each
    task owns a block of a tile. Sums are in float64; the bits do not depend on the threads.
    """
    rows, channels = shape
    blocks, _, tiles, _ = cut
    shift = np.empty(channels)  # the mean is this and the first C of sums
    sums = np.zeros(blocks * channels)
    for c in range(channels):
        shift[c] = finite_or_zero(x[c]) if measure else mean[c]
    if measure:
        squares = np.empty(blocks * channels)
        for task in prange(blocks * tiles):
            block_sums(x, shift, sums, squares, shape, cut, task)
        add_partial(sums, blocks, channels, 0, channels)
        add_partial(squares, blocks, channels, 0, channels)
        mean_and_variance(shift, sums, squares, rows, mean, var, 0, channels)
    inverse_std(var, eps, inv_std, 0, channels)
    if normalise:
        factors = np.empty(4 * channels, x.dtype)
        forward_factors(
            shift, sums, inv_std, gamma, beta, has_gamma, has_beta, factors, 0, channels
        )
        for index in prange(blocks * tiles):
            task = blocks * tiles - 1 - index  # backwards: the last blocks are in the cache
            if has_residual or relu:
                block_normalise(
                    x,
                    residual,
                    y,
                    mask,
                    factors,
                    shape,
                    cut,
                    task,
                    has_residual,
                    relu,
                    streaming,
                )
            else:
                block_normalise(
                    x, residual, y, mask, factors, shape, cut, task, False, False, streaming
                )


def _backward(
    dy: Array,
    x: Array,
    mask: Array,
    masked_dy: Array,
    dx: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    totals: Array,
    n: int,
    has_gamma: bool,
    has_mask: bool,
    write_masked: bool,
    batch_statistics: bool,
    need_sums: bool,
    need_dx: bool,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    streaming: bool,
) -> None:
    """Compute the sums, the gradient of ``x``, or both.

    Contract: ``dy``, ``x``, ``masked_dy`` and ``dx`` are flat, of ``shape`` (rows, C), of one
    dtype, and what is written overlaps none; ``mask`` is that of ``_forward``. ``totals``, (2, C)
    flat and float64, are the sums of ``dy`` and of ``dy * x_hat``, over ``n`` values: they are
    written by this one if it sums, and read if the statistics depend on ``x``
    (``batch_statistics``). Writes ``masked_dy`` if it is to, while it sums, and ``dx`` if that is
    needed. Two reads of ``dy`` and ``x``, one write; who owns what, the sums and the bits are as
    in ``_forward``.
    """
    _, channels = shape
    blocks, _, tiles, _ = cut
    if need_sums:
        sums = np.empty(blocks * channels)
        products = np.empty(blocks * channels)
        for task in prange(blocks * tiles):
            if has_mask:
                block_gradient_sums(
                    dy,
                    x,
                    mask,
                    masked_dy,
                    mean,
                    sums,
                    products,
                    shape,
                    cut,
                    task,
                    True,
                    write_masked,
                )
            else:
                block_gradient_sums(
                    dy, x, mask, masked_dy, mean, sums, products, shape, cut, task, False, False
                )
        add_partial(sums, blocks, channels, 0, channels)
        add_partial(products, blocks, channels, 0, channels)
        write_totals(sums, products, inv_std, totals, 0, channels)
    if need_dx:
        factors = np.empty(5 * channels, x.dtype)
        backward_factors(
            mean, inv_std, gamma, has_gamma, totals, n, batch_statistics, factors, 0, channels
        )
        for index in prange(blocks * tiles):
            task = blocks * tiles - 1 - index  # backwards, as in _forward
            if not batch_statistics:
                block_scale(dy, mask, dx, factors, shape, cut, task, has_mask)
            elif has_mask:
                block_gradient(dy, x, mask, dx, factors, shape, cut, task, True, streaming)
            else:
                block_gradient(dy, x, mask, dx, factors, shape, cut, task, False, streaming)


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
