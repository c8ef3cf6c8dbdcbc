"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

import minigrad as mg


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_threads: None) -> None:
    """Run in an empty folder; programs that are started import the package under test."""
    monkeypatch.setenv("PYTHONPATH", str(Path(mg.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
