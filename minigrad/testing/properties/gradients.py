"""Properties of gradients: right at every order, however and for whomever they are computed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.tensor import Tensor
from minigrad.testing.complex_step import NotAnalyticError, check_analytic
from minigrad.testing.gradcheck import gradcheck
from minigrad.testing.higher_order import gradgradcheck
from minigrad.testing.opcase import OpCase, first_tensor
from minigrad.testing.properties.base import (
    Property,
    assert_close,
    assert_gradients_close,
    gradients,
    leaves,
    needs_gradient,
    recorded_nodes,
    require,
    run,
    upstream_of,
)

__all__ = ["PROPERTIES", "derivative"]

COMPOSITE_TOLERANCE = 1e-11
"""A kernel and its composite add in another order; nothing else differs."""
HIGHER_ORDER_TOLERANCE = 1e-5
"""Differences of derivatives that are themselves rounded."""


def _as_function(case: OpCase, seed: int) -> tuple[Callable[..., Tensor], list[Any]]:
    """Return the case as a function for gradcheck, and its inputs; constants are Tensors."""
    inputs = case.draw(seed)
    values = leaves(inputs, ())
    for position in case.wanted(inputs):
        values[position] = inputs[position]

    def function(*arguments: Any) -> Tensor:
        return case.call(arguments)

    return function, values


def _gradient(case: OpCase, seed: int) -> None:
    """Check that the gradient agrees with finite differences."""
    function, values = _as_function(case, seed)
    gradcheck(function, values, rtol=case.tolerance_gradient, seed=seed)


def _first_of_reference(case: OpCase) -> Callable[..., Any]:
    """Return the reference as a function with one result."""

    def reference(*arguments: Any) -> Any:
        result = case.reference(*arguments, **case.kwargs) if case.reference else None
        return result[0] if isinstance(result, tuple) else result

    return reference


def _not_analytic(case: OpCase) -> str:
    """Say why the reference cannot be differentiated by complex steps."""
    if not case.differentiable or case.reference is None:
        return needs_gradient(case) or "there is no reference"
    inputs = case.draw(0)
    wanted = case.wanted(inputs)
    for position in wanted:
        try:
            check_analytic(_first_of_reference(case), inputs, wanted, position, seed=0)
        except NotAnalyticError as error:
            return str(error).split(". ", maxsplit=1)[0]
    return ""


def _complex_step(case: OpCase, seed: int) -> None:
    """Check that the gradient agrees with complex steps of the reference, to rounding."""
    function, values = _as_function(case, seed)
    gradcheck(function, values, reference=_first_of_reference(case), seed=seed)


def _of_higher_order(order: int, case: OpCase, seed: int) -> None:
    """Check that derivatives of this order agree with finite differences of the order below."""
    function, values = _as_function(case, seed)
    tolerance = max(HIGHER_ORDER_TOLERANCE, case.tolerance_gradient)
    gradgradcheck(
        function,
        values,
        order=order,
        rtol=tolerance,
        max_elements=8 if order == 2 else 4,
        projections=8 if order == 2 else 2,
        seed=seed,
    )


def _no_higher_order(case: OpCase) -> str:
    if not case.higher_order:
        return "higher derivatives are zero or undefined by definition"
    return needs_gradient(case)


def derivative(order: int) -> Property:
    """Return the property that derivatives of an order, 2 or higher, are right."""
    return Property(f"order {order}", functools.partial(_of_higher_order, order), _no_higher_order)


def _create_graph(case: OpCase, seed: int) -> None:
    """Check that the rule on Tensors, or a fused op's composite, gives what it gives on arrays."""
    plain = run(case, case.draw(seed), seed)
    inputs = case.draw(seed)
    again = leaves(inputs, case.wanted(inputs))
    recorded = case.call(again)
    assert_close(recorded.array, plain.value, case.tolerance)
    recorded.backward(Tensor(plain.upstream), create_graph=True)
    found, expected = gradients(case, again), gradients(case, plain.arguments)
    for argument in again:  # the graph refers to these, and they to it: break the cycle
        if isinstance(argument, Tensor):
            argument.grad = None
    assert_gradients_close(found, expected, COMPOSITE_TOLERANCE, "under create_graph")


def _composite(case: OpCase, seed: int) -> None:
    """Check that the composite of a fused op computes the same value."""
    inputs = case.draw(seed)
    output = case.call(leaves(inputs, case.wanted(inputs)))
    for node in recorded_nodes(case, output):
        if node.op.composite is None:
            continue
        values: list[Any] = [None] * len(node.edges)
        for entry, value in zip(node.op.saves, node.saved or (), strict=True):
            if entry != "y":
                values[int(entry)] = value
        fused = node.op.forward(None, *values, **node.kwargs)
        composed = first_tensor(node.op.composite(None, *leaves(values, ()), **node.kwargs))
        value = np.asarray(fused[0] if isinstance(fused, tuple) else fused)
        assert_close(composed.array, value, COMPOSITE_TOLERANCE, f"composite of {node.op.__name__}")


def _nothing_fused(case: OpCase) -> str:
    if not case.differentiable:
        return needs_gradient(case)
    if case.op is not None:
        return "" if case.op.composite is not None else "the op is not fused"
    inputs = case.draw(0)
    nodes = recorded_nodes(case, case.call(leaves(inputs, case.wanted(inputs))))
    return "" if any(node.op.composite for node in nodes) else "no op is fused"


def _masks(case: OpCase, seed: int) -> None:
    """Check that whichever inputs require a gradient, theirs is right and others get none."""
    inputs = case.draw(seed)
    positions = case.wanted(inputs)
    plain = run(case, inputs, seed)
    desired = dict(zip(positions, gradients(case, plain.arguments), strict=True))
    for subset in _subsets(positions):
        some = leaves(case.draw(seed), subset)
        case.call(some).backward(plain.upstream.copy())
        found = [None if some[i].grad is None else some[i].grad.array for i in positions]
        expected = [desired[i] if i in subset else None for i in positions]
        what = f"where inputs {', '.join(map(str, subset))} require one"
        assert_gradients_close(found, expected, COMPOSITE_TOLERANCE, what)


def _subsets(positions: Sequence[int]) -> list[tuple[int, ...]]:
    sizes = range(1, len(positions) + 1)
    return [s for size in sizes for s in itertools.combinations(positions, size)]


def _one_input(case: OpCase) -> str:
    if not case.differentiable:
        return needs_gradient(case)
    return "" if len(case.wanted(case.draw(0))) > 1 else "one input alone gets a gradient"


def _accumulation(case: OpCase, seed: int) -> None:
    """Check that a second backward through the same graph doubles the gradient."""
    inputs = case.draw(seed)
    arguments = leaves(inputs, case.wanted(inputs))
    output = case.call(arguments)
    upstream = upstream_of(output, seed)
    output.backward(upstream.copy(), retain_graph=True)
    once = [None if g is None else g.copy() for g in gradients(case, arguments)]
    output.backward(upstream.copy())
    for number, gradient in enumerate(gradients(case, arguments)):
        single = once[number]
        if gradient is not None and single is not None:
            np.testing.assert_array_equal(gradient, 2.0 * single, f"gradient {number}")
        require((gradient is None) == (single is None), f"gradient {number} came or went")


PROPERTIES = (
    Property("gradient", _gradient, needs_gradient, repeats=True),
    Property("complex step", _complex_step, _not_analytic),
    derivative(2),
    derivative(3),
    Property("create_graph", _create_graph, needs_gradient),
    Property("composite", _composite, _nothing_fused),
    Property("masks", _masks, _one_input),
    Property("accumulation", _accumulation, needs_gradient),
)
