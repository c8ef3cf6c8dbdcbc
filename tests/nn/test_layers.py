"""Layers and losses against their formulas in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, DTypeError, ShapeError
from minigrad.testing import gradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""A few roundings in float64."""

X = np.linspace(-3.0, 3.0, 24).reshape(4, 6)  # no element is a kink


def erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def softmax(x: Array, axis: int) -> Array:
    exp = np.exp(x)
    return np.asarray(exp / exp.sum(axis=axis, keepdims=True))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.Identity(1, some="argument"), lambda x: x),
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
        (nn.ELU(1.5), lambda x: np.where(x > 0, x, 1.5 * np.expm1(x))),
        (nn.SiLU(), lambda x: x * sigmoid(x)),
        (nn.GELU(), lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
        (
            nn.GELU("tanh"),
            lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
        (nn.Softplus(beta=2.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
        (nn.Sigmoid(), sigmoid),
        (nn.Tanh(), np.tanh),
        (nn.Softmax(dim=-1), lambda x: softmax(x, 1)),
        (nn.Softmax(dim=0), lambda x: softmax(x, 0)),
        (nn.LogSoftmax(dim=1), lambda x: np.log(softmax(x, 1))),
        (nn.Dropout(0.5).eval(), lambda x: x),
        (nn.Unflatten(1, (2, -1)), lambda x: x.reshape(4, 2, 3)),
        (nn.Unflatten(-1, (3, 2)), lambda x: x.reshape(4, 3, 2)),
        (nn.Flatten(0), lambda x: x.reshape(24)),
    ],
    ids=repr,
)
def test_formulas_and_gradients(layer: nn.Module, formula: Callable[[Array], Array]) -> None:
    np.testing.assert_allclose(
        np.asarray(layer(mg.tensor(X))), formula(X), rtol=FLOAT64, atol=FLOAT64
    )
    gradcheck(layer, X)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    layer = nn.Linear(6, 3, bias=bias, dtype=np.float64)
    weight, shift = layer.weight.array, 0.0 if layer.bias is None else layer.bias.array
    np.testing.assert_allclose(np.asarray(layer(mg.tensor(X))), X @ weight.T + shift, rtol=FLOAT64)
    stacked = layer(mg.tensor(X.reshape(2, 2, 6)))
    np.testing.assert_allclose(
        np.asarray(stacked).reshape(4, 3), X @ weight.T + shift, rtol=FLOAT64
    )
    assert len(list(layer.parameters())) == 1 + bias
    gradcheck(layer, X)


def test_linear_errors() -> None:
    with pytest.raises(ShapeError, match="5"):
        nn.Linear(6, 3)(mg.zeros(2, 5))
    with pytest.raises(ValueError, match="Linear: in_features and out_features must be >= 0"):
        nn.Linear(-1, 3)
    with pytest.raises(DeviceError):
        nn.Linear(1, 1, device="cuda")
    with pytest.raises(DTypeError):
        nn.Linear(1, 1, dtype=np.int64)


def test_embedding() -> None:
    layer = nn.Embedding(5, 3, padding_idx=1)
    indices = mg.tensor([[0, 1], [1, 4]])
    rows = layer(indices)
    np.testing.assert_array_equal(np.asarray(rows), layer.weight.array[indices.array])
    upstream = np.arange(12.0, dtype=np.float32).reshape(2, 2, 3)
    rows.backward(mg.tensor(upstream))
    expected = np.zeros((5, 3), np.float32)
    expected[0], expected[4] = upstream[0, 0], upstream[1, 1]
    np.testing.assert_array_equal(np.asarray(layer.weight.grad), expected)
    with pytest.raises(IndexError):
        layer(mg.tensor([5]))
    with pytest.raises(IndexError, match="padding_idx 5 is out of range for 5 rows"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(ValueError, match="Embedding: num_embeddings"):
        nn.Embedding(-1, 3)


def test_dropout_in_training() -> None:
    layer = nn.Dropout(0.25)
    x = mg.ones(100, 100, requires_grad=True)
    y = layer(x)
    values = np.asarray(y)
    assert set(np.unique(values)) == {np.float32(0.0), np.float32(1 / 0.75)}
    # The standard error of the share of 10000 draws is 0.0043.
    assert float(np.mean(values == 0)) == pytest.approx(0.25, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), values)
    mg.manual_seed(4)
    first = layer(x).tolist()
    mg.manual_seed(4)
    assert layer(x).tolist() == first
    assert nn.Dropout(1.0)(x).tolist() == np.zeros((100, 100)).tolist()
    with pytest.raises(ValueError, match=r"Dropout: p must be between 0 and 1, got 1\.5"):
        nn.Dropout(1.5)


def test_flatten_keeps_the_batch() -> None:
    assert nn.Flatten()(mg.zeros(2, 3, 4)).shape == (2, 12)


@pytest.mark.parametrize(
    ("dim", "size"), [(1, (4, 2)), (1, (-1, 4)), (2, (1,)), (-3, (1,)), (1, (-1, 0))]
)
def test_unflatten_errors(dim: int, size: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="Unflatten: axis"):
        nn.Unflatten(dim, size)(mg.zeros(4, 6))


def test_activations_that_need_an_axis_say_so() -> None:
    for layer in (nn.Softmax(), nn.LogSoftmax()):
        with pytest.raises(ValueError, match="say along which axis"):
            layer(mg.zeros(2, 2))


LABELS = np.array([0, 5, 2, 2])
P = sigmoid(X)
Y = np.cos(X)
LOG_P = np.log(softmax(X, 1))
WEIGHT = np.linspace(0.5, 2.0, 6)


@pytest.mark.parametrize(
    ("loss", "target", "formula"),
    [
        (nn.MSELoss(), Y, np.mean((X - Y) ** 2)),
        (nn.MSELoss(reduction="none"), Y, (X - Y) ** 2),
        (nn.L1Loss(reduction="sum"), Y, np.sum(np.abs(X - Y))),
        (
            nn.HuberLoss(delta=0.7),
            Y,
            np.mean(np.where(np.abs(X - Y) < 0.7, (X - Y) ** 2 / 2, 0.7 * (np.abs(X - Y) - 0.35))),
        ),
        (
            nn.BCEWithLogitsLoss(),
            Y**2,
            -np.mean(Y**2 * np.log(P) + (1 - Y**2) * np.log(1 - P)),
        ),
        (
            nn.BCEWithLogitsLoss(
                mg.tensor(WEIGHT), reduction="sum", pos_weight=mg.tensor(2 * WEIGHT)
            ),
            Y**2,
            -np.sum(
                WEIGHT * (2 * WEIGHT * Y**2 * np.log(P) + (1 - Y**2) * np.log(1 - P)),
            ),
        ),
        (nn.CrossEntropyLoss(), LABELS, -np.mean(LOG_P[range(4), LABELS])),
        (
            nn.CrossEntropyLoss(ignore_index=2, reduction="sum"),
            LABELS,
            -np.sum(LOG_P[[0, 1], LABELS[:2]]),
        ),
        (
            nn.CrossEntropyLoss(label_smoothing=0.3),
            LABELS,
            -np.mean(0.7 * LOG_P[range(4), LABELS] + 0.3 * LOG_P.mean(1)),
        ),
        (
            nn.CrossEntropyLoss(mg.tensor(WEIGHT)),
            LABELS,
            -np.sum(WEIGHT[LABELS] * LOG_P[range(4), LABELS]) / WEIGHT[LABELS].sum(),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_losses(loss: nn.Module, target: Array, formula: Any) -> None:
    result = loss(mg.tensor(X), mg.tensor(target))
    np.testing.assert_allclose(np.asarray(result), formula, rtol=FLOAT64, atol=FLOAT64)
    gradcheck(lambda x: loss(x, mg.tensor(target)), X)


def test_nll_loss() -> None:
    loss = nn.NLLLoss(mg.tensor(WEIGHT), ignore_index=2, reduction="sum")
    expected = -np.sum((WEIGHT * LOG_P)[[0, 1], LABELS[:2]])
    result = loss(mg.tensor(LOG_P), mg.tensor(LABELS))
    np.testing.assert_allclose(np.asarray(result), expected, rtol=FLOAT64)


def test_weights_of_losses_are_buffers() -> None:
    loss = nn.BCEWithLogitsLoss(mg.ones(2), pos_weight=mg.ones(2))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert [buffer.dtype for buffer in loss.double().buffers()] == [np.float64] * 2
    assert list(nn.CrossEntropyLoss().state_dict()) == []


@pytest.mark.parametrize("argument", ["size_average", "reduce"])
def test_deprecated_arguments_are_refused(argument: str) -> None:
    classes: list[Any] = [nn.MSELoss, nn.L1Loss, nn.CrossEntropyLoss, nn.NLLLoss]
    for loss in [*classes, nn.BCEWithLogitsLoss]:
        with pytest.raises(ValueError, match="size_average and reduce are not supported"):
            loss(**{argument: True})


def test_an_unknown_reduction_is_refused_at_once() -> None:
    loss: Any = nn.MSELoss
    with pytest.raises(ValueError, match=r"MSELoss: reduction must be .* got 'avg'"):
        loss(reduction="avg")
