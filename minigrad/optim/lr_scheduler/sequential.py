"""Schedules one after the other."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from minigrad.arguments import check_integer, check_items
from minigrad.errors import FormatError
from minigrad.optim.lr_scheduler.base import LRScheduler, check_optimizer
from minigrad.optim.optimizer import Optimizer

__all__ = ["SequentialLR"]


class SequentialLR(LRScheduler):
    """One schedule after another, each from its epoch 0: a warm-up, then a decay.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
        Of the same optimiser, new ones.
    milestones : sequence of int
        The epochs at which the second, third, ... take over, ascending; one fewer than schedules.
    last_epoch : int
        Only -1: to continue a sequence, use `load_state_dict`.

    Raises
    ------
    ValueError
        If the numbers of schedules and milestones do not fit, milestones do not ascend, a
        schedule belongs to another optimiser, or ``last_epoch`` is not -1.

    Examples
    --------
    See `LinearLR`.
    """

    _not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        for scheduler in check_items("SequentialLR", "schedulers", schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"SequentialLR: expected schedules, got {scheduler!r} in them")
        for milestone in check_items("SequentialLR", "milestones", milestones):
            check_integer("SequentialLR", "a milestone", milestone)
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "expected at least one schedule and one milestone fewer than schedules, got "
                f"{len(schedulers)} schedules and the milestones {list(milestones)}"
            )
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
            raise ValueError("expected schedules of the same optimizer, got one of another")
        steps = [0, *milestones]
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError(f"milestones must ascend from 1 or more, got {list(milestones)}")
        if last_epoch != -1:
            raise ValueError(
                f"last_epoch must be -1, got {last_epoch}: continue a sequence with load_state_dict"
            )
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if self.last_epoch in (0, *self._milestones):
            scheduler._restart()
        else:
            scheduler.step()
        return scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return where the sequence and each of its schedules are."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; see `LRScheduler.load_state_dict`.

        Parameters
        ----------
        state_dict : dict
            Of a sequence of the same schedules.

        Raises
        ------
        FormatError
            If it is not; nothing is changed then.
        """
        self._check_state(state_dict)
        own = dict(state_dict)
        states = own.pop("_schedulers")
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(state)
        vars(self).update(copy.deepcopy(own))

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        if not isinstance(state_dict, Mapping) or "_schedulers" not in state_dict:
            raise FormatError("expected the state_dict of SequentialLR, with the key '_schedulers'")
        super()._check_state({k: v for k, v in state_dict.items() if k != "_schedulers"})
        states = state_dict["_schedulers"]
        if len(states) != len(self._schedulers):
            raise FormatError(
                f"the sequence has {len(self._schedulers)} schedules, the loaded state_dict "
                f"{len(states)}"
            )
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler._check_state(state)
