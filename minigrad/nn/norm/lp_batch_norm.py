"""Batch normalisation by other norms than that of least squares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.nn.norm.centred_norm import CentredNorm
from minigrad.tensor import Tensor
from minigrad.typing import Array, DTypeLike

__all__ = ["LpBatchNorm"]


class LpBatchNorm(CentredNorm):
    """Subtract each channel's mean and divide by its average l1, l2 or l-infinity norm.

    With the n = N*prod(S) values x of a channel and d = x - mean(x)::

        y = weight * d / sqrt(s**2 + eps) + bias
        s = mean(|v|)          p = 1
        s = sqrt(mean(v**2))   p = 2, with v = d: BatchNorm
        s = max(|v|)           p = inf

    where v is d, or x itself with ``centered=False``.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    p : 1, 2 or infinity
        Which norm.
    eps : float, in squared units of the input, >= 0
        Added to the square of the norm, for every p: with p = 2 that is what BatchNorm does. With
        0, a constant channel gives NaN.
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
    centered : bool
        Take the norm of the centred values. False: of the values before their mean is subtracted,
        as [1]_ has it; the result then depends on where zero is, and p = 2 is BatchNorm only for
        channels of mean 0.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Scale and shift; start at 1 and 0.
    running_mean, running_square : Tensor, shape (num_features,), float64, or None
        Buffers: averages of the mean and of s**2, without eps; start at 0 and 1. With p = 2 and
        centred values, s**2 is the variance, and its average takes n/(n - 1) times that of the
        batch, as in BatchNorm.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input is not (N, num_features, *S), or has one value per channel where it is
        normalised by its own statistics.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If a parameter is out of range.

    Notes
    -----
    "Average norm" is read as above, as the p-mean of the absolute values: then s is of the order
    of the standard deviation whatever n is. No factor makes it equal to that (for normal values it
    would be sqrt(pi/2) with p = 1); the learned scale takes its place.

    At kinks the gradient is the subgradient of the ops: 0 for |v| at 0, and shared evenly by
    values that tie for the maximum. Every order is right elsewhere. Everything is computed in
    float64 and rounded once.

    With p = 2 the layer is a BatchNorm, in training and in evaluation.

    References
    ----------
    .. [1] Santurkar et al., 2018, arXiv:1805.11604, section 3.3: "the average of their lp-norm
       (before shifting the mean), for p = 1, 2, infinity".

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.LpBatchNorm(1, p=float("inf"), eps=0.0)
    >>> layer(mg.tensor([[1.0], [3.0], [8.0]])).tolist()
    [[-0.75], [-0.25], [1.0]]
    """

    _fixed_dtype_buffers = frozenset({"running_mean", "running_square"})
    _spread = "running_square"

    running_square: Tensor | None

    def __init__(
        self,
        num_features: int,
        p: float = 1,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
        centered: bool = True,
    ) -> None:
        check_number("LpBatchNorm", "p", p)
        if p not in (1, 2, math.inf):
            raise ValueError(f"LpBatchNorm: p must be 1, 2 or infinity, got {p!r}")
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )
        self.p = p
        self.centered = centered

    def _least_values(self) -> int:
        return 2

    def _spread_of(self, x: Any, deviation: Any) -> Any:
        """Return the square of the norm, which is smooth at 0 where the norm may not be."""
        values = deviation if self.centered else x
        if self.p == 2:
            return np.mean(values * values, axis=1)
        magnitude = np.abs(values)
        norm = np.mean(magnitude, axis=1) if self.p == 1 else np.max(magnitude, axis=1)
        return norm * norm

    def _normalised(self, deviation: Any, spread: Any) -> Any:
        return deviation / np.sqrt(spread + self.eps)[:, None]

    def _kept(self, spread: Array, n: int) -> Array:
        return spread * (n / (n - 1)) if self.p == 2 and self.centered else spread

    def _own_repr(self) -> str:
        return f", p={self.p}, centered={self.centered}"
