"""Wrong versions of activations, reductions and dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.ops import extrema, random
from minigrad.ops.activation import Elu, LeakyRelu, Relu, Sigmoid, Silu, Softplus
from minigrad.ops.extrema import Amax
from minigrad.ops.promotion import as_float
from minigrad.ops.reduce import Mean, Std, Sum, Var
from minigrad.ops.trigonometry import Tanh
from minigrad.random import Generator, default_generator
from minigrad.registry import FUNCTIONS
from minigrad.tensor import Tensor
from minigrad.testing.mutants.mutant import Mutant, Patch
from minigrad.testing.mutants.rules import OPS, rule, value

__all__ = ["OPS"]

# ------------------------------------------------------------------------------ activations


@rule(Relu, "wrong side", "dx = dy where x is negative")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (dy * (y == 0),)


@rule(Relu, "gradient everywhere", "dx = dy")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (dy * 1.0,)


@rule(LeakyRelu, "wrong side", "the slope scales where x is positive")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, negative_slope: float) -> Any:
    return (np.where(x > 0, dy * negative_slope, dy),)


@rule(LeakyRelu, "slope dropped", "dx is zero where x is negative")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, negative_slope: float) -> Any:
    return (np.where(x > 0, dy, 0.0 * dy),)


@rule(Elu, "alpha dropped", "dx = dy exp(x) where x is negative")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, alpha: float) -> Any:
    return (np.where(x > 0, dy, right[0] / alpha if alpha else right[0]),)


@rule(Sigmoid, "sign inside", "dx = dy y (1 + y)")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (dy * (y * (1.0 + y)),)


@rule(Silu, "product rule cut short", "dx = dy sigmoid(x)")
def _(right: Any, ctx: Any, dy: Any, x: Any) -> Any:
    return (dy / (1.0 + np.exp(-x)),)


@rule(Softplus, "beta dropped", "dx = dy sigmoid(x)")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, beta: float, threshold: float) -> Any:
    return (dy / (1.0 + np.exp(-x)),)


@rule(Tanh, "square dropped", "dx = dy (1 - y)")
def _(right: Any, ctx: Any, dy: Any, y: Any) -> Any:
    return (dy * (1.0 - y),)


# ------------------------------------------------------------------------------ reductions


def _count(right: Any, dy: Any) -> float:
    """Return how many elements were reduced into one."""
    return max(1.0, float(right[0].size) / max(1, np.size(dy)))


@rule(Sum, "mean for sum", "dx = dy / n")
def _(right: Any, ctx: Any, dy: Any, **kwargs: Any) -> Any:
    return (right[0] / _count(right, dy),)


@rule(Mean, "sum for mean", "dx = dy")
def _(right: Any, ctx: Any, dy: Any, **kwargs: Any) -> Any:
    return (right[0] * _count(right, dy),)


@value(Mean, "n - 1 for n", "the mean divides by n - 1")
def _(right: Any, ctx: Any, x: Any, **kwargs: Any) -> Any:
    n = x.size / max(1, np.size(right))
    return right * (n / (n - 1.0)) if n > 1 else right


@rule(Var, "no factor 2", "dx = dy (x - mean) / m")
def _(right: Any, ctx: Any, dy: Any, x: Any, **kwargs: Any) -> Any:
    return (right[0] * 0.5,)


@value(Var, "correction dropped", "the variance divides by n")
def _(right: Any, ctx: Any, x: Any, *, correction: float, **kwargs: Any) -> Any:
    n = x.size / max(1, np.size(right))
    return right * ((n - correction) / n) if n else right


@rule(Std, "root not differentiated", "dx is that of the variance")
def _(right: Any, ctx: Any, dy: Any, x: Any, y: Any, *, dim: Any, **kwargs: Any) -> Any:
    return Var.backward(ctx, dy, x, dim=dim, **kwargs)


@rule(Amax, "gradient of the mean", "every element gets a share")
def _(right: Any, ctx: Any, dy: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    return (np.full_like(right[0], np.mean(right[0])),)


def _every_tie(dy: Any, x: Any, y: Any, dim: Any) -> Any:
    chosen = x == np.max(x, axis=dim, keepdims=True)
    return chosen * np.reshape(dy, np.max(x, axis=dim, keepdims=True).shape)


OPS.append(
    Mutant(
        "Amax: every tie in full",
        "elements that tie get the whole gradient each",
        "Amax",
        lambda: [Patch(extrema, "_shared_by_ties", _every_tie)],
    )
)


# ------------------------------------------------------------------------------ dropout


def _dropout(name: str, what: str) -> Callable[[Callable[..., Any]], None]:
    """Add the mutant whose dropout is ``function(x, p, random_numbers)``."""

    def add(function: Callable[..., Any]) -> None:
        def dropout(
            x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
        ) -> Tensor:
            if not training or p == 0.0:
                return as_float(x)
            source = (generator or default_generator).numpy
            result: Tensor = function(x, p, lambda: source.random(x.shape, dtype=np.float32))
            return result

        def patches() -> list[Patch]:
            return [
                Patch(random, "dropout", dropout),
                Patch(ops, "dropout", dropout),
                Patch(FUNCTIONS, "dropout", dropout),
            ]

        OPS.append(Mutant(f"dropout: {name}", what, "dropout", patches))

    return add


@_dropout("no rescaling", "what is kept is not divided by 1 - p")
def _(x: Tensor, p: float, draw: Any) -> Any:
    return x * (draw() >= p)


@_dropout("probability inverted", "elements are kept with probability p")
def _(x: Tensor, p: float, draw: Any) -> Any:
    return x * ((draw() < p) / (1.0 - p))


@_dropout("scaled by p", "what is kept is divided by p")
def _(x: Tensor, p: float, draw: Any) -> Any:
    return x * ((draw() >= p) / p)


@_dropout("another mask in backward", "the gradient is that of a second draw")
def _(x: Tensor, p: float, draw: Any) -> Any:
    first, second = (draw() >= p) / (1.0 - p), (draw() >= p) / (1.0 - p)
    return x * second + (x.detach() * (first - second))
