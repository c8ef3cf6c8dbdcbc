"""A valid call of every public function, method, constructor and layer.

What is public and neither here nor in `exemptions` fails ``tests/test_bad_input.py``. A call gives
every argument, because each is spoiled in turn. Those of ops beyond arithmetic, of derivatives
and hooks, and of what tests tests are in modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.optim import lr_scheduler
from tests.bad_input import (  # noqa: F401 - each appends to the list
    calls_of_arrays,
    calls_of_derivatives,
    calls_of_matrices,
    calls_of_modules,
    calls_of_testing,
)
from tests.bad_input.calls import ROOTS, SUBJECTS, Subject, add, b, i, t

__all__ = ["ROOTS", "SUBJECTS", "Subject"]

UNARY = (
    "abs absolute acos arccos arcsin arcsinh arctan arctanh asin asinh atan atanh cbrt ceil clone "
    "contiguous cos cosh deg2rad erf exp exp2 expm1 floor isfinite isinf isnan log log10 log1p "
    "log2 logical_not neg negative positive rad2deg reciprocal relu rsqrt sigmoid sign silu sin "
    "sinh sqrt square tan tanh trunc"
)
BINARY = (
    "add arctan2 atan2 div divide eq floor_divide fmax fmin fmod ge greater greater_equal gt hypot "
    "le less less_equal logaddexp logical_and logical_or logical_xor lt maximum minimum mul "
    "multiply ne not_equal pow remainder sub subtract true_divide"
)

# ---------------------------------------------------------------------------------- minigrad

add("mg", UNARY, lambda: (t(2, 3),))
add("mg", "acosh arccosh", lambda: (mg.Tensor(1.0 + t(2, 3).array, True),))
add("mg", "bitwise_not", lambda: (i(1, 2),))
add("mg", "bitwise_and bitwise_or bitwise_xor", lambda: (i(1, 2), i(2, 3)))
add("mg", BINARY, lambda: (t(2, 3), t(2, 3)))
add("mg", "round", lambda: (t(2, 3),), decimals=1)
add("mg", "all amax amin any", lambda: (t(2, 3), 1, True))
add("mg", "all amax amin any", lambda: (t(2, 3), (0, 1), True))
add("mg", "argmax argmin max min", lambda: (t(2, 3), 1, True))
add("mg", "count_nonzero", lambda: (t(2, 3), 1))
add("mg", "mean sum", lambda: (t(2, 3), 1, True), dtype=np.dtype(np.float32))
add("mg", "std var", lambda: (t(2, 3), 1), correction=1, keepdim=True)
add("mg", "broadcast_to expand", lambda: (t(2, 3), (4, 2, 3)))
add("mg", "reshape", lambda: (t(2, 3), (3, 2)))
add("mg", "flatten", lambda: (t(2, 3), 0, 1))
add("mg", "flip", lambda: (t(2, 3), (0, 1)))
add("mg", "permute", lambda: (t(2, 3), (1, 0)))
add("mg", "transpose swapaxes", lambda: (t(2, 3), 0, 1))
add("mg", "movedim", lambda: (t(2, 3), (0, 1), (1, 0)))
add("mg", "squeeze unsqueeze unbind softmax log_softmax", lambda: (t(2, 3), 1))
add("mg", "split chunk", lambda: (t(2, 3), 2, 1))
add("mg", "split", lambda: (t(2, 3), (1, 2), 1))
add("mg", "cat concatenate stack", lambda: ((t(2, 3), t(2, 3)), 0))
add("mg", "hstack vstack", lambda: ((t(2, 3), t(2, 3)),))
add("mg", "gather", lambda: (t(2, 3), 1, mg.tensor([[0, 1], [2, 0]])))
add("mg", "scatter_add", lambda: (t(2, 3), 1, mg.tensor([[0, 1], [2, 0]]), t(2, 2)))
add("mg", "index_select", lambda: (t(2, 3), 1, i(0, 2)))
add("mg", "take", lambda: (t(2, 3), i(0, 2)))
add("mg", "embedding", lambda: (i(0, 2), t(3, 2)))
add("mg", "where", lambda: (b(2, 3), t(2, 3), t(2, 3)))
add("mg", "clamp clip", lambda: (t(2, 3), 0.25, 0.75))
add("mg", "clamp clip", lambda: (t(2, 3), t(3), t(3)))
add("mg", "dot", lambda: (t(3), t(3)))
add("mg", "matmul", lambda: (t(2, 3), t(3, 4)))
add("mg", "linear", lambda: (t(2, 3), t(4, 3), t(4)))
add("mg", "gelu", lambda: (t(2, 3), "tanh"))
add("mg", "elu leaky_relu", lambda: (t(2, 3), 0.5))
add("mg", "softplus", lambda: (t(2, 3), 1.0, 20.0))
add("mg", "dropout", lambda: (t(2, 3), 0.5, True), generator=mg.Generator(0))
add("mg", "mse_loss l1_loss", lambda: (t(2, 3), t(2, 3)), reduction="mean")
add("mg", "huber_loss", lambda: (t(2, 3), t(2, 3)), delta=0.5, reduction="sum")
add(
    "mg",
    "binary_cross_entropy_with_logits",
    lambda: (t(2, 3), t(2, 3), t(2, 3)),
    pos_weight=t(3),
    reduction="none",
)
add(
    "mg",
    "cross_entropy",
    lambda: (t(2, 3), i(0, 2), t(3)),
    ignore_index=1,
    reduction="mean",
    label_smoothing=0.5,
)
add("mg", "cross_entropy", lambda: (t(2, 3), t(2, 3)), reduction="mean")
add("mg", "nll_loss", lambda: (t(2, 3), i(0, 2), t(3)), ignore_index=1, reduction="mean")
add("mg", "batch_norm_train", lambda: (t(4, 3), t(3), t(3), t(4, 3)), relu=True, eps=1e-3)
add(
    "mg",
    "batch_norm_eval",
    lambda: (t(4, 3), t(3), t(3), t(3), t(3), t(4, 3)),
    relu=True,
    eps=1e-3,
)
add("mg", "result_type", lambda: (t(2), i(1), 1.0))
MADE = {"dtype": np.dtype(np.float64), "device": "cpu", "requires_grad": True}
add("mg", "zeros ones empty", lambda: (2, 3), **MADE)
add("mg", "zeros ones empty", lambda: ((2, 3),), **MADE)
add("mg", "rand randn", lambda: (2, 3), generator=mg.Generator(0), **MADE)
add("mg", "full", lambda: ((2, 3), 1.5), **MADE)
add("mg", "arange", lambda: (0, 6, 2), **MADE)
add("mg", "linspace", lambda: (0.0, 1.0, 5), **MADE)
add("mg", "eye", lambda: (2, 3), **MADE)
add("mg", "randint", lambda: (0, 6, (2, 3)), generator=mg.Generator(0), dtype=np.dtype(np.int64),
    device="cpu")  # fmt: skip
add("mg", "randperm", lambda: (5,), generator=mg.Generator(0), device="cpu")
add("mg", "empty_like ones_like zeros_like rand_like randn_like", lambda: (t(2, 3),), **MADE)
add("mg", "full_like", lambda: (t(2, 3), 1.5), **MADE)
add("mg", "tensor", lambda: (t(2, 3, grad=False),), **MADE)
add("mg", "tensor", lambda: ([1, 2],), **MADE)
add("mg", "as_tensor", lambda: (t(2, 3), np.dtype(np.float32)))
add("mg", "from_numpy", lambda: (t(2, 3).detach().numpy(),))
add("mg", "grad", lambda: _graph(), retain_graph=False, create_graph=False, allow_unused=False)
add("mg", "backward", lambda: (_graph()[0], t(2, 3, grad=False), False, False))
add("mg", "manual_seed", lambda: (3,))
add("mg", "set_num_threads", lambda: (mg.get_num_threads(),))
add("mg", "Device device", lambda: ("cpu",))
add("mg", "Generator", lambda: (3,))
add("mg", "Tensor", lambda: (t(2, 3, grad=False), True))


def _graph() -> tuple[Any, ...]:
    x = t(2, 3)
    return x * 2.0, x, t(2, 3, grad=False)


# ---------------------------------------------------------------------------------- Tensor

METHODS = (
    "abs arccos arcsin arcsinh arctan arctanh ceil clone contiguous cos cosh erf exp exp2 expm1 "
    "floor isfinite isinf isnan log log10 log1p log2 neg reciprocal relu round rsqrt sigmoid sign "
    "sin sinh sqrt square tan tanh trunc bool cpu detach dim double element_size float int "
    "is_contiguous is_floating_point long numel retain_grad t tolist"
)
add("Tensor", METHODS, lambda: (t(2, 3),))
add("Tensor", "arccosh", lambda: (mg.Tensor(1.0 + t(2, 3).array, True),))
add("Tensor", "item", lambda: (t(1, 1),))
add("Tensor", "numpy zero_", lambda: (t(2, 3, grad=False),))
add("Tensor", "add sub", lambda: (t(2, 3), t(2, 3)), alpha=2.0)
add("Tensor", "div eq ge gt le lt maximum minimum mul ne pow remainder", lambda: (t(2, 3), t(2, 3)))
add("Tensor", "add_ sub_", lambda: (t(2, 3, grad=False), t(2, 3, grad=False)), alpha=2.0)
add("Tensor", "mul_ div_ copy_", lambda: (t(2, 3, grad=False), t(2, 3, grad=False)))
add("Tensor", "clamp_", lambda: (t(2, 3, grad=False), 0.25, 0.75))
add("Tensor", "fill_", lambda: (t(2, 3, grad=False), 1.5))
add("Tensor", "clamp clip", lambda: (t(2, 3), 0.25, 0.75))
add("Tensor", "all amax amin any", lambda: (t(2, 3), (0, 1), True))
add("Tensor", "argmax argmin max min", lambda: (t(2, 3), 1, True))
add("Tensor", "mean sum", lambda: (t(2, 3), 1, True), dtype=np.dtype(np.float32))
add("Tensor", "std var", lambda: (t(2, 3), 1), correction=1, keepdim=True)
add("Tensor", "dot", lambda: (t(3), t(3)))
add("Tensor", "matmul", lambda: (t(2, 3), t(3, 4)))
add("Tensor", "expand", lambda: (t(2, 3), 4, 2, 3))
add("Tensor", "reshape view", lambda: (t(2, 3), 3, 2))
add("Tensor", "reshape view", lambda: (t(2, 3), (3, 2)))
add("Tensor", "flatten", lambda: (t(2, 3), 0, 1))
add("Tensor", "flip permute", lambda: (t(2, 3), 1, 0))
add("Tensor", "transpose", lambda: (t(2, 3), 0, 1))
add("Tensor", "squeeze unsqueeze unbind softmax log_softmax", lambda: (t(2, 3), 1))
add("Tensor", "size stride", lambda: (t(2, 3), 1))
add("Tensor", "split chunk", lambda: (t(2, 3), 2, 1))
add("Tensor", "gather", lambda: (t(2, 3), 1, mg.tensor([[0, 1], [2, 0]])))
add("Tensor", "index_select", lambda: (t(2, 3), 1, i(0, 2)))
add("Tensor", "masked_fill", lambda: (t(2, 3), b(2, 3), 1.5))
add("Tensor", "where", lambda: (t(2, 3), b(2, 3), t(2, 3)))
add("Tensor", "expand_as view_as type_as", lambda: (t(2, 3), t(2, 3)))
add("Tensor", "to", lambda: (t(2, 3), None), dtype=np.dtype(np.float64), device="cpu")
add("Tensor", "requires_grad_ zero_grad", lambda: (t(2, 3), True))
add("Tensor", "backward", lambda: (_graph()[0], t(2, 3, grad=False), False, False))
add("Tensor", "__getitem__", lambda: (t(2, 3), 1))
add("Tensor", "__getitem__", lambda: (t(2, 3), (1, 2)))
add("Tensor", "__getitem__", lambda: (t(2, 3), i(0, 1)))
add("Tensor", "__getitem__", lambda: (t(2, 3), b(2, 3)))
add("Tensor", "__setitem__", lambda: (t(2, 3, grad=False), 1, t(3, grad=False)))
add("Tensor", "__setitem__", lambda: (t(2, 3, grad=False), b(2, 3), 1.5))

# ---------------------------------------------------------------------------------- functional

add("F", "relu silu", lambda: (t(2, 3, grad=False), False))
add("F", "sigmoid tanh", lambda: (t(2, 3),))
add("F", "elu leaky_relu", lambda: (t(2, 3, grad=False), 0.5, False))
add("F", "gelu", lambda: (t(2, 3), "tanh"))
add("F", "softplus", lambda: (t(2, 3), 1.0, 20.0))
add("F", "softmax log_softmax", lambda: (t(2, 3), 1), dtype=np.dtype(np.float32))
add("F", "dropout", lambda: (t(2, 3, grad=False), 0.5, True, False))
add("F", "linear", lambda: (t(2, 3), t(4, 3), t(4)))
add("F", "embedding", lambda: (i(0, 2), t(3, 2), 1))
add("F", "one_hot", lambda: (i(0, 2), 3))
add("F", "batch_norm", lambda: (t(4, 3), t(3, grad=False), t(3, grad=False), t(3), t(3), True, 0.1,
                                1e-3))  # fmt: skip
add("F", "batch_norm", lambda: (t(4, 3), t(3, grad=False), t(3, grad=False), t(3), t(3), False, 0.1,
                                1e-3))  # fmt: skip
add("F", "mse_loss l1_loss", lambda: (t(2, 3), t(2, 3), None, None, "mean"))
add("F", "huber_loss", lambda: (t(2, 3), t(2, 3), "mean", 0.5))
add("F", "binary_cross_entropy_with_logits",
    lambda: (t(2, 3), t(2, 3), t(2, 3), None, None, "mean", t(3)))  # fmt: skip
add("F", "cross_entropy", lambda: (t(2, 3), i(0, 2), t(3), None, 1, None, "mean", 0.5))
add("F", "nll_loss", lambda: (t(2, 3), i(0, 2), t(3), None, 1, None, "mean"))

# ---------------------------------------------------------------------------------- layers

LAYER = {"device": "cpu", "dtype": np.dtype(np.float64)}
add("nn", "Linear", lambda: (3, 4, True), **LAYER)
add("nn", "Embedding", lambda: (3, 4, 1), **LAYER)
add("nn", "BatchNorm BatchNorm1d BatchNorm2d BatchNorm3d",
    lambda: (3, 1e-3, 0.1, True, True, "cpu", np.dtype(np.float64)), bias=True)  # fmt: skip
add("nn", "Dropout", lambda: (0.5, False))
add("nn", "ReLU SiLU", lambda: (False,))
add("nn", "ELU LeakyReLU", lambda: (0.5, False))
add("nn", "Softplus", lambda: (1.0, 20.0))
add("nn", "GELU", lambda: ("tanh",))
add("nn", "Softmax LogSoftmax", lambda: (1,))
add("nn", "Flatten", lambda: (1, -1))
add("nn", "Unflatten", lambda: (1, (3, 1)))
add("nn", "L1Loss MSELoss", lambda: (None, None, "mean"))
add("nn", "HuberLoss", lambda: ("mean", 0.5))
add("nn", "BCEWithLogitsLoss", lambda: (t(2, 3), None, None, "mean", t(3)))
add("nn", "CrossEntropyLoss", lambda: (t(3), None, 1, None, "mean", 0.5))
add("nn", "NLLLoss", lambda: (t(3), None, 1, None, "mean"))
add("nn", "Parameter", lambda: (t(2, 3, grad=False), True))
add("nn", "ModuleList", lambda: ([nn.Tanh(), nn.Tanh()],))
add("nn", "ModuleDict", lambda: ({"a": nn.Tanh()},))
add("nn", "Sequential", lambda: (nn.Tanh(), nn.Tanh()))
add("nn", "momentum_from_decay", lambda: (0.9,))


def forward(layer: Callable[[], Any], *inputs: Callable[[], Any]) -> None:
    """Append a layer's forward."""
    name = type(layer()).__name__
    SUBJECTS.append(
        Subject(
            f"nn.{name}.forward",
            lambda module, *arguments: module(*arguments),
            lambda: (layer(), *(make() for make in inputs)),
            {},
        )
    )


