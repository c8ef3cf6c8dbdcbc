"""The backward pass: how gradients flow back through what the engine recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.grad_mode import state
from minigrad.hooks import GradientHooks, leaf_hooks
from minigrad.registry import FUNCTIONS, public
from minigrad.tensor import Tensor, _wrap
from minigrad.typing import Array, Shape
from minigrad.upstream import as_tensors, seeds_of, upstream_gradients

__all__ = ["Alias", "backward", "collect_nodes", "grad", "unbroadcast"]

_by_sequence = attrgetter("sequence")


@public
def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Accumulate the gradient of ``tensors`` into the ``grad`` of every leaf that they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        What to differentiate; each must require a gradient.
    grad_tensors : Tensor, ndarray or sequence of them, optional
        The upstream gradient of each, of its shape. May be absent for Tensors of one element.
    retain_graph : bool, optional
        Keep what was saved, so that backward can run again. Default: ``create_graph``.
    create_graph : bool
        Record the backward pass itself, for gradients of gradients.

    Raises
    ------
    AutogradError
        If nothing requires a gradient, the graph was already freed, or something that was saved
        has been changed in place. No ``grad`` is changed then.
    ShapeError, DTypeError
        If an upstream gradient does not fit.
    """
    roots = as_tensors("backward: tensors", tensors)
    seeds = seeds_of(roots, upstream_gradients(grad_tensors, len(roots)), create_graph)
    gradients, owned = _run(seeds, None, _retain(retain_graph, create_graph), create_graph)
    leaves = [edge for edge in gradients if isinstance(edge, Tensor)]
    for leaf in leaves:
        gradient = gradients[leaf]
        _accumulate_leaf(leaf, gradient, create_graph, id(gradient) in owned)
    for leaf in leaves:
        hooks = leaf_hooks(leaf)
        for hook in () if hooks is None else tuple(hooks.after.values()):
            hook(leaf)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradient of ``outputs`` with respect to ``inputs``; no leaf's ``grad`` is touched.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
    inputs : Tensor or sequence of Tensor
        Leaves or intermediate results; each must require a gradient.
    grad_outputs : Tensor, ndarray or sequence of them, optional
        The upstream gradient of each output. May be absent for outputs of one element.
    retain_graph : bool, optional
        Keep what was saved. Default: ``create_graph``.
    create_graph : bool
        Return Tensors that can themselves be differentiated.
    allow_unused : bool
        Return None for an input on which no output depends, instead of raising.

    Returns
    -------
    tuple of Tensor
        One per input, of its shape and dtype.

    Raises
    ------
    AutogradError
        As `backward`; also if an input is unused and ``allow_unused`` is False.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (slope,) = mg.grad(x**3, x, create_graph=True)
    >>> mg.grad(slope, x)
    (tensor(18.),)
    """
    roots = as_tensors("grad: outputs", outputs)
    wanted = as_tensors("grad: inputs", inputs)
    for position, tensor in enumerate(wanted):
        if not tensor._requires_grad:
            raise AutogradError(
                f"grad: input {position} does not require a gradient; "
                "create it with requires_grad=True before it is used"
            )
    seeds = seeds_of(roots, upstream_gradients(grad_outputs, len(roots)), create_graph)
    targets = {tensor.node or tensor for tensor in wanted}
    gradients, owned = _run(seeds, targets, _retain(retain_graph, create_graph), create_graph)
    results: list[Tensor | None] = []
    for position, tensor in enumerate(wanted):
        gradient = gradients.get(tensor.node or tensor)
        if gradient is None and not allow_unused:
            raise AutogradError(
                f"grad: no output depends on input {position}, of shape {tensor.shape}; "
                "pass allow_unused=True to get None for it"
            )
        if gradient is None or isinstance(gradient, Tensor):
            results.append(gradient)
        elif id(gradient) in owned:
            owned.remove(id(gradient))  # an input that is listed again gets a copy
            results.append(_wrap(gradient))
        else:
            results.append(_wrap(gradient.copy()))
    return tuple(results)


def _retain(retain_graph: bool | None, create_graph: bool) -> bool:
    return create_graph if retain_graph is None else retain_graph


def _run(
    seeds: list[tuple[Node | Tensor, Any]],
    targets: set[Node | Tensor] | None,
    retain_graph: bool,
    create_graph: bool,
    stop: frozenset[Node] = frozenset(),
) -> tuple[dict[Node | Tensor, Any], set[int]]:
    """Propagate the seeds back through the graph.

    Parameters
    ----------
    targets : set or None
        Only the gradients of these are wanted; None: those of all leaves.
    stop : frozenset of Node
        Targets beyond which nothing is looked at.

    Returns
    -------
    gradients : dict
        For the targets (for all leaves if there are none): arrays, or Tensors under create_graph.
    owned : set of int
        The ``id`` of each gradient that only this dictionary refers to.
    """
    nodes = collect_nodes([edge for edge, _ in seeds], stop)
    needs = None if targets is None else _useful(nodes, targets)
    _check_saved(nodes, needs, stop)
    gradients: dict[Node | Tensor, Any] = {}
    owned: set[int] = set()
    for edge, seed in seeds:
        if edge in gradients:
            _add(gradients, owned, edge, seed, None)
        else:
            gradients[edge] = seed

    before, state.recording = state.recording, create_graph
    anomaly = state.anomaly
    try:
        for node in nodes:
            keep = targets is not None and node in targets
            dy = gradients.get(node) if keep else gradients.pop(node, None)
            if dy is None or node in stop:
                continue
            owned.discard(id(dy))  # from here on the rule may hand it to several inputs
            if node.hooks is not None:
                dy = _hooked(node.hooks, dy, create_graph)
                if keep:
                    gradients[node] = dy
            if needs is None:
                _propagate(node, dy, gradients, owned, create_graph, anomaly)
            elif True in needs[node]:
                all_needs, node.needs = node.needs, needs[node]
                try:
                    _propagate(node, dy, gradients, owned, create_graph, anomaly)
                finally:
                    node.needs = all_needs
            else:  # a target whose own history was not asked for, and can still be
                continue
            if not retain_graph and (node.saved or node.extra):
                node.saved = node.extra = None
        for edge, gradient in gradients.items():
            hooks = leaf_hooks(edge) if isinstance(edge, Tensor) else None
            if hooks is not None and hooks.before:
                owned.discard(id(gradient))  # the hooks may keep it
                gradients[edge] = hooks.run(gradient)
    finally:
        state.recording = before
    return gradients, owned


def collect_nodes(roots: list[Node | Tensor], stop: frozenset[Node] = frozenset()) -> list[Node]:
    """Return the nodes that the roots depend on, each before those it depends on.

    An edge always points to a node of a lower sequence number, so sorting by it is a
    topological order, whatever the depth.
    """
    seen: set[Node] = set()
    stack = [root for root in roots if isinstance(root, Node)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node not in stop:
            stack.extend([edge for edge in node.edges if type(edge) is Node])
    return sorted(seen, key=_by_sequence, reverse=True)


def _check_saved(
    nodes: list[Node], needs: dict[Node, tuple[bool, ...]] | None, stop: frozenset[Node]
) -> None:
    """Raise if a rule that has to run has nothing left to run on."""
    for node in nodes:
        if node.saved is None and node not in stop and (needs is None or True in needs[node]):
            raise AutogradError(
                f"backward a second time through {node.op.__name__}: what it had saved was freed "
                "by the first; pass retain_graph=True to that one, or run forward again"
            )


def _useful(nodes: list[Node], targets: set[Node | Tensor]) -> dict[Node, tuple[bool, ...]]:
    """For each node, which of its inputs lead to a target."""
    needs: dict[Node, tuple[bool, ...]] = {}
    for node in reversed(nodes):
        needs[node] = tuple(
            edge is not None
            and (edge in targets or (isinstance(edge, Node) and True in needs.get(edge, ())))
            for edge in node.edges
        )
    return needs


def _propagate(
    node: Node,
    dy: Any,
    gradients: dict[Node | Tensor, Any],
    owned: set[int],
    create_graph: bool,
    anomaly: Any,
) -> None:
    """Run one gradient rule, check what it returns and hand it on."""
    op = node.op
    needs = node.needs
    for counter, version, _ in node.versions:
        if counter[0] != version:
            raise _changed_in_place(node)
    if anomaly is not None:
        results = anomaly.run_rule(_run_rule, node, dy, create_graph)
    elif not create_graph:
        results = op.backward(node, dy, *node.saved or (), **node.kwargs)
    else:
        results = _run_rule(node, dy, True)
    if not isinstance(results, (tuple, list)) or len(results) != len(needs):
        raise _wrong_results(op, len(needs), results)
    fresh = op.fresh and not create_graph
    for index, edge in enumerate(node.edges):
        if edge is None or not needs[index]:
            continue
        gradient = results[index]
        if gradient is None:
            raise AutogradError(
                f"{op.__name__}.backward returned None for input {index}, whose gradient is needed"
            )
        if isinstance(gradient, np.generic):
            gradient = np.asarray(gradient)
        if gradient.shape != edge.shape:
            if not (op.broadcasts and _broadcasts(edge.shape, gradient.shape)):
                raise ShapeError(
                    f"{op.__name__}.backward: the gradient of input {index} must have shape "
                    f"{edge.shape}, got {gradient.shape}"
                )
            gradient = unbroadcast(gradient, edge.shape)
        if gradient.dtype != edge.dtype:
            raise DTypeError(
                f"{op.__name__}.backward: the gradient of input {index} must be "
                f"{edge.dtype}, got {gradient.dtype}"
            )
        if edge not in gradients:
            gradients[edge] = gradient
            if fresh:
                owned.add(id(gradient))
        else:
            _add(gradients, owned, edge, gradient, anomaly)


def _run_rule(node: Node, dy: Any, create_graph: bool) -> Sequence[Any]:
    """Return the gradients of a node's inputs, as its rule states them."""
    op = node.op
    results: Sequence[Any]
    if not create_graph:
        results = op.backward(node, dy, *node.saved or (), **node.kwargs)
    elif op.composite is None:
        results = op.backward(node, dy, *_recorded(node), **node.kwargs)
    else:
        results = _differentiate_composite(node, dy)
    return results


