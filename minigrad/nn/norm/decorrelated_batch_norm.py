"""Whitening by the eigenvalues of the covariance."""

from __future__ import annotations

from typing import Any

from minigrad.errors import LinAlgError
from minigrad.nn.norm.whitening import Whitening
from minigrad.ops.matrix_roots import inverse_sqrt
from minigrad.typing import DTypeLike

__all__ = ["DecorrelatedBatchNorm"]


class DecorrelatedBatchNorm(Whitening):
    """Whiten the channels of each group by ZCA: mean 0, variance 1, and no correlation.

    For the values x of a group, one vector of d = num_features/num_groups channels for each of
    the n = N*prod(S) samples and positions, with S the biased covariance (divided by n)::

        y = (S + eps 1)**-0.5 (x - mean(x))

    and then a scale and a shift for each channel. The covariance of y is ``S (S + eps 1)**-1``:
    the identity up to eps. Of all maps that whiten, the symmetric root leaves y closest to x [2]_;
    PCA, which has the eigenvectors for axes, exchanges axes from step to step and does not
    train [1]_.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    num_groups : int
        Consecutive channels form a group of num_features/num_groups, whitened by themselves. With
        ``num_groups=num_features`` the layer is a BatchNorm.
    eps : float, in squared units of the input, >= 0
        Added to the diagonal of the covariance. With 0, a singular covariance is an error.
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
        has channels where it is normalised by its own statistics: their covariance is singular.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    LinAlgError
        If ``S + eps 1`` is singular to rounding.
    ValueError
        If the covariance is not finite, or a parameter is out of range.

    Notes
    -----
    The gradient is exact at every order also where eigenvalues are equal or close, because it is
    that of the root (`minigrad.linalg.inverse_sqrt`), not of eigenvectors. In evaluation,
    the running covariance is whitened with; [1]_ averages the whitening matrices instead, which
    are not those of any covariance. Everything is computed in float64 and rounded once: with
    condition number k of ``S + eps 1``, y is off by half a unit in the last place of float32 plus
    some k * 1e-16 of its length. One eigendecomposition takes time in the order of d**3.

    References
    ----------
    .. [1] Huang et al., 2018, arXiv:1804.08450, section 3 and Algorithm 1.
    .. [2] Kessy, Lewin & Strimmer, 2018, Optimal whitening and decorrelation, arXiv:1512.00809.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.DecorrelatedBatchNorm(4, num_groups=2, eps=0.0, dtype="float64")
    >>> y = layer(mg.randn(100, 4, dtype="float64"))
    >>> mg.allclose(y[:, 2:].T @ y[:, 2:] / 100, mg.eye(2, dtype="float64"))
    True
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
    ) -> None:
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

    def _whitening_matrix(self, covariance: Any) -> Any:
        try:
            return inverse_sqrt(covariance)
        except LinAlgError as error:
            raise LinAlgError(
                f"DecorrelatedBatchNorm: a covariance of {covariance.shape} is singular to "
                f"rounding with eps={self.eps}: channels are constant or depend on each other; use "
                "a larger eps, or smaller groups (a larger num_groups)"
            ) from error
