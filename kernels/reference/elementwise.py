"""Elementwise functions that NumPy lacks."""

from __future__ import annotations

import math

import numpy as np

from minigrad.typing import Array

__all__ = ["erf"]

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    """Error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``.

    Parameters
    ----------
    x : ndarray, any shape, floating
        Argument.

    Returns
    -------
    ndarray
        Shape and dtype of ``x``; computed in float64 by :func:`math.erf`.
    """
    return np.asarray(_erf(x.astype(np.float64)), dtype=x.dtype)
