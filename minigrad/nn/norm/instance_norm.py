"""Instance normalisation.

Without running statistics, which is the default, training and evaluation are the same. With them,
the table of `minigrad.nn.norm.batch_norm` holds, where "the batch" is each sample on its own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad.arguments import check_integer
from minigrad.errors import ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.nn import functional
from minigrad.nn.norm.running import RunningNorm
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import DTypeLike

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(RunningNorm):
    """The base of the three layers, which say how many axes there are."""

    _ndim: ClassVar[int]
    _shapes: ClassVar[str]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        check_integer(type(self).__name__, "num_features", num_features, 0)
        shape = (num_features,)
        super().__init__(shape, eps, momentum, affine, track_running_stats, bias, device, dtype)
        self.num_features = num_features

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``, and in training update the running statistics if there are any.

        Parameters
        ----------
        x : Tensor, shape (N, num_features, *S) or (num_features, *S), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        axis = x.ndim - self._ndim + 1  # of the channels: 0 without a batch
        if axis not in (0, 1) or x.shape[axis] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__}: expected x of shape {self._shapes} with C = "
                f"{self.num_features}, got {x.shape}"
            )
        if axis == 0:
            return self._normalised(x.unsqueeze(0)).squeeze(0)
        return self._normalised(x)

    def _normalised(self, x: Tensor) -> Tensor:
        running_mean, running_var = self.running_mean, self.running_var
        by_instance = self._learns() or running_mean is None
        if self._learns() and not self.track_running_stats:
            running_mean = running_var = None
        y = functional.instance_norm(
            x,
            running_mean,
            running_var,
            self.weight,
            self.bias,
            by_instance,
            self._weight_of_next(),
            self.eps,
        )
        updated = self._learns() and running_mean is not None and x.array.size > 0
        if updated and not is_recomputing():
            self._count()
        return y

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, {self._options()}"


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sample of (N, C, L) or (C, L) on its own.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1, or of axis 0 without a batch.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root. With 0, a constant channel gives NaN.
    momentum : float, 0 to 1, or None
        Weight of the **new** value in the running statistics. None: the average over all batches.
    affine : bool
        Whether to learn a scale and a shift for each channel.
    track_running_stats : bool
        Whether to keep running statistics, which normalise in evaluation.
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
        Buffers; start at 0 and 1. They take the mean over the samples of a batch of their means
        and of their unbiased variances.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input has another number of axes or channels, or one value per channel of a sample
        where it is normalised by itself.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] Ulyanov, Vedaldi & Lempitsky, 2016, arXiv:1607.08022.
    """

    _ndim = 3
    _shapes = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of (N, C, H, W) or (C, H, W); everything else: `InstanceNorm1d`."""

    _ndim = 4
    _shapes = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of (N, C, D, H, W) or (C, D, H, W); the rest: `InstanceNorm1d`."""

    _ndim = 5
    _shapes = "(N, C, D, H, W) or (C, D, H, W)"
