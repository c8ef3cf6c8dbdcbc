"""Matrices without a row and a column: what the gradient of a singular determinant is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import apply
from minigrad.ops.index import Index, Key
from minigrad.typing import Array

__all__ = ["is_odd", "submatrices"]


def submatrices(x: Any) -> Any:
    """Return the matrices that are left when each row and each column is dropped.

    Parameters
    ----------
    x : ndarray or Tensor, shape (*, N, N)

    Returns
    -------
    ndarray or Tensor, shape (*, N, N, N - 1, N - 1)
        At (i, j): without row i and column j.
    """
    n = x.shape[-1]
    others = np.arange(n - 1) + (np.arange(n - 1) >= np.arange(n)[:, None])  # row i lacks i
    rows = others[:, None, :, None]
    columns = others[None, :, None, :]
    return apply(Index, x, index=Key((..., rows, columns), True))


def is_odd(n: int) -> Array:
    """Return where i + j is odd, and the sign of the cofactor at (i, j) therefore minus."""
    places = np.arange(n)
    result: Array = (places[:, None] + places) % 2 == 1
    return result
