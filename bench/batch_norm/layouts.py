"""BatchNorm in three layouts: activations of a ResNet, large images, tables; up to 134 MB."""

from __future__ import annotations

from bench.batch_norm.operation import BACKWARD, FORWARD
from bench.batch_norm.problem import Problem
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.shapes import RESNET, TABLES
from bench.harness import Settings
from bench.records import Row

__all__ = ["PROBLEMS", "run"]

_CHANNELS_LAST = 4
"""Of how many shapes; the others show nothing that these do not."""

PROBLEMS = (
    *(Problem(shape) for shape in (*RESNET, *TABLES)),
    *(Problem(shape, channels_last=True) for shape in RESNET[:_CHANNELS_LAST]),
)


def run(settings: Settings) -> list[Row]:
    """Measure training, forward and backward."""
    cases = [Case(problem, op) for problem in PROBLEMS for op in (FORWARD, BACKWARD)]
    return measure_cases("batch_norm_layouts", cases, settings)
