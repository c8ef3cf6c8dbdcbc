"""check_op finds each broken promise, by name, and nothing else; right functions pass."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import Node, Op, apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.registry import NUMPY
from minigrad.tensor import Tensor
from minigrad.testing import (
    BadInput,
    CheckOpError,
    CheckReport,
    OpCase,
    check_case,
    check_op,
    ops_without_case,
)
from minigrad.testing.properties import PROPERTIES
from minigrad.typing import Array
from tests.testing.wrong_ops import WRONG, Wrong, double, times


def outcomes(report: CheckReport) -> dict[str, str]:
    return {result.name: result.outcome for result in report.results}


def details(report: CheckReport) -> dict[str, str]:
    return {result.name: result.detail for result in report.results}


# ------------------------------------------------------------------------------ broken promises


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.function.__name__}")
def test_each_broken_promise_is_found_alone(wrong: Wrong) -> None:
    with pytest.raises(CheckOpError) as caught:
        check_op(wrong.function, wrong.inputs, **wrong.options)
    assert set(caught.value.report.failed) == {wrong.breaks, *wrong.also}
    table, detail = str(caught.value).split(f"\n\n{wrong.breaks}:\n")
    assert re.search(rf"^  {wrong.breaks} +failed  +\S", table, flags=re.MULTILINE)
    assert detail.strip()


def test_every_property_has_an_op_that_breaks_it() -> None:
    broken = {wrong.breaks for wrong in WRONG} | {"protocol"}  # which has a test of its own
    assert broken == {one.name for one in PROPERTIES}


def test_a_wrong_numpy_function_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Tensor) -> Tensor:
        return mg.sin(np.pi * x) / x  # lacks 1 / pi

    table: dict[Any, Any] = NUMPY
    monkeypatch.setitem(table, np.sinc, wrong)

    def sinc(x: Tensor) -> Tensor:
        return mg.sin(np.pi * x) / (np.pi * x)

    report = check_op(sinc, np.array([0.3, 0.7]), reference=np.sinc, raise_exception=False)
    assert report.failed == ("protocol",)


def test_a_function_that_leaves_the_graph_is_found() -> None:
    report = check_op(lambda x: Tensor(x.array * 2.0), np.array([1.0, 2.0]), raise_exception=False)
    assert {"gradient", "accumulation", "mutation"} <= set(report.failed)


def test_a_function_that_fails_is_reported_with_its_error() -> None:
    def function(x: Tensor) -> Tensor:
        raise KeyError("nothing here")

    report = check_op(function, np.array([1.0]), raise_exception=False)
    assert "passed" not in outcomes(report).values()
    assert details(report)["gradient"] == "KeyError: 'nothing here'"


def test_a_result_that_is_no_tensor_is_found() -> None:
    report = check_op(lambda x: 3.0, np.array([1.0]), raise_exception=False)
    assert "passed" not in outcomes(report).values()


def test_a_comparison_that_is_recorded_is_found() -> None:
    report = check_op(
        lambda x: x * 2.0,
        np.array([1.0]),
        reference=lambda x: x * 2.0,
        differentiable=False,
        raise_exception=False,
    )
    assert report.failed == ("value",)


def test_all_failures_are_reported_at_once() -> None:
    function = next(w.function for w in WRONG if w.function.__name__ == "WrongScale")
    with pytest.raises(CheckOpError) as caught:
        check_op(function, np.array([1.0]), reference=lambda x: x * 3.0)
    assert set(caught.value.report.failed) == {"value", "gradient", "complex step"}
    text = str(caught.value)
    assert text.startswith("WrongScale: 3 of 14 properties fail\n")
    for name in ("value", "gradient", "complex step"):
        assert f"\n\n{name}:\n" in text
    assert isinstance(caught.value, AssertionError)


def test_what_breaks_many_properties_is_told_once() -> None:
    def no_tensor(x: Tensor) -> Any:
        return x.detach().array

    with pytest.raises(CheckOpError) as caught:
        check_op(no_tensor, np.array([1.0, 2.0]))
    text = str(caught.value)
    assert text.count("must return a Tensor or a tuple with one, got ndarray") == 2
    assert "\n  dtype         failed          as strides\n" in text
    assert re.findall("\n\n(.+):\n", text) == [", ".join(caught.value.report.failed)]


@pytest.mark.parametrize(
    ("inputs", "got"),
    [
        ([1.0, 2.0], "(float, float)"),
        (np.arange(3), "(int64 array)"),
        (Tensor(np.ones(2)), "(float64 array)"),
        (lambda rng: (rng.integers(3, size=2), None), "(int64 array, NoneType)"),
    ],
)
def test_inputs_without_a_gradient_are_refused(inputs: Any, got: str) -> None:
    with pytest.raises(DTypeError, match=f"no input gets a gradient.*{re.escape(got)}"):
        check_op(mg.exp, inputs)


# ------------------------------------------------------------------------------ kept promises


def test_a_right_op_passes() -> None:
    report = check_op(
        times,
        lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),
        reference=lambda a, b: a * b,
        empty=(np.zeros((0, 2)), np.zeros((0, 2))),
        rank0=(np.array(2.0), np.array(3.0)),
        errors=[((np.ones(2), np.ones(3)), ValueError, "broadcast")],
        order=4,
    )
    assert report
    assert report.failed == ()
    missing = {name for name, outcome in outcomes(report).items() if outcome != "passed"}
    assert missing == {"protocol", "composite"}
    assert outcomes(report)["order 4"] == "passed"
    assert str(report).startswith("Times: 19 properties hold\n")


def test_a_fused_op_passes(rng: np.random.Generator) -> None:
    report = check_op(
        lambda x, gamma: mg.batch_norm_train(x, gamma, eps=1e-3),
        [rng.normal(size=(4, 2)), rng.uniform(0.5, 1.5, 2)],
    )
    assert outcomes(report)["composite"] == "passed"
    assert outcomes(report)["value"] == "not applicable"
    assert details(report)["value"] == "there is no reference"


def test_a_function_without_gradient_passes() -> None:
    report = check_op(
        mg.greater, [np.ones(3), np.arange(3.0)], reference=np.greater, differentiable=False
    )
    assert outcomes(report)["value"] == outcomes(report)["strides"] == "passed"
    assert outcomes(report)["gradient"] == "not applicable"


def test_constants_and_keywords_are_passed() -> None:
    weight = Tensor(np.array([1.0, 2.0, 3.0]))

    def function(x: Tensor, w: Tensor, index: Any, *, scale: float) -> Tensor:
        result: Tensor = x[index] * w * scale
        return result

    report = check_op(
        function,
        [np.array([1.0, -1.0, 0.5]), weight, np.array([2, 0, 1])],
        kwargs={"scale": 3.0},
        reference=lambda x, w, index, *, scale: x[index] * w * scale,
    )
    assert details(report)["masks"] == "one input alone gets a gradient"
    assert weight.grad is None


def test_elements_of_arrays_are_arrays_of_rank_0() -> None:
    """NumPy's indexing gives scalars, which would be constants."""
    x = np.array([1.0, 2.0])
    report = check_op(double, x[0], reference=lambda x: x * 2.0, rank0=x[1])
    assert outcomes(report)["gradient"] == outcomes(report)["rank 0"] == "passed"


