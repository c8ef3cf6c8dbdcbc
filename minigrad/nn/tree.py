"""What a module holds: parameters, buffers and submodules, registered by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from minigrad.arguments import check_text
from minigrad.errors import DTypeError
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["ModuleTree"]

_TABLES = ("_parameter_names", "_buffer_names", "_module_names")
_NOTHING: Mapping[str, None] = MappingProxyType({})


class ModuleTree:
    """Registration and traversal; `Module` adds what a module does.

    Parameters, buffers and submodules are ordinary attributes, so reading one costs nothing
    extra; three tables keep their names, in the order in which they were registered.
    """

    # Defaults of the class, so that a module without state works without super().__init__().
    _parameter_names: Mapping[str, None] = _NOTHING
    _buffer_names: Mapping[str, None] = _NOTHING
    _module_names: Mapping[str, None] = _NOTHING
    _non_persistent: frozenset[str] = frozenset()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Tell type checkers that attributes may have been registered by name."""

    def __init__(self) -> None:
        self.__dict__.update({table: {} for table in _TABLES})

    # -------------------------------------------------------------------------- registration

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register("_parameter_names", name, value)
        elif isinstance(value, ModuleTree):
            self._register("_module_names", name, value)
        else:
            if value is not None:
                self._check_replacement(name, value)
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._forget(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None keeps the name for one that is absent.

        Raises
        ------
        TypeError
            If ``param`` is neither a Parameter nor None.
        ValueError
            If the name is empty, holds a dot or belongs to something else.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"{type(self).__name__}: parameter {name!r} must be a Parameter or None, got "
                f"{type(param).__name__}; wrap it in minigrad.nn.Parameter"
            )
        self._check_free(name, self._parameter_names)
        self._register("_parameter_names", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that belongs to the module but is not learned.

        Parameters
        ----------
        name : str
        tensor : Tensor or None
            None keeps the name for a buffer that is absent.
        persistent : bool
            Whether it is part of the state_dict.

        Raises
        ------
        TypeError
            If ``tensor`` is neither a Tensor nor None.
        ValueError
            If the name is empty, holds a dot or belongs to something else.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"{type(self).__name__}: buffer {name!r} must be a Tensor or None, got "
                f"{type(tensor).__name__}; make one with minigrad.tensor"
            )
        self._check_free(name, self._buffer_names)
        self._register("_buffer_names", name, tensor)
        if persistent:
            self._non_persistent -= {name}
        else:
            self._non_persistent |= {name}

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name; None keeps the name for one that is absent.

        Raises
        ------
        TypeError
            If ``module`` is neither a Module nor None.
        ValueError
            If the name is empty, holds a dot or belongs to something else.
        """
        if module is not None and not isinstance(module, ModuleTree):
            raise TypeError(
                f"{type(self).__name__}: submodule {name!r} must be a Module or None, got "
                f"{module!r}"
            )
        self._check_free(name, self._module_names)
        self._register("_module_names", name, module)

    register_module = add_module

    def _register(self, table: str, name: str, value: Any) -> None:
        names = self.__dict__.get(table)
        if names is None:
            raise AttributeError(
                f"{type(self).__name__}: call super().__init__() before {name!r} is assigned"
            )
        if name not in names:
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(
                    f"{type(self).__name__}: a name must be a non-empty string without dots, got "
                    f"{name!r}"
                )
            self._forget(name)
            names[name] = None
        self.__dict__[name] = value

    def _forget(self, name: str) -> None:
        for table in _TABLES:
            self.__dict__.get(table, {}).pop(name, None)
        self._non_persistent -= {name}

    def _check_free(self, name: str, names: Mapping[str, None]) -> None:
        if name not in names and isinstance(name, str) and hasattr(self, name):
            raise ValueError(
                f"{type(self).__name__}: the name {name!r} is taken; delete that attribute first, "
                "or choose another name"
            )

    def _check_replacement(self, name: str, value: Any) -> None:
        """Refuse to put a plain value where a parameter, submodule or buffer is registered."""
        if name in self._parameter_names:
            expected = "a Parameter"
        elif name in self._module_names:
            expected = "a Module"
        elif name in self._buffer_names and not isinstance(value, Tensor):
            expected = "a Tensor"
        else:
            return
        raise TypeError(
            f"{type(self).__name__}.{name} must be {expected} or None, got "
            f"{type(value).__name__}; delete the attribute first to change what it is"
        )

    # -------------------------------------------------------------------------- traversal

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module and all below it, parents first.

        Parameters
        ----------
        memo : set of Module, optional
            Modules to leave out; grows.
        prefix : str
            Path of this module.
        remove_duplicate : bool
            Yield a module that is shared once, under its first path.
        """
        memo = set() if memo is None else memo
        check_text("named_modules", "prefix", prefix)
        if not isinstance(memo, set):
            raise DTypeError(
                f"named_modules: memo must be a set of modules, got {type(memo).__name__}"
            )
        module: Module = self  # type: ignore[assignment]  # the only subclass
        if module in memo:
            return
        if remove_duplicate:
            memo.add(module)
        yield prefix, module
        for name, child in self.named_children():
            path = f"{prefix}.{name}" if prefix else name
            yield from child.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once, parents first."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the direct submodules."""
        for name in self._module_names:
            child = self.__dict__[name]
            if child is not None:
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield the direct submodules, each once."""
        seen: set[Module] = set()
        for _, child in self.named_children():
            if child not in seen:
                seen.add(child)
                yield child

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter), in the order of registration, parents first.

        Parameters
        ----------
        prefix : str
            Path of this module.
        recurse : bool
            Also those of submodules.
        remove_duplicate : bool
            Yield a parameter that is shared once, under its first path.
        """
        check_text("named_parameters", "prefix", prefix)
        return self._named_tensors("_parameter_names", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer); arguments as of `named_parameters`."""
        check_text("named_buffers", "prefix", prefix)
        return self._named_tensors("_buffer_names", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_tensors(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        own = iter([(prefix, self)])
        everyone = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in everyone if recurse else own:
            for name in getattr(module, table):
                tensor = module.__dict__[name]
                if tensor is None or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield (f"{path}.{name}" if path else name), tensor

    def get_submodule(self, target: str) -> Module:
        """Return the submodule at a path such as ``"encoder.0"``; ``""`` is this module.

        Raises
        ------
        AttributeError
            If there is none.
        """
        module: Module = self  # type: ignore[assignment]  # the only subclass
        check_text("get_submodule", "target", target)
        for name in target.split(".") if target else ():
            child = module.__dict__.get(name) if name in module._module_names else None
            if child is None:
                raise AttributeError(
                    f"{type(self).__name__} has no submodule {target!r}: "
                    f"{type(module).__name__} has none called {name!r}"
                )
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path; AttributeError if there is none."""
        parameter: Parameter = self._get_tensor(target, "_parameter_names", "parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a path; AttributeError if there is none."""
        buffer: Tensor = self._get_tensor(target, "_buffer_names", "buffer")
        return buffer

    def _get_tensor(self, target: str, table: str, kind: str) -> Any:
        path, _, name = check_text(f"get_{kind}", "target", target).rpartition(".")
        module = self.get_submodule(path)
        tensor = module.__dict__.get(name) if name in getattr(module, table) else None
        if tensor is None:
            raise AttributeError(f"{type(self).__name__} has no {kind} {target!r}")
        return tensor
