"""How wide the vectors of this CPU are."""

from __future__ import annotations

import os
from collections.abc import Mapping

import llvmlite.binding
import numpy as np

__all__ = ["LANES", "LANE_BITS", "VECTOR_BITS", "vector_bits"]

_WIDTHS = (128, 256, 512)


def vector_bits(features: Mapping[str, bool], override: str = "") -> int:
    """Return the width of a vector register.

    Parameters
    ----------
    features : mapping from str to bool
        Features of the CPU, by LLVM's names.
    override : str
        Value of ``MINIGRAD_VECTOR_BITS``; empty: by the features. Wider vectors than the CPU's
        work, as several registers.

    Returns
    -------
    int
        128, 256 or 512 bits. 128 is what SSE2 and NEON have.

    Raises
    ------
    ValueError
        If the override is none of these.
    """
    if override:
        if override not in map(str, _WIDTHS):
            raise ValueError(
                f"MINIGRAD_VECTOR_BITS must be one of {', '.join(map(str, _WIDTHS))}, "
                f"got {override!r}"
            )
        return int(override)
    if features.get("avx512f", False):
        return 512
    return 256 if features.get("avx2", False) else 128


VECTOR_BITS = vector_bits(
    llvmlite.binding.get_host_cpu_features(), os.environ.get("MINIGRAD_VECTOR_BITS", "")
)
"""Width of a vector register of this CPU."""

LANES = VECTOR_BITS // 32
"""Elements of a vector, for float32 and float64 alike."""

LANE_BITS = np.dtype(np.uint16 if LANES > 8 else np.uint8)
"""Integer with a bit for each lane of a vector."""
