"""The training loop, its callbacks and metrics, checkpoints and model files."""

from minigrad.train.callbacks import Callback, EarlyStopping, EpochLines
from minigrad.train.checkpoint import (
    load_checkpoint,
    load_model,
    restore_checkpoint,
    save_checkpoint,
    save_model,
)
from minigrad.train.history import History
from minigrad.train.loop import BatchOfOneWarning, ThreadsChangedWarning, fit
from minigrad.train.metrics import Average, accuracy, evaluate
from minigrad.train.run import Run

__all__ = [
    "Average",
    "BatchOfOneWarning",
    "Callback",
    "EarlyStopping",
    "EpochLines",
    "History",
    "Run",
    "ThreadsChangedWarning",
    "accuracy",
    "evaluate",
    "fit",
    "load_checkpoint",
    "load_model",
    "restore_checkpoint",
    "save_checkpoint",
    "save_model",
]
