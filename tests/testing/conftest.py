"""Say in the summary of a run how many mutants it killed."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the tests that named a mutant and what killed it."""
    tried: dict[str, bool] = {}
    alone: dict[str, int] = {}
    reports: list[pytest.TestReport] = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)
    ]
    for report in reports:
        properties: dict[str, Any] = dict(report.user_properties)
        if "mutant" in properties:
            tried[properties["mutant"]] = report.passed
            for killer in properties.get("killed by", ()):
                alone[killer] = alone.get(killer, 0) + 1
    if tried:
        by = ", ".join(f"{name} {count}" for name, count in sorted(alone.items()))
        terminalreporter.write_line(
            f"mutants killed: {sum(tried.values())} of {len(tried)} (by {by})"
        )
