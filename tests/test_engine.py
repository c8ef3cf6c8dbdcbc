"""The engine's rules: what is recorded, how gradients flow, what is refused."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import OPS, Node, Op, apply
from minigrad.errors import AutogradError, DTypeError, MinigradError, ShapeError
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array


def leaf(*values: float) -> Tensor:
    return mg.tensor(np.array(values), requires_grad=True)


def values(tensor: Tensor | None) -> Any:
    assert tensor is not None
    return tensor.tolist()


class Double(Op):
    """Twice the input, with a counter of backward calls."""

    calls = 0

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        return x * 2.0

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        Double.calls += 1
        return (dy * 2.0,)


# ------------------------------------------------------------------------------ how it flows


def test_diamond_adds_both_paths() -> None:
    x = leaf(3.0)
    a = x * 2.0
    (a * a + a).sum().backward()
    assert values(x.grad) == [2 * 2 * 6.0 + 2.0]


def test_shared_node_runs_its_rule_once() -> None:
    x = leaf(1.0)
    shared = apply(Double, x)
    Double.calls = 0
    (shared + shared * shared + shared).sum().backward()
    assert Double.calls == 1


def test_same_tensor_twice_in_one_op() -> None:
    x = leaf(3.0, 4.0)
    (x * x).sum().backward()
    assert values(x.grad) == [6.0, 8.0]
    y = leaf(3.0)
    (y + y).sum().backward()
    assert values(y.grad) == [2.0]


def test_nested_diamonds_are_linear_work() -> None:
    """Sixty doublings are 2**60 paths; each node is visited once all the same."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.sum().backward()
    assert values(x.grad) == [2.0**60]


def test_depth_of_a_hundred_thousand() -> None:
    """Forward, backward and the release of the graph, without recursion."""
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward(np.ones(1))
    assert values(x.grad) == [1.0]
    del y


def test_depth_under_create_graph() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(2000):
        y = y * 1.001
    (slope,) = mg.grad(y.sum(), x, create_graph=True)
    assert slope is not None
    assert values(slope) == pytest.approx([1.001**2000])


def test_unbroadcasts() -> None:
    a, b = mg.tensor(np.ones((2, 1, 3)), requires_grad=True), leaf(1.0, 2.0, 3.0)
    c = mg.tensor(np.ones((4, 1)), requires_grad=True)
    (a * b * c).backward(np.ones((2, 4, 3)))
    assert values(a.grad) == [[[4.0, 8.0, 12.0]]] * 2
    assert values(b.grad) == [8.0, 8.0, 8.0]
    assert values(c.grad) == [[12.0]] * 4


def test_several_roots() -> None:
    x = leaf(2.0)
    mg.backward([x * 3.0, x * x], [np.ones(1), np.full(1, 10.0)])
    assert values(x.grad) == [3.0 + 40.0]


def test_root_that_is_behind_another() -> None:
    """A root that another root depends on gets both gradients."""
    x = leaf(2.0)
    a = x * 3.0
    b = a * a
    mg.backward([b, a], [np.ones(1), np.ones(1)])
    assert values(x.grad) == [3.0 * (12.0 + 1.0)]


def test_leaf_as_root() -> None:
    x = leaf(2.0)
    x.backward(np.full(1, 5.0))
    assert values(x.grad) == [5.0]


def test_branch_without_gradient_is_not_followed() -> None:
    x, constant = leaf(2.0), mg.tensor(np.array([3.0]))
    y = x * constant
    y.sum().backward()
    assert constant.grad is None
    assert not (constant * 2.0).requires_grad


# ------------------------------------------------------------------------------ leaves


def test_gradients_accumulate() -> None:
    x = leaf(1.0)
    (x * 2.0).sum().backward()
    (x * 3.0).sum().backward()
    assert values(x.grad) == [5.0]
    x.zero_grad()
    assert x.grad is None
    (x * 3.0).sum().backward()
    x.zero_grad(set_to_none=False)
    assert values(x.grad) == [0.0]


def test_accumulation_keeps_the_grad_tensor() -> None:
    x = leaf(1.0)
    (x * 2.0).sum().backward()
    first = x.grad
    (x * 3.0).sum().backward()
    assert x.grad is first


def test_intermediate_gradient_is_kept_on_request() -> None:
    x = leaf(3.0)
    a, b = x * 2.0, x * 5.0
    a.retain_grad()
    (a * a + b).sum().backward()
    assert values(a.grad) == [12.0]
    assert b.grad is None


def test_retain_grad_needs_a_gradient() -> None:
    with pytest.raises(AutogradError, match="does not require"):
        mg.ones(2).retain_grad()


