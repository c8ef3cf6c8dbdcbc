"""BatchNorm's errors in units in the last place: minigrad, PyTorch and the one-pass formula.

Training in float32, the same data for all, |mean|/std from 0 to 1e6 and std from 1e-15 to 1e30.
How errors are counted is said in `minigrad.testing.accuracy`; infinite is what is not finite.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench import peers
from bench.harness import Settings
from bench.records import Row
from bench.targets import ulps_at_most
from minigrad.testing.accuracy import batch_norm_ulps
from minigrad.testing.examples import BatchNormExample, batch_norm_example
from minigrad.testing.identities.facts import along
from minigrad.testing.implementations import (
    BatchNormImplementation,
    pytorch_implementation,
    tensor_implementation,
)
from minigrad.typing import Array

__all__ = ["MEANS", "SCALES", "examples", "one_pass_implementation", "run"]

MEANS = (0.0, 1.0, 1e2, 1e3, 1e4, 1e5, 1e6)
"""|mean| / std of each channel."""

SCALES = (1e-15, 1.0, 1e15, 1e30)
"""std of each channel. Squares of the last overflow float32."""

SHAPE = (32, 8, 16, 16)
EPS = 1e-5
MAX_ULPS = 4.0


def one_pass_implementation() -> BatchNormImplementation:
    """Return E[x^2] - E[x]^2 in float32, clipped at zero: the variance of Flax.

    References
    ----------
    .. [1] google/flax, ``flax/linen/normalization.py``: ``_compute_stats`` with
       ``use_fast_variance``, and ``_normalize``.
    """

    def statistics(x: Array) -> tuple[Array, Array]:
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes)
        return mean, np.maximum((x * x).mean(axes) - mean * mean, np.float32(0.0))

    def normalised(x: Array, eps: float) -> tuple[Array, Array, Array, Array]:
        mean, var = statistics(x)
        inv_std = 1 / np.sqrt(var + np.float32(eps))
        return (x - along(mean, x)), inv_std, mean, var

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
        with np.errstate(all="ignore"):
            deviation, inv_std, mean, var = normalised(x, eps)
            return deviation * along(inv_std * gamma, x) + along(beta, x), mean, var

    def backward(
        dy: Array, x: Array, gamma: Array, beta: Array, eps: float
    ) -> tuple[Array, Array, Array]:
        axes = (0, *range(2, x.ndim))
        with np.errstate(all="ignore"):
            deviation, inv_std, _, _ = normalised(x, eps)
            x_hat = deviation * along(inv_std, x)
            g = dy * along(gamma, x)
            mean_g, mean_gx = along(g.mean(axes), x), along((g * x_hat).mean(axes), x)
            dx = along(inv_std, x) * (g - mean_g - x_hat * mean_gx)
            return dx, (dy * x_hat).sum(axes), dy.sum(axes)

    return BatchNormImplementation("one pass", forward, backward)


def examples() -> Iterator[tuple[str, BatchNormExample]]:
    """Yield each name and its data, in float32."""
    for scale in SCALES:
        eps = EPS * min(1.0, scale**2)  # as small against the variance, where that is small
        for mean in MEANS:
            yield (
                f"|mean|/std {mean:.0e}, std {scale:.0e}",
                batch_norm_example(SHAPE, offset=mean, scale=scale, eps=eps, dtype=np.float32),
            )


def run(settings: Settings) -> list[Row]:
    """Count the errors of each implementation on each of the examples."""
    ours, one_pass = tensor_implementation(), one_pass_implementation()
    theirs = None if peers.torch() is None else pytorch_implementation()
    rows = []
    for name, example in examples():
        found = batch_norm_ulps(ours, example)
        peer = None if theirs is None else batch_norm_ulps(theirs, example)
        simple = batch_norm_ulps(one_pass, example)
        for number, direction in enumerate(("forward", "backward")):
            rows.append(
                Row(
                    "batch_norm_numerics",
                    f"{name}, {direction}",
                    "ulp",
                    found[number],
                    None if peer is None else peer[number],
                    peers.description(),
                    target=ulps_at_most(MAX_ULPS),
                    extra={"one pass": simple[number]},
                )
            )
    return rows
