"""Checkpoints: the same gradients from less memory, and nothing counted twice."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.engine import Node
from minigrad.errors import AutogradError
from minigrad.tensor import Tensor

N = 6  # samples
F = 5  # features


def leaf(rng: np.random.Generator, *shape: int) -> Tensor:
    return mg.tensor(rng.normal(size=shape), requires_grad=True)


def saved_bytes(*outputs: Tensor) -> int:
    """Return the bytes of floating arrays that the graph keeps, each once, leaves apart."""
    arrays: dict[int, int] = {}
    leaves: set[int] = set()
    seen: set[Node] = set()
    stack = [output.node for output in outputs]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for value in [*(node.saved if isinstance(node.saved, list) else []), *(node.extra or ())]:
            if isinstance(value, np.ndarray):
                arrays[id(value)] = value.nbytes
        for edge in node.edges:
            if isinstance(edge, Node):
                stack.append(edge)
            elif edge is not None:
                leaves.add(id(edge.array))
    return sum(size for identity, size in arrays.items() if identity not in leaves)


def block() -> nn.Sequential:
    """Return layers that save activations, draw numbers and keep statistics."""
    mg.manual_seed(3)
    return nn.Sequential(
        nn.Linear(F, F), nn.BatchNorm1d(F), nn.ReLU(), nn.Dropout(0.4), nn.Linear(F, F), nn.Tanh()
    )


def run(net: nn.Module, start: Any, wrapped: bool) -> dict[str, Any]:
    """Train one step, and return everything that may depend on the checkpoint."""
    mg.manual_seed(7)
    x = mg.tensor(start, requires_grad=True)
    y = mg.checkpoint(net, x) if wrapped else net(x)
    drawn = mg.rand(3)
    (y * y).sum().backward()
    return {
        "y": y.array,
        "x.grad": x.grad,
        "drawn": drawn,
        "drawn after": mg.rand(3),
        **{name: parameter.grad for name, parameter in net.named_parameters()},
        **net.state_dict(),
    }


def assert_same_bits(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value is not None, name
        left, right = np.asarray(found[name]), np.asarray(value)
        assert left.dtype == right.dtype, name
        assert left.tobytes() == right.tobytes(), name


def test_everything_is_the_same_bit_for_bit(rng: np.random.Generator) -> None:
    """Gradients, dropout masks, random streams, running statistics and their counter."""
    start = rng.normal(size=(N, F)).astype(np.float32)
    expected = run(block(), start, False)
    found = run(block(), start, True)
    assert_same_bits(found, expected)
    assert found["1.num_batches_tracked"].item() == 1


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_take_each_batch_once(momentum: float | None, rng: np.random.Generator) -> None:
    layers = [nn.BatchNorm1d(F, momentum=momentum) for _ in range(2)]
    for _ in range(3):
        start = rng.normal(size=(N, F)).astype(np.float32)
        for layer, wrapped in zip(layers, (False, True), strict=True):
            x = mg.tensor(start, requires_grad=True)
            y = mg.checkpoint(layer, x) if wrapped else layer(x)
            (y**3).sum().backward()
    plain, checked = (layer.state_dict() for layer in layers)
    assert_same_bits(checked, plain)
    assert checked["num_batches_tracked"].item() == 3


def test_functional_batch_norm_takes_each_batch_once(rng: np.random.Generator) -> None:
    x = leaf(rng, N, F)
    mean, var = mg.zeros(F), mg.ones(F)
    y = mg.checkpoint(nn.functional.batch_norm, x, mean, var, training=True, momentum=1.0)
    once = mean.tolist(), var.tolist(), mean._version
    (y**3).sum().backward()
    assert (mean.tolist(), var.tolist(), mean._version) == once


def test_second_run_is_announced(rng: np.random.Generator) -> None:
    announced: list[bool] = []

    def function(x: Tensor) -> Tensor:
        announced.append(mg.is_recomputing())
        return x.exp()

    mg.checkpoint(function, leaf(rng, 3)).sum().backward()
    assert announced == [False, True]
    assert not mg.is_recomputing()


def test_random_state_is_only_kept_if_asked(rng: np.random.Generator) -> None:
    drawn: list[list[float]] = []

    def function(x: Tensor) -> Tensor:
        drawn.append(mg.rand(2).tolist())
        return x.exp()

    for preserve in (True, False):
        mg.checkpoint(function, leaf(rng, 3), preserve_rng_state=preserve).sum().backward()
    assert drawn[0] == drawn[1]
    assert drawn[2] != drawn[3]


# ------------------------------------------------------------------------------ memory


def deep(x: Tensor) -> Tensor:
    for _ in range(10):
        x = (x * 1.1).tanh()
    return x


def test_activations_are_not_kept(rng: np.random.Generator) -> None:
    alive: list[weakref.ref[Any]] = []

    def function(x: Tensor) -> Tensor:
        for _ in range(4):
            x = x.tanh()
            alive.append(weakref.ref(x.array))
        return x * 2.0

    x = leaf(rng, 8)
    y = mg.checkpoint(function, x)
    gc.collect()
    assert [reference() is not None for reference in alive] == [False] * 4
    y.sum().backward()
    gc.collect()
    assert len(alive) == 8
    assert [reference() is not None for reference in alive] == [False] * 8


def test_second_run_is_released_as_backward_passes(rng: np.random.Generator) -> None:
    """When the gradient comes to the first op, the activations of the later ones are gone."""
    alive: list[weakref.ref[Any]] = []
    found: list[bool] = []

    def function(x: Tensor) -> Tensor:
        first = x.tanh()
        first.register_hook(
            lambda gradient: found.extend(reference() is not None for reference in alive)
        )
        h = first
        for _ in range(3):
            h = h.tanh()
            alive.append(weakref.ref(h.array))
            h = h * 2.0
        return h.sum()

    mg.checkpoint(function, leaf(rng, 8)).backward()
    assert found == [False] * 6


def test_graph_keeps_the_inputs_alone(rng: np.random.Generator) -> None:
    x = leaf(rng, 100)
    h = x * 2.0
    assert saved_bytes(deep(h)) == 10 * 800
    assert saved_bytes(mg.checkpoint(deep, h)) == 0
    net = block()
    assert saved_bytes(mg.checkpoint(net, leaf(rng, N, F).float())) == 0


def test_many_checkpoints_in_a_row(rng: np.random.Generator) -> None:
    """Backward and the release of the graph go through them without recursion."""
    x = leaf(rng, 2)
    for _ in range(2):
        y = x
        for _ in range(3000):
            y = mg.checkpoint(lambda h: h.sin() + h, y)
        if x.grad is None:
            y.sum().backward()
        del y
    assert x.grad is not None


def test_peak_of_several_segments_is_one_segment(rng: np.random.Generator) -> None:
    """While one segment is differentiated, the others keep nothing."""
    x = leaf(rng, 100)
    y = x
    for _ in range(4):
        y = mg.checkpoint(deep, y)
    kept: list[int] = []
    root = y.sum()
    middle: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        x.register_hook(lambda gradient: kept.append(saved_bytes(*middle)))
        return x

    z = x * 1.0
    for _ in range(4):
        z = mg.checkpoint(deep, watched(z))
    middle.append(z)
    z.sum().backward()
    root.backward()
    assert kept == [0, 0, 0, 0]  # of the segment before it nothing yet, of this one nothing more


def test_nested_checkpoints_keep_nothing_inside(rng: np.random.Generator) -> None:
    inputs: list[weakref.ref[Any]] = []

    def inner(x: Tensor) -> Tensor:
        inputs.append(weakref.ref(x.array))
        return deep(x)

    def outer(x: Tensor) -> Any:
        x = mg.checkpoint(inner, x * 1.5)
        return mg.checkpoint(inner, x.sin())

    x = leaf(rng, 20)
    expected = mg.grad(deep(deep(x * 1.5).sin()).sum(), x)[0]
    y = mg.checkpoint(outer, x)
    gc.collect()
    assert [reference() for reference in inputs] == [None, None]
    (found,) = mg.grad(y.sum(), x)
    assert_same_bits({"x": found}, {"x": expected})
    gc.collect()
    assert {reference() for reference in inputs} == {None}


def test_without_backward_no_cycle_is_left(rng: np.random.Generator) -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(rng, 3)
        h = x * 2.0
        alive = weakref.ref(h.array)
        y = mg.checkpoint(deep, h)
        del h, y
        assert alive() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------------ everything works


def test_several_outputs_and_other_values(rng: np.random.Generator) -> None:
    a, b, constant = leaf(rng, 3), leaf(rng, 3), mg.tensor(rng.normal(size=3))

    def function(a: Tensor, b: Tensor, constant: Tensor, scale: float, *, power: int) -> Any:
        return (a * b).tanh() * scale, {"other": (b**power) * constant}, "text"

    def gradients(wrapped: bool) -> tuple[Any, ...]:
        arguments = (a, b, constant, 2.0)
        first, named, text = (
            mg.checkpoint(function, *arguments, power=3)
            if wrapped
            else function(*arguments, power=3)
        )
        assert text == "text"
        return mg.grad((first * named["other"]).sum(), [a, b])

    for found, expected in zip(gradients(True), gradients(False), strict=True):
        assert_same_bits({"": found}, {"": expected})


@pytest.mark.parametrize("order", [2, 3])
def test_every_order(order: int, rng: np.random.Generator) -> None:
    net = nn.Sequential(nn.Linear(F, F), nn.BatchNorm1d(F), nn.Tanh()).double()
    x = leaf(rng, N, F)
    upstream = mg.tensor(rng.normal(size=(N, F)))

    def derivatives(wrapped: bool) -> dict[str, Any]:
        y = mg.checkpoint(net, x) if wrapped else net(x)
        result = (y * upstream).sum()
        for _ in range(order - 1):
            (slope,) = mg.grad(result, x, create_graph=True)
            assert slope is not None
            result = (slope * upstream).sum()
        names, parameters = zip(*net.named_parameters(), strict=True)
        found = mg.grad(result, [x, *parameters], allow_unused=True)
        return dict(zip(("x", *names), found, strict=True))

    found, expected = derivatives(True), derivatives(False)
    for unused in [name for name, value in expected.items() if value is None]:
        assert found.pop(unused) is expected.pop(unused)
    assert len(expected) > 3
    assert_same_bits(found, expected)


def test_retained_graph_runs_again_and_a_freed_one_does_not(rng: np.random.Generator) -> None:
    runs: list[int] = []

    def function(x: Tensor) -> Tensor:
        runs.append(1)
        return deep(x)

    x = leaf(rng, 3)
    y = mg.checkpoint(function, x).sum()
    y.backward(retain_graph=True)
    first = x.grad
    assert first is not None
    once = first.array.copy()
    y.backward()
    np.testing.assert_array_equal(first.array, 2.0 * once)
    assert len(runs) == 2
    with pytest.raises(AutogradError, match="backward a second time"):
        y.backward()


def test_gradient_taken_inside(rng: np.random.Generator) -> None:
    """A gradient penalty: the checkpointed function differentiates what it has recorded."""

    def penalty(x: Tensor) -> Tensor:
        (slope,) = mg.grad(deep(x).sum(), x, create_graph=True)
        assert slope is not None
        return deep(x).sum() + (slope * slope).sum()

    def plain(x: Tensor) -> Tensor:
        (slope,) = mg.grad((x.exp() * x).sum(), x)
        assert slope is not None
        return (x.sin() * slope).sum()

    for function in (penalty, plain):
        x = leaf(rng, 4)
        expected = mg.grad(function(x), x)[0]
        found = mg.grad(mg.checkpoint(function, x), x)[0]
        assert_same_bits({"x": found}, {"x": expected})


def test_hooks_inside_run_once(rng: np.random.Generator) -> None:
    seen: list[Any] = []

    def function(x: Tensor) -> Tensor:
        h = x.tanh()
        h.register_hook(lambda gradient: seen.append(gradient.tolist()))
        return h * 3.0

    mg.checkpoint(function, leaf(rng, 2)).sum().backward()
    assert seen == [[3.0, 3.0]]


def test_change_in_place_inside(rng: np.random.Generator) -> None:
    """What an op in place keeps of the old values is kept the second time, too."""

    def function(x: Tensor) -> Tensor:
        h = x * 2.0
        h.mul_(h + 1.0)
        buffer = mg.zeros(4, dtype="float64")
        h = h + buffer
        buffer.add_(1.0)
        return h * buffer

    x = leaf(rng, 4)
    expected = mg.grad(function(x).sum(), x)[0]
    found = mg.grad(mg.checkpoint(function, x).sum(), x)[0]
    assert_same_bits({"x": found}, {"x": expected})


def test_result_that_was_changed_in_place_inside(rng: np.random.Generator) -> None:
    def function(x: Tensor) -> Any:
        h = x * 2.0
        k = h + 1.0
        h.mul_(k)
        return h * k, h

    x = leaf(rng, 4)
    expected = mg.grad(sum(function(x)).sum(), x)[0]
    first, second = mg.checkpoint(function, x)
    found = mg.grad((first + second).sum(), x)[0]
    assert_same_bits({"x": found}, {"x": expected})


def test_nothing_to_record(rng: np.random.Generator) -> None:
    x = leaf(rng, 2)
    assert not mg.checkpoint(deep, mg.ones(2)).requires_grad
    with mg.no_grad():
        assert not mg.checkpoint(deep, x).requires_grad
    assert mg.checkpoint(lambda x: x, x) is x


def test_keyword_of_pytorch(rng: np.random.Generator) -> None:
    x = leaf(rng, 2)
    assert mg.checkpoint(deep, x, use_reentrant=False).requires_grad
    with pytest.raises(ValueError, match="use_reentrant must be False"):
        mg.checkpoint(deep, x, use_reentrant=True)


def test_failure_leaves_nothing_behind(rng: np.random.Generator) -> None:
    x = leaf(rng, 2)

    def function(x: Tensor) -> Tensor:
        x.exp()
        raise OverflowError

    with pytest.raises(OverflowError):
        mg.checkpoint(function, x)
    assert saved_bytes(deep(x)) > 0  # later ops keep what they save


# ------------------------------------------------------------------------------ errors


def in_input(x: Tensor, weight: Tensor) -> Tensor:
    return x


def in_weight(x: Tensor, weight: Tensor) -> Tensor:
    return weight


@pytest.mark.parametrize("which", [in_input, in_weight])
@pytest.mark.parametrize("wrapped", ["a sum", "a product"])
def test_change_before_the_second_run_is_detected(
    which: Callable[[Tensor, Tensor], Tensor], wrapped: str, rng: np.random.Generator
) -> None:
    """Also where the op itself keeps nothing: what comes after it would differ."""
    x, weight = leaf(rng, 3), leaf(rng, 3)

    def function(x: Tensor) -> Tensor:
        return (x + weight if wrapped == "a sum" else x * weight).tanh()

    y = mg.checkpoint(function, x)
    with mg.no_grad():
        which(x, weight).add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        y.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("scale", [None, 2.0])
def test_change_of_an_input_that_takes_no_gradient_is_detected(
    scale: Any, rng: np.random.Generator
) -> None:
    x, target = leaf(rng, 3), mg.tensor(rng.normal(size=3))
    y = mg.checkpoint(
        lambda x, target: (x - (target if scale is None else target * scale)).exp(),
        x,
        target,
    )
    target.add_(1.0)
    with pytest.raises(AutogradError, match=r"of shape \(3,\) that .*lambda.* used was changed"):
        y.sum().backward()


def test_another_second_run_is_refused(rng: np.random.Generator) -> None:
    x = leaf(rng, 3)
    for second, found in [
        (lambda x: x.exp().exp(), "op number 1 was Sin, float64, of shape .3,. and is now Exp"),
        (lambda x: x.exp(), "op number 1 was Sin.* and is now none"),
        (lambda x: x.exp().sin() * 2.0, "op number 2 was none and is now Mul"),
        (lambda x: x[:2].exp().sin(), "op number 0 was Exp.* and is now Index"),
    ]:
        functions = iter([lambda x: x.exp().sin(), second])
        y = mg.checkpoint(lambda x, functions=functions: next(functions)(x), x)
        with pytest.raises(AutogradError, match=found):
            y.sum().backward()
    assert not mg.is_recomputing()


def test_failure_of_the_second_run_restores_everything(rng: np.random.Generator) -> None:
    x = leaf(rng, 3)

    def function(x: Tensor) -> Tensor:
        mg.rand(3)
        if mg.is_recomputing():
            raise OverflowError
        return x.exp()

    y = mg.checkpoint(function, x)
    stream = mg.default_generator.get_state()
    with pytest.raises(OverflowError):
        y.sum().backward()
    assert mg.default_generator.get_state() == stream
    assert not mg.is_recomputing()
    assert saved_bytes(deep(x)) > 0
