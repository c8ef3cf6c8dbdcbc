"""Types shared by every layer, and the table of shape letters.

========  =============================================================
letter    meaning
========  =============================================================
``N``     samples in a batch
``C``     channels or features (axis 1)
``*S``    any number of spatial axes: none, ``(L,)``, ``(H, W)``, ...
``D``     depth: the first spatial axis of three
``H, W``  height, width
``F``     output channels of a filter bank
``K``     classes, or the size of a filter
========  =============================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Axis", "DTypeLike", "FloatArray", "Scalar", "Shape"]

Array: TypeAlias = NDArray[Any]
"""An array of any dtype."""
FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""An array of float32 or float64."""
Scalar: TypeAlias = bool | int | float
"""A Python number."""
Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = int | Sequence[int] | None
"""One axis, several, or all of them."""
DTypeLike: TypeAlias = Any
"""Whatever ``numpy.dtype`` accepts."""
