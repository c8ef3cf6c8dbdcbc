"""A net with batch normalisation folded away is the same function in evaluation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.grad_mode import state
from minigrad.nn.tools import fold
from minigrad.nn.tools.flow import tensors_in
from minigrad.testing.strategies import NetworkSpec, networks, seeds
from minigrad.typing import Array

FLOAT64 = 1e-12
"""Roundings of sums of five products, whose terms are at most some ten times the sum."""
FLOAT32 = 2e-5
"""The same, after up to three layers that may amplify it."""


def trained(module: nn.Module, seed: int) -> nn.Module:
    """Give batch normalisation statistics and parameters of a trained net; evaluate."""
    rng = np.random.default_rng(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm):
            shape = (layer.num_features,)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.array[...] = rng.normal(size=shape)
            layer.running_var.array[...] = rng.uniform(0.25, 4.0, shape)
            for parameter in layer.parameters():
                parameter.array[...] = rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)
    return module.eval()


def agree(found: Any, expected: Any, tolerance: float) -> None:
    size = np.max(np.abs(expected.array), initial=0.0)
    np.testing.assert_allclose(found.array, expected.array, rtol=0.0, atol=tolerance * size)


@given(networks(batch_norm=True), seeds(), st.sampled_from([np.float64, np.float32]), st.booleans())
def test_drawn_nets(spec: NetworkSpec, seed: int, dtype: Any, by_example: bool) -> None:
    assume(len(spec.widths) > 2)
    net = trained(spec.build(seed, dtype), seed)
    x = mg.Tensor(spec.input(seed, dtype))
    before = copy.deepcopy(net.state_dict())
    folded = nn.fold_batch_norm(net, x if by_example else None)
    assert not any(isinstance(module, nn.BatchNorm) for module in folded.modules())
    agree(folded(x), net(x), FLOAT64 if dtype is np.float64 else FLOAT32)
    assert {parameter.dtype for parameter in folded.parameters()} == {np.dtype(dtype)}
    for name, value in before.items():
        np.testing.assert_array_equal(net.state_dict()[name].array, value.array)


FORMS: list[tuple[bool, dict[str, Any]]] = [
    (bias, norm)
    for bias in (True, False)
    for norm in ({}, {"affine": False}, {"bias": False}, {"scale": False}, {"eps": 0.5})
]


def pair(bias: bool, norm: dict[str, Any], dtype: Any = np.float64) -> tuple[Any, Any]:
    mg.manual_seed(3)
    linear = nn.Linear(4, 3, bias=bias, dtype=dtype)
    return linear, trained(nn.BatchNorm1d(3, dtype=dtype, **norm), 5)


@pytest.mark.parametrize(("bias", "norm"), FORMS)
def test_every_form_of_a_pair(bias: bool, norm: dict[str, Any], rng: np.random.Generator) -> None:
    linear, bn = pair(bias, norm)
    x = mg.Tensor(rng.normal(size=(7, 4)))
    folded = nn.fold_linear_batch_norm(linear, bn)
    agree(folded(x), bn(linear(x)), FLOAT64)
    gamma = 1.0 if bn.weight is None else bn.weight.array
    beta = 0.0 if bn.bias is None else bn.bias.array
    scale = gamma / np.sqrt(bn.running_var.array + bn.eps)
    start = 0.0 if linear.bias is None else linear.bias.array
    np.testing.assert_allclose(folded.weight.array, scale[:, None] * linear.weight.array, 1e-14)
    np.testing.assert_allclose(
        folded.bias.array, (start - bn.running_mean.array) * scale + beta, 1e-13
    )


@pytest.mark.parametrize(("bias", "norm"), FORMS)
def test_the_other_way(bias: bool, norm: dict[str, Any], rng: np.random.Generator) -> None:
    """Normalised first, then mapped."""
    mg.manual_seed(3)
    linear = nn.Linear(3, 4, bias=bias, dtype=np.float64)
    bn: Any = trained(nn.BatchNorm1d(3, dtype=np.float64, **norm), 5)
    x = mg.Tensor(rng.normal(size=(7, 3)))
    folded = nn.fold_batch_norm_linear(bn, linear)
    agree(folded(x), linear(bn(x)), FLOAT64)
    assert not folded.training


class Rectified(nn.BatchNorm1d):
    """What a layer with an activation of its own looks like."""

    activation: str | None = "relu"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return mg.relu(super().__call__(*args, **kwargs))


def test_an_activation_of_the_layer_stays(rng: np.random.Generator) -> None:
    mg.manual_seed(0)
    norm = Rectified(3, dtype=np.float64)
    net: Any = trained(nn.Sequential(nn.Linear(4, 3, dtype=np.float64), norm), 4)
    x = mg.Tensor(rng.normal(size=(7, 4)))
    folded = nn.fold_batch_norm(net)
    assert repr(folded.get_submodule("1")) == "ReLU()"
    agree(folded(x), net(x), FLOAT64)
    with pytest.raises(ValueError, match=r"no activation of its own.*got activation='relu'"):
        nn.fold_linear_batch_norm(*net)
    with pytest.raises(ValueError, match=r"no activation of its own.*got activation='relu'"):
        nn.fold_batch_norm_linear(norm, nn.Linear(3, 3, dtype=np.float64))
    norm.activation = "tanh"
    with pytest.raises(ValueError, match=r"'1' must have an activation among .* got 'tanh'"):
        nn.fold_batch_norm(net)


def test_float32_is_rounded_once(rng: np.random.Generator) -> None:
    """Arithmetic in float64: the weights are those of the float64 pair, rounded."""
    linear, bn = pair(True, {}, np.float32)
    folded = nn.fold_linear_batch_norm(linear, bn)
    exact = nn.fold_linear_batch_norm(copy.deepcopy(linear).double(), copy.deepcopy(bn).double())
    for name in ("weight", "bias"):
        found, expected = getattr(folded, name).array, getattr(exact, name).array
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_the_result_is_a_copy() -> None:
    linear, bn = pair(True, {})
    linear.weight.requires_grad = False
    linear.train()
    before = copy.deepcopy(linear.state_dict())
    folded = nn.fold_linear_batch_norm(linear, bn)
    assert not folded.training
    assert linear.training
    assert not folded.weight.requires_grad
    for name, value in before.items():
        np.testing.assert_array_equal(linear.state_dict()[name].array, value.array)
        assert getattr(folded, name) is not getattr(linear, name)


class Filters(nn.Module):
    """A convolution with a kernel of one point, of several groups: (N, C, H, W) -> (N, K, H, W)."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.groups = groups
        self.weight = nn.Parameter(mg.tensor(rng.normal(size=(outputs, inputs // groups, 1, 1))))
        self.bias = None

    def forward(self, x: Any) -> Any:
        n, c, *spatial = x.shape
        grouped = x.reshape(n, self.groups, c // self.groups, *spatial)
        weight = self.weight.reshape(self.groups, -1, c // self.groups)
        y = mg.einsum("ngc...,gkc->ngk...", grouped, weight).reshape(n, -1, *spatial)
        return y if self.bias is None else y + self.bias.reshape(1, -1, 1, 1)


def test_convolutions_follow_by_their_registration(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    layer, bn = Filters(4, 6, 2), trained(nn.BatchNorm2d(6, dtype=np.float64), 1)
    with pytest.raises(DTypeError, match="must be a Linear, got Filters"):
        nn.fold_linear_batch_norm(layer, bn)  # type: ignore[arg-type]
    monkeypatch.setitem(fold._CHANNEL_AXES, Filters, 1)
    net = nn.Sequential(layer, bn).eval()
    x = mg.Tensor(rng.normal(size=(2, 4, 3, 5)))
    for folded in (nn.fold_batch_norm(net), nn.fold_batch_norm(net, x)):
        agree(folded(x), net(x), FLOAT64)
        assert folded.get_submodule("0").weight.shape == (6, 2, 1, 1)
    monkeypatch.setattr(bn, "axis", -1)
    with pytest.raises(ShapeError, match="the 6 channels on axis 1, got 6 on axis -1"):
        nn.fold_linear_batch_norm(layer, bn)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------- whole nets


class Block(nn.Module):
    """Layers with names, called as ``call`` says."""

    def __init__(self, call: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.call = call

    def forward(self, *args: Any) -> Any:
        return self.call(self, *args)


def block(call: Callable[..., Any]) -> Block:
    mg.manual_seed(1)
    made = Block(
        call,
        fc=nn.Linear(4, 4, dtype=np.float64),
        bn=nn.BatchNorm1d(4, dtype=np.float64),
        out=nn.Linear(4, 2, dtype=np.float64),
        other=nn.BatchNorm1d(4, dtype=np.float64),
    )
    trained(made, 2)
    return made


X = mg.Tensor(np.random.default_rng(0).normal(size=(5, 4)))


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: net.out(mg.tanh(net.bn(net.fc(x)))),
        lambda net, x: net.out(net.other(mg.relu(net.bn(net.fc(x))))),
        lambda net, x: {"y": (net.bn(net.fc(x)), [net.out(x)])},
        lambda net, x: net.bn(net.fc(x)) + x,
        lambda net, x: net.bn(x=net.fc(x)),
    ],
)
def test_any_net_by_an_example(call: Callable[..., Any]) -> None:
    net = block(call)
    generator = mg.default_generator.get_state()
    folded = nn.fold_batch_norm(net, (X,))
    assert mg.default_generator.get_state() == generator
    assert repr(folded.bn) == "Identity()"
    assert isinstance(folded.other, nn.BatchNorm)
    found, expected = (list(tensors_in(one(X))) for one in (folded, net))
    for ours, theirs in zip(found, expected, strict=True):
        agree(ours, theirs, FLOAT64)
    assert folded.state_dict().keys() == {
        name for name in net.state_dict() if not name.startswith("bn.")
    }


def test_noise_is_the_same_in_both_runs() -> None:
    """What draws in evaluation, too, can be compared; and nothing is recorded."""

    def noisy(net: Any, x: Any) -> Any:
        assert not mg.is_grad_enabled()
        return net.bn(net.fc(x)) + mg.randn(5, 4, dtype=np.float64)

    made = block(noisy)
    before = mg.default_generator.get_state()
    nn.fold_batch_norm(made, X)
    assert mg.default_generator.get_state() == before


def in_place(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    hidden += 1.0
    return net.bn(hidden)


def also_added(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    return net.bn(hidden) + hidden


def also_viewed(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    return net.bn(hidden), hidden.reshape(-1)


def also_returned(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    return net.bn(hidden), [hidden]


def masked(net: Any, x: Any) -> Any:
    return net.bn(net.fc(x), mask=mg.ones(5) > 0)


def also_named(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    return {"y": net.bn(hidden), "more": {"hidden": hidden}}


def also_mapped(net: Any, x: Any) -> Any:
    hidden = net.fc(x)
    return net.bn(hidden), net.out(hidden)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (also_added, r"'fc' must be used by 'bn' alone .* got also op Add"),
        (also_viewed, "'fc' must be used by 'bn' alone .* got also op Reshape"),
        (also_returned, "'fc' must be used by 'bn' alone .* got also what the net returns"),
        (also_named, "'fc' must be used by 'bn' alone .* got also what the net returns"),
        (masked, "'bn' must be given its input alone .* got more arguments"),
        (also_mapped, "'fc' must be used by 'bn' alone .* got also layer 'out'"),
        (in_place, "'fc' must hand on its output .* got a change of it in place"),
        (lambda net, x: net.bn(net.fc(net.fc(x))), "'fc' must be called once .* got 2 calls"),
        (lambda net, x: net.bn(net.fc(x)) + net.bn(x), "'bn' must be called once .* got 2 calls"),
        (lambda net, x: net.out(net.bn(mg.relu(net.fc(x)))), "follows a linear layer, got none"),
        (lambda net, x: net.out(net.bn(net.fc(x)) * net.fc.weight.sum()), "difference"),
        (lambda net, x: net.bn(net.fc(x)) + net.fc(x).array, "'fc' must be called once"),
    ],
)
def test_what_else_uses_a_layer_is_noticed(call: Callable[..., Any], match: str) -> None:
    net = block(call)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=match):
        nn.fold_batch_norm(net, X)
    for name, value in before.items():
        np.testing.assert_array_equal(net.state_dict()[name].array, value.array)
    assert all(m._hooks is None or not m._hooks.before for m in net.modules())
    assert state.observers == ()


def test_sequentials_are_found_at_any_depth() -> None:
    mg.manual_seed(2)
    inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.BatchNorm1d(4))
    net = trained(nn.Sequential(inner, nn.ModuleDict({"a": nn.Linear(4, 2)})["a"]), 3)
    folded = nn.fold_batch_norm(net)
    assert repr(folded.get_submodule("0.1")) == "Identity()"
    assert isinstance(folded.get_submodule("0.3"), nn.BatchNorm)
    x = X.float()
    agree(folded(x), net(x), FLOAT32)


class Backwards(nn.Sequential):
    """Runs its modules from the last to the first."""

    def forward(self, x: Any) -> Any:
        for module in reversed(list(self)):
            x = module(x)
        return x


def test_neighbours_of_a_sequential_that_is_none() -> None:
    net = trained(Backwards(nn.Linear(4, 4), nn.BatchNorm1d(4)), 0)
    with pytest.raises(ValueError, match="got none in Backwards"):
        nn.fold_batch_norm(net)


def test_gradients_and_modes_are_not_kept() -> None:
    net = trained(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), 0)
    net(X.float()).sum().backward()
    net.get_submodule("0").train()
    folded = nn.fold_batch_norm(net, X.float())
    assert all(parameter.grad is None for parameter in folded.parameters())
    assert not any(module.training for module in folded.modules())
    assert net.get_submodule("0").training
    assert net.get_submodule("0").weight.grad is not None


def small(**changes: Any) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh())
    trained(net, 1)
    for name, value in changes.items():
        setattr(net, name, value)
    return net


def test_what_is_refused() -> None:
    shared = nn.Linear(4, 4)
    hooked = small()
    hooked[1].register_forward_hook(lambda *_: None)
    infinite, dead = small(), small()
    infinite[1].running_var.array[1] = np.nan
    dead[1].running_var.array[2], dead[1].eps = 0.0, 0.0
    cases: list[tuple[Any, type[Exception], str]] = [
        (small().train(), ValueError, "'1' must be in evaluation mode, got training mode"),
        (
            nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)).eval(),
            ValueError,
            "must have running statistics, got track_running_stats=False",
        ),
        (
            nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(3)).eval(),
            ShapeError,
            r"'1' must have the 5 channels on axis -1, got 3 on axis 1 of inputs \(N, C\)",
        ),
        (
            nn.Sequential(nn.Linear(4, 3), nn.BatchNorm2d(3)).eval(),
            ShapeError,
            r"got 3 on axis 1 of inputs \(N, C, H, W\)",
        ),
        (
            trained(nn.Sequential(shared, nn.BatchNorm1d(4), shared), 1),
            ValueError,
            "'0' must be used once to be folded, got one that is shared by 0, 2",
        ),
        (hooked, ValueError, "'1' must have no forward hooks .* got 1"),
        (infinite, ValueError, "finite numbers, got nan .* channel 1.*variance nan"),
        (dead, ValueError, "finite numbers, got -?inf .* channel 2"),
        (nn.Sequential(nn.Tanh()).eval(), ValueError, "got none in Sequential; give an example"),
        (3, DTypeError, "net must be a Module, got 3"),
    ]
    for net, error, match in cases:
        with pytest.raises(error, match=match):
            nn.fold_batch_norm(net)
    with pytest.raises(DTypeError, match="rtol must be a real number, got '1'"):
        nn.fold_batch_norm(small(), rtol="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rtol must be >= 0, got -1"):
        nn.fold_batch_norm(small(), rtol=-1.0)


class Shifted(nn.BatchNorm1d):
    """Another layer, that shares what it keeps."""

    def forward(self, x: Any, **chosen: Any) -> Any:
        return super().forward(x, **chosen) + 1.0


def test_a_layer_that_does_something_else_is_no_pair() -> None:
    linear, other = nn.Linear(4, 3), Shifted(3)
    trained(other, 0)
    with pytest.raises(DTypeError, match="forward pass of that class, got Shifted"):
        nn.fold_linear_batch_norm(linear, other)
    for example in (None, X.float()):
        with pytest.raises(ValueError, match="got none in Sequential"):
            nn.fold_batch_norm(nn.Sequential(linear, other).eval(), example)


def test_an_example_does_not_excuse_training_mode() -> None:
    net = small().train()
    with pytest.raises(ValueError, match="'1' must be in evaluation mode, got training mode"):
        nn.fold_batch_norm(net, X.float())
    assert all(module.training for module in net.modules())


def test_what_pairs_refuse() -> None:
    linear, bn = nn.Linear(4, 3), nn.BatchNorm1d(3).eval()
    with pytest.raises(DTypeError, match=r"bn must be a BatchNorm .* got Tanh"):
        nn.fold_linear_batch_norm(linear, nn.Tanh())  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="linear must be a Linear, got Tanh"):
        nn.fold_batch_norm_linear(bn, nn.Tanh())  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="must have the 4 channels on axis -1, got 3"):
        nn.fold_batch_norm_linear(bn, linear)
    with pytest.raises(ValueError, match="must be in evaluation mode"):
        nn.fold_linear_batch_norm(linear, nn.BatchNorm1d(3))
    bn.running_var.array[...] = 1e-42  # type: ignore[union-attr]  # there is one
    bn.eps = 0.0
    bn.weight.array[...] = 1e30  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"must be finite, got infinite ones or NaN: .* float32"):
        nn.fold_linear_batch_norm(linear, bn)


