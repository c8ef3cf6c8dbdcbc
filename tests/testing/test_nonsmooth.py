"""Kinks, jumps and edges of the domain are told from wrong gradients, and never pass silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.engine import Node, Op, apply
from minigrad.tensor import Tensor
from minigrad.testing import (
    GradcheckError,
    GradcheckReport,
    NonSmoothError,
    gradcheck,
    gradgradcheck,
)
from minigrad.testing.differences import differences, directional, is_smooth
from minigrad.typing import Array

STEP = 2.0**-13
"""Of the differences for the inputs below, whose largest value is 1: 1e-4 as a power of two."""


def indices(report: GradcheckReport) -> list[tuple[int, ...] | None]:
    return [point.index for point in report.nonsmooth]


def check(f: Callable[..., Any], *inputs: Any, **options: Any) -> GradcheckReport:
    return gradcheck(f, list(inputs), raise_exception=False, **options)


class WrongSquare(Op):
    """Whose gradient is x instead of 2 x."""

    saves = (0,)

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x * x

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * x,)


# ------------------------------------------------------------------------------ what is found

ONE = np.array(1.0)


@pytest.mark.parametrize("function", [mg.abs, mg.relu, mg.sign, mg.floor, mg.sqrt])
def test_point_is_found(function: Callable[[Tensor], Tensor]) -> None:
    """Also where a symmetric difference agrees with the convention, as for |x| at 0."""
    x = np.array([0.0, 0.3, 0.7])
    with np.errstate(divide="ignore"):
        report = check(function, x)
    assert indices(report) == [(0,)]
    assert not report
    assert not report.mismatches
    assert report.checked == 2


def test_one_sided_slopes_are_reported() -> None:
    (point,) = check(mg.abs, np.array([0.0])).nonsmooth
    assert point.input == 0
    assert point.analytic == 0.0
    assert point.left == pytest.approx(-point.right)
    assert abs(point.left) > 0.1


def test_a_tie_is_found() -> None:
    report = check(mg.amax, np.array([0.5, 0.2, 0.5]))
    assert indices(report) == [(0,), (2,)]


@pytest.mark.parametrize("distance", np.linspace(-1.95, 1.95, 27))
def test_a_kink_anywhere_inside_the_step_is_found(distance: float) -> None:
    """Wherever it lies, though for some distances slopes, for others differences agree."""
    x = np.array([distance * STEP, 1.0, -1.0])
    assert indices(check(mg.relu, x, step=STEP)) == [(0,)]


@pytest.mark.parametrize("distance", [-2.5, 2.5, 40.0])
def test_a_kink_outside_the_step_is_not(distance: float) -> None:
    assert check(mg.relu, np.array([distance * STEP, 1.0, -1.0]), step=STEP).checked == 3


@pytest.mark.parametrize("distance", np.linspace(-1.9, 1.9, 11))
def test_a_jump_anywhere_inside_the_step_is_found(distance: float) -> None:
    """Next to which other derivatives, and the mistakes in them, look small."""
    x = np.array([1.0 + distance * STEP, 0.6, -1.4])

    def function(t: Tensor) -> Tensor:
        result: Tensor = mg.floor(t) * 1e6 + apply(WrongSquare, t)
        return result

    report = check(function, x, step=STEP)
    assert indices(report) == [(0,)]
    assert {mismatch.index for mismatch in report.mismatches} == {(1,), (2,)}


@given(jump=st.floats(0.01, 100.0), curve=st.floats(-10.0, 10.0), place=st.floats(-1.9, 1.9))
def test_a_kink_in_a_curve_is_found(jump: float, curve: float, place: float) -> None:
    def function(t: Tensor) -> Tensor:
        return mg.relu(t) * jump + mg.sin(t * 2.0) * curve

    assert indices(check(function, np.array([place * STEP, 1.0, -1.0]), step=STEP)) == [(0,)]


def test_a_kink_as_small_as_what_differences_resolve_is_found() -> None:
    x = np.array([0.0, 1.0, -1.0])
    assert indices(check(lambda t: mg.relu(t) * 1e-5 + t, x)) == [(0,)]
    assert check(lambda t: mg.relu(t) * 1e-8 + t, x)


def test_a_kink_is_found_on_projections(rng: np.random.Generator) -> None:
    x = rng.normal(size=(10, 10))
    x[3, 3] = 0.0
    report = check(mg.relu, x)
    assert [point.projection for point in report.nonsmooth] == list(range(8))
    assert "projection 0: slope" in str(report)


def test_a_jump_of_the_gradient_is_found_at_second_order() -> None:
    """Where the function itself is smooth enough."""
    x = np.array([0.0, 1.0])

    def function(t: Tensor) -> Tensor:
        result: Tensor = t * t * mg.abs(t)
        return result

    assert gradcheck(function, x)
    report = gradgradcheck(function, x, order=3, raise_exception=False)
    assert (0, (0,)) in [(point.input, point.index) for point in report.nonsmooth]
    assert not report.mismatches


# ------------------------------------------------------------------------------ what is smooth

SMOOTH: list[tuple[Callable[[Any], Any], list[float]]] = [
    (lambda x: x**3, [0.0]),
    (lambda x: x**5, [0.0, 1.0]),
    (lambda x: mg.abs(x) ** 3, [0.0, 1.0]),
    (lambda x: mg.sin(300.0 * x), [0.0, 0.3, 1.0]),
    (lambda x: mg.exp(30.0 * x), [0.0, 1.0]),
    (lambda x: mg.tanh(1000.0 * x), [1e-3, 1.0]),
    (lambda x: 1.0 / x, [0.01, 1.0]),
    (lambda x: mg.sqrt(x), [0.01, 1.0]),
    (lambda x: mg.sin(x), [1e6, 1e6 + 1.0]),
    (lambda x: x * 1e12, [1.0, 2.0]),
    (lambda x: mg.floor(x), [0.5, 1.5]),
]


@pytest.mark.parametrize(("function", "x"), SMOOTH)
def test_what_is_merely_steep_or_curved_is_smooth(
    function: Callable[[Any], Any], x: list[float]
) -> None:
    assert check(function, np.array(x)).nonsmooth == ()


@given(st.integers(0, 2**32 - 1))
def test_polynomials_are_smooth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coefficients = rng.normal(size=6) * 10.0 ** rng.integers(-3, 4, size=6)

    def function(x: Tensor) -> Tensor:
        result = x * 0.0
        for coefficient in coefficients:
            result = result * x + float(coefficient)
        return result

    assert gradcheck(function, rng.normal(size=3))


def test_a_derivative_comes_with_its_noise() -> None:
    x = np.array([0.5, 2.0])
    along, weights = np.array([1.0, -2.0]), np.array([3.0, 0.25])
    found, noise = directional(lambda values: [values[0] ** 3], [x], 0, along, STEP, [weights])
    assert found == pytest.approx(float(np.sum(weights * 3 * x**2 * along)), rel=1e-11)
    assert 0.0 < noise < 1e-9


def test_differences_of_a_kink_are_as_documented() -> None:
    """The formulas by which `is_smooth` tells them."""
    h, zero = 0.25, np.array(0.0)
    for t in np.linspace(0.0, 1.99, 200):

        def kink(values: list[Any], place: float = t * h) -> list[Array]:
            return [np.maximum(values[0] - place, 0.0)]

        found, fine = (
            differences(kink, [zero], 0, ONE, step, [ONE], [zero]) for step in (h, h / 2)
        )
        assert found.third == pytest.approx(-min(t, 2 - t) / 4, abs=1e-12)
        assert found.fourth == pytest.approx(1 - 1.5 * t if t < 1 else (t - 2) / 2, abs=1e-12)
        assert not is_smooth(found, fine)


# ------------------------------------------------------------------------------ what is done


def test_default_is_to_raise() -> None:
    with pytest.raises(NonSmoothError) as caught:
        gradcheck(mg.relu, np.array([0.0, 1.0]))
    lines = str(caught.value).splitlines()
    assert lines[0] == ("1 of 2 derivatives could not be checked: the function is not smooth at")
    assert "input 0, index (0,): slope 0 on the left, 0.1257" in lines[1]
    assert "Move the inputs away" in str(caught.value)
    assert 'nonsmooth="skip"' in str(caught.value)
    assert isinstance(caught.value, AssertionError)
    assert not isinstance(caught.value, GradcheckError)
    assert indices(caught.value.report) == [(0,)]


def test_skipped_points_are_listed() -> None:
    report = gradcheck(mg.relu, np.array([0.0, 1.0]), nonsmooth="skip")
    assert report
    assert report.checked == 1
    assert indices(report) == [(0,)]
    assert str(report).startswith("1 of 2 derivatives were skipped: the function is not smooth")
    assert "1 derivatives agree" in str(report)


def test_skipping_everything_is_an_error() -> None:
    with pytest.raises(NonSmoothError, match="2 of 2 derivatives were skipped"):
        gradcheck(mg.relu, np.zeros(2), nonsmooth="skip")


def test_a_wrong_gradient_is_wrong_beside_a_kink() -> None:
    def function(x: Tensor) -> Tensor:
        result: Tensor = mg.relu(x) + apply(WrongSquare, x)
        return result

    for policy in ("raise", "skip"):
        with pytest.raises(GradcheckError, match="1 of 1 derivatives are wrong") as caught:
            gradcheck(function, np.array([0.0, 1.0]), nonsmooth=policy)
        assert "not smooth at" in str(caught.value)


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match='"raise" or "skip", got \'ignore\''):
        gradcheck(mg.relu, np.ones(2), nonsmooth="ignore")  # type: ignore[arg-type]
