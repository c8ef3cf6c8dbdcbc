"""The update rules of the optimisers, written once more, in float64 and as their papers have them.

Each function takes the parameter and its gradients of all steps and returns the parameter after
each step. Hyper-parameters have the optimisers' names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.typing import Array

__all__ = ["FORMULAS"]


def _sgd(
    w: Array,
    grads: Sequence[Array],
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> list[Array]:
    path, v = [], None
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * w
        if momentum:
            v = g if v is None else momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        w = w - lr * g
        path.append(w)
    return path


def _adam(
    w: Array,
    grads: Sequence[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> list[Array]:
    path = []
    m, v, largest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    beta1, beta2 = betas
    for t, grad in enumerate(grads, start=1):
        g = -grad if maximize else grad
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v) if amsgrad else v
        w = w - lr * (m / (1 - beta1**t)) / (np.sqrt(largest / (1 - beta2**t)) + eps)
        path.append(w)
    return path


def _adamw(w: Array, grads: Sequence[Array], weight_decay: float = 1e-2, **kw: Any) -> list[Array]:
    return _adam(w, grads, weight_decay=weight_decay, decoupled_weight_decay=True, **kw)


def _rmsprop(
    w: Array,
    grads: Sequence[Array],
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> list[Array]:
    path = []
    square, mean, v = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * w
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = np.sqrt(square - mean**2 if centered else square) + eps
        v = momentum * v + g / spread
        w = w - lr * v
        path.append(w)
    return path


def _adagrad(
    w: Array,
    grads: Sequence[Array],
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> list[Array]:
    path = []
    total = np.full_like(w, initial_accumulator_value)
    for t, grad in enumerate(grads):
        g = (-grad if maximize else grad) + weight_decay * w
        total = total + g**2
        w = w - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
        path.append(w)
    return path


FORMULAS: dict[str, Callable[..., list[Array]]] = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adamw,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
}
"""Name of an optimiser -> its formula."""
