"""BatchNorm, the sum with a residual and ReLU in one operation, and what it is compared with.

Two peers: PyTorch as it is written there, with the sum and ReLU in place, and the sequence of our
own ops. Values next to the kink of ReLU have no upstream gradient: on which side of it they are is
a matter of rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from bench import peers
from bench.batch_norm import ours, theirs
from bench.batch_norm.operation import Operation, Traffic
from bench.batch_norm.problem import EPS, Problem, Sides
from bench.batch_norm.speed import FUSED, UNFUSED
from minigrad import ops
from minigrad.kernels import dispatch
from minigrad.typing import Array

__all__ = ["ADD_RELU", "ADD_RELU_UNFUSED", "RELU", "RELU_UNFUSED"]

_KINK = 1e-3


@dataclass(frozen=True)
class _Expected:
    """The results in more digits; ``adds`` says whether there is a residual."""

    adds: bool

    def before_relu(self, problem: Problem) -> Array:
        y = problem.expected_forward.y
        return y + problem.wide.residual if self.adds else y

    def upstream(self, problem: Problem) -> Array:
        """Return the upstream gradient, 0 next to the kink."""
        dy = problem.dy.copy(order="K")
        dy[np.abs(self.before_relu(problem)) < _KINK] = 0.0
        return dy

    def forward(self, problem: Problem) -> Array:
        return np.asarray(np.maximum(self.before_relu(problem), 0.0))

    def backward(self, problem: Problem) -> tuple[Array, ...]:
        passed = np.where(self.before_relu(problem) > 0.0, self.upstream(problem), 0.0)
        gradients = problem.expected_gradients(passed)
        return (*gradients, passed) if self.adds else tuple(gradients)

    def step(self, problem: Problem) -> tuple[Array, ...]:
        return self.backward(problem)

    def evaluation(self, problem: Problem) -> Array:
        y = problem.expected_evaluation
        return np.asarray(np.maximum(y + problem.wide.residual if self.adds else y, 0.0))


@dataclass(frozen=True)
class _Ours:
    """minigrad, fused or as a sequence of ops."""

    adds: bool
    fused: bool

    def _leaves(self, problem: Problem) -> list[mg.Tensor]:
        residual = mg.as_tensor(problem.residual).detach().requires_grad_()
        return [*ours.leaves(problem), *([residual] if self.adds else [])]

    def _upstream(self, problem: Problem) -> Array:
        return _Expected(self.adds).upstream(problem)

    def _call(self, x: Any, weight: Any, bias: Any, residual: Any = None) -> Any:
        if self.fused:
            return ops.batch_norm_train(x, weight, bias, residual, relu=True, eps=EPS).y
        y = ops.batch_norm_train(x, weight, bias, eps=EPS).y
        return ops.relu(y if residual is None else y + residual)

    def forward(self, problem: Problem) -> Sides:
        kernels = dispatch.module("batch_norm")
        p, inputs = problem, self._leaves(problem)
        residual, mask = p.residual if self.adds else None, kernels.empty_mask(p.x)
        return Sides(
            lambda: self._call(*inputs),
            lambda: kernels.forward_train(p.x, p.gamma, p.beta, residual, eps=EPS, mask=mask).y,
        )

    def backward(self, problem: Problem) -> Sides:
        inputs, dy = self._leaves(problem), self._upstream(problem)
        y, upstream = self._call(*inputs), mg.as_tensor(dy)
        return Sides(
            lambda: mg.grad(y, inputs, upstream, retain_graph=True),
            self._backward_kernel(problem, dy),
        )

    def _backward_kernel(self, problem: Problem, dy: Array) -> Callable[[], Any]:
        kernels = dispatch.module("batch_norm")
        p = problem
        residual, mask = p.residual if self.adds else None, kernels.empty_mask(p.x)
        _, mean, _, inv_std = kernels.forward_train(
            p.x, p.gamma, p.beta, residual, eps=EPS, mask=mask
        )
        dresidual = np.empty_like(p.x) if self.adds else None

        def gradients() -> Any:
            found = kernels.backward_train(
                dy, p.x, mean, inv_std, p.gamma, mask=mask, masked_dy=dresidual
            )
            return tuple(found) if dresidual is None else (*found, dresidual)

        return gradients

    def step(self, problem: Problem) -> Sides:
        inputs, upstream = self._leaves(problem), mg.as_tensor(self._upstream(problem))
        return Sides(lambda: mg.grad(self._call(*inputs), inputs, upstream))

    def evaluation(self, problem: Problem) -> Sides:
        kernels = dispatch.module("batch_norm")
        p = problem
        x, weight, bias, *added = self._leaves(problem)
        residual, mask = added[0] if added else None, kernels.empty_mask(p.x)
        mean, var = p.running

        def public() -> Any:
            with mg.no_grad():
                if self.fused:
                    return ops.batch_norm_eval(
                        x, mean, var, weight, bias, residual, relu=True, eps=EPS
                    )
                y = ops.batch_norm_eval(x, mean, var, weight, bias, eps=EPS)
                return ops.relu(y if residual is None else y + residual)

        plain = p.residual if self.adds else None
        return Sides(
            public,
            lambda: kernels.forward_eval(
                p.x, mean, var, p.gamma, p.beta, plain, eps=EPS, mask=mask
            ),
        )


@dataclass(frozen=True)
class _Theirs:
    """PyTorch: batch_norm, add_, relu_. There is no sequence into given outputs for gradients."""

    adds: bool

    def _leaves(self, problem: Problem) -> list[Any]:
        torch: Any = peers.torch()
        residual = torch.from_numpy(problem.residual).detach().requires_grad_()
        return [*theirs.leaves(problem), *([residual] if self.adds else [])]

    def _upstream(self, problem: Problem) -> Any:
        torch: Any = peers.torch()
        return torch.from_numpy(_Expected(self.adds).upstream(problem))

    def _call(self, inputs: list[Any], running: list[Any] | None = None) -> Any:
        torch: Any = peers.torch()
        x, weight, bias, *residual = inputs
        mean, var = running or (None, None)
        y = torch.nn.functional.batch_norm(x, mean, var, weight, bias, running is None, 0.0, EPS)
        return torch.relu_(y.add_(residual[0]) if residual else y)

    def forward(self, problem: Problem) -> Sides:
        torch: Any = peers.torch()
        inputs, normalise = self._leaves(problem), theirs.forward_into(problem)

        def kernels() -> Any:
            y = normalise()
            with torch.no_grad():
                return torch.relu_(y.add_(inputs[3]) if self.adds else y)

        return Sides(lambda: self._call(inputs), kernels)

    def backward(self, problem: Problem) -> Sides:
        torch: Any = peers.torch()
        inputs, dy = self._leaves(problem), self._upstream(problem)
        y = self._call(inputs)
        return Sides(lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True))

    def step(self, problem: Problem) -> Sides:
        torch: Any = peers.torch()
        inputs, dy = self._leaves(problem), self._upstream(problem)
        return Sides(lambda: torch.autograd.grad(self._call(inputs), inputs, dy))

    def evaluation(self, problem: Problem) -> Sides:
        torch: Any = peers.torch()
        inputs, running = self._leaves(problem), theirs.running(problem)

        def without_graph() -> Any:
            with torch.no_grad():
                return self._call(inputs, running)

        return Sides(without_graph)


def _operations(adds: bool, peer: _Ours | _Theirs, suffix: str = "") -> tuple[Operation, ...]:
    """Return the fused operations beside a peer."""
    fused, expected = _Ours(adds, fused=True), _Expected(adds)
    name = f"{FUSED}{'add+' * adds}ReLU"
    more = int(adds)  # the residual is read, its gradient is written
    parts = {
        "forward": Traffic(3 + more, 2 + more),
        "backward": Traffic(5 + more, 3 + more),
        "step": None,  # is both
        "evaluation": Traffic(2 + more, 2 + more),
    }
    return tuple(
        Operation(
            f"{name} {part}{suffix}",
            traffic,
            getattr(fused, part),
            getattr(peer, part),
            getattr(expected, part),
            peer_name="unfused" if suffix else "",
        )
        for part, traffic in parts.items()
    )


RELU = _operations(False, _Theirs(False))
"""BN+ReLU beside PyTorch: forward, backward, both in one, evaluation."""

ADD_RELU = _operations(True, _Theirs(True))
"""BN+add+ReLU beside PyTorch."""

RELU_UNFUSED = _operations(False, _Ours(False, fused=False), f" {UNFUSED}")
"""BN+ReLU beside our own ops."""

ADD_RELU_UNFUSED = _operations(True, _Ours(True, fused=False), f" {UNFUSED}")
"""BN+add+ReLU beside our own ops."""
