"""The gradient checker itself: right rules pass, known-wrong ones fail, reports are readable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError, DTypeError
from minigrad.ops.elementwise import add, mul
from minigrad.ops.math import exp
from minigrad.tensor import Tensor
from minigrad.testing import Comparison, GradcheckError, GradcheckReport, gradcheck, gradgradcheck
from minigrad.testing import strategies as mgst
from minigrad.typing import Array

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


@pytest.mark.parametrize(
    ("scale", "said"),
    [(-1.0, "-1 times"), (0.0, "0 times"), (2.99 / 3.0, "0.996667 times"), (1.0 + 1e-9, None)],
)
def test_report_names_a_common_factor(
    rng: np.random.Generator, scale: float, said: str | None
) -> None:
    report = gradcheck(
        lambda a, b: add(exp(a), scaled_exp(scale)(b)),
        [rng.normal(size=3), rng.normal(size=3)],
        raise_exception=False,
    )
    line = f"\n  those of input 1 are all {said} what they should be\n"
    assert (line in str(report)) == bool(said)
    assert "input 0 are" not in str(report)


@pytest.mark.parametrize(
    ("count", "factors"),
    [(3, [2.0, 2.0, 2.001]), (2, [2.0, 2.0]), (3, [2.0, 2.0, np.nan]), (3, [1e300, 2.0, np.inf])],
)
def test_no_common_factor_is_invented(count: int, factors: list[float]) -> None:
    wrong = [Comparison(0, (k,), None, factors[k] * (k + 1.0), k + 1.0, 1e-6) for k in range(count)]
    huge = Comparison(0, None, 0, 1e300, -1e300, 1e-6)
    assert "times what" not in str(GradcheckReport(count, tuple(wrong)))
    assert "times what" not in str(GradcheckReport(count + 1, (*wrong, huge)))
    slightly = [Comparison(0, (k,), None, 1.0 + 2e-6, 1.0, 1e-6) for k in range(3)]
    assert "times what" not in str(GradcheckReport(3, tuple(slightly)))


def test_error_carries_the_report() -> None:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(scaled_exp(2.0), np.zeros(12))
    assert len(caught.value.report.mismatches) == 12
    assert "and 2 more" in str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_report_of_a_right_gradient(rng: np.random.Generator) -> None:
    """It says how close it was: the derivative that is nearest to failing."""
    report = gradcheck(exp, rng.normal(size=(2, 2)))
    first, second = str(report).splitlines()
    assert first == "4 derivatives agree with finite differences"
    assert report.largest is not None
    assert second == f"  largest error: {report.largest}"
    assert report.largest.index is not None
    assert f"input 0, index {report.largest.index}: analytic" in second
    assert 0 < abs(report.largest.difference) <= report.largest.allowed


def test_largest_error_is_of_the_worst_input(rng: np.random.Generator) -> None:
    function = lambda a, b: add(a, scaled_exp(1.0 + 2e-7)(b))  # noqa: E731 - a gradient slightly off
    report = gradcheck(function, [rng.normal(size=3), rng.normal(size=3)])
    assert report.largest is not None
    assert report.largest.input == 1
    assert report.largest.ulp > 1e6


def test_ulp_counts_spacings() -> None:
    one_ulp = Comparison(0, (), None, 1.0, float(np.nextafter(1.0, 2.0)), 0.0)
    assert one_ulp.ulp == pytest.approx(1.0)


def test_same_seed_same_report() -> None:
    def values() -> list[float]:
        report = gradcheck(scaled_exp(2.0), np.ones((9, 9)), raise_exception=False)
        return [mismatch.numeric for mismatch in report.mismatches]

    assert values() == values()


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rtol": -1.0}, ValueError, "rtol must be 0 or more, got -1.0"),
        ({"rtol": np.nan}, ValueError, "rtol must be 0 or more, got nan"),
        ({"atol": "small"}, DTypeError, "atol must be a real number, got 'small'"),
        ({"step": 0.0}, ValueError, "step must be greater than 0, got 0.0"),
        ({"step": None}, DTypeError, "step must be a real number, got None"),
        ({"max_elements": -1}, ValueError, "max_elements must be >= 0, got -1"),
        ({"projections": 0}, ValueError, "projections must be >= 1, got 0"),
        ({"projections": 2.0}, DTypeError, "projections must be an integer, got 2.0"),
        ({"seed": -1}, ValueError, "seed must be >= 0, got -1"),
    ],
)
def test_options_that_would_check_nothing_are_refused(
    check: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        check(exp, np.ones(100), **options)


def test_what_is_no_function_is_refused() -> None:
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(DTypeError, match="f must be callable, got 3"):
            check(3, np.ones(2))  # type: ignore[arg-type]
        with pytest.raises(DTypeError, match="inputs must be a sequence, got None"):
            check(exp, None)
    with pytest.raises(DTypeError, match="reference must be callable, got 'exp'"):
        gradcheck(exp, np.ones(2), reference="exp")  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match=r"order must be an integer, got 2\.5"):
        gradgradcheck(exp, np.ones(2), order=2.5)  # type: ignore[arg-type]


def test_report_of_no_derivatives() -> None:
    report = gradcheck(lambda x: x * 2.0, np.zeros((0, 3)))
    assert report.checked == 0
    assert "largest error" not in str(report)
