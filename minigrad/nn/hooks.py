"""Functions that a module runs before and after its forward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["Hooks", "RemovableHandle"]

HookTable: TypeAlias = "dict[int, tuple[Callable[..., Any], bool]]"
"""Identifier -> the hook, and whether it takes the keyword arguments."""

_identifiers = itertools.count()


class RemovableHandle:
    """What registering a hook returns: removes it, at once or at the end of a ``with`` block."""

    def __init__(self, table: HookTable, identifier: int) -> None:
        self._table = table
        self._identifier = identifier

    def remove(self) -> None:
        """Remove the hook; does nothing if it was removed before."""
        self._table.pop(self._identifier, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one module, in the order in which they run."""

    def __init__(self) -> None:
        self.before: HookTable = {}
        self.after: HookTable = {}

    @staticmethod
    def add(
        table: HookTable, hook: Callable[..., Any], *, prepend: bool, with_kwargs: bool
    ) -> RemovableHandle:
        """Register ``hook`` in ``table``, last or first."""
        identifier = next(_identifiers)
        others = dict(table) if prepend else {}
        if prepend:
            table.clear()
        table[identifier] = (hook, with_kwargs)
        table.update(others)
        return RemovableHandle(table, identifier)

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the module's forward between its hooks, which may replace input and output."""
        for hook, with_kwargs in tuple(self.before.values()):
            if with_kwargs:
                replaced = hook(module, args, kwargs)
                if replaced is not None:
                    args, kwargs = _pair(hook, replaced)
            else:
                replaced = hook(module, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self.after.values()):
            replaced = (
                hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            )
            if replaced is not None:
                output = replaced
        return output


def _pair(hook: Callable[..., Any], replaced: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not (isinstance(replaced, tuple) and len(replaced) == 2):
        raise TypeError(
            f"the forward pre-hook {hook!r}, registered with_kwargs=True, must return None or a "
            f"tuple (args, kwargs), got {type(replaced).__name__}"
        )
    args, kwargs = replaced
    return args, kwargs
