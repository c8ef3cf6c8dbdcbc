"""Anomaly mode: what raises, who is blamed, and which line is named."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError
from minigrad.grad_mode import state
from minigrad.tensor import Tensor
from minigrad.typing import Array

BIG = 3e38  # twice that is beyond float32


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """NumPy warns of what these tests bring about; and fail a test that leaves the mode on."""
    with np.errstate(all="ignore"):
        yield
    assert state.anomaly is None
    assert state.observers == ()


def leaf(*values: float) -> Tensor:
    return mg.tensor(np.array(values, np.float32), requires_grad=True)


def here() -> int:
    """Return the line that calls this function."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def assert_names(error: pytest.ExceptionInfo[AutogradError], line: int, source: str) -> None:
    text = str(error.value)
    assert f'File "{__file__}", line {line}, in ' in text, text
    assert text.endswith(f"\n    {source}"), text


def test_nan_in_forward() -> None:
    x = leaf(1.0, -1.0, -4.0)
    line = here() + 2
    with mg.detect_anomaly(), pytest.raises(AutogradError) as error:
        x.sqrt().sum().backward()
    assert_names(error, line, "x.sqrt().sum().backward()")
    assert "Sqrt gave NaN in 2 of 3 values (shape (3,), float32; the first at index (1,))" in str(
        error.value
    )
    assert "none of its inputs had" in str(error.value)


def test_infinity_in_forward() -> None:
    x = mg.tensor(np.array([[1.0, 2.0], [0.0, 4.0]]))  # nothing is recorded
    with (
        mg.detect_anomaly(),
        pytest.raises(AutogradError, match="Log gave infinity in 1 of 4") as e,
    ):
        np.log(x)
    assert "index (1, 0)" in str(e.value)


def test_failure_in_backward_names_the_forward_line() -> None:
    x = leaf(1.0, 0.0)
    with mg.detect_anomaly():
        line = here() + 1
        root = x.sqrt()
        loss = (root * 3.0).sum()
        with pytest.raises(AutogradError) as error:
            loss.backward()
    assert_names(error, line, "root = x.sqrt()")
    assert "the gradient of Sqrt with respect to its input 0 has infinity in 1 of 2" in str(
        error.value
    )
    assert x.grad is None


def test_line_inside_layers_is_the_users() -> None:
    class Net(nn.Module):
        line = 0

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, eps=0.0))

        def forward(self, x: Any) -> Any:
            Net.line = here() + 1
            return self.layers(x)

    with (
        mg.detect_anomaly(),
        pytest.raises(AutogradError, match="BatchNormTrain gave NaN") as error,
    ):
        Net()(mg.ones((3, 2)))
    assert_names(error, Net.line, "return self.layers(x)")
    assert "in test_line_inside_layers_is_the_users.<locals>.Net.forward" in str(error.value)


@pytest.mark.parametrize("function", ["np.sum", "np.exp"])
def test_line_behind_numpy_is_the_users(function: str) -> None:
    x = leaf(BIG, BIG)
    line = here() + 2
    with mg.detect_anomaly(), pytest.raises(AutogradError) as error:
        np.sum(x) if function == "np.sum" else np.exp(x)
    assert_names(error, line, 'np.sum(x) if function == "np.sum" else np.exp(x)')


def test_failure_in_a_recorded_backward_names_the_forward_line() -> None:
    x = leaf(4.0, 0.0)
    with mg.detect_anomaly():
        line = here() + 1
        y = x.sqrt()
        with pytest.raises(AutogradError) as error:
            mg.grad(y.sum(), x, create_graph=True)
    assert_names(error, line, "y = x.sqrt()")
    assert re.match(r"in the gradient of Sqrt, \w+ gave infinity in 1 of 2", str(error.value))


def test_failure_of_second_order_names_the_forward_line() -> None:
    """x**1.5 has a slope at zero and no curvature there."""
    x = leaf(1.0, 0.0)
    with mg.detect_anomaly():
        line = here() + 1
        y = x**1.5
        (slope,) = mg.grad(y.sum(), x, create_graph=True)
        assert slope is not None
        with pytest.raises(AutogradError) as error:
            slope.sum().backward()
    assert_names(error, line, "y = x**1.5")


