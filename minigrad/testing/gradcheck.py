"""Gradients against finite differences, or against complex steps of a reference.

The upstream gradient is always random. A loss that merely sums the outputs is blind: the outputs
of training BatchNorm sum to a constant, so a backward that returns zeros would pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from minigrad.arguments import check_callable
from minigrad.errors import AutogradError, MinigradError
from minigrad.testing.calls import (
    analytic_gradients,
    as_inputs,
    check_options,
    floating_tensors,
    leaves_of,
    values_of,
)
from minigrad.testing.complex_step import check_analytic, complex_step, reference_values
from minigrad.testing.differences import (
    Differences,
    differences,
    is_smooth,
    random_direction,
    step_size,
)
from minigrad.testing.reports import Comparison, GradcheckReport, NonSmoothPoint
from minigrad.typing import Array

__all__ = ["NonSmoothPolicy", "ValueMismatchError", "gradcheck"]

NonSmoothPolicy: TypeAlias = Literal["raise", "skip"]

DIFFERENCES_TOLERANCE = (1e-6, 1e-9)
"""Relative and absolute: what fourth-order differences reach with room (BatchNorm: 1e-8)."""
COMPLEX_STEP_TOLERANCE = (1e-10, 1e-13)
"""Complex steps are exact, so this is rounding in the gradient itself (BatchNorm: 2e-11)."""
_INPUT_ULPS = 4.0
"""Of the largest input: by how much sums of it inside ``f`` may be rounded."""
_BEND_NOISE = 8.0
"""How much more than the derivative the bend of a slope magnifies rounding."""
_SAME_VALUE = 1e-10
"""Between the function and its reference, relative to the largest value."""


class ValueMismatchError(MinigradError, AssertionError):
    """The function and its reference have different values, so their gradients will differ too."""


@dataclass(frozen=True)
class _Direction:
    """Along what to differentiate an input: one element, or a random projection."""

    index: tuple[int, ...] | None
    projection: int | None
    vector: Array

    def along(self, gradient: Array) -> float:
        """Return the derivative in this direction."""
        if self.index is None:
            return float(np.sum(gradient * self.vector))
        return float(gradient[self.index])  # not a sum, where an infinity beside it would be NaN


class _Problem(NamedTuple):
    """The function to be checked, at one point."""

    values: list[Any]
    wanted: list[int]
    upstream: list[Array]
    centre: list[Array]
    value_of: Callable[[Any], list[Array]]


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    *,
    reference: Callable[..., Any] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    step: float = 1e-4,
    max_elements: int = 64,
    projections: int = 8,
    nonsmooth: NonSmoothPolicy = "raise",
    seed: int = 0,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare the gradient of ``f`` with finite differences, for a random upstream gradient.

    Parameters
    ----------
    f : callable
        Takes the inputs as Tensors and returns a Tensor, or a tuple of results of which the
        floating Tensors are differentiated. It must give the same result every time: a random op
        needs a generator that ``f`` itself seeds.
    inputs : ndarray, Tensor or sequence of them
        Floating arrays, and Tensors that require a gradient, must be float64 and are
        differentiated. Everything else (integer arrays, other Tensors, numbers, None) is passed
        as it is.
    reference : callable, optional
        The same function of arrays in NumPy, for complex arrays as well. Its derivative by complex
        steps, exact to rounding, then takes the place of differences.
    rtol, atol : float, optional
        A derivative is right if it is within ``atol + rtol * (largest derivative of that input)``
        of the numeric one, plus what rounding in ``f`` can do to the differences. Default: 1e-6
        and 1e-9, with a reference 1e-10 and 1e-13.
    step : float
        Step of the differences, in units of the input's spread (its standard deviation, or its
        magnitude if that is zero).
    max_elements : int
        An input with more elements is checked along random directions, not element by element.
    projections : int
        How many random directions.
    nonsmooth : "raise" or "skip"
        What to do about derivatives that do not exist, because ``f`` has a kink, a jump or the
        edge of its domain within two steps of the inputs. Skipped ones are listed in the report,
        and are an error if no other is left.
    seed : int
        Of the random upstream gradient and directions.
    raise_exception : bool
        Raise if a derivative is wrong, or ``f`` is not smooth, instead of returning the report.

    Returns
    -------
    GradcheckReport
        True if every derivative is right.

    Raises
    ------
    GradcheckError
        If a derivative is wrong; the text lists input, index, both values and their difference.
    NonSmoothError
        If none is wrong, but some do not exist; the text lists input, index and one-sided slopes.
    NotAnalyticError
        If ``reference`` is not an analytic function (it calls numpy.abs, numpy.maximum, ...).
    ValueMismatchError
        If ``f`` and ``reference`` have different values.
    DTypeError
        If an input to be differentiated, or an output, is floating but not float64; if an
        argument is something else than is asked for.
    ValueError
        If an input to be differentiated has a NaN or an infinity, or an option is out of range.
    AutogradError
        If there is nothing to differentiate, or ``f`` is not deterministic.

    Notes
    -----
    Central differences of fourth order [1]_, with an error proportional to ``step**4``. Steps are
    powers of two, so that ``x + h`` is exact for nearly every ``x``. Where slopes on either side
    of a point differ, the differences are repeated with half the step; those of a smooth function
    shrink in a known way.

    References
    ----------
    .. [1] Fornberg, 1988, Mathematics of Computation 51(184), table 1.
    .. [2] Squire & Trapp, 1998, SIAM Review 40(1), 110-112 (complex steps).

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> from minigrad.testing import gradcheck
    >>> x = np.random.default_rng(0).normal(size=(3, 4))
    >>> print(gradcheck(mg.exp, x))
    12 derivatives agree with finite differences
      largest error: input 0, index (...): analytic ..., numeric ..., difference ... (... ulp; ...)
    >>> bool(gradcheck(mg.exp, x, reference=np.exp))
    True
    """
    __tracebackhide__ = True  # pytest: a failure is the report, not the code below
    if nonsmooth not in ("raise", "skip"):
        raise ValueError(f'gradcheck: nonsmooth must be "raise" or "skip", got {nonsmooth!r}')
    check_callable("gradcheck", "f", f)
    if reference is not None:
        check_callable("gradcheck", "reference", reference)
    check_options(
        "gradcheck",
        rtol=rtol,
        atol=atol,
        step=step,
        max_elements=max_elements,
        projections=projections,
        seed=seed,
    )
    values, wanted = as_inputs(inputs)
    rng = np.random.default_rng(seed)
    leaves = leaves_of(values, wanted)
    outputs = floating_tensors(f(*leaves))
    upstream = [np.asarray(rng.standard_normal(output.shape)) for output in outputs]
    gradients = analytic_gradients(outputs, [leaves[position] for position in wanted], upstream)
    value_of = values_of(f, wanted)
    centre = value_of(values)
    _check_deterministic(centre, value_of(values))
    problem = _Problem(values, wanted, upstream, centre, value_of)
    if reference is not None:
        _check_same_value(centre, reference_values(reference, values))
    default = DIFFERENCES_TOLERANCE if reference is None else COMPLEX_STEP_TOLERANCE
    tolerance = (default[0] if rtol is None else rtol, default[1] if atol is None else atol)

    compared: list[Comparison] = []
    kinks: list[NonSmoothPoint] = []
    for position, gradient in zip(wanted, gradients, strict=True):
        directions = list(_directions(values[position], max_elements, projections, rng))
        along = [direction.along(gradient) for direction in directions]
        if reference is not None:
            check_analytic(reference, values, wanted, position, seed)
            compared += _by_complex_steps(
                problem, reference, position, directions, along, tolerance
            )
        else:
            h = step_size(values[position], step)
            found = _by_differences(problem, position, directions, along, h, tolerance)
            compared += found[0]
            kinks += found[1]
    right = [comparison for comparison in compared if comparison.agrees]
    report = GradcheckReport(
        checked=len(compared),
        mismatches=tuple(comparison for comparison in compared if not comparison.agrees),
        nonsmooth=tuple(kinks),
        largest=max(right, key=lambda c: abs(c.difference) / (c.allowed or 1.0), default=None),
        source="finite differences" if reference is None else "complex steps of the reference",
        skips_nonsmooth=nonsmooth == "skip",
    )
    if raise_exception:
        report.raise_if_wrong()
    return report


