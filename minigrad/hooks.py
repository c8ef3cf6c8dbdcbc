"""Functions that are called with gradients, and the handles that remove them."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from minigrad.arguments import check_callable
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.registry import public
from minigrad.tensor import Tensor, _wrap

__all__ = [
    "GradientHooks",
    "RemovableHandle",
    "add_hook",
    "leaf_hooks",
    "register_hook",
    "register_post_accumulate_grad_hook",
    "retain_grad",
]

GradientHook: TypeAlias = Callable[[Tensor], Tensor | None]

_identifiers = itertools.count()


class RemovableHandle:
    """What registering a hook returns: removes it, at once or at the end of a ``with`` block."""

    def __init__(self, table: dict[int, Any], identifier: int) -> None:
        self._table = table
        self._identifier = identifier

    def remove(self) -> None:
        """Remove the hook; does nothing if it was removed before."""
        self._table.pop(self._identifier, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def add_hook(table: dict[int, Any], entry: Any, *, prepend: bool = False) -> RemovableHandle:
    """Put ``entry`` last, or first, into a table of hooks.

    Parameters
    ----------
    table : dict
        Identifier -> entry, in the order in which they run.
    entry : object
        The hook, with whatever its table keeps beside it.
    prepend : bool
        Put it before the others.
    """
    identifier = next(_identifiers)
    others = dict(table) if prepend else {}
    if prepend:
        table.clear()
    table[identifier] = entry
    table.update(others)
    return RemovableHandle(table, identifier)


class GradientHooks:
    """What happens to the gradient of one Tensor once it is complete.

    Attributes
    ----------
    before : dict of int to callable
        Hooks that see the gradient and may replace it.
    after : dict of int to callable
        Of a leaf: called with the leaf once its ``grad`` holds the gradient.
    retained : weakref.ref or None
        Of an intermediate result: the Tensor that keeps its gradient.
    """

    __slots__ = ("after", "before", "retained")

    def __init__(self) -> None:
        self.before: dict[int, GradientHook] = {}
        self.after: dict[int, Callable[[Tensor], None]] = {}
        self.retained: weakref.ref[Tensor] | None = None

    def run(self, gradient: Any) -> Any:
        """Return ``gradient``, an array or a Tensor, as the hooks leave it."""
        if not self.before:
            return gradient
        recorded = isinstance(gradient, Tensor)
        current = gradient if recorded else _read_only(gradient)
        for hook in tuple(self.before.values()):
            replacement = hook(current)
            if replacement is None:
                continue
            _check_replacement(replacement, current)
            current = replacement
        if recorded:
            return current
        # The array itself, unless it was replaced: the view is read-only.
        return gradient if current.array.base is gradient else current.array


def _read_only(array: Any) -> Tensor:
    """Return a Tensor of a gradient that other edges may share, safe from changes in place."""
    view = array.view()
    view.flags.writeable = False
    return _wrap(view)


def _check_replacement(replacement: Any, gradient: Tensor) -> None:
    if not isinstance(replacement, Tensor):
        raise TypeError(
            f"a gradient hook must return None or a Tensor, got {type(replacement).__name__}"
        )
    if replacement.shape != gradient.shape:
        raise ShapeError(
            f"a gradient hook must keep the shape of the gradient, {gradient.shape}, got "
            f"{replacement.shape}"
        )
    if replacement.dtype != gradient.dtype:
        raise DTypeError(
            f"a gradient hook must keep the dtype of the gradient, {gradient.dtype}, got "
            f"{replacement.dtype}"
        )


def leaf_hooks(leaf: Tensor) -> GradientHooks | None:
    """Return the hooks of a leaf, or None: the slot is filled by the first of them only."""
    return getattr(leaf, "_hooks", None)


def _own_hooks(tensor: Tensor) -> GradientHooks:
    holder = tensor if tensor.node is None else tensor.node
    hooks = leaf_hooks(tensor) if tensor.node is None else tensor.node.hooks
    if hooks is None:
        hooks = GradientHooks()
        setattr(holder, "_hooks" if holder is tensor else "hooks", hooks)
    return hooks


def _described(tensor: Tensor) -> str:
    origin = f"a result of {tensor.node.op.__name__}" if tensor.node is not None else "a leaf"
    return f"{origin} of shape {tensor.shape}, {tensor.dtype}"


@public
def register_hook(tensor: Tensor, hook: GradientHook) -> RemovableHandle:
    """Call ``hook`` with the gradient of ``tensor``; see `Tensor.register_hook`."""
    if not tensor._requires_grad:
        raise AutogradError(
            f"register_hook: this Tensor, {_described(tensor)}, does not require a gradient"
        )
    check_callable("register_hook", "hook", hook)
    return add_hook(_own_hooks(tensor).before, hook)


@public
def register_post_accumulate_grad_hook(
    tensor: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call ``hook`` with ``tensor`` when its ``grad`` has changed; see the method of Tensor."""
    if tensor.node is not None or not tensor._requires_grad:
        raise AutogradError(
            "register_post_accumulate_grad_hook: expected a leaf that requires a gradient, got "
            f"{_described(tensor)}; use register_hook for intermediate results"
        )
    check_callable("register_post_accumulate_grad_hook", "hook", hook)
    return add_hook(_own_hooks(tensor).after, hook)


@public
def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient of an intermediate result; see `Tensor.retain_grad`."""
    if not tensor._requires_grad:
        raise AutogradError("retain_grad: this Tensor does not require a gradient")
    if tensor.node is not None:
        _own_hooks(tensor).retained = weakref.ref(tensor)
