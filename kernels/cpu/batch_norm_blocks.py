"""Batch normalisation over one block of rows and one tile of channels, in memory (rows, C).

A task is numbered ``block * tiles + tile``. Vectors run over channels: each goes down a strip of
rows that is small enough for the first-level cache, then the next vector goes down the same strip.
"""

from __future__ import annotations

from minigrad.kernels.cpu.batch_norm_parts import vector_of
from minigrad.kernels.cpu.jit import helper
from minigrad.kernels.cpu.simd import (
    LANES,
    extend,
    fence,
    fma,
    keep,
    load,
    load_head,
    maximum,
    nonzero,
    prefetch,
    splat,
    store,
    store_head,
    stream,
)
from minigrad.typing import Array

__all__ = [
    "block_gradient",
    "block_gradient_sums",
    "block_normalise",
    "block_scale",
    "block_sums",
    "blocks_of",
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
def block_sums(
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
    ahead = strip_rows * channels  # the next strip
    for first in range(block * block_rows, stop, strip_rows):
        last = min(stop, first + strip_rows)
        for j in range(left, right, LANES):
            n = min(LANES, right - j)
            shifts = load_head(shift, j, n, 0.0)
            total = load_head(sums, out + j, n, 0.0)
            square = load_head(squares, out + j, n, 0.0)
            if n == LANES:
                for row in range(first, last):
                    i = row * channels + j
                    prefetch(x, i + ahead)
                    values = extend(load(x, i)) - shifts
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
def block_gradient_sums(
    dy: Array,
    x: Array,
    mask: Array,
    masked_dy: Array,
    mean: Array,
    sums: Array,
    products: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
    has_mask: bool,
    write_masked: bool,
) -> None:
    """Write the sums of ``dy`` and of ``dy * (x - mean)`` over one block of one tile.

    With a mask ``dy`` counts where it is set, and may be written to ``masked_dy``.
    """
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
    ahead = strip_rows * channels  # the next strip
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
                    prefetch(dy, i + ahead)
                    prefetch(x, i + ahead)
                    upstream = load(dy, i)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                        if write_masked:
                            store(masked_dy, i, upstream)
                    wide = extend(upstream)
                    total = total + wide
                    product = fma(wide, extend(load(x, i)) - means, product)
            else:
                for row in range(first, last):
                    i = row * channels + j
                    upstream = load_head(dy, i, n, zero)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                        if write_masked:
                            store_head(masked_dy, i, upstream, n)
                    wide = extend(upstream)
                    total = total + wide
                    centred = extend(load_head(x, i, n, zero)) - means
                    product = fma(wide, centred, product)
            store_head(sums, out + j, total, n)
            store_head(products, out + j, product, n)


@helper
def block_normalise(
    x: Array,
    residual: Array,
    y: Array,
    mask: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
    has_residual: bool,
    relu: bool,
    streaming: bool,
) -> None:
    """Write ``y = (x - high - low) * scale + shift`` over one block of one tile.

    ``factors`` holds the four, (4, C) flat. To that the residual is added, and the whole is
    rectified: then ``mask`` says where the result is not 0.
    """
    rows, channels = shape
    _, block_rows, tiles, strip_rows = cut
    block = task // tiles
    left = (task - block * tiles) * _TILE
    right = min(channels, left + _TILE)
    stop = min(rows, (block + 1) * block_rows)
    zero = x.dtype.type(0.0)
    zeros = splat(zero)
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
                    values = fma((load(x, i) - high) - low, scale, shift)
                    if has_residual:
                        values = values + load(residual, i)
                    if relu:
                        values = maximum(values, zeros)
                        mask[vector_of(row, j, channels)] = nonzero(values)
                    if streaming:
                        stream(y, i, values)
                    else:
                        store(y, i, values)
            else:
                for row in range(first, last):
                    i = row * channels + j
                    values = (load_head(x, i, n, zero) - high) - low
                    values = fma(values, scale, shift)
                    if has_residual:
                        values = values + load_head(residual, i, n, zero)
                    if relu:
                        values = maximum(values, zeros)
                        mask[vector_of(row, j, channels)] = nonzero(values)
                    store_head(y, i, values, n)
    if streaming:
        fence()


@helper
def block_gradient(
    dy: Array,
    x: Array,
    mask: Array,
    dx: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
    has_mask: bool,
    streaming: bool,
) -> None:
    """Write ``dx = scale * (dy - k0 - (x - high - low) * k1)`` over one block of one tile.

    ``factors`` holds ``high, low, scale, k0, -k1``, (5, C) flat. With a mask ``dy`` counts where
    it is set.
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
                    upstream = load(dy, i)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                    values = scale * fma(centred, slope, upstream - offset)
                    if streaming:
                        stream(dx, i, values)
                    else:
                        store(dx, i, values)
            else:
                for row in range(first, last):
                    i = row * channels + j
                    centred = (load_head(x, i, n, zero) - high) - low
                    upstream = load_head(dy, i, n, zero)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                    values = fma(centred, slope, upstream - offset)
                    store_head(dx, i, scale * values, n)
    if streaming:
        fence()


@helper
def block_scale(
    dy: Array,
    mask: Array,
    dx: Array,
    factors: Array,
    shape: tuple[int, int],
    cut: tuple[int, int, int, int],
    task: int,
    has_mask: bool,
) -> None:
    """Write ``dx = scale * dy`` over one block of one tile; ``scale`` is ``factors[2]``.

    With a mask ``dy`` counts where it is set.
    """
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
                    upstream = load(dy, i)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                    store(dx, i, scale * upstream)
            else:
                for row in range(first, last):
                    i = row * channels + j
                    upstream = load_head(dy, i, n, zero)
                    if has_mask:
                        upstream = keep(upstream, mask[vector_of(row, j, channels)])
                    store_head(dx, i, scale * upstream, n)
