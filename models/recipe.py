"""How the command line trains: data set, net, optimiser and schedule from a few settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from minigrad import data, optim, train
from minigrad.data.digits import DIGITS_LEVELS
from minigrad.errors import CheckpointError, FormatError, ShapeError
from minigrad.grad_mode import no_grad
from minigrad.models.registry import MODELS, Architecture, build
from minigrad.nn import Module, functional
from minigrad.random import manual_seed
from minigrad.tensor import Tensor
from minigrad.typing import Array, FloatArray

__all__ = [
    "DATASETS",
    "DEFAULT_LR",
    "DEFAULT_THREADS",
    "MODEL_NAMES",
    "OPTIMIZERS",
    "Settings",
    "Task",
    "load_net",
    "predict",
    "prepare",
    "settings_of",
    "test_set",
]

DATASETS: dict[str, Callable[[], data.Digits]] = {"digits": data.load_digits}
"""Data sets by name."""

MODEL_NAMES = tuple(sorted(MODELS))
"""Nets by name."""

OPTIMIZERS: dict[str, Callable[[Any, float], optim.Optimizer]] = {
    "sgd": lambda params, lr: optim.SGD(params, lr=lr, momentum=0.9),
    "adam": lambda params, lr: optim.Adam(params, lr=lr),
    "adamw": lambda params, lr: optim.AdamW(params, lr=lr),
    "rmsprop": lambda params, lr: optim.RMSprop(params, lr=lr),
    "adagrad": lambda params, lr: optim.Adagrad(params, lr=lr),
}
"""Optimisers by name."""

DEFAULT_LR = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01, "adagrad": 0.1}
"""The peak of the learning rate; tried on a part of the training set."""

DEFAULT_THREADS = 1
"""The matrices of these nets are too small to gain from more."""

_HIDDEN = (128, 128)
_TEST_BATCH = 512


@dataclass(frozen=True)
class Settings:
    """What a run depends on, beside the number of threads.

    Attributes
    ----------
    dataset, model, optimizer : str
        Keys of `DATASETS`, of `minigrad.models.MODELS` and of `OPTIMIZERS`.
    batch_norm : bool
        Whether the net normalises.
    epochs, batch_size : int
    lr : float
        The peak of the one-cycle schedule.
    seed : int
        Of the initial weights and the order of the samples.
    """

    dataset: str = "digits"
    model: str = "mlp"
    optimizer: str = "sgd"
    batch_norm: bool = True
    epochs: int = 30
    batch_size: int = 64
    lr: float = DEFAULT_LR["sgd"]
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """A net, its data and everything that trains it."""

    settings: Settings
    net: Module
    loader: data.DataLoader
    optimizer: optim.Optimizer
    scheduler: optim.lr_scheduler.LRScheduler
    test: data.TensorDataset
    description: dict[str, Any]

    def fit(
        self,
        checkpoint: str | os.PathLike[str],
        *,
        callbacks: Sequence[train.Callback] = (),
        resume: bool = False,
    ) -> train.History:
        """Train, or go on training, with a checkpoint after every epoch."""
        return train.fit(
            self.net,
            self.loader,
            loss=functional.cross_entropy,
            optimizer=self.optimizer,
            epochs=self.settings.epochs,
            scheduler=self.scheduler,
            scheduler_step="batch",
            metrics={"accuracy": train.accuracy},
            callbacks=callbacks,
            checkpoint=checkpoint,
            description=self.description,
            resume=resume,
        )


def prepare(settings: Settings) -> Task:
    """Seed the default generator, and make all that a run needs.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Task

    Raises
    ------
    ShapeError
        If a batch would be a single sample, which batch normalisation cannot normalise.
    """
    manual_seed(settings.seed)
    digits = DATASETS[settings.dataset]()
    architecture: Architecture = {
        "name": settings.model,
        "arguments": {"sizes": [64, *_HIDDEN, 10], "batch_norm": settings.batch_norm},
    }
    net = build(architecture)
    loader = data.DataLoader(digits.train, settings.batch_size, shuffle=True)
    if settings.batch_norm and loader.smallest_batch == 1:
        raise ShapeError(
            f"argument --batch-size: {len(digits.train)} samples in batches of "
            f"{settings.batch_size} leave one of a single sample, which batch normalisation "
            "cannot normalise: choose another, or --no-batch-norm"
        )
    optimizer = OPTIMIZERS[settings.optimizer](net.parameters(), settings.lr)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.lr,
        epochs=settings.epochs,
        steps_per_epoch=len(loader),
        cycle_momentum=False,  # the same for every optimiser: not all have a momentum
    )
    description = {
        "architecture": architecture,
        "data": {"name": settings.dataset, "classes": [str(digit) for digit in range(10)]},
        "preprocessing": {"shape": [1, 8, 8], "divide_by": DIGITS_LEVELS},
        "settings": asdict(settings),
    }
    return Task(settings, net, loader, optimizer, scheduler, digits.test, description)


def settings_of(checkpoint: Mapping[str, Any]) -> Settings:
    """Return the settings that a checkpoint was made with.

    Parameters
    ----------
    checkpoint : mapping
        From `minigrad.train.load_checkpoint`.

    Raises
    ------
    CheckpointError
        If it was not made by `Task.fit`.
    """
    saved = checkpoint["description"].get("settings", {})
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    if {name: type(value) for name, value in saved.items()} == kinds:
        settings = Settings(**saved)
        if (
            settings.dataset in DATASETS
            and settings.model in MODELS
            and settings.optimizer in OPTIMIZERS
        ):
            return settings
    raise CheckpointError(
        f"the checkpoint was not made by `minigrad train`: its settings are {saved!r}"
    )


def load_net(path: str | os.PathLike[str]) -> tuple[Module, dict[str, Any]]:
    """Load the net in a model file or a checkpoint.

    Parameters
    ----------
    path : path

    Returns
    -------
    net : Module
        In evaluation mode.
    description : dict
        Its architecture, data and preprocessing.

    Raises
    ------
    FileNotFoundError, CheckpointError, FormatError
        If there is no such file, or it holds no net that can be built here.
    """
    content = train.load_model(path)
    description: dict[str, Any] = content["description"]
    missing = {"architecture", "data", "preprocessing"} - description.keys()
    if missing:
        raise CheckpointError(
            f"{os.fspath(path)} does not describe its {', '.join(sorted(missing))}: expected a "
            "file of `minigrad train`"
        )
    net = build(description["architecture"])
    net.load_state_dict(content["net"])
    return net.eval(), description


def test_set(description: Mapping[str, Any]) -> data.DataLoader:
    """Return the held-out samples of the data set that a net was trained on.

    Parameters
    ----------
    description : mapping
        From `load_net`.

    Raises
    ------
    FormatError
        If the data set is unknown here.
    """
    name = description["data"]["name"]
    if name not in DATASETS:
        raise FormatError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    return data.DataLoader(DATASETS[name]().test, _TEST_BATCH)


def predict(
    net: Module, description: Mapping[str, Any], images: Sequence[FloatArray]
) -> list[dict[str, float]]:
    """Return the probability of each class, for each image.

    Parameters
    ----------
    net : Module
        In evaluation mode.
    description : mapping
        From `load_net`.
    images : sequence of ndarray, shape (H, W), from 0 to 1

    Returns
    -------
    list of dict from str to float
        From class to probability, the most probable first.

    Raises
    ------
    ShapeError
        If an image does not have the size of those that the net was trained on.
    """
    shape = tuple(description["preprocessing"]["shape"])
    for image in images:
        if image.shape != shape[1:]:
            raise ShapeError(f"expected an image of shape {shape[1:]}, got {image.shape}")
    with no_grad():
        logits = net(Tensor(np.stack(images)[:, np.newaxis]))
        probabilities: Array = functional.softmax(logits, dim=1).numpy()
    classes = description["data"]["classes"]
    return [
        {classes[index]: float(row[index]) for index in np.argsort(-row, kind="stable")}
        for row in probabilities
    ]