def test_inputs_are_left_alone() -> None:
    x = np.array([1.0, 2.0])
    check_op(double, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_drawn_inputs_are_drawn_several_times() -> None:
    seen: list[float] = []

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        seen.append(float(rng.normal()))
        return (np.array([seen[-1], 1.0]),)

    check_op(double, draw, reference=lambda x: x * 2.0)
    assert len(set(seen)) == 5


# ------------------------------------------------------------------------------ options


def test_skipped_properties_are_listed_with_their_reason() -> None:
    report = check_op(double, np.ones(2), skip={"float32": "the op is float64 alone"})
    assert outcomes(report)["float32"] == "skipped"
    assert "float32       skipped         the op is float64 alone" in str(report)


@pytest.mark.parametrize(
    ("skip", "text"),
    [
        ({"floats": "no"}, "'floats'; the properties are .*'float32'"),
        ({"float32": " "}, "a reason for 'float32', got ' '"),
        ({"order 4": "no"}, "'order 4'"),
    ],
)
def test_what_to_skip_is_checked(skip: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_op(double, np.ones(2), skip=skip)


def test_order_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        check_op(double, np.ones(2), order=0)
    assert "order 2" not in outcomes(check_op(double, np.ones(2), order=1))


def test_float32_inputs_are_refused() -> None:
    with pytest.raises(DTypeError, match="float64, got input 1 of float32"):
        check_op(times, [np.ones(2), np.ones(2, np.float32)])


def test_tolerances_are_used() -> None:
    inexact = lambda x: double(x) + 1e-7  # noqa: E731
    options: dict[str, Any] = {"reference": lambda x: abs(x) * 2.0, "raise_exception": False}
    assert check_op(inexact, np.ones(2), **options).failed == ("value",)
    assert check_op(inexact, np.ones(2), tolerance=1e-6, **options)


def test_a_tolerance_of_a_case_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        OpCase(None, double, lambda rng: (np.ones(2),), None, tolerance=1e-3)


def test_bad_input_may_have_its_own_keywords() -> None:
    def function(x: Tensor, *, scale: float = 1.0) -> Tensor:
        if scale < 0:
            raise ShapeError(f"scale must be >= 0, got {scale}")
        return double(x)

    errors = [BadInput((np.ones(2),), ShapeError, "got -1", {"scale": -1})]
    assert check_op(function, np.ones(2), errors=errors)


class Halved(Op):
    """``x / 2``: dx = dy / 2."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x / 2.0

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy / 2.0,)


class Thirded(Op):
    """``x / 3``, which no function runs."""


def a_case(op: type[Op] | None, factor: float = 0.5) -> OpCase:
    return OpCase(
        op, lambda x: apply(Halved, x), lambda rng: (rng.normal(size=3),), lambda x: factor * x
    )


def test_a_case_is_checked_as_a_function_is() -> None:
    report = check_case(a_case(Halved), order=2)
    assert report
    assert {result.name for result in report.results} >= {"value", "gradient", "order 2", "memory"}
    with pytest.raises(CheckOpError) as caught:
        check_case(a_case(Halved, 0.25), skip={"complex step": "of this test"})
    assert caught.value.report.failed == ("value",)
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        check_case(a_case(Halved), order=0)


def test_a_case_that_does_not_run_its_op_fails() -> None:
    with pytest.raises(CheckOpError, match="does not record Thirded"):
        check_case(a_case(Thirded))


def test_ops_without_a_case_are_named() -> None:
    cases = [a_case(Halved), a_case(None)]
    missing = ops_without_case(__name__, cases)
    assert f"{__name__}.Halved" not in missing
    assert f"{__name__}.Thirded" in missing
    assert missing == sorted(missing)
    with pytest.raises(ValueError, match=r"got 'no\.such\.package', of which none is known"):
        ops_without_case("no.such.package", cases)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"function": None}, DTypeError, "function must be callable, got None"),
        ({"reference": 3}, DTypeError, "reference must be callable, got 3"),
        ({"inputs": 3.0}, DTypeError, "a sequence of arguments, got 3.0"),
        ({"inputs": lambda rng: None}, DTypeError, "a sequence of arguments, got None"),
        ({"empty": 3}, DTypeError, "a sequence of arguments, got 3"),
        ({"kwargs": ["dim"]}, DTypeError, r"kwargs must be a dictionary, got \['dim'\]"),
        ({"skip": "value"}, DTypeError, "skip must be a dictionary, got 'value'"),
        ({"order": 1.5}, DTypeError, "order must be an integer, got 1.5"),
        ({"seed": -1}, ValueError, "seed must be >= 0, got -1"),
        ({"constants": [1]}, ValueError, "constants names input 1 of 1"),
        ({"constants": [-1]}, ValueError, "constants names input -1 of 1"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        check_op(**{"function": mg.exp, "inputs": np.ones(2), **options})
