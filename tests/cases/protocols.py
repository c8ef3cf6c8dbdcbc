"""Tensors like others."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.expansion import Broadcast
from minigrad.ops.protocols import full_like, ones_like, zeros_like
from minigrad.typing import Array
from tests.cases import Case


def filled(value: Any, shape: tuple[int, ...]) -> Any:
    """Return a Tensor of ``shape`` filled with ``value``, which may require a gradient."""
    return full_like(np.ones(shape, value.dtype), value)


def normal(rng: np.random.Generator) -> tuple[Array]:
    return (rng.normal(size=(2, 3)),)


CASES = [
    Case(None, zeros_like, normal, np.zeros_like, differentiable=False),
    Case(None, ones_like, normal, np.ones_like, differentiable=False),
    Case(
        Broadcast,
        filled,
        lambda rng: (rng.normal(size=()), (2, 3)),
        lambda value, shape: np.full(shape, value),
        id="full_like",
    ),
    Case(
        None,
        full_like,
        lambda rng: (rng.normal(size=(2, 3)), 3),
        np.full_like,
        differentiable=False,
        errors=[
            ((np.ones(2), np.ones(2)), ShapeError, r"value of rank 0, got shape \(2,\)"),
            ((np.ones(2, np.int64), 0.5), DTypeError, "for dtype int64, got float32"),
        ],
    ),
]
