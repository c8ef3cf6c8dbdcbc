"""Batch normalisation that stays as it is, whatever mode the net is put into."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError


def net() -> nn.Sequential:
    mg.manual_seed(0)
    inner = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    layers = nn.Sequential(inner, nn.ReLU(), nn.Linear(4, 2), nn.BatchNorm1d(2))
    layers(mg.randn(16, 3))
    return layers


@pytest.mark.parametrize("parameters", [False, True])
def test_frozen_layers_survive_train(parameters: bool) -> None:
    layers = net()
    before = copy.deepcopy(layers)
    assert nn.freeze_batch_norm(layers, parameters=parameters) == 2
    x = mg.randn(8, 3)
    y = layers.train()(x)
    np.testing.assert_array_equal(y.detach().array, before.eval()(x).detach().array)
    for name, value in before.named_buffers():
        np.testing.assert_array_equal(layers.get_buffer(name).array, value.array)
    y.sum().backward()
    for name, parameter in layers.named_parameters():
        of_norm = name.startswith(("0.1.", "3."))
        assert (parameter.grad is None) == (parameters and of_norm)


def test_unfreezing_takes_it_back() -> None:
    layers, x = net(), mg.randn(8, 3)
    expected = copy.deepcopy(layers)(x)
    nn.freeze_batch_norm(layers, parameters=True)
    layers[3].unfreeze()
    assert nn.unfreeze_batch_norm(layers) == 1
    y = layers(x)
    np.testing.assert_array_equal(y.detach().array, expected.detach().array)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())


def test_a_layer_with_two_places_counts_once() -> None:
    layer = nn.BatchNorm1d(3)
    assert nn.freeze_batch_norm(nn.Sequential(layer, layer)) == 1


def test_a_frozen_layer_is_left_alone_by_the_other_tools(rng: np.random.Generator) -> None:
    layers = net().double()
    nn.freeze_batch_norm(layers[0])
    frozen = copy.deepcopy(layers.state_dict())
    data = [mg.Tensor(rng.normal(size=(16, 3)) + k) for k in range(3)]
    precise = nn.precise_batch_norm(layers, data)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_array_equal(
            precise.get_submodule("0.1").get_buffer(name).array, frozen[f"0.1.{name}"].array
        )
    # The layer behind it sees what evaluation makes of the data.
    inner = copy.deepcopy(layers).eval()
    hidden = np.concatenate([inner[:3](x).detach().array for x in data])
    np.testing.assert_allclose(precise.get_submodule("3").running_mean.array, hidden.mean(0))
    # In training mode, too, it is affine: it can be folded.
    x = data[0]
    folded = nn.fold_batch_norm(layers.train()[0])
    np.testing.assert_allclose(folded(x).detach().array, layers[0](x).detach().array, rtol=1e-12)


def test_what_is_refused() -> None:
    layers: Any = net()
    layers.append(nn.BatchNorm1d(2, track_running_stats=False))
    with pytest.raises(ValueError, match="'4' has no running statistics"):
        nn.freeze_batch_norm(layers)
    assert not any(m.frozen for m in layers.modules() if isinstance(m, nn.BatchNorm))
    with pytest.raises(ValueError, match="2 batch normalisation layers are not frozen"):
        nn.unfreeze_batch_norm(net())
    for function in (nn.freeze_batch_norm, nn.unfreeze_batch_norm):
        with pytest.raises(ValueError, match="with batch normalisation, got Tanh without"):
            function(nn.Tanh())
        with pytest.raises(DTypeError, match="net must be a Module, got None"):
            function(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="parameters must be True or False, got 3"):
        nn.freeze_batch_norm(net(), parameters=3)  # type: ignore[arg-type]