def _add(
    gradients: dict[Node | Tensor, Any],
    owned: set[int],
    edge: Node | Tensor,
    gradient: Any,
    anomaly: Any,
) -> None:
    """Add to what ``edge`` has received; in place only into a buffer of the engine's own."""
    previous = gradients[edge]
    if id(previous) in owned and anomaly is None:
        previous += gradient
        return
    total = previous + gradient
    if isinstance(total, np.generic):
        total = np.asarray(total)
    if anomaly is not None:
        anomaly.check_total(edge, previous, gradient, total)
    gradients[edge] = total
    if not isinstance(total, Tensor):
        owned.add(id(total))


def _broadcasts(shape: Shape, wider: Shape) -> bool:
    """Tell whether an array of ``shape`` broadcasts to exactly the other shape."""
    lead = len(wider) - len(shape)
    return lead >= 0 and all(
        size in (1, full) for size, full in zip(shape, wider[lead:], strict=True)
    )


def unbroadcast(gradient: Any, shape: Shape) -> Any:
    """Sum ``gradient``, an array or Tensor, back to the shape that was broadcast to its own.

    The shapes differ.
    """
    lead = gradient.ndim - len(shape)
    axes = (
        *range(lead),
        *(
            lead + axis
            for axis, size in enumerate(shape)
            if size == 1 and gradient.shape[lead + axis] != 1
        ),
    )
    gradient = np.sum(gradient, axis=axes, keepdims=True)
    return np.reshape(gradient, shape) if lead else gradient


