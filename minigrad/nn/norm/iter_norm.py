"""Whitening by Newton's iterations."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.nn.norm.whitening import Whitening
from minigrad.tensor import Tensor
from minigrad.typing import Array, DTypeLike

__all__ = ["IterNorm"]


class IterNorm(Whitening):
    """Whiten the channels of each group by ZCA, nearly: with some of Newton's iterations.

    As `DecorrelatedBatchNorm`, but with products of matrices alone. With ``A = S + eps 1`` of a
    group, whose trace t is greater than every eigenvalue::

        P = 1;  repeat num_iterations times:  P = (3 P - P**3 A/t) / 2
        y = t**-0.5 P (x - mean(x))

    which converges to ``A**-0.5 (x - mean(x))``: quickly in directions of much variance. Along
    one of eigenvalue a, k iterations reach y of variance close to 1 if 1.5**(2 k) is large
    against t/a; with less it stays smaller, so noise is not blown up [1]_.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    num_groups : int
        Consecutive channels form a group of num_features/num_groups, whitened by themselves. With
        ``num_groups=num_features`` the layer is a BatchNorm (one eigenvalue is its own trace, and
        the first iteration is exact).
    eps : float, in squared units of the input, >= 0
        Added to the diagonal of the covariance.
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
    num_iterations : int, >= 0
        T of [1]_, which finds 5 to be enough.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Scale and shift; start at 1 and 0.
    running_mean : Tensor, shape (num_features,), float64, or None
        Buffer; starts at 0.
    running_covariance : Tensor, shape (num_groups, d, d), float64, or None
        Buffer: the average of the unbiased covariances (divided by n - 1), without eps; starts at
        the identity.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input is not (N, num_features, *S), or has no more values per channel than a group
        has channels where it is normalised by its own statistics.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If the trace of a covariance is not a positive, finite number, or a parameter is out of
        range.

    Notes
    -----
    The iterations are ops like others, so derivatives of every order are right: those of the
    function computed, not of its limit. They run in the coupled form, ``Y = Y B`` and ``P = B P``
    with ``B = (3 - P Y)/2``, which is the same but for rounding: the form above amplifies that in
    each iteration, and diverges soon after it has converged [2]_. In evaluation, the same
    iterations run on the running covariance; [1]_ averages the whitening matrices instead.
    Everything is computed in float64 and rounded once.

    References
    ----------
    .. [1] Huang et al., 2019, arXiv:1904.03441, section 3 and Algorithm 1.
    .. [2] Higham, 2008, Functions of Matrices: Theory and Computation, sections 6.3 and 6.4.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.IterNorm(4, num_groups=2)
    >>> layer(mg.randn(8, 4, 5, 5)).shape
    (8, 4, 5, 5)
    """

    def __init__(
        self,
        num_features: int,
        num_groups: int = 1,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
        num_iterations: int = 5,
    ) -> None:
        check_integer("IterNorm", "num_iterations", num_iterations, 0)
        super().__init__(
            num_features,
            num_groups,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            bias,
        )
        self.num_iterations = num_iterations

    def _whitening_matrix(self, covariance: Any) -> Any:
        unit = np.eye(covariance.shape[-1])
        trace = np.sum(covariance * Tensor(unit), axis=(1, 2), keepdims=True)
        y, p = covariance / trace, Tensor(np.broadcast_to(unit, covariance.shape).copy())
        for _ in range(self.num_iterations):
            b = 1.5 * Tensor(unit) - 0.5 * np.matmul(p, y)
            y, p = np.matmul(y, b), np.matmul(b, p)
        return p / np.sqrt(trace)

    def _check_spread(self, spread: Array, x: Tensor) -> None:
        super()._check_spread(spread, x)
        trace = np.trace(spread, axis1=1, axis2=2) + self.eps * spread.shape[-1]
        right = (trace > 0.0) & (trace < np.inf)
        if not right.all():
            group = int(np.argmin(right))
            raise ValueError(
                f"IterNorm: the trace of the covariance of group {group} must be a positive, "
                f"finite number, got {trace[group]} with eps={self.eps} from x of shape {x.shape}: "
                "its channels are constant (use eps > 0) or their squares overflow"
            )

    def _own_repr(self) -> str:
        return f"{super()._own_repr()}, num_iterations={self.num_iterations}"
