"""PyTorch's functions for each operation; to be called where PyTorch is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import peers
from bench.batch_norm.problem import EPS, MOMENTUM, Problem, Sides

__all__ = [
    "backward",
    "evaluation",
    "evaluation_backward",
    "forward",
    "forward_into",
    "leaves",
    "running",
    "statistics",
    "update",
]

_ALL = [True, True, True]


def leaves(problem: Problem) -> list[Any]:
    """Return x, weight and bias as tensors that require gradients, strides and all."""
    torch: Any = peers.torch()
    arrays = (problem.x, problem.gamma, problem.beta)
    return [torch.from_numpy(array).detach().requires_grad_() for array in arrays]


def running(problem: Problem) -> list[Any]:
    """Return running statistics, of the dtype that PyTorch wants."""
    torch: Any = peers.torch()
    return [torch.from_numpy(values.copy()) for values in problem.running]


def _call(problem: Problem, training: bool) -> tuple[Callable[[], Any], list[Any]]:
    """Return the public function, recording a graph as in training, and its leaves."""
    torch: Any = peers.torch()
    x, weight, bias = inputs = leaves(problem)
    statistics = running(problem)

    def normalise() -> Any:
        return torch.nn.functional.batch_norm(x, *statistics, weight, bias, training, MOMENTUM, EPS)

    return normalise, inputs


def _into(problem: Problem, training: bool) -> Callable[[], Any]:
    """Return the kernel with given outputs."""
    torch: Any = peers.torch()
    inputs, statistics = leaves(problem), running(problem)
    arguments = (*inputs, *statistics, training, MOMENTUM, EPS)
    with torch.no_grad():
        outputs = torch.native_batch_norm(*arguments)

    def normalise() -> Any:
        with torch.no_grad():
            torch.native_batch_norm(*arguments, out=outputs)
        return outputs[0]

    return normalise


def _backward(problem: Problem, training: bool) -> Sides:
    """Return the gradients. None go into given outputs: (b) is the kernel without autograd."""
    torch: Any = peers.torch()
    normalise, inputs = _call(problem, training)
    y, dy = normalise(), torch.from_numpy(problem.dy)
    x, weight, bias = inputs
    statistics = running(problem)
    with torch.no_grad():
        _, *saved = torch.native_batch_norm(x, weight, bias, *statistics, training, MOMENTUM, EPS)

    def kernel() -> Any:
        with torch.no_grad():
            return torch.ops.aten.native_batch_norm_backward(
                dy, x, weight, *statistics, *saved, training, EPS, _ALL
            )

    return Sides(lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True), kernel)


def forward(problem: Problem) -> Sides:
    """Return training's forward pass."""
    return Sides(_call(problem, True)[0], forward_into(problem))


def forward_into(problem: Problem) -> Callable[[], Any]:
    """Return training's forward pass into memory that is used again."""
    return _into(problem, True)


def backward(problem: Problem) -> Sides:
    """Return training's backward pass."""
    return _backward(problem, True)


def evaluation(problem: Problem) -> Sides:
    """Return evaluation, without a graph."""
    torch: Any = peers.torch()
    normalise, _ = _call(problem, False)

    def without_graph() -> Any:
        with torch.no_grad():
            return normalise()

    return Sides(without_graph, _into(problem, False))


def evaluation_backward(problem: Problem) -> Sides:
    """Return the gradients of evaluation."""
    return _backward(problem, False)


def statistics(problem: Problem) -> Sides:
    """Return the statistics of the batch, which move the running ones."""
    torch: Any = peers.torch()
    x, moved = torch.from_numpy(problem.x), running(problem)
    return Sides(b=lambda: torch.batch_norm_update_stats(x, *moved, MOMENTUM))


def update(problem: Problem) -> Sides:
    """Return the update of running statistics as it is written in PyTorch."""
    running_mean, running_var = running(problem)
    n = problem.x.size // problem.channels
    mean, var = running_mean.clone(), running_var * ((n - 1) / n)

    def moved() -> Any:
        running_mean.lerp_(mean, MOMENTUM)
        running_var.lerp_(var * (n / (n - 1)), MOMENTUM)
        return running_mean, running_var

    return Sides(b=moved)
