"""What a property is, and how its check calls the function of a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Node, Op
from minigrad.tensor import Tensor
from minigrad.testing.opcase import OpCase, is_float
from minigrad.typing import Array

__all__ = [
    "Property",
    "Ran",
    "assert_close",
    "assert_gradients_close",
    "cast",
    "gradients",
    "leaves",
    "needs_gradient",
    "recorded_nodes",
    "require",
    "run",
    "spied",
    "upstream_of",
]


@dataclass(frozen=True)
class Property:
    """One promise of an op.

    Attributes
    ----------
    name : str
    check : callable
        ``check(case, seed)`` raises, mostly AssertionError, if the promise is broken for the
        inputs that the case draws with that seed.
    not_applicable : callable
        ``not_applicable(case)`` says why there is nothing to check; "" where there is.
    repeats : bool
        Whether the check is worth repeating for other inputs.
    """

    name: str
    check: Callable[[OpCase, int], None]
    not_applicable: Callable[[OpCase], str] = lambda case: ""
    repeats: bool = False

    def __repr__(self) -> str:
        return f"Property({self.name!r})"


def needs_gradient(case: OpCase) -> str:
    """Say why properties of gradients do not apply."""
    return "" if case.differentiable else "the function is not differentiable"


def require(condition: bool, message: str) -> None:
    """Raise AssertionError unless ``condition`` holds."""
    if not condition:
        raise AssertionError(message)


def leaves(inputs: Sequence[Any], positions: Sequence[int]) -> list[Any]:
    """Return Tensors for all arrays; those at ``positions`` require a gradient."""
    return [
        Tensor(v, requires_grad=i in positions) if isinstance(v, np.ndarray) else v
        for i, v in enumerate(inputs)
    ]


def cast(inputs: Sequence[Any], dtype: type[np.floating[Any]]) -> list[Any]:
    """Return the inputs with floating arrays of another dtype."""
    return [v.astype(dtype) if is_float(v) else v for v in inputs]


def upstream_of(output: Tensor, seed: int) -> Array:
    """Return a random upstream gradient."""
    draw = np.random.default_rng([seed, 1]).standard_normal(output.shape)
    return np.asarray(draw, dtype=output.dtype)


class Ran(NamedTuple):
    """A forward and a backward pass."""

    value: Array
    """A copy of the result, from before the backward pass."""
    arguments: list[Any]
    upstream: Array
    """The upstream gradient; backward was handed a copy."""


def run(case: OpCase, inputs: Sequence[Any], seed: int) -> Ran:
    """Run forward and backward, so that what the one changes does not touch the other."""
    arguments = leaves(inputs, case.wanted(inputs))
    output = case.call(arguments)
    value = output.array.copy()
    upstream = upstream_of(output, seed)
    output.backward(upstream.copy())
    return Ran(value, arguments, upstream)


def gradients(case: OpCase, arguments: Sequence[Any]) -> list[Array | None]:
    """Return the gradient of each argument that gets one."""
    positions = case.wanted([a.array if isinstance(a, Tensor) else a for a in arguments])
    found = (arguments[position].grad for position in positions)
    return [None if gradient is None else gradient.array for gradient in found]


def assert_close(actual: Array, desired: Array, tolerance: float, what: str = "value") -> None:
    """Compare relative to the largest desired value; NaN and infinities must agree exactly."""
    require(
        actual.shape == desired.shape,
        f"the {what} must have shape {desired.shape}, got {actual.shape}",
    )
    finite = np.isfinite(desired)
    largest = float(np.max(np.abs(desired[finite]), initial=0.0)) if desired.size else 0.0
    np.testing.assert_allclose(
        actual, desired, rtol=tolerance, atol=tolerance * largest, err_msg=what
    )


def assert_gradients_close(
    actual: Sequence[Array | None],
    desired: Sequence[Array | None],
    tolerance: float,
    what: str = "",
) -> None:
    """Compare one gradient each; None, for an input on which nothing depends, with None."""
    for number, (one, other) in enumerate(zip(actual, desired, strict=True)):
        require(
            (one is None) == (other is None),
            f"gradient {number} {what}: expected {'none' if other is None else 'one'}, "
            f"got {'none' if one is None else 'one'}",
        )
        if one is not None and other is not None:
            assert_close(one, other, tolerance, f"gradient {number} {what}")


def recorded_nodes(case: OpCase, output: Tensor) -> list[Node]:
    """Return what was recorded behind ``output``: of the op of the case, or if it names none, all.

    Raises
    ------
    AssertionError
        If the case names an op that was not recorded.
    """
    found: dict[Node, None] = {}
    stack = [output.node]
    while stack:
        node = stack.pop()
        if node is not None and node not in found:
            found[node] = None
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    nodes = [node for node in found if case.op is None or node.op is case.op]
    require(
        bool(nodes) or case.op is None,
        f"the function does not record {case.op.__name__ if case.op else ''}",
    )
    return nodes


@contextmanager
def spied(ops: Sequence[type[Op]]) -> Iterator[list[tuple[type[Op], tuple[Any, ...], Any]]]:
    """Note each call of the forward of some ops: the op, its arrays, its hyperparameters."""
    calls: list[tuple[type[Op], tuple[Any, ...], Any]] = []

    def spy(op: type[Op], forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(ctx: Node | None, *inputs: Any, **kwargs: Any) -> Any:
            calls.append((op, inputs, kwargs))
            return forward(ctx, *inputs, **kwargs)

        return noted

    own = {op: op.__dict__.get("forward") for op in ops}
    try:
        for op in ops:
            setattr(op, "forward", staticmethod(spy(op, op.forward)))  # noqa: B010 - a ClassVar
        yield calls
    finally:
        for op, forward in own.items():
            if forward is None:
                delattr(op, "forward")
            else:
                setattr(op, "forward", forward)  # noqa: B010 - a ClassVar
