"""Wrong versions of other ops, and of the engine that runs them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from minigrad import autograd
from minigrad.ops import classification
from minigrad.ops.classification import CrossEntropy
from minigrad.ops.elementwise import Div, Mul, Sub
from minigrad.ops.index import ScatterAdd
from minigrad.ops.linalg import Linear, MatMul
from minigrad.ops.power import Pow, PowScalar
from minigrad.ops.shape import Permute
from minigrad.ops.softmax import LogSoftmax, Softmax
from minigrad.testing.mutants.mutant import Mutant, Patch
from minigrad.testing.mutants.rules import OPS, Rule, rule, value

__all__ = ["OPS"]


# ------------------------------------------------------------------------------ matrix products


@value(Linear, "transposed weight", "y = x W + b, which shapes allow if W is square")
def _(right: Any, ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    square = weight.shape[0] == weight.shape[1]
    return right + x @ (weight - weight.T) if square else right


@value(Linear, "no bias", "y = x W^T")
def _(right: Any, ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    return right if bias is None else right - bias


@rule(Linear, "transposed weight in dx", "dx = dy W^T")
def _(right: Any, ctx: Any, dy: Any, x: Any, weight: Any) -> Any:
    square = right[0] is not None and weight.shape[0] == weight.shape[1]
    return (dy @ weight.T if square else right[0], *right[1:])


@rule(Linear, "transposed dW", "dW = x^T dy")
def _(right: Any, ctx: Any, dy: Any, x: Any, weight: Any) -> Any:
    dweight = right[1]
    square = dweight is not None and dweight.shape[0] == dweight.shape[1]
    return (right[0], dweight.T.copy() if square else dweight, right[2])


@rule(Linear, "bias gradient not summed", "db is dy of the last row")
def _(right: Any, ctx: Any, dy: Any, x: Any, weight: Any) -> Any:
    return (*right[:2], None if right[2] is None else dy.reshape(-1, dy.shape[-1])[-1].copy())


@rule(Linear, "mean over the batch", "dW and db are divided by the number of rows")
def _(right: Any, ctx: Any, dy: Any, x: Any, weight: Any) -> Any:
    rows = dy.size // dy.shape[-1]
    return (right[0], *(None if g is None else g / rows for g in right[1:]))


@rule(MatMul, "transposed b in da", "da = dy b")
def _(right: Any, ctx: Any, dy: Any, a: Any, b: Any) -> Any:
    square = right[0] is not None and b.shape[-1] == b.shape[-2]
    return (np.matmul(dy, b) if square else right[0], right[1])


@rule(MatMul, "transposed a in db", "db = a dy")
def _(right: Any, ctx: Any, dy: Any, a: Any, b: Any) -> Any:
    square = right[1] is not None and a.shape[-1] == a.shape[-2]
    return (right[0], np.matmul(a, dy) if square else right[1])


# ------------------------------------------------------------------------------ engine


def _unbroadcast(name: str, what: str) -> Callable[[Rule], None]:
    def add(function: Rule) -> None:
        OPS.append(
            Mutant(
                f"unbroadcast: {name}",
                what,
                "unbroadcast",
                lambda: [Patch(autograd, "unbroadcast", function)],
            )
        )

    return add


@_unbroadcast("first for sum", "an axis that was broadcast keeps the gradient of one element")
def _(gradient: Any, shape: Any) -> Any:
    lead = gradient.ndim - len(shape)
    index = (0,) * lead + tuple(slice(0, 1) if size == 1 else slice(None) for size in shape)
    return gradient[index]


@_unbroadcast("mean for sum", "an axis that was broadcast gets the mean gradient")
def _(gradient: Any, shape: Any) -> Any:
    lead = gradient.ndim - len(shape)
    axes = (*range(lead), *(lead + axis for axis, size in enumerate(shape) if size == 1))
    return np.reshape(np.mean(gradient, axis=axes, keepdims=True), shape)


@rule(Mul, "swapped inputs", "da = dy a, db = dy b")
def _(right: Any, ctx: Any, dy: Any, a: Any, b: Any) -> Any:
    return right if a is None or b is None else (dy * a, dy * b)


@rule(Sub, "sign of db", "db = dy")
def _(right: Any, ctx: Any, dy: Any) -> Any:
    return right[0], None if right[1] is None else +dy


@rule(Div, "db of 1 / b", "db = -dy / b^2")
def _(right: Any, ctx: Any, dy: Any, a: Any, b: Any) -> Any:
    return right[0], None if right[1] is None else -dy / (b * b)


@rule(Pow, "exponent not lowered", "da = dy b a^b")
def _(right: Any, ctx: Any, dy: Any, a: Any, b: Any, y: Any) -> Any:
    return None if right[0] is None else dy * b * y, right[1]


@rule(PowScalar, "no factor", "dx = dy x^(exponent - 1)")
def _(right: Any, ctx: Any, dy: Any, x: Any, *, exponent: float) -> Any:
    return (right[0] / exponent if exponent else right[0],)


@rule(Permute, "not the inverse", "dx is permuted as x was")
def _(right: Any, ctx: Any, dy: Any, *, dims: Any) -> Any:
    wrong = np.transpose(dy, dims)
    return (wrong if wrong.shape == right[0].shape else right[0],)


@value(ScatterAdd, "last for sum", "of repeated indices only the last counts")
def _(right: Any, ctx: Any, x: Any, *, index: Any, shape: Any) -> Any:
    y = np.zeros(shape, x.dtype)
    y[index.entries] = x
    return y


# ------------------------------------------------------------------------------ losses, softmax


@rule(CrossEntropy, "no minus one-hot", "dz is the softmax")
def _(right: Any, ctx: Any, dy: Any, z: Any, target: Any, weight: Any, **kwargs: Any) -> Any:
    if kwargs["reduction"] != "mean" or weight is not None:
        return right
    dz = right[0].copy()
    dz[np.arange(len(z)), target] += dy / len(z) * (1.0 - kwargs["label_smoothing"])
    return dz, None, None


@rule(CrossEntropy, "sum for mean", "the gradient of the mean is that of the sum")
def _(right: Any, ctx: Any, dy: Any, z: Any, target: Any, weight: Any, **kwargs: Any) -> Any:
    return (right[0] * len(z) if kwargs["reduction"] == "mean" else right[0], None, None)


def _smoothing_dropped() -> list[Patch]:
    original = CrossEntropy.backward

    def backward(*arguments: Any, label_smoothing: float, **kwargs: Any) -> Any:
        return original(*arguments, label_smoothing=0.0, **kwargs)

    return [Patch(CrossEntropy, "backward", staticmethod(backward))]


def _ignored_counted() -> list[Patch]:
    original = classification._class_indices

    def class_indices(*arguments: Any) -> Any:
        indices, kept = original(*arguments)
        return (indices if kept is None else np.where(kept, indices, 0)), None

    return [Patch(classification, "_class_indices", class_indices)]


def _divisor_unweighted() -> list[Patch]:
    original = classification._divisor

    def divisor(scale: Any, samples: int, reduction: Any) -> float:
        return float(original(None, samples, reduction))

    return [Patch(classification, "_divisor", divisor)]


def _largest_not_subtracted() -> list[Patch]:
    module = import_module("minigrad.ops.softmax")  # the attribute of ops is the function
    return [Patch(module, "_minus_largest", lambda x, dim: x.copy())]


OPS += [
    Mutant(
        "CrossEntropy: label smoothing dropped",
        "the gradient is that without label smoothing",
        "CrossEntropy",
        _smoothing_dropped,
    ),
    Mutant(
        "CrossEntropy: ignore_index counted",
        "samples to be ignored count as class 0",
        "CrossEntropy",
        _ignored_counted,
    ),
    Mutant(
        "CrossEntropy: weights left out of the mean",
        "the mean divides by the number of samples, not by their weight",
        "CrossEntropy",
        _divisor_unweighted,
    ),
    Mutant(
        "Softmax: largest not subtracted",
        "large inputs overflow",
        "Softmax",
        lambda: [
            Patch(import_module("minigrad.ops.softmax"), "_minus_largest", lambda x, dim: x.copy())
        ],
    ),
]


@rule(Softmax, "no sum", "dx = y dy")
def _(right: Any, ctx: Any, dy: Any, y: Any, *, dim: int) -> Any:
    return (y * dy,)


@rule(Softmax, "diagonal of the Jacobian", "dx = y (1 - y) dy")
def _(right: Any, ctx: Any, dy: Any, y: Any, *, dim: int) -> Any:
    return (y * (1.0 - y) * dy,)


@rule(Softmax, "sum over everything", "the sum of dx runs over all axes")
def _(right: Any, ctx: Any, dy: Any, y: Any, *, dim: int) -> Any:
    return (y * (dy - np.sum(dy * y)),)


@rule(LogSoftmax, "no exponential", "dx = dy - y sum(dy)")
def _(right: Any, ctx: Any, dy: Any, y: Any, *, dim: int) -> Any:
    return (dy - y * np.sum(dy, axis=dim, keepdims=True),)
