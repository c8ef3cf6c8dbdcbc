"""BatchNorm in float64: training and evaluation, errors against extended precision."""

from __future__ import annotations

from dataclasses import replace

from bench.batch_norm import operation
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.speed_targets import PROBLEMS
from bench.harness import Settings
from bench.records import Row

__all__ = ["run"]


def run(settings: Settings) -> list[Row]:
    """Measure each operation in float64."""
    cases = [
        Case(replace(problem, dtype="float64"), op)
        for problem in PROBLEMS
        for op in (
            operation.FORWARD,
            operation.BACKWARD,
            operation.EVALUATION,
            operation.EVALUATION_BACKWARD,
        )
    ]
    return measure_cases("batch_norm_float64", cases, settings)
