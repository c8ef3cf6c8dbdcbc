"""Batch normalisation layers. What maths and kernels call gamma and beta is weight and bias here.

What a layer does depends on four things, also if they are changed after construction. A frozen
layer is one in evaluation, whatever its mode is; of the others:

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
from typing import Any, ClassVar, Literal

import numpy as np

from minigrad import ops
from minigrad.arguments import check_integer, check_number
from minigrad.device import Device
from minigrad.errors import ShapeError
from minigrad.nn import batch_statistics, init
from minigrad.nn.batch_statistics import NonFinite
from minigrad.nn.norm.freezing import Freezable
from minigrad.nn.norm.untrained import warn_if_untrained
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.nn.state_dict import EXTRA_STATE
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import DTypeLike, Shape

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class BatchNorm(Freezable):
    """Normalise each channel: the base of the three layers, which say how many axes there are.

    Parameters
    ----------
    num_features : int
        Channels: the length of ``axis``.
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
    scale : bool
        False: learn a shift without a scale.
    axis : int
        Where the channels are; negative counts from the end. Another one than 1 costs no copy: the
        axis is moved in a view.
    unbiased : bool
        Whether the running variance takes the unbiased variance of each batch, as in the paper
        and in PyTorch. False: the biased one, the convention of Keras and Flax, for a net
        that goes on with statistics from there or has to agree with one.
    single : {"raise", "eval"}
        A training batch with one value per channel has no variance. "raise": an error. "eval": it
        is normalised by the running statistics and updates nothing.
    nonfinite : {"propagate", "skip", "raise"}
        What a batch whose mean or variance is NaN or infinite, in any channel, does to the running
        statistics and their counter. "propagate": it enters as any other, and they stay NaN.
        "skip": it leaves all of them as they are and is counted in ``num_batches_skipped``.
        "raise": an error, before anything changes. The output is what arithmetic gives.
    detach_statistics : bool
        The gradient in training takes mean and variance for constants, at every order; all else
        is as ever. For experiments: section 2 of the paper shows why such a net does not train.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Scale and shift; start at 1 and 0.
    running_mean, running_var : Tensor, shape (num_features,), float64, or None
        Buffers; start at 0 and 1. They stay float64 when the layer is converted, because a
        float32 mean of data far from zero would be off by a part of their spread.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.
    num_batches_skipped : int
        Batches that ``nonfinite="skip"`` has left out.
    frozen : bool
        Whether `freeze` holds.

    Raises
    ------
    ShapeError
        If the input has another number of axes or channels, or one value per channel where it is
        normalised by its own statistics.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    NonFiniteError
        If ``nonfinite`` is "raise", and a statistic of a batch is not finite.
    ValueError
        If a parameter is out of range, or ``single`` is "eval" where no running statistics are.

    Warns
    -----
    UntrainedBatchNormWarning
        Once, if it normalises by running statistics that no batch has entered.

    Notes
    -----
    In training, with n = N*prod(S) values per channel: the batch is normalised by its mean and
    its biased variance (divided by n); the running variance takes the unbiased one (divided by
    n - 1). The running statistics are updated in the forward pass, once the result has been
    computed, also under ``no_grad``; in a function that `minigrad.checkpoint` runs twice, the first
    time alone. An empty batch gives an empty result and changes nothing.

    A state_dict without ``num_batches_tracked``, from an old file, loads and leaves it as it is.
    That a layer is frozen, and batches that it skipped, stand in the state_dict only where there is
    something to say (under ``_extra_state``), so that PyTorch's dictionaries load here and those of
    a layer in its usual state load there. One that says nothing of it changes nothing of it.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167.

    Examples
    --------
    A padded batch of sequences, channels last:

    >>> import minigrad as mg
    >>> layer = mg.nn.BatchNorm1d(3, axis=-1)
    >>> lengths = mg.tensor([2, 5])
    >>> y = layer(mg.randn(2, 5, 3), mask=mg.arange(5) < lengths[:, None])
    >>> y[0, 2:].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    _fixed_dtype_buffers = frozenset({"running_mean", "running_var"})
    _optional_keys = frozenset({"num_batches_tracked", EXTRA_STATE})
    _ndims: ClassVar[Sequence[int]] = range(2, 65)  # up to what NumPy has
    _shapes: ClassVar[str] = "(N, C, *S)"
    _warned_untrained = False

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
        scale: bool = True,
        axis: int = 1,
        unbiased: bool = True,
        single: Literal["raise", "eval"] = "raise",
        nonfinite: NonFinite = "propagate",
        detach_statistics: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_integer(name, "num_features", num_features)
        axis = check_integer(name, "axis", axis)
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
        if single not in ("raise", "eval"):
            raise ValueError(f"{name}: single must be 'raise' or 'eval', got {single!r}")
        if single == "eval" and not track_running_stats:
            raise ValueError(
                f"{name}: single='eval' needs running statistics to normalise by, got "
                f"track_running_stats={track_running_stats!r}"
            )
        batch_statistics.check_nonfinite(name, nonfinite)
        if device is not None:
            Device(device)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.axis = axis
        self.unbiased = unbiased
        self.single = single
        self.nonfinite = nonfinite
        self.detach_statistics = detach_statistics
        shape = (num_features,)
        self.register_parameter(
            "weight", new_parameter(shape, device, dtype) if affine and scale else None
        )
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
        """Set the running statistics to those of N(0, 1) and their counters to 0."""
        self.num_batches_skipped = 0
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

    def forward(self, x: Any, *, mask: Any = None, sample_weight: Any = None) -> Tensor:
        """Normalise ``x``, and in training update the running statistics.

        Parameters
        ----------
        x : Tensor, shape (N, num_features, *S), float32 or float64
            Or with the channels on another ``axis``.
        mask : Tensor of bool, shape (N,) or (N, *S), optional
            True where a value counts, as in padded sequences. Elsewhere the result is 0 and no
            gradient passes, whatever stands there, NaN included; all else is as if those values
            were not there. With all False, the batch counts as empty.
        sample_weight : Tensor of numbers >= 0, shape (N,) or (N, *S), optional
            Weights of the values in mean and variance. All values are normalised, those of
            weight 0, too. Without effect where the running statistics normalise.

        Returns
        -------
        Tensor like ``x``

        See Also
        --------
        minigrad.nn.functional.batch_norm : the formulas.
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        place = self._place_of_channels(x.shape)
        if place != 1:
            x = ops.movedim(x, place, 1)
        selection = batch_statistics.select(type(self).__name__, x, mask, sample_weight)
        n = x.array.size // max(1, self.num_features) if selection is None else selection.n
        if self._normalises_by_batch(n, x.shape, masked=mask is not None):
            y = self._by_batch(x, selection)
        else:
            warn_if_untrained(self)
            y = batch_statistics.evaluate(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.eps, selection
            )
        return y if place == 1 else ops.movedim(y, 1, place)

    def _place_of_channels(self, shape: Shape) -> int:
        """Return which axis holds the channels, counted from the start; check the shape."""
        ndim, axis = len(shape), self.axis
        if ndim in self._ndims and -ndim <= axis < ndim and shape[axis] == self.num_features:
            return axis % ndim
        expected = f"shape {self._shapes} with C = {self.num_features}"
        if axis != 1:
            expected += f" moved to axis {axis}"
        raise ShapeError(f"{type(self).__name__}: expected x of {expected}, got {shape}")

    def _normalises_by_batch(self, n: int, shape: Shape, *, masked: bool = False) -> bool:
        """Whether a batch of ``n`` values per channel is normalised by its own statistics."""
        absent = self.running_mean is None and self.running_var is None
        learns = self.training and not self._frozen
        if not (learns or absent):
            return False
        if n != 1:
            return True
        if learns and self.single == "eval" and not absent:
            return False
        raise ShapeError(self._single_value(f"{shape} under its mask" if masked else str(shape)))

    def _by_batch(self, x: Tensor, selection: batch_statistics.Selection | None) -> Tensor:
        """Normalise by the statistics of the batch, and store them if that is to be."""
        mean: Any = self.running_mean
        var: Any = self.running_var
        stores = self.training and self.track_running_stats
        stores = stores and not (mean is None and var is None)
        counter, momentum = self.num_batches_tracked, self.momentum
        if momentum is None:
            momentum = 1.0 if counter is None else 1.0 / (counter.item() + 1)
        if stores:
            batch_statistics.check_running(x, mean, var, momentum)
        batch = batch_statistics.normalise(
            x, self.weight, self.bias, self.eps, selection, self.detach_statistics
        )
        if not stores:
            return batch.y
        outcome = batch_statistics.commit(
            type(self).__name__, mean, var, batch, momentum=momentum,
            unbiased=self.unbiased, nonfinite=self.nonfinite,
        )  # fmt: skip
        if outcome == "skipped":
            self.num_batches_skipped += 1
        elif outcome == "stored" and counter is not None:
            counter.array += 1
            counter.counter[0] += 1
        return batch.y

    def _single_value(self, shape: str) -> str:
        name = type(self).__name__
        if self.training and not self._frozen:
            return (
                f"{name}: expected more than one value per channel when training, got x of shape "
                f"{shape}, whose variance is zero; use larger batches (drop_last=True in the "
                "DataLoader), or normalise by the running statistics: the layer's eval() or "
                "freeze(), or single='eval' for such batches alone"
            )
        return (
            f"{name}: expected more than one value per channel, got x of shape {shape}: without "
            "running statistics (track_running_stats=False) evaluation, too, normalises by the "
            "batch; evaluate larger batches, or train the layer with track_running_stats=True"
        )

    def extra_repr(self) -> str:
        """Return the arguments, and whether the layer is frozen."""
        text = (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
        others = {
            "scale": (self.weight is not None, self.affine),
            "axis": (self.axis, 1),
            "unbiased": (self.unbiased, True),
            "single": (self.single, "raise"),
            "nonfinite": (self.nonfinite, "propagate"),
            "detach_statistics": (self.detach_statistics, False),
            "frozen": (self._frozen, False),
        }
        unusual = [
            f", {name}={value!r}" for name, (value, usual) in others.items() if value != usual
        ]
        return text + "".join(unusual)


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
