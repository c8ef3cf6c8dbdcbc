"""What layers share that subtract a mean, divide by a spread, and keep running values of both.

`BatchNorm` has kernels of its own; the layers that build on this module are made of primitive ops.
Which statistics are used and which updated is as in the table of `minigrad.nn.norm.batch_norm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.errors import DTypeError, ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.nn.norm.running import RunningNorm
from minigrad.ops.promotion import cast
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["CentredNorm"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_FLOAT64 = np.dtype(np.float64)


class CentredNorm(RunningNorm):
    """Base of layers that treat each channel or group by itself: modes, checks, scale and shift.

    A subclass says what its spread is and how it divides by it: `_spread_of`, `_normalised`, and if
    the running value is another one than the batch's, `_kept`. Values come as (C, n) float64, n
    for each channel.
    """

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: DTypeLike,
        bias: bool,
    ) -> None:
        self.num_features = check_integer(type(self).__name__, "num_features", num_features, 0)
        super().__init__(
            (self.num_features,), eps, momentum, affine, track_running_stats, bias, device, dtype
        )

    def _running_spread(self) -> Tensor | None:
        spread: Tensor | None = getattr(self, self._spread)
        return spread

    # -------------------------------------------------------------------------- for subclasses

    def _least_values(self) -> int:
        """Return how many values a channel must have at least to be normalised by the batch."""
        raise NotImplementedError

    def _spread_of(self, x: Any, deviation: Any) -> Any:
        """Return the spread of the batch: a Tensor, from values and their distance to the mean."""
        raise NotImplementedError

    def _normalised(self, deviation: Any, spread: Any) -> Any:
        """Return the deviations divided by the spread, that of the batch or the running one."""
        raise NotImplementedError

    def _check_spread(self, spread: Array, x: Tensor) -> None:
        """Refuse a spread that cannot be divided by, before anything changes."""

    def _kept(self, spread: Array, n: int) -> Array:
        """Return what the running spread takes of a batch with n values per channel."""
        return spread

    # -------------------------------------------------------------------------- running

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``, and in training update the running statistics.

        Parameters
        ----------
        x : Tensor, shape (N, num_features, *S), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        self._check(x)
        if x.array.size == 0:
            return self._finished(_as_rows(x), x)
        mean, spread = self.running_mean, self._running_spread()
        learns, rows = self._learns(), _as_rows(x)
        if not learns and mean is not None and spread is not None:
            self._check_spread(spread.array, x)
            # No op saves these, so later updates in place do no harm.
            deviation = rows - Tensor(mean.array[:, None])
            return self._finished(self._normalised(deviation, Tensor(spread.array)), x)
        self._check_count(x.shape)
        batch_mean = np.mean(rows, axis=1, keepdims=True)
        deviation = rows - batch_mean
        batch_spread = self._spread_of(rows, deviation)
        self._check_spread(batch_spread.array, x)
        y = self._finished(self._normalised(deviation, batch_spread), x)
        if learns and self.track_running_stats and not is_recomputing():
            kept = self._kept(batch_spread.array, rows.shape[1])
            self._update(batch_mean.array[:, 0], kept)
        return y

    def _update(self, mean: Array, spread: Array) -> None:
        factor = self._weight_of_next()
        for running, value in ((self.running_mean, mean), (self._running_spread(), spread)):
            if running is None:
                continue
            # Not running + factor * (value - running): a weight of 1 forgets a NaN.
            old = (1.0 - factor) * running.array if factor < 1.0 else 0.0
            running.array[...] = old + factor * value
            running.counter[0] += 1
        self._count()

    def _finished(self, rows: Any, x: Tensor) -> Tensor:
        """Scale and shift (C, n) values, rounded once to the dtype of ``x`` and in its shape."""
        if self.weight is not None:
            rows = rows * cast(self.weight, _FLOAT64)[:, None]
        if self.bias is not None:
            rows = rows + cast(self.bias, _FLOAT64)[:, None]
        shape = (x.shape[1], x.shape[0], *x.shape[2:])
        return cast(np.swapaxes(np.reshape(rows, shape), 0, 1), x.dtype)

    # -------------------------------------------------------------------------- errors and text

    def _check(self, x: Tensor) -> None:
        name = type(self).__name__
        if not x.ndim >= 2 or x.shape[1] != self.num_features:
            raise ShapeError(
                f"{name}: expected x of shape (N, C, *S) with C = {self.num_features}, got "
                f"{x.shape}"
            )
        if x.dtype not in _FLOATS:
            raise DTypeError(f"{name}: x must be float32 or float64, got {x.dtype}")
        if self.weight is not None and x.dtype != self.weight.dtype:
            raise DTypeError(
                f"{name}: x must be {self.weight.dtype}, as the weight is, got {x.dtype}; convert "
                "one of them with .to(dtype)"
            )

    def _check_count(self, shape: Shape) -> None:
        least, n = self._least_values(), shape[0] * int(np.prod(shape[2:]))
        if n >= least:
            return
        remedy = (
            "use larger batches (drop_last=True in the DataLoader), or evaluation mode"
            if self.training
            else "without running statistics (track_running_stats=False) evaluation, too, "
            "normalises by the batch"
        )
        raise ShapeError(
            f"{type(self).__name__}: expected at least {least} values per channel, got {n} from x "
            f"of shape {shape}; {remedy}"
        )

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}{self._own_repr()}, {self._options()}"

    def _own_repr(self) -> str:
        """Return the arguments that this layer alone has, each after a comma."""
        return ""


def _as_rows(x: Tensor) -> Any:
    """Return the values of each channel as a row of float64: (N, C, *S) -> (C, N*prod(S))."""
    rows = np.swapaxes(cast(x, _FLOAT64), 0, 1)
    return np.reshape(rows, (x.shape[1], -1) if x.array.size else (x.shape[1], 0))
