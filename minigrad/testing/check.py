"""The whole battery for one function of Tensors: a user's op, or a composition of ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minigrad.arguments import check_callable, check_integer
from minigrad.errors import DTypeError, MinigradError
from minigrad.tensor import Tensor
from minigrad.testing.opcase import (
    FLOAT32_TOLERANCE,
    FLOAT64_TOLERANCE,
    GRADIENT_TOLERANCE,
    BadInput,
    OpCase,
    is_float,
)
from minigrad.testing.properties import PROPERTIES, Property, derivative

__all__ = ["CheckOpError", "CheckReport", "PropertyResult", "check_case", "check_op"]

_EXAMPLES = 5  # inputs that are drawn for the properties worth repeating
_DETAIL = 14  # lines that are shown of each failure


@dataclass(frozen=True)
class PropertyResult:
    """What became of one property.

    Attributes
    ----------
    name : str
    outcome : str
        "passed", "failed", "skipped" or "not applicable".
    detail : str
        Why it failed, was skipped or does not apply.
    """

    name: str
    outcome: Literal["passed", "failed", "skipped", "not applicable"]
    detail: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What `check_op` found; true if nothing failed.

    Attributes
    ----------
    function : str
        Its name.
    results : tuple of PropertyResult
        One per property, in the order in which they were checked.
    """

    function: str
    results: tuple[PropertyResult, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the properties that do not hold."""
        return tuple(result.name for result in self.results if result.outcome == "failed")

    def __bool__(self) -> bool:
        return not self.failed

    def __str__(self) -> str:
        count = sum(result.outcome in ("passed", "failed") for result in self.results)
        lines = [
            f"{self.function}: {len(self.failed)} of {count} properties fail"
            if self.failed
            else f"{self.function}: {count} properties hold"
        ]
        width = max(len(result.name) for result in self.results)
        failures: dict[str, list[str]] = {}  # what was found -> by which properties
        for result in self.results:
            first = result.detail.strip().split("\n")[0].removesuffix(":")
            if result.outcome == "failed":
                names = failures.setdefault(result.detail, [])
                first = f"as {names[0]}" if names else first
                names.append(result.name)
            lines.append(f"  {result.name:<{width}}  {result.outcome:<14}  {first}".rstrip())
        for detail, names in failures.items():
            shown = detail.strip().split("\n")
            shown = [*shown[:_DETAIL], "..."] if len(shown) > _DETAIL else shown
            lines += ["", f"{', '.join(names)}:", *(f"  {line}".rstrip() for line in shown)]
        return "\n".join(lines)


class CheckOpError(MinigradError, AssertionError):
    """A function breaks some of the promises of an op.

    Attributes
    ----------
    report : CheckReport
    """

    def __init__(self, report: CheckReport) -> None:
        super().__init__(str(report))
        self.report = report


def check_op(
    function: Callable[..., Any],
    inputs: Any,
    *,
    reference: Callable[..., Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    errors: Sequence[BadInput | tuple[tuple[Any, ...], type[Exception], str]] = (),
    empty: Sequence[Any] | None = None,
    rank0: Sequence[Any] | None = None,
    constants: Sequence[int] = (),
    differentiable: bool = True,
    order: int = 3,
    skip: Mapping[str, str] | None = None,
    tolerance: float = FLOAT64_TOLERANCE,
    tolerance_float32: float = FLOAT32_TOLERANCE,
    tolerance_gradient: float = GRADIENT_TOLERANCE,
    seed: int = 0,
    raise_exception: bool = True,
) -> CheckReport:
    """Check every promise of an op on a function of Tensors, and report all that are broken.

    Parameters
    ----------
    function : callable
        Takes Tensors for arrays, returns a Tensor, or a tuple whose first Tensor counts. It must
        give the same result every time: a random op needs a generator that it seeds itself.
    inputs : ndarray, Tensor, sequence of them, or callable
        Arguments; or ``inputs(rng)``, which draws them, for several examples. Floating arrays
        must be float64 and get a gradient each. Integer and boolean arrays, numbers, strings and
        None are passed as they are, as are Tensors that require no gradient. Small, and 0.01 or
        more away from kinks and ties.
    reference : callable, optional
        The same function of arrays in NumPy, with the same arguments. Without one, values are not
        checked. Where it is analytic, gradients are also compared with its complex steps.
    kwargs : mapping, optional
        Keyword arguments for ``function`` and ``reference``.
    errors : sequence, optional
        Inputs that must be refused: `BadInput`, or ``(inputs, exception type, regular
        expression)``.
    empty, rank0 : sequence, optional
        Arguments with arrays of size zero, and of rank 0.
    constants : sequence of int, optional
        Positions of floating inputs that get no gradient by definition.
    differentiable : bool
        False for a function whose result is never recorded, such as a comparison.
    order : int
        Of the highest derivatives that are checked, 1 or more.
    skip : mapping of str to str, optional
        Properties that by definition do not apply, each with the reason.
    tolerance, tolerance_float32, tolerance_gradient : float
        Of the value in float64 and float32, and of the gradient against differences: relative to
        the largest value.
    seed : int
        Of what is drawn.
    raise_exception : bool
        Raise if a property does not hold, instead of returning the report.

    Returns
    -------
    CheckReport
        True if every property holds; printed, a table.

    Raises
    ------
    CheckOpError
        If a property does not hold; the text lists all that do not, and why.
    ValueError
        If ``skip`` names an unknown property, or gives no reason, or ``order`` is below 1, or
        ``constants`` names an input that there is not.
    DTypeError
        If an input is floating but not float64, or no input gets a gradient although the function
        is differentiable; if an argument is something else than is asked for.

    Notes
    -----
    The properties:

    =============  ===============================================================================
    value          the reference's
    protocol       where the reference is a NumPy function that takes Tensors: the same
    strides        gaps, permuted axes and negative strides do not matter
    dtype          float32 stays float32; the result is a plain array
    float32        value and gradient are those in float64, to the precision of float32
    zero-size      value and gradients of ``empty``
    rank 0         value and gradients of ``rank0``
    errors         bad inputs are refused with the right error and left as they were
    gradient       agrees with finite differences, under a random upstream gradient
    complex step   agrees with complex steps of the reference, to rounding
    order 2, 3...  higher derivatives agree with differences of the order below
    create_graph   gives the same gradient
    composite      a fused op's composite gives the same value
    masks          right whichever inputs require a gradient
    accumulation   a second backward doubles the gradient
    mutation       inputs, upstream gradient and result are not changed
    memory         gradients share none, with each other or with anything given
    arrays         ops return arrays for arrays
    no_grad        nothing is recorded
    =============  ===============================================================================

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> from minigrad.testing import check_op
    >>> print(check_op(mg.exp, np.array([0.5, -1.0]), reference=np.exp))
    exp: 15 properties hold
      value         passed
      ...
    """
    __tracebackhide__ = True  # pytest: a failure is the report, not the code below
    if check_integer("check_op", "order", order) < 1:
        raise ValueError(f"check_op: order must be at least 1, got {order}")
    check_integer("check_op", "seed", seed, 0)
    check_callable("check_op", "function", function)
    if reference is not None:
        check_callable("check_op", "reference", reference)
    for argument, value in (("kwargs", kwargs), ("skip", skip)):
        if not isinstance(value, (Mapping, type(None))):
            raise DTypeError(f"check_op: {argument} must be a dictionary, got {value!r}")
    draw, constant = _drawing(inputs, constants)
    case = OpCase(
        op=None,
        function=function,
        inputs=draw,
        reference=reference,
        kwargs=dict(kwargs or {}),
        errors=errors,
        constants=constant,
        differentiable=differentiable,
        empty=None if empty is None else _as_tuple(empty),
        rank0=None if rank0 is None else _as_tuple(rank0),
        tolerance=tolerance,
        tolerance_float32=tolerance_float32,
        tolerance_gradient=tolerance_gradient,
        reason="given to check_op",
    )
    _check_inputs("check_op", case, case.draw(seed))
    examples = _EXAMPLES if callable(inputs) else 1
    report = _check(case, order, skip or {}, range(seed, seed + examples))
    if raise_exception and not report:
        raise CheckOpError(report)
    return report


def check_case(
    case: OpCase, *, order: int = 3, skip: Mapping[str, str] | None = None, seed: int = 0
) -> CheckReport:
    """Check every promise of an op, as `check_op` does, on a record of it.

    A list of cases is what a test is parametrised with; `ops_without_case` says what it lacks.

    Parameters
    ----------
    case : OpCase
    order, skip, seed
        As `check_op`.

    Returns
    -------
    CheckReport

    Raises
    ------
    CheckOpError
        If a property does not hold: among them, that the function runs the op of the case.
    ValueError, DTypeError
        As `check_op`.
    """
    __tracebackhide__ = True  # pytest: a failure is the report, not the code below
    if check_integer("check_case", "order", order) < 1:
        raise ValueError(f"check_case: order must be at least 1, got {order}")
    _check_inputs("check_case", case, case.draw(seed))
    report = _check(case, order, skip or {}, range(seed, seed + _EXAMPLES))
    if not report:
        raise CheckOpError(report)
    return report


def _check(case: OpCase, order: int, skip: Mapping[str, str], seeds: Sequence[int]) -> CheckReport:
    properties = _up_to(order)
    reasons = _reasons(skip, properties)
    results = tuple(_result(case, one, reasons.get(one.name), seeds) for one in properties)
    name = case.id or getattr(case.function, "__name__", type(case.function).__name__)
    return CheckReport(name, results)


def _drawing(
    inputs: Any, constants: Sequence[int]
) -> tuple[Callable[[np.random.Generator], tuple[Any, ...]], tuple[int, ...]]:
    """Return the inputs as a function that draws them, and which of them are constants."""
    if callable(inputs):
        return lambda rng: _as_tuple(inputs(rng)), tuple(constants)
    given = _as_tuple(inputs)
    fixed = {i for i, v in enumerate(given) if isinstance(v, Tensor) and not v.requires_grad}
    arrays = tuple(v.array if isinstance(v, Tensor) else v for v in given)

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        return tuple(v.copy() if isinstance(v, np.ndarray) else v for v in arrays)

    return draw, tuple(sorted({*constants, *fixed}))


def _check_inputs(name: str, case: OpCase, values: Sequence[Any]) -> None:
    """Refuse inputs of which the properties would say nothing, or something else than is meant."""
    for position in case.constants:
        if not 0 <= check_integer(name, "constants", position) < len(values):
            raise ValueError(f"{name}: constants names input {position} of {len(values)}")
    for position, value in enumerate(values):
        if is_float(value) and value.dtype != np.float64:
            raise DTypeError(
                f"{name} needs float64, got input {position} of {value.dtype}; it converts to "
                "float32 itself"
            )
    if case.differentiable and not case.wanted(values):
        given = ", ".join(
            f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
            for value in values
        )
        raise DTypeError(
            f"{name}: no input gets a gradient; expected a float64 array, or a Tensor that "
            f"requires a gradient, got ({given}); a function that has none by definition needs "
            "differentiable=False"
        )


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    """Return the arguments; NumPy's scalars, such as elements of arrays, as arrays of rank 0."""
    given = (inputs,) if isinstance(inputs, (np.ndarray, np.generic, Tensor)) else inputs
    if not isinstance(given, Sequence):
        raise DTypeError(
            "check_op: expected an array, a Tensor, or a sequence of arguments, got "
            f"{inputs!r} ({type(inputs).__name__})"
        )
    return tuple(np.asarray(value) if isinstance(value, np.generic) else value for value in given)


def _up_to(order: int) -> list[Property]:
    """Return the properties, with derivatives up to an order."""
    orders = [derivative(number) for number in range(2, order + 1)]
    selected: list[Property] = []
    for one in PROPERTIES:
        if one.name == "order 2":
            selected += orders
        elif not one.name.startswith("order "):
            selected.append(one)
    return selected


def _reasons(skip: Mapping[str, str], properties: Sequence[Property]) -> Mapping[str, str]:
    """Check what is to be skipped."""
    known = [one.name for one in properties]
    for name, reason in skip.items():
        if name not in known:
            raise ValueError(f"check_op: skip names {name!r}; the properties are {known}")
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"check_op: skip needs a reason for {name!r}, got {reason!r}")
    return skip


def _result(
    case: OpCase, one: Property, skipped: str | None, seeds: Sequence[int]
) -> PropertyResult:
    """Check one property."""
    if skipped is not None:
        return PropertyResult(one.name, "skipped", skipped)
    try:
        reason = one.not_applicable(case)
        if reason:
            return PropertyResult(one.name, "not applicable", reason)
        for seed in seeds if one.repeats else seeds[:1]:
            one.check(case, seed)
    except AssertionError as error:
        return PropertyResult(one.name, "failed", str(error))
    except Exception as error:  # whatever the function raises: the others are still checked
        return PropertyResult(one.name, "failed", f"{type(error).__name__}: {error}")
    return PropertyResult(one.name, "passed")
