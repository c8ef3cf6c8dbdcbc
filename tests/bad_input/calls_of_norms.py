"""Layer, group, instance and RMS normalisation, and the relatives of batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn
from tests.bad_input.calls import SUBJECTS, Subject, add, t

FLOAT64 = np.dtype(np.float64)

add("F", "layer_norm", lambda: (t(4, 2, 3), (2, 3), t(2, 3), t(2, 3), 1e-3))
add("F", "layer_norm", lambda: (t(4, 3), 3, t(3), t(3), 1e-3))
add("F", "rms_norm", lambda: (t(4, 2, 3), (2, 3), t(2, 3), 1e-3))
add("F", "group_norm", lambda: (t(4, 6, 2), 3, t(6), t(6), 1e-3))
add("F", "instance_norm", lambda: (t(4, 3, 2), t(3, grad=False), t(3, grad=False), t(3), t(3), True,
                                   0.1, 1e-3))  # fmt: skip
add("F", "instance_norm", lambda: (t(4, 3, 2), t(3, grad=False), t(3, grad=False), t(3), t(3),
                                   False, 0.1, 1e-3))  # fmt: skip

add("nn", "LayerNorm", lambda: ((2, 3), 1e-3, True, True, "cpu", FLOAT64))
add("nn", "LayerNorm", lambda: (3, 1e-3, True, True, "cpu", FLOAT64))
add("nn", "RMSNorm", lambda: ((2, 3), 1e-3, True, "cpu", FLOAT64))
add("nn", "GroupNorm", lambda: (2, 6, 1e-3, True, "cpu", FLOAT64), bias=True)
add("nn", "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    lambda: (3, 1e-3, 0.1, True, True, "cpu", FLOAT64), bias=True)  # fmt: skip
add("nn", "PerActivationBatchNorm",
    lambda: ((2, 3), 1e-3, 0.1, True, True, "cpu", FLOAT64), bias=True)  # fmt: skip
add("nn", "GhostBatchNorm",
    lambda: (3, 2, 1e-3, 0.1, True, True, "cpu", FLOAT64), bias=True, scale=True, axis=1,
    unbiased=True, single="eval", nonfinite="skip", detach_statistics=True)  # fmt: skip
add("nn", "BatchRenorm",
    lambda: (3, 3.0, 5.0, 1e-3, 0.01, True, "cpu", FLOAT64), bias=True)  # fmt: skip
add("nn", "LinearRamp", lambda: (1.0, 3.0, 5, 10))


def forward(layer: Any, *shape: int) -> None:
    """Append the forward of a layer, made anew each time."""
    SUBJECTS.append(
        Subject(
            f"nn.{type(layer()).__name__}.forward",
            lambda module, x: module(x),
            lambda: (layer(), t(*shape)),
            {},
        )
    )


def trained(layer: nn.BatchNorm) -> nn.BatchNorm:
    """Return a layer with running statistics of some data: others warn."""
    if layer.running_mean is not None:
        layer.running_mean.fill_(0.5)
    return layer


forward(lambda: nn.LayerNorm((2, 3), dtype=FLOAT64), 4, 2, 3)
forward(lambda: nn.RMSNorm(3, dtype=FLOAT64), 4, 3)
forward(lambda: nn.GroupNorm(2, 4, dtype=FLOAT64), 4, 4, 2)
forward(lambda: nn.InstanceNorm1d(3, track_running_stats=True), 4, 3, 2)
forward(lambda: nn.InstanceNorm2d(3, affine=True, dtype=FLOAT64), 4, 3, 2, 1)
forward(lambda: nn.InstanceNorm3d(3, track_running_stats=True).eval(), 4, 3, 2, 1, 1)
forward(lambda: nn.PerActivationBatchNorm((2, 3), dtype=FLOAT64), 4, 2, 3)
forward(lambda: nn.PerActivationBatchNorm((2, 3), dtype=FLOAT64).eval(), 4, 2, 3)
forward(lambda: nn.GhostBatchNorm(3, 2, dtype=FLOAT64), 5, 3)
forward(lambda: trained(nn.GhostBatchNorm(3, 2, dtype=FLOAT64)).eval(), 5, 3)
forward(lambda: nn.BatchRenorm(3, 3.0, 5.0, dtype=FLOAT64), 4, 3)
forward(lambda: nn.BatchRenorm(3, dtype=FLOAT64).eval(), 4, 3)
