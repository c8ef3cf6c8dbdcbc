"""The other commands: evaluate, predict, info, warmup, and what the program says of itself."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import cli, train
from minigrad.cli import main
from minigrad.data import load_digits
from minigrad.kernels.notice import CompileRecord, set_compile_notice
from minigrad.train.progress import ProgressBar
from tests.cli.test_train import refused


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the model of a short run."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    threads = mg.get_num_threads()
    assert main(["train", "digits", "--epochs", "4", "--quiet", "--out", str(folder)]) == 0
    mg.set_num_threads(threads)
    return str(folder / "model.npz")


def save_image(name: str, index: int = 0) -> int:
    """Write a held-out image as the data set has it, and return its label."""
    image, label = load_digits().test[index]
    ink = np.round(image.array[0] * 16).astype(np.uint8)
    if name.endswith(".npy"):
        np.save(name, ink)
    else:
        np.savetxt(name, ink, fmt="%d")
    return int(label.item())


def test_evaluate(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", model]) == 0
    text = capsys.readouterr().out
    assert text.startswith("test accuracy 9")
    assert main(["evaluate", model, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert f"{result['test_accuracy']:.2%}" in text
    assert main(["evaluate", str(Path(model).with_name("checkpoint.npz"))]) == 0
    assert capsys.readouterr().out == text


def test_predict(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {name: save_image(name, index) for index, name in enumerate(["a.npy", "b.txt"])}
    assert main(["predict", model, *labels]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        f"a.npy: {labels['a.npy']}",
        f"b.txt: {labels['b.txt']}",
    ]
    assert main(["predict", model, "a.npy", "--json"]) == 0
    (prediction,) = json.loads(capsys.readouterr().out)["predictions"]
    assert prediction["prediction"] == str(labels["a.npy"])
    assert sum(prediction["probabilities"].values()) == pytest.approx(1.0, abs=1e-6)


def test_predict_takes_dark_ink(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    label = save_image("a.npy")
    np.save("dark.npy", 16 - np.load("a.npy"))
    assert main(["predict", model, "a.npy"]) == 0
    assert main(["predict", "--invert", model, "dark.npy"]) == 0
    bright, dark = capsys.readouterr().out.splitlines()
    assert bright.split(": ")[1] == dark.split(": ")[1]
    assert bright.startswith(f"a.npy: {label}")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((28, 28)), "a.npy: expected an image of shape (8, 8), got (28, 28)"),
        (np.zeros(64), "a.npy: expected one grey image (H, W), got shape (64,)"),
        (np.full((8, 8), 17), "whole numbers must be from 0 to 16, got 17 to 17"),
    ],
)
def test_predict_refuses(
    array: Any, message: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("a.npy", array)
    save_image("good.npy")
    assert message in refused(["predict", model, "good.npy", "a.npy"], capsys)


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_wrong_model_file_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_image("a.npy")
    images = ["a.npy"] if command == "predict" else []
    assert "no such file: none.npz" in refused([command, "none.npz", *images], capsys)
    Path("run").mkdir()
    assert "run is a folder: expected a file in it" in refused([command, "run", *images], capsys)
    Path("junk.npz").write_bytes(b"junk")
    assert "junk.npz is truncated" in refused([command, "junk.npz", *images], capsys)
    train.save_model("other.npz", mg.nn.Linear(2, 2))
    assert "does not describe" in refused([command, "other.npz", *images], capsys)


def test_weights_that_do_not_fit_the_architecture_are_refused(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = mg.load(model)
    del content["net"]["layers.1.weight"]
    mg.save(content, "model.npz")
    assert "layers.1.weight" in refused(["evaluate", "model.npz"], capsys)


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("minigrad", "numpy", "numba", "threads", "vector bits", "threading layer", "gpu"):
        assert f"\n{word}" in f"\n{text}"
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["minigrad"] == mg.__version__


def test_warmup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        CompileRecord("batch_norm.forward serial", "()", 1.5, False),
        CompileRecord("optimizer.sgd serial", "()", 0.0, True),
    ]

    def warmup(progress: Any = None) -> list[CompileRecord]:
        for record in records:
            if progress is not None:
                progress(record)
        return records

    monkeypatch.setattr(mg, "warmup", warmup)
    assert main(["warmup"]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "compiled batch_norm.forward serial in 1.50 s",
        "loaded optimizer.sgd serial in 0.00 s",
    ]
    assert out.startswith("2 kernels ready")
    assert "1 compiled, 1 loaded" in out
    assert main(["warmup", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for command in ("train", "evaluate", "predict", "info", "warmup"):
        assert f"\n    {command} " in text
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    assert "--resume DIR" in capsys.readouterr().out


def test_version_needs_neither_numba_nor_rich() -> None:
    program = (
        "import sys, minigrad.cli\n"
        "try: minigrad.cli.main(['--version'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(sorted({'numba', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == [f"minigrad {mg.__version__}", "[]"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "minigrad: interrupted"),
        (OSError("no space left on device"), 1, "minigrad: error: no space left on device"),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(mg, "info", fails)
    assert main(["info"]) == code
    assert capsys.readouterr() == ("", message + "\n")


def test_python_m_minigrad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["minigrad", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("minigrad", run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"minigrad {mg.__version__}\n"


def test_interrupted_before_anything_was_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._interrupted(tmp_path) == 130
    assert capsys.readouterr().err == "minigrad: interrupted before anything was saved\n"


def test_a_terminal_gets_a_bar_and_other_files_get_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal, kind in ((True, ProgressBar), (False, train.EpochLines)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=terminal: answer)
        with cli._progress(quiet=False) as callbacks:
            assert [type(callback) for callback in callbacks] == [kind]
            write = set_compile_notice(None)
            assert write is not None
            write("compiling [1] kernels")  # brackets are no markup
        assert capsys.readouterr() == ("", "compiling [1] kernels\n")


def test_rate_must_be_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "digits", "--lr", "fast"])
    assert caught.value.code == 2
    assert "argument --lr: expected a number > 0, got 'fast'" in capsys.readouterr().err
