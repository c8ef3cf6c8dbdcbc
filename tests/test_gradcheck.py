"""The gradient checker itself: right rules pass, known-wrong ones fail, reports are readable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError, DTypeError
from minigrad.ops.elementwise import add, mul
from minigrad.ops.math import exp
from minigrad.tensor import Tensor
from minigrad.testing import GradcheckError, gradcheck, gradgradcheck
from minigrad.testing import strategies as mgst
from minigrad.testing.reports import Comparison as Mismatch
from minigrad.typing import Array

WRONG_BACKWARDS = (
    "zero dx",
    "no mean term",
    "no variance term",
    "n - 1 for n",
    "swapped dgamma and dbeta",
)


def over_channels(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def per_channel(values: Array, x: Array) -> Array:
    return np.reshape(values, (1, -1, *[1] * (x.ndim - 2)))


def batch_norm(mistake: str | None) -> type[Op]:
    """Return training BatchNorm in NumPy, whose backward makes one mistake."""

    class BatchNorm(Op):
        saves = (0, 1, 2)

        @staticmethod
        def forward(ctx: Node | None, x: Array, gamma: Array, beta: Array, *, eps: float) -> Array:
            axes = over_channels(x)
            centred = x - np.mean(x, axis=axes, keepdims=True)
            variance = np.mean(centred * centred, axis=axes, keepdims=True)
            y = per_channel(gamma, x) * centred / np.sqrt(variance + eps) + per_channel(beta, x)
            return np.asarray(y)

        @staticmethod
        def backward(
            ctx: Node, dy: Array, x: Array, gamma: Array, beta: Array, *, eps: float
        ) -> tuple[Array, Array, Array]:
            axes = over_channels(x)
            n = x.size // x.shape[1]
            centred = x - np.mean(x, axis=axes, keepdims=True)
            inv_std = 1.0 / np.sqrt(np.mean(centred * centred, axis=axes, keepdims=True) + eps)
            x_hat = centred * inv_std
            dbeta = np.sum(dy, axis=axes)
            dgamma = np.sum(dy * x_hat, axis=axes)
            if mistake == "n - 1 for n":
                n -= 1
            mean_term = per_channel(dbeta, x) / n
            variance_term = x_hat * per_channel(dgamma, x) / n
            if mistake == "no mean term":
                mean_term = np.zeros_like(mean_term)
            if mistake == "no variance term":
                variance_term = np.zeros_like(variance_term)
            dx = per_channel(gamma, x) * inv_std * (dy - mean_term - variance_term)
            if mistake == "zero dx":
                dx = np.zeros_like(dx)
            if mistake == "swapped dgamma and dbeta":
                dgamma, dbeta = dbeta, dgamma
            return dx, dgamma, dbeta

    return BatchNorm


def as_function(op: type[Op], eps: float) -> Callable[..., Tensor]:
    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        result: Tensor = apply(op, x, gamma, beta, eps=eps)
        return result

    return function


# ------------------------------------------------------------------------------ BatchNorm


@given(mgst.batch_norm_examples())
def test_right_batch_norm_passes(example: mgst.BatchNormExample) -> None:
    function = as_function(batch_norm(None), example.eps)
    report = gradcheck(function, [example.x, example.gamma, example.beta])
    assert report.checked >= 1


@pytest.mark.parametrize("mistake", WRONG_BACKWARDS)
@given(data=st.data())
def test_wrong_batch_norm_fails(mistake: str, data: st.DataObject) -> None:
    # Three values per channel and more: with two and a small eps, x_hat is -1 and 1 whatever x
    # is, dx is all but zero, and a zero dx is nearly right.
    example = data.draw(
        mgst.batch_norm_examples(max_spatial_dims=0, offsets=(0.0,), scales=(1.0,)).filter(
            lambda e: len(e.x) > 2
        )
    )
    function = as_function(batch_norm(mistake), example.eps)
    report = gradcheck(function, [example.x, example.gamma, example.beta], raise_exception=False)
    assert not report
    wrong = {mismatch.input for mismatch in report.mismatches}
    assert wrong == ({1, 2} if mistake.startswith("swapped") else {0})


@pytest.mark.parametrize("mistake", WRONG_BACKWARDS)
def test_wrong_batch_norm_fails_on_projections(mistake: str, rng: np.random.Generator) -> None:
    """On inputs too large to go through element by element, the same mistakes are found."""
    inputs = [rng.normal(size=(16, 4, 3, 3)), rng.uniform(0.5, 1, 4), rng.normal(size=4)]
    gradcheck(as_function(batch_norm(None), 1e-5), inputs)
    with pytest.raises(GradcheckError, match="wrong"):
        gradcheck(as_function(batch_norm(mistake), 1e-5), inputs)


# ------------------------------------------------------------------------------ simple mistakes


def scaled_exp(scale: float) -> Callable[[Tensor], Tensor]:
    """Return exp, whose gradient is off by a factor."""

    class ScaledExp(Op):
        saves = ("y",)

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return np.exp(x)

        @staticmethod
        def backward(ctx: Node, dy: Any, y: Any) -> tuple[Any]:
            return (dy * y * scale,)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(ScaledExp, x)
        return result

    return function


@given(mgst.float_arrays(mgst.shapes(max_side=4, max_dims=3)))
def test_right_rule_passes(x: Array) -> None:
    assert gradcheck(exp, x).checked == (x.size if x.size <= 64 else 8)


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.5, 2.0, 1.0 + 1e-4])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (5, 20)])
def test_wrong_scale_and_sign_fail(
    scale: float, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    assert not gradcheck(scaled_exp(scale), rng.normal(size=shape), raise_exception=False)


def test_one_wrong_element_is_found(rng: np.random.Generator) -> None:
    class OneWrong(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * 2.0

        @staticmethod
        def backward(ctx: Node, dy: Array) -> tuple[Array]:
            dx = dy * 2.0
            dx[1, 2] += 0.001
            return (dx,)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(OneWrong, x)
        return result

    report = gradcheck(function, rng.normal(size=(2, 3)), raise_exception=False)
    assert [(m.input, m.index) for m in report.mismatches] == [(0, (1, 2))]
    assert report.mismatches[0].difference == pytest.approx(0.001, rel=1e-6)
    assert not gradcheck(function, rng.normal(size=(20, 30)), raise_exception=False)


def test_nan_gradient_fails() -> None:
    assert not gradcheck(scaled_exp(float("nan")), np.ones(2), raise_exception=False)


def test_gradient_that_is_never_recorded_fails(rng: np.random.Generator) -> None:
    """A function that leaves the graph has, by backward, no gradient; differences say otherwise."""
    with pytest.raises(GradcheckError, match=r"analytic 0,"):
        gradcheck(lambda x: Tensor(np.exp(x.array)), rng.normal(size=3))


def test_second_order_mistake_is_found_at_second_order(rng: np.random.Generator) -> None:
    """A rule that computes on bare arrays is right once, and a constant after that."""

    class Square(Op):
        saves = (0,)

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * x

        @staticmethod
        def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
            return (dy * (2.0 * np.asarray(x)),)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(Square, x)
        return result

    x = rng.normal(size=3)
    assert gradcheck(function, x)
    report = gradgradcheck(function, x, raise_exception=False)
    assert {mismatch.input for mismatch in report.mismatches} == {0}


def test_kernel_that_differs_from_its_composite_is_found(rng: np.random.Generator) -> None:
    """The second derivatives come from the composite, the differences from the fused rule."""

    class FusedSquare(Op):
        saves = (0,)
        composite = staticmethod(lambda x: mul(x, x))

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * x

        @staticmethod
        def backward(ctx: Node, dy: Array, x: Array) -> tuple[Array]:
            return (dy * 3.0 * x,)

    def function(x: Tensor) -> Tensor:
        result: Tensor = apply(FusedSquare, x)
        return result

    report = gradgradcheck(function, rng.normal(size=3), raise_exception=False)
    assert {mismatch.input for mismatch in report.mismatches} == {0, 1}


@pytest.mark.parametrize("order", [2, 3])
def test_higher_orders_pass(order: int, rng: np.random.Generator) -> None:
    inputs = [rng.normal(size=(2, 3)), rng.normal(size=3)]
    report = gradgradcheck(lambda a, b: mul(exp(mul(a, b)), a), inputs, order=order)
    assert report.checked > 9


def test_higher_order_of_a_linear_function(rng: np.random.Generator) -> None:
    """The second derivative is zero and the graph of the gradient does not contain the inputs."""
    assert gradgradcheck(add, [rng.normal(size=3), rng.normal(size=(2, 1))])


# ------------------------------------------------------------------------------ inputs


def test_float32_is_refused() -> None:
    with pytest.raises(DTypeError, match="input 1 of float32"):
        gradcheck(add, [np.ones(2), np.ones(2, dtype=np.float32)])
    with pytest.raises(DTypeError, match="input 0 of float32"):
        gradcheck(exp, Tensor(np.ones(2, dtype=np.float32), requires_grad=True))


def test_function_that_rounds_to_float32_is_refused() -> None:
    with pytest.raises(DTypeError, match="output 0 of float32"):
        gradcheck(lambda x: exp(x.float()), np.ones(2))


def test_not_finite_input_is_refused() -> None:
    with pytest.raises(ValueError, match="infinity in input 0"):
        gradcheck(exp, np.array([1.0, np.nan]))


def test_nothing_to_differentiate_is_refused() -> None:
    with pytest.raises(AutogradError, match="no input to differentiate"):
        gradcheck(exp, [np.arange(3)])


def test_result_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(AutogradError, match="must return a floating Tensor"):
        gradcheck(lambda x: 3.0, np.ones(2))


def test_random_function_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AutogradError, match="two different results"):
        gradcheck(lambda x: mul(x, Tensor(rng.normal(size=2))), np.ones(2))


def test_order_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        gradgradcheck(exp, np.ones(2), order=1)


def test_other_inputs_are_passed_as_they_are(rng: np.random.Generator) -> None:
    seen: list[Any] = []
    constant = Tensor(np.full(2, 3.0))
    indices = np.array([1, 0])

    def function(x: Tensor, k: Tensor, i: Array, factor: float, nothing: None) -> Tensor:
        seen.append((k, i, factor, nothing))
        return mul(mul(x, k), factor)

    report = gradcheck(function, [rng.normal(size=2), constant, indices, 2.0, None])
    assert report.checked == 2
    assert all(k is constant and i is indices for k, i, _, _ in seen)
    assert constant.grad is None


def test_given_arrays_and_tensors_are_left_alone(rng: np.random.Generator) -> None:
    x = rng.normal(size=3)
    before = x.copy()
    tensor = Tensor(x, requires_grad=True)
    gradcheck(mul, [x, tensor])
    np.testing.assert_array_equal(x, before)
    assert tensor.grad is None


def test_several_outputs(rng: np.random.Generator) -> None:
    """Every floating Tensor of a tuple counts; plain arrays in it do not."""

    def function(x: Tensor) -> tuple[Any, ...]:
        return exp(x), mul(x, 2.0), np.ones(3), Tensor(np.arange(3))

    assert gradcheck(function, rng.normal(size=3))

    def wrong(x: Tensor) -> tuple[Tensor, Tensor]:
        return mul(x, 2.0), scaled_exp(2.0)(x)

    assert not gradcheck(wrong, rng.normal(size=3), raise_exception=False)


def test_unused_input_has_gradient_zero(rng: np.random.Generator) -> None:
    assert gradcheck(lambda a, b: exp(a), [rng.normal(size=2), rng.normal(size=3)])


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1e-3), (1e4, 1.0), (0.0, 1e4), (1e6, 1.0)])
def test_step_follows_the_spread(offset: float, spread: float, rng: np.random.Generator) -> None:
    """Offset, tiny and huge inputs need no other arguments, and mistakes still show."""
    x = rng.normal(size=(5, 2)) * spread + offset
    inputs = [x, np.array([1.0, -2.0]), np.array([0.5, 0.0])]
    eps = 1e-5 * spread**2
    gradcheck(as_function(batch_norm(None), eps), inputs)
    assert not gradcheck(
        as_function(batch_norm("no variance term"), eps), inputs, raise_exception=False
    )


# ------------------------------------------------------------------------------ reports


def test_report_names_input_index_and_values(rng: np.random.Generator) -> None:
    report = gradcheck(
        lambda a, b: add(a, scaled_exp(2.0)(b)),
        [rng.normal(size=2), np.zeros((1, 2))],
        raise_exception=False,
    )
    assert report.checked == 4
    lines = str(report).splitlines()
    assert lines[0] == "2 of 4 derivatives are wrong:"
    assert "input 1, index (0, 0): analytic " in lines[1]
    assert "numeric " in lines[1]
    assert "difference " in lines[1]
    assert " ulp; allowed " in lines[1]
    for mismatch in report.mismatches:
        assert mismatch.analytic == pytest.approx(2.0 * mismatch.numeric, rel=1e-9)


def test_error_carries_the_report() -> None:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(scaled_exp(2.0), np.zeros(12))
    assert len(caught.value.report.mismatches) == 12
    assert "and 2 more" in str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_report_of_a_right_gradient() -> None:
    assert str(gradcheck(exp, np.zeros(3))) == "3 derivatives agree with finite differences"


def test_ulp_counts_spacings() -> None:
    one_ulp = Mismatch(0, (), None, 1.0, float(np.nextafter(1.0, 2.0)), 0.0)
    assert one_ulp.ulp == pytest.approx(1.0)


def test_same_seed_same_report() -> None:
    def values() -> list[float]:
        report = gradcheck(scaled_exp(2.0), np.ones((9, 9)), raise_exception=False)
        return [mismatch.numeric for mismatch in report.mismatches]

    assert values() == values()


# ------------------------------------------------------------------------------ hypothesis


def run_without_hypothesis(code: str) -> subprocess.CompletedProcess[str]:
    blocked = f"import sys; sys.modules['hypothesis'] = None\n{code}"
    return subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, check=False
    )


def test_gradcheck_needs_no_hypothesis() -> None:
    result = run_without_hypothesis(
        "import numpy as np; import minigrad as mg; from minigrad.testing import gradcheck; "
        "assert gradcheck(mg.exp, np.ones(2))"
    )
    assert result.returncode == 0, result.stderr


def test_strategies_say_what_they_need() -> None:
    result = run_without_hypothesis("import minigrad.testing.strategies")
    assert result.returncode == 1
    assert 'needs hypothesis, which is not installed; pip install "minigrad' in result.stderr


# ------------------------------------------------------------------------------ strategies


@given(st.data())
def test_layouts_are_equal(data: st.DataObject) -> None:
    x = data.draw(mgst.float_arrays())
    np.testing.assert_array_equal(data.draw(mgst.layouts(x)), x)


@given(mgst.shapes(max_dims=3), mgst.seeds(), st.sampled_from([(), (0.0,), (-1.0, 0.5)]))
def test_spread_values_keep_apart(
    shape: tuple[int, ...], seed: int, kinks: tuple[float, ...]
) -> None:
    values = mgst.spread_values(shape, np.random.default_rng(seed), kinks=kinks)
    assert values.shape == shape
    assert np.all(np.abs(values) <= 2.0)
    gap = 4.0 / (values.size + len(kinks)) / 4.0 * (1 - 1e-9)  # a quarter of the mean distance
    ordered = np.sort(np.concatenate([values.ravel(), kinks]))
    assert np.all(np.diff(ordered) >= gap)


@given(mgst.broadcastable_arrays(3))
def test_broadcastable_arrays_broadcast(arrays: tuple[Array, ...]) -> None:
    assert len(arrays) == 3
    np.broadcast_shapes(*(array.shape for array in arrays))


@given(mgst.batch_norm_examples(dtype=np.float32))
def test_batch_norm_examples_are_valid(example: mgst.BatchNormExample) -> None:
    channels = example.x.shape[1]
    assert example.x.size // channels >= 2
    assert example.gamma.shape == example.beta.shape == (channels,)
    assert example.dy.shape == example.x.shape
    assert {a.dtype for a in (example.x, example.dy, example.gamma)} == {np.dtype(np.float32)}
    assert np.all(np.abs(example.gamma) >= 0.5)
