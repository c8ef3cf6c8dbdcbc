"""One training step of a small MLP with BatchNorm, beside PyTorch eager."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

import minigrad as mg
from bench import peers
from bench.harness import Comparison, Settings, measure, quartiles, sample, validate
from bench.records import Row
from bench.targets import ratio_at_most
from minigrad.kernels import dispatch
from minigrad.nn import functional
from minigrad.typing import Array

__all__ = ["SIZES", "data", "minigrad_step", "run", "torch_step"]

SIZES = (784, 100, 100, 100, 10)
BATCH = 60
LR = 0.1
MOMENTUM = 0.9
EPS = 1e-5

_STEPS = 3  # compared with the reference
_TOLERANCE = 1e-4  # float32 beside float64, after so many steps
# Blocks of steps with idleness before each: threads of one library that still spin would slow
# the matrix products of the other.
_BLOCK_SECONDS = 0.05
_GAP = 0.05

Step = Callable[[], Any]
Parameters = dict[str, Array]


def data(batch: int) -> tuple[Array, Array]:
    """Return a batch of inputs, shape (batch, 784), and labels, shape (batch,)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, SIZES[0])).astype(np.float32)
    return x, rng.integers(0, SIZES[-1], batch)


def initial_parameters() -> Parameters:
    """Return the weights that both sides start from, under the names of the nets below."""
    rng = np.random.default_rng(1)
    parameters: Parameters = {}
    for number, (width, out) in enumerate(pairwise(SIZES)):
        weight = rng.standard_normal((out, width)) / np.sqrt(width)
        parameters[f"{3 * number}.weight"] = weight.astype(np.float32)
        if out == SIZES[-1]:
            parameters[f"{3 * number}.bias"] = np.zeros(out, np.float32)
        else:
            parameters[f"{3 * number + 1}.weight"] = np.ones(out, np.float32)
            parameters[f"{3 * number + 1}.bias"] = np.zeros(out, np.float32)
    return parameters


def _layers(nn: Any) -> list[Any]:
    """Return Linear, BatchNorm, Sigmoid, ..., Linear of either library.

    A Linear before a BatchNorm has no bias: the mean that is subtracted would take it away.
    """
    layers = []
    for width, out in pairwise(SIZES[:-1]):
        layers += [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out, eps=EPS), nn.Sigmoid()]
    return [*layers, nn.Linear(*SIZES[-2:])]


def minigrad_step(batch: int) -> tuple[Step, Callable[[], list[Array]]]:
    """Return a function that does one step, and one that returns the parameters."""
    values = {name: mg.tensor(value) for name, value in initial_parameters().items()}
    net = mg.nn.Sequential(*_layers(mg.nn))
    net.load_state_dict(values, strict=False)
    optimizer = mg.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    x, labels = (mg.tensor(array) for array in data(batch))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step, lambda: [param.detach().numpy() for param in net.parameters()]


