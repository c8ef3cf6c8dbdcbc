"""Gradients against finite differences.

The upstream gradient is always random. A loss that merely sums the outputs is blind: the outputs
of training BatchNorm sum to a constant, so a backward that returns zeros would pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigrad.autograd import grad
from minigrad.errors import AutogradError, DTypeError, MinigradError
from minigrad.grad_mode import enable_grad, is_grad_enabled, no_grad
from minigrad.tensor import Tensor
from minigrad.testing.differences import directional, random_direction, step_size
from minigrad.typing import Array

__all__ = ["GradcheckError", "GradcheckReport", "Mismatch", "gradcheck", "gradgradcheck"]

_PROJECTIONS = 8  # random directions for an input that is too large to go through
_SHOWN = 10  # mismatches that a report prints


class GradcheckError(MinigradError, AssertionError):
    """A gradient is not what finite differences say.

    Attributes
    ----------
    report : GradcheckReport
    """

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(str(report))
        self.report = report


@dataclass(frozen=True)
class Mismatch:
    """One derivative that is wrong.

    Attributes
    ----------
    input : int
        Position of the input in ``inputs``.
    index : tuple of int or None
        The element; None if ``projection`` says along which random direction the derivative is.
    projection : int or None
    analytic, numeric : float
        What backward says, and what finite differences say.
    allowed : float
        The difference that would have passed.
    """

    input: int
    index: tuple[int, ...] | None
    projection: int | None
    analytic: float
    numeric: float
    allowed: float

    @property
    def difference(self) -> float:
        """``analytic - numeric``."""
        return self.analytic - self.numeric

    @property
    def ulp(self) -> float:
        """The difference in units in the last place of the larger value."""
        largest = max(abs(self.analytic), abs(self.numeric))
        return abs(self.difference) / float(np.spacing(largest))

    def __str__(self) -> str:
        where = f"projection {self.projection}" if self.index is None else f"index {self.index}"
        return (
            f"input {self.input}, {where}: analytic {self.analytic:.10g}, "
            f"numeric {self.numeric:.10g}, difference {self.difference:.3g} "
            f"({self.ulp:.2g} ulp; allowed {self.allowed:.2g})"
        )


@dataclass(frozen=True)
class GradcheckReport:
    """What a gradient check found; true if nothing is wrong.

    Attributes
    ----------
    checked : int
        Derivatives that were compared.
    mismatches : tuple of Mismatch
        The wrong ones, in the order of the inputs.
    """

    checked: int
    mismatches: tuple[Mismatch, ...]

    def __bool__(self) -> bool:
        return not self.mismatches

    def __str__(self) -> str:
        if self:
            return f"{self.checked} derivatives agree with finite differences"
        lines = [f"{len(self.mismatches)} of {self.checked} derivatives are wrong:"]
        lines += [f"  {mismatch}" for mismatch in self.mismatches[:_SHOWN]]
        if len(self.mismatches) > _SHOWN:
            lines.append(f"  and {len(self.mismatches) - _SHOWN} more")
        return "\n".join(lines)


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    step: float = 1e-4,
    max_elements: int = 64,
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
    rtol, atol : float
        A derivative is right if it is within ``atol + rtol * (largest derivative of that input)``
        of the numeric one, plus what rounding in ``f`` can do to the differences.
    step : float
        Step of the differences, in units of the input's spread (its standard deviation, or its
        magnitude if that is zero).
    max_elements : int
        An input with more elements is checked along random directions, not element by element.
    seed : int
        Of the random upstream gradient and directions.
    raise_exception : bool
        Raise if a derivative is wrong, instead of returning the report.

    Returns
    -------
    GradcheckReport
        True if every derivative is right.

    Raises
    ------
    GradcheckError
        If a derivative is wrong; the text lists input, index, both values and their difference.
    DTypeError
        If an input to be differentiated, or an output, is floating but not float64.
    ValueError
        If an input to be differentiated has a NaN or an infinity.
    AutogradError
        If there is nothing to differentiate, or ``f`` is not deterministic.

    Notes
    -----
    Central differences of fourth order [1]_, with an error proportional to ``step**4``. Steps are
    powers of two, so that ``x + h`` is exact for nearly every ``x``.

    References
    ----------
    .. [1] Fornberg, 1988, Mathematics of Computation 51(184), table 1.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> from minigrad.testing import gradcheck
    >>> x = np.random.default_rng(0).normal(size=(3, 4))
    >>> print(gradcheck(mg.exp, x))
    12 derivatives agree with finite differences
    """
    values, wanted = _as_inputs(inputs)
    rng = np.random.default_rng(seed)
    leaves = _leaves(values, wanted)
    outputs = _outputs(f(*leaves))
    upstream = [np.asarray(rng.standard_normal(output.shape)) for output in outputs]
    analytic = _analytic(outputs, [leaves[position] for position in wanted], upstream)

    def value_of(arguments: list[Any]) -> list[Array]:
        with no_grad():
            return [output.array for output in _outputs(f(*_leaves(arguments, wanted)))]

    _check_deterministic(value_of(values), value_of(values))
    checked = 0
    mismatches: list[Mismatch] = []
    for position, gradient in zip(wanted, analytic, strict=True):
        h = step_size(values[position], step)
        results = []
        for index, projection, direction in _directions(values[position], max_elements, rng):
            numeric, noise = directional(value_of, values, position, direction, h, upstream)
            along = float(np.sum(gradient * direction))
            results.append(Mismatch(position, index, projection, along, numeric, noise))
        checked += len(results)
        largest = max((abs(result.numeric) for result in results), default=0.0)
        for result in results:
            allowed = result.allowed + atol + rtol * largest
            if not abs(result.difference) <= allowed:  # a NaN is wrong as well
                mismatches.append(replace(result, allowed=allowed))
    report = GradcheckReport(checked, tuple(mismatches))
    if raise_exception and not report:
        raise GradcheckError(report)
    return report


