"""Files that hold a net: checkpoints, from which training continues, and finished models.

Both are `minigrad.save` files (``.npz``, no pickle, written whole or not at all) of one dictionary:

==================  ==========================================================  ==========
key                 content                                                     in
==================  ==========================================================  ==========
``kind``            ``"checkpoint"`` or ``"model"``                             both
``version``         of this layout: `CHECKPOINT_VERSION`                        both
``description``     plain values from the caller: architecture, data,           both
                    preprocessing, settings
``net``             its ``state_dict``                                          both
``made_with``       versions of minigrad, NumPy and Python                      both
``epoch``           epochs that are complete                                    checkpoint
``epochs``          epochs of the whole run                                     checkpoint
``steps_per_epoch`` batches of an epoch                                         checkpoint
``history``         a record for each epoch                                     checkpoint
``optimizer``       ``name`` and ``state``                                      checkpoint
``scheduler``       the same, or None                                           checkpoint
``random``          states of the default generator, ``default``, and of the    checkpoint
                    loader's own, ``loader``, or None
``threads``         of kernels and matrix products: the last bits of the        checkpoint
                    latter depend on it
==================  ==========================================================  ==========
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad._version import __version__
from minigrad.errors import CheckpointError, MinigradError
from minigrad.nn import Module
from minigrad.random import Generator, default_generator
from minigrad.runtime import get_num_threads
from minigrad.serialization import load, save
from minigrad.train.history import History
from minigrad.train.run import Run

__all__ = [
    "CHECKPOINT_VERSION",
    "load_checkpoint",
    "load_model",
    "restore_checkpoint",
    "save_checkpoint",
    "save_model",
]

CHECKPOINT_VERSION = 1
_MODEL_KEYS = {"description", "net"}
_CHECKPOINT_KEYS = {
    *_MODEL_KEYS,
    "epoch",
    "epochs",
    "steps_per_epoch",
    "history",
    "optimizer",
    "scheduler",
    "random",
    "threads",
}


def save_model(
    path: str | os.PathLike[str], net: Module, description: Mapping[str, Any] | None = None
) -> None:
    """Write a net and what is needed to use it.

    Parameters
    ----------
    path : path
        An existing file is replaced only when the new one is complete.
    net : Module
    description : mapping, optional
        Plain values: how to build the net, what it takes.

    Raises
    ------
    OSError
        If the file cannot be written; an existing one is as before.
    """
    save({**_head("model", description), "net": net.state_dict()}, path)


def save_checkpoint(
    path: str | os.PathLike[str],
    run: Run,
    *,
    generator: Generator | None = None,
    description: Mapping[str, Any] | None = None,
) -> None:
    """Write all that training depends on, between two epochs.

    Parameters
    ----------
    path : path
        An existing file is replaced only when the new one is complete.
    run : Run
    generator : Generator, optional
        The loader's, if it has one of its own.
    description : mapping, optional
        As for `save_model`.

    Raises
    ------
    OSError
        If the file cannot be written; an existing one is as before.
    """
    content = {
        **_head("checkpoint", description),
        "net": run.net.state_dict(),
        "epoch": run.epoch,
        "epochs": run.epochs,
        "steps_per_epoch": run.steps_per_epoch,
        "history": list(run.history),
        "optimizer": _named_state(run.optimizer),
        "scheduler": None if run.scheduler is None else _named_state(run.scheduler),
        "random": {
            "default": default_generator.get_state(),
            "loader": None if generator is None else generator.get_state(),
        },
        "threads": get_num_threads(),
    }
    save(content, path)


def _head(kind: str, description: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "version": CHECKPOINT_VERSION,
        "description": dict(description or {}),
        "made_with": {
            "minigrad": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _named_state(thing: Any) -> dict[str, Any]:
    return {"name": type(thing).__name__, "state": thing.state_dict()}


def load_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a model file, or the model in a checkpoint.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict
        ``description`` as it was saved, ``net`` the state_dict, and the rest of the table above.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If it is truncated, foreign or of a newer version.
    """
    return _read(path, ("model", "checkpoint"), _MODEL_KEYS)


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint, without changing anything.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict
        As in the table above.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If it is truncated, foreign, of a newer version, or a model without its training.
    """
    return _read(path, ("checkpoint",), _CHECKPOINT_KEYS)


def _read(path: str | os.PathLike[str], kinds: tuple[str, ...], keys: set[str]) -> dict[str, Any]:
    name = os.fspath(path)
    content: Any = load(path)
    kind = content.get("kind") if isinstance(content, dict) else None
    expected = " or ".join(f"a {known}" for known in kinds)
    if kind not in kinds:
        got = f"a {kind}" if kind == "model" else "something else that minigrad.save has written"
        raise CheckpointError(f"{name}: expected {expected}, got {got}")
    version = content.get("version")
    if not isinstance(version, int) or version > CHECKPOINT_VERSION:
        raise CheckpointError(
            f"{name} has version {version} of its layout, this minigrad {__version__} reads up to "
            f"{CHECKPOINT_VERSION}: use a newer minigrad"
        )
    missing = sorted(keys - content.keys())
    if missing:
        raise CheckpointError(f"{name}: expected {expected}, but it lacks {', '.join(missing)}")
    return dict(content)


def restore_checkpoint(
    checkpoint: Mapping[str, Any], run: Run, *, generator: Generator | None = None
) -> None:
    """Put everything back to where a checkpoint was written.

    Parameters
    ----------
    checkpoint : mapping
        From `load_checkpoint`.
    run : Run
        With a net, optimiser and schedule of the kinds that were saved; all are changed.
    generator : Generator, optional
        The loader's, if it has one of its own.

    Raises
    ------
    CheckpointError
        If the checkpoint belongs to another net, optimiser, schedule or loader.
    """
    _check_same("optimizer", checkpoint["optimizer"], run.optimizer)
    _check_same("scheduler", checkpoint["scheduler"], run.scheduler)
    saved = checkpoint["random"]["loader"]
    if (saved is None) != (generator is None):
        raise CheckpointError(
            "the checkpoint was made with a loader that "
            + ("has no generator" if saved is None else "has a generator of its own")
            + ", this one differs; give the loader the same arguments"
        )
    if checkpoint["steps_per_epoch"] != run.steps_per_epoch:
        raise CheckpointError(
            f"the checkpoint has {checkpoint['steps_per_epoch']} batches an epoch, the loader "
            f"{run.steps_per_epoch}; use the same data and batch size"
        )
    if checkpoint["epoch"] > run.epochs:
        raise CheckpointError(
            f"the checkpoint has {checkpoint['epoch']} epochs already, more than the "
            f"{run.epochs} asked for"
        )
    try:
        run.net.load_state_dict(checkpoint["net"])
        run.optimizer.load_state_dict(checkpoint["optimizer"]["state"])
        if run.scheduler is not None:
            run.scheduler.load_state_dict(checkpoint["scheduler"]["state"])
        default_generator.set_state(checkpoint["random"]["default"])
        if generator is not None:
            generator.set_state(saved)
    except MinigradError as error:
        raise CheckpointError(f"the checkpoint does not fit: {error}") from error
    run.epoch = checkpoint["epoch"]
    run.history = History(checkpoint["history"])


def _check_same(what: str, saved: Mapping[str, Any] | None, present: Any) -> None:
    was = "none" if saved is None else saved["name"]
    now = "none" if present is None else type(present).__name__
    if was != now:
        raise CheckpointError(
            f"the checkpoint was made with {what} {was}, got {now}; continue with the same one"
        )