def _recorded(node: Node) -> Iterator[Any]:
    """Yield what was saved as Tensors that continue the graph."""
    counters = {entry: counter for counter, _, entry in node.versions}
    for entry, value in zip(node.op.saves, node.saved or (), strict=True):
        edge = node if entry == "y" else node.edges[entry]
        if isinstance(edge, Tensor):
            yield edge
        elif isinstance(value, np.ndarray):
            tensor = _wrap(value, edge)
            # Of the same memory, so that a later change of it is noticed here, too.
            tensor.counter = counters.get(entry, tensor.counter)
            yield tensor
        else:
            yield value


def _differentiate_composite(node: Node, dy: Tensor) -> list[Any]:
    """Differentiate the composite of a fused op at its inputs, recording that.

    The composite is built on identities of the inputs, so that its differentiation ends there
    while their own history goes on behind them.
    """
    composite = node.op.composite
    assert composite is not None  # noqa: S101 - the caller has checked
    inputs: list[Any] = [None] * len(node.edges)
    for entry, value in zip(node.op.saves, _recorded(node), strict=True):
        if entry != "y":
            inputs[entry] = value
    aliases = []
    for index, wanted in enumerate(node.needs):
        if wanted:
            if index in node.op.addends:
                zeros = np.zeros(node.shape_of(index), node.dtype_of(index))
                inputs[index] = Tensor(zeros, requires_grad=True)
            inputs[index] = apply(Alias, inputs[index])
            aliases.append(inputs[index])
    output = composite(node, *inputs, **node.kwargs)
    entries: set[Node | Tensor] = {alias.node for alias in aliases}
    stop = frozenset(edge for edge in entries if isinstance(edge, Node))
    gradients, _ = _run([(output.node, dy)], entries, True, True, stop)
    found = iter(aliases)
    results: list[Any] = []
    for wanted in node.needs:
        alias = next(found) if wanted else None
        if alias is None:
            results.append(None)
        else:
            gradient = gradients.get(alias.node)
            results.append(np.zeros_like(alias) if gradient is None else gradient)
    return results


