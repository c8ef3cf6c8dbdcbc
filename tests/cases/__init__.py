"""What every op of ``minigrad.ops`` promises, as one record per op.

Each module of this package is a family of ops and has a list ``CASES``. ``tests/test_ops.py``
runs the same battery of tests over all of them, and asserts that every op has a case.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import Op

__all__ = [
    "ALL_CASES",
    "FLOAT32_TOLERANCE",
    "FLOAT64_TOLERANCE",
    "BadInput",
    "Case",
    "drawn",
    "normals",
]

FLOAT64_TOLERANCE = 1e-12
"""Relative to the largest reference value: some thousand roundings of float64."""
FLOAT32_TOLERANCE = 1e-5
"""Relative to the largest value in float64: some hundred roundings of float32."""
GRADIENT_TOLERANCE = 1e-6
"""What fourth-order differences in float64 reach with room (measured: 1e-8 for BatchNorm)."""


class BadInput(NamedTuple):
    """Inputs that must be refused, and how. A plain tuple of the first three does as well."""

    inputs: tuple[Any, ...]
    error: type[Exception]
    match: str  # regular expression: what was expected and what was received
    kwargs: Mapping[str, Any] | None = None  # instead of the case's own


@dataclass(frozen=True)
class Case:
    """One op, or one way to call it.

    Attributes
    ----------
    op : type of Op or None
        The op that this case covers; None for a function of other ops, or of none.
    function : callable
        The public function: called with Tensors for arrays, returns a Tensor, or a tuple whose
        first Tensor counts.
    inputs : callable
        ``inputs(rng)`` returns the positional arguments. Floating arrays are float64 and get a
        gradient each; integer and boolean arrays, Python numbers, strings and None are passed as
        they are. Small (the gradient check calls the function about four times per element),
        well inside the domain and 0.01 or more away from kinks and ties.
    reference : callable
        The same function of arrays in plain NumPy, with the same arguments. Where it is itself a
        NumPy function and there are no ``kwargs``, it is also called with the Tensors.
    kwargs : mapping
        Keyword arguments for ``function`` and ``reference``.
    errors : sequence
        Of `BadInput`, or of ``(inputs, exception type, regular expression)``.
    id : str
        What tells this case from others of the same op.
    constants : tuple of int
        Floating inputs that get no gradient by definition (statistics of evaluation BatchNorm).
    differentiable : bool
        False for functions such as comparisons, whose result is never recorded.
    higher_order : bool
        False only for an op whose second derivative is zero or undefined by definition.
    empty : tuple or None
        Arguments with arrays of size zero, for which ``reference`` says what is right.
    tolerance, tolerance_float32, tolerance_gradient : float
        Of the value in float64 and float32, and of the gradient check: relative to the largest
        value. Others than the defaults need a ``reason``.
    reason : str
    """

    op: type[Op] | None
    function: Callable[..., Any]
    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    reference: Callable[..., Any]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[BadInput | tuple[tuple[Any, ...], type[Exception], str]] = ()
    id: str = ""
    constants: tuple[int, ...] = ()
    differentiable: bool = True
    higher_order: bool = True
    empty: tuple[Any, ...] | None = None
    tolerance: float = FLOAT64_TOLERANCE
    tolerance_float32: float = FLOAT32_TOLERANCE
    tolerance_gradient: float = GRADIENT_TOLERANCE
    reason: str = ""

    def __post_init__(self) -> None:
        """Ask for the reason of a tolerance, and for an op where there is a gradient to check."""
        tolerances = (self.tolerance, self.tolerance_float32, self.tolerance_gradient)
        if tolerances != (FLOAT64_TOLERANCE, FLOAT32_TOLERANCE, GRADIENT_TOLERANCE):
            assert self.reason, "a tolerance other than the default needs a reason"

    def bad_inputs(self) -> list[BadInput]:
        """Return ``errors`` in one form."""
        return [BadInput(*entry) for entry in self.errors]


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
