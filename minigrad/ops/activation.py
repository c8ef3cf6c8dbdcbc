"""Activations: the elementwise functions between the layers of a network.

They are on the hot path of small networks: each forward works in place in its own output, and
none warns where an exponential overflows on its way to a finite limit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arguments import check_number
from minigrad.engine import Node, Op, apply
from minigrad.kernels.memory import empty_like
from minigrad.ops.math import Erf
from minigrad.ops.promotion import as_float
from minigrad.registry import public
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
]

_SQRT_HALF = math.sqrt(0.5)
_NORMAL_DENSITY_AT_0 = 1.0 / math.sqrt(2.0 * math.pi)
# Of gelu's approximation by tanh.
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


# ------------------------------------------------------------------------------ rectifiers


class Relu(Op):
    """``max(x, 0)``: dx = dy where y is not 0, which holds for NaN, too; so 0 at 0."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return np.maximum(x, 0.0, out=empty_like(x))

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y != 0),)


@public
def relu(x: Any) -> Tensor:
    """Return each element, or 0 if it is negative; the gradient at 0 is 0. NaN stays NaN."""
    result: Tensor = apply(Relu, as_float(x))
    return result


class LeakyRelu(Op):
    """``x`` where positive, else ``negative_slope * x``: dx is dy, times the slope likewise."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, negative_slope: float) -> Array:
        y = np.multiply(x, negative_slope, out=empty_like(x))
        # Up to slope 1, the line x lies above the other on the right and below it on the left.
        choose = np.maximum if negative_slope <= 1.0 else np.minimum
        result: Array = choose(x, y, out=y)
        return result

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, negative_slope: float) -> tuple[Any]:
        return (np.where(x > 0, dy, dy * negative_slope),)


@public
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Return each element, times ``negative_slope`` if it is negative.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    negative_slope : float

    Returns
    -------
    Tensor like ``x``
        Its gradient at 0 is ``negative_slope``.

    References
    ----------
    .. [1] Maas, Hannun & Ng, 2013, Rectifier nonlinearities improve neural network acoustic
       models, section 2.
    """
    if negative_slope == 0.0:  # and infinity times 0 would be NaN
        return relu(x)
    check_number("leaky_relu", "negative_slope", negative_slope)
    result: Tensor = apply(LeakyRelu, as_float(x), negative_slope=float(negative_slope))
    return result


class Elu(Op):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``: dx = dy, or dy * alpha * exp(x)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, alpha: float) -> Array:
        y = np.minimum(x, 0.0, out=empty_like(x))  # exp of positive elements could overflow
        np.expm1(y, out=y)
        y *= alpha
        y += np.maximum(x, 0.0)  # one of both is 0
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, alpha: float) -> tuple[Any]:
        return (np.where(x > 0, dy, dy * (np.exp(np.minimum(x, 0.0)) * alpha)),)


@public
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Return each element, or ``alpha * (exp(x) - 1)`` if it is negative.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    alpha : float
        The limit for large negative elements is ``-alpha``.

    Returns
    -------
    Tensor like ``x``

    References
    ----------
    .. [1] Clevert, Unterthiner & Hochreiter, 2016, arXiv:1511.07289, equation 15.
    """
    check_number("elu", "alpha", alpha)
    result: Tensor = apply(Elu, as_float(x), alpha=float(alpha))
    return result


# ------------------------------------------------------------------------------ sigmoids


class Sigmoid(Op):
    """``1 / (1 + exp(-x))``: dx = dy * y * (1 - y)."""

    saves = ("y",)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        y = np.negative(x, out=empty_like(x))
        with np.errstate(over="ignore"):  # the reciprocal of infinity is the limit, 0
            np.exp(y, out=y)
        y += 1.0
        return np.reciprocal(y, out=y)

    @staticmethod
    def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
        return (dy * (y * (1.0 - y)),)


@public
def sigmoid(x: Any) -> Tensor:
    """Return ``1 / (1 + exp(-x))`` of each element, to a few units in the last place."""
    result: Tensor = apply(Sigmoid, as_float(x))
    return result


class Silu(Op):
    """``x * s`` with ``s = sigmoid(x)``: dx = dy * s * (1 + x * (1 - s))."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        y = Sigmoid.forward(None, x)
        with np.errstate(invalid="ignore"):
            y *= x
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        s = apply(Sigmoid, x)
        with np.errstate(invalid="ignore"):
            return (dy * (s * (x * (1.0 - s) + 1.0)),)


