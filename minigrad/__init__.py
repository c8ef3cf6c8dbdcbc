"""minigrad: a small deep-learning framework with PyTorch's names.

>>> import minigrad as mg
>>> x = mg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import _links as _links
from minigrad import creation, ops
from minigrad import views as views
from minigrad._version import __version__
from minigrad.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from minigrad.autograd import backward, grad
from minigrad.checkpointing import checkpoint
from minigrad.creation import *
from minigrad.derivatives import hessian, hvp, jacobian, jvp, vjp
from minigrad.device import Device, device
from minigrad.engine import Op, apply
from minigrad.grad_mode import (
    enable_grad,
    is_grad_enabled,
    is_recomputing,
    no_grad,
    set_grad_enabled,
)
from minigrad.graph import Graph, graph_of
from minigrad.ops import *
from minigrad.random import Generator, default_generator, manual_seed
from minigrad.runtime import get_num_threads, info, set_num_threads, warmup
from minigrad.serialization import load, save
from minigrad.tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from minigrad import data as data
    from minigrad import kernels as kernels
    from minigrad import linalg as linalg
    from minigrad import models as models
    from minigrad import nn as nn
    from minigrad import optim as optim
    from minigrad import testing as testing
    from minigrad import train as train

__all__ = [
    "Device",
    "Generator",
    "Graph",
    "Op",
    "Tensor",
    "__version__",
    "apply",
    "as_tensor",
    "backward",
    "checkpoint",
    "default_generator",
    "detect_anomaly",
    "device",
    "enable_grad",
    "float32",
    "float64",
    "get_num_threads",
    "grad",
    "graph_of",
    "hessian",
    "hvp",
    "info",
    "int32",
    "int64",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_recomputing",
    "jacobian",
    "jvp",
    "load",
    "manual_seed",
    "no_grad",
    "save",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_num_threads",
    "uint8",
    "vjp",
    "warmup",
]
__all__ += creation.__all__
__all__ += ops.__all__

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)

_SUBMODULES = ("data", "kernels", "linalg", "models", "nn", "optim", "testing", "train")


def __getattr__(name: str) -> Any:
    """Import a submodule when it is first used: ``mg.nn`` needs no import of its own."""
    if name in _SUBMODULES:
        return importlib.import_module(f"minigrad.{name}")
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
