"""Wrong evaluation of BatchNorm, and wrong running statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.reference import batch_norm as reference
from minigrad.testing.identities.facts import along
from minigrad.testing.mutants.mutant import BatchNormMutant
from minigrad.typing import Array

__all__ = ["EVALUATION", "RUNNING"]

EVALUATION: list[BatchNormMutant] = []
"""Of evaluation's forward."""
RUNNING: list[BatchNormMutant] = []
"""Of the update of running statistics."""


def _evaluation(name: str, what: str) -> Callable[[Callable[..., Array]], None]:
    """Add the mutant whose evaluation is the function's."""

    def add(function: Callable[..., Array]) -> None:
        def forward_eval(
            x: Array,
            mean: Array,
            var: Array,
            gamma: Array | None,
            beta: Array | None,
            *fused: Any,
            eps: float,
            **options: Any,
        ) -> Array:
            ones = np.ones(x.shape[1])
            scale, shift = (
                (ones if gamma is None else gamma),
                (0.0 * ones if beta is None else beta),
            )
            wide = x.astype(np.float64), np.asarray(mean, np.float64), np.asarray(var, np.float64)
            with np.errstate(all="ignore"):
                x_hat = function(*wide, eps)
                y = x_hat * along(scale, x) + along(shift, x)
                return np.asarray(y, dtype=x.dtype)

        EVALUATION.append(
            BatchNormMutant.of(
                f"evaluation: {name}", what, "forward_eval", lambda: {"forward_eval": forward_eval}
            )
        )

    return add


def _x_hat(x: Array, mean: Array, r: Array) -> Array:
    return (x - along(mean, x)) * along(r, x)


@_evaluation("statistics of the batch", "evaluation normalises as training does")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    mean, var = reference.statistics(x)
    return _x_hat(x, mean, 1.0 / np.sqrt(var + eps))


@_evaluation("eps added to the deviation", "r = 1 / (sqrt(var) + eps)")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return _x_hat(x, mean, 1.0 / (np.sqrt(var) + eps))


@_evaluation("no eps", "r = 1 / sqrt(var)")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return _x_hat(x, mean, 1.0 / np.sqrt(var))


@_evaluation("variance taken for a deviation", "r = 1 / (var + eps)")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return _x_hat(x, mean, 1.0 / (var + eps))


@_evaluation("mean not subtracted", "x_hat = r x")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return _x_hat(x, 0.0 * mean, 1.0 / np.sqrt(var + eps))


@_evaluation("last row not written", "x_hat of the last sample is zero")
def _(x: Array, mean: Array, var: Array, eps: float) -> Array:
    x_hat = _x_hat(x, mean, 1.0 / np.sqrt(var + eps))
    x_hat[-1] = 0.0
    return x_hat


def _update(name: str, what: str) -> Callable[[Callable[..., Any]], None]:
    """Add the mutant whose running statistics become what the function returns."""

    def add(function: Callable[..., Any]) -> None:
        def update_running(
            running_mean: Array,
            running_var: Array,
            mean: Array,
            var: Array,
            *,
            n: int,
            momentum: float,
            unbiased: bool = True,
        ) -> None:
            running = running_mean.astype(np.float64), running_var.astype(np.float64)
            running_mean[...], running_var[...] = function(*running, mean, var, n, momentum)

        RUNNING.append(
            BatchNormMutant.of(
                f"running: {name}",
                what,
                "update_running",
                lambda: {"update_running": update_running},
            )
        )

    return add


def _mixed(old: Array, new: Array, momentum: float) -> Array:
    return old + momentum * (new - old)


@_update("biased variance", "the variance is stored without n / (n - 1)")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), _mixed(rv, var, m)


@_update("n / (n - 1 - eps)", "Bessel's correction has eps in its denominator")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), _mixed(rv, var * n / (n - 1 - 1e-3), m)


@_update("n / (n + 1)", "Bessel's correction goes the other way")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), _mixed(rv, var * n / (n + 1), m)


@_update("Bessel's correction of the mean", "the mean, too, is scaled by n / (n - 1)")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean * n / (n - 1), m), _mixed(rv, var * n / (n - 1), m)


@_update("momentum inverted", "momentum is the weight of the old value")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, 1.0 - m), _mixed(rv, var * n / (n - 1), 1.0 - m)


@_update("momentum ignored", "the weight of the new value is 0.1, whatever was asked for")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, 0.1), _mixed(rv, var * n / (n - 1), 0.1)


@_update("old value not decayed", "running + m batch")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return rm + m * mean, rv + m * var * n / (n - 1)


@_update("old value forgotten", "m batch")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return m * mean, m * var * n / (n - 1)


@_update("eps in the variance", "var + eps is stored")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), _mixed(rv, var * n / (n - 1) + 1e-3, m)


@_update("deviation for variance", "the root of the variance is stored")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), _mixed(rv, np.sqrt(var * n / (n - 1)), m)


@_update("mean not updated", "only the variance moves")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return rm, _mixed(rv, var * n / (n - 1), m)


@_update("variance not updated", "only the mean moves")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, mean, m), rv


@_update("swapped mean and variance", "each is stored as the other")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    return _mixed(rm, var * n / (n - 1), m), _mixed(rv, mean, m)


@_update("updated twice", "one batch moves the statistics as two do")
def _(rm: Array, rv: Array, mean: Array, var: Array, n: int, m: float) -> Any:
    again = 1.0 - (1.0 - m) ** 2
    return _mixed(rm, mean, again), _mixed(rv, var * n / (n - 1), again)
