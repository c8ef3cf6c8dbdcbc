"""The methods of every module: state, hooks and what holds of a whole net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import nn
from tests.bad_input.calls import SUBJECTS, Subject, add, t


def look(*values: Any) -> None:
    """Do nothing, as a hook or to a module."""


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def listed(name: str, arguments: Callable[[], tuple[Any, ...]]) -> None:
    """Append a method that returns an iterator, which runs when it is asked for values."""
    method = getattr(nn.Module, name)
    SUBJECTS.append(Subject(f"Module.{name}", lambda *given: list(method(*given)), arguments, {}))


for _name in ("children", "modules", "named_children"):
    listed(_name, lambda: (net(),))
for _name in ("buffers", "parameters"):
    listed(_name, lambda: (net(), True))
for _name in ("named_buffers", "named_parameters"):
    listed(_name, lambda: (net(), "net", True, True))
listed("named_modules", lambda: (net(), set(), "net", True))
add("Module", "cpu double eval extra_repr float get_extra_state", lambda: (net(),))
add("Module", "requires_grad_ train zero_grad", lambda: (net(), True))
add("Module", "apply", lambda: (net(), look))
add("Module", "to", lambda: (net(), np.dtype(np.float64)))
add("Module", "to", lambda: (net(), None, np.dtype(np.float64)), device="cpu")
add("Module", "get_buffer", lambda: (net(), "1.running_mean"))
add("Module", "get_parameter", lambda: (net(), "0.weight"))
add("Module", "get_submodule", lambda: (net(), "0"))
add("Module", "add_module register_module", lambda: (net(), "extra", nn.Tanh()))
add("Module", "register_buffer", lambda: (net(), "extra", t(3, grad=False), True))
add("Module", "register_parameter", lambda: (net(), "extra", nn.Parameter(t(3, grad=False))))
add("Module", "state_dict", lambda: (net(),), destination={}, prefix="net.", keep_vars=True)
add("Module", "load_state_dict", lambda: (net(), net().state_dict(), True))

FORWARD = {"prepend": True, "with_kwargs": True}
add("Module", "register_forward_pre_hook", lambda: (nn.Tanh(), look), **FORWARD)
add("Module", "register_forward_hook", lambda: (nn.Tanh(), look), always_call=True, **FORWARD)
add("Module", "register_full_backward_hook register_full_backward_pre_hook",
    lambda: (nn.Tanh(), look, True))  # fmt: skip
