"""Dropout."""

from __future__ import annotations

from typing import Any

from minigrad.arguments import check_number
from minigrad.nn import functional
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, set each element to zero with probability ``p`` and scale up the others.

    In evaluation the input is returned as it is.

    Parameters
    ----------
    p : float
        Probability of a zero, 0 to 1.
    inplace : bool
        Also store the result in the input.

    Raises
    ------
    ValueError
        If ``p`` is not between 0 and 1.

    Notes
    -----
    Draws from the default generator: `minigrad.manual_seed`.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_number("Dropout", "p", p)
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p must be between 0 and 1, got {p!r}")
        self.p = p
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Return ``x``, with zeros in training."""
        return functional.dropout(x, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}, inplace={self.inplace}"
