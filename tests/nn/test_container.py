"""Sequential, ModuleList and ModuleDict."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def names(module: nn.Module) -> list[str]:
    return [f"{name}:{type(child).__name__}" for name, child in module.named_children()]


def test_sequential_runs_in_order() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    x = mg.randn(4, 2)
    expected = np.maximum(np.asarray(x) @ net[0].weight.array.T + net[0].bias.array, 0)
    np.testing.assert_allclose(np.asarray(net(x)), expected, rtol=1e-6)  # float32 rounding
    assert nn.Sequential()(x) is x


def test_sequential_of_named_modules() -> None:
    net = nn.Sequential({"1": nn.ReLU(), "out": nn.Tanh()})
    assert names(net) == ["1:ReLU", "out:Tanh"]
    assert net.out is net[1]
    net.append(nn.Sigmoid())
    assert names(net) == ["1:ReLU", "out:Tanh", "2:Sigmoid"]
    del net[2]
    net[1:].append(nn.ReLU())
    assert names(net[1:]) == ["out:Tanh"]
    assert names(nn.Sequential({"1": nn.ReLU()}).append(nn.Tanh())) == ["1:ReLU", "2:Tanh"]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_sequences(kind: type[nn.Sequential] | type[nn.ModuleList]) -> None:
    sequence = kind()
    assert sequence.append(nn.ReLU()) is sequence
    sequence.extend([nn.Tanh(), nn.Sigmoid()])
    sequence.insert(1, nn.SiLU())
    assert names(sequence) == ["0:ReLU", "1:SiLU", "2:Tanh", "3:Sigmoid"]
    assert len(sequence) == 4
    assert sequence[-1] is list(sequence)[3]
    part = sequence[1:3]
    assert type(part) is kind
    assert names(part) == ["0:SiLU", "1:Tanh"]
    assert part[0] is sequence[1]
    del sequence[0]
    assert names(sequence) == ["0:SiLU", "1:Tanh", "2:Sigmoid"]
    del sequence[:2]
    assert names(sequence) == ["0:Sigmoid"]
    sequence[0] = nn.GELU()
    assert names(sequence) == ["0:GELU"]
    assert isinstance(sequence.pop(), nn.GELU)
    assert len(sequence) == 0


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_sequence_errors(kind: type[nn.Sequential] | type[nn.ModuleList]) -> None:
    sequence = kind().append(nn.ReLU())
    with pytest.raises(IndexError, match="index 1 is out of range for 1 modules"):
        sequence[1]
    with pytest.raises(TypeError, match="expected a Module, got 3"):
        sequence.append(3)  # type: ignore[arg-type]  # the error under test
    with pytest.raises(TypeError, match="expected a Module"):
        sequence.extend([nn.Tanh(), 3])  # type: ignore[list-item]  # the error under test
    with pytest.raises(TypeError, match="expected a Module"):
        sequence[0] = None  # type: ignore[assignment]  # the error under test
    assert names(sequence) == ["0:ReLU"]


def test_module_list_adds_in_place() -> None:
    modules = nn.ModuleList([nn.ReLU()])
    modules += [nn.Tanh()]
    assert names(modules) == ["0:ReLU", "1:Tanh"]


def test_module_dict() -> None:
    modules = nn.ModuleDict({"a": nn.ReLU()})
    modules["b"] = nn.Linear(1, 1)
    modules.update([("c", nn.Tanh())])
    assert list(modules) == list(modules.keys()) == ["a", "b", "c"]
    assert "b" in modules
    assert "z" not in modules
    assert len(modules) == 3
    assert [type(module) for module in modules.values()] == [nn.ReLU, nn.Linear, nn.Tanh]
    assert dict(modules.items())["a"] is modules["a"]
    assert len(list(modules.parameters())) == 2
    assert isinstance(modules.pop("a"), nn.ReLU)
    del modules["b"]
    modules.update(nn.ModuleDict({"d": nn.Tanh()}))
    assert list(modules) == ["c", "d"]
    modules.clear()
    assert len(modules) == 0


def test_module_dict_errors() -> None:
    modules = nn.ModuleDict()
    with pytest.raises(KeyError):
        modules["a"]
    with pytest.raises(KeyError):
        del modules["training"]
    with pytest.raises(TypeError, match="expected a Module, got 3"):
        modules["a"] = 3  # type: ignore[assignment]  # the error under test
    with pytest.raises(ValueError, match="the name 'keys' is taken"):
        modules["keys"] = nn.ReLU()