def torch_step(batch: int) -> tuple[Step, Callable[[], list[Array]]]:
    """Return the same of PyTorch."""
    torch: Any = peers.torch()
    values = {name: torch.tensor(value) for name, value in initial_parameters().items()}
    net = torch.nn.Sequential(*_layers(torch.nn))
    net.load_state_dict(values, strict=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    x, labels = (torch.tensor(array) for array in data(batch))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step, lambda: [param.detach().numpy() for param in net.parameters()]


def reference_parameters(batch: int, steps: int) -> list[Array]:
    """Return the parameters after some steps, written out in NumPy in float64."""
    params = {name: value.astype(np.float64) for name, value in initial_parameters().items()}
    velocity: Parameters = {}
    x, labels = data(batch)
    one_hot = np.eye(SIZES[-1])[labels]
    last = 3 * (len(SIZES) - 2)
    for _ in range(steps):
        y = x.astype(np.float64)
        saved = []
        for number in range(0, last, 3):
            h = y @ params[f"{number}.weight"].T
            r = 1 / np.sqrt(h.var(axis=0) + EPS)
            x_hat = (h - h.mean(axis=0)) * r
            z = params[f"{number + 1}.weight"] * x_hat + params[f"{number + 1}.bias"]
            saved.append((number, y, x_hat, r))
            y = 1 / (1 + np.exp(-z))
        logits = y @ params[f"{last}.weight"].T + params[f"{last}.bias"]
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        dh = (exponents / exponents.sum(axis=1, keepdims=True) - one_hot) / batch
        grads = {f"{last}.weight": dh.T @ y, f"{last}.bias": dh.sum(axis=0)}
        dy = dh @ params[f"{last}.weight"]
        for number, below, x_hat, r in reversed(saved):
            dz = dy * y * (1 - y)
            g = dz * params[f"{number + 1}.weight"]
            dh = r * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))
            grads[f"{number + 1}.weight"] = (dz * x_hat).sum(axis=0)
            grads[f"{number + 1}.bias"] = dz.sum(axis=0)
            grads[f"{number}.weight"] = dh.T @ below
            dy, y = dh @ params[f"{number}.weight"], below
        for name, grad in grads.items():
            velocity[name] = MOMENTUM * velocity[name] + grad if name in velocity else grad
            params[name] = params[name] - LR * velocity[name]
    return list(params.values())


def run(settings: Settings) -> list[Row]:
    """Measure the step, and that parallel kernels do not slow the matrix products after them."""
    return [_step(settings), _alternation(settings)]


def _step(settings: Settings) -> Row:
    """Return the step's time; each side is checked once, on a net of its own."""
    ours = _checked(minigrad_step)
    peer = None if peers.torch() is None else _checked(torch_step)
    comparison = Comparison(
        f"{'-'.join(map(str, SIZES))}, batch {BATCH}",
        ours,
        peer,
        gap=_GAP,
        target=ratio_at_most(0.60),
    )
    return measure("mlp_step", comparison, _in_blocks(settings))


def _checked(build: Callable[[int], tuple[Step, Callable[[], list[Array]]]]) -> Step:
    """Return the step of a new net, after the first steps of another have proved right."""
    step, parameters = build(BATCH)
    for _ in range(_STEPS):
        step()
    got, want = (
        np.concatenate([array.ravel() for array in arrays])
        for arrays in (parameters(), reference_parameters(BATCH, _STEPS))
    )
    validate("mlp_step, parameters", got, want, _TOLERANCE)
    return build(BATCH)[0]


def _alternation(settings: Settings) -> Row:
    """Return a parallel kernel and a matrix product by turns, beside both on their own.

    Near 1 where idle workers sleep; many times that where they spin (GOMP_SPINCOUNT) and starve
    the threads of the product.
    """
    kernels = dispatch.module("batch_norm")
    x = np.random.default_rng(0).standard_normal((64, 16, 32, 32)).astype(np.float32)
    matrix = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    repeats = 20

    def kernel() -> None:
        for _ in range(repeats):
            kernels.forward_train(x, None, None, eps=EPS)

    def product() -> None:
        for _ in range(repeats):
            matrix @ matrix

    def by_turns() -> None:
        for _ in range(repeats):
            kernels.forward_train(x, None, None, eps=EPS)
            matrix @ matrix

    sides = {"by turns": by_turns, "kernel": kernel, "product": product}
    times = sample(sides, _in_blocks(settings), _GAP)
    alone = times["kernel"] + times["product"]
    low, middle, high = quartiles(times["by turns"] / alone)
    return Row(
        "mlp_step",
        f"{repeats} kernels and products by turns",
        "s",
        float(np.median(times["by turns"])),
        peer=float(np.median(alone)),
        peer_name="each on its own",
        ratio=middle,
        ratio_low=low,
        ratio_high=high,
        target=ratio_at_most(1.50),
    )


def _in_blocks(settings: Settings) -> Settings:
    """Return settings with longer blocks, unless they are for a quick check."""
    return settings if settings.rounds < 5 else replace(settings, seconds=_BLOCK_SECONDS)
