"""What an op promises, as one record: what the properties of `minigrad.testing` are checked on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minigrad.arguments import check_items
from minigrad.engine import OPS, Op
from minigrad.errors import DTypeError
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "FLOAT32_TOLERANCE",
    "FLOAT64_TOLERANCE",
    "GRADIENT_TOLERANCE",
    "BadInput",
    "OpCase",
    "first_tensor",
    "is_float",
    "ops_without_case",
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
    match: str
    """Regular expression, found in the message: what was expected and what was received."""
    kwargs: Mapping[str, Any] | None = None
    """Instead of the case's own."""


@dataclass(frozen=True)
class OpCase:
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
    reference : callable or None
        The same function of arrays in plain NumPy, with the same arguments. Where it is itself a
        NumPy function and there are no ``kwargs``, it is also called with the Tensors. Where it
        is analytic, gradients are also compared with its complex steps.
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
    rank0 : tuple or None
        Arguments with arrays of rank 0, for which ``reference`` says what is right.

    Raises
    ------
    ValueError
        If a tolerance is not the default and there is no ``reason``.
    """

    op: type[Op] | None
    function: Callable[..., Any]
    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    reference: Callable[..., Any] | None
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
    rank0: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        """Ask for the reason of a tolerance."""
        tolerances = (self.tolerance, self.tolerance_float32, self.tolerance_gradient)
        default = (FLOAT64_TOLERANCE, FLOAT32_TOLERANCE, GRADIENT_TOLERANCE)
        if tolerances != default and not self.reason:
            raise ValueError("a tolerance other than the default needs a reason")

    def bad_inputs(self) -> list[BadInput]:
        """Return ``errors`` in one form."""
        return [BadInput(*entry) for entry in self.errors]

    def draw(self, seed: int) -> list[Any]:
        """Return new inputs; the same for the same seed."""
        return list(self.inputs(np.random.default_rng(seed)))

    def wanted(self, inputs: Sequence[Any]) -> list[int]:
        """Return the positions of the inputs that get a gradient."""
        return [i for i, v in enumerate(inputs) if is_float(v) and i not in self.constants]

    def call(self, arguments: Sequence[Any]) -> Tensor:
        """Return the function's result, or the first Tensor of several."""
        return first_tensor(self.function(*arguments, **self.kwargs))

    def expected(self, inputs: Sequence[Any]) -> Array:
        """Return the reference's result, or the first of several."""
        if self.reference is None:
            raise ValueError("this case has no reference")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reference's own, such as the mean of nothing
            result = self.reference(*inputs, **self.kwargs)
        return np.asarray(result[0] if isinstance(result, tuple) else result)


def ops_without_case(package: str, cases: Iterable[OpCase]) -> list[str]:
    """Return the ops of a package that no case is about: what a test suite forgets.

    Parameters
    ----------
    package : str
        Import name of the package or module that defines the ops.
    cases : iterable of OpCase

    Returns
    -------
    list of str
        Qualified names, sorted; empty if every op that was imported so far has a case.

    Raises
    ------
    ValueError
        If no op of ``package`` is known: then nothing would be checked.

    Examples
    --------
    >>> from minigrad.testing import ops_without_case
    >>> ops_without_case("minigrad.ops.power", [])
    ['minigrad.ops.power.Cbrt', 'minigrad.ops.power.Pow', ...]
    """
    names = [name for name in OPS if name.startswith(f"{package}.")]
    if not names:
        raise ValueError(
            f"expected the import name of a package that defines ops, got {package!r}, of which "
            "none is known; import it first"
        )
    cases = check_items("ops_without_case", "cases", cases)
    for case in cases:
        if not isinstance(case, OpCase):
            raise DTypeError(f"ops_without_case: cases must be OpCases, got {type(case).__name__}")
    covered = {case.op for case in cases}
    return sorted(name for name in names if OPS[name] not in covered)


def is_float(value: Any) -> bool:
    """Whether ``value`` is a floating array."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def first_tensor(result: Any) -> Tensor:
    """Return the result, or the first Tensor of several."""
    candidates = result if isinstance(result, (tuple, list)) else [result]
    for candidate in candidates:
        if isinstance(candidate, Tensor):
            return candidate
    raise AssertionError(
        f"the function must return a Tensor or a tuple with one, got {type(result).__name__}: it "
        "is called with Tensors, so call ops with minigrad.apply, and NumPy's functions on Tensors"
    )
