"""Module: registration, traversal, modes, conversion, hooks, text and copies."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError, DeviceError, DTypeError


class Block(nn.Module):
    """Two parameters, a buffer and a child, registered in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(mg.ones(3))
        self.register_buffer("steps", mg.tensor(0))
        self.shift = nn.Parameter(mg.zeros(3))
        self.child = nn.Linear(3, 2)

    def forward(self, x: Any, factor: float = 1.0) -> Any:
        return self.child(x * self.scale + self.shift) * factor


def test_attributes_are_registered_in_order() -> None:
    block = Block()
    names = [name for name, _ in block.named_parameters()]
    assert names == ["scale", "shift", "child.weight", "child.bias"]
    assert [name for name, _ in block.named_buffers()] == ["steps"]
    assert [name for name, _ in block.named_modules()] == ["", "child"]
    assert list(block.modules()) == [block, block.child]
    assert list(block.children()) == [block.child]
    assert dict(block.named_parameters(prefix="a", recurse=False)).keys() == {"a.scale", "a.shift"}
    assert len(list(block.buffers())) == 1
    assert all(parameter.requires_grad for parameter in block.parameters())


def test_reading_an_attribute_needs_no_lookup_of_our_own() -> None:
    assert "__getattr__" not in vars(nn.Module)
    assert Block().scale is not Block().scale


def test_shared_parameters_and_modules_are_listed_once() -> None:
    net = nn.Module()
    net.first = nn.Linear(2, 2)
    net.second = net.first
    net.third = nn.Linear(2, 2)
    net.third.weight = net.first.weight
    assert [name for name, _ in net.named_modules()] == ["", "first", "third"]
    assert [name for name, _ in net.named_parameters()] == [
        "first.weight",
        "first.bias",
        "third.bias",
    ]
    every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert "second.weight" in every
    assert "third.weight" in every
    assert list(net.children()) == [net.first, net.third]


def test_an_unknown_attribute_names_the_class() -> None:
    with pytest.raises(AttributeError, match=r"'Block' object has no attribute 'scael'"):
        Block().scael  # noqa: B018


def test_a_property_that_fails_shows_its_own_error() -> None:
    class Net(nn.Module):
        @property
        def broken(self) -> Any:
            return self.not_there

    with pytest.raises(AttributeError, match="not_there"):
        Net().broken  # noqa: B018


@pytest.mark.parametrize("value", [nn.Parameter(mg.ones(1)), nn.Identity()])
def test_assigning_before_init(value: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.member = value

    with pytest.raises(AttributeError, match=r"Net: call super\(\).__init__\(\) before 'member'"):
        Net()


def test_a_module_without_state_needs_no_init() -> None:
    class Double(nn.Module):
        def __init__(self) -> None:
            pass

        def forward(self, x: Any) -> Any:
            return x * 2

    assert Double()(3) == 6
    assert list(Double().parameters()) == []
    assert Double().eval().training is False


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("scale", mg.ones(3), "a Parameter or None, got Tensor"),
        ("child", 3, "a Module or None, got int"),
        ("steps", 3, "a Tensor or None, got int"),
    ],
)
def test_a_registered_name_keeps_its_kind(name: str, value: Any, expected: str) -> None:
    block = Block()
    before = getattr(block, name)
    with pytest.raises(TypeError, match=rf"Block.{name} must be {expected}"):
        setattr(block, name, value)
    assert getattr(block, name) is before


def test_replacing_and_deleting() -> None:
    block: Any = Block()
    block.steps = mg.tensor(5)
    assert dict(block.named_buffers())["steps"].item() == 5
    block.shift = None
    assert [name for name, _ in block.named_parameters()][:2] == ["scale", "child.weight"]
    del block.scale
    assert not hasattr(block, "scale")
    block.scale = 2.0  # an ordinary attribute now
    assert "scale" not in dict(block.named_parameters())
    block.scale = nn.Parameter(mg.ones(1))  # and a parameter again
    assert "scale" in dict(block.named_parameters())
    block.child = None
    assert list(block.children()) == []


@pytest.mark.parametrize("name", ["", "a.b"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="non-empty string without dots"):
        nn.Module().register_parameter(name, None)


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "add_module"])
def test_taken_names_and_wrong_values(method: str) -> None:
    block = Block()
    with pytest.raises(ValueError, match="the name 'forward' is taken"):
        getattr(block, method)("forward", None)
    with pytest.raises(TypeError, match=r"Block: .* 'new' must be a"):
        getattr(block, method)("new", 3)
    assert not hasattr(block, "new")


def test_get_by_path() -> None:
    net = nn.Sequential(Block())
    assert net.get_submodule("") is net
    assert net.get_submodule("0.child") is net[0].child
    assert net.get_parameter("0.child.weight") is net[0].child.weight
    assert net.get_buffer("0.steps") is net[0].steps
    with pytest.raises(AttributeError, match=r"no submodule '0.cild': Block has none .* 'cild'"):
        net.get_submodule("0.cild")
    with pytest.raises(AttributeError, match=r"no parameter '0\.steps'"):
        net.get_parameter("0.steps")


def test_modes_reach_every_module() -> None:
    net = nn.Sequential(Block(), nn.ReLU())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    with pytest.raises(TypeError, match="mode must be True or False"):
        net.train(1)  # type: ignore[arg-type]  # the error under test


def test_apply_goes_children_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.ReLU()).apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["ReLU", "Sequential"]


