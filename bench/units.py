"""Units of figures, and how a figure is printed."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Unit", "gigabytes", "quantity"]

Unit = Literal["s", "bytes", "error", "factor", "ulp"]

_PREFIXES: dict[Unit, tuple[tuple[str, float], ...]] = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)),
    "bytes": (("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
}
_FORMATS: dict[Unit, str] = {"error": "{:.1e}", "factor": "{:.3g} x", "ulp": "{:.2g}"}


def quantity(value: float | None, unit: Unit) -> str:
    """Return seconds or bytes with three digits and a fitting prefix, or a number."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(float(value))
    if unit in _FORMATS:
        return _FORMATS[unit].format(value)
    scales = _PREFIXES[unit]
    name, scale = next((s for s in scales if abs(value) >= s[1]), scales[-1])
    return f"{value / scale:.3g} {name}"


def gigabytes(per_second: float | None) -> str:
    """Return bytes per second in units of 1e9."""
    return "" if per_second is None else f"{per_second / 1e9:.1f}"
