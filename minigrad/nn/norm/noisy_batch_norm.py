"""Batch normalisation whose output is made unstable on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.random import Generator, generator_or_default
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike

__all__ = ["NoisyBatchNorm"]


class NoisyBatchNorm(BatchNorm):
    """BatchNorm, and in training noise whose mean and variance are drawn anew at each step.

    For each channel, mu ~ U(-n_mu, n_mu) and sigma ~ U(1, n_sigma); then for each sample and
    position m ~ U(mu - r_mu, mu + r_mu) and s ~ N(sigma, r_sigma**2); the output y of BatchNorm
    becomes ``s * y + m``. So what follows sees a covariate shift at every step, and a network
    that trains as well as with BatchNorm shows that stable distributions are not why BatchNorm
    helps [1]_.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        As of `BatchNorm`.
    n_mu : float, >= 0, in units of the output
        Range of the mean.
    n_sigma : float, >= 1
        Largest mean factor.
    r_mu : float, >= 0, in units of the output
        Range of a sample about the mean.
    r_sigma : float, >= 0
        Standard deviation of a sample's factor.
    generator : Generator, optional
        What draws; default: the default generator (`minigrad.manual_seed`), which a
        `minigrad.checkpoint` restores for the second run, as it does no other.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        As `BatchNorm`; ValueError also if a parameter of the noise is out of range.

    Notes
    -----
    The noise comes after scale and shift: [1]_ adds it to "the batch-normalized activation". It is
    a constant of the gradient. Evaluation and a frozen layer have none, and the running statistics
    are of what comes in. With ``n_mu=0, n_sigma=1, r_mu=0, r_sigma=0`` nothing is drawn: the layer
    is a BatchNorm.
    Numbers are drawn in float64 and rounded, so float32 and float64 nets of one seed get the same.

    References
    ----------
    .. [1] Santurkar et al., 2018, arXiv:1805.11604, section 2.1 and Algorithm 1 of appendix A,
       which has the default values. It says N(sigma, r_sigma) without saying whether that is a
       variance; here it is the standard deviation.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.NoisyBatchNorm(3, generator=mg.Generator(0))
    >>> layer(mg.randn(8, 3)).shape
    (8, 3)
    """

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
        n_mu: float = 0.5,
        n_sigma: float = 1.25,
        r_mu: float = 0.1,
        r_sigma: float = 0.1,
        generator: Generator | None = None,
    ) -> None:
        noise = {"n_mu": n_mu, "n_sigma": n_sigma, "r_mu": r_mu, "r_sigma": r_sigma}
        for argument, value in noise.items():
            check_number("NoisyBatchNorm", argument, value)
            least = 1.0 if argument == "n_sigma" else 0.0
            if not least <= value < np.inf:
                raise ValueError(
                    f"NoisyBatchNorm: {argument} must be a finite number >= {least:g}, got "
                    f"{value!r}"
                )
        generator_or_default(generator)
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.n_mu = n_mu
        self.n_sigma = n_sigma
        self.r_mu = r_mu
        self.r_sigma = r_sigma
        self.generator = generator

    def forward(self, x: Any, **options: Any) -> Tensor:
        """Normalise ``x``; in training, add noise and update the running statistics.

        Parameters
        ----------
        x : Tensor, shape (N, num_features, *S), float32 or float64
        **options
            As of `BatchNorm`.

        Returns
        -------
        Tensor like ``x``
        """
        y = super().forward(x, **options)
        is_noisy = self.n_mu or self.r_mu or self.r_sigma or self.n_sigma > 1.0
        if not self.training or self.frozen or not is_noisy:
            return y
        draw = generator_or_default(self.generator).numpy
        of_channels = (1, y.shape[1], *(1,) * (y.ndim - 2))
        mu = self.n_mu * draw.uniform(-1.0, 1.0, of_channels)
        sigma = 1.0 + (self.n_sigma - 1.0) * draw.random(of_channels)
        m = mu + self.r_mu * draw.uniform(-1.0, 1.0, y.shape)
        s = sigma + self.r_sigma * draw.standard_normal(y.shape)
        return y * Tensor(s.astype(y.dtype)) + Tensor(m.astype(y.dtype))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{super().extra_repr()}, n_mu={self.n_mu}, n_sigma={self.n_sigma}, r_mu={self.r_mu}, "
            f"r_sigma={self.r_sigma}"
        )
