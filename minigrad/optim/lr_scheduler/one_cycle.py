"""The one-cycle policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from minigrad.arguments import check_items, check_number
from minigrad.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    check_positive_integer,
)
from minigrad.optim.optimizer import Group, Optimizer

__all__ = ["OneCycleLR"]

_Phase = tuple[float, str, str, str, str]
"""Last step, learning rate at its start and end, momentum at its start and end (keys of groups)."""


class OneCycleLR(LRScheduler):
    """Raise the learning rate to ``max_lr``, then lower it far below where it started.

    Stepped once a batch. Momentum moves the other way: high where the learning rate is low.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or sequence of float
        Peak of the learning rate; one for all groups, or one for each.
    total_steps : int, optional
        Steps of the whole cycle. Default: ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
        Used if ``total_steps`` is not given.
    pct_start : float
        Share of the steps in which the learning rate rises, in [0, 1] (not in per cent).
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Move ``momentum``, or the first of ``betas``, between the two values below.
    base_momentum, max_momentum : float or sequence of float
        Momentum at the peak of the learning rate, and at both ends.
    div_factor : float
        The learning rate starts from ``max_lr / div_factor``.
    final_div_factor : float
        It ends at ``max_lr / div_factor / final_div_factor``.
    three_phase : bool
        Come down symmetrically, then anneal. False (the default): come down in one go.
    last_epoch : int
        See `LRScheduler`; counts steps.

    Raises
    ------
    ValueError
        If an argument is outside its range, if the optimiser has neither momentum nor betas to
        cycle, or if the schedule is stepped more than ``total_steps`` times.

    References
    ----------
    .. [1] Smith & Topin, 2018, arXiv:1708.07120; the phases are PyTorch's (two of them, after
       fast.ai, unless ``three_phase``).
    """

    _from_base: ClassVar[bool] = True

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("give total_steps, or epochs and steps_per_epoch")
            check_positive_integer("epochs", epochs)
            check_positive_integer("steps_per_epoch", steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        check_positive_integer("total_steps", total_steps)
        for name, value in (
            ("pct_start", pct_start),
            ("div_factor", div_factor),
            ("final_div_factor", final_div_factor),
        ):
            check_number("OneCycleLR", name, value)
        if not (div_factor > 0.0 and final_div_factor > 0.0):
            raise ValueError(
                "OneCycleLR: div_factor and final_div_factor must be positive, got "
                f"{div_factor!r} and {final_div_factor!r}"
            )
        if not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"pct_start must be in [0, 1], got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        defaults = optimizer.defaults
        if cycle_momentum and "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{type(optimizer).__name__} has neither momentum nor betas: pass "
                "cycle_momentum=False"
            )
        groups = optimizer.param_groups
        max_lrs = _one_per_group("max_lr", max_lr, groups)
        base_momentums = _one_per_group("base_momentum", base_momentum, groups)
        max_momentums = _one_per_group("max_momentum", max_momentum, groups)

        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self._phases = _phases(total_steps, pct_start, three_phase)
        if last_epoch == -1:
            for number, group in enumerate(groups):
                group["max_lr"] = max_lrs[number]
                group["initial_lr"] = max_lrs[number] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["base_momentum"] = base_momentums[number]
                    group["max_momentum"] = max_momentums[number]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for step `last_epoch`, and set its momentum."""
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR was stepped {self.last_epoch} times, more than its total_steps, "
                f"{self.total_steps}"
            )
        (_, lr_start, lr_end, momentum_start, momentum_end), share = self._position()
        values = []
        for group in self.optimizer.param_groups:
            values.append(self._anneal(group[lr_start], group[lr_end], share))
            if self.cycle_momentum:
                momentum = self._anneal(group[momentum_start], group[momentum_end], share)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return values

    def _position(self) -> tuple[_Phase, float]:
        """Return the phase that this step is in, and the share of it that has passed."""
        start = 0.0
        for phase in self._phases:
            end = phase[0]
            if self.last_epoch <= end:
                # A phase of a single step is at its end.
                share = (self.last_epoch - start) / (end - start) if end > start else 1.0
                return phase, share
            start = end
        return self._phases[-1], 1.0  # step() after the last batch: the cycle is over

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[_Phase]:
    rise = float(pct_start * total_steps) - 1
    up: _Phase = (rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        return [up, (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    fall = float(2 * pct_start * total_steps) - 2
    return [
        up,
        (fall, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]


def _one_per_group(name: str, value: float | Sequence[float], groups: list[Group]) -> list[float]:
    several = isinstance(value, Sequence)
    for number in check_items("OneCycleLR", name, value) if several else [value]:
        check_number("OneCycleLR", name, number)
    if not isinstance(value, Sequence):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(f"expected {len(groups)} values of {name}, one per group, got {value!r}")
    return list(value)
