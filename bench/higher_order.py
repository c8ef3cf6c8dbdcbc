"""Derivatives of training BatchNorm above the first: how right they are, and what they cost.

For order 1, 2 and 3, the gradient of a derivative along a random direction of all inputs (x,
gamma, beta and the upstream gradient, so mixed derivatives are in it) is compared, in float64,
with Taylor series in extended precision. ``fused`` is the op that nets use, ``primitives`` the
same formula written with elementary ops. A report, not a contest: errors are what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from bench import peers
from bench.harness import Settings, sample
from bench.records import Row
from bench.taylor import gradient_of_derivative
from minigrad.ops.batch_norm import BatchNormTrain, batch_norm_train
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "INPUTS",
    "ORDERS",
    "Framework",
    "derivative",
    "draw",
    "minigrad_framework",
    "minigrad_fused",
    "minigrad_primitives",
    "pytorch_framework",
    "pytorch_fused",
    "pytorch_primitives",
    "relative_errors",
    "run",
]

ORDERS = (1, 2, 3)
EPS = 1e-3
SHAPE = (5, 2, 3)
"""Small: the reference takes one evaluation for each element."""
TIMED_SHAPE = (32, 32, 14, 14)

INPUTS = ("x", "gamma", "beta", "upstream")


class Framework(NamedTuple):
    """What is needed of a framework to differentiate again and again."""

    variable: Callable[[Array], Any]
    grad: Callable[[Any, Sequence[Any], bool], Sequence[Any]]
    """``grad(scalar, variables, create_graph)``; zeros for what does not depend."""
    array: Callable[[Any], Array]


def minigrad_framework() -> Framework:
    """Return what it takes to differentiate with minigrad."""

    def grad(scalar: Any, variables: Sequence[Any], create_graph: bool) -> Sequence[Any]:
        found = mg.grad(scalar, variables, create_graph=create_graph, allow_unused=True)
        return [mg.zeros_like(v) if g is None else g for g, v in zip(found, variables, strict=True)]

    return Framework(lambda a: Tensor(a.copy(), requires_grad=True), grad, np.asarray)


def pytorch_framework(torch: Any) -> Framework:
    """Return what it takes to differentiate with PyTorch."""

    def grad(scalar: Any, variables: Sequence[Any], create_graph: bool) -> Sequence[Any]:
        found = torch.autograd.grad(scalar, variables, create_graph=create_graph, allow_unused=True)
        return [
            torch.zeros_like(v) if g is None else g for g, v in zip(found, variables, strict=True)
        ]

    return Framework(
        lambda a: torch.from_numpy(a.copy()).requires_grad_(),
        grad,
        lambda t: np.asarray(t.detach().numpy()),
    )


def minigrad_fused(x: Any, gamma: Any, beta: Any) -> Any:
    """Return BatchNorm as nets use it."""
    return batch_norm_train(x, gamma, beta, eps=EPS).y


def minigrad_primitives(x: Any, gamma: Any, beta: Any) -> Any:
    """Return BatchNorm of elementary ops."""
    return BatchNormTrain.composite(None, x, gamma, beta, None, eps=EPS, relu=False)


def pytorch_fused(torch: Any) -> Callable[..., Any]:
    """Return `torch.nn.functional.batch_norm` in training."""
    normalise = torch.nn.functional.batch_norm
    return lambda x, gamma, beta: normalise(x, None, None, gamma, beta, True, 0.0, EPS)


def pytorch_primitives(torch: Any) -> Callable[..., Any]:
    """Return BatchNorm of PyTorch's elementary ops."""

    def normalise(x: Any, gamma: Any, beta: Any) -> Any:
        axes = (0, *range(2, x.ndim))
        along = (1, -1, *(1,) * (x.ndim - 2))
        deviation = x - x.mean(axes, keepdim=True)
        var = (deviation * deviation).mean(axes, keepdim=True)
        x_hat = deviation / torch.sqrt(var + EPS)
        return x_hat * gamma.reshape(along) + beta.reshape(along)

    return normalise


def draw(shape: tuple[int, ...]) -> tuple[list[Array], list[Array]]:
    """Return x, gamma, beta and the upstream gradient, and a direction of all four."""
    rng = np.random.default_rng(0)
    shapes = (shape, (shape[1],), (shape[1],), shape)
    inputs, directions = ([rng.normal(size=s) for s in shapes] for _ in "id")
    return inputs, directions


