"""What an operation is, and those of plain BatchNorm: in training, in evaluation, statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.batch_norm import ours, theirs
from bench.batch_norm.problem import EPS, Problem, Sides
from minigrad.kernels.reference import batch_norm as reference
from minigrad.typing import Array

__all__ = [
    "BACKWARD",
    "EVALUATION",
    "EVALUATION_BACKWARD",
    "FORWARD",
    "STATISTICS",
    "UPDATE",
    "Operation",
    "Traffic",
]


class Traffic(NamedTuple):
    """In arrays of the size of x."""

    moved: int
    """At the least read and written; what is read in two passes counts twice."""
    touched: int
    """How many different arrays there are."""


@dataclass(frozen=True)
class Operation:
    """One thing that is computed.

    Attributes
    ----------
    name : str
    traffic : Traffic or None
        None: only vectors.
    ours, theirs : callable
        The functions of each side, for a problem.
    expected : callable
        What each function must return, in more digits.
    numpy : callable, optional
        A function that does the same in NumPy.
    peer_name : str
        Who ``theirs`` is. Default: PyTorch.
    """

    name: str
    traffic: Traffic | None
    ours: Callable[[Problem], Sides]
    theirs: Callable[[Problem], Sides]
    expected: Callable[[Problem], Any]
    numpy: Callable[[Problem], Callable[[], Any]] | None = None
    peer_name: str = ""


def _numpy_forward(problem: Problem) -> Callable[[], Any]:
    p = problem
    return lambda: reference.forward_train(p.x, p.gamma, p.beta, eps=EPS)


def _numpy_backward(problem: Problem) -> Callable[[], Any]:
    p = problem
    _, mean, _, inv_std = reference.forward_train(p.x, p.gamma, p.beta, eps=EPS)
    return lambda: reference.backward_train(p.dy, p.x, mean, inv_std, p.gamma)


def _numpy_evaluation(problem: Problem) -> Callable[[], Any]:
    p = problem
    return lambda: reference.forward_eval(p.x, *p.running, p.gamma, p.beta, eps=EPS)


def _numpy_evaluation_backward(problem: Problem) -> Callable[[], Any]:
    p = problem
    return lambda: reference.backward_eval(p.dy, p.x, *p.running, p.gamma, eps=EPS)


def _numpy_statistics(problem: Problem) -> Callable[[], Any]:
    return lambda: reference.statistics(problem.x)


def _expected_statistics(problem: Problem) -> tuple[Array, Array]:
    return problem.expected_forward.mean, problem.expected_forward.var


FORWARD = Operation(
    "forward",
    Traffic(3, 2),  # x for the statistics, x for y; y
    ours.forward,
    theirs.forward,
    lambda problem: problem.expected_forward.y,
    _numpy_forward,
)
BACKWARD = Operation(
    "backward",
    Traffic(5, 3),  # x and dy for the sums, x and dy for dx; dx
    ours.backward,
    theirs.backward,
    lambda problem: problem.expected_gradients(problem.wide.dy),
    _numpy_backward,
)
EVALUATION = Operation(
    "evaluation",
    Traffic(2, 2),
    ours.evaluation,
    theirs.evaluation,
    lambda problem: problem.expected_evaluation,
    _numpy_evaluation,
)
EVALUATION_BACKWARD = Operation(
    "evaluation backward",
    Traffic(3, 3),  # x and dy; dx
    ours.evaluation_backward,
    theirs.evaluation_backward,
    lambda problem: problem.expected_evaluation_gradients(),
    _numpy_evaluation_backward,
)
STATISTICS = Operation(
    "statistics, running ones moved",
    Traffic(1, 1),
    ours.statistics,
    theirs.statistics,
    _expected_statistics,
    _numpy_statistics,
)
UPDATE = Operation(
    "running statistics moved",
    None,
    ours.update,
    theirs.update,
    lambda problem: (problem.wide.mean, problem.wide.var),
)
