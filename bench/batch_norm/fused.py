"""BatchNorm fused with ReLU and with a residual: beside PyTorch, and beside our own unfused ops."""

from __future__ import annotations

from bench.batch_norm.fusion import ADD_RELU, ADD_RELU_UNFUSED, RELU, RELU_UNFUSED
from bench.batch_norm.problem import Problem
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.shapes import IMAGES
from bench.harness import Settings
from bench.records import Row

__all__ = ["CASES", "run"]

PROBLEMS = (
    *(Problem(shape) for shape in IMAGES),
    *(Problem(shape, channels_last=True) for shape in IMAGES[-2:]),
)

CASES = [
    Case(problem, op, rows)
    for problem in PROBLEMS
    for beside, rows in (
        (ADD_RELU, "ab"),
        (ADD_RELU_UNFUSED, "a"),
        (RELU, "ab"),
        (RELU_UNFUSED, "a"),
    )
    for op in beside
]


def run(settings: Settings) -> list[Row]:
    """Measure each case."""
    return measure_cases("batch_norm_fused", CASES, settings)
