"""Modules that hold other modules: in order, or by name."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self, overload

from minigrad.arguments import check_items
from minigrad.nn.module import Module, indented, layout

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _ModuleSequence(Module):
    """Submodules called "0", "1", ...: what `Sequential` and `ModuleList` share."""

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[Module]:
        return iter([self.__dict__[name] for name in self._module_names])

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module:
        """Return one module, or a container of the same kind that shares several."""
        names = list(self._module_names)
        if not isinstance(index, slice):
            module: Module = self.__dict__[names[self._position(index)]]
            return module
        part = type(self)()
        for name in names[index]:
            part.add_module(name, self.__dict__[name])
        part._renumber()
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        names = list(self._module_names)
        self.__dict__[names[self._position(index)]] = self._checked(module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._module_names)
        doomed = names[index] if isinstance(index, slice) else [names[self._position(index)]]
        for name in doomed:
            delattr(self, name)
        self._renumber()

    def append(self, module: Module) -> Self:
        """Add a module at the end and return this container."""
        position = len(self)
        while str(position) in self._module_names:  # a name from a dictionary
            position += 1
        self.add_module(str(position), self._checked(module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end and return this container."""
        given = check_items(type(self).__name__, "modules", modules)
        for module in [self._checked(module) for module in given]:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position ``index``, rename all by position, return this container."""
        modules = list(self)
        modules.insert(index, self._checked(module))
        self._set(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Remove a module and return it."""
        module = self[index]
        del self[index]
        return module

    def _set(self, modules: list[Module]) -> None:
        """Hold exactly these, under new names."""
        for name in list(self._module_names):
            delattr(self, name)
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def _renumber(self) -> None:
        """Close gaps in the numbers; names from a dictionary are the user's and stay."""
        if all(name.isdecimal() for name in self._module_names):
            self._set(list(self))

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(self)} modules"
            )
        return index

    def _checked(self, module: Any) -> Module:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {module!r}")
        return module


class Sequential(_ModuleSequence):
    """Modules that run one after the other, each on the result of the one before.

    Parameters
    ----------
    *modules : Module, or one mapping of names to modules

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.ReLU())
    >>> net(mg.zeros(2, 4)).shape
    (2, 3)
    >>> net[0]
    Linear(in_features=4, out_features=3, bias=True)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._checked(module))
        else:
            self.extend(modules)

    def forward(self, x: Any) -> Any:
        """Return what the last module makes of ``x``."""
        attributes = self.__dict__
        for name in self._module_names:
            x = attributes[name](x)
        return x


class ModuleList(_ModuleSequence):
    """A list of modules, for a module that calls them as it likes.

    Parameters
    ----------
    modules : iterable of Module, optional
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __repr__(self) -> str:
        # Runs of modules with the same text share a line, as in PyTorch: "(0-2): 3 x ReLU()".
        runs: list[tuple[str, int, int]] = []
        for position, module in enumerate(self):
            text = indented(module)
            if runs and runs[-1][0] == text:
                runs[-1] = (text, runs[-1][1], position)
            else:
                runs.append((text, position, position))
        lines = [
            f"({first}): {text}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for text, first, last in runs
        ]
        return layout(type(self).__name__, [], lines)


class ModuleDict(Module):
    """A dictionary of modules, in the order of insertion.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional
    """

    def __init__(
        self,
        modules: ModuleDict | Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None,
    ) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Module:
        if key not in self._module_names:
            raise KeyError(key)
        module: Module = self.__dict__[key]
        return module

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {module!r}")
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self._module_names:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._module_names)

    def __contains__(self, key: object) -> bool:
        return key in self._module_names

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._as_dict().keys()

    def values(self) -> ValuesView[Module]:
        """Return the modules."""
        return self._as_dict().values()

    def items(self) -> ItemsView[str, Module]:
        """Return (name, module) pairs."""
        return self._as_dict().items()

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for key in list(self):
            del self[key]

    def update(
        self, modules: ModuleDict | Mapping[str, Module] | Iterable[tuple[str, Module]]
    ) -> None:
        """Add modules from a mapping or from pairs, replacing those of the same name."""
        if isinstance(modules, (Mapping, ModuleDict)):
            modules = modules.items()
        pairs = check_items("ModuleDict", "modules", modules)
        for key, module in pairs:
            self[key] = module

    def _as_dict(self) -> dict[str, Module]:
        return {name: self.__dict__[name] for name in self._module_names}
