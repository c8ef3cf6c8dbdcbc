"""Weight normalisation and parametrisations beside PyTorch's: names, values, gradients, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import parametrize

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

TOLERANCE = 1e-10
"""float64 on both sides, through some steps of one layer."""


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(
        np.asarray(ours), theirs.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(dim: int | None, rng: np.random.Generator) -> None:
    """The state of one loads into the other; outputs, gradients and steps agree."""
    start = torch.nn.Linear(4, 3).double()
    theirs = torch.nn.utils.parametrizations.weight_norm(start, dim=dim)
    ours = nn.weight_norm(nn.Linear(4, 3, dtype=np.float64), dim=dim)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict())
    here, there = optim.SGD(ours.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(3):
        x, upstream = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
        y, expected = ours(mg.tensor(x)), theirs(torch.tensor(x))
        close(y, expected)
        here.zero_grad()
        there.zero_grad()
        y.backward(mg.tensor(upstream))
        expected.backward(torch.tensor(upstream))
        for parameter, peer in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(parameter.grad, peer.grad)
        here.step()
        there.step()
    close(ours.weight, theirs.weight)
    state = {key: torch.tensor(np.asarray(value)) for key, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    nn.remove_weight_norm(ours)
    torch.nn.utils.parametrize.remove_parametrizations(theirs, "weight")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    close(ours.weight, theirs.weight)


@pytest.mark.parametrize("dim", [0, 2, None])
def test_weights_of_more_axes(dim: int | None, rng: np.random.Generator) -> None:
    weight, upstream = rng.normal(size=(2, 3, 4, 2)), rng.normal(size=(2, 3, 4, 2))
    ours, theirs = nn.Module(), torch.nn.Module()
    ours.weight = nn.Parameter(weight.copy())
    theirs.weight = torch.nn.Parameter(torch.tensor(weight))
    nn.weight_norm(ours, dim=dim)
    torch.nn.utils.parametrizations.weight_norm(theirs, dim=dim)
    ours.weight.backward(mg.tensor(upstream))
    theirs.weight.backward(torch.tensor(upstream))
    for (name, parameter), (peer_name, peer) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == peer_name
        close(parameter, peer)
        close(parameter.grad, peer.grad)


def test_one_original_and_the_text(rng: np.random.Generator) -> None:
    """A parametrisation with one original, another upon it, assignment, removal."""

    def scaled(base: Any) -> Any:
        class Scaled(base):  # type: ignore[misc]  # the base differs
            def forward(self, x: Any) -> Any:
                return x * 2.0

            def right_inverse(self, x: Any) -> Any:
                return x / 2.0

        return Scaled()

    value = rng.normal(size=(3, 4))
    layers = []
    for library, kit, of_array in (
        (nn, parametrize, mg.tensor),
        (torch.nn, torch.nn.utils.parametrize, torch.tensor),
    ):
        layer = library.Linear(4, 3).double()
        original = layer.weight
        kit.register_parametrization(layer, "weight", scaled(library.Module))
        kit.register_parametrization(layer, "weight", scaled(library.Module))
        layer.weight = of_array(value)
        assert kit.is_parametrized(layer)
        assert kit.is_parametrized(layer, "weight")
        assert not kit.is_parametrized(layer, "bias")
        assert layer.parametrizations.weight.original is original
        text = repr(layer)
        state = list(layer.state_dict())
        originals = original.detach().numpy().copy()
        kit.remove_parametrizations(layer, "weight")
        assert layer.weight is original
        layers.append(
            (text.replace("2 x ", ""), state, originals, layer.weight.detach().numpy().copy())
        )
    for ours, theirs in zip(*layers, strict=True):
        np.testing.assert_array_equal(ours, theirs)
