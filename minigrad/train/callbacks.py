"""What can be hooked into a training run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Literal

from minigrad.arguments import check_integer, check_number
from minigrad.train.run import Run

__all__ = ["Callback", "EarlyStopping", "EpochLines"]


class Callback:
    """Base of callbacks: does nothing at any moment.

    A callback that keeps anything must be able to derive it from ``run.history``, so that a run
    that is resumed goes on as if it had never stopped.
    """

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch, also when a run is resumed."""

    def on_step_end(self, run: Run) -> None:
        """After each batch."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch, with its record in ``run.history`` and the checkpoint written."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch, or on the way out of an exception."""


class EarlyStopping(Callback):
    """End the run when a measurement has stopped improving.

    Parameters
    ----------
    monitor : str
        A name in the history, such as ``validation_loss``.
    patience : int, >= 1
        Epochs without improvement after which to end.
    min_delta : float, >= 0
        An improvement is a change for the better by more than this.
    mode : {"min", "max"}
        Whether less or more is better.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        check_integer("EarlyStopping", "patience", patience)
        check_number("EarlyStopping", "min_delta", min_delta)
        if patience < 1 or min_delta < 0 or mode not in ("min", "max"):
            raise ValueError(
                "EarlyStopping: expected patience >= 1, min_delta >= 0 and mode 'min' or 'max', "
                f"got {patience!r}, {min_delta!r} and {mode!r}"
            )
        if not isinstance(monitor, str):
            raise TypeError(f"EarlyStopping: monitor must be a name, got {monitor!r}")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode

    def on_train_begin(self, run: Run) -> None:
        """End a resumed run that had ended this way."""
        self.on_epoch_end(run)

    def on_epoch_end(self, run: Run) -> None:
        """Look at all epochs so far."""
        best: float | None = None
        waited = 0
        for value in run.history.column(self.monitor):
            gain = 0.0 if best is None else best - value if self.mode == "min" else value - best
            if best is None or math.isnan(best) or gain > self.min_delta:
                best, waited = value, 0
            else:
                waited += 1
            if waited >= self.patience:
                run.stop = True


class EpochLines(Callback):
    """Write one line per epoch, for logs and pipes.

    Parameters
    ----------
    write : callable, optional
        Called with each line; default: a line on standard error.
    """

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or (lambda line: sys.stderr.write(line + "\n"))

    def on_epoch_end(self, run: Run) -> None:
        """Write the line of the epoch that has ended."""
        record = run.history[-1]
        hidden = ("epoch", "lr", "samples", "seconds")
        parts = [f"{name} {value:.4f}" for name, value in record.items() if name not in hidden]
        speed = record["samples"] / max(record["seconds"], 1e-9)
        self._write(f"epoch {run.epoch}/{run.epochs}  {'  '.join(parts)}  {speed:,.0f} samples/s")
