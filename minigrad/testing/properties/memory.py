"""Properties of memory and of recording: what is left alone, and what is whose."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.engine import Node, apply
from minigrad.grad_mode import no_grad
from minigrad.tensor import Tensor
from minigrad.testing.opcase import OpCase
from minigrad.testing.properties.base import (
    Property,
    gradients,
    leaves,
    needs_gradient,
    recorded_nodes,
    require,
    spied,
    upstream_of,
)
from minigrad.typing import Array

__all__ = ["PROPERTIES"]


def _mutation(case: OpCase, seed: int) -> None:
    """Check that inputs, upstream gradient and result are left as they are."""
    inputs = case.draw(seed)
    before = [v.copy() if isinstance(v, np.ndarray) else v for v in inputs]
    arguments = leaves(inputs, case.wanted(inputs))
    output = case.call(arguments)
    value = output.array.copy()
    for retain_graph in (True, False) if case.differentiable else ():
        upstream = upstream_of(output, seed)
        given = upstream.copy()
        output.backward(given, retain_graph=retain_graph)
        np.testing.assert_array_equal(given, upstream, "the upstream gradient was changed")
    for position, (actual, copy) in enumerate(zip(inputs, before, strict=True)):
        if isinstance(actual, np.ndarray):
            np.testing.assert_array_equal(actual, copy, f"input {position} was changed")
    np.testing.assert_array_equal(output.array, value, "backward changed the result")


def _memory(case: OpCase, seed: int) -> None:
    """Check that gradients share no memory, with each other or with anything given."""
    inputs = case.draw(seed)
    arguments = leaves(inputs, case.wanted(inputs))
    output = case.call(arguments)
    upstream = upstream_of(output, seed)
    output.backward(upstream)
    others = {f"input {i}": v for i, v in enumerate(inputs) if isinstance(v, np.ndarray)}
    others |= {"the upstream gradient": upstream, "the result": output.array}
    _apart({f"gradient {i}": g for i, g in enumerate(gradients(case, arguments))}, others)
    _fresh(case, seed)


def _fresh(case: OpCase, seed: int) -> None:
    """Check that what an op declares `fresh` shares none with anything that outlives its rule."""
    inputs = case.draw(seed)
    output = case.call(leaves(inputs, case.wanted(inputs)))
    for node in recorded_nodes(case, output):
        if not node.op.fresh:
            continue
        upstream = upstream_of(Tensor(np.empty(node.shape, node.dtype)), seed)
        results = node.op.backward(node, upstream, *node.saved or (), **node.kwargs)
        kept = {f"input {i}": v for i, v in enumerate(inputs) if isinstance(v, np.ndarray)}
        kept |= _arrays("saved", node.saved or ()) | _arrays("extra", node.extra or ())
        kept |= {"the upstream gradient": upstream, "the result": output.array}
        _apart(_arrays(f"{node.op.__name__}: gradient", results), kept)


def _arrays(name: str, values: Iterable[Any]) -> dict[str, Array]:
    return {f"{name} {i}": v for i, v in enumerate(values) if isinstance(v, np.ndarray)}


def _apart(found: Mapping[str, Array | None], others: dict[str, Array]) -> None:
    """Require that what was found shares no memory, with each other or with others."""
    arrays = {name: array for name, array in found.items() if array is not None}
    for name, array in arrays.items():
        require(array.flags.writeable, f"{name} is read-only")
        for other, memory in others.items():
            require(not np.shares_memory(array, memory), f"{name} shares memory with {other}")
    for (name, one), (other, two) in itertools.combinations(arrays.items(), 2):
        require(not np.shares_memory(one, two), f"{name} shares memory with {other}")


def _nodes(case: OpCase) -> list[Node]:
    inputs = case.draw(0)
    return recorded_nodes(case, case.call(leaves(inputs, case.wanted(inputs))))


def _worlds(case: OpCase, seed: int) -> None:
    """Check that on the arrays that the function calls its ops with, they return arrays."""
    inputs = case.draw(seed)
    ops = [case.op] if case.op is not None else [node.op for node in _nodes(case)]
    with spied(list(dict.fromkeys(ops))) as calls:
        case.call(leaves(inputs, case.wanted(inputs)))
    require(bool(calls), "the op was not called")
    for op, arguments, kwargs in list(calls):
        result = apply(op, *arguments, **kwargs)
        fields = result if isinstance(result, tuple) else [result]
        require(
            not any(isinstance(value, Tensor) for value in fields),
            f"{op.__name__}.forward returns a Tensor: call ops with apply, not public functions",
        )
        require(
            isinstance(fields[0], (np.ndarray, np.generic)),
            f"{op.__name__}.forward must return an array, got {type(fields[0]).__name__}",
        )


def _no_op(case: OpCase) -> str:
    if case.op is not None or not case.differentiable:
        return "" if case.op is not None else needs_gradient(case)
    return "" if _nodes(case) else "no op is recorded"


def _no_grad(case: OpCase, seed: int) -> None:
    """Check that under no_grad nothing is recorded."""
    inputs = case.draw(seed)
    with no_grad():
        output = case.call(leaves(inputs, case.wanted(inputs)))
    require(output.node is None, "the result is recorded")


PROPERTIES = (
    Property("mutation", _mutation),
    Property("memory", _memory, needs_gradient),
    Property("arrays", _worlds, _no_op),
    Property("no_grad", _no_grad),
)
