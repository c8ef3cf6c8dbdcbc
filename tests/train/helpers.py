"""A small run, built the same way each time."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional
from minigrad.train import Callback, History, Run, accuracy, fit

SAMPLES = 23  # the last batch is not full


class Pieces:
    """Net, loader, optimiser and schedule of a small problem, with everything that is random."""

    def __init__(self, *, epochs: int = 4, seed: int = 0, own_generator: bool = False) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(SAMPLES, 6)).astype(np.float32)
        y = (x[:, 0] > x[:, 1]).astype(np.int64)
        mg.manual_seed(seed)
        self.epochs = epochs
        self.net = nn.Sequential(
            nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(8, 2),
        )  # fmt: skip
        generator = mg.Generator(seed + 1) if own_generator else None
        self.data = mg.data.TensorDataset(x, y)
        self.loader = mg.data.DataLoader(self.data, 8, True, generator=generator)
        self.optimizer = mg.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
        self.scheduler = mg.optim.lr_scheduler.OneCycleLR(
            self.optimizer, 0.1, epochs=epochs, steps_per_epoch=len(self.loader)
        )

    def fit(self, **arguments: Any) -> History:
        return fit(
            self.net,
            self.loader,
            **{
                "loss": functional.cross_entropy,
                "optimizer": self.optimizer,
                "epochs": self.epochs,
                "scheduler": self.scheduler,
                "scheduler_step": "batch",
                "metrics": {"accuracy": accuracy},
                **arguments,
            },
        )

    def state(self) -> dict[str, bytes]:
        """Return every bit that training changes."""
        tensors = dict(self.net.state_dict())
        for index, kept in self.optimizer.state_dict()["state"].items():
            tensors.update({f"optimizer.{index}.{name}": value for name, value in kept.items()})
        bits = {name: tensor.array.tobytes() for name, tensor in tensors.items()}
        bits["random"] = repr(mg.default_generator.get_state()).encode()
        bits["lr"] = repr(self.scheduler.get_last_lr()).encode()
        return bits


class InterruptAt(Callback):
    """Stands for Ctrl-C at a step of an epoch (from 0), or right after an epoch."""

    def __init__(self, epoch: int, step: int | None = None) -> None:
        self.epoch = epoch
        self.step = step

    def on_step_end(self, run: Run) -> None:
        if (run.epoch, run.step) == (self.epoch, self.step):
            raise KeyboardInterrupt

    def on_epoch_end(self, run: Run) -> None:
        if self.step is None and run.epoch == self.epoch:
            raise KeyboardInterrupt
