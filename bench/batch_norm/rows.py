"""From a list of cases to rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from bench import peers
from bench.batch_norm.operation import FORWARD, Operation
from bench.batch_norm.problem import Problem, Sides
from bench.batch_norm.speed import target_of
from bench.harness import Comparison, Settings, measure
from bench.records import Row

__all__ = ["Case", "measure_cases"]

_TOLERANCES = {"float32": 1e-4, "float64": 1e-11}
"""Relative to the largest value; PyTorch's sums are in the dtype of x."""
_GAP = 0.005  # lets the threads of the other side fall asleep


@dataclass(frozen=True)
class Case:
    """An operation on a problem.

    Attributes
    ----------
    problem : Problem
    operation : Operation
    rows : str
        ``"a"``: public functions, outputs allocated. ``"b"``: kernels, memory used again.
        ``"ab"``: a row of each.
    threads : int, optional
        Of both sides. Default: those of the settings.
    """

    problem: Problem
    operation: Operation = FORWARD
    rows: str = "ab"
    threads: int | None = None


def measure_cases(benchmark: str, cases: Iterable[Case], settings: Settings) -> list[Row]:
    """Measure each case.

    Parameters
    ----------
    benchmark : str
        For the rows.
    cases : iterable of Case
        Those of one problem next to each other: they share its arrays.
    settings : Settings

    Returns
    -------
    list of Row
    """
    rows: list[Row] = []
    for problem, group in groupby(cases, key=lambda case: case.problem):
        shared = replace(problem)  # whose arrays go when the next one comes
        for case in group:
            threads = case.threads or settings.threads
            own = replace(settings, threads=threads)
            with peers.threads(threads):
                comparisons = _comparisons(replace(case, problem=shared), threads)
                rows += [measure(benchmark, comparison, own) for comparison in comparisons]
    return rows


def _comparisons(case: Case, threads: int) -> Iterator[Comparison]:
    """Yield what is measured of a case."""
    problem, operation = case.problem, case.operation
    ours = operation.ours(problem)
    has_peer = bool(operation.peer_name) or peers.torch() is not None
    theirs = operation.theirs(problem) if has_peer else Sides()
    expected = operation.expected(problem)
    traffic = operation.traffic
    size = problem.n_bytes
    for row in case.rows:
        function = getattr(ours, row)
        if function is None:
            continue
        others: dict[str, Any] = {}
        if row == "a" and operation.numpy is not None:
            others["NumPy"] = operation.numpy(problem)
        counted = "" if case.threads is None else f", {threads} thread{'s' * (threads > 1)}"
        yield Comparison(
            f"{problem.name}{counted}, {operation.name} ({row})",
            function,
            getattr(theirs, row),
            lambda: expected,
            others,
            tolerance=_TOLERANCES[problem.dtype],
            least_bytes=None if traffic is None else traffic.moved * size,
            footprint=None if traffic is None else traffic.touched * size,
            gap=_GAP,
            peer_name=operation.peer_name,
            target=target_of(operation.name, row, problem, threads),
            facts={
                "shape": list(problem.shape),
                "layout": problem.layout,
                "dtype": problem.dtype,
                "bytes": size,
                "threads": threads,
                "operation": operation.name,
                "row": row,
            },
        )
