"""The command ``minigrad``: train, evaluate, predict, info, warmup.

Results go to standard output, everything else to standard error. Exit codes: 0; 1 if something
failed that is not the user's doing (a full disk); 2 for a wrong option, argument or file, with one
line that says what is wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

import minigrad as mg
from minigrad import train
from minigrad.data import READABLE, read_image
from minigrad.errors import CheckpointError, FormatError, MinigradError
from minigrad.kernels.notice import CompileRecord, set_compile_notice
from minigrad.models import recipe
from minigrad.models.run_folder import CHECKPOINT, MODEL, new_run_folder

__all__ = ["main"]

INTERRUPTED = 130
USAGE = 2
FAILED = 1


class UsageError(MinigradError, ValueError):
    """A wrong option or argument."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default: those of the process.

    Returns
    -------
    int
        The exit code.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _short_warnings():
            code: int = arguments.command(arguments)
            return code
    except (MinigradError, FileNotFoundError, IsADirectoryError) as error:
        _complain(f"error: {error}")
        return USAGE
    except OSError as error:
        _complain(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED


def _complain(message: str) -> None:
    print(f"minigrad: {' '.join(message.split())}", file=sys.stderr)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show warnings as one line each, without the place in the source."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        _complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.simplefilter("default", RuntimeWarning)
        warnings.showwarning = show
        yield


# ------------------------------------------------------------------------------ arguments


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        sys.exit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="minigrad", description="Train and use small neural networks.")
    parser.add_argument("--version", action="version", version=f"minigrad {mg.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_info(commands)
    _add_warmup(commands)
    return parser


def _add_command(
    commands: Any, name: str, command: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object as the only result")


def _add_train(commands: Any) -> None:
    defaults = recipe.Settings()
    rates = ", ".join(f"{lr} for {name}" for name, lr in recipe.DEFAULT_LR.items())
    parser = _add_command(commands, "train", _train, "Train a net and save it.")
    add = parser.add_argument
    add("dataset", nargs="?", choices=list(recipe.DATASETS), help="what to train on")
    add("--model", choices=recipe.MODEL_NAMES, help=f"the net (default: {defaults.model})")
    add(
        "--no-batch-norm",
        dest="batch_norm",
        action="store_false",
        default=None,
        help="leave batch normalisation out",
    )
    add("--epochs", type=_whole_number(1), help=f"passes (default: {defaults.epochs})")
    add("--batch-size", type=_whole_number(1), help=f"(default: {defaults.batch_size})")
    add("--lr", type=_positive, help=f"peak of the learning rate (default: {rates})")
    add(
        "--optimizer",
        choices=list(recipe.OPTIMIZERS),
        help=f"(default: {defaults.optimizer}, with momentum 0.9)",
    )
    add("--seed", type=_whole_number(0), help=f"of all random numbers (default: {defaults.seed})")
    add(
        "--threads",
        type=_whole_number(1),
        help=f"at most the cores (default: {recipe.DEFAULT_THREADS}; the nets are small)",
    )
    add("--out", metavar="DIR", help="new folder for the run (default: runs/DATASET-N)")
    add("--resume", metavar="DIR", help="continue the run in this folder, with its settings")
    add("--quiet", action="store_true", help="no progress")
    _add_json(parser)


def _add_evaluate(commands: Any) -> None:
    parser = _add_command(
        commands, "evaluate", _evaluate, "Measure a saved net on the held-out samples."
    )
    parser.add_argument("file", metavar="FILE", help="model.npz or checkpoint.npz of a run")
    _add_json(parser)


def _add_predict(commands: Any) -> None:
    parser = _add_command(commands, "predict", _predict, "Say what is on images.")
    parser.add_argument("file", metavar="FILE", help="model.npz or checkpoint.npz of a run")
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help=f"8x8 pixels, grey, ink bright: {', '.join(READABLE)}. In arrays and text, whole "
        "numbers count ink from 0 to 16, numbers with a decimal point from 0 to 1",
    )
    parser.add_argument("--invert", action="store_true", help="the ink is dark")
    _add_json(parser)


def _add_info(commands: Any) -> None:
    _add_json(_add_command(commands, "info", _info, "Show versions, threads, CPU and cache."))


def _add_warmup(commands: Any) -> None:
    parser = _add_command(commands, "warmup", _warmup, "Compile and keep every kernel now.")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _whole_number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"expected a whole number >= {least}, got {text!r}")
        return value

    return parse


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


