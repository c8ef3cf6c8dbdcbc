"""What a training run is at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from minigrad.nn import Module
from minigrad.optim import Optimizer
from minigrad.optim.lr_scheduler import LRScheduler
from minigrad.train.history import History
from minigrad.train.metrics import Average

__all__ = ["Run"]


@dataclass
class Run:
    """The state that `fit` shows to its callbacks.

    Attributes
    ----------
    net, optimizer, scheduler
        What is trained, and how.
    epochs : int
        Epochs when the run is complete.
    steps_per_epoch : int
        Batches of an epoch.
    epoch : int
        Epochs that are complete.
    step : int
        Batches of the present epoch that are done.
    averages : dict from str to Average
        Means over the present epoch so far: ``loss``, and each metric.
    seconds : float
        Since the present epoch began.
    history : History
        Of the complete epochs, also of those before a run was resumed.
    stop : bool
        A callback sets this to end the run after the present epoch.
    """

    net: Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    epochs: int
    steps_per_epoch: int
    epoch: int = 0
    step: int = 0
    averages: dict[str, Average] = field(default_factory=dict)
    seconds: float = 0.0
    history: History = field(default_factory=History)
    stop: bool = False