def test_failure_inside_a_checkpoint_names_the_forward_line() -> None:
    lines: list[int] = []

    def function(x: Tensor) -> Tensor:
        lines.append(here() + 1)
        h = x.sqrt()
        return h * 3.0

    x = leaf(1.0, 0.0)
    with mg.detect_anomaly():
        y = mg.checkpoint(function, x)
        with pytest.raises(AutogradError, match="gradient of Sqrt") as error:
            y.sum().backward()
    assert_names(error, lines[0], "h = x.sqrt()")


def test_failure_of_the_second_run_of_a_checkpoint() -> None:
    lines: list[int] = []

    def function(x: Tensor) -> Tensor:
        lines.append(here() + 1)
        h = x * (np.inf if mg.is_recomputing() else 1.0) - x * np.inf
        return h.tanh()

    x = leaf(1.0)
    with mg.detect_anomaly(check_nan=False):
        y = mg.checkpoint(function, x)
    with mg.detect_anomaly(), pytest.raises(AutogradError, match="Sub gave NaN") as error:
        y.sum().backward()
    assert "gradient" not in str(error.value)
    assert_names(error, lines[0], "h = x * (np.inf if mg.is_recomputing() else 1.0) - x * np.inf")


def test_neighbour_of_the_package_is_the_users() -> None:
    """A folder whose name begins like the package's."""
    file = f"{Path(mg.__file__).parent}-experiments/train.py"
    program = compile("def train(x):\n    return x.log()", file, "exec")
    names: dict[str, Any] = {}
    exec(program, names)
    with mg.detect_anomaly(), pytest.raises(AutogradError) as error:
        names["train"](leaf(0.0))
    assert f'File "{file}", line 2, in train' in str(error.value)


def test_forward_outside_the_mode() -> None:
    loss = leaf(0.0).sqrt().sum()
    with mg.detect_anomaly(), pytest.raises(AutogradError, match=r"is not known: run the forward"):
        loss.backward()


# ------------------------------------------------------------------------------ who is blamed


def test_infinity_that_was_given_is_not_blamed() -> None:
    """As in attention: minus infinity where a score is masked."""
    scores = leaf(1.0, 2.0, 3.0)
    mask = mg.tensor([0.0, -np.inf, 0.0])
    with mg.detect_anomaly():
        masked = scores + mask
        also = mg.where(mg.tensor([True, False, True]), scores, -np.inf)
        (masked.softmax(0) * also.softmax(0)).sum().backward()
        (leaf(-np.inf) * 2.0).sum()
    assert scores.grad is not None
    assert np.isfinite(scores.grad.array).all()


def test_nan_from_infinities_is_blamed() -> None:
    x = leaf(np.inf)
    with mg.detect_anomaly(), pytest.raises(AutogradError, match="Sub gave NaN in 1 of 1"):
        x - x


def test_nan_in_the_data_names_the_input() -> None:
    x, data = leaf(1.0, 2.0), mg.tensor([1.0, np.nan])
    with mg.detect_anomaly(), pytest.raises(AutogradError, match="which input 1 already had"):
        x * data


def test_nan_that_is_masked_out_is_fine() -> None:
    data = mg.tensor([1.0, np.nan])
    with mg.detect_anomaly():
        assert np.where(np.isnan(data), 0.0, data).tolist() == [1.0, 0.0]


def test_nan_in_the_upstream_gradient() -> None:
    x = leaf(1.0)
    with mg.detect_anomaly(), pytest.raises(AutogradError, match="the upstream gradient already"):
        (x * 2.0).backward(np.full(1, np.nan, np.float32))


def test_infinite_upstream_gradient_is_not_blamed() -> None:
    x = leaf(1.0)
    with mg.detect_anomaly():
        h = x * 2.0
        (h + h).backward(np.full(1, np.inf, np.float32))
    assert x.grad is not None
    assert np.isinf(x.grad.array).all()


