"""`LRScheduler`: what all schedules share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from minigrad.errors import FormatError
from minigrad.optim.optimizer import Optimizer

__all__ = ["LRScheduler", "check_optimizer", "check_positive_integer"]


class LRScheduler:
    """Base of the schedules: sets the learning rate of every group of an optimiser.

    Constructing a schedule sets the learning rates of epoch 0; each `step` after that those of
    the next. What an epoch is, is the caller's choice: `OneCycleLR` is stepped once a batch.
    A subclass gives the formula in `get_lr`, and names what a saved state must not hold in
    ``_not_saved``.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 starts the schedule. k >= 0 continues it after epoch k: every group must have the
        ``"initial_lr"`` that the schedule started from.

    Raises
    ------
    TypeError
        If ``optimizer`` is not an Optimizer.
    KeyError
        If the schedule is continued and a group has no ``"initial_lr"``.

    Attributes
    ----------
    last_epoch : int
        The epoch whose learning rates are set now.
    base_lrs : list of float
        The learning rate of each group that the schedule started from.

    Notes
    -----
    Most formulas multiply the present learning rate, as PyTorch's do. So several schedules of one
    optimiser, stepped one after the other, multiply their effects.
    """

    _not_saved: ClassVar[tuple[str, ...]] = ("optimizer",)
    # Whether get_lr starts from base_lrs. Other formulas multiply the present learning rate: if
    # they are continued, the optimiser that was restored has the right one already.
    _from_base: ClassVar[bool] = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"group {number} has no 'initial_lr', which last_epoch={last_epoch} needs: "
                    "load the state of the optimizer first, or use load_state_dict of a new "
                    "schedule instead of last_epoch"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        if self.last_epoch == 0 or self._from_base:
            self._set_lr(self.get_lr())
        else:
            self._set_lr(self._current())

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`.

        This is the formula that `step` uses once. To read the present values, use `get_last_lr`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_lr")

    def get_last_lr(self) -> list[float]:
        """Return the learning rates that were set last, one per group."""
        return list(self._last_lr)

    def step(self) -> None:
        """Set the learning rates of the next epoch; call it after ``optimizer.step()``."""
        self.last_epoch += 1
        self._set_lr(self.get_lr())

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule is, as plain values; functions are not included."""
        return {
            name: copy.deepcopy(value)
            for name, value in vars(self).items()
            if name not in self._not_saved
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        The learning rates themselves are in the state of the optimiser: load that as well.

        Parameters
        ----------
        state_dict : dict
            Of the same kind of schedule, for as many groups.

        Raises
        ------
        FormatError
            If it is not; nothing is changed then.
        """
        self._check_state(state_dict)
        vars(self).update(copy.deepcopy(dict(state_dict)))

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        name = type(self).__name__
        expected = set(vars(self)) - set(self._not_saved)
        if not isinstance(state_dict, Mapping) or set(state_dict) != expected:
            got = list(state_dict) if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise FormatError(
                f"expected the state_dict of {name}, with the keys {sorted(expected)}, got {got}"
            )
        groups = len(self.optimizer.param_groups)
        if len(state_dict["_last_lr"]) != groups:
            raise FormatError(
                f"{name} schedules {groups} groups, the loaded state_dict "
                f"{len(state_dict['_last_lr'])}"
            )

    def _restart(self) -> None:
        """Set the learning rates of epoch 0, whatever they are now."""
        self.last_epoch = 0
        self._set_lr(self.base_lrs)
        self._set_lr(self.get_lr())

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _set_lr(self, values: list[float]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            group["lr"] = value
        self._last_lr: list[float] = list(values)


def check_optimizer(optimizer: Any) -> None:
    """Raise TypeError unless ``optimizer`` is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"expected an Optimizer, got a {type(optimizer).__name__}")


def check_positive_integer(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
