"""Implementations of BatchNorm in one form, so that the same identities can be asked of each."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.arguments import check_text
from minigrad.autograd import grad
from minigrad.errors import DTypeError
from minigrad.kernels import dispatch
from minigrad.kernels.reference import batch_norm as reference_kernels
from minigrad.kernels.types import BatchNormKernels
from minigrad.nn.functional import batch_norm
from minigrad.ops.batch_norm import batch_norm_eval, batch_norm_train
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "KERNELS",
    "BatchNormImplementation",
    "cpu_implementation",
    "kernel_implementation",
    "pytorch_implementation",
    "reference_implementation",
    "tensor_implementation",
]

KERNELS = (
    "backward_eval",
    "backward_train",
    "forward_eval",
    "forward_train",
    "statistics",
    "update_running",
)
"""The functions of `minigrad.kernels.types.BatchNormKernels` that make an implementation."""

Triple = tuple[Array, Array, Array]


@dataclass(frozen=True)
class BatchNormImplementation:
    """BatchNorm as functions of NumPy arrays; channels are on axis 1.

    Attributes
    ----------
    name : str
        For reports.
    forward : callable
        ``forward(x, gamma, beta, eps) -> (y, mean, var)``: training, by the statistics of the
        batch; ``var`` is biased (divided by n).
    backward : callable
        ``backward(dy, x, gamma, beta, eps) -> (dx, dgamma, dbeta)`` of ``forward``.
    update_running : callable, optional
        ``update_running(running_mean, running_var, x, momentum) -> (running_mean, running_var)``
        after the batch ``x``; ``momentum`` is the weight of the new batch. New arrays, or its own
        arguments changed in place.
    evaluate : callable, optional
        ``evaluate(x, mean, var, gamma, beta, eps) -> y``.
    evaluate_backward : callable, optional
        ``evaluate_backward(dy, x, mean, var, gamma, beta, eps) -> (dx, dgamma, dbeta)``.

    Notes
    -----
    Arguments arrive as arrays that the function may keep but must not change, the dtype of ``x``
    is that of ``dy``, ``gamma`` and ``beta``. What is left out is not checked.
    """

    name: str
    forward: Callable[[Array, Array, Array, float], Triple]
    backward: Callable[[Array, Array, Array, Array, float], Triple]
    update_running: Callable[[Array, Array, Array, float], tuple[Array, Array]] | None = None
    evaluate: Callable[[Array, Array, Array, Array, Array, float], Array] | None = None
    evaluate_backward: (
        Callable[[Array, Array, Array, Array, Array, Array, float], Triple] | None
    ) = None


def kernel_implementation(name: str, kernels: BatchNormKernels | Any) -> BatchNormImplementation:
    """Return a module of kernels, or anything that has its functions, as an implementation.

    Parameters
    ----------
    name : str
    kernels : module
        With those functions of `minigrad.kernels.types.BatchNormKernels` that are in `KERNELS`.

    Returns
    -------
    BatchNormImplementation

    Raises
    ------
    DTypeError
        If ``name`` is not a string, or ``kernels`` lacks a function.

    Notes
    -----
    Between a forward and its backward another batch of the same shape is normalised, as in the
    training of a GAN: a backward that uses the statistics of the last forward is wrong.
    """
    check_text("kernel_implementation", "name", name)
    missing = [function for function in KERNELS if not hasattr(kernels, function)]
    if missing:
        raise DTypeError(
            f"kernel_implementation: kernels must have {', '.join(missing)}, got {kernels!r} "
            f"({type(kernels).__name__})"
        )

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        y, mean, var, _ = kernels.forward_train(x, gamma, beta, eps=eps)
        return y, mean, var

    def backward(dy: Array, x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        _, mean, _, inv_std = kernels.forward_train(x, gamma, beta, eps=eps)
        kernels.forward_train(_another_batch(x), gamma, beta, eps=eps)
        return _complete(kernels.backward_train(dy, x, mean, inv_std, gamma))

    def update_running(
        running_mean: Array, running_var: Array, x: Array, momentum: float
    ) -> tuple[Array, Array]:
        mean, var = kernels.statistics(x)
        running = running_mean.copy(), running_var.copy()
        n = x.size // max(1, x.shape[1])
        kernels.update_running(*running, mean, var, n=n, momentum=momentum)
        return running

    def evaluate(x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float) -> Array:
        return kernels.forward_eval(x, mean, var, gamma, beta, eps=eps)

    def evaluate_backward(
        dy: Array, x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float
    ) -> Triple:
        return _complete(kernels.backward_eval(dy, x, mean, var, gamma, eps=eps))

    return BatchNormImplementation(
        name, forward, backward, update_running, evaluate, evaluate_backward
    )


def _another_batch(x: Array) -> Array:
    return (3.0 * x + 1.0).astype(x.dtype)


def _complete(gradients: Any) -> Triple:
    dx, dgamma, dbeta = gradients
    return dx, dgamma, dbeta


def reference_implementation() -> BatchNormImplementation:
    """Return the NumPy reference of the kernels."""
    return kernel_implementation("minigrad reference", reference_kernels)


def cpu_implementation() -> BatchNormImplementation:
    """Return the compiled kernels of the CPU."""
    return kernel_implementation("minigrad cpu", dispatch.module("batch_norm"))


def tensor_implementation() -> BatchNormImplementation:
    """Return what a program uses: `batch_norm_train`, `batch_norm_eval` and backward.

    Between a forward and its backward another batch is normalised, as `kernel_implementation`
    does. The update of running statistics is that of the layer.
    """

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        y, mean, var = batch_norm_train(Tensor(x), Tensor(gamma), Tensor(beta), eps=eps)
        return y.array, mean, var

    def backward(dy: Array, x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        inputs = [Tensor(value, requires_grad=True) for value in (x, gamma, beta)]
        y = batch_norm_train(*inputs, eps=eps).y
        batch_norm_train(Tensor(_another_batch(x)), *inputs[1:], eps=eps)
        return _complete(gradient.array for gradient in grad(y, inputs, dy))  # type: ignore[union-attr]  # all are used

    def update_running(
        running_mean: Array, running_var: Array, x: Array, momentum: float
    ) -> tuple[Array, Array]:
        running = Tensor(running_mean.copy()), Tensor(running_var.copy())
        batch_norm(Tensor(x), *running, training=True, momentum=momentum)
        return running[0].array, running[1].array

    def evaluate(x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float) -> Array:
        y: Array = batch_norm_eval(x, mean, var, Tensor(gamma), Tensor(beta), eps=eps).array
        return y

    def evaluate_backward(
        dy: Array, x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float
    ) -> Triple:
        leaves = [Tensor(value, requires_grad=True) for value in (x, gamma, beta)]
        y = batch_norm_eval(leaves[0], mean, var, *leaves[1:], eps=eps)
        return _complete(gradient.array for gradient in grad(y, leaves, dy))  # type: ignore[union-attr]  # all are used

    return BatchNormImplementation(
        "minigrad Tensor", forward, backward, update_running, evaluate, evaluate_backward
    )


def pytorch_implementation() -> BatchNormImplementation:
    """Return `torch.nn.functional.batch_norm` on the CPU.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ImportError(
            "pytorch_implementation needs PyTorch, which is not installed; install the package "
            "torch, or leave this implementation out"
        )
    torch: Any = importlib.import_module("torch")
    normalise = torch.nn.functional.batch_norm

    def tensors(*arrays: Array, requires_grad: bool = False) -> list[Any]:
        # A copy: PyTorch takes no negative strides. The memory order is kept.
        return [
            torch.from_numpy(np.copy(a, order="K")).requires_grad_(requires_grad) for a in arrays
        ]

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        channels = x.shape[1]
        # A momentum of 1 leaves the statistics of the batch in the running ones.
        mean, var = (torch.zeros(channels, dtype=torch.from_numpy(gamma).dtype) for _ in "mv")
        y = normalise(tensors(x)[0], mean, var, *tensors(gamma, beta), True, 1.0, eps)
        n = x.size // channels
        return y.numpy(), mean.numpy(), var.numpy() * ((n - 1) / n)

    def backward(dy: Array, x: Array, gamma: Array, beta: Array, eps: float) -> Triple:
        leaves = tensors(x, gamma, beta, requires_grad=True)
        y = normalise(leaves[0], None, None, *leaves[1:], True, 0.0, eps)
        gradients = torch.autograd.grad(y, leaves, tensors(dy)[0])
        return _complete(gradient.numpy() for gradient in gradients)

    def update_running(
        running_mean: Array, running_var: Array, x: Array, momentum: float
    ) -> tuple[Array, Array]:
        running = tensors(running_mean, running_var)
        normalise(tensors(x)[0], *running, None, None, True, momentum)
        return running[0].numpy(), running[1].numpy()

    def evaluate(x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float) -> Array:
        y: Array = normalise(
            tensors(x)[0], *tensors(mean, var, gamma, beta), False, 0.0, eps
        ).numpy()
        return y

    def evaluate_backward(
        dy: Array, x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float
    ) -> Triple:
        leaves = tensors(x, gamma, beta, requires_grad=True)
        y = normalise(leaves[0], *tensors(mean, var), *leaves[1:], False, 0.0, eps)
        gradients = torch.autograd.grad(y, leaves, tensors(dy)[0])
        return _complete(gradient.numpy() for gradient in gradients)

    return BatchNormImplementation(
        "PyTorch", forward, backward, update_running, evaluate, evaluate_backward
    )
