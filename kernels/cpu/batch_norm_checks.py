"""What batch normalisation refuses before a kernel sees it, and arrays as kernels read them."""

from __future__ import annotations

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels.cpu import batch_norm_launch
from minigrad.kernels.cpu.simd import LANE_BITS
from minigrad.typing import Array

__all__ = [
    "as_float64",
    "check",
    "check_fused",
    "check_gradient",
    "check_like",
    "inverse_std",
    "parameter",
    "statistic",
]


def check(x: Array) -> None:
    """Refuse what the kernels cannot read."""
    if x.dtype not in batch_norm_launch.DTYPES:
        raise DTypeError(f"x must be float32 or float64, got {x.dtype}: convert it first")
    if x.ndim < 2:
        raise ShapeError(f"x must have shape (N, C, *S), got {x.shape}")


def parameter(values: Array | None, x: Array, name: str) -> Array | None:
    """Check gamma or beta, and make it contiguous."""
    if values is None:
        return None
    if values.shape != (x.shape[1],):
        raise ShapeError(f"{name} must have shape ({x.shape[1]},), got {values.shape}")
    if values.dtype != x.dtype:
        raise DTypeError(f"{name} must have the dtype of x, {x.dtype}, got {values.dtype}")
    return values if values.flags.carray else values.copy()


def statistic(values: Array, x: Array, name: str) -> Array:
    """Check a mean, variance or inverse standard deviation, and make it contiguous float64."""
    if values.shape != (x.shape[1],):
        raise ShapeError(f"{name} must have shape ({x.shape[1]},), got {values.shape}")
    return as_float64(values)


def as_float64(values: Array) -> Array:
    """Return ``values`` as contiguous float64, without a copy if they are that."""
    if values.dtype == np.float64 and values.flags.carray:
        return values
    return values.astype(np.float64)


def inverse_std(var: Array, eps: float) -> Array:
    """Return ``1 / sqrt(var + eps)``, infinite for a variance of zero without ``eps``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 / np.sqrt(var + eps))


def check_fused(x: Array, residual: Array | None, mask: Array | None) -> None:
    """Refuse what cannot be added to a result, or say where it was rectified."""
    if residual is not None:
        check_like(residual, x, "residual")
    if mask is not None:
        size = batch_norm_launch.mask_size(x) if x.size else 0
        if mask.shape != (size,) or mask.dtype != LANE_BITS or not mask.flags.carray:
            raise ShapeError(
                f"mask must be what empty_mask(x) returns, {LANE_BITS} of shape ({size},), got "
                f"{mask.dtype} of shape {mask.shape}"
            )


def check_like(values: Array, x: Array, name: str) -> None:
    """Refuse an array that is not of the shape and dtype of ``x``."""
    if values.shape != x.shape:
        raise ShapeError(f"{name} must have the shape of x, {x.shape}, got {values.shape}")
    if values.dtype != x.dtype:
        raise DTypeError(f"{name} must have the dtype of x, {x.dtype}, got {values.dtype}")


def check_gradient(dy: Array, x: Array, mean: Array, inv_std: Array) -> tuple[Array, Array]:
    """Refuse what has no gradient, and return the statistics contiguous."""
    check(x)
    check_like(dy, x, "dy")
    return statistic(mean, x, "mean"), statistic(inv_std, x, "inv_std")
