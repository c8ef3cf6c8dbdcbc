"""Saving and loading: exact, whole or not at all, and never code."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.errors import CheckpointError
from minigrad.serialization import FORMAT_VERSION, load, save, write_atomically
from minigrad.tensor import Tensor

VALUES = {
    "weight": Tensor(np.arange(6.0).reshape(2, 3)[:, ::-1]),
    "scalar": Tensor(np.asarray(3, np.int64)),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 4), np.float32),
    "steps": [1, 2.5, None, True, "text", ("a", (float("inf"),))],
    0: {"lr": 0.1, "nested": {}},
}


def assert_same(actual: Any, expected: Any) -> None:
    """Compare values, types, dtypes and bits."""
    assert type(actual) is type(expected)
    if isinstance(expected, Tensor):
        assert_same(actual.array, expected.array)
    elif isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        assert actual.tobytes() == expected.tobytes()
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key, value in expected.items():
            assert_same(actual[key], value)
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    else:
        assert actual == expected


def test_round_trip_keeps_every_bit_type_and_key(tmp_path: Path) -> None:
    path = tmp_path / "values.npz"
    save(VALUES, path)
    assert_same(load(path), VALUES)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | hnp.arrays(st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), (2,)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
)
def test_whatever_can_be_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, x: Any) -> None:
    path = tmp_path_factory.mktemp("round_trip") / "x.npz"
    save(x, path)
    assert_same(load(path), x)


@pytest.mark.parametrize("value", [object(), {1.5: 2}, np.array(["text"]), {"a": [{3, 4}]}])
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "values.npz"
    save({"old": 1}, path)
    with pytest.raises(TypeError, match="cannot save"):
        save({"deep": [0, value]}, path)
    assert load(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["values.npz"]


def test_the_message_says_where(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot save a set at /a/1"):
        save({"a": [0, {1}]}, tmp_path / "x.npz")


def test_a_writer_that_fails_midway_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half of the new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_others_may_read_the_file_as_the_umask_says(tmp_path: Path) -> None:
    path = tmp_path / "file"
    previous = os.umask(0o022)
    try:
        write_atomically(path, lambda file: None)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("key", ["nul\0", "..", "a\\b", "\ud800", "k" * 70_000, "__minigrad__"])
def test_odd_keys_come_back(key: str, tmp_path: Path) -> None:
    """Keys name members of the archive, which takes fewer names than a dictionary."""
    path = tmp_path / "x.npz"
    save({key: {key: np.arange(2)}}, path)
    assert load(path)[key][key].tolist() == [0, 1]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*nowhere; make it"):
        save({}, tmp_path / "nowhere" / "x.npz")


def test_any_damaged_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    """Of the archive's own fields, too, about which zipfile raises errors of its own."""
    path = tmp_path / "x.npz"
    save({"w": np.arange(3)}, path)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            assert load(path)["w"].tolist() == [0, 1, 2]
        except CheckpointError:
            continue


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "absent.npz")


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.01, 0.5, 0.99])
def test_a_truncated_file(keep: float, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save(VALUES, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(CheckpointError, match="truncated, damaged or not a minigrad file"):
        load(path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save({"w": np.zeros(1000)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_foreign_files(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, weight=np.ones(3))
    with pytest.raises(CheckpointError, match="not a file that minigrad has saved"):
        load(foreign)
    array = tmp_path / "array.npy"
    np.save(array, np.ones(3))
    with pytest.raises(CheckpointError, match="minigrad"):
        load(array)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, __minigrad__=np.array([{"code": "run"}], dtype=object))
    with pytest.raises(CheckpointError, match=r"pickle|damaged"):
        load(pickled)


def test_a_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    header = json.dumps({"format": "minigrad", "version": FORMAT_VERSION + 1, "data": []})
    np.savez(path, __minigrad__=np.frombuffer(header.encode(), np.uint8))
    with pytest.raises(CheckpointError, match=f"format version {FORMAT_VERSION + 1}.*newer"):
        load(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder: expected a file in it"):
        load(tmp_path)
