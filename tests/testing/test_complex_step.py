"""Complex steps: exact where the reference is analytic, refused where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.engine import Node, Op, apply
from minigrad.ops.batch_norm import batch_norm_train
from minigrad.tensor import Tensor
from minigrad.testing import (
    GradcheckError,
    NotAnalyticError,
    ValueMismatchError,
    gradcheck,
    gradgradcheck,
)
from minigrad.testing import strategies as mgst
from minigrad.testing.complex_step import complex_step
from minigrad.typing import Array


def per_channel(values: Any, x: Any) -> Any:
    return np.reshape(values, (1, -1, *(1,) * (x.ndim - 2)))


def batch_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    """Training BatchNorm for complex arrays as well: its variance is a mean of squares."""
    axes = (0, *range(2, x.ndim))
    deviation = x - x.mean(axes, keepdims=True)
    var = (deviation * deviation).mean(axes, keepdims=True)
    return per_channel(gamma, x) * deviation / np.sqrt(var + eps) + per_channel(beta, x)


def batch_norm_gradients(x: Any, gamma: Any, beta: Any, dy: Any, eps: float) -> tuple[Any, ...]:
    """Return dx, dgamma, dbeta as functions of everything, written down independently."""
    axes = (0, *range(2, x.ndim))
    deviation = x - x.mean(axes, keepdims=True)
    inv_std = ((deviation * deviation).mean(axes, keepdims=True) + eps) ** -0.5
    x_hat = deviation * inv_std
    g = per_channel(gamma, x) * dy
    means = g.mean(axes, keepdims=True), (g * x_hat).mean(axes, keepdims=True)
    dx = inv_std * (g - means[0] - x_hat * means[1])
    return dx, (dy * x_hat).sum(axes), dy.sum(axes)


def almost_exp(error: float) -> Callable[[Tensor], Tensor]:
    """Return exp, whose gradient is off by a factor."""

    class AlmostExp(Op):
        saves = ("y",)

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return np.exp(x)

        @staticmethod
        def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
            return (dy * y * (1.0 + error),)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(AlmostExp, x)
        return result

    return function


# ------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (lambda x: x**3, lambda x: 3 * x**2),
        (np.log, lambda x: 1 / x),
        (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    ],
)
def test_it_is_exact_to_rounding(
    function: Callable[[Any], Any], derivative: Callable[[Any], Any]
) -> None:
    for x in (1e-8, 0.3, 1.0, 7.0):
        at, one = np.array(x), np.array(1.0)
        found = complex_step(function, [at], [0], 0, one, [one])
        assert found == pytest.approx(derivative(x), rel=4e-16, abs=0.0)


@given(mgst.batch_norm_examples())
def test_batch_norm_agrees_to_rounding(example: mgst.BatchNormExample) -> None:
    """Four orders closer than differences come; offset data amplify rounding by the offset."""
    report = gradcheck(
        lambda *inputs: batch_norm_train(*inputs, eps=example.eps).y,
        [example.x, example.gamma, example.beta],
        reference=lambda x, gamma, beta: batch_norm(x, gamma, beta, example.eps),
    )
    assert report.source == "complex steps of the reference"
    assert "agree with complex steps of the reference" in str(report)


def several(example: mgst.BatchNormExample) -> bool:
    """With two values per channel x_hat is -1 and 1 whatever x is: derivatives are rounding."""
    return bool(example.x.size // example.x.shape[1] > 2)


@given(mgst.batch_norm_examples().filter(several))
def test_mixed_second_derivatives_of_batch_norm(example: mgst.BatchNormExample) -> None:
    """Of dx, dgamma and dbeta with respect to x, gamma, beta and upstream: every block."""

    def gradients(x: Any, gamma: Any, beta: Any, dy: Any) -> tuple[Tensor, ...]:
        with mg.enable_grad():
            y = batch_norm_train(x, gamma, beta, eps=example.eps).y
            results = mg.grad(y, [x, gamma, beta], dy, create_graph=True)
        return tuple(result for result in results if result is not None)

    report = gradcheck(
        gradients,
        [example.x, example.gamma, example.beta, example.dy],
        reference=lambda x, gamma, beta, dy: batch_norm_gradients(x, gamma, beta, dy, example.eps),
        rtol=1e-9,  # a second derivative: the amplification of offset data once more
    )
    assert report.checked > 0


def test_errors_that_differences_cannot_see_are_found() -> None:
    x = np.linspace(-1.0, 1.0, 5)
    assert gradcheck(almost_exp(1e-7), x)
    with pytest.raises(GradcheckError, match="of 5 derivatives are wrong"):
        gradcheck(almost_exp(1e-9), x, reference=np.exp)
    assert gradcheck(almost_exp(0.0), x, reference=np.exp)


def test_large_inputs_are_projected(rng: np.random.Generator) -> None:
    x = rng.normal(size=(10, 10))
    assert gradcheck(mg.exp, x, reference=np.exp).checked == 8
    assert not gradcheck(almost_exp(1e-8), x, reference=np.exp, raise_exception=False)


def test_other_inputs_and_several_outputs(rng: np.random.Generator) -> None:
    index = np.array([1, 0])

    def function(x: Tensor, i: Array, factor: float, k: Tensor) -> tuple[Any, ...]:
        return mg.exp(x) * factor, i, x[i] * k

    def reference(x: Array, i: Array, factor: float, k: Array) -> tuple[Any, ...]:
        return np.exp(x) * factor, i, x[i] * k

    inputs = [rng.normal(size=2), index, 3.0, Tensor(rng.normal(size=2))]
    assert gradcheck(function, inputs, reference=reference).checked == 2


# ------------------------------------------------------------------------------ refusals

KINKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "abs": (np.abs, r"calls numpy.absolute \(for a norm.*sqrt"),
    "built-in abs": (abs, "calls numpy.absolute"),
    "maximum": (lambda x: np.maximum(x, 0.0), "calls numpy.maximum"),
    "fmin": (lambda x: np.fmin(x, 0.0), "calls numpy.fmin"),
    "max": (np.max, "calls numpy.maximum"),
    "method max": (lambda x: x.max(), "calls numpy.maximum"),
    "clip": (lambda x: np.clip(x, 0.0, 1.0), "calls numpy.clip"),
    "comparison": (lambda x: np.where(x > 0, x, 0.0), "calls numpy.greater"),
    "var": (np.var, r"real part \(as np.var.*mean\(\(x - mean\(x\)\)\*\*2\)"),
    "std": (lambda x: x.std(axis=0), "real part"),
    "norm": (np.linalg.norm, "returns real numbers"),
    "sign": (np.sign, "calls numpy.sign"),
    "real": (lambda x: np.real(x), "takes the real part"),
    "imag": (lambda x: x.imag, "takes the imaginary part"),
    "floor": (np.floor, "fails on complex arguments"),
    "float": (lambda x: np.array([math.exp(v) for v in x]), "fails on complex arguments"),
    "cast": (lambda x: x.astype(float), "fails on complex arguments"),
    "vdot": (lambda x: np.vdot(x, x), "calls numpy.vdot"),
    "svd": (lambda x: np.linalg.svd(x[:, None] * x + np.eye(3))[1], "calls numpy.svd"),
    "bare conjugate": (lambda x: np.asarray(x).conj() * x[0], "is not its derivative"),
    "bare array": (lambda x: np.abs(np.asarray(x)), "returns real numbers"),
    "bare branch": (lambda x: np.asarray(x) * (1.0 + np.iscomplexobj(x)), "values.*differ"),
}


@pytest.mark.parametrize("name", KINKS)
def test_a_reference_that_is_not_analytic_is_refused(name: str) -> None:
    reference, text = KINKS[name]
    x = np.array([0.5, -1.5, 2.5])

    def function(t: Tensor) -> Tensor:
        value = Tensor(np.asarray(reference(t.array), dtype=np.float64))
        result: Tensor = value + mg.sum(t) * 0.0
        return result

    with pytest.raises(NotAnalyticError, match=text) as caught:
        gradcheck(function, x, reference=reference)
    assert "is not an analytic function of complex arrays" in str(caught.value)
    assert "leave reference= out" in str(caught.value)


def test_comparisons_of_what_is_not_differentiated_are_fine() -> None:
    mask = np.array([1, 0, 1])
    report = gradcheck(
        lambda x, m: mg.where(m > 0, mg.exp(x), 0.0),
        [np.array([0.5, -1.5, 2.5]), Tensor(mask)],
        reference=lambda x, m: np.where(m > 0, np.exp(x), 0.0),
    )
    assert report.checked == 3


def test_another_function_is_refused() -> None:
    with pytest.raises(ValueMismatchError, match=r"differ by up to 1.*output 0"):
        gradcheck(mg.exp, np.zeros(2), reference=lambda x: np.exp(x) + 1.0)
    with pytest.raises(ValueMismatchError, match=r"shapes \[\(2,\)\], its reference of \[\(\)\]"):
        gradcheck(mg.exp, np.zeros(2), reference=lambda x: np.exp(x).sum())


def test_a_reference_that_fails_on_real_arrays_is_the_callers_error() -> None:
    with pytest.raises(ZeroDivisionError):
        gradcheck(mg.exp, np.zeros(2), reference=lambda x: 1 / 0)


def test_third_derivatives_of_batch_norm(rng: np.random.Generator) -> None:
    """Of every input and every upstream gradient of the orders below."""
    inputs = [rng.normal(size=(4, 2)), rng.uniform(0.5, 1.5, 2), rng.normal(size=2)]
    report = gradgradcheck(
        lambda *given: batch_norm_train(*given, eps=1e-3).y, inputs, order=3, rtol=1e-5
    )
    assert report.checked == 8 + 2 + 2 + 8 + 8 + 2 + 2
