"""BatchNorm: every row with a target, in float32: training, evaluation, fused, one thread."""

from __future__ import annotations

from bench.batch_norm import operation
from bench.batch_norm.fusion import ADD_RELU_UNFUSED
from bench.batch_norm.problem import Problem
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.shapes import IMAGES, VECTORS
from bench.harness import Settings
from bench.records import Row

__all__ = ["CASES", "PROBLEMS", "run"]

PROBLEMS = (
    *(Problem(shape) for shape in (*VECTORS, *IMAGES)),
    *(Problem(shape, channels_last=True) for shape in IMAGES),
)

FUSED = PROBLEMS[len(VECTORS) :]
"""Residuals are added to images."""

CASES = [
    case
    for problem in PROBLEMS
    for case in (
        Case(problem, operation.FORWARD),
        Case(problem, operation.BACKWARD),
        Case(problem, operation.EVALUATION),
        Case(problem, operation.EVALUATION_BACKWARD),
        Case(problem, operation.FORWARD, "a", threads=1),
        Case(problem, operation.BACKWARD, "a", threads=1),
        *(Case(problem, op, "a") for op in ADD_RELU_UNFUSED[:3] if problem in FUSED),
    )
]


def run(settings: Settings) -> list[Row]:
    """Measure each case."""
    return measure_cases("batch_norm", CASES, settings)
