"""BatchNorm in evaluation, forward and backward, and the running statistics that it needs."""

from __future__ import annotations

from bench.batch_norm import operation
from bench.batch_norm.problem import Problem
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.shapes import RESNET, TABLES
from bench.batch_norm.speed_targets import PROBLEMS
from bench.harness import Settings
from bench.records import Row

__all__ = ["run"]


def run(settings: Settings) -> list[Row]:
    """Measure evaluation and statistics."""
    larger = (*(Problem(shape) for shape in (*RESNET[1:3], *TABLES)),)
    cases = [
        Case(problem, op)
        for problem in (*PROBLEMS, *larger)
        for op in (
            operation.EVALUATION,
            operation.EVALUATION_BACKWARD,
            operation.STATISTICS,
            operation.UPDATE,
        )
    ]
    return measure_cases("batch_norm_eval", cases, settings)
