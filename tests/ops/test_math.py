"""Functions of one element: dtypes, NumPy's error state, edges of the domain."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from minigrad.autograd import grad
from minigrad.ops import math as functions
from minigrad.ops import power
from minigrad.ops import trigonometry as angles
from minigrad.tensor import Tensor

FUNCTIONS = [getattr(functions, name) for name in functions.__all__]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, bool])
def test_integers_become_float32(function: Callable[..., Tensor], dtype: type) -> None:
    assert function(np.ones(2, dtype)).dtype == np.float32


@pytest.mark.parametrize(
    ("function", "x", "warning"),
    [
        (functions.log, 0.0, "divide by zero"),
        (functions.log, -1.0, "invalid"),
        (functions.exp, 1e4, "overflow"),
        (power.sqrt, -1.0, "invalid"),
        (power.reciprocal, 0.0, "divide by zero"),
        (angles.arcsin, 2.0, "invalid"),
    ],
)
def test_numpys_error_state_decides(
    function: Callable[..., Tensor], x: float, warning: str
) -> None:
    with pytest.warns(RuntimeWarning, match=warning):
        function(np.array([x]))
    with np.errstate(all="ignore"):
        function(np.array([x]))


def test_slope_of_a_root_at_zero_is_infinite() -> None:
    x = Tensor(np.zeros(1), requires_grad=True)
    for root in (power.sqrt, power.cbrt):
        with np.errstate(divide="ignore"):
            (dx,) = grad(root(x), x, np.ones(1))
        assert dx is not None
        assert dx.item() == math.inf


def test_small_arguments_lose_no_digits() -> None:
    x = np.array([1e-20])
    assert functions.expm1(x).item() == 1e-20
    assert functions.log1p(x).item() == 1e-20


def test_erf_at_its_limits() -> None:
    x = np.array([-math.inf, -40.0, 0.0, 40.0, math.inf, math.nan])
    np.testing.assert_array_equal(functions.erf(x).array, [-1.0, -1.0, 0.0, 1.0, 1.0, math.nan])


def test_arctan2_at_the_origin_and_the_axes() -> None:
    a = Tensor(np.array([0.0, 0.0, 2.0, 0.0]), requires_grad=True)
    b = Tensor(np.array([0.0, 2.0, 0.0, -2.0]), requires_grad=True)
    da, db = grad(angles.arctan2(a, b), (a, b), np.ones(4))
    assert da is not None
    assert db is not None
    assert da.tolist() == [0.0, 0.5, 0.0, -0.5]
    assert db.tolist() == [0.0, 0.0, -0.5, 0.0]


def test_arctan2_of_huge_and_tiny_points() -> None:
    """The square of the distance overflows float32 above 2e19 and vanishes below 1e-23."""
    for size in (1e30, 1e-30):
        a = Tensor(np.array([size], np.float32), requires_grad=True)
        (da,) = grad(angles.arctan2(a, np.array([size], np.float32)), a, np.ones(1, np.float32))
        assert da is not None
        np.testing.assert_allclose(da.array, 0.5 / size, rtol=1e-6)


def test_degrees() -> None:
    assert angles.deg2rad(np.array([180.0])).item() == math.pi
    assert angles.rad2deg(np.array([math.pi])).item() == 180.0
    assert angles.deg2rad(np.array([180])).dtype == np.float32


def test_pytorchs_names_are_the_same_functions() -> None:
    pairs = ("acos arccos", "acosh arccosh", "asin arcsin", "asinh arcsinh", "atan arctan")
    for pair in (*pairs, "atan2 arctan2", "atanh arctanh"):
        alias, name = pair.split()
        assert getattr(angles, alias) is getattr(angles, name)
