"""What a backward pass starts from: outputs, each with its upstream gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.engine import Node
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.tensor import Tensor, _wrap

__all__ = ["as_tensors", "seeds_of", "upstream_gradients"]


def as_tensors(name: str, tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Return one Tensor or several as a list; ``name`` is for the error."""
    if isinstance(tensors, Tensor):
        return [tensors]
    listed = list(tensors) if isinstance(tensors, Iterable) else [tensors]
    for tensor in listed:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} must be a Tensor or a sequence of Tensors, got {type(tensor).__name__}"
            )
    return listed


def upstream_gradients(gradients: Any, count: int) -> list[Any]:
    """Return one upstream gradient, or None, for each of ``count`` outputs."""
    if gradients is None:
        return [None] * count
    if isinstance(gradients, (list, tuple)):
        if len(gradients) != count:
            raise ShapeError(f"expected {count} upstream gradients, got {len(gradients)}")
        return list(gradients)
    if count != 1:
        raise ShapeError(f"expected a sequence of {count} upstream gradients, got one")
    return [gradients]


def seeds_of(
    roots: list[Tensor], gradients: list[Any], create_graph: bool
) -> list[tuple[Node | Tensor, Any]]:
    """Check each upstream gradient against its output and pair it with where it enters."""
    seeds: list[tuple[Node | Tensor, Any]] = []
    for root, gradient in zip(roots, gradients, strict=True):
        if not root._requires_grad:
            raise AutogradError(
                "backward: this Tensor does not require a gradient; none of what it was computed "
                "from does, or it was computed under no_grad"
            )
        seed = gradient
        if seed is None:
            if root.array.size != 1:
                raise AutogradError(
                    f"backward without a gradient needs a Tensor of one element, got shape "
                    f"{root.shape}; pass gradient= of that shape, or reduce with sum() or mean()"
                )
            seed = np.ones(root.shape, root.dtype)
        elif isinstance(seed, Tensor):
            seed = seed if create_graph else seed.array
        else:
            seed = np.asarray(seed)
        if seed.shape != root.shape:
            raise ShapeError(
                f"the upstream gradient must have shape {root.shape}, got {seed.shape}"
            )
        if seed.dtype != root.dtype:
            raise DTypeError(f"the upstream gradient must be {root.dtype}, got {seed.dtype}")
        if create_graph and not isinstance(seed, Tensor):
            seed = _wrap(seed)
        seeds.append((root.node or root, seed))
    return seeds
