"""Random ops: dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.ops.promotion import as_float
from minigrad.random import Generator, generator_or_default
from minigrad.registry import FUNCTIONS, public
from minigrad.tensor import Tensor, _wrap

__all__ = ["dropout"]


@public
def dropout(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Set each element to zero with probability ``p`` and scale the others by ``1 / (1 - p)``.

    Parameters
    ----------
    x : Tensor, any shape
    p : float
        Probability of a zero, between 0 and 1.
    training : bool
        If False, ``x`` is returned as it is.
    generator : Generator, optional
        What draws; default: the default generator.

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    ValueError
        If ``p`` is not between 0 and 1.

    Notes
    -----
    The product with a mask of zeros and ``1 / (1 - p)``, so the gradient is the upstream times the
    same mask, at every order (Srivastava et al. 2014, scaled in training instead of evaluation).
    """
    check_number("dropout", "p", p)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p must be between 0 and 1, got {p!r}")
    tensor = as_float(x)
    if not training or p == 0.0:
        return tensor
    source = generator_or_default(generator).numpy
    mask = (source.random(tensor.shape, dtype=np.float32) >= p).astype(tensor.dtype)
    if p < 1.0:
        mask *= mask.dtype.type(1.0 / (1.0 - p))
    result: Tensor = FUNCTIONS["mul"](tensor, _wrap(mask))
    return result
