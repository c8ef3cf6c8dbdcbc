"""Files: what is read back, what is refused, what survives a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import CheckpointError
from minigrad.train import load_checkpoint, load_model, save_model
from minigrad.train.checkpoint import CHECKPOINT_VERSION
from tests.train.helpers import Pieces


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a checkpoint of two epochs."""
    path = tmp_path / "run.npz"
    Pieces(epochs=2).fit(checkpoint=path, description={"data": {"name": "toy"}})
    return path


def test_a_checkpoint_says_what_training_depends_on(path: Path) -> None:
    content = load_checkpoint(path)
    assert content["kind"] == "checkpoint"
    assert content["version"] == CHECKPOINT_VERSION
    assert content["description"] == {"data": {"name": "toy"}}
    assert (content["epoch"], content["epochs"], content["steps_per_epoch"]) == (2, 2, 3)
    assert [record["epoch"] for record in content["history"]] == [1, 2]
    assert content["optimizer"]["name"] == "SGD"
    assert content["scheduler"]["name"] == "OneCycleLR"
    assert content["random"]["default"] == mg.default_generator.get_state()
    assert content["random"]["loader"] is None
    assert content["threads"] == mg.get_num_threads()
    assert content["made_with"]["minigrad"] == mg.__version__


def test_no_pickle(path: Path) -> None:
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype.kind in "fiub" for name in archive.files)


def test_a_checkpoint_is_a_model_but_not_the_reverse(path: Path, tmp_path: Path) -> None:
    net = nn.Linear(3, 2)
    save_model(tmp_path / "model.npz", net, {"name": "line"})
    content = load_model(tmp_path / "model.npz")
    assert content["description"] == {"name": "line"}
    other = nn.Linear(3, 2)
    other.load_state_dict(content["net"])
    assert np.array_equal(other.weight.array, net.weight.array)
    assert load_model(path)["net"].keys() == load_checkpoint(path)["net"].keys()
    with pytest.raises(CheckpointError, match="expected a checkpoint, got a model"):
        load_checkpoint(tmp_path / "model.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated(share: float, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="truncated, damaged or not"):
        load_checkpoint(path)


def test_damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1  # inside the first array, which the checksum covers
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated, damaged or not"):
        load_checkpoint(path)


def test_foreign(tmp_path: Path) -> None:
    path = tmp_path / "foreign.npz"
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a file that minigrad has saved"):
        load_checkpoint(path)
    mg.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match="expected a checkpoint, got something else"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="expected a model or a checkpoint"):
        load_model(path)
    mg.save([1, 2], path)
    with pytest.raises(CheckpointError, match="got something else"):
        load_model(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_checkpoint(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": CHECKPOINT_VERSION + 1}, "reads up to 1: use a newer minigrad"),
        ({"version": "x"}, "version x"),
        ({"optimizer": ...}, "lacks optimizer"),
    ],
)
def test_of_another_version(change: dict[str, Any], message: str, path: Path) -> None:
    content = {**mg.load(path), **change}
    mg.save({key: value for key, value in content.items() if value is not ...}, path)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("fails", ["savez", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(
    fails: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def half(file: Any, **members: Any) -> None:
        file.write(b"half of it")
        raise OSError("No space left on device")

    def fail(*arguments: Any) -> None:
        raise OSError("No space left on device")

    if fails == "savez":
        monkeypatch.setattr("numpy.savez", half)
    else:
        monkeypatch.setattr(f"os.{fails}", fail)
    with pytest.raises(OSError, match="No space left"):
        Pieces(epochs=3).fit(checkpoint=path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_resuming_from_a_damaged_file_changes_neither_file_nor_net(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])
    pieces = Pieces(epochs=2)
    before = pieces.state()
    with pytest.raises(CheckpointError):
        pieces.fit(checkpoint=path, resume=True)
    assert pieces.state() == before
    assert len(path.read_bytes()) == 500