def test_retained_gradient_is_complete_and_its_own() -> None:
    x = leaf(3.0)
    a = x * 2.0
    a.retain_grad()
    upstream = np.ones(1)
    (a + a).backward(upstream)
    assert values(a.grad) == [2.0]
    b = x * 2.0
    b.retain_grad()
    b.backward(upstream)
    assert b.grad is not None
    assert not np.shares_memory(b.grad.array, upstream)


def test_integers_take_no_gradient() -> None:
    with pytest.raises(DTypeError, match=r"floating.*int64.*\.float\(\)"):
        mg.tensor([1, 2], requires_grad=True)


def test_requires_grad_is_for_leaves() -> None:
    with pytest.raises(AutogradError, match="Mul"):
        (leaf(1.0) * 2.0).requires_grad = False


# ------------------------------------------------------------------------------ grad


def test_grad_leaves_grad_alone() -> None:
    x = leaf(3.0)
    (slope,) = mg.grad(x * x, x)
    assert values(slope) == [6.0]
    assert slope is not None
    assert not slope.requires_grad
    assert x.grad is None


def test_grad_of_an_intermediate() -> None:
    x = leaf(3.0)
    a = x * 2.0
    y = a * a * x
    da, dx = mg.grad(y.sum(), [a, x])
    assert values(da) == [2 * 6.0 * 3.0]
    assert values(dx) == [36.0 + 36.0 * 2]


def test_grad_of_an_output_itself() -> None:
    x = leaf(3.0)
    y = x * 2.0
    assert values(mg.grad(y, y)[0]) == [1.0]


@pytest.mark.parametrize(
    ("outputs", "inputs", "match"),
    [
        (None, leaf(1.0), "grad: outputs must be .* got NoneType"),
        (leaf(1.0), np.ones(1), r"grad: inputs must be .* got (ndarray|float64)"),
        (leaf(1.0), [None], "grad: inputs must be .* got NoneType"),
    ],
)
def test_grad_is_of_tensors(outputs: Any, inputs: Any, match: str) -> None:
    with pytest.raises(TypeError, match=match):
        mg.grad(outputs, inputs)


def test_history_of_an_intermediate_outlives_grad() -> None:
    """As when a discriminator's gradient is handed to the generator behind its input."""
    x = leaf(2.0)
    fake = x * x
    (upstream,) = mg.grad((fake * fake).sum(), fake)
    fake.backward(upstream)
    assert values(x.grad) == [2 * 4.0 * 2 * 2.0]


def test_grad_of_an_intermediate_whose_history_was_freed() -> None:
    x = leaf(2.0)
    fake = x * x * 1.0
    fake.sum().backward()
    assert values(mg.grad((fake * fake).sum(), fake)[0]) == [8.0]
    with pytest.raises(AutogradError, match="second time through Mul"):
        mg.grad((fake * fake).sum(), x)


def test_grad_frees_what_it_ran() -> None:
    x = leaf(2.0)
    fake = x * x
    loss = (fake * fake).sum()
    mg.grad(loss, fake)
    with pytest.raises(AutogradError, match="second time through Mul"):
        mg.grad(loss, fake)


def test_grad_of_an_unused_input() -> None:
    x, other = leaf(3.0), leaf(1.0)
    y = x * 2.0
    with pytest.raises(AutogradError, match=r"input 1, of shape \(1,\).*allow_unused"):
        mg.grad(y, [x, other], retain_graph=True)
    dx, unused = mg.grad(y, [x, other], allow_unused=True)
    assert values(dx) == [2.0]
    assert unused is None


def test_grad_needs_inputs_that_require_it() -> None:
    with pytest.raises(AutogradError, match="input 0 does not require"):
        mg.grad(leaf(1.0) * 2.0, mg.ones(1))


def test_grad_runs_only_what_leads_to_the_inputs() -> None:
    x, other = leaf(3.0), leaf(1.0)
    Double.calls = 0
    y = x * 2.0 + apply(Double, other)
    mg.grad(y.sum(), x, retain_graph=True)
    assert Double.calls == 0
    mg.grad(y.sum(), other)
    assert Double.calls == 1


def test_grad_asks_rules_only_for_what_is_wanted() -> None:
    asked: list[tuple[bool, ...]] = []

    class Product(Op):
        saves = (0, 1)

        @staticmethod
        def forward(ctx: Node | None, a: Array, b: Array) -> Array:
            return a * b

        @staticmethod
        def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
            asked.append(tuple(ctx.needs))
            return (dy * b if ctx.needs[0] else None, dy * a if ctx.needs[1] else None)

    a, b = leaf(2.0), leaf(5.0)
    y = apply(Product, a, b)
    (da,) = mg.grad(y, a, retain_graph=True)
    (db,) = mg.grad(y, b, retain_graph=True)
    y.backward(np.ones(1))
    assert asked == [(True, False), (False, True), (True, True)]
    assert values(da) == [5.0]
    assert values(db) == [2.0]


