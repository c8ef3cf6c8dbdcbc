"""Folding and cumulative averages beside PyTorch's, if it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

TOLERANCE = 1e-10
"""float64 on both sides."""


def both(rng: np.random.Generator) -> tuple[nn.Sequential, Any]:
    """Return the same net here and there."""
    mg.manual_seed(0)
    ours = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3), nn.BatchNorm1d(3)
    ).double()
    for layer in (ours[1], ours[4]):
        layer.weight.array[...] = rng.normal(size=layer.num_features)
        layer.bias.array[...] = rng.normal(size=layer.num_features)
        layer.running_mean.array[...] = rng.normal(size=layer.num_features)
        layer.running_var.array[...] = rng.uniform(0.5, 2.0, layer.num_features)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(),
        torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3),
    ).double()  # fmt: skip
    theirs.load_state_dict({k: torch.tensor(v.array) for k, v in ours.state_dict().items()})
    return ours, theirs


def test_fuse_linear_bn_eval(rng: np.random.Generator) -> None:
    ours, theirs = both(rng)
    fuse = torch.nn.utils.fusion.fuse_linear_bn_eval
    for place in (0, 3):
        expected = fuse(theirs[place].eval(), theirs[place + 1].eval())
        bn: Any = ours[place + 1].eval()
        found = nn.fold_linear_batch_norm(ours[place], bn)
        for name in ("weight", "bias"):
            np.testing.assert_allclose(
                getattr(found, name).array, getattr(expected, name).detach(), rtol=TOLERANCE
            )


def test_update_bn(rng: np.random.Generator) -> None:
    """torch.optim.swa_utils.update_bn weighs batches equally: the same for those of one size."""
    ours, theirs = both(rng)
    data = [rng.normal(size=(6, 4)) + k for k in range(4)]
    torch.optim.swa_utils.update_bn([torch.tensor(x) for x in data], theirs)
    found = nn.precise_batch_norm(ours, [mg.Tensor(x) for x in data]).state_dict()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(found[name].array, value, rtol=TOLERANCE, atol=TOLERANCE)
