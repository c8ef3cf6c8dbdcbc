"""Batch normalisation over memory (outer, C, inner): the values of a channel lie in planes.

Channels whose planes are small are worked on in groups, so that what is read is adjacent: planes
of one channel lie a power of two apart in most nets, where they push each other out of the caches.
Every group is cut into ``row_parts * segments`` parts, a number that depends on the shape alone:
the rows (values of ``outer``) are shared out evenly, and long rows are cut into segments. The sums
of a channel are those of its parts, added in order. So the bits are the same whoever works on
what, and the schedule may follow the number of threads:

- *by group*, when there are enough groups: sums and result of one group in one go, while its
  values are in the cache;
- *by part*, when there are few: first the sums of all parts, then the results of all parts.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigrad.kernels.cpu.batch_norm_channel import (
    add_partial,
    backward_factors,
    finite_or_zero,
    forward_factors,
    inverse_std,
    mean_and_variance,
    write_totals,
)
from minigrad.kernels.cpu.batch_norm_parts import (
    Place,
    channels_of,
    one_vector,
    part_gradient,
    part_gradient_sums,
    part_normalise,
    part_scale,
    part_sums,
)
from minigrad.kernels.cpu.jit import helper, jit, parallel_jit
from minigrad.kernels.cpu.simd import LANES
from minigrad.typing import Array

__all__ = ["backward_parallel", "backward_serial", "forward_parallel", "forward_serial"]


# Each of these has its body several times in the machine code, because constants are constants
# there: what is fused costs nothing where it is not, and where a plane is one vector, as in the
# last layers of many nets, there are no loops over it.


@helper
def _statistics(
    x: Array, shift: Array, sums: Array, squares: Array, place: Place, prefetching: bool
) -> None:
    """Sum what the statistics need."""
    if place[0][2] == LANES:
        part_sums(x, shift, sums, squares, one_vector(place), prefetching)
    else:
        part_sums(x, shift, sums, squares, place, prefetching)


@helper
def _result(
    x: Array,
    residual: Array,
    y: Array,
    mask: Array,
    factors: Array,
    place: Place,
    has_residual: bool,
    relu: bool,
    streaming: bool,
) -> None:
    """Normalise, and what may be fused with it."""
    if has_residual or relu:
        part_normalise(x, residual, y, mask, factors, place, has_residual, relu, streaming)
    elif place[0][2] == LANES:
        part_normalise(x, residual, y, mask, factors, one_vector(place), False, False, streaming)
    else:
        part_normalise(x, residual, y, mask, factors, place, False, False, streaming)


@helper
def _gradient_sums(
    dy: Array,
    x: Array,
    mask: Array,
    masked_dy: Array,
    mean: Array,
    sums: Array,
    products: Array,
    place: Place,
    has_mask: bool,
    write_masked: bool,
    prefetching: bool,
) -> None:
    """Sum what the gradients need, with or without a mask."""
    if has_mask:
        part_gradient_sums(
            dy, x, mask, masked_dy, mean, sums, products, place, True, write_masked, prefetching
        )
    elif place[0][2] == LANES:
        part_gradient_sums(
            dy,
            x,
            mask,
            masked_dy,
            mean,
            sums,
            products,
            one_vector(place),
            False,
            False,
            prefetching,
        )
    else:
        part_gradient_sums(
            dy, x, mask, masked_dy, mean, sums, products, place, False, False, prefetching
        )


@helper
def _gradient(
    dy: Array,
    x: Array,
    mask: Array,
    dx: Array,
    factors: Array,
    place: Place,
    has_mask: bool,
    batch_statistics: bool,
    streaming: bool,
) -> None:
    """Write the gradient of ``x``, with or without a mask."""
    if not batch_statistics:
        part_scale(dy, mask, dx, factors, place, has_mask)
    elif has_mask:
        part_gradient(dy, x, mask, dx, factors, place, True, streaming)
    elif place[0][2] == LANES:
        part_gradient(dy, x, mask, dx, factors, one_vector(place), False, streaming)
    else:
        part_gradient(dy, x, mask, dx, factors, place, False, streaming)


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
    shape: tuple[int, int, int],
    parts: tuple[int, int, int, int],
    by_part: bool,
    prefetching: bool,
    streaming: bool,
) -> None:
    """Measure the statistics, normalise by them, or both.

    Contract: ``x``, ``residual`` and ``y`` are flat, of ``shape`` (outer, C, inner), of one dtype,
    and ``y`` overlaps none; ``mask`` has an entry for each vector (`vector_of`); the other arrays
    are (C,), ``gamma`` and ``beta`` of the dtype of ``x``; what is said not to be there is not
    read. Writes ``mean`` and ``var`` if it measures, ``inv_std`` always, ``y`` if it normalises,
    and ``mask`` with ``relu``. One read of ``x`` to measure, one read and one write to normalise;
    by group the second read is from the cache when the group fits. Each task owns a group or a
    part of one. Sums are in float64; the bits do not depend on threads or schedule.
    ``prefetching``: the sums ask for values ahead of time; ``streaming``: results go past the
    caches.
    """
    outer, channels, inner = shape
    size, row_parts, segments, _ = parts
    n = outer * inner
    n_parts = row_parts * segments
    groups = -(-channels // size)
    shift = np.empty(channels)  # the mean is this and the first C of sums
    sums = np.zeros(n_parts * channels)
    for c in range(channels):
        shift[c] = finite_or_zero(x[c * inner]) if measure else mean[c]
    squares = np.empty(n_parts * channels)
    factors = np.empty(4 * channels, x.dtype)
    if by_part:
        if measure:
            for task in prange(groups * n_parts):
                part = task // groups
                group = task - part * groups
                place = (shape, parts, group, part)
                _statistics(x, shift, sums, squares, place, prefetching)
            add_partial(sums, n_parts, channels, 0, channels)
            add_partial(squares, n_parts, channels, 0, channels)
            mean_and_variance(shift, sums, squares, n, mean, var, 0, channels)
        inverse_std(var, eps, inv_std, 0, channels)
        forward_factors(
            shift, sums, inv_std, gamma, beta, has_gamma, has_beta, factors, 0, channels
        )
        if normalise:
            for task in prange(groups * n_parts):
                part = task // groups
                group = task - part * groups
                place = (shape, parts, group, part)
                _result(x, residual, y, mask, factors, place, has_residual, relu, streaming)
    else:
        for group in prange(groups):
            left, right = channels_of(group, shape, parts)
            if measure:
                for part in range(n_parts):
                    place = (shape, parts, group, part)
                    _statistics(x, shift, sums, squares, place, prefetching)
                add_partial(sums, n_parts, channels, left, right)
                add_partial(squares, n_parts, channels, left, right)
                mean_and_variance(shift, sums, squares, n, mean, var, left, right)
            inverse_std(var, eps, inv_std, left, right)
            if normalise:
                forward_factors(
                    shift, sums, inv_std, gamma, beta, has_gamma, has_beta, factors, left, right
                )
                for index in range(n_parts):
                    part = n_parts - 1 - index  # backwards: the last parts are in the cache
                    place = (shape, parts, group, part)
                    _result(x, residual, y, mask, factors, place, has_residual, relu, streaming)


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
    shape: tuple[int, int, int],
    parts: tuple[int, int, int, int],
    by_part: bool,
    prefetching: bool,
    streaming: bool,
) -> None:
    """Compute the sums, the gradient of ``x``, or both.

    Contract: ``dy``, ``x``, ``masked_dy`` and ``dx`` are flat, of ``shape`` (outer, C, inner), of
    one dtype, and what is written overlaps none; ``mask`` is that of ``_forward``. ``totals``,
    (2, C) flat and float64, are the sums of ``dy`` and of ``dy * x_hat``, over ``n`` values: they
    are written by this one if it sums, and read if the statistics depend on ``x``
    (``batch_statistics``). Writes ``masked_dy`` if it is to, while it sums, and ``dx`` if that is
    needed. Two reads of ``dy`` and ``x``, one write; who owns what, the sums and the bits are as in
    ``_forward``.
    """
    _, channels, _ = shape
    size, row_parts, segments, _ = parts
    n_parts = row_parts * segments
    groups = -(-channels // size)
    sums = np.empty(n_parts * channels)
    products = np.empty(n_parts * channels)
    factors = np.empty(5 * channels, x.dtype)
    if by_part:
        if need_sums:
            for task in prange(groups * n_parts):
                part = task // groups
                group = task - part * groups
                place = (shape, parts, group, part)
                _gradient_sums(
                    dy,
                    x,
                    mask,
                    masked_dy,
                    mean,
                    sums,
                    products,
                    place,
                    has_mask,
                    write_masked,
                    prefetching,
                )
            add_partial(sums, n_parts, channels, 0, channels)
            add_partial(products, n_parts, channels, 0, channels)
            write_totals(sums, products, inv_std, totals, 0, channels)
        if need_dx:
            backward_factors(
                mean, inv_std, gamma, has_gamma, totals, n, batch_statistics, factors, 0, channels
            )
            for task in prange(groups * n_parts):
                part = task // groups
                group = task - part * groups
                place = (shape, parts, group, part)
                _gradient(dy, x, mask, dx, factors, place, has_mask, batch_statistics, streaming)
    else:
        for group in prange(groups):
            left, right = channels_of(group, shape, parts)
            if need_sums:
                for part in range(n_parts):
                    place = (shape, parts, group, part)
                    _gradient_sums(
                        dy,
                        x,
                        mask,
                        masked_dy,
                        mean,
                        sums,
                        products,
                        place,
                        has_mask,
                        write_masked,
                        prefetching,
                    )
                add_partial(sums, n_parts, channels, left, right)
                add_partial(products, n_parts, channels, left, right)
                write_totals(sums, products, inv_std, totals, left, right)
            if need_dx:
                backward_factors(
                    mean,
                    inv_std,
                    gamma,
                    has_gamma,
                    totals,
                    n,
                    batch_statistics,
                    factors,
                    left,
                    right,
                )
                for index in range(n_parts):
                    part = n_parts - 1 - index  # backwards, as in _forward
                    place = (shape, parts, group, part)
                    _gradient(
                        dy, x, mask, dx, factors, place, has_mask, batch_statistics, streaming
                    )


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
