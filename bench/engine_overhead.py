"""Python's share of an op, forward and backward: seconds beyond the bare NumPy calls, on 8x8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from bench import peers
from bench.harness import Comparison, Settings, measure, sample, validate
from bench.records import Row
from bench.targets import seconds_at_most
from minigrad.typing import Array

__all__ = ["run"]

_LENGTH = 100  # ops in a chain
_TOLERANCE = 1e-4  # float32 through a chain
_TARGET = seconds_at_most(3e-6, "beyond NumPy")
_LAYERS = 1000
_DEPTH = 100_000


@dataclass(frozen=True)
class _Case:
    """An op, and the NumPy calls that it and its gradient rule make.

    ``weight`` is a constant; ``rule(dy, y, weight)`` returns the gradient of ``x``.
    """

    name: str
    op: Callable[[Any, Any], Any]
    bare: Callable[[Array, Array], Array]
    rule: Callable[[Array, Array, Array], Array]


_CASES = (
    _Case("add", lambda x, w: x + w, lambda x, w: x + w, lambda dy, y, w: dy),
    _Case("mul", lambda x, w: x * w, lambda x, w: x * w, lambda dy, y, w: dy * w),
    _Case(
        "sqrt",
        lambda x, w: mg.sqrt(x),
        lambda x, w: np.sqrt(x),
        lambda dy, y, w: dy * 0.5 / y,
    ),
    _Case(
        "tanh",
        lambda x, w: mg.tanh(x),
        lambda x, w: np.tanh(x),
        lambda dy, y, w: dy * (1.0 - y * y),
    ),
    _Case(
        "matmul",
        lambda x, w: x @ w,
        lambda x, w: x @ w,
        lambda dy, y, w: dy @ w.T,
    ),
)


def run(settings: Settings) -> list[Row]:
    """Measure single ops, then deep chains of them."""
    rows = [row for case in _CASES for row in _overhead(case, settings)]
    return [*rows, _layers(settings), _deep(settings)]


def _overhead(case: _Case, settings: Settings) -> list[Row]:
    rng = np.random.default_rng(0)
    start = rng.uniform(0.5, 1.0, (8, 8)).astype(np.float32)
    orthogonal, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    weight = orthogonal.astype(np.float32)
    upstream = rng.standard_normal((8, 8)).astype(np.float32)
    x = mg.tensor(start, requires_grad=True)
    w, dy = mg.tensor(weight), mg.tensor(upstream)

    def forward() -> Any:
        y = x
        for _ in range(_LENGTH):
            y = case.op(y, w)
        return y

    def bare_forward() -> list[Array]:
        outputs = [start]
        for _ in range(_LENGTH):
            outputs.append(case.bare(outputs[-1], weight))
        return outputs

    end, outputs = forward(), bare_forward()

    def backward() -> Any:
        return mg.grad(end, x, dy, retain_graph=True)[0]

    def bare_backward() -> Array:
        gradient = upstream
        for y in reversed(outputs[1:]):
            gradient = case.rule(gradient, y, weight)
        return gradient

    validate(f"{case.name}, forward", end, outputs[-1], _TOLERANCE)
    validate(f"{case.name}, backward", backward(), bare_backward(), _TOLERANCE)
    rows = []
    for direction, ours, bare in (
        ("forward", forward, bare_forward),
        ("backward", backward, bare_backward),
    ):
        times = sample({"ours": ours, "bare": bare}, settings)
        beyond = float(np.median(times["ours"] - times["bare"])) / _LENGTH
        rows.append(
            Row(
                "engine_overhead",
                f"{case.name}, {direction}",
                "s",
                float(np.median(times["ours"])) / _LENGTH,
                peer=float(np.median(times["bare"])) / _LENGTH,
                peer_name="NumPy",
                target=_TARGET,
                extra={"beyond NumPy": beyond},
            )
        )
    return rows


def _layers(settings: Settings) -> Row:
    """Return forward and backward through 1000 layers of 8 units, beside PyTorch."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((8, 8)).astype(np.float32)
    orthogonal, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    weight = orthogonal.astype(np.float32)

    def through(x: Any, w: Any, tanh: Any) -> Any:
        y = x
        for _ in range(_LAYERS):
            y = tanh(y @ w)
        y.sum().backward()
        gradient, x.grad = x.grad, None
        return gradient

    x, w = mg.tensor(start, requires_grad=True), mg.tensor(weight)
    peer = None
    torch = peers.torch()
    if torch is not None:
        theirs, their_w = torch.tensor(start, requires_grad=True), torch.tensor(weight)
        peer = partial(through, theirs, their_w, torch.tanh)

    def reference() -> Array:
        outputs = [start.astype(np.float64)]
        for _ in range(_LAYERS):
            outputs.append(np.tanh(outputs[-1] @ orthogonal))
        gradient = np.ones((8, 8))
        for y in reversed(outputs[1:]):
            gradient = (gradient * (1.0 - y * y)) @ orthogonal.T
        return gradient

    comparison = Comparison(
        f"{_LAYERS} layers, step",
        partial(through, x, w, mg.tanh),
        peer,
        reference,
        tolerance=1e-2,  # rounding of float32 through a thousand layers
    )
    return measure("engine_overhead", comparison, settings)


def _deep(settings: Settings) -> Row:
    """Return forward and backward through a chain of 100 000 ops, beside PyTorch."""
    start = np.ones((8, 8), np.float32)

    def through(x: Any) -> Any:
        y = x
        for _ in range(_DEPTH):
            y = y * 1.0
        y.sum().backward()
        gradient, x.grad = x.grad, None
        return gradient

    x = mg.tensor(start, requires_grad=True)
    peer = None
    torch = peers.torch()
    if torch is not None:
        theirs = torch.tensor(start, requires_grad=True)
        peer = partial(through, theirs)
    few = replace(settings, rounds=min(settings.rounds, 5), warm_up=1)
    comparison = Comparison(f"depth {_DEPTH}, step", partial(through, x), peer, lambda: start)
    return measure("engine_overhead", comparison, few)
