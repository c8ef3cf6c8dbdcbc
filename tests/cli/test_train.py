"""``minigrad train``, in this process and as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, train
from minigrad.cli import main
from tests.train.helpers import InterruptAt

COMMAND = [sys.executable, "-m", "minigrad"]
TRAIN = ["train", "digits"]


def weights(path: str) -> dict[str, bytes]:
    return {name: value.array.tobytes() for name, value in train.load_model(path)["net"].items()}


def interrupted(arguments: list[str], epoch: int, step: int | None = None) -> None:
    """Run in this process, with Ctrl-C at a step of an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "EpochLines", lambda: InterruptAt(epoch, step))
        assert main(arguments) == 130


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on standard error of a command that must end with exit code 2."""
    try:
        code = main(arguments)
    except SystemExit as error:  # from argparse
        code = error.code if isinstance(error.code, int) else 1
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1, err
    assert "error: " in err
    return err


def test_the_run_is_saved_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--epochs", "3"]) == 0
    out, err = capsys.readouterr()
    first, second, third = out.splitlines()
    assert first.startswith("test accuracy 9")
    assert first.endswith("of 359 held-out images)")
    assert second == "model saved in runs/digits-1/model.npz"
    assert third.startswith("use it with: minigrad predict runs/digits-1/model.npz IMAGE")
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    files = sorted(path.name for path in Path("runs/digits-1").iterdir())
    assert files == ["checkpoint.npz", "model.npz"]
    assert weights("runs/digits-1/checkpoint.npz") == weights("runs/digits-1/model.npz")


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "2", "--seed", "4", "--batch-size", "32", "--optimizer", "adam"]
    assert main([*TRAIN, "--json", "--quiet", "--no-batch-norm", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    result = json.loads(out)
    assert 0.8 < result["test_accuracy"] <= 1.0
    assert result["seconds"] > 0
    assert result["samples_per_second"] > 0
    assert Path(result["model_path"]).is_file()
    expected = {
        "seed": 4,
        "epochs": 2,
        "batch_size": 32,
        "optimizer": "adam",
        "lr": 0.01,
        "batch_norm": False,
        "dataset": "digits",
        "model": "mlp",
        "threads": 1,
    }
    assert {name: result[name] for name in expected} == expected


def test_progress_goes_to_standard_error_under_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--json", "--epochs", "1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["seed"] == 0
    assert "epoch 1/1" in err


def test_quiet_leaves_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--epochs", "1", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "test accuracy" in out


@pytest.mark.parametrize("interrupt", [(2, None), (2, 5), (0, 1)])
def test_a_resumed_run_ends_with_the_same_bits(
    interrupt: tuple[int, int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--epochs", "4", "--seed", "7", "--lr", "0.05", "--optimizer", "adam"]
    assert main([*TRAIN, "--out", "straight", *options]) == 0
    interrupted([*TRAIN, "--out", "broken", *options], *interrupt)
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"interrupted: saved as of epoch {interrupt[0]} of 4 in broken/checkpoint" in message
    assert message.endswith("continue with: minigrad train --resume broken")
    assert not Path("broken/model.npz").exists()
    assert main(["train", "--resume", "broken"]) == 0
    assert weights("broken/model.npz") == weights("straight/model.npz")
    # A run that is complete is reported again, not trained again.
    assert main([*TRAIN, "--resume", "broken", "--lr", "0.05"]) == 0
    assert weights("broken/model.npz") == weights("straight/model.npz")
    results = [line for line in capsys.readouterr().out.splitlines() if "accuracy" in line]
    assert len(results) == 2
    assert len(set(results)) == 1


def test_a_run_is_resumed_with_its_threads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted([*TRAIN, "--epochs", "2"], 1)
    asked: list[int] = []
    monkeypatch.setattr(mg, "set_num_threads", asked.append)
    monkeypatch.setattr("minigrad.train.loop.get_num_threads", lambda: asked[-1])
    assert main(["train", "--resume", "runs/digits-1"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["train", "--resume", "runs/digits-1", "--threads", "2"]) == 0
    assert asked == [1, 2]
    assert "warning: the run had 1 threads and continues with 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "name a data set: digits"),
        (["train", "mnist"], "invalid choice: 'mnist' (choose from"),
        ([*TRAIN, "--epochs", "0"], "--epochs: expected a whole number >= 1, got '0'"),
        ([*TRAIN, "--epochs", "many"], "--epochs: expected a whole number >= 1, got 'many'"),
        ([*TRAIN, "--batch-size", "-3"], "--batch-size: expected a whole number >= 1"),
        ([*TRAIN, "--batch-size", "1437"], "--batch-size: 1438 samples in batches of 1437 leave"),
        ([*TRAIN, "--batch-size", "1"], "choose another, or --no-batch-norm"),
        ([*TRAIN, "--lr", "0"], "--lr: expected a number > 0, got '0'"),
        ([*TRAIN, "--lr", "nan"], "--lr: expected a number > 0, got 'nan'"),
        ([*TRAIN, "--lr", "inf"], "--lr: expected a number > 0, got 'inf'"),
        ([*TRAIN, "--seed", "-1"], "--seed: expected a whole number >= 0"),
        ([*TRAIN, "--threads", "0"], "--threads: expected a whole number >= 1"),
        ([*TRAIN, "--threads", "100000"], "--threads: the number of threads must be"),
        ([*TRAIN, "--optimizer", "lion"], "'lion' (choose from"),
        ([*TRAIN, "--model", "vgg"], "'vgg' (choose from"),
        ([*TRAIN, "--depth", "3"], "unrecognized arguments: --depth 3"),
        ([*TRAIN, "--resume", "none"], "there is no run to resume in none"),
        ([*TRAIN, "--resume", "none", "--out", "x"], "leave --out out"),
        ([*TRAIN, "--out", "full"], "full exists already and is not overwritten"),
        ([*TRAIN, "--out", "full/file/run"], "cannot make a folder for the run"),
        ([], "required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/file").write_text("mine")
    assert message in refused(arguments, capsys)
    assert [path.name for path in Path().iterdir()] == ["full"]
    assert Path("full/file").read_text() == "mine"


def test_known_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused([*TRAIN, "--optimizer", "lion"], capsys)
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad"):
        assert name in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "0.3"], "has lr 0.1, not 0.3"),
        (["--epochs", "9"], "has epochs 2, not 9"),
        (["--no-batch-norm"], "has batch_norm True, not False"),
    ],
)
def test_a_run_keeps_its_settings(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted([*TRAIN, "--epochs", "2", "--out", "run"], 1)
    before = Path("run/checkpoint.npz").read_bytes()
    capsys.readouterr()
    assert message in refused(["train", "--resume", "run", *options], capsys)
    assert Path("run/checkpoint.npz").read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "foreign", "model"])
def test_a_file_that_is_no_checkpoint_is_left_alone(
    damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted([*TRAIN, "--epochs", "2", "--out", "run"], 1)
    path = Path("run/checkpoint.npz")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        np.savez(path, x=np.zeros(3))
    else:
        train.save_model(path, nn.Identity())
    before = path.read_bytes()
    capsys.readouterr()
    assert "checkpoint.npz" in refused(["train", "--resume", "run"], capsys)
    assert path.read_bytes() == before


def test_a_full_disk_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **members: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    assert main([*TRAIN, "--epochs", "1"]) == 1
    err = capsys.readouterr().err
    assert err == "minigrad: error: [Errno 28] No space left on device\n"


def test_a_batch_of_one_needs_a_net_without_batch_norm() -> None:
    options = ["--batch-size", "1437", "--epochs", "1", "--quiet"]
    assert main([*TRAIN, *options, "--no-batch-norm"]) == 0


def test_a_loss_that_diverges_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "2", "--lr", "1e30", "--no-batch-norm", "--json"]
    assert main([*TRAIN, *options]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["test_accuracy"] < 0.5
    assert "warning: the loss is nan; try a lower --lr" in err


def test_ctrl_c_saves_and_the_run_goes_on() -> None:
    arguments = [*TRAIN, "--epochs", "3000", "--out", "run"]
    # What is started in the background of a shell ignores the signal, and so do its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 3/"):
            process.send_signal(signal.SIGINT)
            break
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    saved = train.load_checkpoint("run/checkpoint.npz")
    assert saved["epoch"] >= 3  # an epoch is saved before it is reported
    assert f"saved as of epoch {saved['epoch']} of 3000" in err.splitlines()[-1]
    assert [path.name for path in Path("run").iterdir()] == ["checkpoint.npz"]


def test_as_a_program() -> None:
    result = subprocess.run(
        [*COMMAND, *TRAIN, "--epochs", "2", "--json", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["model_path"] == "runs/digits-1/model.npz"