@public
def silu(x: Any) -> Tensor:
    """Return ``x * sigmoid(x)``, also called swish; NaN at minus infinity, as in PyTorch.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64

    Returns
    -------
    Tensor like ``x``

    References
    ----------
    .. [1] Elfwing, Uchibe & Doya, 2018, arXiv:1702.03118, equation 6.
    """
    result: Tensor = apply(Silu, as_float(x))
    return result


class Gelu(Op):
    """``x * P(x)``, P the normal distribution function, p its density: dx = dy * (P + x * p)."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        y = Erf.forward(None, x * _SQRT_HALF)
        y += 1.0
        y *= 0.5
        with np.errstate(invalid="ignore"):
            y *= x
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        distribution = (apply(Erf, x * _SQRT_HALF) + 1.0) * 0.5
        with np.errstate(over="ignore", invalid="ignore"):
            density = np.exp(x * x * -0.5) * _NORMAL_DENSITY_AT_0
            return (dy * (distribution + x * density),)


class GeluTanh(Op):
    """``x * (1 + t) / 2`` with ``t = tanh(u)``, ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``.

    dx = dy * ((1 + t) / 2 + x * (1 - t**2) / 2 * du), du = sqrt(2 / pi) * (1 + 0.134145 * x**2).
    """

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            y = np.multiply(x, x, out=empty_like(x))
            y *= _CUBIC
            y += 1.0
            y *= x
            y *= _SQRT_2_OVER_PI
            np.tanh(y, out=y)
            y += 1.0
            y *= 0.5
            y *= x
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        with np.errstate(over="ignore", invalid="ignore"):
            square = x * x
            t = np.tanh(x * (square * _CUBIC + 1.0) * _SQRT_2_OVER_PI)
            du = (square * (3.0 * _CUBIC) + 1.0) * _SQRT_2_OVER_PI
            return (dy * ((t + 1.0) * 0.5 + x * (1.0 - t * t) * du * 0.5),)


@public
def gelu(x: Any, approximate: str = "none") -> Tensor:
    """Return each element times the probability that a normal variable is below it.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    approximate : "none" or "tanh"
        Whether to approximate the normal distribution function by a hyperbolic tangent.

    Returns
    -------
    Tensor like ``x``
        NaN at minus infinity, as in PyTorch.

    Raises
    ------
    ValueError
        If ``approximate`` is neither.

    References
    ----------
    .. [1] Hendrycks & Gimpel, 2016, arXiv:1606.08415, section 2.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    result: Tensor = apply(Gelu if approximate == "none" else GeluTanh, as_float(x))
    return result


# ------------------------------------------------------------------------------ softplus


class Softplus(Op):
    """``log(1 + exp(beta * x)) / beta``: dx = dy * sigmoid(beta * x), or dy where linear."""

    saves = (0,)
    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, beta: float, threshold: float) -> Array:
        # log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)), which does not overflow
        scaled = x * beta
        y = np.abs(scaled, out=empty_like(x))
        np.negative(y, out=y)
        np.exp(y, out=y)
        np.log1p(y, out=y)
        y += np.maximum(scaled, 0.0)
        y /= beta
        np.copyto(y, x, where=scaled > threshold)
        return y

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, *, beta: float, threshold: float) -> tuple[Any]:
        scaled = x * beta
        return (np.where(scaled > threshold, dy, dy * apply(Sigmoid, scaled)),)


@public
def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * x)) / beta``, a smooth `relu`.

    Parameters
    ----------
    x : Tensor, any shape, float32 or float64
    beta : float, > 0
        The larger, the closer to `relu`.
    threshold : float
        Where ``beta * x`` is above, the result is ``x``, which differs by less than
        ``exp(-threshold) / beta``.

    Returns
    -------
    Tensor like ``x``

    Raises
    ------
    ValueError
        If ``beta`` is not positive.
    """
    check_number("softplus", "beta", beta)
    check_number("softplus", "threshold", threshold)
    if not beta > 0.0:
        raise ValueError(f"softplus: beta must be positive, got {beta!r}")
    result: Tensor = apply(Softplus, as_float(x), beta=float(beta), threshold=float(threshold))
    return result
