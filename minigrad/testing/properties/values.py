"""Properties of values: what the function computes, for which arrays, and what it refuses."""

from __future__ import annotations

import re

import numpy as np

from minigrad.registry import NUMPY
from minigrad.testing.arrays import relaid
from minigrad.testing.gradcheck import gradcheck
from minigrad.testing.opcase import BadInput, OpCase, first_tensor
from minigrad.testing.properties.base import (
    Property,
    assert_close,
    assert_gradients_close,
    cast,
    gradients,
    leaves,
    needs_gradient,
    require,
    run,
    upstream_of,
)
from minigrad.typing import Array

__all__ = ["PROPERTIES"]


def _no_reference(case: OpCase) -> str:
    return "" if case.reference is not None else "there is no reference"


def _value(case: OpCase, seed: int) -> None:
    """Check that the value is the reference's, and that nothing is recorded without need."""
    inputs = case.draw(seed)
    expected = case.expected(inputs)
    output = case.call(leaves(inputs, () if case.differentiable else case.wanted(inputs)))
    require(
        output.dtype.kind == expected.dtype.kind,
        f"the dtype must be like {expected.dtype}, got {output.dtype}",
    )
    require(not output.requires_grad, "the result requires a gradient, which it must not here")
    assert_close(output.array, expected, case.tolerance)


def _no_numpy_function(case: OpCase) -> str:
    if case.reference is None:
        return _no_reference(case)
    if case.reference not in NUMPY:
        return "the reference is no NumPy function that takes Tensors"
    return "there are keyword arguments, which NumPy names differently" if case.kwargs else ""


def _protocol(case: OpCase, seed: int) -> None:
    """Check that NumPy's function on Tensors means what it means on arrays."""
    inputs = case.draw(seed)
    expected = case.expected(inputs)
    assert case.reference is not None  # noqa: S101 - `expected` has called it
    output = first_tensor(case.reference(*leaves(inputs, case.wanted(inputs))))
    require(
        output.requires_grad == case.differentiable,
        f"requires_grad must be {case.differentiable}, got {output.requires_grad}",
    )
    assert_close(output.array, expected, case.tolerance)


def _strides(case: OpCase, seed: int) -> None:
    """Check that gaps, permuted axes and negative strides do not matter, in upstream either."""

    def gaps(array: Array) -> Array:
        return relaid(array, range(array.ndim), [2] * array.ndim)

    def permuted(array: Array) -> Array:
        return relaid(array, range(array.ndim)[::-1], [1] * array.ndim)

    def negative(array: Array) -> Array:
        return relaid(array, range(array.ndim), [-1] * array.ndim)

    def all_of_these(array: Array) -> Array:
        return relaid(array, range(array.ndim)[::-1], [-2] * array.ndim)

    plain = case.draw(seed)
    arguments = leaves(plain, case.wanted(plain) if case.differentiable else ())
    output = case.call(arguments)
    value = output.array.copy()
    upstream = upstream_of(output, seed) if case.differentiable else None
    if upstream is not None:
        output.backward(upstream.copy())
    for layout in (gaps, permuted, negative, all_of_these):
        inputs = [layout(v) if isinstance(v, np.ndarray) else v for v in case.draw(seed)]
        strided = leaves(inputs, case.wanted(inputs) if case.differentiable else ())
        result = case.call(strided)
        what = layout.__name__.replace("_", " ")
        assert_close(result.array, value, case.tolerance, f"value ({what})")
        if upstream is not None:
            result.backward(layout(upstream))
            found = gradients(case, strided)
            assert_gradients_close(found, gradients(case, arguments), case.tolerance, f"({what})")


def _empty(case: OpCase, seed: int) -> None:
    """Check that arrays of size zero give what the reference says, and gradients of their shape."""
    inputs = list(case.empty or ())
    arguments = leaves(inputs, case.wanted(inputs) if case.differentiable else ())
    output = case.call(arguments)
    if case.reference is not None:
        assert_close(output.array, case.expected(inputs), case.tolerance)
    if case.differentiable:
        output.backward(np.ones_like(output.array))
        for position in case.wanted(inputs):
            gradient = arguments[position].grad
            shape = None if gradient is None else gradient.shape
            expected = inputs[position].shape
            require(
                shape == expected, f"gradient {position} must have shape {expected}, got {shape}"
            )


