"""Batch normalisation of each activation of a map on its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigrad.arguments import check_integer
from minigrad.errors import ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.nn import functional
from minigrad.nn.functional_norms import normalized_axes
from minigrad.nn.norm.running import RunningNorm
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import DTypeLike

__all__ = ["PerActivationBatchNorm"]


class PerActivationBatchNorm(RunningNorm):
    """Normalise each activation over the batch: its own mean, variance, scale and shift.

    It is the transform of the paper's Algorithm 1 as it stands; `BatchNorm2d` shares statistics and
    parameters among all positions of a channel, as section 3.2 has it for convolutions.

    Parameters
    ----------
    shape : int or sequence of int
        Of one sample.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root. With 0, a constant activation gives NaN.
    momentum : float, 0 to 1, or None
        Weight of the **new** value in the running statistics. None: the average over all batches.
    affine : bool
        Whether to learn a scale and a shift.
    track_running_stats : bool
        Whether to keep running statistics, for evaluation.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.
    bias : bool
        False: learn a scale without a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape ``shape``, or None
        Scale and shift; start at 1 and 0.
    running_mean, running_var : Tensor, shape ``shape``, float64, or None
        Buffers; start at 0 and 1. The variance is the unbiased one.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input is not (N, *shape), or N = 1 where the batch normalises.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If an argument is out of range.

    Notes
    -----
    A map is viewed as a vector, and each of its elements as a channel: statistics, evaluation,
    empty batches and running averages are those of `BatchNorm1d`. There are prod(S) times as many
    parameters as there, and N values behind each statistic rather than N*prod(S).

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167, Algorithm 1 and section 3.2.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.PerActivationBatchNorm((3, 8, 8))
    >>> layer(mg.randn(5, 3, 8, 8)).shape, layer.weight.shape
    ((5, 3, 8, 8), (3, 8, 8))
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        lengths = normalized_axes("PerActivationBatchNorm", shape)
        for length in lengths:
            check_integer("PerActivationBatchNorm", "shape", length, 1)
        super().__init__(lengths, eps, momentum, affine, track_running_stats, bias, device, dtype)
        self.shape = lengths

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``, and in training update the running statistics.

        Parameters
        ----------
        x : Tensor, shape (N, *shape), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        if x.ndim != len(self.shape) + 1 or x.shape[1:] != self.shape:
            raise ShapeError(
                f"PerActivationBatchNorm: expected x of shape (N, *{self.shape}), got {x.shape}"
            )
        running_mean, running_var = self.running_mean, self.running_var
        by_batch = self._learns() or running_mean is None
        if by_batch and x.shape[0] == 1:
            raise ShapeError(
                "PerActivationBatchNorm: expected more than one sample where the batch normalises, "
                f"got x of shape {x.shape}; use larger batches (drop_last=True in the DataLoader), "
                "or eval() with running statistics"
            )
        if self._learns() and not self.track_running_stats:
            running_mean = running_var = None
        size = math.prod(self.shape)
        # (N, *S) -> (N, prod(S)); the running statistics are updated through views of them
        mean, var, weight, bias = (
            v if v is None else v.reshape(size)
            for v in (running_mean, running_var, self.weight, self.bias)
        )
        matrix = x.reshape((x.shape[0], size))
        y = functional.batch_norm(
            matrix, mean, var, weight, bias, by_batch, self._weight_of_next(), self.eps
        )
        updated = self._learns() and running_mean is not None and x.array.size > 0
        if updated and not is_recomputing():
            self._count()
        return y.reshape(x.shape)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.shape}, {self._options()}"
