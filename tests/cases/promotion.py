"""Casts between floating dtypes; other pairs of dtypes are in ``tests/test_tensor.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import apply
from minigrad.ops.promotion import Cast
from minigrad.tensor import Tensor
from tests.cases import Case


def cast_to_own_dtype(x: Any) -> Tensor:
    """Call the op where the public function would return its argument."""
    result: Tensor = apply(Cast, x, dtype=x.dtype)
    return result


CASES = [
    Case(
        Cast,
        cast_to_own_dtype,
        lambda rng: (rng.normal(size=(2, 3)),),
        np.copy,
        empty=(np.ones((0, 3)),),
    )
]
