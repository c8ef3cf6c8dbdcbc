"""Early stopping, and the two ways to show progress."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minigrad.train import EarlyStopping, EpochLines, History, Run
from minigrad.train.metrics import Average
from minigrad.train.progress import ProgressBar
from tests.train.helpers import InterruptAt, Pieces

NAN = float("nan")


def stops_after(values: list[float], stopping: EarlyStopping) -> int | None:
    pieces = Pieces()
    run = Run(pieces.net, pieces.optimizer, None, len(values), 1)
    stopping.on_train_begin(run)
    for number, value in enumerate(values, start=1):
        run.history.append({"validation_loss": value})
        stopping.on_epoch_end(run)
        if run.stop:
            return number
    return None


@pytest.mark.parametrize(
    ("values", "arguments", "expected"),
    [
        ([3, 2, 1, 1, 1], {"patience": 2}, 5),
        ([3, 2, 1, 1, 0.5], {"patience": 2}, None),
        ([3, 2, 1.9, 1.8], {"patience": 2, "min_delta": 0.5}, 4),
        ([3, 2.7, 2.4, 2.1], {"patience": 3, "min_delta": 0.5}, None),
        ([0.5, 0.6, 0.6], {"patience": 1, "mode": "max"}, 3),
        ([1, 2], {"patience": 1}, 2),
        ([NAN, 2, 1], {"patience": 1}, None),
        ([2, NAN], {"patience": 1}, 2),
    ],
)
def test_early_stopping(values: list[float], arguments: Any, expected: int | None) -> None:
    assert stops_after(values, EarlyStopping(**arguments)) == expected


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_delta": -1.0}, {"mode": "least"}])
def test_early_stopping_checks_its_arguments(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected patience >= 1"):
        EarlyStopping(**wrong)


def test_a_run_that_stopped_early_is_not_continued(tmp_path: Path) -> None:
    stopping = EarlyStopping("epoch", patience=2)  # never improves: the numbers grow
    path = tmp_path / "run.npz"
    first = Pieces(epochs=9)
    assert len(first.fit(checkpoint=path, callbacks=[stopping])) == 3
    again = Pieces(epochs=9)
    assert len(again.fit(checkpoint=path, callbacks=[stopping], resume=True)) == 3
    assert again.state() == first.state()


def test_a_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    Pieces(epochs=2).fit(callbacks=[EpochLines(lines.append), EpochLines()])
    assert lines[1].startswith("epoch 2/2  loss ")
    assert "accuracy 0." in lines[1]
    assert lines[1].endswith(" samples/s")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == lines


@pytest.mark.parametrize("resume", [False, True])
def test_the_bar_shows_the_run(resume: bool, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        Pieces().fit(checkpoint=path, callbacks=[InterruptAt(2)])
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    Pieces().fit(checkpoint=path, callbacks=[ProgressBar(console)], resume=resume)
    last = screen.getvalue().rsplit("epoch", 1)[1]
    assert last.startswith(" 4/4")
    for word in ("loss", "accuracy", "samples/s"):
        assert word in last
    assert "\x1b[?25h" in last  # the cursor is back


def test_the_bar_is_taken_down_by_an_exception() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with pytest.raises(KeyboardInterrupt):
        Pieces().fit(callbacks=[ProgressBar(console), InterruptAt(1, 1)])
    assert screen.getvalue().rstrip().endswith("\x1b[?25h")


def test_average_weighs_by_samples() -> None:
    average = Average()
    assert str(average.value) == "nan"
    average.add(1.0, 3)
    average.add(5.0, 1)
    assert (average.value, average.samples) == (2.0, 4)


def test_history_is_a_list() -> None:
    history = History([{"loss": 1.0}])
    assert list(history) == [{"loss": 1.0}]
    assert History().column("loss") == []