def test_same_input_twice() -> None:
    x = leaf(3.0)
    one, two = mg.grad(x * x, [x, x])
    assert values(one) == values(two) == [6.0]
    assert one is not None
    assert two is not None
    assert not np.shares_memory(one.array, two.array)


def test_grads_share_no_memory_with_each_other_or_the_upstream() -> None:
    x, y = leaf(3.0), leaf(4.0)
    upstream = np.ones(1)
    dx, dy = mg.grad(x + y, [x, y], upstream)
    assert dx is not None
    assert dy is not None
    assert not np.shares_memory(dx.array, dy.array)
    assert not np.shares_memory(dx.array, upstream)
    assert not np.shares_memory(dy.array, upstream)


# ------------------------------------------------------------------------------ higher orders


def test_derivatives_of_a_power() -> None:
    x = leaf(3.0)
    y = (x * x) * (x * x)
    for expected in (4 * 27.0, 12 * 9.0, 24 * 3.0, 24.0):
        (slope,) = mg.grad(y, x, create_graph=True)
        assert slope is not None
        assert values(slope) == pytest.approx([expected], rel=1e-14)
        y = slope


def test_mixed_derivatives() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = mg.exp(x * y) * x
    (dx,) = mg.grad(z, x, create_graph=True)
    assert dx is not None
    (dxy,) = mg.grad(dx, y)
    # d/dy (1 + x y) exp(x y) = x (2 + x y) exp(x y)
    assert values(dxy) == pytest.approx([2.0 * 8.0 * np.exp(6.0)], rel=1e-14)


def test_gradient_penalty() -> None:
    """The gradient of a loss that contains a gradient, through backward()."""
    x, w = leaf(2.0), leaf(3.0)
    (dx,) = mg.grad((w * x * x).sum(), x, create_graph=True)
    assert dx is not None
    (dx * dx).sum().backward()  # (2 w x)**2
    assert values(w.grad) == [8 * 3.0 * 4.0]
    assert values(x.grad) == [8 * 9.0 * 2.0]


def test_upstream_is_differentiated_too() -> None:
    x, u = leaf(3.0), leaf(5.0)
    (dx,) = mg.grad(x * x, x, u, create_graph=True)
    assert dx is not None
    assert values(mg.grad(dx, u)[0]) == [6.0]


def test_backward_under_create_graph_gives_recorded_grads() -> None:
    x = leaf(3.0)
    (x * x * x).sum().backward(create_graph=True)
    slope = x.grad
    assert slope is not None
    assert slope.requires_grad
    (second,) = mg.grad(slope, x)
    assert values(second) == [18.0]
    x.grad = None


def test_recorded_grads_accumulate() -> None:
    x = leaf(3.0)
    for _ in range(2):
        (x * x * x).sum().backward(create_graph=True)
    assert x.grad is not None
    assert values(x.grad) == [54.0]
    assert values(mg.grad(x.grad, x)[0]) == [36.0]
    x.grad = None


def test_plain_backward_records_nothing() -> None:
    x = leaf(3.0)
    (x * x).sum().backward()
    assert x.grad is not None
    assert not x.grad.requires_grad


# ------------------------------------------------------------------------------ refusals


def test_backward_twice() -> None:
    y = (leaf(3.0) * leaf(2.0)).sum()
    y.backward()
    with pytest.raises(AutogradError, match=r"second time through .*retain_graph=True"):
        y.backward()


def test_retained_graph_runs_again() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert values(x.grad) == [12.0]


def test_backward_of_many_elements_needs_a_gradient() -> None:
    with pytest.raises(AutogradError, match=r"one element, got shape \(2,\).*gradient="):
        (leaf(1.0, 2.0) * 2.0).backward()


def test_backward_of_a_constant() -> None:
    with pytest.raises(AutogradError, match="does not require a gradient"):
        mg.ones(1).backward()


def test_wrong_upstream() -> None:
    y = leaf(1.0, 2.0) * 2.0
    with pytest.raises(ShapeError, match=r"shape \(2,\), got \(3,\)"):
        y.backward(np.ones(3))
    with pytest.raises(DTypeError, match="must be float64, got float32"):
        y.backward(np.ones(2, dtype=np.float32))
    with pytest.raises(ShapeError, match="expected 2 upstream gradients, got 1"):
        mg.grad([y, y], [y], [np.ones(2)])
    with pytest.raises(ShapeError, match="sequence of 2"):
        mg.grad([y, y], [y], np.ones(2))


def toy(rule: Callable[[Any], tuple[Any, ...]]) -> type[Op]:
    """Return an op of two inputs with the given gradient rule."""

    class Toy(Op):
        @staticmethod
        def forward(ctx: Node | None, a: Array, b: Array) -> Array:
            return a + b

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any, ...]:
            return rule(dy)

    return Toy


