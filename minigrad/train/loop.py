"""The training loop."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

from minigrad.data import DataLoader
from minigrad.grad_mode import enable_grad
from minigrad.nn import Module
from minigrad.nn.norm import BatchNorm
from minigrad.optim import Optimizer
from minigrad.optim.lr_scheduler import LRScheduler
from minigrad.random import Generator
from minigrad.runtime import get_num_threads
from minigrad.train.callbacks import Callback
from minigrad.train.checkpoint import load_checkpoint, restore_checkpoint, save_checkpoint
from minigrad.train.history import History
from minigrad.train.metrics import Average, Loss, Metrics, evaluate, split_batch
from minigrad.train.run import Run

__all__ = ["BatchOfOneWarning", "ThreadsChangedWarning", "fit"]


class BatchOfOneWarning(UserWarning):
    """A net with batch normalisation is about to be trained on a batch of one sample."""


class ThreadsChangedWarning(UserWarning):
    """A run is resumed with another number of threads, which can change the last bits."""


def fit(
    net: Module,
    train_loader: DataLoader,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int,
    scheduler: LRScheduler | None = None,
    scheduler_step: Literal["epoch", "batch"] = "epoch",
    metrics: Metrics | None = None,
    validation: Iterable[Any] | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    description: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> History:
    """Train a net.

    Parameters
    ----------
    net : Module
        Set to training mode, and left in it.
    train_loader : DataLoader
        Its batches are ``(input, ..., target)``; the inputs go to the net.
    loss : callable
        From output and target to the mean loss of a batch.
    optimizer : Optimizer
        Of the net's parameters.
    epochs : int, >= 1
        Of the whole run, also when it is resumed.
    scheduler : LRScheduler, optional
    scheduler_step : {"epoch", "batch"}
        When the schedule advances; `OneCycleLR` wants ``"batch"``.
    metrics : mapping from str to callable, optional
        Each from output and target to the mean of a batch: ``{"accuracy": accuracy}``.
    validation : iterable, optional
        Batches on which loss and metrics are measured after each epoch.
    callbacks : sequence of Callback
        Called in this order.
    checkpoint : path, optional
        Where to save the run, before the first epoch and after each. A file that is there is
        replaced, unless the run is resumed from it.
    description : mapping, optional
        Plain values to store in the checkpoint.
    resume : bool
        Continue from ``checkpoint``. All other arguments must be as they were.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If an argument is out of range, or the loader has no batches.
    FileNotFoundError, CheckpointError
        If the run cannot be resumed from the file.

    Warns
    -----
    BatchOfOneWarning
        If the last batch of an epoch has one sample and the net has a batch normalisation that
        may refuse it: not for images, not frozen, not with ``single="eval"``.
    ThreadsChangedWarning
        If a run is resumed with another number of threads than it had.

    Notes
    -----
    The checkpoint is always one of whole epochs. A run that is interrupted at any moment, by an
    exception, Ctrl-C or a power cut, repeats the epoch it was in when it is resumed, and ends
    with bit-identical weights, given the same number of threads. Random numbers that do not come
    from the default generator or that of the loader are the caller's to restore.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn import functional as F
    >>> net = mg.nn.Linear(2, 2)
    >>> loader = mg.data.DataLoader(
    ...     mg.data.TensorDataset(mg.eye(2), mg.arange(2)), batch_size=2, shuffle=True
    ... )
    >>> optimizer = mg.optim.SGD(net.parameters(), lr=1.0)
    >>> history = mg.train.fit(net, loader, loss=F.cross_entropy, optimizer=optimizer, epochs=30)
    >>> history.column("loss")[-1] < 0.1
    True
    """
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"fit: epochs must be an integer >= 1, got {epochs!r}")
    if scheduler_step not in ("epoch", "batch"):
        raise ValueError(f"fit: scheduler_step must be 'epoch' or 'batch', got {scheduler_step!r}")
    if resume and checkpoint is None:
        raise ValueError("fit: resume=True needs checkpoint, the file to continue from")
    if len(train_loader) == 0:
        raise ValueError(
            "fit: train_loader has no batches; use a smaller batch_size, or drop_last=False"
        )
    metrics = metrics or {}
    generator = train_loader.generator
    run = Run(net, optimizer, scheduler, epochs, len(train_loader))
    _warn_of_batch_of_one(net, train_loader)
    if resume and checkpoint is not None:
        _resume(checkpoint, run, generator)
    elif checkpoint is not None:
        save_checkpoint(checkpoint, run, generator=generator, description=description)

    net.train()
    with ExitStack() as ends:
        for callback in callbacks:
            ends.callback(callback.on_train_end, run)
            callback.on_train_begin(run)
        while run.epoch < run.epochs and not run.stop:
            _train_epoch(run, train_loader, loss, metrics, callbacks, scheduler_step)
            if validation is not None:
                measured = evaluate(net, validation, loss=loss, metrics=metrics)
                run.history[-1].update(
                    {f"validation_{name}": value for name, value in measured.items()}
                )
            if checkpoint is not None:
                save_checkpoint(checkpoint, run, generator=generator, description=description)
            for callback in callbacks:
                callback.on_epoch_end(run)
    return run.history


def _train_epoch(
    run: Run,
    loader: DataLoader,
    loss: Loss,
    metrics: Metrics,
    callbacks: Sequence[Callback],
    scheduler_step: str,
) -> None:
    """Pass over the data once, and add a record to the history."""
    run.step, run.seconds = 0, 0.0
    run.averages = {name: Average() for name in ("loss", *metrics)}
    start = time.perf_counter()
    for batch in loader:
        inputs, target = split_batch(batch)
        with enable_grad():
            output = run.net(*inputs)
            value = loss(output, target)
            run.optimizer.zero_grad()
            value.backward()
        run.optimizer.step()
        if run.scheduler is not None and scheduler_step == "batch":
            run.scheduler.step()
        run.averages["loss"].add(value.item(), len(target))
        for name, metric in metrics.items():
            run.averages[name].add(float(metric(output, target)), len(target))
        run.step += 1
        run.seconds = time.perf_counter() - start
        for callback in callbacks:
            callback.on_step_end(run)
    run.epoch += 1
    run.history.append(
        {
            "epoch": run.epoch,
            **{name: average.value for name, average in run.averages.items()},
            "lr": float(run.optimizer.param_groups[0]["lr"]),
            "samples": run.averages["loss"].samples,
            "seconds": run.seconds,
        }
    )
    if run.scheduler is not None and scheduler_step == "epoch":
        run.scheduler.step()


def _resume(path: str | os.PathLike[str], run: Run, generator: Generator | None) -> None:
    saved = load_checkpoint(path)
    restore_checkpoint(saved, run, generator=generator)
    threads = get_num_threads()
    if saved["threads"] != threads:
        warnings.warn(
            f"the run had {saved['threads']} threads and continues with {threads}: the last bits "
            "of matrix products can differ; set_num_threads makes it exact",
            ThreadsChangedWarning,
            stacklevel=3,
        )


def _warn_of_batch_of_one(net: Module, loader: DataLoader) -> None:
    if loader.smallest_batch == 1 and any(map(_refuses_a_single_sample, net.modules())):
        warnings.warn(
            f"{len(loader.dataset)} samples in batches of {loader.batch_size} leave one of a "
            "single sample, by which batch normalisation cannot normalise; use another "
            "batch_size, drop_last=True, or layers with single='eval'",
            BatchOfOneWarning,
            stacklevel=3,
        )


def _refuses_a_single_sample(module: Module) -> bool:
    """Whether it is a layer that cannot train on a sample of shape (C,).

    Those for images are left out: their samples have many values for each channel.
    """
    return (
        isinstance(module, BatchNorm)
        and 2 in module._ndims
        and module.single == "raise"
        and not module.frozen
    )
