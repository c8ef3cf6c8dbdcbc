"""Tools for the batch normalisation of whole nets."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn
from tests.bad_input.calls import add, t


def net() -> nn.Sequential:
    """Return a net whose every layer is of the shape of its input."""
    layers = nn.Sequential(
        nn.BatchNorm1d(3, dtype=np.float64),
        nn.Linear(3, 3, dtype=np.float64),
        nn.BatchNorm1d(3, dtype=np.float64),
    )
    layers(t(6, 3, grad=False))
    return layers


def frozen() -> nn.Sequential:
    layers = net()
    nn.freeze_batch_norm(layers)
    return layers


def forward(layers: Any, batch: Any) -> Any:
    return layers(batch)


def batches() -> list[Any]:
    return [t(4, 3, grad=False), t(5, 3, grad=False)]


def part(n: int) -> nn.ChannelStatistics:
    return nn.ChannelStatistics(n, t(3, grad=False).array, t(3, grad=False).array)


add("nn", "merge_statistics", lambda: ([part(3), part(4)],))
add("nn", "precise_batch_norm", lambda: (net(), batches()), num_batches=3, method="pooled",
    forward=forward, inplace=True, dropout=False)  # fmt: skip
add("nn", "bn_report", lambda: (net(), batches()), num_batches=3, forward=forward)
add("nn", "freeze_batch_norm", lambda: (net(),), parameters=True)
add("nn", "unfreeze_batch_norm", lambda: (frozen(),))
add("nn", "fold_batch_norm", lambda: (net().eval(), t(2, 3, grad=False)), rtol=1e-9)
add("nn", "fold_linear_batch_norm", lambda: tuple(net().eval())[1:])
add("nn", "fold_batch_norm_linear",
    lambda: (net().eval()[0], nn.Linear(3, 2, dtype=np.float64)))  # fmt: skip
