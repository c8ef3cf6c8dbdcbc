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
    gradients_of_parameters,
    inverse_std,
    mean_and_variance,
)
from minigrad.kernels.cpu.batch_norm_parts import (
    channels_of,
    part_gradient,
    part_gradient_sums,
    part_normalise,
    part_scale,
    part_sums,
)
from minigrad.kernels.cpu.jit import jit, parallel_jit
from minigrad.typing import Array

__all__ = ["backward_parallel", "backward_serial", "forward_parallel", "forward_serial"]


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
    shape: tuple[int, int, int],
    parts: tuple[int, int, int, int],
    by_part: bool,
    prefetching: bool,
    streaming: bool,
) -> None:
    """Measure the statistics, normalise by them, or both.

    Contract: ``x`` and ``y`` are flat, of ``shape`` (outer, C, inner), of one dtype, and do not
    overlap; the other arrays are (C,), ``gamma`` and ``beta`` of the dtype of ``x`` and read only
    if they are said to be there. Writes ``mean`` and ``var`` if it measures, ``inv_std`` always,
    ``y`` if it normalises. One read of ``x`` to measure, one read and one write to normalise; by
    group the second read is from the cache when the group fits. Each task owns a group or a part
    of one. Sums are in float64; the bits do not depend on threads or schedule. ``prefetching``: the
    sums ask for values ahead of time; ``streaming``: results go past the caches.
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
                part_sums(x, shift, sums, squares, shape, parts, group, part, prefetching)
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
                part_normalise(x, y, factors, shape, parts, group, part, streaming)
    else:
        for group in prange(groups):
            left, right = channels_of(group, shape, parts)
            if measure:
                for part in range(n_parts):
                    part_sums(x, shift, sums, squares, shape, parts, group, part, prefetching)
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
                    part_normalise(x, y, factors, shape, parts, group, part, streaming)


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
    shape: tuple[int, int, int],
    parts: tuple[int, int, int, int],
    by_part: bool,
    prefetching: bool,
    streaming: bool,
) -> None:
    """Compute the sums, the gradient of ``x``, or both.

    Contract: ``dy``, ``x``, ``dx`` are flat, of ``shape`` (outer, C, inner), of one dtype, and
    ``dx`` overlaps none; ``dgamma`` and ``dbeta`` are (C,) of that dtype too. With
    ``batch_statistics`` the statistics depend on ``x``, and ``need_sums`` must be set. Writes
    ``dgamma`` and ``dbeta`` if it sums, ``dx`` if that is needed. Two reads of ``dy`` and ``x``,
    one write; who owns what, the sums and the bits are as in ``_forward``.
    """
    outer, channels, inner = shape
    size, row_parts, segments, _ = parts
    n = outer * inner
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
                part_gradient_sums(
                    dy, x, mean, sums, products, shape, parts, group, part, prefetching
                )
            add_partial(sums, n_parts, channels, 0, channels)
            add_partial(products, n_parts, channels, 0, channels)
            gradients_of_parameters(sums, products, inv_std, dgamma, dbeta, 0, channels)
        if need_dx:
            backward_factors(
                mean,
                inv_std,
                gamma,
                has_gamma,
                sums,
                products,
                n,
                batch_statistics,
                factors,
                0,
                channels,
            )
            for task in prange(groups * n_parts):
                part = task // groups
                group = task - part * groups
                if batch_statistics:
                    part_gradient(dy, x, dx, factors, shape, parts, group, part, streaming)
                else:
                    part_scale(dy, dx, factors, shape, parts, group, part)
    else:
        for group in prange(groups):
            left, right = channels_of(group, shape, parts)
            if need_sums:
                for part in range(n_parts):
                    part_gradient_sums(
                        dy, x, mean, sums, products, shape, parts, group, part, prefetching
                    )
                add_partial(sums, n_parts, channels, left, right)
                add_partial(products, n_parts, channels, left, right)
                gradients_of_parameters(sums, products, inv_std, dgamma, dbeta, left, right)
            if need_dx:
                backward_factors(
                    mean,
                    inv_std,
                    gamma,
                    has_gamma,
                    sums,
                    products,
                    n,
                    batch_statistics,
                    factors,
                    left,
                    right,
                )
                for index in range(n_parts):
                    part = n_parts - 1 - index  # backwards, as in _forward
                    if batch_statistics:
                        part_gradient(dy, x, dx, factors, shape, parts, group, part, streaming)
                    else:
                        part_scale(dy, dx, factors, shape, parts, group, part)


forward_serial = jit(_forward)
forward_parallel = parallel_jit(_forward)
backward_serial = jit(_backward)
backward_parallel = parallel_jit(_backward)
