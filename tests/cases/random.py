"""Dropout, with a generator that is seeded anew in every call."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.random import dropout
from minigrad.random import Generator
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.cases import BadInput, Case

SEED = 3


def seeded_dropout(x: Any, p: float = 0.5) -> Tensor:
    """Return dropout whose mask is always the same."""
    return dropout(x, p, generator=Generator(SEED))


def reference(x: Array, p: float = 0.5) -> Array:
    """Return the mask that the generator draws, applied by hand."""
    keep = Generator(SEED).numpy.random(x.shape, dtype=np.float32) >= p
    return np.where(keep, x / (1.0 - p) if p < 1.0 else 0.0, 0.0)


CASES = [
    Case(
        None,
        seeded_dropout,
        lambda rng: (rng.normal(size=(4, 5)),),
        reference,
        kwargs={"p": p},
        id=f"p={p}",
        errors=[BadInput((np.ones(2), 1.5), ValueError, "between 0 and 1, got 1.5", {})],
    )
    for p in (0.0, 0.3, 1.0)
]
