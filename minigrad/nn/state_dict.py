"""The state of a module as one flat dictionary, and back.

Keys are PyTorch's: ``"layers.0.weight"``; what a module keeps beside Tensors stands under
``"layers.0._extra_state"``. So dictionaries travel between the two frameworks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad.errors import MinigradError
from minigrad.tensor import Tensor
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["EXTRA_STATE", "IncompatibleKeys", "StateDictError", "collect", "load"]

EXTRA_STATE = "_extra_state"
"""The key of what `Module.get_extra_state` returns."""


class StateDictError(MinigradError, RuntimeError):
    """A state dictionary does not belong to the module that should load it."""


class IncompatibleKeys(NamedTuple):
    """What loading with ``strict=False`` passed over."""

    missing_keys: list[str]
    """Of the module, but not in the dictionary: left as they were."""
    unexpected_keys: list[str]
    """In the dictionary, but not of the module: ignored."""


class _Slot(NamedTuple):
    """A Tensor of a module that a state dictionary fills."""

    tensor: Tensor
    optional: bool


def collect(root: Module, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Enter the state of ``root`` and of all its submodules into ``destination``."""
    for start, module in _modules(root):
        for name, tensor in _own_tensors(module):
            destination[prefix + start + name] = tensor if keep_vars else tensor.detach()
        extra = module.get_extra_state()
        if extra is not None:
            destination[prefix + start + EXTRA_STATE] = extra


def load(root: Module, state: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    """Copy ``state`` into ``root``, all of it or, where an error is raised, nothing.

    See `Module.load_state_dict`, the public side of this function.
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            f"load_state_dict: expected a dictionary such as state_dict() returns, got "
            f"{type(state).__name__}"
        )
    slots: dict[str, _Slot] = {}
    extras: dict[str, Module] = {}
    missing: list[str] = []
    for start, module in _modules(root):
        for name, tensor in _own_tensors(module):
            slots[start + name] = _Slot(tensor, name in module._optional_keys)
        if module._takes_extra_state():
            key = start + EXTRA_STATE
            extras[key] = module
            optional = EXTRA_STATE in module._optional_keys
            if key not in state and not optional and module.get_extra_state() is not None:
                missing.append(key)
    missing[:0] = [key for key, slot in slots.items() if key not in state and not slot.optional]
    unexpected = [key for key in state if key not in slots and key not in extras]

    arrays: dict[str, Array] = {}
    problems: list[str] = []
    for key, slot in slots.items():
        if key not in state:
            continue
        array = _as_array(state[key])
        problem = _problem(array, slot.tensor.array)
        if problem is None:
            arrays[key] = array.astype(slot.tensor.dtype, copy=False)
        else:
            problems.append(f"{key} {problem}")
    if problems or (strict and (missing or unexpected)):
        raise StateDictError(_report(root, missing, unexpected, problems, strict))

    _set_extra_states({module: state[key] for key, module in extras.items() if key in state})
    for key, array in arrays.items():
        tensor = slots[key].tensor
        np.copyto(tensor.array, array)
        tensor.counter[0] += 1
    return IncompatibleKeys(missing, unexpected)


def _modules(root: Module) -> Iterator[tuple[str, Module]]:
    """Yield each module, a shared one under each of its names, with the start of its keys."""
    for path, module in root.named_modules(remove_duplicate=False):
        yield (f"{path}." if path else ""), module


def _own_tensors(module: Module) -> Iterator[tuple[str, Tensor]]:
    for name in (*module._parameter_names, *module._buffer_names):
        tensor = module.__dict__[name]
        if tensor is not None and name not in module._non_persistent:
            yield name, tensor


def _as_array(value: Any) -> Array:
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def _problem(source: Array, target: Array) -> str | None:
    """Say why ``source`` cannot be copied into ``target``, if it cannot."""
    if source.shape != target.shape:
        return f"must have shape {target.shape}, got {source.shape}"
    if not np.can_cast(source.dtype, target.dtype, "same_kind"):
        return f"must be {target.dtype}, got {source.dtype}"
    if not target.flags.writeable:
        return "cannot be written to: its memory is read-only"
    return None


def _report(
    root: Module, missing: list[str], unexpected: list[str], problems: list[str], strict: bool
) -> str:
    lines = [f"cannot load this state_dict into {type(root).__name__}; nothing was changed"]
    if strict and missing:
        lines.append(f"missing keys: {', '.join(missing)}")
    if strict and unexpected:
        lines.append(f"unexpected keys: {', '.join(unexpected)}")
    if strict and (missing or unexpected):
        lines.append("(strict=False passes over missing and unexpected keys)")
    lines.extend(problems)
    return "\n  ".join(lines)


def _set_extra_states(states: dict[Module, Any]) -> None:
    """Hand each module its extra state; if one refuses, give the others theirs back."""
    previous: list[tuple[Module, Any]] = []
    # An extra state may say which parameters are learned; the one before it does not say all.
    learned = [(p, p.requires_grad) for module in states for p in module.parameters()]
    try:
        for module, state in states.items():
            previous.append((module, module.get_extra_state()))
            module.set_extra_state(state)
    except BaseException:
        for module, state in previous:
            module.set_extra_state(state)
        for parameter, required in learned:
            parameter.requires_grad = required
        raise