def test_requires_grad_and_zero_grad() -> None:
    block = Block()
    block(mg.ones(4, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    block.zero_grad(set_to_none=False)
    assert all(not np.any(parameter.grad) for parameter in block.parameters())
    block.zero_grad()
    assert all(parameter.grad is None for parameter in block.parameters())
    assert block.requires_grad_(False) is block
    assert not any(parameter.requires_grad for parameter in block.parameters())


def test_conversion_keeps_the_parameters_and_their_gradients() -> None:
    block = Block()
    block(mg.ones(4, 3)).sum().backward()
    weight = block.child.weight
    gradient = np.asarray(weight.grad)
    assert block.double() is block
    assert block.child.weight is weight
    assert weight.dtype == np.float64
    assert weight.grad is not None
    assert weight.grad.dtype == np.float64
    np.testing.assert_array_equal(np.asarray(weight.grad), gradient)
    assert block.steps.dtype == np.int64
    assert block.to("cpu", np.float32).child.weight.dtype == np.float32
    assert block.to(mg.zeros(1, dtype=np.float64)).child.weight.dtype == np.float64
    assert block.float().child.weight.dtype == np.float32
    assert block.cpu() is block


def test_conversion_is_seen_by_a_graph_that_is_still_to_run() -> None:
    block = Block()
    loss = block(mg.ones(4, 3)).sum()
    block.double()
    with pytest.raises(AutogradError, match="changed in place"):
        loss.backward()


def test_conversion_errors() -> None:
    with pytest.raises(DTypeError, match="floating dtype, got int64"):
        Block().to(np.int64)
    with pytest.raises(DeviceError):
        Block().cuda()


def test_forward_must_be_defined() -> None:
    with pytest.raises(NotImplementedError, match=r"ModuleList does not define forward\(\)"):
        nn.ModuleList()(1)


def test_hooks_see_and_replace() -> None:
    layer = nn.Identity()
    seen: list[Any] = []
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    after = layer.register_forward_hook(lambda module, args, output: seen.append((args, output)))
    assert layer(1) == 2
    assert seen == [((2,), 2)]
    first = layer.register_forward_hook(lambda module, args, output: output * 10, prepend=True)
    assert layer(1) == 20
    assert seen[-1] == ((2,), 20)
    before.remove()
    before.remove()
    first.remove()
    with after:
        assert layer(1) == 1
    assert len(seen) == 3
    assert layer(1) == 1
    assert len(seen) == 3


def test_hooks_with_keyword_arguments() -> None:
    block = Block()
    x = mg.ones(1, 3)
    plain = np.asarray(block(x))
    seen: list[dict[str, Any]] = []
    block.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"factor": 2.0}), with_kwargs=True
    )
    block.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True
    )
    np.testing.assert_array_equal(np.asarray(block(x, factor=1.0)), 2.0 * plain)
    assert seen == [{"factor": 2.0}]
    with (
        block.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True),
        pytest.raises(TypeError, match=r"must return None or a tuple \(args, kwargs\)"),
    ):
        block(x)


def test_text() -> None:
    assert repr(nn.Linear(2, 3)) == "Linear(in_features=2, out_features=3, bias=True)"
    assert repr(nn.Sequential()) == "Sequential()"
    net = nn.Sequential(nn.Linear(2, 3), nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU()]))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): ModuleList(\n"
        "    (0-1): 2 x Tanh()\n"
        "    (2): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter(mg.ones(1))).startswith("Parameter containing:\ntensor([1.]")


def test_deepcopy_is_independent_and_keeps_sharing() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    net[2].weight = net[0].weight
    net[0].register_forward_hook(lambda module, args, output: output * 2)
    x = mg.randn(4, 2)
    net(x)
    other = copy.deepcopy(net)
    assert other[2].weight is other[0].weight
    assert isinstance(other[0].weight, nn.Parameter)
    np.testing.assert_array_equal(np.asarray(other(x)), np.asarray(net(x)))
    before = {name: np.array(value) for name, value in net.state_dict().items()}
    other(x)
    with mg.no_grad():
        other[0].weight.zero_()
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), before[name])
    assert other[1].num_batches_tracked.item() == 3


def test_deepcopy_of_a_net_with_its_optimiser() -> None:
    net = nn.Linear(2, 2)
    optimizer = mg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(mg.ones(1, 2)).sum().backward()
    optimizer.step()
    before = net.weight.tolist()
    other, other_optimizer = copy.deepcopy((net, optimizer))
    other_optimizer.step()
    assert net.weight.tolist() == before
    assert other.weight.tolist() != before
    optimizer.step()
    assert net.weight.tolist() == other.weight.tolist()


def test_a_parameter_shares_its_data_but_not_its_history() -> None:
    base = mg.ones(2, requires_grad=True)
    computed = base * 2
    parameter = nn.Parameter(computed)
    assert parameter.is_leaf
    assert np.shares_memory(parameter.array, computed.array)
    frozen = nn.Parameter(np.arange(3), requires_grad=False)
    assert frozen.dtype == np.int64
    with pytest.raises(DTypeError, match="floating"):
        nn.Parameter(np.arange(3))
    result = parameter + 1
    assert type(result) is mg.Tensor


def test_hooks_that_return_none_change_nothing() -> None:
    layer = nn.Linear(2, 2)
    x = mg.ones(1, 2)
    expected = layer(x).tolist()
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda module, args: seen.append(args))
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append((args, kwargs)), with_kwargs=True
    )
    assert layer(x).tolist() == expected
    assert seen[0][0] is x
    assert seen[1] == ((x,), {})


def test_to_a_device_alone() -> None:
    layer = nn.Linear(2, 2)
    assert layer.to(device="cpu") is layer
    assert layer.weight.dtype == np.float32
    with pytest.raises(DeviceError, match="got 'cuda'"):
        layer.to(device="cuda")


def test_extra_state_must_be_taken_back() -> None:
    with pytest.raises(NotImplementedError, match=r"Linear defines get_extra_state\(\) with"):
        nn.Linear(2, 2).set_extra_state(3)
