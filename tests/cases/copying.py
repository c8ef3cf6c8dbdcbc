"""Copies."""

from __future__ import annotations

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops import copying as ops
from tests.cases import BadInput, Case

CASES = [
    Case(
        ops.Clone,
        ops.clone,
        lambda rng: (rng.normal(size=(2, 3)),),
        np.copy,
        empty=(np.ones((0, 3)),),
    ),
    Case(
        ops.CopyOf,
        ops.copy_of,
        lambda rng: (rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 1))),
        lambda x, source: np.broadcast_to(source, x.shape),
        constants=(0,),
        errors=(
            BadInput(
                (np.ones((2, 3)), np.ones(2)),
                ShapeError,
                r"expected a source that broadcasts to shape \(2, 3\), got \(2,\)",
            ),
        ),
    ),
]
