"""Layers that normalise what passes through them, a file for each family."""

from minigrad.nn.norm.batch_norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    momentum_from_decay,
)
from minigrad.nn.norm.statistics import ChannelStatistics, merge_statistics
from minigrad.nn.norm.untrained import UntrainedBatchNormWarning

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "ChannelStatistics",
    "UntrainedBatchNormWarning",
    "merge_statistics",
    "momentum_from_decay",
]
