"""Exponentials, logarithms and the error function."""

from __future__ import annotations

import math

import numpy as np

from minigrad.ops import math as ops
from minigrad.typing import Array
from tests.cases import Case


def moderate(rng: np.random.Generator) -> tuple[Array]:
    return (rng.uniform(-2.0, 2.0, size=(3, 4)),)


def positive(rng: np.random.Generator) -> tuple[Array]:
    return (rng.uniform(0.3, 3.0, size=(3, 4)),)


def erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


CASES = [
    Case(ops.Exp, ops.exp, moderate, np.exp, empty=(np.ones((0, 2)),)),
    Case(ops.Exp2, ops.exp2, moderate, np.exp2),
    Case(ops.Expm1, ops.expm1, moderate, np.expm1),
    Case(ops.Log, ops.log, positive, np.log),
    Case(ops.Log2, ops.log2, positive, np.log2),
    Case(ops.Log10, ops.log10, positive, np.log10),
    Case(ops.Log1p, ops.log1p, positive, np.log1p),
    Case(ops.Erf, ops.erf, moderate, erf),
]
