"""minigrad's functions for each operation.

Outputs of 256 kB and more come from a pool, so that a kernel called again has the memory of the
call before: that is what rows (b) ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from bench.batch_norm.problem import EPS, MOMENTUM, Problem, Sides
from minigrad.kernels import dispatch
from minigrad.nn import functional

__all__ = [
    "backward",
    "evaluation",
    "evaluation_backward",
    "forward",
    "leaves",
    "statistics",
    "update",
]


def leaves(problem: Problem) -> list[mg.Tensor]:
    """Return x, weight and bias as Tensors that require gradients."""
    arrays = (problem.x, problem.gamma, problem.beta)
    return [mg.as_tensor(array).detach().requires_grad_() for array in arrays]


def _running(problem: Problem) -> tuple[mg.Tensor, mg.Tensor]:
    """Return running statistics as a layer keeps them."""
    mean, var = problem.running
    return mg.tensor(mean.astype(np.float64)), mg.tensor(var.astype(np.float64))


def _call(problem: Problem, training: bool) -> tuple[Callable[[], Any], list[mg.Tensor]]:
    """Return the public function, recording a graph as in training, and its leaves."""
    x, weight, bias = inputs = leaves(problem)
    mean, var = _running(problem)

    def normalise() -> Any:
        return functional.batch_norm(x, mean, var, weight, bias, training, MOMENTUM, EPS)

    return normalise, inputs


def forward(problem: Problem) -> Sides:
    """Return training's forward pass."""
    kernels = dispatch.module("batch_norm")
    p = problem
    normalise, _ = _call(p, True)
    return Sides(normalise, lambda: kernels.forward_train(p.x, p.gamma, p.beta, eps=EPS).y)


def backward(problem: Problem) -> Sides:
    """Return training's backward pass."""
    kernels = dispatch.module("batch_norm")
    p = problem
    normalise, inputs = _call(p, True)
    y, upstream = normalise(), mg.as_tensor(p.dy)
    _, mean, _, inv_std = kernels.forward_train(p.x, p.gamma, p.beta, eps=EPS)[:4]
    return Sides(
        lambda: mg.grad(y, inputs, upstream, retain_graph=True),
        lambda: kernels.backward_train(p.dy, p.x, mean, inv_std, p.gamma)[:3],
    )


def evaluation(problem: Problem) -> Sides:
    """Return evaluation, without a graph."""
    kernels = dispatch.module("batch_norm")
    p = problem
    normalise, _ = _call(p, False)

    def without_graph() -> Any:
        with mg.no_grad():
            return normalise()

    return Sides(
        without_graph, lambda: kernels.forward_eval(p.x, *p.running, p.gamma, p.beta, eps=EPS)
    )


def evaluation_backward(problem: Problem) -> Sides:
    """Return the gradients of evaluation, as frozen layers need them."""
    kernels = dispatch.module("batch_norm")
    p = problem
    normalise, inputs = _call(p, False)
    y, upstream = normalise(), mg.as_tensor(p.dy)
    return Sides(
        lambda: mg.grad(y, inputs, upstream, retain_graph=True),
        lambda: kernels.backward_eval(p.dy, p.x, *p.running, p.gamma, eps=EPS)[:3],
    )


def statistics(problem: Problem) -> Sides:
    """Return the statistics of the batch, which move the running ones."""
    kernels = dispatch.module("batch_norm")
    running_mean, running_var = (tensor.numpy() for tensor in _running(problem))
    n = problem.x.size // problem.channels

    def measured() -> Any:
        mean, var = kernels.statistics(problem.x)
        kernels.update_running(running_mean, running_var, mean, var, n=n, momentum=MOMENTUM)
        return mean, var

    return Sides(b=measured)


def update(problem: Problem) -> Sides:
    """Return the update of running statistics, which are those of the batch already."""
    kernels = dispatch.module("batch_norm")
    running_mean, running_var = (tensor.numpy() for tensor in _running(problem))
    n = problem.x.size // problem.channels
    mean, var = running_mean.copy(), running_var * ((n - 1) / n)

    def moved() -> Any:
        kernels.update_running(running_mean, running_var, mean, var, n=n, momentum=MOMENTUM)
        return running_mean, running_var

    return Sides(b=moved)
