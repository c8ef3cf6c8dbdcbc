"""BatchNorm with one thread and with all: each beside PyTorch with as many."""

from __future__ import annotations

from bench.batch_norm.operation import BACKWARD, FORWARD
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.speed_targets import PROBLEMS
from bench.harness import Settings
from bench.records import Row

__all__ = ["run"]


def run(settings: Settings) -> list[Row]:
    """Measure training with each number of threads."""
    counts = sorted({1, settings.threads})
    cases = [
        Case(problem, op, threads=threads)
        for problem in PROBLEMS
        for op in (FORWARD, BACKWARD)
        for threads in counts
    ]
    return measure_cases("batch_norm_threads", cases, settings)