forward(lambda: nn.Linear(3, 4, dtype=np.float64), lambda: t(2, 3))
forward(lambda: nn.Embedding(3, 4), lambda: i(0, 2))

forward(lambda: nn.BatchNorm(3, dtype=np.float64), lambda: t(4, 3))
forward(lambda: nn.BatchNorm1d(3, dtype=np.float64), lambda: t(4, 3))
forward(lambda: nn.BatchNorm1d(3, dtype=np.float64).eval(), lambda: t(4, 3))
forward(lambda: nn.BatchNorm2d(3, dtype=np.float64), lambda: t(4, 3, 2, 1))
forward(lambda: nn.BatchNorm3d(3, dtype=np.float64), lambda: t(4, 3, 2, 1, 1))
for _layer in (
    nn.Dropout, nn.ReLU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.GELU, nn.Sigmoid, nn.Tanh,
    nn.Flatten,
):  # fmt: skip
    forward(_layer, lambda: t(2, 3))
forward(lambda: nn.Softmax(1), lambda: t(2, 3))
forward(lambda: nn.LogSoftmax(1), lambda: t(2, 3))
forward(lambda: nn.Unflatten(1, (3, 1)), lambda: t(2, 3))
forward(lambda: nn.Sequential(nn.Linear(3, 4, dtype=np.float64), nn.Tanh()), lambda: t(2, 3))
for _loss in (nn.L1Loss, nn.MSELoss, nn.HuberLoss, nn.BCEWithLogitsLoss):
    forward(_loss, lambda: t(2, 3), lambda: t(2, 3))