@pytest.mark.parametrize(
    ("rule", "error", "match"),
    [
        (
            lambda dy: (dy,),
            AutogradError,
            "Toy.backward must return a tuple of 2 gradients, one per input, got 1",
        ),
        (
            lambda dy: dy,  # has the right length
            AutogradError,
            "Toy.backward must return a tuple of 2 gradients, one per input, got ndarray",
        ),
        (lambda dy: (dy, None), AutogradError, "Toy.backward returned None for input 1"),
        (
            lambda dy: (dy, dy[:1]),
            ShapeError,
            r"Toy.backward: the gradient of input 1 must have shape \(2,\), got \(1,\)",
        ),
        (
            lambda dy: (dy.astype(np.float32), dy),
            DTypeError,
            "Toy.backward: the gradient of input 0 must be float64, got float32",
        ),
    ],
)
def test_wrong_rule_is_reported(
    rule: Callable[[Any], tuple[Any, ...]], error: type[MinigradError], match: str
) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with pytest.raises(error, match=match):
        apply(toy(rule), a, b).backward(np.ones(2))
    assert a.grad is None
    assert b.grad is None


def test_wrong_shape_is_not_summed_away() -> None:
    """Only ops that say they broadcast are un-broadcast."""
    a, b = leaf(1.0), leaf(3.0, 4.0)
    with pytest.raises(ShapeError, match=r"input 0 must have shape \(1,\), got \(2,\)"):
        apply(toy(lambda dy: (dy, dy)), a, b).backward(np.ones(2))


def test_failed_backward_changes_no_grad() -> None:
    """Neither where the failing rule leads, nor where a rule before it has led."""
    x, y = leaf(1.0), leaf(2.0)
    x.grad = mg.tensor(np.array([7.0]))
    broken = apply(toy(lambda dy: (dy, None)), y * 1.0, y)
    with pytest.raises(AutogradError, match="None for input 1"):
        (x * 2.0 + broken).sum().backward()
    assert values(x.grad) == [7.0]
    assert y.grad is None


def test_recording_is_restored_after_a_failure() -> None:
    with pytest.raises(AutogradError):
        apply(toy(lambda dy: (dy, None)), leaf(1.0), leaf(1.0)).backward(np.ones(1))
    assert mg.is_grad_enabled()


def test_rule_needs_to_ask_before_shape_of() -> None:
    class Careless(Op):
        @staticmethod
        def forward(ctx: Node | None, a: Array, b: Array) -> Array:
            return a

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
            return dy, np.zeros_like(dy) if ctx.shape_of(1) else None

    with pytest.raises(AutogradError, match=r"Careless: input 1.*ctx\.needs"):
        apply(Careless, leaf(1.0), np.ones(1)).backward(np.ones(1))


# ------------------------------------------------------------------------------ in place


@pytest.mark.parametrize("change", ["iadd", "setitem", "fill", "copy", "through detach"])
def test_change_of_a_saved_tensor_is_detected(change: str) -> None:
    x, k = leaf(1.0, 2.0), mg.tensor(np.array([3.0, 4.0]))
    y = x * k
    if change == "iadd":
        k += 1.0
    elif change == "setitem":
        k[0] = 9.0
    elif change == "fill":
        k.fill_(0.0)
    elif change == "copy":
        k.copy_(mg.zeros(2))
    else:
        k.detach().add_(1.0)
    with pytest.raises(AutogradError, match=r"Mul had saved .* changed in place"):
        y.backward(np.ones(2))
    assert x.grad is None


def test_change_through_a_view_is_detected() -> None:
    x, k = leaf(1.0, 2.0), mg.tensor(np.array([3.0, 4.0]))
    y = x * k
    k[:1].add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward(np.ones(2))


def test_change_of_the_base_is_detected_through_a_saved_view() -> None:
    x, k = leaf(1.0), mg.tensor(np.array([3.0, 4.0]))
    y = x * k[:1]
    k.add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward(np.ones(1))


def test_change_of_a_saved_output_is_detected() -> None:
    y = mg.exp(leaf(1.0))
    y *= 2.0
    with pytest.raises(AutogradError, match="its output"):
        y.backward(np.ones(1))


def test_accumulation_into_a_saved_grad_is_detected() -> None:
    x, w = leaf(3.0), leaf(2.0)
    (x * x).sum().backward()
    assert x.grad is not None
    y = w * x.grad
    (x * x).sum().backward()
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward(np.ones(1))


def test_change_of_what_is_not_saved_is_fine() -> None:
    x = leaf(1.0)
    k = mg.tensor(np.array([3.0]))
    y = x + k
    k += 1.0
    y.backward(np.ones(1))
    assert values(x.grad) == [1.0]


