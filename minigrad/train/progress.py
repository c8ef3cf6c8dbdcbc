"""The live bar of the command line."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from minigrad.train.callbacks import Callback
from minigrad.train.run import Run

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A bar over the whole run, with loss, metrics and samples per second of the present epoch.

    Parameters
    ----------
    console : rich.console.Console
        A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def on_train_begin(self, run: Run) -> None:
        """Show the bar, where a resumed run begins."""
        self._task = self._progress.add_task(
            "",
            total=run.epochs * run.steps_per_epoch,
            completed=run.epoch * run.steps_per_epoch,
            epoch=f"{run.epoch}/{run.epochs}",
            measured="",
        )
        self._progress.start()

    def on_step_end(self, run: Run) -> None:
        """Move the bar."""
        if self._task is None:
            return
        parts = [f"{name} {average.value:.4f}" for name, average in run.averages.items()]
        speed = run.averages["loss"].samples / max(run.seconds, 1e-9)
        self._progress.update(
            self._task,
            completed=run.epoch * run.steps_per_epoch + run.step,
            epoch=f"{run.epoch + 1}/{run.epochs}",
            measured=f"{'  '.join(parts)}  {speed:,.0f} samples/s",
        )

    def on_train_end(self, run: Run) -> None:
        """Leave the last state of the bar standing."""
        self._progress.stop()
