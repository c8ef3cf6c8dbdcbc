"""Backward hooks of modules, and forward hooks that run after an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.tensor import Tensor


class Two(nn.Module):
    """Two inputs, two outputs: 2 a and 3 a b."""

    def forward(self, a: Any, b: Any) -> Any:
        return a * 2.0, a * b * 3.0


def leaf(*values: float) -> Tensor:
    return mg.tensor(np.array(values), requires_grad=True)


def lists(gradients: Any) -> list[Any]:
    return [None if gradient is None else gradient.tolist() for gradient in gradients]


def recorder(seen: list[Any]) -> Any:
    return lambda module, grad_input, grad_output: seen.append(
        (lists(grad_input), lists(grad_output))
    )


def test_backward_hook_sees_all_gradients_together() -> None:
    module = Two()
    seen: list[Any] = []
    module.register_full_backward_hook(recorder(seen))
    a, b = leaf(2.0), leaf(5.0)
    doubled, product = module(a, b)
    (doubled * 10.0 + product * 100.0).sum().backward()
    assert seen == [([[20.0 + 1500.0], [600.0]], [[10.0], [100.0]])]
    assert lists([a.grad, b.grad]) == [[1520.0], [600.0]]


def test_backward_hook_runs_in_every_pass() -> None:
    module = Two()
    seen: list[Any] = []
    module.register_full_backward_hook(recorder(seen))
    module.register_full_backward_pre_hook(lambda module, grad_output: seen.append("before"))
    a = leaf(2.0)
    loss = module(a, leaf(5.0))[0].sum()
    loss.backward(retain_graph=True)
    loss.backward()
    once = ["before", ([[2.0], None], [[1.0], None])]
    assert seen == once * 2


def test_backward_hook_replaces_grad_input() -> None:
    module = Two()
    first = module.register_full_backward_hook(
        lambda module, grad_input, grad_output: (grad_input[0] * 0.0, grad_input[1] + 1.0)
    )
    a, b = leaf(2.0), leaf(5.0)
    module(a, b)[1].sum().backward()
    assert lists([a.grad, b.grad]) == [[0.0], [7.0]]
    first.remove()
    module(a, b)[1].sum().backward()
    assert lists([a.grad, b.grad]) == [[15.0], [13.0]]


def test_replacement_has_none_where_there_is_no_gradient() -> None:
    module = Two()
    module.register_full_backward_hook(
        lambda module, grad_input, grad_output: (grad_input[0] * 2.0, None)
    )
    a = leaf(2.0)
    module(a, 5.0)[1].sum().backward()
    assert lists([a.grad]) == [[30.0]]


def test_pre_hook_replaces_grad_output() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.register_full_backward_pre_hook(lambda module, grad_output: grad_output[0] * 10.0)
    x = mg.ones((3, 2), requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[30.0, 30.0]]
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.array, np.tile(layer.weight.array * 10.0, (3, 1)))


def test_hooks_run_in_order_and_prepend() -> None:
    layer = nn.Linear(1, 1)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda *_: seen.append("second"))
    layer.register_full_backward_hook(lambda *_: seen.append("first"), prepend=True)
    layer.register_full_backward_pre_hook(lambda *_: seen.append("pre second"))
    layer.register_full_backward_pre_hook(lambda *_: seen.append("pre first"), prepend=True)
    layer(mg.ones((1, 1), requires_grad=True)).sum().backward()
    assert seen == ["pre first", "pre second", "first", "second"]


@pytest.mark.parametrize("argument", ["constant", 5.0])
def test_argument_without_gradient_is_none(argument: Any) -> None:
    module = Two()
    seen: list[Any] = []
    module.register_full_backward_hook(recorder(seen))
    b = mg.tensor(np.array([5.0])) if argument == "constant" else argument
    module(leaf(2.0), b)[1].sum().backward()
    assert seen == [([[15.0], None], [None, [1.0]])]


def test_inputs_without_gradient_still_call_the_hook() -> None:
    layer = nn.Linear(2, 1)
    seen: list[Any] = []
    layer.register_full_backward_hook(recorder(seen))
    layer(mg.ones((1, 2))).sum().backward()
    assert seen == [([None], [[[1.0]]])]
    assert layer.weight.grad is not None


def test_hooks_are_recorded_under_create_graph() -> None:
    layer = nn.Linear(1, 1, bias=False).double()
    layer.register_full_backward_hook(
        lambda module, grad_input, grad_output: grad_input[0] * module.weight[0, 0]
    )
    x = mg.tensor(np.array([[2.0]]), requires_grad=True)
    (slope,) = mg.grad(layer(x).sum(), x, create_graph=True)  # w * w
    assert slope is not None
    (dw,) = mg.grad(slope.sum(), layer.weight)
    assert dw is not None
    np.testing.assert_allclose(dw.array, 2.0 * layer.weight.array)


def test_nothing_changes_under_no_grad() -> None:
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda *_: None)
    with mg.no_grad():
        y = layer(mg.ones((1, 2), requires_grad=True))
    assert not y.requires_grad


@pytest.mark.parametrize(
    ("replacement", "error", "match"),
    [
        (lambda g: (g[0],), ShapeError, "2 gradients, got 1"),
        (lambda g: (g[0].array, g[1]), TypeError, "must return Tensors, got ndarray"),
        (lambda g: (mg.ones(3, dtype="float64"), g[1]), ShapeError, r"\(1,\), got \(3,\)"),
        (lambda g: (g[0].float(), g[1]), DTypeError, "float64, got float32"),
    ],
)
def test_wrong_replacement(replacement: Any, error: type[Exception], match: str) -> None:
    module = Two()
    module.register_full_backward_hook(lambda module, grad_input, _: replacement(grad_input))
    a = leaf(2.0)
    with pytest.raises(error, match=match):
        module(a, leaf(5.0))[1].sum().backward()
    assert a.grad is None


def test_output_must_be_tensors() -> None:
    class Named(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x}

    module = Named()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.raises(TypeError, match=r"Named has backward hooks.*got dict"):
        module(leaf(1.0))


def test_forward_hook_that_is_always_called() -> None:
    layer = nn.Linear(2, 1)
    seen: list[Any] = []
    layer.register_forward_hook(
        lambda module, args, output: seen.append(output is None), always_call=True
    )
    layer.register_forward_hook(lambda module, args, output: seen.append("plain"))
    layer(mg.ones((1, 2)))
    assert seen == [False, "plain"]
    with pytest.raises(ShapeError):
        layer(mg.ones((1, 3)))
    assert seen == [False, "plain", True]


def test_forward_hook_that_was_called_is_not_called_again() -> None:
    layer = nn.Linear(2, 1)
    seen: list[Any] = []
    layer.register_forward_hook(lambda *_: seen.append(1), always_call=True)
    layer.register_forward_hook(lambda *_: seen.append(1 // 0))
    with pytest.raises(ZeroDivisionError):
        layer(mg.ones((1, 2)))
    assert seen == [1]


def test_backward_hooks_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    seen: dict[str, list[Any]] = {"ours": [], "theirs": []}
    ours, theirs = nn.Linear(2, 3), torch.nn.Linear(2, 3)
    weight, bias = ours.weight.array, ours.bias
    assert bias is not None
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(weight))
        theirs.bias.copy_(torch.tensor(bias.array))
    start = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("ours", ours, mg.tensor(start, requires_grad=True)),
        ("theirs", theirs, torch.tensor(start, requires_grad=True)),
    )
    for name, module, x in pairs:
        module.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 2.0,))
        module.register_full_backward_hook(recorder(seen[name]))
        module.register_full_backward_hook(lambda m, grad_input, _: (grad_input[0] * 3.0,))
        (module(x) ** 2).sum().backward()
        seen[name].append(x.grad.tolist())
        seen[name].append(module.weight.grad.tolist())
    for our_entry, their_entry in zip(seen["ours"], seen["theirs"], strict=True):
        for left, right in zip(our_entry, their_entry, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-5)
