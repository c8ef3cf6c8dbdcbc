"""Layers that normalise by other statistics than BatchNorm's, and parametrised weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn.norm.weight_norm import WeightNorm
from tests.bad_input.calls import SUBJECTS, Subject, add, t

LAYER = ("cpu", np.dtype(np.float64))
STATISTICS = (1e-3, 0.1, True, True, *LAYER)
add("nn", "LpBatchNorm", lambda: (4, 1.0, *STATISTICS), bias=True, centered=True)
add("nn", "NoisyBatchNorm", lambda: (4, *STATISTICS), bias=True, n_mu=0.5, n_sigma=1.5, r_mu=0.1,
    r_sigma=0.1, generator=mg.Generator(0))  # fmt: skip
add("nn", "DecorrelatedBatchNorm", lambda: (4, 2, *STATISTICS), bias=True)
add("nn", "IterNorm", lambda: (4, 2, *STATISTICS), bias=True, num_iterations=3)


def forward(layer: Callable[[], Any]) -> None:
    """Append the forward of a layer of three channels."""
    SUBJECTS.append(
        Subject(
            f"nn.{type(layer()).__name__}.forward",
            lambda module, x: module(x),
            lambda: (layer(), t(5, 3)),
            {},
        )
    )


for _make in (
    lambda: nn.LpBatchNorm(3, dtype=np.float64),
    lambda: nn.LpBatchNorm(3, np.inf, dtype=np.float64).eval(),
    lambda: nn.NoisyBatchNorm(3, dtype=np.float64),
    lambda: nn.DecorrelatedBatchNorm(3, dtype=np.float64),
    lambda: nn.DecorrelatedBatchNorm(3, dtype=np.float64).eval(),
    lambda: nn.IterNorm(3, dtype=np.float64),
):
    forward(_make)

add("nn", "weight_norm", lambda: (nn.Linear(3, 2), "weight", 1))
add("nn", "remove_weight_norm", lambda: (nn.weight_norm(nn.Linear(3, 2)), "weight"))
add("nn", "weight_standardization", lambda: (nn.Linear(3, 2), "weight", 1e-3))


def wrapped() -> nn.Linear:
    return nn.weight_standardization(nn.Linear(3, 2))


add("parametrize", "register_parametrization", lambda: (nn.Linear(3, 2), "weight", WeightNorm()))
add("parametrize", "register_parametrization", lambda: (wrapped(), "weight", nn.Tanh()))
add("parametrize", "remove_parametrizations", lambda: (wrapped(), "weight", True))
add("parametrize", "is_parametrized", lambda: (wrapped(), "weight"))