def gradgradcheck(
    f: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 2,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    step: float = 1e-4,
    max_elements: int = 64,
    seed: int = 0,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare derivatives of second or higher order with differences of the order below.

    The function that is checked is the gradient of ``f``, of its inputs and of the upstream
    gradient, so mixed derivatives are covered. The order below is computed with the plain rules
    (``create_graph=False``): where an op is fused, its kernel is held against its composite.

    Parameters
    ----------
    f, inputs, rtol, atol, step, max_elements, seed, raise_exception
        As `gradcheck`.
    order : int
        Of the derivatives that are checked; at least 2.

    Returns
    -------
    GradcheckReport
        Inputs are numbered as given; the upstream gradients follow them.

    Raises
    ------
    GradcheckError, DTypeError, AutogradError
        As `gradcheck`.
    """
    if order < 2:
        raise ValueError(f"order must be at least 2, got {order}; gradcheck checks order 1")
    values = list(_as_inputs(inputs)[0])
    for level in range(order - 1):
        f, values = _gradient_of(f, values, seed + 1 + level)
    return gradcheck(
        f,
        values,
        rtol=rtol,
        atol=atol,
        step=step,
        max_elements=max_elements,
        seed=seed,
        raise_exception=raise_exception,
    )


def _gradient_of(
    f: Callable[..., Any], values: list[Any], seed: int
) -> tuple[Callable[..., Any], list[Any]]:
    """Return the function that computes the gradient of ``f``, and its inputs.

    They are those of ``f``, followed by a random upstream gradient for each output.
    """
    _, wanted = _as_inputs(values)
    rng = np.random.default_rng(seed)
    outputs = _outputs(f(*_leaves(values, wanted)))
    upstream = [np.asarray(rng.standard_normal(output.shape)) for output in outputs]
    count = len(values)

    def gradient(*arguments: Any) -> tuple[Tensor, ...]:
        create_graph = is_grad_enabled()
        with enable_grad():
            results = _outputs(f(*arguments[:count]))
        recorded = [i for i, result in enumerate(results) if result.requires_grad]
        leaves = [arguments[position] for position in wanted]
        if not recorded:
            return tuple(Tensor(np.zeros_like(leaf.array)) for leaf in leaves)
        found = grad(
            [results[i] for i in recorded],
            leaves,
            [arguments[count + i] for i in recorded],
            create_graph=create_graph,
            allow_unused=True,
        )
        return tuple(
            Tensor(np.zeros_like(leaf.array)) if result is None else result
            for leaf, result in zip(leaves, found, strict=True)
        )

    return gradient, [*values, *upstream]


def _as_inputs(inputs: Any) -> tuple[list[Any], list[int]]:
    """Return the inputs, arrays for those that are differentiated, and the positions of these."""
    given = [inputs] if isinstance(inputs, (np.ndarray, Tensor)) else list(inputs)
    values: list[Any] = []
    wanted: list[int] = []
    for position, value in enumerate(given):
        array = value.array if isinstance(value, Tensor) and value.requires_grad else value
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            if array.dtype != np.float64:
                raise DTypeError(
                    f"gradcheck needs float64, got input {position} of {array.dtype}: differences "
                    "of lower precision are rounding noise; convert it with .astype(np.float64) "
                    "or .double()"
                )
            if not np.isfinite(array).all():
                raise ValueError(
                    f"gradcheck needs finite values, got NaN or infinity in input {position}"
                )
            wanted.append(position)
        values.append(array)
    if not wanted:
        raise AutogradError(
            "gradcheck: no input to differentiate; pass a float64 array, or a Tensor that "
            "requires a gradient"
        )
    return values, wanted


def _leaves(values: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
    """Return the arguments of one call: fresh leaves for what is differentiated."""
    arguments = list(values)
    for position in wanted:
        arguments[position] = Tensor(values[position].copy(order="K"), requires_grad=True)
    return arguments


def _outputs(result: Any) -> list[Tensor]:
    """Return the floating Tensors among the results of ``f``."""
    candidates = result if isinstance(result, (tuple, list)) else [result]
    outputs = [r for r in candidates if isinstance(r, Tensor) and r.is_floating_point()]
    if not outputs:
        raise AutogradError(
            f"gradcheck: f must return a floating Tensor or a tuple with one, got "
            f"{type(result).__name__}"
        )
    for position, output in enumerate(outputs):
        if output.dtype != np.float64:
            raise DTypeError(
                f"gradcheck needs float64, got output {position} of {output.dtype}: f rounds to a "
                "lower precision on the way"
            )
    return outputs


def _check_deterministic(first: list[Array], second: list[Array]) -> None:
    same = len(first) == len(second) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
    )
    if not same:
        raise AutogradError(
            "f gave two different results for the same inputs; gradcheck needs a deterministic "
            "function: seed a generator inside f"
        )


def _directions(
    value: Array, max_elements: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[int, ...] | None, int | None, Array]]:
    """Yield (index, None, unit vector) for a small input, else (None, number, random one)."""
    if value.size <= max_elements:
        for index in np.ndindex(value.shape):
            direction = np.zeros_like(value)
            direction[index] = 1.0
            yield index, None, direction
    else:
        for projection in range(_PROJECTIONS):
            yield None, projection, random_direction(value.shape, rng)


def _analytic(outputs: list[Tensor], leaves: list[Tensor], upstream: list[Array]) -> list[Array]:
    """Return what backward says; zeros for an input on which no output depends."""
    recorded = [i for i, output in enumerate(outputs) if output.requires_grad]
    if not recorded:
        return [np.zeros_like(leaf.array) for leaf in leaves]
    gradients = grad(
        [outputs[i] for i in recorded],
        leaves,
        [upstream[i] for i in recorded],
        allow_unused=True,
    )
    return [
        np.zeros_like(leaf.array) if gradient is None else gradient.array
        for leaf, gradient in zip(leaves, gradients, strict=True)
    ]
