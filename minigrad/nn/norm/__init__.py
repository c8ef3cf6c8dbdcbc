"""Layers that normalise what passes through them, a file for each family."""

from minigrad.nn.norm.batch_norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    momentum_from_decay,
)
from minigrad.nn.norm.decorrelated_batch_norm import DecorrelatedBatchNorm
from minigrad.nn.norm.iter_norm import IterNorm
from minigrad.nn.norm.lp_batch_norm import LpBatchNorm
from minigrad.nn.norm.noisy_batch_norm import NoisyBatchNorm
from minigrad.nn.norm.weight_norm import remove_weight_norm, weight_norm
from minigrad.nn.norm.weight_standardization import weight_standardization

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "DecorrelatedBatchNorm",
    "IterNorm",
    "LpBatchNorm",
    "NoisyBatchNorm",
    "momentum_from_decay",
    "remove_weight_norm",
    "weight_norm",
    "weight_standardization",
]
