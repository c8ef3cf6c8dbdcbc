"""Batch normalisation over memory (rows, C): channels are adjacent.

This is the layout of (N, C) arrays and of channels-last memory. Vectors run over channels. The rows
are cut into blocks and the channels into tiles; a task is one block of one tile. Their sizes depend
on the shape alone, each block has its own partial sums, and these are added in the order of the
blocks, so the bits do not depend on who works on what.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigrad.kernels.cpu.batch_norm_channel import (
    finite_or_zero,
    gradient_factors,
    inverse_std,
    mean_and_variance,
    split_mean,
)
from minigrad.kernels.cpu.jit import helper, jit, parallel_jit
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fma,
    load,
    load_head,
    store,
    store_head,
)
from minigrad.typing import Array

__all__ = [
    "backward_parallel",
    "backward_serial",
    "blocks_of",
    "forward_parallel",
    "forward_serial",
]

_TILE = 1024
"""Channels of a tile."""
_MIN_BLOCK_ROWS = 32
"""Fewer rows would cost more in partial sums, 16 bytes a channel, than they save."""
_BLOCK_SIZE = 16384
"""Values of a block of a small array."""
_MAX_BLOCKS = 64
"""Blocks of a large array: enough for any number of threads, few enough to add up."""
_STRIP_SIZE = 8192
"""Values that are in the first-level cache while the vectors of a strip of rows go over them."""


def blocks_of(rows: int, channels: int) -> tuple[int, int, int, int]:
    """Cut the rows into blocks and the channels into tiles.

    Parameters
    ----------
    rows, channels : int
        Shape of the memory.

    Returns
    -------
    blocks, block_rows, tiles, strip_rows : int
        Number of blocks and their rows, number of tiles, and rows that are worked on together.
    """
    tile = min(channels, _TILE)
    block_rows = max(_MIN_BLOCK_ROWS, -(-_BLOCK_SIZE // tile), -(-rows // _MAX_BLOCKS))
    return (
        -(-rows // block_rows),
        block_rows,
        -(-channels // _TILE),
        max(1, _STRIP_SIZE // tile),
    )


@helper
def _task_sums(
    x: Array,
    shift: Array,
    sums: Array,
    squares: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
) -> None:
    """Write the sums of ``x - shift`` and of its square over one block of one tile."""
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    out = block * channels
    sums[out + left : out + right] = 0.0
    squares[out + left : out + right] = 0.0
    zero = x.dtype.type(0.0)
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            shifts = load_head(shift, j, n, 0.0)
            total = load_head(sums, out + j, n, 0.0)
            square = load_head(squares, out + j, n, 0.0)
            if n == LANES:
                for row in range(first, last):
                    values = extend(load(x, row * channels + j)) - shifts
                    total = total + values
                    square = fma(values, values, square)
            else:
                for row in range(first, last):
                    values = extend(load_head(x, row * channels + j, n, zero)) - shifts
                    total = total + values
                    square = fma(values, values, square)
            store_head(sums, out + j, total, n)
            store_head(squares, out + j, square, n)


@helper
def _task_gradient_sums(
    dy: Array,
    x: Array,
    mean: Array,
    sums: Array,
    products: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
) -> None:
    """Write the sums of ``dy`` and of ``dy * (x - mean)`` over one block of one tile."""
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    out = block * channels
    sums[out + left : out + right] = 0.0
    products[out + left : out + right] = 0.0
    zero = x.dtype.type(0.0)
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            means = load_head(mean, j, n, 0.0)
            total = load_head(sums, out + j, n, 0.0)
            product = load_head(products, out + j, n, 0.0)
            if n == LANES:
                for row in range(first, last):
                    i = row * channels + j
                    upstream = extend(load(dy, i))
                    total = total + upstream
                    product = fma(upstream, extend(load(x, i)) - means, product)
            else:
                for row in range(first, last):
                    i = row * channels + j
                    upstream = extend(load_head(dy, i, n, zero))
                    total = total + upstream
                    centred = extend(load_head(x, i, n, zero)) - means
                    product = fma(upstream, centred, product)
            store_head(sums, out + j, total, n)
            store_head(products, out + j, product, n)


@helper
def _add_blocks(partial: Array, blocks: int, channels: int) -> None:
    """Add the partial sums of all blocks to those of the first, in order."""
    for j in range(0, channels, LANES):
        n = min(LANES, channels - j)
        total = load_head(partial, j, n, 0.0)
        for block in range(1, blocks):
            total = total + load_head(partial, block * channels + j, n, 0.0)
        store_head(partial, j, total, n)


@helper
def _task_normalise(
    x: Array,
    y: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
) -> None:
    """Write ``y = (x - high - low) * scale + shift`` over one block of one tile.

    ``factors`` holds the four, (4, C) flat.
    """
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    zero = x.dtype.type(0.0)
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            high = load_head(factors, j, n, zero)
            low = load_head(factors, channels + j, n, zero)
            scale = load_head(factors, 2 * channels + j, n, zero)
            shift = load_head(factors, 3 * channels + j, n, zero)
            if n == LANES:
                for row in range(first, last):
                    i = row * channels + j
                    store(y, i, fma((load(x, i) - high) - low, scale, shift))
            else:
                for row in range(first, last):
                    i = row * channels + j
                    values = (load_head(x, i, n, zero) - high) - low
                    store_head(y, i, fma(values, scale, shift), n)


@helper
def _task_gradient(
    dy: Array,
    x: Array,
    dx: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
) -> None:
    """Write ``dx = scale * (dy - k0 - (x - high - low) * k1)`` over one block of one tile.

    ``factors`` holds ``high, low, scale, k0, -k1``, (5, C) flat.
    """
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    zero = x.dtype.type(0.0)
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            high = load_head(factors, j, n, zero)
            low = load_head(factors, channels + j, n, zero)
            scale = load_head(factors, 2 * channels + j, n, zero)
            offset = load_head(factors, 3 * channels + j, n, zero)
            slope = load_head(factors, 4 * channels + j, n, zero)
            if n == LANES:
                for row in range(first, last):
                    i = row * channels + j
                    centred = (load(x, i) - high) - low
                    store(dx, i, scale * fma(centred, slope, load(dy, i) - offset))
            else:
                for row in range(first, last):
                    i = row * channels + j
                    centred = (load_head(x, i, n, zero) - high) - low
                    values = fma(centred, slope, load_head(dy, i, n, zero) - offset)
                    store_head(dx, i, scale * values, n)


@helper
def _task_scale(
    dy: Array,
    dx: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
) -> None:
    """Write ``dx = scale * dy`` over one block of one tile; ``scale`` is ``factors[2]``."""
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    zero = dy.dtype.type(0.0)
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            scale = load_head(factors, 2 * channels + j, n, zero)
            if n == LANES:
                for row in range(first, last):
                    i = row * channels + j
                    store(dx, i, scale * load(dy, i))
            else:
                for row in range(first, last):
                    i = row * channels + j
                    store_head(dx, i, scale * load_head(dy, i, n, zero), n)


def _forward(
    x: Array,
    y: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    var: Array,
    inv_std: Array,
    eps: float,
    has_gamma: bool,
    has_beta: bool,
    measure: bool,
    normalise: bool,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
) -> None:
    """Measure the statistics, normalise by them, or both.

    Contract: ``x`` and ``y`` are flat, of ``shape`` (rows, C), of one dtype, and do not overlap;
    the other arrays are (C,), ``gamma`` and ``beta`` of the dtype of ``x`` and read only if they
    are said to be there. Writes ``mean`` and ``var`` if it measures, ``inv_std`` always, ``y`` if
    it normalises. One read of ``x`` to measure, one read and one write to normalise. Each task
    owns a block of a tile. Sums are in float64; the bits do not depend on the threads.
    """
    rows, channels = shape
    blocks, _, tiles, _ = cut
    if measure:
        shift = np.empty(channels)
        for c in range(channels):
            shift[c] = finite_or_zero(x[c])
        sums = np.empty(blocks * channels)
        squares = np.empty(blocks * channels)
        for task in prange(blocks * tiles):
            _task_sums(x, shift, sums, squares, shape, cut, task)
        _add_blocks(sums, blocks, channels)
        _add_blocks(squares, blocks, channels)
        for c in range(channels):
            mean[c], var[c] = mean_and_variance(sums[c], squares[c], rows, shift[c])
    for c in range(channels):
        inv_std[c] = inverse_std(var[c], eps)
    if normalise:
        factors = np.empty(4 * channels, x.dtype)
        for c in range(channels):
            factors[c], factors[channels + c] = split_mean(mean[c], x)
            scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
            factors[2 * channels + c] = scale
            factors[3 * channels + c] = beta[c] if has_beta else x.dtype.type(0.0)
        for task in prange(blocks * tiles):
            _task_normalise(x, y, factors, shape, cut, task)


def _backward(
    dy: Array,
    x: Array,
    dx: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    dgamma: Array,
    dbeta: Array,
    has_gamma: bool,
    batch_statistics: bool,
    need_sums: bool,
    need_dx: bool,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
) -> None:
    """Compute the sums, the gradient of ``x``, or both.

    Contract: ``dy``, ``x``, ``dx`` are flat, of ``shape`` (rows, C), of one dtype, and ``dx``
    overlaps none; ``dgamma`` and ``dbeta`` are (C,) of that dtype too.
    With ``batch_statistics`` the statistics depend on ``x``, and ``need_sums`` must be set. Writes
    ``dgamma`` and ``dbeta`` if it sums, ``dx`` if that is needed. Two reads of ``dy`` and ``x``,
    one write; who owns what, the sums and the bits are as in ``_forward``.
    """
    rows, channels = shape
    blocks, _, tiles, _ = cut
    sums = np.empty(blocks * channels)
    products = np.empty(blocks * channels)
    if need_sums:
        for task in prange(blocks * tiles):
            _task_gradient_sums(dy, x, mean, sums, products, shape, cut, task)
        _add_blocks(sums, blocks, channels)
        _add_blocks(products, blocks, channels)
        for c in range(channels):
            products[c] *= inv_std[c]
            dbeta[c] = sums[c]
            dgamma[c] = products[c]
    if need_dx:
        factors = np.empty(5 * channels, x.dtype)
        for c in range(channels):
            factors[c], factors[channels + c] = split_mean(mean[c], x)
            scale = inv_std[c] * gamma[c] if has_gamma else inv_std[c]
            factors[2 * channels + c] = scale
            if batch_statistics:
                k0, k1 = gradient_factors(sums[c], products[c], rows, inv_std[c])
                factors[3 * channels + c] = k0
                factors[4 * channels + c] = -k1
        if batch_statistics:
            for task in prange(blocks * tiles):
                _task_gradient(dy, x, dx, factors, shape, cut, task)
        else:
            for task in prange(blocks * tiles):
                _task_scale(dy, dx, factors, shape, cut, task)


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
