"""The training loop, and continuing it to the same bits."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError, CheckpointError, ShapeError
from minigrad.nn import functional
from minigrad.train import BatchOfOneWarning, Callback, Run, ThreadsChangedWarning, evaluate, fit
from tests.train.helpers import SAMPLES, InterruptAt, Pieces

LINEAR_TOLERANCE = 1e-6  # float32 arithmetic in another order


def test_one_epoch_is_gradient_descent() -> None:
    """A linear net under squared error, against the update written out in NumPy."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=(6, 1)).astype(np.float32)
    net = nn.Linear(3, 1, bias=False)
    weight = net.weight.array.astype(np.float64)
    losses = []
    for start in (0, 4):
        part = slice(start, start + 4)
        residual = x[part] @ weight.T - y[part]
        losses += [float(np.mean(residual**2))] * len(residual)
        weight = weight - 0.05 * 2 * residual.T @ x[part] / len(residual)
    history = fit(
        net,
        mg.data.DataLoader(mg.data.TensorDataset(x, y), 4),
        loss=functional.mse_loss,
        optimizer=mg.optim.SGD(net.parameters(), lr=0.05),
        epochs=1,
    )
    np.testing.assert_allclose(net.weight.array, weight, rtol=0, atol=LINEAR_TOLERANCE)
    assert history.column("loss") == pytest.approx([np.mean(losses)], abs=LINEAR_TOLERANCE)
    assert history.column("samples") == [6]


def test_history_has_what_was_asked_for() -> None:
    pieces = Pieces(epochs=3)
    validation = mg.data.DataLoader(pieces.data, 10)
    history = pieces.fit(validation=validation)
    assert history.column("epoch") == [1, 2, 3]
    assert set(history[-1]) == {
        "epoch", "loss", "accuracy", "lr", "samples", "seconds",
        "validation_loss", "validation_accuracy",
    }  # fmt: skip
    assert history.column("samples") == [SAMPLES] * 3
    measured = evaluate(pieces.net, validation, loss=functional.cross_entropy)
    assert history[-1]["validation_loss"] == measured["loss"]
    assert history[-1]["validation_accuracy"] == measured["accuracy"]
    with pytest.raises(KeyError, match="no 'speed', only epoch, loss"):
        history.column("speed")


@pytest.mark.parametrize(("step", "advances"), [("batch", 3 * 3), ("epoch", 3)])
def test_the_schedule_advances(step: str, advances: int) -> None:
    pieces = Pieces(epochs=3)
    scheduler = mg.optim.lr_scheduler.ExponentialLR(pieces.optimizer, 0.5)
    pieces.fit(scheduler=scheduler, scheduler_step=step)
    assert scheduler.last_epoch == advances


def test_callbacks_see_the_run() -> None:
    calls: list[tuple[str, int, int]] = []

    class Notes(Callback):
        def on_train_begin(self, run: Run) -> None:
            calls.append(("begin", run.epoch, run.step))

        def on_step_end(self, run: Run) -> None:
            calls.append(("step", run.epoch, run.step))

        def on_epoch_end(self, run: Run) -> None:
            calls.append(("epoch", run.epoch, len(run.history)))
            run.stop = run.epoch == 2

        def on_train_end(self, run: Run) -> None:
            calls.append(("end", run.epoch, run.step))

    history = Pieces(epochs=9).fit(callbacks=[Notes()])
    assert len(history) == 2
    steps = [("step", 0, number) for number in (1, 2, 3)]
    assert calls[:5] == [("begin", 0, 0), *steps, ("epoch", 1, 1)]
    assert calls[-1] == ("end", 2, 3)


