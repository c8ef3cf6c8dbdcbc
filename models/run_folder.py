"""Where a training run lives: one folder, never shared and never overwritten."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

__all__ = ["CHECKPOINT", "MODEL", "RUNS", "new_run_folder"]

CHECKPOINT = "checkpoint.npz"
"""The file from which a run continues."""
MODEL = "model.npz"
"""The net when the run is complete."""
RUNS = "runs"
"""The folder for runs that are not told where to live."""


def new_run_folder(name: str, out: str | os.PathLike[str] | None = None) -> Path:
    """Make the folder of a new run.

    Parameters
    ----------
    name : str
        The folder becomes ``runs/NAME-N``, with the first N from 1 that is free.
    out : path, optional
        The folder itself, instead: a new one, or one that is empty.

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError
        If ``out`` exists and holds anything, or is a file.
    OSError
        If the folder cannot be made or written to.
    """
    if out is None:
        folder = _numbered(Path(RUNS), name)
    else:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"{folder} exists already and is not overwritten: choose another, or resume it"
            )
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} is not writable")
    return folder


def _numbered(parent: Path, name: str) -> Path:
    parent.mkdir(exist_ok=True)
    taken = {path.name for path in parent.iterdir()}
    while True:
        folder = parent / next(f"{name}-{n}" for n in count(1) if f"{name}-{n}" not in taken)
        try:
            folder.mkdir()
        except FileExistsError:  # another run was quicker
            taken.add(folder.name)
            continue
        return folder
