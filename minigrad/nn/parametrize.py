"""Parameters that are functions of others: the attribute is computed whenever it is read.

PyTorch's ``torch.nn.utils.parametrize``, with its names in a state_dict: what stands in place of
``weight`` is ``parametrizations.weight.original``, or ``original0``, ``original1`` and so on if
there are several.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.arguments import check_text
from minigrad.errors import DTypeError, ShapeError
from minigrad.grad_mode import no_grad
from minigrad.nn.container import ModuleDict, ModuleList
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array

__all__ = [
    "ParametrizationList",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]


AnyModule = TypeVar("AnyModule", bound=Module)


class ParametrizationList(ModuleList):
    """What computes one attribute: the original parameters, and modules applied one after another.

    Parameters
    ----------
    modules : sequence of Module
        The first takes all originals, the others what the one before returned. One with a method
        ``right_inverse`` says which originals give a value; for others, the value itself is taken.
    original : Parameter
        The parameter that the attribute was. If there is one original, it stays that object.
    """

    def __init__(self, modules: Sequence[Module], original: Parameter) -> None:
        super().__init__(modules)
        values = self._originals_of(original.detach())
        self.is_tensor = not isinstance(values, tuple)
        if not isinstance(values, tuple):
            if values.array is not original.array:
                _set_array(original, np.array(values.array))
            self.original = original
            return
        for position, value in enumerate(values):
            parameter = Parameter(np.array(value.array), original.requires_grad)
            self.register_parameter(f"original{position}", parameter)

    def originals(self) -> list[Parameter]:
        """Return the parameters that the attribute is computed from."""
        return [self.__dict__[name] for name in self._parameter_names]

    def forward(self) -> Any:
        """Return the value of the attribute."""
        first, *others = list(self)
        value = first(*self.originals())
        for module in others:
            value = module(value)
        return value

    def assign(self, value: Any) -> None:
        """Set the originals to those of which the attribute is ``value``, or nearest to it.

        Raises
        ------
        ShapeError
            If the value, or an original, has another shape than before.
        """
        tensor = as_tensor(value).detach()
        with no_grad():
            shape = self().shape
        if tensor.shape != shape:
            raise ShapeError(f"expected a value of shape {shape}, got {tensor.shape}")
        found = self._originals_of(tensor)
        values = found if isinstance(found, tuple) else (found,)
        originals = self.originals()
        for original, new in zip(originals, values, strict=True):
            if new.shape != original.shape:
                raise ShapeError(f"expected an original of shape {original.shape}, got {new.shape}")
        for original, new in zip(originals, values, strict=True):
            np.copyto(original.array, new.array, casting="same_kind")
            original.counter[0] += 1

    def _originals_of(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                inverse = getattr(module, "right_inverse", None)
                value = value if inverse is None else inverse(value)
        return value


class _Parametrized(Module):
    """Mixed into the class of a module that has parametrized attributes."""

    parametrizations: ModuleDict
    _computed: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._computed:
            super().__setattr__(name, value)
            return
        try:
            _list_of(self, name).assign(value)
        except ShapeError as error:
            raise ShapeError(f"{type(self).__name__}.{name}: {error}") from error

    def __delattr__(self, name: str) -> None:
        if name in self._computed:
            raise AttributeError(
                f"{type(self).__name__}.{name} is parametrized; remove_parametrizations first"
            )
        super().__delattr__(name)


def _list_of(module: Any, name: str) -> ParametrizationList:
    result: ParametrizationList = module.parametrizations[name]
    return result


def _reset_parameters(self: Any) -> None:
    """Draw parameters as the class without parametrizations does; originals follow from them."""
    parametrized = type(self)
    start = {name: Parameter(np.array(getattr(self, name).array)) for name in self._computed}
    try:
        self.__class__ = parametrized.__bases__[1]
        self.__dict__.update(start)
        self.reset_parameters()
    finally:
        for name in start:
            delattr(self, name)
        self.__class__ = parametrized
    for name, drawn in start.items():
        setattr(self, name, drawn)


def _class_with(base: type[Module], names: tuple[str, ...]) -> type[Module]:
    """Return the subclass in which these attributes are computed; classes are never changed."""
    members: dict[str, Any] = {
        name: property(functools.partial(_compute, name=name)) for name in names
    }
    members |= {"_computed": names, "__module__": base.__module__}
    if hasattr(base, "reset_parameters"):
        members["reset_parameters"] = _reset_parameters
    return type(f"Parametrized{base.__name__}", (_Parametrized, base), members)


def _compute(module: Any, *, name: str) -> Any:
    return _list_of(module, name)()


def _base_of(module: Module) -> type[Module]:
    """Return the class of a module without parametrizations."""
    cls = type(module)
    return cls.__bases__[1] if isinstance(module, _Parametrized) else cls


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Tell whether an attribute of a module, or any, is computed from others.

    Parameters
    ----------
    module : Module
    tensor_name : str, optional
        Which attribute; default: any.

    Raises
    ------
    DTypeError
        If ``module`` is not a Module or the name not a string.
    """
    _check_module("is_parametrized", module)
    names = module._computed if isinstance(module, _Parametrized) else ()
    if tensor_name is None:
        return bool(names)
    return check_text("is_parametrized", "tensor_name", tensor_name) in names


