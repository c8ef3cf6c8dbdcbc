"""Where a run is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minigrad.models.run_folder import new_run_folder


def test_folder_that_is_not_writable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="is not writable"):
        new_run_folder("digits", str(tmp_path / "run"))


def test_number_that_another_run_takes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mkdir = Path.mkdir

    def late(folder: Path, *arguments: object, **options: object) -> None:
        if folder.name == "digits-1":
            mkdir(folder, exist_ok=True)
            raise FileExistsError(folder)
        mkdir(folder, exist_ok=bool(options))

    monkeypatch.setattr(Path, "mkdir", late)
    assert new_run_folder("digits", None) == Path("runs/digits-2")
