"""Layers that change the shape alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigrad.arguments import check_integer, check_items
from minigrad.errors import ShapeError
from minigrad.nn.module import Module
from minigrad.tensor import Tensor, as_tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Make one axis of the axes ``start_dim`` to ``end_dim``; by default of all but the first.

    Parameters
    ----------
    start_dim, end_dim : int
        Both included; negative counts from the end.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        check_integer("Flatten", "start_dim", start_dim)
        check_integer("Flatten", "end_dim", end_dim)
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, flattened: (N, C, *S) -> (N, C*prod(S)) by default."""
        return as_tensor(x).flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make several axes of one.

    Parameters
    ----------
    dim : int
        The axis; negative counts from the end.
    unflattened_size : sequence of int
        Lengths of the new axes; one may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        check_integer("Unflatten", "dim", dim)
        for length in check_items("Unflatten", "unflattened_size", unflattened_size):
            check_integer("Unflatten", "unflattened_size", length, -1)
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with axis ``dim`` replaced by the new axes."""
        x = as_tensor(x)
        if not -x.ndim <= self.dim < x.ndim:
            raise ShapeError(f"Unflatten: axis {self.dim} is out of range for shape {x.shape}")
        dim = self.dim % x.ndim
        known = math.prod(size for size in self.unflattened_size if size != -1)
        if -1 in self.unflattened_size:
            fits = known > 0 and x.shape[dim] % known == 0
        else:
            fits = x.shape[dim] == known
        if not fits:
            raise ShapeError(
                f"Unflatten: axis {self.dim} of shape {x.shape} does not split into "
                f"{self.unflattened_size}"
            )
        return x.reshape((*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """Return the axis and the lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
