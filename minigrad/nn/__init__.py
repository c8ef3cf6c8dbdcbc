"""Layers, losses and the modules that hold them, with PyTorch's API."""

from minigrad.nn import functional, init
from minigrad.nn.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minigrad.nn.container import ModuleDict, ModuleList, Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.embedding import Embedding
from minigrad.nn.flatten import Flatten, Unflatten
from minigrad.nn.hooks import RemovableHandle
from minigrad.nn.linear import Identity, Linear
from minigrad.nn.loss import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
)
from minigrad.nn.module import Module
from minigrad.nn.norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    ChannelStatistics,
    UntrainedBatchNormWarning,
    merge_statistics,
    momentum_from_decay,
)
from minigrad.nn.parameter import Parameter
from minigrad.nn.state_dict import IncompatibleKeys, StateDictError
from minigrad.nn.tools import (
    BatchNormLayerReport,
    BatchNormProblem,
    BatchNormReport,
    bn_report,
    fold_batch_norm,
    fold_batch_norm_linear,
    fold_linear_batch_norm,
    freeze_batch_norm,
    precise_batch_norm,
    unfreeze_batch_norm,
)

__all__ = [
    "ELU",
    "GELU",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormLayerReport",
    "BatchNormProblem",
    "BatchNormReport",
    "ChannelStatistics",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "HuberLoss",
    "Identity",
    "IncompatibleKeys",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "RemovableHandle",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "StateDictError",
    "Tanh",
    "Unflatten",
    "UntrainedBatchNormWarning",
    "bn_report",
    "fold_batch_norm",
    "fold_batch_norm_linear",
    "fold_linear_batch_norm",
    "freeze_batch_norm",
    "functional",
    "init",
    "merge_statistics",
    "momentum_from_decay",
    "precise_batch_norm",
    "unfreeze_batch_norm",
]
