"""Derivatives by complex steps: exact to rounding, for functions that are analytic in NumPy.

For an analytic function, ``f(x + i h) = f(x) + i h f'(x) + O(h**2)``: the imaginary part divided
by h is the derivative, and as nothing is subtracted, h may be so small that the error vanishes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import MinigradError
from minigrad.tensor import Tensor
from minigrad.testing.differences import random_direction, step_size
from minigrad.typing import Array

__all__ = ["NotAnalyticError", "check_analytic", "complex_step", "reference_values"]

_STEP = 2.0**-100  # about 1e-30: its square vanishes beside 1, and dividing by it is exact

_SAME_VALUE = 1e-10
"""Relative to the largest value: rounding of complex arithmetic, with room."""

_NOT_ANALYTIC = {
    *("absolute", "fabs", "sign", "conjugate", "maximum", "minimum", "fmax", "fmin", "clip"),
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
    *("vdot", "vecdot", "vecmat", "cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr", "pinv"),
}
"""Names of NumPy functions that order complex numbers by their real parts, or conjugate."""
_SLOPE_STEP = 2.0**-17
"""Of a rough central difference, in units of the input's spread."""
_SAME_SLOPE = 1e-3
"""Between that and the complex step, relative to the larger: wrong ones are off by all of it."""
_OWN_NORM = " (for a norm write sqrt(sum(x * x)))"
_OWN_VARIANCE = " (as np.var and np.std do: write mean((x - mean(x))**2))"


class NotAnalyticError(MinigradError, ValueError):
    """A reference cannot be differentiated by complex steps."""


def _refuse(what: str) -> NotAnalyticError:
    return NotAnalyticError(
        f"the reference is not an analytic function of complex arrays: {what}. Complex steps need "
        "one that is (powers, exp, log, trigonometry, sums, products); leave reference= out to "
        "compare with finite differences"
    )


class _Analytic(np.ndarray):
    """A complex array that refuses what is not analytic, instead of giving wrong derivatives."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        if ufunc.__name__ in _NOT_ANALYTIC:
            hint = _OWN_NORM if ufunc is np.absolute else ""
            raise _refuse(f"it calls numpy.{ufunc.__name__}{hint}")
        if out is not None:
            kwargs["out"] = tuple(_plain(value) for value in out)
        result = getattr(ufunc, method)(*(_plain(value) for value in inputs), **kwargs)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return tuple(map(_analytic, result)) if isinstance(result, tuple) else _analytic(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in _NOT_ANALYTIC:
            raise _refuse(f"it calls numpy.{func.__name__}")
        return super().__array_function__(func, types, args, kwargs)

    @property  # type: ignore[misc]  # never to be set either
    def real(self) -> Any:
        """Refuse: it is not an analytic function."""
        raise _refuse(f"it takes the real part{_OWN_VARIANCE}")

    @property  # type: ignore[misc]  # never to be set either
    def imag(self) -> Any:
        """Refuse: it is not an analytic function."""
        raise _refuse("it takes the imaginary part")


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Analytic) else value


def _analytic(value: Any) -> Any:
    array = np.asarray(value)
    return array.view(_Analytic) if array.dtype.kind == "c" else value


def reference_values(reference: Callable[..., Any], arguments: Sequence[Any]) -> list[Array]:
    """Return the floating and complex arrays among the results of ``reference``.

    Tensors among the arguments are passed as arrays.
    """
    arrays = [value.array if isinstance(value, Tensor) else value for value in arguments]
    result = reference(*arrays)
    candidates = result if isinstance(result, (tuple, list)) else [result]
    found = [np.asarray(_plain(value)) for value in candidates if value is not None]
    return [array for array in found if array.dtype.kind in "fc"]


def complex_step(
    reference: Callable[..., Any],
    arguments: Sequence[Any],
    wanted: Sequence[int],
    position: int,
    direction: Array,
    upstream: Sequence[Array],
) -> float:
    """Differentiate ``sum(upstream * reference(*arguments))`` along a direction of one argument.

    Parameters
    ----------
    reference : callable
        Takes arrays, returns an array or a tuple of them.
    arguments : sequence
    wanted : sequence of int
        Positions of the arguments that are differentiated: all become complex.
    position : int
        Of the argument that varies.
    direction : ndarray, of its shape
    upstream : sequence of ndarray
        Weights of each array that ``reference`` returns.

    Returns
    -------
    float
        The derivative, to rounding.

    Raises
    ------
    NotAnalyticError
        If ``reference`` is seen to be not analytic: it calls numpy.abs, numpy.maximum, a
        comparison or the like, it returns real numbers, or other values for complex arguments.

    References
    ----------
    .. [1] Squire & Trapp, 1998, SIAM Review 40(1), 110-112.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.array(1.0)
    >>> complex_step(np.exp, [one], [0], 0, one, [one]) - float(np.exp(1.0))
    0.0
    """
    here = reference_values(reference, arguments)
    moved = list(arguments)
    for other in wanted:
        moved[other] = (arguments[other] + 0j).view(_Analytic)
    step = _STEP * direction
    moved[position] = (arguments[position] + 1j * step).view(_Analytic)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            results = reference_values(reference, moved)
    except NotAnalyticError:
        raise
    except Exception as error:  # whatever it is: with real arguments there was none
        raise _refuse(f"it fails on complex arguments ({error})") from error
    total = 0.0
    for u, result, value in zip(upstream, results, here, strict=True):
        if result.dtype.kind != "c":
            raise _refuse("it returns real numbers for complex arguments")
        largest = float(np.max(np.abs(value), initial=0.0))
        atol = _SAME_VALUE * largest + _STEP
        if not np.allclose(result.real, value, _SAME_VALUE, atol, equal_nan=True):
            raise _refuse("its values for real and for complex arguments differ")
        total += float(np.sum(u * result.imag))
    return total / _STEP


def check_analytic(
    reference: Callable[..., Any],
    arguments: Sequence[Any],
    wanted: Sequence[int],
    position: int,
    seed: int,
) -> None:
    """Compare one complex step with a rough difference of the reference itself.

    It finds what no call gives away, such as a conjugate inside compiled code.

    Raises
    ------
    NotAnalyticError
        If they differ, or as `complex_step`.
    """
    rng = np.random.default_rng(seed)
    value = arguments[position]
    direction = random_direction(value.shape, rng)
    here = reference_values(reference, arguments)
    upstream = [np.asarray(rng.standard_normal(array.shape)) for array in here]
    exact = complex_step(reference, arguments, wanted, position, direction, upstream)
    h = step_size(value, _SLOPE_STEP)

    def at(distance: float) -> float:
        moved = list(arguments)
        moved[position] = value + distance * direction
        results = reference_values(reference, moved)
        return sum(float(np.sum(u * array)) for u, array in zip(upstream, results, strict=True))

    with np.errstate(all="ignore"):  # a step may leave the domain
        rough = (at(h) - at(-h)) / (2.0 * h)
        size = sum(float(np.sum(np.abs(u * a))) for u, a in zip(upstream, here, strict=True))
    allowed = _SAME_SLOPE * max(abs(exact), abs(rough)) + _SAME_VALUE * size / h
    if abs(exact - rough) > allowed:
        raise _refuse(
            f"its complex step {exact:.6g} is not its derivative, which is near {rough:.6g}"
        )
