"""The MLP, and nets by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn
from minigrad.errors import FormatError
from minigrad.models import MLP, build
from minigrad.models.mlp import ACTIVATIONS

TOLERANCE = 1e-5  # float32 sums in another order


def test_layers_with_batch_norm() -> None:
    net = MLP([4, 5, 6, 3])
    kinds = [type(layer) for layer in net.layers]
    hidden = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert kinds == [nn.Flatten, *hidden, *hidden, nn.Linear]
    biases = [layer.bias is not None for layer in net.layers if isinstance(layer, nn.Linear)]
    assert biases == [False, False, True]


def test_layers_without_batch_norm() -> None:
    net = MLP([4, 5, 3], batch_norm=False, activation="tanh")
    assert [type(layer) for layer in net.layers] == [nn.Flatten, nn.Linear, nn.Tanh, nn.Linear]
    assert all(layer.bias is not None for layer in net.layers if isinstance(layer, nn.Linear))


def test_forward_is_the_formula() -> None:
    net = MLP([6, 4, 3], batch_norm=False)
    x = mg.randn(5, 2, 3)
    weights = [parameter.array.astype(np.float64) for parameter in net.parameters()]
    hidden = np.maximum(x.array.reshape(5, 6) @ weights[0].T + weights[1], 0)
    expected = hidden @ weights[2].T + weights[3]
    np.testing.assert_allclose(np.asarray(net(x)), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_linear_model_has_no_hidden_layer() -> None:
    assert [type(layer) for layer in MLP([4, 3]).layers] == [nn.Flatten, nn.Linear]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation: str) -> None:
    net = MLP([3, 4, 2], activation=activation)
    net(mg.randn(5, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("sizes", "arguments", "message"),
    [
        ([3], {}, "at least two sizes"),
        ([3, 0, 2], {}, "at least two sizes >= 1"),
        ([3, 2], {"activation": "step"}, "must be one of gelu, relu, .* got 'step'"),
    ],
)
def test_arguments_are_checked(sizes: list[int], arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(sizes, **arguments)


def test_build_by_name() -> None:
    net = build({"name": "mlp", "arguments": {"sizes": [3, 2], "batch_norm": False}})
    assert isinstance(net, MLP)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"name": "vgg", "arguments": {}}, "unknown model 'vgg'; known: mlp"),
        ({"name": "mlp"}, "expected an architecture"),
        (None, "expected an architecture"),
        ({"name": "mlp", "arguments": {"depth": 3}}, "cannot be built"),
        ({"name": "mlp", "arguments": {"sizes": [3]}}, "cannot be built .* at least two sizes"),
    ],
)
def test_build_refuses(architecture: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        build(architecture)


def test_second_copy_is_refused() -> None:
    path = Path(models.__file__)
    spec = importlib.util.spec_from_file_location("models", path)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImportError, match="imported as 'models'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
