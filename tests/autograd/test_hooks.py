"""Hooks of Tensors: what they see, what they may change, when they run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    return mg.tensor(np.array(values), requires_grad=True)


def values(tensor: Tensor | None) -> Any:
    assert tensor is not None
    return tensor.tolist()


def kept(into: list[Any], name: str = "") -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        into.append((name, values(gradient)) if name else values(gradient))

    return hook


@pytest.mark.parametrize("intermediate", [True, False])
def test_hook_sees_the_sum_of_all_uses_once(intermediate: bool) -> None:
    x = leaf(1.0, 2.0)
    h = x * 3.0 if intermediate else x
    seen: list[Any] = []
    h.register_hook(kept(seen))
    (h * 2.0 + h * 5.0).backward(np.array([1.0, 10.0]))
    assert seen == [[7.0, 70.0]]


@pytest.mark.parametrize("intermediate", [True, False])
def test_hook_replaces_the_gradient(intermediate: bool) -> None:
    x = leaf(1.0, 2.0)
    h = x * 3.0 if intermediate else x
    h.register_hook(lambda gradient: gradient * 10.0)
    (h * h).sum().backward()
    assert values(x.grad) == ([180.0, 360.0] if intermediate else [20.0, 40.0])


def test_hooks_run_in_order_and_chain() -> None:
    x = leaf(1.0)
    seen: list[Any] = []
    x.register_hook(kept(seen, "first"))
    x.register_hook(lambda gradient: gradient + 1.0)
    x.register_hook(kept(seen, "last"))
    (x * 2.0).backward(np.ones(1))
    assert seen == [("first", [2.0]), ("last", [3.0])]


def test_hook_is_removed() -> None:
    x = leaf(1.0)
    seen: list[Any] = []
    handle = x.register_hook(kept(seen))
    with x.register_hook(kept(seen, "block")):
        (x * 2.0).sum().backward()
    handle.remove()
    handle.remove()
    (x * 2.0).sum().backward()
    assert seen == [[2.0], ("block", [2.0])]


def test_hook_that_removes_itself() -> None:
    x = leaf(1.0)
    seen: list[Any] = []

    def once(gradient: Tensor) -> None:
        seen.append(values(gradient))
        handle.remove()

    handle = x.register_hook(once)
    for _ in range(2):
        (x * 2.0).sum().backward()
    assert seen == [[2.0]]


def test_leaf_hook_sees_each_pass_and_not_the_accumulated_grad() -> None:
    x = leaf(1.0)
    seen: list[Any] = []
    x.register_hook(kept(seen))
    (x * 2.0).sum().backward()
    (x * 3.0).sum().backward()
    assert seen == [[2.0], [3.0]]
    assert values(x.grad) == [5.0]


def test_gradient_that_a_hook_keeps_does_not_change_later() -> None:
    x = leaf(1.0)
    seen: list[Tensor] = []
    x.register_hook(seen.append)
    h = x * 1.0
    h.register_hook(seen.append)
    for _ in range(2):
        (h * 2.0 + h * 3.0 + x * 4.0).backward(np.ones(1), retain_graph=True)
    assert [values(gradient) for gradient in seen] == [[5.0], [9.0]] * 2


def test_hook_of_the_output_itself() -> None:
    x = leaf(1.0)
    y = x * 2.0
    y.register_hook(lambda gradient: gradient * 4.0)
    y.backward(np.ones(1))
    assert values(x.grad) == [8.0]


@pytest.mark.parametrize("intermediate", [True, False])
def test_grad_runs_hooks_of_its_inputs(intermediate: bool) -> None:
    x = leaf(3.0)
    h = x * 2.0 if intermediate else x
    h.register_hook(lambda gradient: gradient * 10.0)
    (gradient,) = mg.grad((h * h).sum(), h)
    assert values(gradient) == [values(h)[0] * 20.0]
    assert x.grad is None


def test_retained_gradient_is_what_the_hooks_leave() -> None:
    x = leaf(1.0)
    h = x * 2.0
    h.retain_grad()
    h.register_hook(lambda gradient: gradient * 5.0)
    (h * 3.0).sum().backward()
    assert values(h.grad) == [15.0]
    assert values(x.grad) == [30.0]


def test_change_in_place_keeps_the_hook_and_moves_what_is_retained() -> None:
    """As in PyTorch: the hook belongs to the values that it was registered for."""
    x = leaf(1.0)
    h = x * 2.0
    seen: list[Any] = []
    h.register_hook(kept(seen))
    h.retain_grad()
    h.mul_(5.0)
    (h * 3.0).sum().backward()
    assert seen == [[15.0]]
    assert values(h.grad) == [3.0]
    assert values(x.grad) == [30.0]


def test_hook_is_recorded_under_create_graph() -> None:
    x = leaf(2.0)
    h = x * 1.0
    h.register_hook(lambda gradient: gradient * h)
    (slope,) = mg.grad((h**3).sum(), x, create_graph=True)  # 3 x**2 * x
    assert slope is not None
    assert values(slope) == [24.0]
    (curvature,) = mg.grad(slope.sum(), x)  # 9 x**2, and once more through the hook on h: * h
    # d(3 h**3)/dh = 9 h**2 = 36 reaches h, where the hook multiplies by h = 2.
    assert values(curvature) == [72.0]


def test_hooks_do_not_record_in_a_plain_pass() -> None:
    x = leaf(2.0)
    modes: list[bool] = []
    for tensor in (x, h := x * 1.0):
        tensor.register_hook(lambda gradient: modes.append(mg.is_grad_enabled()))
    (h * 1.0).sum().backward(retain_graph=True)
    (h * 1.0).sum().backward(create_graph=True)
    assert modes == [False, False, True, True]


def test_gradient_is_safe_from_changes_in_place() -> None:
    x, z = leaf(1.0), leaf(1.0)
    x.register_hook(lambda gradient: gradient.mul_(2.0))
    with pytest.raises(AutogradError, match="read-only"):
        (x + z).backward(np.ones(1))
    assert x.grad is None
    assert z.grad is None


@pytest.mark.parametrize(
    ("replacement", "error", "match"),
    [
        (np.ones(2), TypeError, "None or a Tensor, got ndarray"),
        (mg.ones(3, dtype="float64"), ShapeError, r"\(2,\), got \(3,\)"),
        (mg.ones(2), DTypeError, "float64, got float32"),
    ],
)
@pytest.mark.parametrize("intermediate", [True, False])
def test_wrong_replacement(
    replacement: Any, error: type[Exception], match: str, intermediate: bool
) -> None:
    x, other = leaf(1.0, 2.0), leaf(1.0, 2.0)
    h = x * 1.0 if intermediate else x
    h.register_hook(lambda gradient: replacement)
    with pytest.raises(error, match=match):
        (h * other).sum().backward()
    assert x.grad is None
    assert other.grad is None
    assert mg.is_grad_enabled()


def test_hook_needs_a_gradient() -> None:
    with pytest.raises(AutogradError, match="does not require a gradient"):
        mg.ones(2).register_hook(lambda gradient: None)


def test_copies_have_no_hooks() -> None:
    x = leaf(1.0)
    x.register_hook(lambda gradient: gradient * 10.0)
    twin = copy.deepcopy(x)
    (twin * 2.0).sum().backward()
    assert values(twin.grad) == [2.0]


# ------------------------------------------------------------------------------ after accumulation


def test_post_accumulate_hook_sees_the_grad() -> None:
    x = leaf(1.0)
    seen: list[Any] = []
    x.register_post_accumulate_grad_hook(lambda tensor: seen.append(values(tensor.grad)))
    (x * 2.0).sum().backward()
    (x * 3.0).sum().backward()
    mg.grad((x * 3.0).sum(), x)  # accumulates nothing
    assert seen == [[2.0], [5.0]]


def test_post_accumulate_hook_can_take_an_optimizer_step() -> None:
    """The use that PyTorch's documentation gives: no gradient outlives its update."""
    x, z = leaf(1.0), leaf(2.0)

    def step(parameter: Tensor) -> None:
        assert parameter.grad is not None
        with mg.no_grad():
            parameter.sub_(parameter.grad * 0.5)
        parameter.grad = None

    handles = [tensor.register_post_accumulate_grad_hook(step) for tensor in (x, z)]
    (x * z).sum().backward()
    assert (values(x), values(z)) == ([0.0], [1.5])
    assert x.grad is None
    assert z.grad is None
    handles[0].remove()
    (x * z).sum().backward()
    assert values(x.grad) == [1.5]


@pytest.mark.parametrize("tensor", [mg.ones(1), mg.ones(1, requires_grad=True) * 2.0])
def test_post_accumulate_hook_is_for_leaves(tensor: Tensor) -> None:
    with pytest.raises(AutogradError, match="expected a leaf that requires a gradient"):
        tensor.register_post_accumulate_grad_hook(lambda leaf: None)


def test_retained_gradient_of_a_result_that_is_gone() -> None:
    x = mg.tensor(1.0, requires_grad=True)
    y = x * 2.0
    y.retain_grad()
    z = y * 3.0
    del y
    z.backward()
    assert x.grad is not None
    assert x.grad.item() == 6.0
