"""A warning: a layer normalises by running statistics that no batch has entered."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minigrad.nn.norm.batch_norm import BatchNorm

__all__ = ["UntrainedBatchNormWarning", "warn_if_untrained"]


class UntrainedBatchNormWarning(UserWarning):
    """A layer normalises by running statistics that are still those of its construction."""


def warn_if_untrained(layer: BatchNorm) -> None:
    """Warn, once for each layer, where its counter is 0 and its running statistics are N(0, 1)'s.

    Statistics that were loaded or set by hand differ from 0 and 1, if they are of any data.
    """
    mean, var, counter = layer.running_mean, layer.running_var, layer.num_batches_tracked
    if mean is None or var is None or counter is None or layer._warned_untrained:
        return
    if counter.array > 0 or np.any(mean.array != 0.0) or np.any(var.array != 1.0):
        return
    layer._warned_untrained = True
    name = type(layer).__name__
    warnings.warn(
        f"{name} normalises by running statistics that no batch has entered: mean 0 and variance "
        "1, whatever the data are. Train it first or load a state_dict; if this is what you want, "
        "filter UntrainedBatchNormWarning",
        UntrainedBatchNormWarning,
        stacklevel=4,  # the caller of the layer, behind Module.__call__ and forward
    )
