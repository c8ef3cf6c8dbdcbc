"""Wrong forwards of BatchNorm in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.kernels.reference import batch_norm as reference
from minigrad.kernels.types import TrainForward
from minigrad.testing.identities.facts import along
from minigrad.testing.mutants.mutant import BatchNormMutant
from minigrad.typing import Array

__all__ = ["FORWARD"]

FORWARD: list[BatchNormMutant] = []
"""Of training."""


@dataclass
class _Forward:
    """Arguments and right statistics; what a mutant changes enters the result."""

    x: Array
    gamma: Array
    beta: Array
    eps: float
    mean: Array
    var: Array
    inv_std: Array

    @property
    def axes(self) -> tuple[int, ...]:
        return (0, *range(2, self.x.ndim))

    @property
    def n(self) -> int:
        return int(self.x.size // max(1, self.x.shape[1]))

    @property
    def x_hat(self) -> Array:
        x = self.x.astype(np.float64)
        return (x - along(self.mean, x)) * along(self.inv_std, x)

    def affine(self, x_hat: Array) -> Array:
        return x_hat * along(self.gamma, x_hat) + along(self.beta, x_hat)

    def invert(self) -> None:
        """Set the inverse deviation to that of the variance."""
        self.inv_std = 1.0 / np.sqrt(self.var + self.eps)


def _training(name: str, what: str) -> Callable[[Callable[[_Forward], Array | None]], None]:
    """Add the mutant whose forward is what the function makes of the right one.

    It returns y, or None for y by the statistics as it left them.
    """

    def add(function: Callable[[_Forward], Array | None]) -> None:
        def forward_train(
            x: Array,
            gamma: Array | None,
            beta: Array | None,
            *fused: Any,
            eps: float,
            **options: Any,
        ) -> TrainForward:
            mean, var = reference.statistics(x)
            ones = np.ones(x.shape[1])
            with np.errstate(all="ignore"):
                f = _Forward(
                    x,
                    ones if gamma is None else gamma.astype(np.float64),
                    0.0 * ones if beta is None else beta.astype(np.float64),
                    eps,
                    mean,
                    var,
                    1.0 / np.sqrt(var + eps),
                )
                y = function(f)
                y = f.affine(f.x_hat) if y is None else y
                return TrainForward(y.astype(x.dtype), f.mean, f.var, f.inv_std)

        FORWARD.append(
            BatchNormMutant.of(
                f"forward: {name}",
                what,
                "forward_train",
                lambda: {"forward_train": forward_train},
            )
        )

    return add


@_training("unbiased variance normalises", "the batch is divided by the root of n / (n - 1) var")
def _(f: _Forward) -> None:
    f.var = f.var * f.n / (f.n - 1)
    f.invert()


@_training("unbiased variance returned", "y is right, the returned variance is n / (n - 1) var")
def _(f: _Forward) -> None:
    f.var = f.var * f.n / (f.n - 1)


@_training("eps added to the deviation", "r = 1 / (sqrt(var) + eps)")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / (np.sqrt(f.var) + f.eps)


@_training("eps outside the root", "r = 1 / sqrt(var) + eps")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / np.sqrt(f.var) + f.eps


@_training("no eps", "r = 1 / sqrt(var)")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / np.sqrt(f.var)


@_training("eps squared", "r = 1 / sqrt(var + eps^2)")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / np.sqrt(f.var + f.eps * f.eps)


@_training("eps twice", "the returned variance has eps in it, and r has it twice")
def _(f: _Forward) -> None:
    f.var = f.var + f.eps
    f.invert()


@_training("eps in the returned variance", "y is right, the returned variance is var + eps")
def _(f: _Forward) -> None:
    f.var = f.var + f.eps


@_training("variance clipped", "r = 1 / sqrt(max(var, eps))")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / np.sqrt(np.maximum(f.var, f.eps))


@_training("no root", "r = 1 / (var + eps)")
def _(f: _Forward) -> None:
    f.inv_std = 1.0 / (f.var + f.eps)


@_training("mean not subtracted", "y = gamma r x + beta")
def _(f: _Forward) -> Array:
    return f.affine(f.x * along(f.inv_std, f.x))


@_training("variance about zero", "var = mean(x^2)")
def _(f: _Forward) -> None:
    f.var = np.square(f.x, dtype=np.float64).mean(f.axes)
    f.invert()


@_training("mean absolute deviation", "var = mean(|x - mean|)^2")
def _(f: _Forward) -> None:
    f.var = np.abs(f.x - along(f.mean, f.x)).mean(f.axes) ** 2
    f.invert()


@_training("no gamma", "y = x_hat + beta")
def _(f: _Forward) -> Array:
    return f.x_hat + along(f.beta, f.x)


@_training("no beta", "y = gamma x_hat")
def _(f: _Forward) -> Array:
    return f.x_hat * along(f.gamma, f.x)


@_training("beta scaled", "y = gamma (x_hat + beta)")
def _(f: _Forward) -> Array:
    return (f.x_hat + along(f.beta, f.x)) * along(f.gamma, f.x)


@_training("beta subtracted", "y = gamma x_hat - beta")
def _(f: _Forward) -> Array:
    return f.x_hat * along(f.gamma, f.x) - along(f.beta, f.x)


@_training("statistics of each sample", "each sample is normalised on its own")
def _(f: _Forward) -> Array:
    axes = tuple(range(2, f.x.ndim))
    x = f.x.astype(np.float64)
    x_hat = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + f.eps)
    return f.affine(x_hat)


@_training("statistics of positions", "the spatial axes are left out: each position has its own")
def _(f: _Forward) -> Array:
    x = f.x.astype(np.float64)
    return f.affine((x - x.mean(0)) / np.sqrt(x.var(0) + f.eps))


@_training("statistics over all channels", "one mean and one variance for all")
def _(f: _Forward) -> None:
    f.mean = np.full_like(f.mean, f.mean.mean())
    f.var = np.full_like(f.var, f.var.mean())


@_training("channels shifted by one", "each channel is normalised by its neighbour's statistics")
def _(f: _Forward) -> Array:
    x = f.x.astype(np.float64)
    mean, r = np.roll(f.mean, 1), np.roll(f.inv_std, 1)
    return f.affine((x - along(mean, x)) * along(r, x))


@_training("last sample left out", "the sums of the statistics end one sample early")
def _(f: _Forward) -> None:
    x = f.x[:-1].astype(np.float64)
    f.mean = x.sum(f.axes) / f.n
    f.var = np.square(x - along(f.mean, x)).sum(f.axes) / f.n
    f.invert()


@_training("count off by one", "sums are divided by n + 1")
def _(f: _Forward) -> None:
    f.mean = f.mean * (f.n / (f.n + 1))
    f.var = f.var * (f.n / (f.n + 1))
    f.invert()


@_training("count of samples", "the variance is divided by N, not by N prod(S)")
def _(f: _Forward) -> None:
    f.var = f.var * (f.n / f.x.shape[0])
    f.invert()


@_training("last row not written", "y of the last sample stays zero")
def _(f: _Forward) -> Array:
    y = f.affine(f.x_hat)
    y[-1] = 0.0
    return y


@_training("last channel not written", "y of the last channel is x")
def _(f: _Forward) -> Array:
    y = f.affine(f.x_hat)
    y[:, -1] = f.x[:, -1]
    return y


@_training("x_hat saturates", "x_hat is clipped to one deviation")
def _(f: _Forward) -> Array:
    return f.affine(np.clip(f.x_hat, -0.99, 0.99))


@_training("one-pass variance", "var = mean(x^2) - mean^2 in the dtype of x, clipped at zero")
def _(f: _Forward) -> None:
    mean = f.x.mean(f.axes)
    f.var = np.maximum((f.x * f.x).mean(f.axes) - mean * mean, 0.0).astype(np.float64)
    f.invert()


@_training("one-pass variance in float32", "var = mean(x^2) - mean^2 in float32")
def _(f: _Forward) -> None:
    x = f.x.astype(np.float32)
    mean = x.mean(f.axes)
    f.var = ((x * x).mean(f.axes) - mean * mean).astype(np.float64)
    f.invert()


@_training("float32 mean", "the mean is rounded to float32 before it is subtracted")
def _(f: _Forward) -> None:
    f.mean = f.mean.astype(np.float32).astype(np.float64)


@_training("scale and shift folded", "y = x scale + shift in the dtype of x")
def _(f: _Forward) -> Array:
    scale = f.gamma * f.inv_std
    shift = f.beta - f.mean * scale
    dtype = f.x.dtype
    return f.x * along(scale.astype(dtype), f.x) + along(shift.astype(dtype), f.x)


@_training("NaN swallowed", "statistics pass over NaN, and y is zero there")
def _(f: _Forward) -> Array:
    x = f.x.astype(np.float64)
    if np.isnan(x).any():
        f.mean, f.var = np.nanmean(x, f.axes), np.nanvar(x, f.axes)
        f.invert()
    return f.affine(np.nan_to_num(f.x_hat))


@_training("NaN spreads", "a NaN in one channel makes all of them NaN")
def _(f: _Forward) -> Array:
    return f.affine(f.x_hat + 0.0 * f.x.sum())


@_training("strides ignored", "x is read in the order of its memory")
def _(f: _Forward) -> Array:
    x = np.reshape(np.ravel(f.x, order="K"), f.x.shape).astype(np.float64)
    return f.affine((x - along(f.mean, x)) * along(f.inv_std, x))


@_training("inverse deviation without eps", "y is right, what is kept for backward is not")
def _(f: _Forward) -> Array:
    y = f.affine(f.x_hat)
    f.inv_std = 1.0 / np.sqrt(f.var)
    return y


@_training("input overwritten", "y is right, and written into x")
def _(f: _Forward) -> Array:
    y = f.affine(f.x_hat)
    f.x[...] = y
    return y


def _stale() -> dict[str, Any]:
    """Return a forward that normalises by the statistics of the batch before."""
    previous: list[tuple[Array, Array]] = []

    def forward_train(
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        *fused: Any,
        eps: float,
        **options: Any,
    ) -> TrainForward:
        mean, var = reference.statistics(x)
        used = previous[0] if previous and previous[0][0].shape == mean.shape else (mean, var)
        previous[:] = [(mean, var)]
        y = reference.forward_eval(x, *used, gamma, beta, eps=eps)
        return TrainForward(y, mean, var, 1.0 / np.sqrt(var + eps))

    return {"forward_train": forward_train}


FORWARD.append(
    BatchNormMutant.of(
        "forward: stale statistics",
        "the batch is normalised by the statistics of the one before",
        "forward_train",
        _stale,
    )
)