def test_change_before_use_is_fine() -> None:
    x, k = leaf(1.0), mg.tensor(np.array([3.0]))
    k += 1.0
    (x * k).backward(np.ones(1))
    assert values(x.grad) == [4.0]


def test_in_place_on_an_intermediate_is_recorded() -> None:
    x = leaf(3.0)
    y = x * 2.0
    y += x
    y *= 5.0
    y.sum().backward()
    assert values(x.grad) == [15.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda y, x: y.mul_(x),
        lambda y, x: y.mul_(y),
        lambda y, x: y.div_(x),
        lambda y, x: y.__ipow__(2),
        lambda y, x: y.clamp_(2.5, 6.5),
    ],
)
def test_in_place_keeps_what_its_rule_needs_of_the_old_values(
    change: Callable[[Tensor, Tensor], Tensor], rng: np.random.Generator
) -> None:
    """The values that an op is about to overwrite are saved as they were."""

    def f(x: Tensor) -> Tensor:
        y = x * 3.0
        return change(y, x) * 2.0

    x = mg.tensor(rng.uniform(0.5, 2.5, size=5), requires_grad=True)
    assert gradcheck(f, [x])
    assert gradgradcheck(f, [x])


def test_in_place_into_a_buffer_keeps_its_old_values() -> None:
    x, buffer = leaf(3.0), mg.full((1,), 5.0, dtype=mg.float64)
    buffer *= x
    buffer.mul_(buffer.detach())
    buffer.sum().backward()
    assert values(x.grad) == [5.0 * 15.0]


def test_in_place_on_read_only_memory_is_refused() -> None:
    y = mg.ones(1).expand(3)
    with pytest.raises(AutogradError, match=r"shape \(3,\) is read-only.*clone\(\)"):
        y += 1.0
    assert y.tolist() == [1.0, 1.0, 1.0]


def test_in_place_brings_in_a_gradient() -> None:
    x, buffer = leaf(3.0), mg.zeros(2, dtype=mg.float64)
    buffer[1:] = x * 2.0
    (buffer * buffer).sum().backward()
    assert values(x.grad) == [24.0]


def test_in_place_on_a_leaf_is_refused() -> None:
    x = leaf(1.0)
    with pytest.raises(AutogradError, match=r"leaf .* in place"):
        x += 1.0
    with pytest.raises(AutogradError, match="leaf"):
        x[0] = 1.0
    with pytest.raises(AutogradError, match="leaf"):
        x.fill_(1.0)
    assert x.tolist() == [1.0]
    with mg.no_grad():
        x += 1.0
    assert x.tolist() == [2.0]
    assert x.is_leaf
    assert x.requires_grad


def test_in_place_on_a_view_is_refused() -> None:
    y = leaf(1.0, 2.0) * 2.0
    with pytest.raises(AutogradError, match="shares memory with a view"):
        y[:1].mul_(3.0)
    view = y[:1]
    with pytest.raises(AutogradError, match="shares memory with a view"):
        y.mul_(3.0)
    assert y.tolist() == [2.0, 4.0]
    del view
    y.mul_(3.0)
    assert y.tolist() == [6.0, 12.0]


def test_in_place_on_a_view_of_a_leaf_is_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(AutogradError, match="in place"):
        x[:1].zero_()
    assert x.tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------ ownership


def test_add_gives_each_input_its_own_gradient() -> None:
    a, b = leaf(1.0), leaf(2.0)
    (a + b).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    a.grad.add_(10.0)
    assert values(b.grad) == [1.0]


def test_broadcast_gradient_becomes_writeable() -> None:
    x = leaf(1.0, 2.0, 3.0)
    x.sum().backward()
    assert x.grad is not None
    x.grad.array += 1.0
    assert values(x.grad) == [2.0, 2.0, 2.0]


def test_upstream_is_not_kept() -> None:
    x = leaf(1.0, 2.0)
    upstream = np.ones(2)
    x.backward(upstream)
    x.backward(upstream)
    assert upstream.tolist() == [1.0, 1.0]
    upstream += 5.0
    assert values(x.grad) == [2.0, 2.0]


def test_accumulation_along_the_way_changes_no_shared_array() -> None:
    """Add hands one array to both inputs; adding to one must not change the other."""
    x = leaf(1.0)
    a, b = x * 2.0, x * 3.0
    (a + b + a).sum().backward()
    assert values(x.grad) == [7.0]
    y, z = leaf(1.0), leaf(1.0)
    ((y + z) + y + y).sum().backward()
    assert values(y.grad) == [3.0]
    assert values(z.grad) == [1.0]


class ThreeTimes(Op):
    """The sum of three inputs, which hands one array to all of them."""

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array, c: Array) -> Array:
        return a + b + c

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any, Any]:
        return dy, dy, dy