class Alias(Op):
    """``x`` itself, in a Tensor of its own: dx = dy.

    A place of its own in the graph, where a differentiation can end or a hook can sit, behind
    which the history of ``x`` goes on.
    """

    view = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        """Return ``x``."""
        return x

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        """Return ``dy``."""
        return (dy,)


def _wrong_results(op: type[Op], count: int, results: Any) -> AutogradError:
    got = len(results) if isinstance(results, (tuple, list)) else type(results).__name__
    expected = f"{count} gradients, one per input" if count > 1 else "1 gradient, of its input"
    return AutogradError(f"{op.__name__}.backward must return a tuple of {expected}, got {got}")


def _changed_in_place(node: Node) -> AutogradError:
    names = ", ".join("its output" if e == "y" else f"input {e}" for e in node.op.saves)
    saved = node.saved if isinstance(node.saved, list) else []  # a checkpoint keeps no values
    shapes = ", ".join(str(getattr(value, "shape", "a scalar")) for value in saved)
    return AutogradError(
        f"a Tensor that {node.op.__name__} had saved for its gradient was changed in place "
        f"afterwards (it saved {names}{shapes and f', of shape {shapes}'}); use the out-of-place "
        "operator, or clone() before the change"
    )


def _hooked(hooks: GradientHooks, dy: Any, create_graph: bool) -> Any:
    """Return the gradient of an intermediate result as its hooks leave it; retain it if asked."""
    dy = hooks.run(dy)
    tensor = None if hooks.retained is None else hooks.retained()
    if tensor is not None:
        _accumulate_leaf(tensor, dy, create_graph, False)
    return dy


def _accumulate_leaf(leaf: Tensor, gradient: Any, create_graph: bool, owned: bool) -> None:
    """Add ``gradient`` to ``leaf.grad``, copying unless the engine owns the array."""
    previous = leaf._grad
    if create_graph:  # a rule may hand one Tensor to two leaves: each gets its own
        leaf._grad = FUNCTIONS["clone"](gradient) if previous is None else previous + gradient
    elif previous is None:
        leaf._grad = _wrap(gradient if owned else gradient.copy())
    else:
        previous.array += gradient
        previous.counter[0] += 1