# ------------------------------------------------------------------------------ train


def _train(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    resume = arguments.resume is not None
    if resume:
        if arguments.out is not None:
            raise UsageError("--resume continues in its own folder: leave --out out")
        folder = Path(arguments.resume)
        settings, threads = _resumed(folder, arguments)
    else:
        settings, threads = _settings(arguments), arguments.threads or recipe.DEFAULT_THREADS
    _set_threads(threads)
    task = recipe.prepare(settings)
    if not resume:
        try:
            folder = new_run_folder(settings.dataset, arguments.out)
        except OSError as error:
            raise UsageError(f"cannot make a folder for the run: {error}") from error
    try:
        with _progress(arguments.quiet) as callbacks:
            history = task.fit(folder / CHECKPOINT, callbacks=callbacks, resume=resume)
        train.save_model(folder / MODEL, task.net, task.description)
        measured = train.evaluate(task.net, recipe.test_set(task.description))
        seconds = time.perf_counter() - start
    except KeyboardInterrupt:
        return _interrupted(folder)
    if not math.isfinite(history[-1]["loss"]):
        _complain(f"warning: the loss is {history[-1]['loss']}; try a lower --lr")
    _report_training(arguments, task, history, folder / MODEL, measured["accuracy"], seconds)
    return 0


def _settings(arguments: argparse.Namespace) -> recipe.Settings:
    if arguments.dataset is None:
        raise UsageError(f"train: name a data set: {', '.join(recipe.DATASETS)}")
    given = _given(arguments)
    if "lr" not in given:
        given["lr"] = recipe.DEFAULT_LR[given.get("optimizer", recipe.Settings.optimizer)]
    return replace(recipe.Settings(), **given)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as options."""
    names = vars(recipe.Settings())
    return {
        name: value
        for name, value in vars(arguments).items()
        if name in names and value is not None
    }


def _resumed(folder: Path, arguments: argparse.Namespace) -> tuple[recipe.Settings, int]:
    """Return the settings and the threads of the run in ``folder``."""
    path = folder / CHECKPOINT
    if not path.is_file():
        raise UsageError(f"there is no run to resume in {folder}: no file {path}")
    checkpoint = train.load_checkpoint(path)
    settings = recipe.settings_of(checkpoint)
    for name, value in _given(arguments).items():
        kept = getattr(settings, name)
        if value != kept:
            raise UsageError(
                f"the run in {folder} has {name} {kept}, not {value}: --resume continues with the "
                "settings of the run, leave the others out"
            )
    most = mg.info()["threads_available"]
    return settings, arguments.threads or min(checkpoint["threads"], most)


def _set_threads(number: int) -> None:
    try:
        mg.set_num_threads(number)
    except ValueError as error:
        raise UsageError(f"argument --threads: {error}") from error


@contextmanager
def _progress(quiet: bool) -> Iterator[list[train.Callback]]:
    """Choose how progress is shown: not, a live bar on a terminal, or a line per epoch."""
    callbacks: list[train.Callback] = []
    write: Callable[[str], None] | None = None
    if not quiet and sys.stderr.isatty():
        from rich.console import Console

        from minigrad.train.progress import ProgressBar

        console = Console(stderr=True)
        callbacks = [ProgressBar(console)]
        write = functools.partial(console.print, highlight=False, markup=False, soft_wrap=True)
    elif not quiet:
        callbacks = [train.EpochLines()]
        write = functools.partial(print, file=sys.stderr, flush=True)
    previous = set_compile_notice(write)
    try:
        yield callbacks
    finally:
        set_compile_notice(previous)


def _interrupted(folder: Path) -> int:
    """Say what is on disk: the last whole epoch."""
    try:
        checkpoint = train.load_checkpoint(folder / CHECKPOINT)
    except (CheckpointError, OSError):
        _complain("interrupted before anything was saved")
        return INTERRUPTED
    _complain(
        f"interrupted: saved as of epoch {checkpoint['epoch']} of {checkpoint['epochs']} in "
        f"{folder / CHECKPOINT}; continue with: minigrad train --resume {shlex.quote(str(folder))}"
    )
    return INTERRUPTED


def _report_training(
    arguments: argparse.Namespace,
    task: recipe.Task,
    history: train.History,
    path: Path,
    test_accuracy: float,
    seconds: float,
) -> None:
    settings = task.settings
    speed = sum(history.column("samples")) / max(sum(history.column("seconds")), 1e-9)
    if arguments.json:
        result = {
            "test_accuracy": test_accuracy,
            "seconds": round(seconds, 3),
            "samples_per_second": round(speed),
            "model_path": str(path),
            **vars(settings),
            "threads": mg.get_num_threads(),
        }
        print(json.dumps(result))
        return
    size = len(task.test)
    print(f"test accuracy {_share(test_accuracy, size)}")
    print(f"model saved in {path}")
    print(f"use it with: minigrad predict {shlex.quote(str(path))} IMAGE  (8x8, see --help)")


def _share(accuracy: float, size: int) -> str:
    return f"{accuracy:.2%} ({round(accuracy * size)} of {size} held-out images)"


# ------------------------------------------------------------------------------ the others


def _evaluate(arguments: argparse.Namespace) -> int:
    net, description = recipe.load_net(arguments.file)
    loader = recipe.test_set(description)
    accuracy = train.evaluate(net, loader)["accuracy"]
    if arguments.json:
        print(json.dumps({"model_path": arguments.file, "test_accuracy": accuracy}))
    else:
        print(f"test accuracy {_share(accuracy, len(loader.dataset))}")
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    net, description = recipe.load_net(arguments.file)
    levels = description["preprocessing"]["divide_by"]
    shape = tuple(description["preprocessing"]["shape"][1:])
    images = []
    for path in arguments.images:
        image = read_image(path, levels=levels)
        if image.shape != shape:
            raise FormatError(f"{path}: expected an image of shape {shape}, got {image.shape}")
        images.append(1 - image if arguments.invert else image)
    predictions = recipe.predict(net, description, images)
    if arguments.json:
        results = [
            {"image": path, "prediction": next(iter(scores)), "probabilities": scores}
            for path, scores in zip(arguments.images, predictions, strict=True)
        ]
        print(json.dumps({"model_path": arguments.file, "predictions": results}))
        return 0
    for path, scores in zip(arguments.images, predictions, strict=True):
        best, probability = next(iter(scores.items()))
        print(f"{path}: {best} ({probability:.1%})")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    found = mg.info()
    if arguments.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        text = value
        if isinstance(value, dict):
            text = ", ".join(f"{key.replace('_', ' ')} {entry}" for key, entry in value.items())
        print(f"{name.replace('_', ' '):22}{text}")
    return 0


def _warmup(arguments: argparse.Namespace) -> int:
    def show(record: CompileRecord) -> None:
        done = "loaded" if record.from_cache else "compiled"
        print(f"{done} {record.name} in {record.seconds:.2f} s", file=sys.stderr, flush=True)

    with _progress(arguments.quiet):
        start = time.perf_counter()
        records = mg.warmup(None if arguments.quiet else show)
    compiled = sum(not record.from_cache for record in records)
    print(
        f"{len(records)} kernels ready in {time.perf_counter() - start:.1f} s: {compiled} "
        f"compiled, {len(records) - compiled} loaded from {mg.info()['cache_folder']}"
    )
    return 0
