"""What layers share that subtract a mean, divide by a spread, and keep running values of both.

`BatchNorm` has kernels of its own; the layers that build on this module are made of primitive ops.
Which statistics are used and which updated is as in the table of `minigrad.nn.norm.batch_norm`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad.arguments import check_integer, check_number
from minigrad.device import Device
from minigrad.errors import DTypeError, ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.ops.promotion import cast
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["CentredNorm"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_FLOAT64 = np.dtype(np.float64)


class CentredNorm(Module):
    """Base of layers: modes, checks, running statistics, scale and shift.

    A subclass says what its spread is and how it divides by it: `_spread_of`, `_normalised`, and if
    the running value is another one than the batch's, `_kept`. Values come as (C, n) float64, n
    for each channel.
    """

    _optional_keys = frozenset({"num_batches_tracked"})
    _spread: ClassVar[str]
    """The buffer that keeps the running spread."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    num_batches_tracked: Tensor | None

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
        super().__init__()
        name = type(self).__name__
        check_integer(name, "num_features", num_features, 0)
        check_number(name, "eps", eps)
        if not 0.0 <= eps < np.inf:
            raise ValueError(f"{name}: eps must be a finite number >= 0, got {eps!r}")
        if momentum is not None:
            check_number(name, "momentum", momentum)
            if not 0.0 <= momentum <= 1.0:
                raise ValueError(
                    f"{name}: momentum, the weight of the new value, must be None or between 0 and "
                    f"1, got {momentum!r}"
                )
        if device is not None:
            Device(device)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (num_features,)
        self.register_parameter("weight", new_parameter(shape, device, dtype) if affine else None)
        self.register_parameter(
            "bias", new_parameter(shape, device, dtype) if affine and bias else None
        )
        track = track_running_stats
        self.register_buffer("running_mean", Tensor(np.zeros(shape)) if track else None)
        spread = self._initial_spread() if track else None
        self.register_buffer(self._spread, None if spread is None else Tensor(spread))
        self.register_buffer(
            "num_batches_tracked", Tensor(np.zeros((), np.int64)) if track else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running statistics to those of uncorrelated N(0, 1) and their counter to 0."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
        spread = self._running_spread()
        if spread is not None:
            spread.array[...] = self._initial_spread()
            spread.counter[0] += 1
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Set the running statistics, weight and bias to where they start."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _running_spread(self) -> Tensor | None:
        spread: Tensor | None = getattr(self, self._spread)
        return spread

    # -------------------------------------------------------------------------- for subclasses

    def _initial_spread(self) -> Array:
        """Return the running spread before the first batch."""
        raise NotImplementedError

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
        by_batch = self.training or mean is None or spread is None
        rows = _as_rows(x)
        if not by_batch:
            assert mean is not None and spread is not None  # noqa: S101, PT018 - for mypy
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
        if self.training and self.track_running_stats and not is_recomputing():
            kept = self._kept(batch_spread.array, rows.shape[1])
            self._update(batch_mean.array[:, 0], kept)
        return y

    def _update(self, mean: Array, spread: Array) -> None:
        counter = self.num_batches_tracked
        factor = self.momentum
        if factor is None:
            factor = 1.0 if counter is None else 1.0 / (counter.item() + 1)
        for running, value in ((self.running_mean, mean), (self._running_spread(), spread)):
            if running is None:
                continue
            # Not running + factor * (value - running): a weight of 1 forgets a NaN.
            old = (1.0 - factor) * running.array if factor < 1.0 else 0.0
            running.array[...] = old + factor * value
            running.counter[0] += 1
        if counter is not None:
            counter.array += 1
            counter.counter[0] += 1

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
        return (
            f"{self.num_features}{self._own_repr()}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _own_repr(self) -> str:
        """Return the arguments that this layer alone has, each after a comma."""
        return ""


def _as_rows(x: Tensor) -> Any:
    """Return the values of each channel as a row of float64: (N, C, *S) -> (C, N*prod(S))."""
    rows = np.swapaxes(cast(x, _FLOAT64), 0, 1)
    return np.reshape(rows, (x.shape[1], -1) if x.array.size else (x.shape[1], 0))
