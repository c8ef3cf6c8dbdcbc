"""How a gradient check calls the function: what is differentiated, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_items, check_number
from minigrad.autograd import grad
from minigrad.errors import AutogradError, DTypeError
from minigrad.grad_mode import no_grad
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "analytic_gradients",
    "as_inputs",
    "check_options",
    "floating_tensors",
    "leaves_of",
    "values_of",
]


def check_options(
    name: str,
    *,
    rtol: float | None,
    atol: float | None,
    step: float,
    max_elements: int,
    projections: int,
    seed: int,
) -> None:
    """Refuse options with which nothing would be checked, or nothing could pass.

    Raises
    ------
    ValueError
        If one is out of range.
    DTypeError
        If one is not a number.
    """
    for argument, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance is not None:
            check_number(name, argument, tolerance)
            if not tolerance >= 0.0:
                raise ValueError(f"{name}: {argument} must be 0 or more, got {tolerance}")
    check_number(name, "step", step)
    if not step > 0.0:
        raise ValueError(f"{name}: step must be greater than 0, got {step}")
    check_integer(name, "max_elements", max_elements, 0)
    check_integer(name, "projections", projections, 1)
    check_integer(name, "seed", seed, 0)


def as_inputs(inputs: Any) -> tuple[list[Any], list[int]]:
    """Return the inputs, arrays for those that are differentiated, and the positions of these."""
    single = isinstance(inputs, (np.ndarray, Tensor))
    given = [inputs] if single else check_items("gradcheck", "inputs", inputs)
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


def leaves_of(values: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
    """Return the arguments of one call: fresh leaves for what is differentiated."""
    arguments = list(values)
    for position in wanted:
        arguments[position] = Tensor(values[position].copy(order="K"), requires_grad=True)
    return arguments


def floating_tensors(result: Any) -> list[Tensor]:
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


def values_of(
    f: Callable[..., Any], wanted: Sequence[int]
) -> Callable[[Sequence[Any]], list[Array]]:
    """Return ``f`` as a function from a list of values to a list of arrays, not recorded."""

    def value(arguments: Sequence[Any]) -> list[Array]:
        with no_grad():
            return [output.array for output in floating_tensors(f(*leaves_of(arguments, wanted)))]

    return value


def analytic_gradients(
    outputs: list[Tensor], leaves: list[Tensor], upstream: list[Array]
) -> list[Array]:
    """Return what backward says; zeros for an input on which no output depends."""
    recorded = [i for i, output in enumerate(outputs) if output.requires_grad]
    if not recorded:
        return [np.zeros_like(leaf.array) for leaf in leaves]
    gradients = grad(
        [outputs[i] for i in recorded],
        leaves,
        [upstream[i].copy() for i in recorded],  # a rule that changes it is not this check's matter
        allow_unused=True,
    )
    return [
        np.zeros_like(leaf.array) if gradient is None else gradient.array
        for leaf, gradient in zip(leaves, gradients, strict=True)
    ]
