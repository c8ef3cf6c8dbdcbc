"""How fast BatchNorm should be: the target of each row."""

from __future__ import annotations

from bench.batch_norm.problem import Problem
from bench.targets import Target, at_least_of_copy, ratio_at_most

__all__ = ["FUSED", "UNFUSED", "target_of"]

_LARGE = 4_000_000  # bytes of x: what the ratios and fractions below depend on
_MEDIUM = 1_000_000
_SMALL = 250_000

FUSED = "BN+"
"""What names of fused operations begin with."""
UNFUSED = "beside unfused"
"""What names end with whose peer are our own ops."""


def target_of(operation: str, row: str, problem: Problem, threads: int) -> Target | None:
    """Return the bound on a row, if there is one.

    Parameters
    ----------
    operation : str
        Its name.
    row : {"a", "b"}
        Ratios to the peer are bounded in (a), fractions of the copy bandwidth in (b).
    problem : Problem
    threads : int

    Returns
    -------
    Target or None
        Targets are for float32. With one thread nothing may be slower than PyTorch with one.
    """
    if problem.dtype != "float32":
        return None
    fused = operation.startswith(FUSED)
    if operation.endswith(UNFUSED):
        is_bounded = "add" in operation and "evaluation" not in operation and threads > 1
        return ratio_at_most(1 / 1.8) if is_bounded else None
    if not fused and operation not in _RATIOS:
        return None
    if row == "b":
        return _fraction(problem.n_bytes) if threads > 1 else None
    if fused:
        return None
    return ratio_at_most(1.0 if threads == 1 else _RATIOS[operation](problem))


def _fraction(n_bytes: int) -> Target | None:
    if n_bytes < _MEDIUM:
        return None
    return at_least_of_copy(0.80 if n_bytes >= _LARGE else 0.60)


def _forward(problem: Problem) -> float:
    if problem.layout != "channels first" or problem.n_bytes < _SMALL:
        return 0.67
    return 0.25 if problem.n_bytes >= _MEDIUM else 0.40


def _backward(problem: Problem) -> float:
    if problem.layout == "channels last":
        return 0.67
    is_large = problem.layout == "channels first" and problem.n_bytes >= _LARGE
    return 0.40 if is_large else 0.83


def _evaluation(problem: Problem) -> float:
    return 0.83


_RATIOS = {
    "forward": _forward,
    "backward": _backward,
    "evaluation": _evaluation,
    "evaluation backward": _evaluation,
}
"""The largest ratio to PyTorch's time with several threads, by operation."""
