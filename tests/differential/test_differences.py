"""The table of known differences: each row differs, and the page says what the table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.differential.differences import DIFFERENCES, PAGE, Difference, render


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "docs/differences.md is not what the table says: run "
        "python -m tests.differential.differences"
    )


def test_each_row_can_be_checked() -> None:
    unchecked = [row.names for row in DIFFERENCES if row.special is None and row.example is None]
    assert not unchecked, f"rows without an example: {unchecked}"


def outcome(function: Callable[[], Any]) -> Any:
    """Return a result in Python's terms, or that there was an error."""
    try:
        result = function()
    except (IndexError, TypeError, ValueError, RuntimeError):
        return "an error"
    return np.asarray(result).tolist() if hasattr(result, "detach") else result


@pytest.mark.parametrize(
    "row",
    [row for row in DIFFERENCES if row.example is not None],
    ids=lambda row: f"{row.names[0]}: {row.minigrad}"[:60],
)
def test_each_row_differs(row: Difference) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")
    assert row.example is not None
    ours, theirs = map(outcome, row.example(torch))
    assert ours != theirs, f"both give {ours}: remove the row from tests/differential"