def test_upstream_of_the_engine_is_not_owned_by_two_edges() -> None:
    """The sum of two gradients belongs to the engine, until a rule hands it on."""
    x, y = leaf(1.0), leaf(2.0)
    s = apply(ThreeTimes, x, y, x)
    (s + s).sum().backward()
    assert values(x.grad) == [4.0]
    assert values(y.grad) == [2.0]


def test_gradient_of_an_intermediate_is_not_added_to() -> None:
    x, y = leaf(1.0), leaf(2.0)
    s = x + y
    ds, dx, dy = mg.grad((s + s + x).sum(), [s, x, y])
    assert (values(ds), values(dx), values(dy)) == ([2.0], [3.0], [2.0])
    ds, dx, dy = mg.grad((x + (y + s) + s).sum(), [s, x, y])
    assert (values(ds), values(dx), values(dy)) == ([2.0], [3.0], [3.0])
    assert ds is not None
    assert dy is not None
    assert not np.shares_memory(ds.array, dy.array)


def test_scalar_root_given_twice() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    mg.backward([x, x, x * 3.0])
    assert x.grad is not None
    assert type(x.grad.array) is np.ndarray
    assert x.grad.item() == 5.0


def test_fresh_gradients_accumulate() -> None:
    class FreshDouble(Op):
        fresh = True

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * 2.0

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            return (dy * 2.0,)

    x = leaf(1.0)
    y = apply(FreshDouble, x) + apply(FreshDouble, x) + x
    y.sum().backward()
    assert values(x.grad) == [5.0]
    once, twice = leaf(1.0), leaf(2.0)
    apply(FreshDouble, once + twice).sum().backward()
    assert once.grad is not None
    assert twice.grad is not None
    assert not np.shares_memory(once.grad.array, twice.grad.array)


# ------------------------------------------------------------------------------ recording


def test_no_grad_nests_with_enable_grad() -> None:
    x = leaf(1.0)
    seen: list[bool] = []

    def note() -> None:
        assert (x * 2.0).requires_grad == mg.is_grad_enabled()
        seen.append(mg.is_grad_enabled())

    note()
    with mg.no_grad():
        note()
        with mg.enable_grad():
            note()
            with mg.set_grad_enabled(False):
                note()
            note()
        note()
    note()
    assert seen == [True, False, True, False, True, False, True]


def test_set_grad_enabled_holds_from_the_call_on() -> None:
    block = mg.set_grad_enabled(False)
    try:
        assert not mg.is_grad_enabled()
        with block:
            assert not mg.is_grad_enabled()
        assert mg.is_grad_enabled()  # as before the call

        @mg.set_grad_enabled(False)
        def evaluate() -> bool:
            return mg.is_grad_enabled()

        assert mg.is_grad_enabled()
        assert not evaluate()
        with block, mg.enable_grad(), block:
            assert not mg.is_grad_enabled()
        assert mg.is_grad_enabled()
    finally:
        mg.set_grad_enabled(True)


def test_no_grad_is_left_on_an_error() -> None:
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert mg.is_grad_enabled()


def test_no_grad_decorates() -> None:
    @mg.no_grad()
    def evaluate(x: Tensor, depth: int) -> Tensor:
        assert not mg.is_grad_enabled()
        return evaluate(x, depth - 1) if depth else x * 2.0

    assert not evaluate(leaf(1.0), 3).requires_grad
    assert mg.is_grad_enabled()


def test_one_block_object_can_be_entered_twice() -> None:
    block = mg.no_grad()
    with block, block:
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()


