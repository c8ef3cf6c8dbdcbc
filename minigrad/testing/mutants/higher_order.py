"""Composites of fused ops that are wrong: only derivatives of second or higher order can tell."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import Node, Op
from minigrad.ops.batch_norm import BatchNormEval, BatchNormTrain
from minigrad.ops.classification import CrossEntropy
from minigrad.tensor import Tensor
from minigrad.testing.identities.facts import along
from minigrad.testing.mutants.mutant import Mutant, Patch

__all__ = ["HIGHER_ORDER"]

HIGHER_ORDER: list[Mutant] = []
"""Of composites; the plain backward is right in all of them."""


def _composite(op: type[Op], name: str, what: str) -> Callable[[Callable[..., Any]], None]:
    """Add the mutant whose composite is ``function(right, *inputs, **hyperparameters)``."""

    def add(function: Callable[..., Any]) -> None:
        def patches() -> list[Patch]:
            right = op.composite
            assert right is not None  # noqa: S101 - it would be no fused op

            def composite(ctx: Node | None, *inputs: Any, **kwargs: Any) -> Any:
                return function(functools.partial(right, ctx), *inputs, **kwargs)

            return [Patch(op, "composite", staticmethod(composite))]

        HIGHER_ORDER.append(Mutant(f"{op.__name__} composite: {name}", what, op.__name__, patches))

    return add


def _detached(value: Any) -> Any:
    return Tensor(value.array) if isinstance(value, Tensor) else value


def _batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    *,
    mean_of_y: Callable[[Any], Any] = lambda mean: mean,
    mean_of_var: Callable[[Any], Any] = lambda mean: mean,
    var: Callable[[Any], Any] = lambda var: var,
) -> Any:
    """BatchNorm of primitive ops, with a function applied to each use of a statistic."""
    axes = (0, *range(2, x.ndim))
    mean = np.mean(x, axis=axes, keepdims=True)
    deviation = x - mean_of_var(mean)
    variance = var(np.mean(deviation * deviation, axis=axes, keepdims=True))
    y = (x - mean_of_y(mean)) / np.sqrt(variance + eps)
    y = y if gamma is None else y * along(gamma, x)
    return y if beta is None else y + along(beta, x)


@_composite(BatchNormTrain, "mean detached inside the variance", "first derivatives are right")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, gamma, beta, eps, mean_of_var=_detached)


@_composite(BatchNormTrain, "mean detached", "the mean is a constant of the gradient's gradient")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, gamma, beta, eps, mean_of_y=_detached, mean_of_var=_detached)


@_composite(BatchNormTrain, "variance detached", "the variance is a constant")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, gamma, beta, eps, var=_detached)


@_composite(BatchNormTrain, "unbiased variance", "the composite divides by n - 1")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    n = x.array.size / x.shape[1]
    return _batch_norm(x, gamma, beta, eps, var=lambda var: var * (n / (n - 1.0)))


@_composite(BatchNormTrain, "no eps", "the composite leaves out eps")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, gamma, beta, 0.0)


@_composite(BatchNormTrain, "gamma detached", "gamma is a constant: mixed derivatives are lost")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, _detached(gamma), beta, eps)


@_composite(BatchNormTrain, "no beta", "the composite leaves out beta")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return _batch_norm(x, gamma, None, eps)


@_composite(BatchNormTrain, "rectified nowhere", "the composite leaves out relu")
def _(right: Any, *inputs: Any, eps: float, relu: bool) -> Any:
    return right(*inputs, eps=eps, relu=False)


@_composite(BatchNormTrain, "no residual", "the composite leaves out the residual")
def _(right: Any, x: Any, gamma: Any, beta: Any, *_: Any, eps: float, relu: bool) -> Any:
    return right(x, gamma, beta, None, eps=eps, relu=relu)


@_composite(BatchNormEval, "gamma detached", "gamma is a constant: mixed derivatives are lost")
def _(right: Any, x: Any, mean: Any, var: Any, gamma: Any, *rest: Any, **options: Any) -> Any:
    return right(x, mean, var, _detached(gamma), *rest, **options)


@_composite(BatchNormEval, "no eps", "the composite leaves out eps")
def _(right: Any, *inputs: Any, eps: float, relu: bool) -> Any:
    return right(*inputs, eps=0.0, relu=relu)


@_composite(BatchNormEval, "rectified nowhere", "the composite leaves out relu")
def _(right: Any, *inputs: Any, eps: float, relu: bool) -> Any:
    return right(*inputs, eps=eps, relu=False)


@_composite(CrossEntropy, "label smoothing dropped", "the composite has none")
def _(right: Any, *inputs: Any, label_smoothing: float, **kwargs: Any) -> Any:
    return right(*inputs, label_smoothing=0.0, **kwargs)


@_composite(CrossEntropy, "weights dropped", "the composite has none")
def _(right: Any, z: Any, target: Any, weight: Any, **kwargs: Any) -> Any:
    return right(z, target, None, **kwargs)