for _classifying in (nn.CrossEntropyLoss, nn.NLLLoss):
    forward(_classifying, lambda: t(2, 3), lambda: i(0, 2))

# ---------------------------------------------------------------------------------- init

add("init", "zeros_ ones_ eye_", lambda: (t(2, 3, grad=False),))
add("init", "constant_", lambda: (t(2, 3, grad=False), 1.5))
add("init", "uniform_ normal_", lambda: (t(2, 3, grad=False), 0.0, 1.0, mg.Generator(0)))
add("init", "trunc_normal_", lambda: (t(2, 3, grad=False), 0.0, 1.0, -2.0, 2.0, mg.Generator(0)))
add("init", "xavier_normal_ xavier_uniform_ orthogonal_",
    lambda: (t(2, 3, grad=False), 1.0, mg.Generator(0)))  # fmt: skip
add("init", "kaiming_normal_ kaiming_uniform_",
    lambda: (t(2, 3, grad=False), 0.1, "fan_in", "leaky_relu", mg.Generator(0)))  # fmt: skip
add("init", "calculate_gain", lambda: ("leaky_relu", 0.1))

# ---------------------------------------------------------------------------------- optim


def trained() -> list[mg.Tensor]:
    """Return parameters that have gradients."""
    parameters = [t(2, 3), t(3)]
    for parameter in parameters:
        parameter.grad = mg.Tensor(parameter.array * 2.0)
    return parameters