def _rank0(case: OpCase, seed: int) -> None:
    """Check that arrays of rank 0 give what the reference says, and gradients that are right."""
    inputs = list(case.rank0 or ())
    output = case.call(leaves(inputs, ()))
    require(type(output.array) is np.ndarray, f"expected an array, got {type(output.array)}")
    if case.reference is not None:
        assert_close(output.array, case.expected(inputs), case.tolerance)
    if case.differentiable:
        values = leaves(inputs, case.wanted(inputs))
        gradcheck(lambda *given: case.call(given), values, rtol=case.tolerance_gradient, seed=seed)


def _errors(case: OpCase, seed: int) -> None:
    """Check that bad inputs are refused as promised, and left as they were."""
    for number, bad in enumerate(case.bad_inputs()):
        before = [v.copy() if isinstance(v, np.ndarray) else v for v in bad.inputs]
        _refuses(case, bad, f"bad input {number}")
        for value, copy in zip(bad.inputs, before, strict=True):
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, copy, f"bad input {number} was changed")


def _refuses(case: OpCase, bad: BadInput, which: str) -> None:
    kwargs = case.kwargs if bad.kwargs is None else bad.kwargs
    expected = f"expected {bad.error.__name__} with {bad.match!r}"
    try:
        case.function(*leaves(bad.inputs, ()), **kwargs)
    except bad.error as error:
        if not re.search(bad.match, str(error)):
            raise AssertionError(f"{which}: {expected}, got the text {str(error)!r}") from error
    except Exception as error:
        raise AssertionError(f"{which}: {expected}, got {type(error).__name__}: {error}") from error
    else:
        raise AssertionError(f"{which}: {expected}, got a result")


def _dtype(case: OpCase, seed: int) -> None:
    """Check that the result is a plain array, and float32 stays float32, in value and gradient."""
    inputs = cast(case.draw(seed), np.float32)
    arguments = leaves(inputs, case.wanted(inputs) if case.differentiable else ())
    output = case.call(arguments)
    require(type(output.array) is np.ndarray, f"expected an array, got {type(output.array)}")
    require(output.dtype.isnative, f"the dtype {output.dtype} is not native")
    if not case.differentiable:
        require(output.dtype != np.float64, "float32 gave float64")
        return
    require(output.dtype == np.float32, f"float32 gave {output.dtype}")
    output.backward(upstream_of(output, seed))
    for gradient in gradients(case, arguments):
        require(
            gradient is None or gradient.dtype == np.float32,
            f"float32 gave a gradient of {None if gradient is None else gradient.dtype}",
        )


def _float32(case: OpCase, seed: int) -> None:
    """Check that value and gradient in float32 are those in float64, rounded."""
    single = cast(case.draw(seed), np.float32)
    double = cast(single, np.float64)
    rounded = run(case, single, seed)
    arguments = leaves(double, case.wanted(double))
    output = case.call(arguments)
    assert_close(rounded.value, output.array, case.tolerance_float32)
    output.backward(rounded.upstream.astype(np.float64))
    found, expected = gradients(case, rounded.arguments), gradients(case, arguments)
    assert_gradients_close(found, expected, case.tolerance_float32)


PROPERTIES = (
    Property("value", _value, _no_reference, repeats=True),
    Property("protocol", _protocol, _no_numpy_function),
    Property("strides", _strides),
    Property("dtype", _dtype),
    Property("float32", _float32, needs_gradient),
    Property("zero-size", _empty, lambda case: "" if case.empty is not None else "none are given"),
    Property("rank 0", _rank0, lambda case: "" if case.rank0 is not None else "none are given"),
    Property("errors", _errors, lambda case: "" if case.errors else "none are given"),
)
