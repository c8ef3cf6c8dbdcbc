"""Batch normalisation layers. What maths and kernels call gamma and beta is weight and bias here.

What a layer does depends on three things, also if they are changed after construction:

========  ===================  =================  =========================  =================
training  track_running_stats  running statistics  normalises by             updates
========  ===================  =================  =========================  =================
True      True                 present             the batch                 the running ones
True      False                present             the batch                 nothing
True      either               absent              the batch                 nothing
False     either               present             the running statistics    nothing
False     either               absent              the batch                 nothing
========  ===================  =================  =========================  =================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.arguments import check_integer, check_number
from minigrad.device import Device
from minigrad.errors import ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.nn import functional, init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import DTypeLike, Shape

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "momentum_from_decay"]


def momentum_from_decay(decay: float) -> float:
    """Return the momentum of this library for the weight of the **old** value.

    Parameters
    ----------
    decay : float, 0 to 1
        What Keras and Flax call momentum.

    Returns
    -------
    float
        ``1 - decay``.

    Raises
    ------
    ValueError
        If ``decay`` is not between 0 and 1.
    """
    check_number("momentum_from_decay", "decay", decay)
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"momentum_from_decay: decay must be between 0 and 1, got {decay!r}")
    return 1.0 - decay


class BatchNorm(Module):
    """Normalise each channel: the base of the three layers, which say how many axes there are.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root. With 0, a constant channel gives NaN.
    momentum : float, 0 to 1, or None
        Weight of the **new** value in the running statistics (Keras and Flax name that of the
        old one: `momentum_from_decay`). None: the average over all batches, each of the same
        weight.
    affine : bool
        Whether to learn a scale and a shift.
    track_running_stats : bool
        Whether to keep running statistics, for evaluation. Without, evaluation also normalises
        by the statistics of the batch.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.
    bias : bool
        False: learn a scale without a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Scale and shift; start at 1 and 0.
    running_mean, running_var : Tensor, shape (num_features,), float64, or None
        Buffers; start at 0 and 1. They stay float64 when the layer is converted, because a
        float32 mean of data far from zero would be off by a part of their spread.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input has another number of axes or channels, or one value per channel where it is
        normalised by its own statistics.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If a parameter is out of range.

    Notes
    -----
    In training, with n = N*prod(S) values per channel: the batch is normalised by its mean and
    its biased variance (divided by n); the running variance takes the unbiased one (divided by
    n - 1). The running statistics are updated in the forward pass, once the result has been
    computed, also under ``no_grad``; in a function that `minigrad.checkpoint` runs twice, the first
    time alone. An empty batch gives an empty result and changes nothing.

    A state_dict without ``num_batches_tracked``, from an old file, loads and leaves it as it is.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167.
    """

    _fixed_dtype_buffers = frozenset({"running_mean", "running_var"})
    _optional_keys = frozenset({"num_batches_tracked"})
    _ndims: ClassVar[Sequence[int]] = range(2, 65)  # up to what NumPy has
    _shapes: ClassVar[str] = "(N, C, *S)"

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_integer(name, "num_features", num_features)
        check_number(name, "eps", eps)
        if momentum is not None:
            check_number(name, "momentum", momentum)
        if num_features < 0:
            raise ValueError(f"{name}: num_features must be >= 0, got {num_features}")
        if not 0.0 <= eps < np.inf:
            raise ValueError(f"{name}: eps must be a finite number >= 0, got {eps!r}")
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(
                f"{name}: momentum, the weight of the new value, must be None or between 0 and 1, "
                f"got {momentum!r}"
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
        self.register_buffer("running_var", Tensor(np.ones(shape)) if track else None)
        self.register_buffer(
            "num_batches_tracked", Tensor(np.zeros((), np.int64)) if track else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running statistics to those of N(0, 1) and their counter to 0."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
        if self.running_var is not None:
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Set the running statistics, weight and bias to where they start."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

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
        shape = x.shape
        if len(shape) not in self._ndims or shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__}: expected x of shape {self._shapes} with C = "
                f"{self.num_features}, got {shape}"
            )
        running_mean, running_var = self.running_mean, self.running_var
        by_batch = self.training or (running_mean is None and running_var is None)
        if by_batch and x.array.size == shape[1]:
            raise ShapeError(self._single_value(shape))
        if self.training and not self.track_running_stats:
            running_mean = running_var = None
        counter = self.num_batches_tracked
        factor = self.momentum
        if factor is None:
            factor = 1.0 if counter is None else 1.0 / (counter.item() + 1)
        y = functional.batch_norm(
            x, running_mean, running_var, self.weight, self.bias, by_batch, factor, self.eps
        )
        updated = self.training and running_mean is not None and x.array.size > 0
        if updated and counter is not None and not is_recomputing():
            counter.array += 1
            counter.counter[0] += 1
        return y

    def _single_value(self, shape: Shape) -> str:
        name = type(self).__name__
        if self.training:
            return (
                f"{name}: expected more than one value per channel when training, got x of shape "
                f"{shape}, whose variance is zero; use larger batches (drop_last=True in the "
                "DataLoader), or freeze the layer with eval() so that it normalises by its "
                "running statistics"
            )
        return (
            f"{name}: expected more than one value per channel, got x of shape {shape}: without "
            "running statistics (track_running_stats=False) evaluation, too, normalises by the "
            "batch; evaluate larger batches, or train the layer with track_running_stats=True"
        )

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """Normalise each channel of (N, C) or (N, C, L); everything else: `BatchNorm`."""

    _ndims = (2, 3)
    _shapes = "(N, C) or (N, C, L)"


class BatchNorm2d(BatchNorm):
    """Normalise each channel of (N, C, H, W); everything else: `BatchNorm`."""

    _ndims = (4,)
    _shapes = "(N, C, H, W)"


class BatchNorm3d(BatchNorm):
    """Normalise each channel of (N, C, D, H, W); everything else: `BatchNorm`."""

    _ndims = (5,)
    _shapes = "(N, C, D, H, W)"