def test_each_thread_has_its_own_switch() -> None:
    seen: list[bool] = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_decorated_function_restores_the_switch_of_its_thread() -> None:
    """One decorated function in two threads, of which one records: neither gets the other's."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    after: dict[str, bool] = {}

    @mg.enable_grad()
    def work(entered: threading.Event, leave: threading.Event) -> None:
        entered.set()
        leave.wait(timeout=10.0)

    def first() -> None:
        with mg.no_grad():
            work(first_is_in, second_is_in)
            after["first"] = mg.is_grad_enabled()
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(timeout=10.0)
        work(second_is_in, first_is_out)
        after["second"] = mg.is_grad_enabled()

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert after == {"first": False, "second": True}


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_sets_the_switch_for_its_rules(create_graph: bool) -> None:
    """Whatever the caller's switch is: rules record under create_graph, and else do not."""
    seen: list[bool] = []

    class Curious(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * 1.0

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            seen.append(mg.is_grad_enabled())
            return (dy,)

    y = apply(Curious, leaf(1.0))
    for mode in (False, True):
        with mg.set_grad_enabled(mode):
            mg.backward(y, np.ones(1), retain_graph=True, create_graph=create_graph)
    assert seen == [create_graph, create_graph]


def test_detach_leaves_the_graph() -> None:
    x = leaf(2.0)
    y = (x * 3.0).detach()
    assert y.is_leaf
    assert not y.requires_grad
    (x * y).sum().backward()
    assert values(x.grad) == [6.0]


# ------------------------------------------------------------------------------ worlds


def test_arrays_in_arrays_out() -> None:
    result = apply(Double, np.ones(2))
    assert type(result) is np.ndarray


def test_tensors_that_need_no_gradient_are_not_recorded() -> None:
    result = apply(Double, mg.ones(2))
    assert isinstance(result, Tensor)
    assert result.node is None


def test_ctx_is_none_when_nothing_is_recorded() -> None:
    seen: list[bool] = []

    class Curious(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            seen.append(ctx is None)
            return x + 1.0

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            return (dy,)

    apply(Curious, np.ones(1))
    apply(Curious, mg.ones(1))
    apply(Curious, leaf(1.0))
    with mg.no_grad():
        apply(Curious, leaf(1.0))
    assert seen == [True, True, False, True]


def test_numpy_scalar_becomes_an_array() -> None:
    x = leaf(1.0, 2.0)

    class Total(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Any:
            return np.sum(x)

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            return (dy * np.ones(2),)

    y = apply(Total, x)
    assert type(y.array) is np.ndarray
    assert y.shape == ()
    y.backward()
    assert values(x.grad) == [1.0, 1.0]


def test_numpy_scalar_as_a_gradient_becomes_an_array() -> None:
    x = mg.tensor(np.array(3.0), requires_grad=True)
    (x * x).backward()
    assert x.grad is not None
    assert type(x.grad.array) is np.ndarray
    x.grad.add_(1.0)
    assert x.grad.item() == 7.0


class TwoResults(NamedTuple):
    """The second field is not differentiable."""

    y: Any
    largest: Any


def test_named_results_beside_the_differentiable_one() -> None:
    class Scaled(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> TwoResults:
            return TwoResults(x * 2.0, np.max(x))

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            return (dy * 2.0,)

    x = leaf(1.0, 5.0)
    result = apply(Scaled, x)
    assert isinstance(result, TwoResults)
    assert isinstance(result.y, Tensor)
    assert result.largest == 5.0
    assert not isinstance(result.largest, Tensor)
    result.y.sum().backward()
    assert values(x.grad) == [2.0, 2.0]
    assert isinstance(apply(Scaled, np.ones(2)).y, np.ndarray)


def test_ops_register_under_their_qualified_name() -> None:
    assert OPS["minigrad.ops.elementwise.Add"].__name__ == "Add"
    assert OPS[f"{__name__}.Double"] is Double


def test_custom_op_passes_the_checks() -> None:
    """What the documentation promises: an op with forward and backward, right at every order."""

    class Cube(Op):
        saves = (0,)

        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * x * x

        @staticmethod
        def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
            return (dy * 3.0 * x * x,)

    def cube(x: Tensor) -> Tensor:
        result: Tensor = apply(Cube, x)
        return result

    x = np.array([[0.5, -1.0], [2.0, 3.0]])
    gradcheck(cube, x)
    gradgradcheck(cube, x)
    gradgradcheck(cube, x, order=3)


# ------------------------------------------------------------------------------ composites


class FusedProductSine(Op):
    """``a * sin(a * b)``, with a rule on bare arrays as a kernel would be."""

    saves = (0, 1)
    composite = staticmethod(lambda ctx, a, b: a * mg.sin(a * b))

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Array:
        phase = a * b
        if ctx is not None:
            ctx.extra = (np.sin(phase), np.cos(phase))
        return np.asarray(a * np.sin(phase))

    @staticmethod
    def backward(ctx: Node, dy: Array, a: Array, b: Array) -> tuple[Any, Any]:
        assert ctx.extra is not None
        sine, cosine = ctx.extra
        assert type(dy) is type(a) is np.ndarray, "a fused rule is never given Tensors"
        da = dy * (sine + a * b * cosine) if ctx.needs[0] else None
        db = dy * a * a * cosine if ctx.needs[1] else None
        return da, db


def fused(a: Any, b: Any) -> Tensor:
    result: Tensor = apply(FusedProductSine, a, b)
    return result


def test_fused_op_is_right_at_every_order(rng: np.random.Generator) -> None:
    inputs = [rng.normal(size=3), rng.normal(size=3)]
    gradcheck(fused, inputs)
    gradgradcheck(fused, inputs)
    gradgradcheck(fused, inputs, order=3)
    gradgradcheck(lambda a: fused(a, inputs[1]), inputs[0])
    gradgradcheck(lambda b: fused(inputs[0], b), inputs[1])


def test_history_behind_a_composite_goes_on(rng: np.random.Generator) -> None:
    def chained(a: Tensor, b: Tensor) -> Tensor:
        return fused(fused(a, b) * a, mg.exp(b))

    gradgradcheck(chained, [rng.normal(size=2), rng.normal(size=2)])


def test_fused_op_of_one_tensor_twice(rng: np.random.Generator) -> None:
    gradgradcheck(lambda x: fused(x, x), rng.normal(size=3))


def test_composite_that_ignores_an_input() -> None:
    class FirstOnly(Op):
        saves = (0, 1)
        composite = staticmethod(lambda ctx, a, b: a * 2.0)

        @staticmethod
        def forward(ctx: Node | None, a: Array, b: Array) -> Array:
            return a * 2.0

        @staticmethod
        def backward(ctx: Node, dy: Array, a: Array, b: Array) -> tuple[Any, Any]:
            return dy * 2.0, np.zeros_like(b)

    a, b = leaf(1.0), leaf(2.0)
    da, db = mg.grad(apply(FirstOnly, a, b), [a, b], create_graph=True)
    assert values(da) == [2.0]
    assert values(db) == [0.0]


def keeping(*kept: Array) -> type[Op]:
    class Keeping(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            if ctx is not None:
                ctx.extra = kept
            return x * 1.0

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            return (dy,)

    return Keeping


def test_extra_floats_without_a_composite_are_refused() -> None:
    with pytest.raises(AutogradError, match=r"Keeping keeps a floating array.*composite"):
        apply(keeping(np.ones(2)), leaf(1.0))


def test_extra_integers_and_masks_are_fine() -> None:
    x = leaf(1.0)
    apply(keeping(np.arange(2), np.ones(2, dtype=bool)), x).sum().backward()
    assert values(x.grad) == [1.0]


# ------------------------------------------------------------------------------ memory


def is_alive(reference: weakref.ref[Any]) -> bool:
    return reference() is not None


def test_backward_frees_what_was_saved() -> None:
    x = leaf(1.0, 2.0)
    k = mg.tensor(np.array([3.0, 4.0]))
    saved = weakref.ref(k.array)
    y = (x * k).sum()
    del k
    assert is_alive(saved)
    y.backward()
    assert not is_alive(saved)


def test_retain_graph_keeps_what_was_saved() -> None:
    x = leaf(1.0, 2.0)
    k = mg.tensor(np.array([3.0, 4.0]))
    saved = weakref.ref(k.array)
    y = (x * k).sum()
    del k
    y.backward(retain_graph=True)
    assert is_alive(saved)


def test_nothing_is_kept_under_no_grad() -> None:
    x = leaf(1.0, 2.0)
    with mg.no_grad():
        k = x * 2.0
        reference = weakref.ref(k.array)
        y = k * k
    del k
    assert not is_alive(reference)
    assert y.node is None


def test_intermediate_arrays_that_no_rule_needs_are_not_kept() -> None:
    x = leaf(1.0, 2.0)
    a = x + 1.0
    reference = weakref.ref(a.array)
    y = a + 1.0
    del a
    assert not is_alive(reference)
    y.sum().backward()
    assert values(x.grad) == [1.0, 1.0]


def test_bilinear_op_keeps_only_the_other_input() -> None:
    x = leaf(1.0, 2.0)
    a = x + 1.0
    reference = weakref.ref(a.array)
    y = a * mg.tensor(np.array([3.0, 4.0]))
    del a
    assert not is_alive(reference)
    y.sum().backward()
    assert values(x.grad) == [3.0, 4.0]


def test_graph_is_free_of_cycles() -> None:
    """Reference counting alone releases a graph, whether or not backward ran."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = mg.exp(x * x)
        node = y.node
        assert node is not None
        array = weakref.ref(y.array)
        del y, node
        assert not is_alive(array)
        z = mg.exp(x * x)
        (slope,) = mg.grad(z.sum(), x, create_graph=True)
        assert slope is not None
        arrays = [weakref.ref(z.array), weakref.ref(slope.array)]
        del z, slope
        assert not any(is_alive(array) for array in arrays)
    finally:
        gc.enable()


def test_gradients_on_the_way_are_released() -> None:
    """While backward runs, the gradient of a node is dropped as soon as its rule has run."""
    alive: list[int] = []
    references: list[weakref.ref[Any]] = []

    class Watch(Op):
        @staticmethod
        def forward(ctx: Node | None, x: Array) -> Array:
            return x * 1.0

        @staticmethod
        def backward(ctx: Node, dy: Any) -> tuple[Any]:
            dx = dy * 1.0
            references.append(weakref.ref(dx))
            alive.append(sum(is_alive(reference) for reference in references))
            return (dx,)

    x = leaf(1.0)
    y = x
    for _ in range(20):
        y = apply(Watch, y)
    y.backward(np.ones(1))
    assert max(alive) <= 3
