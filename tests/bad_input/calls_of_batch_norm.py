"""BatchNorm with every option: its keywords, masks, weights and freezing."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from tests.bad_input.calls import SUBJECTS, Subject, add, b, t

OPTIONS = {
    "bias": True,
    "scale": True,
    "axis": 1,
    "unbiased": True,
    "single": "eval",
    "nonfinite": "skip",
    "detach_statistics": False,
}
add("nn", "BatchNorm BatchNorm1d BatchNorm2d BatchNorm3d",
    lambda: (3, 1e-3, 0.1, True, True, "cpu", np.dtype(np.float64)), **OPTIONS)  # fmt: skip


def statistics_and_parameters(training: bool) -> tuple[Any, ...]:
    """Return the positional arguments of ``batch_norm``."""
    running = t(3, grad=False), t(3, grad=False)
    return (t(4, 3), *running, t(3), t(3), training, 0.1, 1e-3)


for _training in (True, False):
    add("F", "batch_norm", partial(statistics_and_parameters, _training), mask=b(4),
        sample_weight=t(4), unbiased=True, nonfinite="propagate")  # fmt: skip


def trained(**options: Any) -> nn.BatchNorm1d:
    """Return a layer with running statistics of some batch."""
    layer = nn.BatchNorm1d(3, dtype=np.float64, **options)
    layer(mg.Tensor(np.random.default_rng(1).normal(size=(5, 3))))
    return layer


def forward(layer: nn.Module, x: Any, mask: Any = None, sample_weight: Any = None) -> Any:
    """Call the layer; an argument that is not there is its default."""
    return layer(x, mask=mask, sample_weight=sample_weight)


def with_mask_and_weights(change: str) -> tuple[Any, ...]:
    """Return the arguments of `forward`, of a layer in this state."""
    return getattr(trained(), change)(), t(4, 3), b(4), t(4)


for _change in ("train", "eval", "freeze"):
    SUBJECTS.append(
        Subject("nn.BatchNorm1d.forward", forward, partial(with_mask_and_weights, _change), {})
    )
SUBJECTS.append(
    Subject(
        "nn.BatchNorm1d.forward",
        forward,
        lambda: (trained(nonfinite="raise"), t(4, 3)),
        {},
    )
)
SUBJECTS.append(
    Subject("nn.BatchNorm1d.forward", forward, lambda: (trained(axis=-1), t(4, 5, 3)), {})
)
