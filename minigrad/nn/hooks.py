"""Functions that a module runs before and after its forward pass, and in its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from minigrad.autograd import Alias
from minigrad.engine import apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.hooks import RemovableHandle, add_hook
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["Hooks", "RemovableHandle"]

HookTable: TypeAlias = dict[int, tuple[Callable[..., Any], bool]]
"""Identifier -> the hook, and whether it takes the keyword arguments."""

Gradients: TypeAlias = tuple[Tensor | None, ...]


class Hooks:
    """The hooks of one module, in the order in which they run."""

    def __init__(self) -> None:
        self.before: HookTable = {}
        self.after: HookTable = {}
        self.always: set[int] = set()  # identifiers of `after` that also run after an error
        self.backward_before: dict[int, Callable[..., Any]] = {}
        self.backward: dict[int, Callable[..., Any]] = {}

    def add_after(
        self, hook: Callable[..., Any], *, prepend: bool, with_kwargs: bool, always_call: bool
    ) -> RemovableHandle:
        """Register a forward hook."""
        known = set(self.after)
        handle = add_hook(self.after, (hook, with_kwargs), prepend=prepend)
        if always_call:
            self.always |= set(self.after) - known
        return handle

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the module's forward between its hooks, which may replace input and output."""
        called: set[int] = set()
        try:
            return self._run(module, args, kwargs, called)
        except BaseException:
            for identifier in self.always & self.after.keys() - called:
                hook, with_kwargs = self.after[identifier]
                _call(hook, with_kwargs, module, args, kwargs, None)
            raise

    def _run(
        self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]
    ) -> Any:
        for hook, with_kwargs in tuple(self.before.values()):
            if with_kwargs:
                replaced = hook(module, args, kwargs)
                if replaced is not None:
                    args, kwargs = _pair(hook, replaced)
            else:
                replaced = hook(module, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        watch = None
        if self.backward or self.backward_before:
            watch = _BackwardPass(module, self, args)
            args = watch.args
        output = module.forward(*args, **kwargs)
        for identifier, (hook, with_kwargs) in tuple(self.after.items()):
            called.add(identifier)
            replaced = _call(hook, with_kwargs, module, args, kwargs, output)
            if replaced is not None:
                output = replaced
        return output if watch is None else watch.leave(output)


def _call(
    hook: Callable[..., Any],
    with_kwargs: bool,
    module: Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    output: Any,
) -> Any:
    return hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)


def _pair(hook: Callable[..., Any], replaced: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not (isinstance(replaced, tuple) and len(replaced) == 2):
        raise TypeError(
            f"the forward pre-hook {hook!r}, registered with_kwargs=True, must return None or a "
            f"tuple (args, kwargs), got {type(replaced).__name__}"
        )
    args, kwargs = replaced
    return args, kwargs


class _BackwardPass:
    """The backward hooks of one call of a module.

    The Tensors that go in and come out pass through a `_Gate` each, so that their gradients are
    known together before any of them goes on.
    """

    def __init__(self, module: Module, hooks: Hooks, args: tuple[Any, ...]) -> None:
        self.module = module
        self.hooks = hooks
        self.grad_output: Gradients = ()
        gate = _Gate(args, self._entered)
        self.args = gate.values
        self.nothing_enters: Gradients | None = (None,) * len(args) if gate.is_empty else None

    def leave(self, output: Any) -> Any:
        """Return the module's output as it is handed on."""
        outputs = output if isinstance(output, tuple) else (output,)
        if not all(isinstance(value, Tensor) for value in outputs):
            raise TypeError(
                f"{type(self.module).__name__} has backward hooks, so its output must be a Tensor "
                f"or a tuple of Tensors, got {type(output).__name__}"
            )
        values = _Gate(outputs, self._left).values
        if isinstance(output, tuple):
            return values if type(output) is tuple else type(output)(*values)
        return values[0]

    def _left(self, gradients: Gradients) -> Gradients:
        """Run the hooks that come before the module's backward pass."""
        for hook in tuple(self.hooks.backward_before.values()):
            replaced = hook(self.module, gradients)
            if replaced is not None:
                gradients = _checked(hook, replaced, gradients)
        self.grad_output = gradients
        if self.nothing_enters is not None:  # no gradient reaches the inputs: this was all
            self._entered(self.nothing_enters)
        return gradients

    def _entered(self, gradients: Gradients) -> Gradients:
        """Run the hooks that come after the module's backward pass."""
        grad_output, self.grad_output = self.grad_output, ()
        for hook in tuple(self.hooks.backward.values()):
            replaced = hook(self.module, gradients, grad_output)
            if replaced is not None:
                gradients = _checked(hook, replaced, gradients)
        return gradients


def _checked(hook: Callable[..., Any], replaced: Any, gradients: Gradients) -> Gradients:
    replacements: Gradients = replaced if isinstance(replaced, tuple) else (replaced,)
    if len(replacements) != len(gradients):
        raise ShapeError(
            f"the backward hook {hook!r} must return None or {len(gradients)} gradients, got "
            f"{len(replacements)}"
        )
    for new, old in zip(replacements, gradients, strict=True):
        if old is None:
            continue
        if not isinstance(new, Tensor):
            raise TypeError(
                f"the backward hook {hook!r} must return Tensors, got {type(new).__name__}"
            )
        if new.shape != old.shape:
            raise ShapeError(
                f"the backward hook {hook!r} must keep the shape {old.shape}, got {new.shape}"
            )
        if new.dtype != old.dtype:
            raise DTypeError(
                f"the backward hook {hook!r} must keep the dtype {old.dtype}, got {new.dtype}"
            )
    return replacements


class _Gate:
    """Tensors whose gradients wait for each other.

    Each Tensor that requires a gradient goes through two identities, all of the outer ones
    (towards the inputs) made before all of the inner ones. The backward pass takes nodes in the
    reverse order of their making, so every inner gradient is complete before the first outer one
    goes on: `finish` then sees them all, and may replace them.
    """

    def __init__(self, values: tuple[Any, ...], finish: Callable[[Gradients], Gradients]) -> None:
        self.finish = finish
        self.waiting: list[Tensor | None] = [None] * len(values)
        self.finished: list[Tensor | None] | None = None
        outer = [apply(Alias, value) if _wants(value) else value for value in values]
        inner = [apply(Alias, value) if _wants(value) else value for value in outer]
        self.is_empty = True
        for position, (first, last) in enumerate(zip(outer, inner, strict=True)):
            if isinstance(last, Tensor) and last.node is not None and last is not first:
                self.is_empty = False
                last.register_hook(self._collector(position))
                first.register_hook(self._releaser(position))
        self.values = tuple(inner)

    def _collector(self, position: int) -> Callable[[Tensor], None]:
        def collect(gradient: Tensor) -> None:
            if self.finished is not None:  # the graph is run through again
                self.finished = None
            self.waiting[position] = gradient

        return collect

    def _releaser(self, position: int) -> Callable[[Tensor], Tensor | None]:
        def release(gradient: Tensor) -> Tensor | None:
            if self.finished is None:
                gradients = tuple(self.waiting)
                self.waiting = [None] * len(gradients)
                self.finished = list(self.finish(gradients))
            replaced, self.finished[position] = self.finished[position], None
            return replaced

        return release


def _wants(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
