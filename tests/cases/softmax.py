"""Softmax and its relatives; infinities are tested in ``tests/ops/test_softmax.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.softmax import Logaddexp, LogSoftmax, Logsumexp, Softmax, logaddexp, logsumexp
from minigrad.ops.softmax import log_softmax as log_softmax_op
from minigrad.ops.softmax import softmax as softmax_op
from minigrad.typing import Array
from tests.cases import BadInput, Case


def cube(rng: np.random.Generator) -> tuple[Array]:
    return (rng.normal(size=(2, 3, 4)),)


def softmax(x: Array, dim: int) -> Array:
    return np.asarray(np.exp(x) / np.sum(np.exp(x), axis=dim, keepdims=True))


def log_softmax(x: Array, dim: int) -> Array:
    return np.asarray(x - np.log(np.sum(np.exp(x), axis=dim, keepdims=True)))


def reference_logsumexp(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=dim, keepdims=keepdim))


CASES = [
    *[
        Case(
            Logsumexp,
            logsumexp,
            cube,
            reference_logsumexp,
            kwargs={"dim": dim, "keepdim": keepdim},
            id=f"{dim} {keepdim}",
            empty=(np.ones((0, 3, 2)),),
            errors=(
                BadInput((np.ones((2, 3)),), ShapeError, "from -2 to 1 .* got 2", {"dim": 2}),
                BadInput((np.ones((2, 3)),), ShapeError, "an axis twice", {"dim": (1, -1)}),
            ),
        )
        for dim, keepdim in ((1, False), ((0, -1), True), ((), False), (None, False), (None, True))
    ],
    Case(
        Logsumexp, logsumexp, lambda rng: (rng.normal(size=()),), reference_logsumexp, id="rank 0"
    ),
    *[
        Case(
            op,
            function,
            cube,
            reference,
            kwargs={"dim": dim},
            id=f"dim={dim}",
            empty=(np.ones((0, 3, 2)),) if dim else None,  # the reference would take log(0)
            errors=(
                BadInput((np.ones((2, 3)),), ShapeError, "from -2 to 1 .* got 2", {"dim": 2}),
                BadInput((np.ones((2, 3)),), DTypeError, "must be an integer", {"dim": None}),
            ),
        )
        for op, function, reference in (
            (Softmax, softmax_op, softmax),
            (LogSoftmax, log_softmax_op, log_softmax),
        )
        for dim in (0, 1, -1)
    ],
    Case(
        Logaddexp,
        logaddexp,
        lambda rng: (rng.normal(size=(3, 1, 4)), rng.normal(size=(2, 4))),
        np.logaddexp,
        errors=(
            BadInput(
                (np.ones((2, 3)), np.ones(4)), ShapeError, r"Logaddexp: shapes \(2, 3\) and \(4,\)"
            ),
        ),
    ),
]
