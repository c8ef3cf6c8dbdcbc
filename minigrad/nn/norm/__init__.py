"""Layers that normalise what passes through them, a file for each family."""

from minigrad.nn.norm.batch_norm import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from minigrad.nn.norm.batch_renorm import BatchRenorm, LinearRamp
from minigrad.nn.norm.decorrelated_batch_norm import DecorrelatedBatchNorm
from minigrad.nn.norm.ghost_batch_norm import GhostBatchNorm
from minigrad.nn.norm.group_norm import GroupNorm
from minigrad.nn.norm.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from minigrad.nn.norm.iter_norm import IterNorm
from minigrad.nn.norm.layer_norm import LayerNorm
from minigrad.nn.norm.lp_batch_norm import LpBatchNorm
from minigrad.nn.norm.momentum import momentum_from_decay
from minigrad.nn.norm.noisy_batch_norm import NoisyBatchNorm
from minigrad.nn.norm.per_activation import PerActivationBatchNorm
from minigrad.nn.norm.rms_norm import RMSNorm
from minigrad.nn.norm.statistics import ChannelStatistics, merge_statistics
from minigrad.nn.norm.untrained import UntrainedBatchNormWarning
from minigrad.nn.norm.weight_norm import remove_weight_norm, weight_norm
from minigrad.nn.norm.weight_standardization import weight_standardization

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchRenorm",
    "ChannelStatistics",
    "DecorrelatedBatchNorm",
    "GhostBatchNorm",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "IterNorm",
    "LayerNorm",
    "LinearRamp",
    "LpBatchNorm",
    "NoisyBatchNorm",
    "PerActivationBatchNorm",
    "RMSNorm",
    "UntrainedBatchNormWarning",
    "merge_statistics",
    "momentum_from_decay",
    "remove_weight_norm",
    "weight_norm",
    "weight_standardization",
]
