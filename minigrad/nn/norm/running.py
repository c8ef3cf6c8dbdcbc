"""What layers with running statistics have in common: parameters, buffers, an average."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.device import Device
from minigrad.nn import init
from minigrad.nn.functional_norms import check_eps
from minigrad.nn.norm.freezing import Freezable
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.nn.state_dict import EXTRA_STATE
from minigrad.tensor import Tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["RunningNorm"]


class RunningNorm(Freezable):
    """Base of layers that scale, shift and keep running statistics, all of one shape.

    A frozen layer does what it does in evaluation: see `Freezable`.

    Parameters
    ----------
    shape : tuple of int
        Of parameters and running statistics.
    eps : float, in units of variance, >= 0
    momentum : float, 0 to 1, or None
        Weight of the **new** value; None: the average over all batches.
    affine, track_running_stats, bias : bool
    device : str, Device or None
    dtype : dtype or None
        Of the parameters. Running statistics are float64, also after a conversion.

    Raises
    ------
    ValueError
        If ``eps`` or ``momentum`` is out of range.
    """

    _fixed_dtype_buffers = frozenset({"running_mean", "running_var", "running_std"})
    _optional_keys = frozenset({"num_batches_tracked", EXTRA_STATE})
    weight: Parameter | None
    bias: Parameter | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        shape: Shape,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        device: Any,
        dtype: DTypeLike,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_eps(name, eps)
        if momentum is not None:
            check_number(name, "momentum", momentum)
            if not 0.0 <= momentum <= 1.0:
                raise ValueError(
                    f"{name}: momentum, the weight of the new value, must be None or between 0 "
                    f"and 1, got {momentum!r}"
                )
        if device is not None:
            Device(device)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.register_parameter("weight", new_parameter(shape, device, dtype) if affine else None)
        self.register_parameter(
            "bias", new_parameter(shape, device, dtype) if affine and bias else None
        )
        track = track_running_stats
        self.register_buffer("running_mean", Tensor(np.zeros(shape)) if track else None)
        self.register_buffer(self._spread, Tensor(self._initial_spread(shape)) if track else None)
        self.register_buffer(
            "num_batches_tracked", Tensor(np.zeros((), np.int64)) if track else None
        )
        self.reset_parameters()

    def _initial_spread(self, shape: Shape) -> Array:
        """Return the running spread before the first batch."""
        return np.ones(shape)

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running spread to that of 1 and their counter to 0."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
            spread: Tensor = getattr(self, self._spread)
            spread.array[...] = self._initial_spread(self.running_mean.shape)
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

    def _learns(self) -> bool:
        """Whether the layer is in training and its statistics are not frozen."""
        return self.training and not self._frozen

    def _weight_of_next(self) -> float:
        """Return the weight of the next batch in the running statistics."""
        if self.momentum is not None:
            return self.momentum
        counter = self.num_batches_tracked
        return 1.0 if counter is None else 1.0 / (counter.item() + 1)

    def _count(self) -> None:
        """Count a batch that has entered the running statistics."""
        counter = self.num_batches_tracked
        if counter is not None:
            counter.array += 1
            counter.counter[0] += 1

    def _options(self) -> str:
        """Return what `extra_repr` shows of the arguments that all these layers have."""
        return (
            f"eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
            f"{', frozen=True' if self.frozen else ''}"
        )
