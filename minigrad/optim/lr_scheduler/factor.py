"""Schedules that multiply the learning rate by a factor of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from minigrad.arguments import check_integer, check_items, check_number
from minigrad.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    check_positive_integer,
)
from minigrad.optim.optimizer import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "StepLR",
]


class LambdaLR(LRScheduler):
    """``base_lr * lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or sequence of callable
        From the epoch, an integer from 0, to the factor; one for all groups, or one for each. It
        is not part of ``state_dict()``: give the same one when a run is continued.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If the number of functions is not that of the groups.
    """

    _not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "lr_lambdas")
    _from_base: ClassVar[bool] = True

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        if isinstance(lr_lambda, Sequence):
            if len(lr_lambda) != groups:
                raise ValueError(
                    f"expected {groups} functions, one per group, got {len(lr_lambda)}"
                )
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups
        for factor in self.lr_lambdas:
            if not callable(factor):
                raise TypeError(f"LambdaLR: lr_lambda must be a function, got {factor!r}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        return [
            base_lr * factor(self.last_epoch)
            for base_lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """``base_lr * gamma ** (epoch // step_size)``.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        Epochs between two decays, >= 1.
    gamma : float
        Factor of each decay.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If ``step_size`` is not an integer of at least 1.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check_positive_integer("step_size", step_size)
        self.step_size = step_size
        check_number(type(self).__name__, "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._current()
        return [lr * self.gamma for lr in self._current()]


class MultiStepLR(LRScheduler):
    """``base_lr * gamma ** (number of milestones reached)``.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Epochs at which the learning rate is multiplied by ``gamma``; one that occurs twice
        counts twice.
    gamma : float
        Factor of each decay.
    last_epoch : int
        See `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        epochs = check_items("MultiStepLR", "milestones", milestones)
        self.milestones = sorted(
            [check_integer("MultiStepLR", "a milestone", epoch) for epoch in epochs]
        )
        check_number(type(self).__name__, "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        reached = self.milestones.count(self.last_epoch)
        return [lr * self.gamma**reached for lr in self._current()]


class ExponentialLR(LRScheduler):
    """``base_lr * gamma ** epoch``.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
        Factor of each epoch.
    last_epoch : int
        See `LRScheduler`.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        check_number(type(self).__name__, "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        if self.last_epoch == 0:
            return self._current()
        return [lr * self.gamma for lr in self._current()]


class LinearLR(LRScheduler):
    """A factor that goes linearly from ``start_factor`` to ``end_factor``: a warm-up.

    ``base_lr * (start_factor + (end_factor - start_factor) * min(epoch / total_iters, 1))``

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        Factor at epoch 0, in (0, 1].
    end_factor : float
        Factor from epoch ``total_iters`` on, in [0, 1].
    total_iters : int
        Epochs until ``end_factor`` is reached, >= 1.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If a factor or ``total_iters`` is outside its range.

    Examples
    --------
    Five steps of warm-up, then a cosine to zero:

    >>> import minigrad as mg
    >>> from minigrad.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = mg.optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.2, total_iters=4)
    >>> decay = CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule = SequentialLR(optimizer, [warm_up, decay], milestones=[4])
    >>> for _ in range(7):
    ...     print(round(optimizer.param_groups[0]["lr"], 3), end=" ")
    ...     schedule.step()
    0.2 0.4 0.6 0.8 1.0 0.5 0.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_number("LinearLR", "start_factor", start_factor)
        check_number("LinearLR", "end_factor", end_factor)
        if not 0.0 < start_factor <= 1.0:
            raise ValueError(f"start_factor must be in (0, 1], got {start_factor!r}")
        if not 0.0 <= end_factor <= 1.0:
            raise ValueError(f"end_factor must be in [0, 1], got {end_factor!r}")
        check_positive_integer("total_iters", total_iters)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self.last_epoch > self.total_iters:
            return self._current()
        # The quotient of this epoch's factor and the last one's.
        rise = self.end_factor - self.start_factor
        last = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1.0 + rise / last) for lr in self._current()]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from ``base_lr`` at epoch 0 to ``eta_min`` at epoch ``T_max``.

    ``eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        Epochs until ``eta_min`` is reached, >= 1; the learning rate rises again after that.
    eta_min : float
        Smallest learning rate.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If ``T_max`` is not an integer of at least 1.

    References
    ----------
    .. [1] Loshchilov & Hutter, 2017, arXiv:1608.03983, eq. 5, without restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_positive_integer("T_max", T_max)
        self.T_max = T_max
        check_number("CosineAnnealingLR", "eta_min", eta_min)
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group for epoch `last_epoch`."""
        epoch, T_max, eta_min = self.last_epoch, self.T_max, self.eta_min
        if epoch == 0:
            return self._current()
        if (epoch - 1 - T_max) % (2 * T_max) == 0:
            # The last epoch was at eta_min, of which nothing is left to multiply.
            rise = (1 - math.cos(math.pi / T_max)) / 2
            return [
                lr + (base_lr - eta_min) * rise
                for lr, base_lr in zip(self._current(), self.base_lrs, strict=True)
            ]
        now = 1 + math.cos(math.pi * epoch / T_max)
        last = 1 + math.cos(math.pi * (epoch - 1) / T_max)
        return [now / last * (lr - eta_min) + eta_min for lr in self._current()]