def test_callbacks_are_told_of_the_end_by_exception() -> None:
    ended = []

    class Ending(Callback):
        def on_train_end(self, run: Run) -> None:
            ended.append(run.epoch)

    with pytest.raises(KeyboardInterrupt):
        Pieces().fit(callbacks=[Ending(), InterruptAt(1, 2)])
    assert ended == [1]


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("interrupt", [(0, 1), (1, None), (2, None), (2, 2), (3, 3)])
def test_a_resumed_run_ends_with_the_same_bits(
    interrupt: tuple[int, int | None], own_generator: bool, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    straight = Pieces(own_generator=own_generator)
    history = straight.fit(checkpoint=tmp_path / "straight.npz")
    expected = straight.state()

    with pytest.raises(KeyboardInterrupt):
        Pieces(own_generator=own_generator).fit(
            checkpoint=path, callbacks=[InterruptAt(*interrupt)]
        )
    resumed = Pieces(seed=99, own_generator=own_generator)  # all of it comes from the file
    continued = resumed.fit(checkpoint=path, resume=True)
    assert resumed.state() == expected
    assert continued.column("loss") == history.column("loss")


def test_a_complete_run_is_not_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    first = Pieces()
    first.fit(checkpoint=path)
    again = Pieces(seed=5)
    history = again.fit(checkpoint=path, resume=True)
    assert again.state() == first.state()
    assert len(history) == 4


def test_training_is_reproducible_and_depends_on_the_seed() -> None:
    states = []
    for seed in (0, 0, 1):
        pieces = Pieces(seed=seed)
        pieces.fit()
        states.append(pieces.state())
    assert states[0] == states[1] != states[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "adam"}, "optimizer SGD, got Adam"),
        ({"scheduler": None}, "scheduler OneCycleLR, got none"),
        ({"epochs": 1}, "has 2 epochs already, more than the 1"),
        ({"batch_size": 12}, "3 batches an epoch, the loader 2"),
        ({"own_generator": True}, "loader that has no generator"),
        ({"net": True}, "does not fit"),
    ],
)
def test_another_run_is_not_continued(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        Pieces().fit(checkpoint=path, callbacks=[InterruptAt(2)])
    content = path.read_bytes()
    pieces = Pieces(own_generator=change.pop("own_generator", False))
    if "batch_size" in change:
        pieces.loader = mg.data.DataLoader(pieces.data, change.pop("batch_size"), True)
    if "net" in change:
        del change["net"]
        pieces.net = nn.Sequential(nn.Linear(6, 2))
    if "optimizer" in change:
        change["optimizer"] = mg.optim.Adam(pieces.net.parameters())
    with pytest.raises(CheckpointError, match=message):
        pieces.fit(checkpoint=path, resume=True, **change)
    assert path.read_bytes() == content


def test_another_number_of_threads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        Pieces().fit(checkpoint=path, callbacks=[InterruptAt(1)])
    had = mg.get_num_threads()
    monkeypatch.setattr("minigrad.train.loop.get_num_threads", lambda: had + 1)
    with pytest.warns(ThreadsChangedWarning, match=f"had {had} threads and continues with"):
        Pieces().fit(checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("samples", "batch_size", "warns"),
    [(9, 4, True), (8, 4, False), (3, 1, True), (1, 4, True), (10, 4, False)],
)
def test_a_batch_of_one_is_announced(samples: int, batch_size: int, warns: bool) -> None:
    pieces = Pieces(epochs=1)
    data = mg.data.Subset(pieces.data, range(samples))
    pieces.loader = mg.data.DataLoader(data, batch_size)
    if not warns:
        pieces.fit(scheduler=None)
        return
    with (
        pytest.warns(BatchOfOneWarning, match=f"{samples} samples in batches of {batch_size}"),
        pytest.raises(ShapeError, match="more than one value per channel"),
    ):
        pieces.fit(scheduler=None)


def test_no_warning_where_no_batch_of_one_is_met() -> None:
    pieces = Pieces(epochs=1)
    data = mg.data.Subset(pieces.data, range(9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pieces.loader = mg.data.DataLoader(data, 4, drop_last=True)
        pieces.fit(scheduler=None)
        pieces.net = nn.Sequential(nn.Linear(6, 2))
        pieces.loader = mg.data.DataLoader(data, 4)
        optimizer = mg.optim.SGD(pieces.net.parameters(), lr=0.1)
        pieces.fit(scheduler=None, optimizer=optimizer)


@pytest.mark.parametrize("choice", ["single", "frozen"])
def test_a_batch_of_one_trains_by_running_statistics(choice: str) -> None:
    """Neither the warning nor the error where the layer can normalise such a batch."""
    pieces = Pieces(epochs=1)
    layer = nn.BatchNorm1d(8, single="eval" if choice == "single" else "raise")
    layer(mg.randn(5, 8))
    pieces.net[1] = layer.freeze() if choice == "frozen" else layer
    pieces.loader = mg.data.DataLoader(mg.data.Subset(pieces.data, range(9)), 4)
    optimizer = mg.optim.SGD(pieces.net.parameters(), lr=0.1)
    pieces.fit(scheduler=None, optimizer=optimizer)
    assert layer.num_batches_tracked is not None
    assert layer.num_batches_tracked.item() == (3 if choice == "single" else 1)


def test_a_batch_of_one_image_is_no_batch_of_one_value() -> None:
    pieces = Pieces(epochs=1)
    net = pieces.net = nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(6, 2)
    )
    pieces.loader = mg.data.DataLoader(mg.data.Subset(pieces.data, range(9)), 4)
    pieces.fit(scheduler=None, optimizer=mg.optim.SGD(net.parameters(), lr=0.1))


def test_training_records_even_under_no_grad() -> None:
    pieces = Pieces(epochs=1)
    before = pieces.state()
    with mg.no_grad():
        pieces.fit()
    assert pieces.state()["0.weight"] != before["0.weight"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
        ({"epochs": 1.5}, "epochs must be an integer"),
        ({"scheduler_step": "step"}, "'epoch' or 'batch', got 'step'"),
        ({"resume": True}, "resume=True needs checkpoint"),
    ],
)
def test_arguments_are_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pieces().fit(**arguments)


def test_a_loader_without_batches_is_refused() -> None:
    pieces = Pieces()
    pieces.loader = mg.data.DataLoader(pieces.data, 50, drop_last=True)
    with pytest.raises(ValueError, match="no batches"):
        pieces.fit()


def test_a_batch_without_target_is_refused() -> None:
    pieces = Pieces()
    pieces.loader = mg.data.DataLoader(mg.data.TensorDataset(mg.zeros(4, 6)), 2)
    with pytest.raises(ShapeError, match=r"\(input, ..., target\), got 1 entry"):
        pieces.fit(scheduler=None)


def test_a_loss_that_is_not_a_scalar_is_refused() -> None:
    with pytest.raises(AutogradError, match="backward"):
        Pieces().fit(loss=lambda output, target: functional.cross_entropy(
            output, target, reduction="none"
        ))  # fmt: skip