class Fill(Op):
    """A constant of the shape of ``x``."""

    @staticmethod
    def forward(ctx: Node | None, x: Array, *, value: float) -> Array:
        return np.full_like(x, value)

    @staticmethod
    def backward(ctx: Node, dy: Any, *, value: float) -> tuple[Any]:
        return (np.full_like(dy, value),)


def test_infinity_of_an_operand_or_an_argument_is_not_blamed() -> None:
    x = leaf(1.0)
    with mg.detect_anomaly():
        (x * mg.tensor([np.inf])).backward(np.ones(1, np.float32))
        apply(Fill, x, value=np.inf).backward(np.ones(1, np.float32))
        with pytest.raises(AutogradError, match=r"Fill gave NaN .* which input 1 already had"):
            apply(Fill, x, value=np.nan)


@pytest.mark.parametrize("intermediate", [True, False])
def test_sum_of_gradients_that_overflows(intermediate: bool) -> None:
    x = leaf(0.25)
    with mg.detect_anomaly():
        line = here() + 1
        h = x * 0.5 if intermediate else x
        y = h * BIG + h * BIG * 0.9
        with pytest.raises(AutogradError, match="sum of the gradients that reach") as error:
            y.sum().backward()
    if intermediate:
        assert "reach the result of Mul has infinity in 1 of 1" in str(error.value)
        assert_names(error, line, "h = x * 0.5 if intermediate else x")
    else:
        assert "reach a leaf has infinity" in str(error.value)
    assert x.grad is None


class WrongSlope(Op):
    """The identity, with a gradient that is NaN."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy * np.float32(np.nan),)


def test_rule_of_a_users_op() -> None:
    x = leaf(1.0, 2.0)
    with mg.detect_anomaly():
        line = here() + 1
        y = apply(WrongSlope, x)
        with pytest.raises(
            AutogradError, match=r"gradient of WrongSlope .* NaN in 2 of 2"
        ) as error:
            y.sum().backward()
    assert_names(error, line, "y = apply(WrongSlope, x)")


# ------------------------------------------------------------------------------ the switch


def test_gradients_are_the_same_in_the_mode(rng: np.random.Generator) -> None:
    x = mg.tensor(rng.normal(size=(4, 3)), requires_grad=True)

    def run() -> Any:
        h = x * x
        y = (h + h * 2.0 + x).tanh()
        return mg.grad(y, x, rng.permutation(12.0 + np.zeros((4, 3))))[0]

    expected = run()
    with mg.detect_anomaly():
        found = run()
    np.testing.assert_array_equal(found.array, expected.array)


def test_what_is_checked_can_be_chosen() -> None:
    with mg.detect_anomaly(check_inf=False):
        mg.tensor([0.0]).log()
        with pytest.raises(AutogradError, match="NaN"):
            mg.tensor([-1.0]).log()
    with mg.detect_anomaly(check_nan=False):
        mg.tensor([-1.0]).log()
        with pytest.raises(AutogradError, match="infinity"):
            mg.tensor([0.0]).log()
    with pytest.raises(ValueError, match="both are False"):
        mg.detect_anomaly(check_nan=False, check_inf=False)


def test_switch_holds_until_it_is_set_back() -> None:
    assert not mg.is_anomaly_enabled()
    mg.set_detect_anomaly(True)
    assert mg.is_anomaly_enabled()
    with mg.set_detect_anomaly(False):
        mg.tensor([-1.0]).log()
    with mg.detect_anomaly(check_nan=False):
        mg.tensor([-1.0]).log()
    with pytest.raises(AutogradError):
        mg.tensor([-1.0]).log()
    mg.set_detect_anomaly(False)
    with mg.set_detect_anomaly(True):
        assert mg.is_anomaly_enabled()
    mg.tensor([-1.0]).log()


def test_mode_ends_with_an_error_inside() -> None:
    with pytest.raises(OverflowError), mg.detect_anomaly():
        raise OverflowError
    assert not mg.is_anomaly_enabled()


def test_integers_are_left_alone() -> None:
    with mg.detect_anomaly():
        assert (mg.tensor([1, 2]) + 1).tolist() == [2, 3]