def test_the_last_axis_of_any_input(rng: np.random.Generator) -> None:
    """Channels last: as many axes before as there are."""
    mg.manual_seed(0)
    norm = nn.BatchNorm3d(3, axis=-1, dtype=np.float64)
    net = trained(nn.Sequential(nn.Linear(4, 3, dtype=np.float64), norm), 2)
    x = mg.Tensor(rng.normal(size=(2, 3, 1, 2, 4)))
    for folded in (nn.fold_batch_norm(net), nn.fold_batch_norm(net, x)):
        agree(folded(x), net(x), FLOAT64)


def test_an_axis_that_only_an_example_tells() -> None:
    """(N, L, features) with as many steps as features: axis 1 is not the last."""
    net = small()
    x = mg.Tensor(np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32))
    net(x)  # a valid input: 3 steps for 3 channels
    with pytest.raises(ValueError, match=r"output of .* must agree on the example"):
        nn.fold_batch_norm(net, x)


def test_digits_that_folding_loses_are_noticed() -> None:
    """Outputs of 1 around a mean of 1e6: the folded bias cancels all that float32 has."""
    net = small()
    net[0].bias.array[...] = 1e6
    net[1].running_mean.array[...] = 1e6
    x = mg.Tensor(np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32))
    net[0].weight.array[...] = np.round(net[0].weight.array * 4.0) / 4.0
    with pytest.raises(ValueError, match=r"to 1e-07 of its largest value.*difference"):
        nn.fold_batch_norm(net, x, rtol=1e-7)
    folded = nn.fold_batch_norm(net.double(), x.double())
    wide: Array = net(x.double()).array
    np.testing.assert_allclose(folded(x.double()).array, wide, atol=1e-9)
