"""`Optimizer`: groups of parameters, what is kept for each, and how both are saved."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from minigrad.errors import DTypeError, FormatError, ShapeError
from minigrad.grad_mode import enable_grad
from minigrad.tensor import Tensor, _wrap, as_array
from minigrad.typing import Array

__all__ = ["Group", "Optimizer", "Params", "State", "check_non_negative", "zeros_in"]

Group = dict[str, Any]
"""The hyper-parameters of one group by name, and its parameters under ``"params"``."""
Params = Iterable[Tensor] | Iterable[Group]
"""What an optimiser is given: parameters, or groups of them."""
State = dict[str, Any]
"""What is kept for one parameter: Tensors of its shape, and numbers."""


class Optimizer:
    """Base of the optimisers: everything but the formula of the update.

    A subclass gives the formula in ``_update(param, grad, state, group)``, which changes the
    array ``param`` in place, the hyper-parameters' limits in ``_check``, and the names of what it
    keeps for a parameter in ``_state_names``.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        Parameters to update: leaves of float32 or float64. As dictionaries: groups, each with
        its own ``"params"`` and the hyper-parameters in which it differs from ``defaults``.
    defaults : dict
        Hyper-parameters of every group that does not say otherwise.

    Raises
    ------
    TypeError
        If ``params`` is not an iterable in a fixed order, or holds something else than Tensors.
    DTypeError
        If a parameter is neither float32 nor float64.
    ValueError
        If there are no parameters, one occurs twice or was computed by an op, or a
        hyper-parameter is outside its range.

    Attributes
    ----------
    param_groups : list of dict
        The groups, with all their hyper-parameters; these may be changed between steps.
    state : dict
        Parameter -> what is kept for it.
    defaults : dict
    """

    _state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Params, defaults: Group) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        if isinstance(params, (Tensor, Mapping, str)) or not isinstance(params, Iterable):
            raise TypeError(
                "params must be an iterable of Tensors or of groups (dict), got a single "
                f"{type(params).__name__}; pass net.parameters() or a list"
            )
        if isinstance(params, (set, frozenset)):
            raise TypeError("params must be in a fixed order, got a set; pass a list")
        given: list[Any] = list(params)
        if not given:
            raise ValueError(
                f"{type(self).__name__} got an empty list of parameters; a generator such as "
                "net.parameters() is empty once it has been used"
            )
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add a group of parameters.

        Parameters
        ----------
        param_group : dict
            ``"params"``, a Tensor or an iterable of Tensors, and the hyper-parameters in which
            the group differs from the defaults.

        Raises
        ------
        TypeError, DTypeError, ValueError
            As the constructor; nothing is added then.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"a group must be a dict with the key 'params', got {param_group!r}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError("params must be in a fixed order, got a set; pass a list")
        group = {
            **self.defaults,
            **param_group,
            "params": [params] if isinstance(params, Tensor) else list(params),
        }
        seen = {param for other in self.param_groups for param in other["params"]}
        for position, param in enumerate(group["params"]):
            _check_param(param, position)
            if param in seen:
                raise ValueError(
                    f"parameter {position} of the group, of shape {param.shape}, is already in "
                    "this optimizer; each parameter is updated once"
                )
            seen.add(param)
        self._check(group)
        self.param_groups.append(group)

    def _check(self, group: Group) -> None:
        """Raise ValueError if a hyper-parameter of the group is outside its range."""

    def _update(self, param: Array, grad: Array, state: State, group: Group) -> None:
        """Update one parameter in place."""
        raise NotImplementedError(f"{type(self).__name__} must define _update")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero.

        Parameters
        ----------
        set_to_none : bool
            Forget (the default): parameters that then get no gradient are not updated. False:
            existing gradients become zeros.
        """
        for group in self.param_groups:
            for param in group["params"]:
                param.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Called first, with recording on, to compute the loss and the gradients anew.

        Returns
        -------
        object
            What ``closure`` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    self._update(param.array, grad.array, self.state[param], group)
                    param.counter[0] += 1
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state in PyTorch's layout, sharing the arrays.

        Returns
        -------
        dict
            ``"state"``: index of a parameter -> what is kept for it; ``"param_groups"``: the
            groups, with indices under ``"params"``. Parameters are counted through the groups.
        """
        index = {param: number for number, param in enumerate(self._all_params())}
        return {
            "state": {index[param]: dict(kept) for param, kept in self.state.items() if kept},
            "param_groups": [
                {**group, "params": [index[param] for param in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; arrays are copied.

        Parameters
        ----------
        state_dict : dict
            Of the same kind of optimiser, for parameters of the same shapes in the same groups.
            States of PyTorch's optimisers of the same name fit too, as Tensors or arrays.

        Raises
        ------
        FormatError
            If it is not the state of such an optimiser, or the groups do not match.
        ShapeError
            If something kept for a parameter does not have its shape.
        ValueError
            If a hyper-parameter is outside its range. In every case nothing is changed.
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise FormatError(
                f"expected the state_dict of {name}, with the keys 'state' and 'param_groups', "
                f"got {_describe(state_dict)}"
            )
        saved_groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved_groups]
        if sizes != saved_sizes:
            raise FormatError(
                f"{name} has groups of {sizes} parameters, the loaded state_dict of {saved_sizes}"
            )
        groups = []
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            missing = [key for key in self.defaults if key not in saved]
            if missing:
                raise FormatError(
                    f"the loaded state_dict is not one of {name}: a group lacks "
                    f"{', '.join(missing)}"
                )
            groups.append({**copy.deepcopy(dict(saved)), "params": group["params"]})
            self._check(groups[-1])
        saved_indices = [index for saved in saved_groups for index in saved["params"]]
        params = dict(zip(saved_indices, self._all_params(), strict=True))
        state: defaultdict[Tensor, State] = defaultdict(dict)
        for index, kept in state_dict["state"].items():
            if index not in params:
                raise FormatError(
                    f"the loaded state_dict keeps something for parameter {index!r}, which is in "
                    "none of its groups"
                )
            state[params[index]] = self._load_state(index, params[index], kept)
        self.param_groups = groups
        self.state = state

    def _load_state(self, index: int, param: Tensor, kept: Mapping[str, Any]) -> State:
        """Return a copy of what was kept for one parameter, in the dtype of the parameter."""
        state: State = {}
        for name, value in kept.items():
            if name not in self._state_names:
                raise FormatError(
                    f"the loaded state_dict is not one of {type(self).__name__}, which keeps "
                    f"{', '.join(self._state_names)} for a parameter: it has {name!r}"
                )
            if value is None:  # PyTorch's SGD without momentum keeps this
                continue
            array = value.array if isinstance(value, Tensor) else as_array(value)
            if name == "step":
                state[name] = int(array.item())
                continue
            if array.shape != param.shape:
                raise ShapeError(
                    f"{name} of parameter {index} must have shape {param.shape}, got {array.shape}"
                )
            buffer = np.empty_like(param.array)
            buffer[...] = array
            state[name] = _wrap(buffer)
        return state

    def _all_params(self) -> list[Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _check_param(param: Any, position: int) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(
            f"an optimizer updates Tensors, got {_describe(param)} as parameter {position}; "
            "pass net.parameters(), or groups as dictionaries only"
        )
    if param.dtype not in (np.float32, np.float64):
        raise DTypeError(
            f"an optimizer updates float32 and float64 Tensors, parameter {position} is "
            f"{param.dtype}; convert the module with .float() or .double() before it is given to "
            "the optimizer"
        )
    if param.node is not None:
        raise ValueError(
            f"parameter {position} is the result of {param.node.op.__name__}: an optimizer "
            "updates leaves; pass the Tensors that it was computed from, or detach() it"
        )


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {list(value)}"
    return f"a {type(value).__name__}"


def check_non_negative(group: Group, *names: str) -> None:
    """Raise ValueError unless each hyper-parameter is a finite number of at least 0."""
    for name in names:
        value = group[name]
        if not isinstance(value, (int, float, np.number)) or not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")


def zeros_in(state: State, name: str, param: Array) -> Array:
    """Return the array kept as ``name``, made of zeros like ``param`` when it is first wanted."""
    buffer = state.get(name)
    if buffer is None:
        buffer = state[name] = _wrap(np.zeros_like(param))
    array: Array = buffer.array
    return array
