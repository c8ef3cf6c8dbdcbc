"""What every op of ``minigrad.ops`` promises, as one record per op or way to call it.

Each module of this package is a family of ops and has a list ``CASES``. ``tests/test_ops.py``
runs the same battery of tests over all of them, and asserts that every op has a case.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad.testing import FLOAT32_TOLERANCE, FLOAT64_TOLERANCE, BadInput
from minigrad.testing import OpCase as Case

__all__ = [
    "ALL_CASES",
    "FLOAT32_TOLERANCE",
    "FLOAT64_TOLERANCE",
    "BadInput",
    "Case",
    "drawn",
    "normals",
]


def normals(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return a drawer of one array for each shape."""
    return lambda rng: tuple([rng.normal(size=shape) for shape in shapes])


def drawn(
    shape: tuple[int, ...], *arguments: Any
) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return a drawer of one array, which other arguments follow."""
    return lambda rng: (rng.normal(size=shape), *arguments)


def _collect() -> list[Case]:
    """Return the cases of every family, each with an id that no other has."""
    cases: dict[str, Case] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        for case in importlib.import_module(f"{__name__}.{module}").CASES:
            name = case.op.__name__ if case.op else getattr(case.function, "__name__", "function")
            stem = "-".join(part for part in (f"{module}.{name}", case.id) if part)
            identifier, count = stem, 1
            while identifier in cases:
                count += 1
                identifier = f"{stem}-{count}"
            cases[identifier] = replace(case, id=identifier)
    return list(cases.values())


ALL_CASES: list[Case] = _collect()
