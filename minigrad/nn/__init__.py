"""Layers, losses and the modules that hold them, with PyTorch's API."""

from minigrad.nn import functional, init, parametrize
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
    DecorrelatedBatchNorm,
    IterNorm,
    LpBatchNorm,
    NoisyBatchNorm,
    momentum_from_decay,
    remove_weight_norm,
    weight_norm,
    weight_standardization,
)
from minigrad.nn.parameter import Parameter
from minigrad.nn.state_dict import IncompatibleKeys, StateDictError

__all__ = [
    "ELU",
    "GELU",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossEntropyLoss",
    "DecorrelatedBatchNorm",
    "Dropout",
    "Embedding",
    "Flatten",
    "HuberLoss",
    "Identity",
    "IncompatibleKeys",
    "IterNorm",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "LpBatchNorm",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "NoisyBatchNorm",
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
    "functional",
    "init",
    "momentum_from_decay",
    "parametrize",
    "remove_weight_norm",
    "weight_norm",
    "weight_standardization",
]
