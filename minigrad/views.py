"""What the gradient of a view is."""

from __future__ import annotations

import numpy as np

from minigrad.engine import Node, apply
from minigrad.registry import public
from minigrad.tensor import Tensor

__all__ = ["grad_of_view"]


@public
def grad_of_view(tensor: Tensor) -> Tensor | None:
    """Return what ``grad`` of a view of a leaf shows; see `Tensor.grad`."""
    path: list[Node] = []
    edge: Node | Tensor | None = tensor.node
    while isinstance(edge, Node):
        if not edge.op.view:
            return None
        path.append(edge)
        edge = edge.edges[0]
    # A view op may have had to copy: then this is no view of the leaf.
    if edge is None or edge._grad is None or not np.may_share_memory(tensor.array, edge.array):
        return None
    gradient: Tensor = edge._grad
    for node in reversed(path):
        gradient = apply(node.op, gradient, **node.kwargs)
    return gradient