def derivative(
    framework: Framework,
    normalise: Callable[..., Any],
    inputs: Sequence[Array],
    directions: Sequence[Array],
    order: int,
) -> list[Array]:
    """Return what `bench.taylor.gradient_of_derivative` does, by differentiating again and again.

    Parameters
    ----------
    framework : Framework
    normalise : callable
        Training BatchNorm of x, gamma and beta in the framework.
    inputs, directions : sequence of ndarray
    order : int

    Returns
    -------
    list of ndarray
    """
    variables = [framework.variable(value) for value in inputs]
    along = [framework.variable(value) for value in directions]
    scalar = (variables[3] * normalise(*variables[:3])).sum()
    for _ in range(order - 1):
        gradients = framework.grad(scalar, variables, True)
        products = [(g * d).sum() for g, d in zip(gradients, along, strict=True)]
        scalar = products[0] + products[1] + products[2] + products[3]
    return [framework.array(g) for g in framework.grad(scalar, variables, False)]


def relative_errors(
    framework: Framework, normalise: Callable[..., Any], order: int
) -> dict[str, float]:
    """Return the largest error of each input's derivatives, relative to their largest.

    Parameters
    ----------
    framework : Framework
    normalise : callable
    order : int

    Returns
    -------
    dict of str to float
        For x, gamma, beta and upstream. Where the true derivatives vanish, as those by beta above
        the second order do, the error is relative to the largest of all inputs.
    """
    inputs, directions = draw(SHAPE)
    expected = gradient_of_derivative(inputs, directions, EPS, order)
    got = derivative(framework, normalise, inputs, directions, order)
    largest = max(float(np.max(np.abs(want))) for want in expected)
    errors = {}
    for name, result, want in zip(INPUTS, got, expected, strict=True):
        size = float(np.max(np.abs(want)))
        size = size if size > 1e-12 * largest else largest
        errors[name] = float(np.max(np.abs(result - want))) / size
    return errors


def run(settings: Settings) -> list[Row]:
    """Return a row for each order and way to write BatchNorm, and one for the cost."""
    torch = peers.torch()
    rows = []
    for order in ORDERS:
        for way, ours in (("fused", minigrad_fused), ("primitives", minigrad_primitives)):
            errors = relative_errors(minigrad_framework(), ours, order)
            row = Row(
                "higher_order",
                f"order {order}, {way}",
                "error",
                max(errors.values()),
                peer_name=peers.description(),
                note="largest relative error",
            )
            if torch is not None:
                theirs = (pytorch_fused if way == "fused" else pytorch_primitives)(torch)
                row.peer = max(relative_errors(pytorch_framework(torch), theirs, order).values())
            rows.append(row)
    rows.append(_cost(settings, torch))
    return rows


def _cost(settings: Settings, torch: Any) -> Row:
    """Return how much longer a gradient of the gradient takes than a forward and a backward."""
    sides = _steps("minigrad", minigrad_framework(), minigrad_fused)
    if torch is not None:
        sides |= _steps("peer", pytorch_framework(torch), pytorch_fused(torch))
    times = sample(sides, settings)
    row = Row(
        "higher_order",
        f"double backward, {TIMED_SHAPE}",
        "factor",
        float(np.median(times["minigrad second"] / times["minigrad first"])),
        peer_name=peers.description(),
        note="time over that of forward and backward",
    )
    if torch is not None:
        row.peer = float(np.median(times["peer second"] / times["peer first"]))
        row.ratio = row.ours / row.peer
    return row


def _steps(
    name: str, framework: Framework, normalise: Callable[..., Any]
) -> dict[str, Callable[[], Any]]:
    """Return forward and backward, and these with the gradient of the squared gradient."""
    values, _ = draw(TIMED_SHAPE)
    x, gamma, beta, dy = (framework.variable(v.astype(np.float32)) for v in values)

    def first() -> None:
        framework.grad((dy * normalise(x, gamma, beta)).sum(), [x, gamma, beta], False)

    def second() -> None:
        loss = (dy * normalise(x, gamma, beta)).sum()
        gradients = framework.grad(loss, [x, gamma, beta], True)
        framework.grad((gradients[0] * gradients[0]).sum(), [x, gamma, beta], False)

    return {f"{name} first": first, f"{name} second": second}
