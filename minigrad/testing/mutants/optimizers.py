"""Wrong update rules of optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels import dispatch
from minigrad.kernels.reference import optimizer as reference
from minigrad.testing.mutants.mutant import Mutant, Patch

__all__ = ["OPTIMIZERS"]

OPTIMIZERS: list[Mutant] = []
"""Of the kernels that update a parameter."""


def _kernel(kernel: str, name: str, what: str) -> Callable[[Callable[..., None]], None]:
    """Add the mutant that runs ``function(right, *arrays, **hyperparameters)`` for a kernel."""
    right = getattr(reference, kernel)

    def add(function: Callable[..., None]) -> None:
        def wrong(*arrays: Any, **hyperparameters: Any) -> None:
            function(right, *arrays, **hyperparameters)

        OPTIMIZERS.append(
            Mutant(
                f"{kernel}: {name}",
                what,
                kernel,
                lambda: [Patch(dispatch.module("optimizer"), kernel, wrong)],
            )
        )

    return add


def _with(kernel: str, name: str, what: str, **changed: Any) -> None:
    """Add the mutant that calls the right kernel with other hyperparameters."""

    @_kernel(kernel, name, what)
    def _(right: Any, *arrays: Any, **hyperparameters: Any) -> None:
        right(*arrays, **hyperparameters | changed)


for _name in ("sgd", "adam", "rmsprop", "adagrad"):
    _with(_name, "weight decay dropped", "parameters do not decay", weight_decay=0.0)
    _with(_name, "maximize ignored", "always descends", maximize=False)

_with("sgd", "dampening dropped", "the new gradient enters in full", dampening=0.0)
_with("sgd", "nesterov ignored", "steps along the direction", nesterov=False)
_with("sgd", "first step dampened", "the buffer starts from what memory holds", first_step=False)
_with("sgd", "buffer never kept", "each step starts anew", first_step=True)
_with("adam", "decay through the moments", "AdamW decays as Adam does", decoupled=False)
_with("adam", "decay around the moments", "Adam decays as AdamW does", decoupled=True)
_with("adam", "no eps", "eps is left out", eps=0.0)
_with("rmsprop", "no eps", "eps is left out", eps=0.0)
_with("adagrad", "step size does not decay", "lr_decay is left out", lr_decay=0.0)


@_kernel("sgd", "sign of momentum", "the old direction is subtracted")
def _(right: Any, *arrays: Any, momentum: float, **kwargs: Any) -> None:
    right(*arrays, momentum=-momentum, **kwargs)


@_kernel("sgd", "sign of the step", "ascends")
def _(right: Any, *arrays: Any, lr: float, **kwargs: Any) -> None:
    right(*arrays, lr=-lr, **kwargs)


@_kernel("sgd", "weight decay decoupled", "the decay does not enter the momentum")
def _(right: Any, param: Any, *arrays: Any, lr: float, weight_decay: float, **kwargs: Any) -> None:
    before = param.copy()
    right(param, *arrays, lr=lr, weight_decay=0.0, **kwargs)
    param -= lr * weight_decay * before


@_kernel("sgd", "step size inside the momentum", "v = momentum v + lr g, as Sutskever et al.")
def _(right: Any, param: Any, grad: Any, buffer: Any, *, lr: float, **kwargs: Any) -> None:
    if buffer is None:
        right(param, grad, buffer, lr=lr, **kwargs)
    else:
        right(param, lr * grad, buffer, lr=1.0, **kwargs)


@_kernel("adam", "no bias correction", "the moments are used as they are")
def _(right: Any, *arrays: Any, step: int, **kwargs: Any) -> None:
    right(*arrays, step=10**6, **kwargs)


@_kernel("adam", "step counted from zero", "the bias correction is one step late")
def _(right: Any, *arrays: Any, step: int, **kwargs: Any) -> None:
    right(*arrays, step=step + 1, **kwargs)


@_kernel("adam", "swapped betas", "each moment has the other's memory")
def _(right: Any, *arrays: Any, beta1: float, beta2: float, **kwargs: Any) -> None:
    right(*arrays, beta1=beta2, beta2=beta1, **kwargs)


@_kernel("adam", "amsgrad ignored", "the last second moment divides, not the largest")
def _(right: Any, param: Any, grad: Any, m: Any, v: Any, largest: Any, **kwargs: Any) -> None:
    right(param, grad, m, v, None, **kwargs)


@_kernel("adam", "eps inside the root", "sqrt(v + eps)")
def _(
    right: Any,
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    largest: Any,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    **kwargs: Any,
) -> None:
    options = {"step": step, "beta1": beta1, "beta2": beta2, "eps": eps, **kwargs}
    right(param, grad, m, v, largest, lr=lr, **options)
    second = (v if largest is None else largest) / (1.0 - beta2**step)
    step_size = lr / (1.0 - beta1**step)
    param += step_size * m * (1.0 / (np.sqrt(second) + eps) - 1.0 / np.sqrt(second + eps))


@_kernel("rmsprop", "centring dropped", "the mean of squares divides, not the variance")
def _(right: Any, param: Any, grad: Any, squares: Any, mean: Any, *rest: Any, **kw: Any) -> None:
    right(param, grad, squares, None, *rest, **kw)


@_kernel("rmsprop", "alpha inverted", "alpha is the weight of the new square")
def _(right: Any, *arrays: Any, alpha: float, **kwargs: Any) -> None:
    right(*arrays, alpha=1.0 - alpha, **kwargs)


@_kernel("adagrad", "squares not summed", "each step divides by its own gradient")
def _(right: Any, param: Any, grad: Any, total: Any, **kwargs: Any) -> None:
    total[...] = 0.0
    right(param, grad, total, **kwargs)


@_kernel("adagrad", "step counted from zero", "the step size decays one step early")
def _(right: Any, *arrays: Any, step: int, **kwargs: Any) -> None:
    right(*arrays, step=step + 1, **kwargs)