def register_parametrization(
    module: AnyModule, tensor_name: str, parametrization: Module
) -> AnyModule:
    """Compute a parameter of a module from others, whenever it is read.

    Parameters
    ----------
    module : Module
        Changed in place: its class becomes a subclass of what it was.
    tensor_name : str
        A parameter of the module itself, or an attribute that is parametrized already: then the
        new function is applied to what there is.
    parametrization : Module
        Called with the original parameters, returns a Tensor of the shape and dtype of the
        attribute. Its method ``right_inverse(value)``, if it has one, returns the original, or a
        tuple of several, that the present value comes from; without, that value is the original.

    Returns
    -------
    Module
        ``module``.

    Raises
    ------
    ValueError
        If the module has no such parameter.
    ShapeError, DTypeError
        If the parametrization returns another shape or dtype. Nothing is changed then.

    Notes
    -----
    Make optimisers afterwards: they take the originals. Writing into the computed attribute in
    place has no effect on the originals; assign a new value to it, and they are set by
    ``right_inverse``. Where gradients are recorded, each reading of the attribute records its
    function, so read it once per forward pass. A parameter that modules share is not shared
    afterwards, unless the others are parametrized with the same originals.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.parametrize import register_parametrization
    >>> class Symmetric(mg.nn.Module):
    ...     def forward(self, x):
    ...         return (x + x.T) / 2
    >>> layer = register_parametrization(mg.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    _check_module("register_parametrization", module)
    check_text("register_parametrization", "tensor_name", tensor_name)
    if not isinstance(parametrization, Module):
        raise DTypeError(
            f"register_parametrization: parametrization must be a Module, got {parametrization!r} "
            f"({type(parametrization).__name__})"
        )
    further = is_parametrized(module, tensor_name)
    value: Any = getattr(module, tensor_name, None)
    if value is None or not (further or tensor_name in module._parameter_names):
        raise ValueError(f"{type(module).__name__} has no parameter {tensor_name!r} to parametrize")
    _check_result(parametrization, value.detach(), further)
    if further:
        _list_of(module, tensor_name).append(parametrization.train(module.training))
        return module
    base, names = _base_of(module), getattr(module, "_computed", ())
    if not names and hasattr(module, "parametrizations"):
        raise ValueError(f"{type(module).__name__} has an attribute 'parametrizations' of its own")
    computed = ParametrizationList([parametrization], value)
    delattr(module, tensor_name)
    if not names:
        module.add_module("parametrizations", ModuleDict())
    module.parametrizations[tensor_name] = computed
    module.parametrizations.train(module.training)
    _set_class(module, _class_with(base, (*names, tensor_name)))
    return module


def remove_parametrizations(
    module: AnyModule, tensor_name: str, leave_parametrized: bool = True
) -> AnyModule:
    """Make a parametrized attribute a plain parameter again.

    Parameters
    ----------
    module : Module
        Changed in place.
    tensor_name : str
    leave_parametrized : bool
        True: the parameter keeps the value that was computed. False: it gets that of the
        original, if there is one.

    Returns
    -------
    Module
        ``module``.

    Raises
    ------
    ValueError
        If the attribute is not parametrized, or has several originals and
        ``leave_parametrized=False``. Nothing is changed then.

    Notes
    -----
    With a single original, the parameter is that object, so an optimiser that has it goes on.
    """
    _check_module("remove_parametrizations", module)
    check_text("remove_parametrizations", "tensor_name", tensor_name)
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"{type(module).__name__} has no parametrization of {tensor_name!r} to remove"
        )
    computed = _list_of(module, tensor_name)
    originals = computed.originals()
    if not leave_parametrized and not computed.is_tensor:
        raise ValueError(
            f"remove_parametrizations: {tensor_name!r} has {len(originals)} originals, so with "
            f"leave_parametrized={leave_parametrized} there is no single value to go back to"
        )
    parameter = originals[0]
    if leave_parametrized:
        with no_grad():
            value = np.array(computed().array)
        parameter = _with_value(computed, value)
    names = tuple(name for name in module._computed if name != tensor_name)
    base = _base_of(module)
    _set_class(module, _class_with(base, names) if names else base)
    del module.parametrizations[tensor_name]
    if not names:
        del module.parametrizations
    module.register_parameter(tensor_name, parameter)
    return module


def _with_value(computed: ParametrizationList, value: Array) -> Parameter:
    originals = computed.originals()
    if not computed.is_tensor:
        return Parameter(value, any(original.requires_grad for original in originals))
    (original,) = originals
    _set_array(original, value)
    return original


def _set_array(parameter: Parameter, array: Array) -> None:
    """Give a parameter another value, whose shape may be another one."""
    parameter.grad = None
    parameter.array = array
    parameter.counter[0] += 1


def _set_class(module: Module, cls: type[Module]) -> None:
    module.__class__ = cls


def _check_module(name: str, module: Any) -> None:
    if not isinstance(module, Module):
        raise DTypeError(f"{name}: expected a Module, got {module!r} ({type(module).__name__})")


def _check_result(parametrization: Any, value: Tensor, further: bool) -> None:
    """Refuse a function that returns something else than a Tensor like ``value``."""
    name = type(parametrization).__name__
    with no_grad():
        inverse = None if further else getattr(parametrization, "right_inverse", None)
        originals = value if inverse is None else inverse(value)
        result = parametrization(*(originals if isinstance(originals, tuple) else (originals,)))
    if not isinstance(result, Tensor):
        raise DTypeError(f"{name} must return a Tensor, got {type(result).__name__}")
    if result.shape != value.shape:
        raise ShapeError(f"{name} must return shape {value.shape}, got {result.shape}")
    if result.dtype != value.dtype:
        raise DTypeError(f"{name} must return {value.dtype}, got {result.dtype}")