def sgd() -> optim.Optimizer:
    return optim.SGD(trained(), lr=0.1)


add("optim", "SGD", lambda: (trained(), 0.1, 0.9, 0.0, 0.1, False), maximize=False)
add("optim", "Adam", lambda: (trained(), 0.1, (0.9, 0.99), 1e-8, 0.1, False), maximize=False,
    decoupled_weight_decay=False)  # fmt: skip
add("optim", "AdamW", lambda: (trained(), 0.1, (0.9, 0.99), 1e-8, 0.1, False), maximize=False)
add("optim", "RMSprop", lambda: (trained(), 0.1, 0.9, 1e-8, 0.1, 0.5, False), maximize=False)
add("optim", "Adagrad", lambda: (trained(), 0.1, 0.1, 0.1, 0.1, 1e-8), maximize=False)
add("optim", "clip_grad_norm_", lambda: (trained(), 1.0, 2.0, False))
add("optim", "clip_grad_value_", lambda: (trained(), 1.0))
add("optim", "no_decay_groups", lambda: (nn.Linear(2, 3), 0.1))
add("lr_scheduler", "CosineAnnealingLR", lambda: (sgd(), 5, 0.01, -1))
add("lr_scheduler", "ExponentialLR", lambda: (sgd(), 0.9, -1))
add("lr_scheduler", "LambdaLR", lambda: (sgd(), float, -1))
add("lr_scheduler", "LinearLR", lambda: (sgd(), 0.5, 1.0, 5, -1))
add("lr_scheduler", "MultiStepLR", lambda: (sgd(), [2, 4], 0.1, -1))
add("lr_scheduler", "OneCycleLR",
    lambda: (optim.SGD(trained(), lr=0.1, momentum=0.9), 0.5, None, 2, 5, 0.25, "cos", True, 0.8,
             0.9, 25.0, 1e4, False, -1))  # fmt: skip
add("lr_scheduler", "SequentialLR", lambda: _sequential())
add("lr_scheduler", "StepLR", lambda: (sgd(), 2, 0.5, -1))


def _sequential() -> tuple[Any, ...]:
    optimizer = sgd()
    parts = [lr_scheduler.StepLR(optimizer, 2), lr_scheduler.StepLR(optimizer, 3)]
    return optimizer, parts, [2], -1


# ---------------------------------------------------------------------------------- data and train

DATASET = data.TensorDataset(t(5, 2, grad=False), mg.arange(5))
add("data", "DataLoader", lambda: (DATASET, 2, False), drop_last=False, generator=mg.Generator(0),
    transform=max, collate_fn=list, prefetch=0)  # fmt: skip
add("data", "TensorDataset", lambda: (t(5, 2, grad=False), mg.arange(5)))
add("data", "Subset", lambda: (DATASET, [0, 2]))
add("data", "random_split", lambda: (DATASET, [3, 2], mg.Generator(0)))
add("data", "default_collate", lambda: ([t(2, grad=False), t(2, grad=False)],))
add("train", "accuracy", lambda: (t(2, 3), i(0, 2)))
add("train", "EarlyStopping", lambda: ("validation_loss",), patience=5, min_delta=0.1, mode="min")
