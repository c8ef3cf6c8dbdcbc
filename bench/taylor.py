"""Derivatives of BatchNorm of any order that owe nothing to a gradient rule.

BatchNorm is evaluated on truncated power series in one variable t, in extended precision: the
derivatives along a direction are the coefficients, times factorials. How these depend on each
element of an input is found by a complex step. Both are exact up to rounding.

References
----------
.. [1] Griewank & Walther, 2008, Evaluating Derivatives, chapter 13 (arithmetic of series).
.. [2] Squire & Trapp, 1998, SIAM Review 40(1), 110-112 (complex step).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.typing import Array

__all__ = ["gradient_of_derivative"]

Series = list[Array]
"""Coefficients of 1, t, t**2, ..."""

_STEP = np.longdouble(1e-200)  # its square vanishes beside anything


def gradient_of_derivative(
    inputs: Sequence[Array], directions: Sequence[Array], eps: float, order: int
) -> list[Array]:
    """Differentiate ``<dy, batch_norm(x, gamma, beta)>`` ``order`` times: once by each element.

    Parameters
    ----------
    inputs : sequence of ndarray
        x (N, C, *S), gamma (C,), beta (C,) and dy (N, C, *S).
    directions : sequence of ndarray
        Of the shapes of the inputs: ``order - 1`` derivatives are taken along it, of all inputs
        at once, so that mixed ones are among them.
    eps : float
    order : int
        At least 1.

    Returns
    -------
    list of ndarray
        For each input, in longdouble.
    """
    series = [
        [np.asarray(value, np.clongdouble), np.asarray(direction, np.clongdouble)]
        for value, direction in zip(inputs, directions, strict=True)
    ]
    gradients = [np.empty(np.shape(value), np.longdouble) for value in inputs]
    for position, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            value = series[position][0]
            before = value[index]
            value[index] = before + 1j * _STEP
            x, gamma, beta, dy = series
            coefficient = _inner_product(x, gamma, beta, dy, eps, order)[order - 1]
            value[index] = before
            gradient[index] = coefficient.imag / _STEP * math.factorial(order - 1)
    return gradients


def _inner_product(
    x: Series, gamma: Series, beta: Series, dy: Series, eps: float, terms: int
) -> Series:
    """Return the series of ``<dy, batch_norm(x, gamma, beta)>``, section by section as in [1]_."""
    axes = (0, *range(2, x[0].ndim))
    along = (1, -1, *(1,) * (x[0].ndim - 2))
    deviation = [c - c.mean(axes, keepdims=True) for c in x]
    var = [c.mean(axes, keepdims=True) for c in _product(deviation, deviation, terms)]
    var[0] = var[0] + np.longdouble(eps)
    y = _product(deviation, _inverse_root(var), terms)
    y = _product(y, [c.reshape(along) for c in gamma], terms)
    for c, shift in zip(y, beta, strict=False):
        c += shift.reshape(along)
    return [np.sum(c) for c in _product(dy, y, terms)]


def _product(a: Series, b: Series, terms: int) -> Series:
    total: Series = []
    for k in range(terms):
        pairs = [a[j] * b[k - j] for j in range(len(a)) if 0 <= k - j < len(b)]
        shape = np.broadcast_shapes(a[0].shape, b[0].shape)
        total.append(sum(pairs, np.zeros(shape, np.clongdouble)))
    return total


def _inverse_root(v: Series) -> Series:
    """Return the series of ``v**-0.5``, from ``v u' = -0.5 v' u``."""
    u = [1.0 / np.sqrt(v[0])]
    for k in range(1, len(v)):
        total = sum((-0.5 * j - (k - j)) * v[j] * u[k - j] for j in range(1, k + 1))
        u.append(np.asarray(total / (k * v[0])))
    return u
