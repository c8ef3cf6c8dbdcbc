"""Behind every BatchNorm: which values count, by what they are normalised, and what is stored."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from minigrad import ops
from minigrad.engine import apply
from minigrad.errors import DTypeError, NonFiniteError, ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.kernels import dispatch
from minigrad.ops.batch_norm import check_arguments
from minigrad.ops.index import Index, Key, ScatterAdd
from minigrad.ops.weighted_batch_norm import batch_norm_weighted
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, Shape

__all__ = [
    "NONFINITE",
    "Batch",
    "NonFinite",
    "Outcome",
    "Selection",
    "check_nonfinite",
    "check_running",
    "commit",
    "evaluate",
    "normalise",
    "select",
]

NonFinite = Literal["propagate", "skip", "raise"]
NONFINITE = ("propagate", "skip", "raise")
"""What to do with the running statistics if those of a batch are NaN or infinite."""

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Selection(NamedTuple):
    """Which values of a batch enter the statistics, and with what weight."""

    mask: Array | None
    """Boolean, shape (N, *S)."""
    weights: Tensor | None
    """Shape (N, *S), or where there is a mask (number of its values,)."""
    n: int
    """Values of a channel that enter the statistics."""


class Batch(NamedTuple):
    """A batch that was normalised by its own statistics."""

    y: Tensor
    mean: Array
    """Shape (C,), float64."""
    var: Array
    """Shape (C,), float64, biased."""
    n: int
    """Values of a channel that entered."""
    bessel: float | None
    """What makes the variance unbiased, where that is not ``n / (n - 1)``."""


def select(name: str, x: Tensor, mask: Any, sample_weight: Any) -> Selection | None:
    """Check a mask and weights against ``x`` of shape (N, C, *S).

    Parameters
    ----------
    name : str
        For error messages.
    x : Tensor, shape (N, C, *S)
    mask : Tensor of bool, shape (N,) or (N, *S), or None
    sample_weight : Tensor of numbers >= 0, shape (N,) or (N, *S), or None

    Returns
    -------
    Selection or None
        None if there is neither, or no axis for channels.

    Raises
    ------
    ShapeError
        If a shape does not fit.
    DTypeError
        If ``mask`` is not boolean, or ``sample_weight`` is.
    ValueError
        If a weight is negative or not finite, or all are zero.
    """
    if (mask is None and sample_weight is None) or x.ndim < 2:
        return None
    shape = (x.shape[0], *x.shape[2:])
    where, n = None, math.prod(shape)
    if mask is not None:
        chosen = as_tensor(mask).array
        if chosen.dtype != np.bool_:
            raise DTypeError(f"{name}: mask must be boolean, True where x counts, got {mask!r}")
        where = np.broadcast_to(chosen.reshape(_places(name, "mask", chosen.shape, x)), shape)
        n = int(np.count_nonzero(where))
    if sample_weight is None:
        return Selection(where, None, n)
    weights = as_tensor(sample_weight)
    if weights.dtype.kind not in "fiu":
        raise DTypeError(
            f"{name}: sample_weight must be of real numbers, got {sample_weight!r}; values that "
            "count or do not are a mask"
        )
    full = ops.broadcast_to(
        ops.reshape(weights, _places(name, "sample_weight", weights.shape, x)), shape
    )
    if where is not None:
        full = apply(Index, full, index=Key((where,), repeats=False))
    values = full.array
    wrong = values[~((values >= 0.0) & np.isfinite(values))]
    if wrong.size:
        raise ValueError(f"{name}: sample_weight must be finite and >= 0, got {wrong[0].item()!r}")
    if n and not values.any():
        raise ValueError(
            f"{name}: sample_weight must have positive elements, got {values.flat[0].item()!r} "
            "alone: there are no statistics to normalise by; a mask leaves samples out altogether"
        )
    # Beside the largest, a smaller one than this is none: Bessel's factor would be infinite.
    ratios = np.divide(values, np.max(values, initial=0.0), dtype=np.float64)
    return Selection(where, full, int(np.count_nonzero(ratios >= np.finfo(np.float64).tiny)))


def _places(name: str, argument: str, shape: Shape, x: Tensor) -> Shape:
    """Return the shape that broadcasts to that of ``x`` without channels."""
    full = (x.shape[0], *x.shape[2:])
    places = (*shape, *(1,) * (len(full) - 1)) if len(shape) == 1 else shape
    fits = len(places) == len(full) and all(
        have in (1, want) for have, want in zip(places, full, strict=True)
    )
    if not fits:
        allowed = f"({full[0]},)" if len(full) == 1 else f"({full[0]},) or {full}"
        raise ShapeError(
            f"{name}: {argument} must have shape {allowed}, that of x {x.shape} without its "
            f"channels, got {shape}"
        )
    return places


def normalise(
    x: Tensor,
    weight: Any,
    bias: Any,
    eps: float,
    selection: Selection | None = None,
    detach_statistics: bool = False,
) -> Batch:
    """Normalise by the statistics of the batch.

    Parameters
    ----------
    x : Tensor, shape (N, C, *S)
    weight, bias : Tensor, shape (C,), or None
    eps : float
    selection : Selection, optional
        Where its mask is False, y is zero and no gradient passes. Its weights change the
        statistics alone: every value is normalised.
    detach_statistics : bool
        Take mean and variance for constants of the gradient.

    Returns
    -------
    Batch
    """
    mask, weights = (None, None) if selection is None else selection[:2]
    values = x if mask is None else _compacted(x, mask)
    bessel = None
    if selection is not None and weights is not None and selection.n:
        y, mean, var, bessel = batch_norm_weighted(
            values, weights, weight, bias, eps=eps, detach_statistics=detach_statistics
        )
    elif detach_statistics:
        check_arguments(values.array, weight, bias, eps)
        mean, var = dispatch.module("batch_norm").statistics(values.array)
        y = ops.batch_norm_eval(values, mean, var, weight, bias, eps=eps)
    else:
        y, mean, var = ops.batch_norm_train(values, weight, bias, eps=eps)
    n = x.array.size // max(1, x.shape[1]) if selection is None else selection.n
    return Batch(y if mask is None else _spread(y, mask, x), mean, var, n, bessel)


def evaluate(
    x: Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    eps: float,
    selection: Selection | None = None,
) -> Tensor:
    """Normalise by running statistics; the arguments are those of `normalise`."""
    mask = None if selection is None else selection.mask
    values = x if mask is None else _compacted(x, mask)
    y: Tensor = ops.batch_norm_eval(values, running_mean, running_var, weight, bias, eps=eps)
    return y if mask is None else _spread(y, mask, x)


def _compacted(x: Tensor, mask: Array) -> Tensor:
    """Return the values where the mask is True, shape (N, C, *S) -> (n, C)."""
    result: Tensor = apply(Index, ops.movedim(x, 1, -1), index=Key((mask,), repeats=False))
    return result


def _spread(y: Tensor, mask: Array, x: Tensor) -> Tensor:
    """Put values back in their places among zeros, shape (n, C) -> (N, C, *S)."""
    shape = (*mask.shape, x.shape[1])
    full = apply(ScatterAdd, y, index=Key((mask,), repeats=False), shape=shape)
    result: Tensor = ops.movedim(full, -1, 1)
    return result.contiguous() if x.is_contiguous() else result


Outcome = Literal["stored", "skipped", "nothing"]
"""What became of the statistics of a batch."""


def commit(
    name: str,
    running_mean: Tensor,
    running_var: Tensor,
    batch: Batch,
    *,
    momentum: float,
    unbiased: bool,
    nonfinite: NonFinite,
) -> Outcome:
    """Move running statistics towards those of a batch: both of them, or neither.

    Parameters
    ----------
    name : str
        For error messages.
    running_mean, running_var : Tensor, shape (C,)
        Changed in place.
    batch : Batch
    momentum : float, 0 to 1
        Weight of the new value.
    unbiased : bool
        Whether the unbiased variance is stored.
    nonfinite : {"propagate", "skip", "raise"}

    Returns
    -------
    {"stored", "skipped", "nothing"}
        Nothing: the batch was empty, or is run a second time by a checkpoint.

    Raises
    ------
    NonFiniteError
        If a statistic is NaN or infinite and ``nonfinite`` is "raise".
    """
    if batch.n == 0 or is_recomputing():
        return "nothing"
    mean, var = batch.mean, batch.var
    if batch.bessel is not None and unbiased:
        var, unbiased = var * batch.bessel, False
    if nonfinite != "propagate":
        wrong = ~(_fits(mean, running_mean) & _fits(var, running_var))
        if wrong.any() and nonfinite == "skip":
            return "skipped"
        if wrong.any():
            raise NonFiniteError(_nonfinite_message(name, mean, var, wrong))
    dispatch.module("batch_norm").update_running(
        running_mean.array, running_var.array, mean, var, n=batch.n, momentum=momentum,
        unbiased=unbiased,
    )  # fmt: skip
    running_mean.counter[0] += 1
    running_var.counter[0] += 1
    return "stored"


def _fits(statistic: Array, running: Tensor) -> Array:
    """Return where a statistic is finite also in the dtype in which it is to be stored."""
    with np.errstate(over="ignore"):
        finite: Array = np.isfinite(statistic.astype(running.dtype))
        return finite


def _nonfinite_message(name: str, mean: Array, var: Array, wrong: Array) -> str:
    channels = np.flatnonzero(wrong)
    shown = [f"channel {c}: mean {mean[c]}, variance {var[c]}" for c in channels[:3]]
    more = [f"{len(channels) - 3} more"] if len(channels) > 3 else []
    return (
        f"{name}: the batch has statistics that are not finite ({'; '.join(shown + more)}); the "
        "running statistics were not changed. minigrad.detect_anomaly() finds where NaN and "
        "infinity start; nonfinite='skip' leaves such batches out of the running statistics"
    )


def check_running(x: Tensor, running_mean: Any, running_var: Any, momentum: Any) -> None:
    """Refuse what cannot be updated, before anything is computed.

    Raises
    ------
    TypeError
        If a running statistic is not a Tensor.
    ShapeError
        If it is not (C,).
    DTypeError
        If it is neither float32 nor float64.
    ValueError
        If ``momentum`` is not between 0 and 1.
    """
    channels = x.shape[1:2]  # without one, x is refused by what is to normalise it
    for name, value in (("running_mean", running_mean), ("running_var", running_var)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"batch_norm: {name} must be a Tensor, to be updated in place, got "
                f"{type(value).__name__}"
            )
        if channels and value.shape != channels:
            raise ShapeError(
                f"batch_norm: {name} must have shape {channels}, one value per channel of "
                f"input {x.shape}, got {value.shape}"
            )
        if value.dtype not in _FLOATS:
            raise DTypeError(f"batch_norm: {name} must be float32 or float64, got {value.dtype}")
    if not (isinstance(momentum, (int, float)) and 0.0 <= momentum <= 1.0):
        raise ValueError(
            f"batch_norm: momentum, the weight of the new value, must be between 0 and 1, got "
            f"{momentum!r}"
        )


def check_nonfinite(name: str, nonfinite: Any) -> None:
    """Refuse an unknown policy.

    Raises
    ------
    ValueError
        If it is none of `NONFINITE`.
    """
    if nonfinite not in NONFINITE:
        raise ValueError(f"{name}: nonfinite must be one of {NONFINITE}, got {nonfinite!r}")
