"""BatchNorm in training, forward and backward, beside PyTorch and beside a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minigrad as mg
from bench import peers
from bench.harness import Comparison, Settings, measure
from bench.records import Row
from minigrad.kernels import dispatch
from minigrad.kernels.reference import batch_norm as reference
from minigrad.nn import functional
from minigrad.typing import Array, Shape

__all__ = ["SHAPES", "run"]

SHAPES: tuple[tuple[Shape, bool], ...] = (
    ((60, 100), False),
    ((256, 100), False),
    ((8, 512, 4, 4), False),
    ((64, 64, 8, 8), False),
    ((64, 16, 32, 32), False),
    ((64, 64, 32, 32), False),
    ((64, 64, 32, 32), True),
    ((128, 256, 16, 16), False),
)
"""Shapes of x, and whether channels are last in memory."""

_EPS = 1e-5
_MOMENTUM = 0.1
_TOLERANCE = 1e-4  # float32 beside the reference in float64; PyTorch's sums are in float32
_GAP = 0.005  # lets the threads of the other side fall asleep
_TARGETS = {"forward": "at most 0.50", "backward": "at most 0.83"}
_TARGET_BYTES = 200_000  # the targets hold above this size


class _Problem:
    """One shape: the arrays, and each side's functions."""

    def __init__(self, shape: Shape, channels_last: bool) -> None:
        rng = np.random.default_rng(0)
        self.x, self.dy = (
            _in_memory_order(rng.standard_normal(shape).astype(np.float32), channels_last)
            for _ in range(2)
        )
        channels = shape[1]
        self.gamma = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        self.beta = rng.standard_normal(channels).astype(np.float32)
        self.channels = channels
        layout = ", channels last" if channels_last else ""
        self.name = f"{shape}{layout}, {self.x.nbytes / 1e6:.1f} MB"

    def expected(self) -> tuple[Array, tuple[Array, Array, Array]]:
        """Return the output and the gradients of the reference, in float64."""
        x, dy, gamma, beta = (
            array.astype(np.float64) for array in (self.x, self.dy, self.gamma, self.beta)
        )
        y, mean, _, inv_std = reference.forward_train(x, gamma, beta, eps=_EPS)
        dx, dgamma, dbeta = reference.backward_train(dy, x, mean, inv_std, gamma)
        return y, _present(dx, dgamma, dbeta)


def _present(*arrays: Array | None) -> Any:
    return tuple(array for array in arrays if array is not None)


def _in_memory_order(x: Array, channels_last: bool) -> Array:
    if not channels_last:
        return x
    # (N, C, H, W) with the strides of (N, H, W, C)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def run(settings: Settings) -> list[Row]:
    """Measure each shape: (a) public functions, (b) kernels into memory that is used again."""
    return [
        row
        for shape, channels_last in SHAPES
        for comparison in _comparisons(_Problem(shape, channels_last))
        for row in [measure("batch_norm", comparison, settings)]
    ]


def _comparisons(problem: _Problem) -> Iterator[Comparison]:
    size = problem.x.nbytes
    expected_y, expected_gradients = problem.expected()
    ours = _minigrad(problem)
    theirs = _torch(problem)
    for direction, expected, least, footprint in (
        # Least traffic: x twice and y; x and dy twice and dx.
        ("forward", expected_y, 3 * size, 2 * size),
        ("backward", expected_gradients, 5 * size, 3 * size),
    ):
        for row in ("a", "b"):
            key = f"{direction} ({row})"
            is_target = row == "a" and size > _TARGET_BYTES
            yield Comparison(
                f"{problem.name}, {key}",
                ours[key],
                theirs.get(key),
                _constant(expected),
                tolerance=_TOLERANCE,
                least_bytes=least,
                footprint=footprint,
                gap=_GAP,
                target=_TARGETS[direction] if is_target else "",
            )


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _minigrad(problem: _Problem) -> dict[str, Callable[[], Any]]:
    kernels = dispatch.module("batch_norm")
    x, dy = problem.x, problem.dy
    gamma, beta = (mg.tensor(a, requires_grad=True) for a in (problem.gamma, problem.beta))
    x_leaf = mg.as_tensor(x).detach().requires_grad_()
    running_mean, running_var = mg.zeros(problem.channels), mg.ones(problem.channels)
    _, mean, _, inv_std = kernels.forward_train(x, problem.gamma, problem.beta, eps=_EPS)

    def forward() -> Any:
        return functional.batch_norm(
            x_leaf, running_mean, running_var, gamma, beta, True, _MOMENTUM, _EPS
        )

    def forward_only() -> Any:
        with mg.no_grad():
            return forward()

    y = forward()
    upstream = mg.as_tensor(dy)
    return {
        "forward (a)": forward_only,
        "backward (a)": lambda: mg.grad(y, [x_leaf, gamma, beta], upstream, retain_graph=True),
        # Large outputs come from the pool, so each call has the memory of the one before.
        "forward (b)": lambda: kernels.forward_train(x, problem.gamma, problem.beta, eps=_EPS).y,
        "backward (b)": lambda: tuple(kernels.backward_train(dy, x, mean, inv_std, problem.gamma)),
    }


def _torch(problem: _Problem) -> dict[str, Callable[[], Any]]:
    """Return PyTorch's functions; none if it is not installed."""
    torch = peers.torch()
    if torch is None:
        return {}
    x_leaf = torch.from_numpy(problem.x).detach().requires_grad_()
    dy = torch.from_numpy(problem.dy)
    leaves = [torch.tensor(a, requires_grad=True) for a in (problem.gamma, problem.beta)]
    running = [torch.zeros(problem.channels), torch.ones(problem.channels)]

    def forward() -> Any:
        return torch.nn.functional.batch_norm(x_leaf, *running, *leaves, True, _MOMENTUM, _EPS)

    def forward_only() -> Any:
        with torch.no_grad():
            return forward()

    y = forward()
    with torch.no_grad():
        outputs = torch.native_batch_norm(x_leaf, *leaves, *running, True, _MOMENTUM, _EPS)

    def forward_into() -> Any:
        with torch.no_grad():
            torch.native_batch_norm(x_leaf, *leaves, *running, True, _MOMENTUM, _EPS, out=outputs)
        return outputs[0]

    def backward_kernel() -> Any:
        # PyTorch has no backward into given outputs; this is its kernel without autograd.
        with torch.no_grad():
            return torch.ops.aten.native_batch_norm_backward(
                dy, x_leaf, leaves[0], *running, *outputs[1:], True, _EPS, [True, True, True]
            )

    return {
        "forward (a)": forward_only,
        "backward (a)": lambda: torch.autograd.grad(y, [x_leaf, *leaves], dy, retain_graph=True),
        "forward (b)": forward_into,
        "backward (b)": backward_kernel,
    }
