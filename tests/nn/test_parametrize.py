"""Parametrised attributes: registration, reading, assignment, state, removal."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.parametrize import (
    ParametrizationList,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)
from minigrad.typing import Array


class Doubled(nn.Module):
    """``2 x``, of one original."""

    def forward(self, x: Any) -> Any:
        return x * 2.0

    def right_inverse(self, value: Any) -> Any:
        return value * 0.5


class Shifted(nn.Module):
    """``x + 1``, without an inverse."""

    def forward(self, x: Any) -> Any:
        return x + 1.0


class Lowered(nn.Module):
    """``x - 1``."""

    def forward(self, x: Any) -> Any:
        return x - 1.0

    def right_inverse(self, value: Any) -> Any:
        return value + 1.0


class Product(nn.Module):
    """``a * b``, of two originals."""

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def right_inverse(self, value: Any) -> Any:
        return value * 2.0, mg.full_like(value, 0.5)


def linear() -> nn.Linear:
    mg.manual_seed(0)
    return nn.Linear(3, 2)


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def weight_of(module: Any) -> Array:
    return np.array(module.weight)


def test_one_original() -> None:
    layer = linear()
    before, parameter = weight_of(layer), layer.weight
    assert register_parametrization(layer, "weight", Doubled()) is layer
    np.testing.assert_array_equal(weight_of(layer), before)
    assert names(layer) == ["bias", "parametrizations.weight.original"]
    assert list(layer.state_dict()) == names(layer)
    assert isinstance(layer, nn.Linear)
    assert type(layer).__name__ == "ParametrizedLinear"
    original = layer.parametrizations["weight"].original
    assert original is parameter  # an optimiser that has it goes on
    np.testing.assert_array_equal(original.array, before / 2)
    layer(mg.ones(4, 3)).sum().backward()
    np.testing.assert_array_equal(np.asarray(original.grad), np.full((2, 3), 8.0))


def test_a_changed_original_forgets_its_gradient() -> None:
    layer = linear()
    layer(mg.ones(4, 3)).sum().backward()
    version = layer.weight._version
    register_parametrization(layer, "weight", Doubled())
    original = layer.parametrizations["weight"].original
    assert original.grad is None
    assert original._version == version + 1


def test_memory_is_not_shared() -> None:
    """Neither with the parameter that was, nor with what the parametrisation keeps."""
    layer = linear()
    parameter = layer.weight
    nn.weight_norm(layer)  # whose second original is the weight
    parameter.array[...] = 0.0
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()))
    kept = mg.ones(2, 3)
    layer = register_parametrization(linear(), "weight", Returns(kept))
    remove_parametrizations(layer, "weight")
    layer.weight.array[...] = 0.0
    np.testing.assert_array_equal(np.asarray(kept), 1.0)


def test_several_originals() -> None:
    layer = register_parametrization(linear(), "weight", Product())
    assert names(layer) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()))


def test_without_an_inverse_the_value_is_the_original() -> None:
    layer = register_parametrization(linear(), "weight", Shifted())
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()) + 1.0)
    layer.weight = nn.Parameter(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(weight_of(layer), 1.0)


def test_one_after_another() -> None:
    layer: Any = register_parametrization(linear(), "weight", Doubled())
    register_parametrization(layer, "weight", Shifted())
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()) + 1.0)
    register_parametrization(layer, "weight", Lowered())
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()) + 1.0 - 1.0)
    layer.weight = mg.ones(2, 3)  # inverses in reverse order: ((1 + 1) / 2) * 2 + 1 - 1
    np.testing.assert_array_equal(np.asarray(layer.parametrizations["weight"].original), 1.0)
    np.testing.assert_array_equal(weight_of(layer), 2.0)
    assert len(layer.parametrizations["weight"]) == 3


def test_two_attributes() -> None:
    layer = linear()
    register_parametrization(layer, "weight", Doubled())
    register_parametrization(layer, "bias", Product())
    assert type(layer).__name__ == "ParametrizedLinear"
    assert (is_parametrized(layer, "weight"), is_parametrized(layer, "bias")) == (True, True)
    remove_parametrizations(layer, "weight")
    assert (is_parametrized(layer, "weight"), is_parametrized(layer, "bias")) == (False, True)
    remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert not is_parametrized(layer)
    assert not hasattr(layer, "parametrizations")
    x = mg.randn(4, 3)
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(linear()(x)))


def test_removal_of_one_original() -> None:
    layer = linear()
    parameter, before = layer.weight, weight_of(layer)
    register_parametrization(layer, "weight", Shifted())
    remove_parametrizations(layer, "weight")
    assert layer.weight is parameter
    np.testing.assert_array_equal(weight_of(layer), before + 1.0)
    register_parametrization(layer, "weight", Shifted())
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(weight_of(layer), before + 1.0)
    assert sorted(names(layer)) == ["bias", "weight"]


def test_removal_of_several_originals() -> None:
    layer = register_parametrization(linear(), "weight", Product())
    with pytest.raises(ValueError, match=r"2 originals, .*leave_parametrized=False"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert is_parametrized(layer, "weight")
    remove_parametrizations(layer, "weight")
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()))
    assert layer.weight.requires_grad


def test_frozen_parameters_stay_frozen() -> None:
    layer = linear().requires_grad_(False)
    register_parametrization(layer, "weight", Product())
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    remove_parametrizations(layer, "weight")
    assert not layer.weight.requires_grad


def test_copies_are_apart() -> None:
    layer = register_parametrization(linear(), "weight", Product())
    register_parametrization(layer, "bias", Doubled())
    twin = copy.deepcopy(layer)
    remove_parametrizations(twin, "weight")
    twin.weight.array[...] = 0.0
    assert is_parametrized(layer, "weight")
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()))
    assert is_parametrized(twin, "bias")


def test_state_dict_round_trip() -> None:
    layer = register_parametrization(linear(), "weight", Product())
    state = copy.deepcopy(layer.state_dict())
    mg.manual_seed(1)
    other = register_parametrization(nn.Linear(3, 2), "weight", Product())
    assert np.any(weight_of(other) != weight_of(layer))
    other.load_state_dict(state)
    np.testing.assert_array_equal(weight_of(other), weight_of(layer))


def test_training() -> None:
    """Steps of an optimiser move the weight; conversion and modes reach the originals."""
    layer = register_parametrization(linear(), "weight", Product()).double()
    assert layer.weight.dtype == np.float64
    x, y = mg.randn(8, 3, dtype="float64"), mg.randn(8, 2, dtype="float64")
    optimizer, loss = optim.SGD(layer.parameters(), lr=0.1), nn.MSELoss()
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(layer(x), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses == sorted(losses, reverse=True)
    assert not layer.eval().parametrizations["weight"].training
    late = register_parametrization(linear().eval(), "weight", Product())
    assert not any(module.training for module in late.modules())


def test_a_checkpoint_gives_the_same_gradients() -> None:
    gradients = []
    for run in (lambda layer, x: layer(x), mg.checkpoint):
        layer = register_parametrization(linear(), "weight", Product())
        run(layer, mg.ones(4, 3, requires_grad=True)).square().sum().backward()
        gradients.append([np.asarray(parameter.grad) for parameter in layer.parameters()])
    for left, right in zip(*gradients, strict=True):
        np.testing.assert_array_equal(left, right)


def test_reset_parameters_draws_the_originals() -> None:
    layer = register_parametrization(linear(), "weight", Doubled())
    mg.manual_seed(5)
    layer.reset_parameters()
    drawn = weight_of(layer)
    mg.manual_seed(5)
    np.testing.assert_allclose(drawn, weight_of(nn.Linear(3, 2)), rtol=1e-6)
    assert is_parametrized(layer, "weight")
    assert names(layer) == ["bias", "parametrizations.weight.original"]


def test_assignment() -> None:
    layer: Any = register_parametrization(linear(), "weight", Doubled())
    version = layer.parametrizations["weight"].original._version
    layer.weight = np.ones((2, 3))
    np.testing.assert_array_equal(weight_of(layer), 1.0)
    assert layer.parametrizations["weight"].original._version == version + 1
    with pytest.raises(ShapeError, match=r"ParametrizedLinear.weight: .* \(2, 3\), got \(3, 2\)"):
        layer.weight = mg.ones(3, 2)
    with pytest.raises(AttributeError, match="weight is parametrized; remove_parametrizations"):
        del layer.weight
    layer.bias = None  # others are as before
    assert layer(mg.ones(4, 3)).shape == (4, 2)


def test_repr() -> None:
    layer = register_parametrization(linear(), "weight", Doubled())
    assert repr(layer) == (
        "ParametrizedLinear(\n"
        "  in_features=3, out_features=2, bias=True\n"
        "  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n"
        "      (0): Doubled()\n"
        "    )\n"
        "  )\n"
        ")"
    )


class Returns(nn.Module):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Any) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0, DTypeError, "Returns must return a Tensor, got float"),
        (mg.ones(3, 2), ShapeError, r"must return shape \(2, 3\), got \(3, 2\)"),
        (mg.ones(2, 3, dtype="float64"), DTypeError, "must return float32, got float64"),
    ],
)
@pytest.mark.parametrize("further", [False, True])
def test_wrong_parametrizations(
    value: Any, error: type[Exception], text: str, further: bool
) -> None:
    layer = linear()
    if further:
        register_parametrization(layer, "weight", Doubled())
    before = names(layer)
    with pytest.raises(error, match=text):
        register_parametrization(layer, "weight", Returns(value))
    assert names(layer) == before
    np.testing.assert_array_equal(weight_of(layer), weight_of(linear()))


class Smaller(nn.Module):
    """An original of another shape than the value: its size may not change later."""

    def forward(self, x: Any) -> Any:
        return mg.cat([x, mg.zeros(1, 3)])

    def right_inverse(self, value: Any) -> Any:
        return value[: int(value.shape[0] - (1 if float(value.array[0, 0]) < 5 else 0))]


def test_what_is_refused() -> None:
    layer = linear()
    with pytest.raises(ValueError, match="Linear has no parameter 'other' to parametrize"):
        register_parametrization(layer, "other", Doubled())
    with pytest.raises(ValueError, match="Linear has no parameter 'in_features'"):
        register_parametrization(layer, "in_features", Doubled())
    with pytest.raises(ValueError, match="BatchNorm1d has no parameter 'running_mean'"):
        register_parametrization(nn.BatchNorm1d(2), "running_mean", Doubled())
    with pytest.raises(DTypeError, match="parametrization must be a Module, got"):
        register_parametrization(layer, "weight", abs)  # type: ignore[arg-type]
    function: Any
    for function in (is_parametrized, remove_parametrizations):
        with pytest.raises(DTypeError, match="expected a Module, got 3"):
            function(3, "weight")
    with pytest.raises(ValueError, match="Linear has no parametrization of 'weight' to remove"):
        remove_parametrizations(layer, "weight")
    layer.parametrizations = 3
    with pytest.raises(ValueError, match="an attribute 'parametrizations' of its own"):
        register_parametrization(layer, "weight", Doubled())
    assert sorted(names(layer)) == ["bias", "weight"]
    shrinking: Any = register_parametrization(linear(), "weight", Smaller())
    with pytest.raises(ShapeError, match=r"an original of shape \(1, 3\), got \(2, 3\)"):
        shrinking.weight = np.full((2, 3), 9.0)


def test_the_list_has_its_parts() -> None:
    layer = register_parametrization(linear(), "weight", Product())
    parts = layer.parametrizations["weight"]
    assert isinstance(parts, ParametrizationList)
    assert not parts.is_tensor
    assert [p.shape for p in parts.originals()] == [(2, 3), (2, 3)]
    assert isinstance(parts[0], Product)