def _by_complex_steps(
    problem: _Problem,
    reference: Callable[..., Any],
    position: int,
    directions: list[_Direction],
    analytic: list[float],
    tolerance: tuple[float, float],
) -> list[Comparison]:
    """Compare the derivatives of one input with those of the reference."""
    numeric = [
        complex_step(
            reference,
            problem.values,
            problem.wanted,
            position,
            direction.vector,
            problem.upstream,
        )
        for direction in directions
    ]
    allowed = _allowed(numeric, tolerance)
    return [
        Comparison(position, direction.index, direction.projection, along, value, allowed)
        for direction, along, value in zip(directions, analytic, numeric, strict=True)
    ]


def _by_differences(
    problem: _Problem,
    position: int,
    directions: list[_Direction],
    analytic: list[float],
    h: float,
    tolerance: tuple[float, float],
) -> tuple[list[Comparison], list[NonSmoothPoint]]:
    """Compare the derivatives of one input with differences, where the function is smooth."""
    values, upstream, centre = problem.values, problem.upstream, problem.centre

    def measure(direction: Array, distance: float) -> Differences:
        return differences(
            problem.value_of, values, position, direction, distance, upstream, centre
        )

    found = [measure(direction.vector, h) for direction in directions]
    smooth = dict.fromkeys(range(len(found)))  # by number, in order
    suspected = True
    while suspected:  # a jump makes all derivatives look small beside it: look again without it
        derivatives = [found[number].derivative for number in smooth]
        rounding = _allowed(derivatives, (_input_rounding(values[position], h), 0.0))
        allowed = _allowed(derivatives, tolerance) + rounding
        suspected = False
        for number in list(smooth):
            result = found[number]
            # Only what could matter is looked at closer: a bend as large as what is allowed.
            if result.bend <= allowed + _BEND_NOISE * (rounding + result.noise):
                continue
            fine = measure(directions[number].vector, h / 2.0)
            if not is_smooth(result, fine, _BEND_NOISE * rounding):
                del smooth[number]
                suspected = True
    comparisons, kinks = [], []
    for number, (direction, along) in enumerate(zip(directions, analytic, strict=True)):
        result = found[number]
        if number in smooth:
            comparisons.append(
                Comparison(
                    position,
                    direction.index,
                    direction.projection,
                    along,
                    result.derivative,
                    allowed + result.noise,
                )
            )
        else:
            kinks.append(
                NonSmoothPoint(
                    position,
                    direction.index,
                    direction.projection,
                    along,
                    result.left,
                    result.right,
                    h,
                )
            )
    return comparisons, kinks


