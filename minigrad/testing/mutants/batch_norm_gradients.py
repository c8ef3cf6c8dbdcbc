"""Wrong gradients of BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.reference import batch_norm as reference
from minigrad.kernels.types import Gradients, Needs, TrainForward
from minigrad.testing.identities.facts import along
from minigrad.testing.mutants.mutant import BatchNormMutant
from minigrad.typing import Array

__all__ = ["GRADIENTS"]

GRADIENTS: list[BatchNormMutant] = []
"""Of training and of evaluation."""

Triple = tuple[Array, Array, Array]


class _Terms:
    """The pieces of the gradient in training, all right, for mutants to put together wrongly."""

    def __init__(
        self, dy: Array, x: Array, mean: Array, inv_std: Array, gamma: Array | None
    ) -> None:
        self.axes = (0, *range(2, x.ndim))
        self.n = x.size // max(1, x.shape[1])
        self.x, self.dy = x.astype(np.float64), dy.astype(np.float64)
        self.deviation = self.x - along(mean, x)
        self.r = along(inv_std, x)
        self.x_hat = self.deviation * self.r
        self.gamma = along(np.ones(x.shape[1]) if gamma is None else gamma, x)
        self.dgamma = self.sum(self.dy * self.x_hat)
        self.dbeta = self.sum(self.dy)
        self.mean_term = along(self.dbeta / self.n, x)
        self.variance_term = self.x_hat * along(self.dgamma / self.n, x)

    def sum(self, values: Array) -> Array:
        total: Array = values.sum(self.axes)
        return total

    @property
    def dx(self) -> Array:
        return self.gamma * self.r * (self.dy - self.mean_term - self.variance_term)

    def triple(self) -> Triple:
        return self.dx, self.dgamma, self.dbeta


def _training(name: str, what: str) -> Callable[[Callable[[_Terms], Triple]], None]:
    """Add the mutant whose gradient in training is what the function makes of the terms."""

    def add(function: Callable[[_Terms], Triple]) -> None:
        def backward_train(
            dy: Array,
            x: Array,
            mean: Array,
            inv_std: Array,
            gamma: Array | None,
            *,
            needs: Needs = (True, True, True),
            **options: Any,
        ) -> Gradients:
            with np.errstate(all="ignore"):
                return _cast(function(_Terms(dy, x, mean, inv_std, gamma)), x, needs)

        GRADIENTS.append(
            BatchNormMutant.of(
                name, what, "backward_train", lambda: {"backward_train": backward_train}
            )
        )

    return add


def _cast(gradients: Triple, x: Array, needs: Needs) -> Gradients:
    results = [
        gradient.astype(x.dtype) if wanted else None
        for gradient, wanted in zip(gradients, needs, strict=True)
    ]
    return Gradients(*results)


@_training("zero dx", "dx is zero, which a loss that sums the outputs cannot tell")
def _(t: _Terms) -> Triple:
    return np.zeros_like(t.dx), t.dgamma, t.dbeta


@_training("no mean term", "dx leaves out mean(g): the mean of the batch is a constant")
def _(t: _Terms) -> Triple:
    t.mean_term = 0.0 * t.mean_term
    return t.triple()


@_training("no variance term", "dx leaves out x_hat mean(g x_hat): the variance is a constant")
def _(t: _Terms) -> Triple:
    t.variance_term = 0.0 * t.variance_term
    return t.triple()


@_training("constant statistics", "dx = gamma r dy, which is evaluation's")
def _(t: _Terms) -> Triple:
    return t.gamma * t.r * t.dy, t.dgamma, t.dbeta


@_training("n - 1 for n", "the two means of dx are divided by n - 1")
def _(t: _Terms) -> Triple:
    t.mean_term *= t.n / (t.n - 1)
    t.variance_term *= t.n / (t.n - 1)
    return t.triple()


@_training("n - 1 in the variance term", "mean(g x_hat) is divided by n - 1")
def _(t: _Terms) -> Triple:
    t.variance_term *= t.n / (t.n - 1)
    return t.triple()


@_training("sum for mean in the mean term", "dx subtracts sum(g)")
def _(t: _Terms) -> Triple:
    t.mean_term *= t.n
    return t.triple()


@_training("sum for mean in the variance term", "dx subtracts x_hat sum(g x_hat)")
def _(t: _Terms) -> Triple:
    t.variance_term *= t.n
    return t.triple()


@_training("sign of the mean term", "dx adds mean(g)")
def _(t: _Terms) -> Triple:
    t.mean_term *= -1.0
    return t.triple()


@_training("sign of the variance term", "dx adds x_hat mean(g x_hat)")
def _(t: _Terms) -> Triple:
    t.variance_term *= -1.0
    return t.triple()


@_training("half the variance term", "the derivative of the square loses its factor 2")
def _(t: _Terms) -> Triple:
    t.variance_term *= 0.5
    return t.triple()


@_training("deviation for x_hat in the variance term", "dx lacks a factor r in its last term")
def _(t: _Terms) -> Triple:
    t.variance_term /= t.r
    return t.triple()


@_training("sign of dx", "dx is negated")
def _(t: _Terms) -> Triple:
    return -t.dx, t.dgamma, t.dbeta


@_training("sign of dgamma", "dgamma is negated")
def _(t: _Terms) -> Triple:
    return t.dx, -t.dgamma, t.dbeta


@_training("sign of dbeta", "dbeta is negated")
def _(t: _Terms) -> Triple:
    return t.dx, t.dgamma, -t.dbeta


@_training("swapped dgamma and dbeta", "each is returned as the other")
def _(t: _Terms) -> Triple:
    return t.dx, t.dbeta, t.dgamma


@_training("no gamma in dx", "dx is that of x_hat")
def _(t: _Terms) -> Triple:
    t.gamma = np.ones_like(t.gamma)
    return t.triple()


@_training("gamma squared in dx", "dx is scaled by gamma twice")
def _(t: _Terms) -> Triple:
    t.gamma = t.gamma * t.gamma
    return t.triple()


@_training("magnitude of gamma in dx", "dx loses the sign of gamma")
def _(t: _Terms) -> Triple:
    t.gamma = np.abs(t.gamma)
    return t.triple()


@_training("no r in dx", "dx is not divided by the standard deviation")
def _(t: _Terms) -> Triple:
    return t.dx / t.r, t.dgamma, t.dbeta


@_training("r squared in dx", "dx is divided by the variance")
def _(t: _Terms) -> Triple:
    return t.dx * t.r, t.dgamma, t.dbeta


@_training("no eps in dx", "the backward's r leaves out eps")
def _(t: _Terms) -> Triple:
    var = t.sum(t.deviation * t.deviation) / t.n
    r = along(1.0 / np.sqrt(var), t.x)
    x_hat = t.deviation * r
    variance_term = x_hat * along(t.sum(t.dy * x_hat) / t.n, t.x)
    return t.gamma * r * (t.dy - t.mean_term - variance_term), t.dgamma, t.dbeta


@_training("inverse deviation taken for a variance", "the backward's r is (r + 1e-5)^-0.5")
def _(t: _Terms) -> Triple:
    return t.dx / t.r / np.sqrt(t.r + 1e-5), t.dgamma, t.dbeta


@_training("dgamma without x_hat", "dgamma = sum(dy)")
def _(t: _Terms) -> Triple:
    return t.dx, t.dbeta, t.dbeta


@_training("dgamma with x", "dgamma = sum(dy x)")
def _(t: _Terms) -> Triple:
    return t.dx, t.sum(t.dy * t.x), t.dbeta


@_training("dgamma with deviations", "dgamma = sum(dy (x - mean))")
def _(t: _Terms) -> Triple:
    return t.dx, t.sum(t.dy * t.deviation), t.dbeta


@_training("dgamma with gamma x_hat", "x_hat is taken from y, with gamma still in it")
def _(t: _Terms) -> Triple:
    return t.dx, t.sum(t.dy * t.gamma * t.x_hat), t.dbeta


@_training("dbeta with gamma", "dbeta = sum(gamma dy)")
def _(t: _Terms) -> Triple:
    return t.dx, t.dgamma, t.sum(t.dy * t.gamma)


@_training("mean for sum in dgamma", "dgamma is divided by n")
def _(t: _Terms) -> Triple:
    return t.dx, t.dgamma / t.n, t.dbeta


@_training("mean for sum in dbeta", "dbeta is divided by n")
def _(t: _Terms) -> Triple:
    return t.dx, t.dgamma, t.dbeta / t.n


@_training("last sample left out of dgamma", "the sum ends one sample early")
def _(t: _Terms) -> Triple:
    return t.dx, (t.dy * t.x_hat)[:-1].sum(t.axes), t.dbeta


@_training("last sample left out of dbeta", "the sum ends one sample early")
def _(t: _Terms) -> Triple:
    return t.dx, t.dgamma, t.dy[:-1].sum(t.axes)


@_training("last sample left out of the sums", "dx is formed with sums that end one sample early")
def _(t: _Terms) -> Triple:
    t.mean_term = along(t.dy[:-1].sum(t.axes) / t.n, t.x)
    return t.triple()


@_training("last row of dx not written", "dx of the last sample stays zero")
def _(t: _Terms) -> Triple:
    dx = t.dx
    dx[-1] = 0.0
    return dx, t.dgamma, t.dbeta


@_training("last channel not written", "gradients of the last channel stay zero")
def _(t: _Terms) -> Triple:
    dx = t.dx
    dx[:, -1] = 0.0
    return dx, np.append(t.dgamma[:-1], 0.0), np.append(t.dbeta[:-1], 0.0)


@_training("sums of each sample", "the means of dx are taken over each sample alone")
def _(t: _Terms) -> Triple:
    axes = tuple(range(2, t.x.ndim))
    t.mean_term = t.dy.mean(axes, keepdims=True)
    t.variance_term = t.x_hat * (t.dy * t.x_hat).mean(axes, keepdims=True)
    return t.triple()


@_training("sums over all channels", "the means of dx are taken over all channels")
def _(t: _Terms) -> Triple:
    t.mean_term = np.full_like(t.mean_term, t.dy.mean())
    t.variance_term = t.x_hat * (t.dy * t.x_hat).mean()
    return t.triple()


@_training("half precision", "dx is rounded to float16 on its way")
def _(t: _Terms) -> Triple:
    return t.dx.astype(np.float16).astype(np.float64), t.dgamma, t.dbeta


@_training("NaN swallowed", "what is not finite in dx becomes zero")
def _(t: _Terms) -> Triple:
    return np.nan_to_num(t.dx), t.dgamma, t.dbeta


@_training("strides ignored", "dy is read in the order of its memory")
def _(t: _Terms) -> Triple:
    dy = np.reshape(np.ravel(t.dy, order="K"), t.dy.shape)
    again = _Terms(dy, t.x, np.zeros(t.x.shape[1]), np.ones(t.x.shape[1]), None)
    t.dy, t.mean_term = dy, again.mean_term
    t.dgamma = t.sum(dy * t.x_hat)
    t.variance_term = t.x_hat * along(t.dgamma / t.n, t.x)
    return t.triple()


def _last_forward() -> dict[str, Any]:
    """Return a forward that keeps its statistics, and a backward that uses the last ones."""
    kept: list[TrainForward] = []

    def forward_train(*arguments: Any, **options: Any) -> TrainForward:
        kept[:] = [reference.forward_train(*arguments, **options)]
        return kept[0]

    def backward_train(
        dy: Array, x: Array, mean: Array, inv_std: Array, gamma: Array | None, **options: Any
    ) -> Gradients:
        last = kept[0]
        return reference.backward_train(dy, x, last.mean, last.inv_std, gamma, **options)

    return {"forward_train": forward_train, "backward_train": backward_train}


GRADIENTS.append(
    BatchNormMutant.of(
        "statistics of the last forward",
        "backward uses the statistics of whichever batch came last, not those of its own forward",
        "backward_train",
        _last_forward,
    )
)


def _evaluation(name: str, what: str) -> Callable[[Callable[..., Triple]], None]:
    """Add the mutant whose gradient in evaluation is that of the function."""

    def add(function: Callable[..., Triple]) -> None:
        def backward_eval(
            dy: Array,
            x: Array,
            mean: Array,
            var: Array,
            gamma: Array | None,
            *,
            eps: float,
            needs: Needs = (True, True, True),
            **options: Any,
        ) -> Gradients:
            wide = np.asarray(var, np.float64)
            with np.errstate(all="ignore"):
                terms = _Terms(dy, x, np.asarray(mean), 1.0 / np.sqrt(wide + eps), gamma)
                return _cast(function(terms, wide, eps), x, needs)

        GRADIENTS.append(
            BatchNormMutant.of(
                f"evaluation: {name}",
                what,
                "backward_eval",
                lambda: {"backward_eval": backward_eval},
            )
        )

    return add


@_evaluation("gradient of training", "dx has the terms of statistics that depend on x")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    return t.triple()


@_evaluation("no gamma in dx", "dx = r dy")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    return t.r * t.dy, t.dgamma, t.dbeta


@_evaluation("no r in dx", "dx = gamma dy")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    return t.gamma * t.dy, t.dgamma, t.dbeta


@_evaluation("no eps in dx", "the backward's r leaves out eps")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    return t.gamma * along(1.0 / np.sqrt(var), t.x) * t.dy, t.dgamma, t.dbeta


@_evaluation("x_hat of the batch", "dgamma normalises by the statistics of the batch")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    mean, batch_var = reference.statistics(t.x)
    x_hat = (t.x - along(mean, t.x)) / np.sqrt(along(batch_var, t.x) + eps)
    return t.gamma * t.r * t.dy, t.sum(t.dy * x_hat), t.dbeta


@_evaluation("zero parameter gradients", "dgamma and dbeta are taken for not needed")
def _(t: _Terms, var: Array, eps: float) -> Triple:
    return t.gamma * t.r * t.dy, 0.0 * t.dgamma, 0.0 * t.dbeta
