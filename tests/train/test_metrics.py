"""Measuring."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import functional
from minigrad.train import accuracy, evaluate

TOLERANCE = 1e-6  # float32 sums in batches of different sizes


def test_accuracy_counts() -> None:
    logits = mg.tensor([[1.0, 2.0, 0.0], [5.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 9.0, 1.0]])
    assert accuracy(logits, mg.tensor([1, 0, 0, 2])) == 0.5
    assert math.isnan(accuracy(np.zeros((0, 3)), np.zeros(0, np.int64)))


@pytest.mark.parametrize(
    ("logits", "target"), [((3,), (3,)), ((3, 2), (2,)), ((3, 2), (3, 1)), ((3, 2), ())]
)
def test_accuracy_refuses(logits: Any, target: Any) -> None:
    with pytest.raises(ShapeError, match=r"logits \(N, K\) and target \(N,\)"):
        accuracy(np.zeros(logits), np.zeros(target, np.int64))


def test_evaluate_weighs_batches_by_samples_and_restores_modes() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.9))
    net.train()
    net(mg.randn(5, 3))
    net[1].eval()
    data = mg.data.TensorDataset(mg.randn(7, 3), mg.randint(0, 2, (7,)))
    measured = evaluate(net, mg.data.DataLoader(data, 3), loss=functional.cross_entropy)
    assert [module.training for module in net.modules()] == [True, True, False, True]

    net.eval()
    output = net(data.tensors[0])
    expected = functional.cross_entropy(output, data.tensors[1]).item()
    assert measured["loss"] == pytest.approx(expected, abs=TOLERANCE)
    assert measured["accuracy"] == pytest.approx(accuracy(output, data.tensors[1]))
    assert not any(parameter.grad for parameter in net.parameters())


def test_evaluate_records_nothing_and_restores_modes_after_an_exception() -> None:
    net = nn.Linear(3, 2)
    data = mg.data.TensorDataset(mg.randn(4, 3), mg.zeros(4, dtype=mg.int64))

    def look(output: Any, target: Any) -> float:
        assert not output.requires_grad
        raise KeyError("seen")

    with pytest.raises(KeyError, match="seen"):
        evaluate(net, mg.data.DataLoader(data, 4), metrics={"look": look})
    assert net.training


def test_evaluate_needs_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        evaluate(nn.Linear(3, 2), [])