def _allowed(derivatives: list[float], tolerance: tuple[float, float]) -> float:
    """Return how far a derivative of an input may be off, beside all derivatives of that input."""
    rtol, atol = tolerance
    sizes = (abs(derivative) for derivative in derivatives if math.isfinite(derivative))
    return atol + rtol * max(sizes, default=0.0)


def _input_rounding(value: Array, h: float) -> float:
    """Return the error, relative to a derivative, if ``f`` rounds sums of its input."""
    magnitude = float(np.max(np.abs(value), initial=0.0))
    return _INPUT_ULPS * float(np.finfo(np.float64).eps) * magnitude / h


def _check_deterministic(first: list[Array], second: list[Array]) -> None:
    same = len(first) == len(second) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
    )
    if not same:
        raise AutogradError(
            "f gave two different results for the same inputs; gradcheck needs a deterministic "
            "function: seed a generator inside f"
        )


def _check_same_value(values: list[Array], reference: list[Array]) -> None:
    shapes = [[array.shape for array in arrays] for arrays in (values, reference)]
    if shapes[0] != shapes[1]:
        raise ValueMismatchError(
            f"f returns floating arrays of shapes {shapes[0]}, its reference of {shapes[1]}"
        )
    for number, (actual, desired) in enumerate(zip(values, reference, strict=True)):
        largest = float(np.max(np.abs(desired), initial=0.0))
        if not np.allclose(actual, desired, _SAME_VALUE, _SAME_VALUE * largest, equal_nan=True):
            worst = float(np.max(np.abs(actual - desired)))
            raise ValueMismatchError(
                f"f and its reference differ by up to {worst:.3g} in output {number}, whose "
                f"largest value is {largest:.3g}: they are not the same function"
            )


def _directions(
    value: Array, max_elements: int, projections: int, rng: np.random.Generator
) -> Iterator[_Direction]:
    """Yield the unit vectors of a small input, random directions of a large one."""
    if value.size <= max_elements:
        for index in np.ndindex(value.shape):
            direction = np.zeros_like(value)
            direction[index] = 1.0
            yield _Direction(index, None, direction)
    else:
        for projection in range(projections):
            yield _Direction(None, projection, random_direction(value.shape, rng))
