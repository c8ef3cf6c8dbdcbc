"""The battery that every op passes: one test per promise, over all cases."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from minigrad.engine import OPS, Node, apply
from minigrad.grad_mode import no_grad
from minigrad.registry import NUMPY
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.strategies import relaid, seeds
from minigrad.typing import Array
from tests.cases import ALL_CASES, Case

SEED = 11
# A kernel and its composite add in another order; nothing else differs.
COMPOSITE_TOLERANCE = 1e-11
# Steps of the second differences, over a first derivative that is itself rounded.
SECOND_ORDER_TOLERANCE = 1e-5

DIFFERENTIABLE = [case for case in ALL_CASES if case.differentiable]


def over(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=operator.attrgetter("id"))


def make(case: Case, seed: int = SEED) -> list[Any]:
    return list(case.inputs(np.random.default_rng(seed)))


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def wanted(case: Case, inputs: Sequence[Any]) -> list[int]:
    """Return the positions of the inputs that get a gradient."""
    return [i for i, v in enumerate(inputs) if is_float(v) and i not in case.constants]


def cast(inputs: Sequence[Any], dtype: type[np.floating[Any]]) -> list[Any]:
    return [v.astype(dtype) if is_float(v) else v for v in inputs]


def leaves(inputs: Sequence[Any], positions: Sequence[int]) -> list[Any]:
    """Return Tensors for all arrays; those at ``positions`` require a gradient."""
    return [
        Tensor(v, requires_grad=i in positions) if isinstance(v, np.ndarray) else v
        for i, v in enumerate(inputs)
    ]


def first_tensor(result: Any) -> Tensor:
    """Return the result, or the first Tensor of several."""
    candidates = result if isinstance(result, (tuple, list)) else [result]
    for candidate in candidates:
        if isinstance(candidate, Tensor):
            return candidate
    raise AssertionError(f"expected a Tensor or a tuple with one, got {type(result).__name__}")


def call(case: Case, arguments: Sequence[Any]) -> Tensor:
    return first_tensor(case.function(*arguments, **case.kwargs))


def node_of(case: Case, output: Tensor) -> Node:
    """Return what the op of the case recorded, behind ``output``."""
    stack = [output.node]
    while stack:
        node = stack.pop()
        if node is not None:
            if node.op is case.op:
                return node
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    raise AssertionError("the function of the case does not record the op of the case")


def expected(case: Case, inputs: Sequence[Any]) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own, such as the mean of nothing
        result = case.reference(*inputs, **case.kwargs)
    return np.asarray(result[0] if isinstance(result, tuple) else result)


@contextmanager
def spied(case: Case) -> Iterator[list[tuple[tuple[Any, ...], dict[str, Any], Any]]]:
    """Note each call of the forward of the case's op: arrays, hyperparameters, result."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any], Any]] = []
    assert case.op is not None
    forward = case.op.forward

    def spy(ctx: Node | None, *inputs: Any, **kwargs: Any) -> Any:
        result = forward(ctx, *inputs, **kwargs)
        calls.append((inputs, kwargs, result))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case.op, "forward", staticmethod(spy))
        yield calls


def upstream_of(output: Tensor) -> Array:
    draw = np.random.default_rng(SEED + 1).standard_normal(output.shape)
    return np.asarray(draw, dtype=output.dtype)


def run(case: Case, inputs: Sequence[Any]) -> tuple[Tensor, list[Any], Array]:
    """Run forward and backward; return the output, the arguments and the upstream gradient."""
    arguments = leaves(inputs, wanted(case, inputs))
    output = call(case, arguments)
    upstream = upstream_of(output)
    output.backward(upstream)
    return output, arguments, upstream


def gradients(case: Case, arguments: Sequence[Any]) -> list[Array | None]:
    return [
        None if arguments[i].grad is None else arguments[i].grad.array
        for i in wanted(case, [a.array if isinstance(a, Tensor) else a for a in arguments])
    ]


def assert_close(actual: Array, desired: Array, tolerance: float, what: str = "") -> None:
    """Compare relative to the largest desired value; NaN and infinities must agree exactly."""
    finite = np.isfinite(desired)
    largest = float(np.max(np.abs(desired[finite]), initial=0.0)) if desired.size else 0.0
    np.testing.assert_allclose(
        actual, desired, rtol=tolerance, atol=tolerance * largest, err_msg=what
    )


# ------------------------------------------------------------------------------ the collection


def test_every_registered_op_has_a_case() -> None:
    registered = {op for name, op in OPS.items() if name.startswith("minigrad.ops.")}
    covered = {case.op for case in ALL_CASES if case.op is not None}
    assert {op.__qualname__ for op in registered - covered} == set(), "ops without a case"
    assert {op.__qualname__ for op in covered - registered} == set(), "cases of unknown ops"


@over([case for case in ALL_CASES if case.op is not None])
def test_case_runs_its_op(case: Case) -> None:
    """The case is about the op that it names: it appears in what is recorded."""
    inputs = make(case)
    assert node_of(case, call(case, leaves(inputs, wanted(case, inputs)))).op is case.op


# ------------------------------------------------------------------------------ values


@over(ALL_CASES)
@given(seed=seeds())
def test_forward_agrees_with_numpy(case: Case, seed: int) -> None:
    inputs = make(case, seed)
    reference = expected(case, inputs)
    output = call(case, leaves(inputs, ()))
    assert output.shape == reference.shape
    assert output.dtype.kind == reference.dtype.kind
    assert not output.requires_grad
    assert_close(output.array, reference, case.tolerance)


@over([c for c in ALL_CASES if not c.kwargs and c.reference in NUMPY])
def test_numpy_function_agrees(case: Case) -> None:
    """NumPy's function on Tensors means what it means on arrays."""
    inputs = make(case)
    output = first_tensor(case.reference(*leaves(inputs, wanted(case, inputs))))
    assert output.requires_grad == case.differentiable
    assert_close(output.array, expected(case, inputs), case.tolerance)


@over(ALL_CASES)
def test_output_is_an_array_to_numpy(case: Case) -> None:
    inputs = make(case)
    output = call(case, leaves(inputs, wanted(case, inputs)))
    array = np.asarray(output)
    assert type(array) is np.ndarray
    assert type(output.array) is np.ndarray
    np.testing.assert_array_equal(array, output.array)
    assert output.dtype.isnative


@over(ALL_CASES)
def test_strides_do_not_matter(case: Case) -> None:
    """Reversed axes in memory, negative strides and gaps give the same values and gradients."""
    inputs = make(case)
    strange = [
        relaid(v, range(v.ndim)[::-1], [-2] * v.ndim) if isinstance(v, np.ndarray) else v
        for v in inputs
    ]
    if not case.differentiable:
        np.testing.assert_array_equal(
            call(case, leaves(strange, ())).array, call(case, leaves(inputs, ())).array
        )
        return
    output, arguments, _ = run(case, inputs)
    strange_output, strange_arguments, _ = run(case, strange)
    assert_close(strange_output.array, output.array, case.tolerance)
    pairs = zip(gradients(case, strange_arguments), gradients(case, arguments), strict=True)
    for actual, desired in pairs:
        assert (actual is None) == (desired is None)
        if actual is not None and desired is not None:
            assert_close(actual, desired, case.tolerance)


@over([case for case in ALL_CASES if case.empty is not None])
def test_empty_arrays(case: Case) -> None:
    inputs = list(case.empty or ())
    reference = expected(case, inputs)
    arguments = leaves(inputs, wanted(case, inputs))
    output = call(case, arguments)
    assert output.shape == reference.shape
    np.testing.assert_allclose(output.array, reference)
    if case.differentiable:
        output.backward(np.ones_like(output.array))
        for position in wanted(case, inputs):
            gradient = arguments[position].grad
            assert gradient is not None
            assert gradient.shape == arguments[position].shape


@over([case for case in ALL_CASES if case.errors])
def test_bad_inputs_are_refused(case: Case) -> None:
    for bad in case.bad_inputs():
        before = [v.copy() if isinstance(v, np.ndarray) else v for v in bad.inputs]
        kwargs = case.kwargs if bad.kwargs is None else bad.kwargs
        with pytest.raises(bad.error, match=bad.match):
            case.function(*leaves(bad.inputs, ()), **kwargs)
        for value, copy in zip(bad.inputs, before, strict=True):
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, copy)


# ------------------------------------------------------------------------------ dtypes


@over(ALL_CASES)
def test_float32_stays_float32(case: Case) -> None:
    inputs = cast(make(case), np.float32)
    output = call(case, leaves(inputs, wanted(case, inputs)))
    if not case.differentiable:
        assert output.dtype != np.float64
        return
    assert output.dtype == np.float32
    output.backward(upstream_of(output))
    _, arguments, _ = run(case, inputs)
    for gradient in gradients(case, arguments):
        assert gradient is None or gradient.dtype == np.float32


@over(DIFFERENTIABLE)
def test_float32_agrees_with_float64(case: Case) -> None:
    single = cast(make(case), np.float32)
    double = cast(single, np.float64)
    output32, arguments32, upstream32 = run(case, single)
    arguments64 = leaves(double, wanted(case, double))
    output64 = call(case, arguments64)
    output64.backward(upstream32.astype(np.float64))
    assert_close(output32.array, output64.array, case.tolerance_float32, "value")
    pairs = zip(gradients(case, arguments32), gradients(case, arguments64), strict=True)
    for actual, desired in pairs:
        assert (actual is None) == (desired is None)
        if actual is not None and desired is not None:
            assert_close(actual, desired, case.tolerance_float32, "gradient")


# ------------------------------------------------------------------------------ gradients


def as_function(case: Case, inputs: Sequence[Any]) -> tuple[Callable[..., Tensor], list[Any]]:
    """Return the case as a function for gradcheck, and its inputs; constants are Tensors."""
    positions = wanted(case, inputs)

    def function(*arguments: Any) -> Tensor:
        return call(case, arguments)

    values = leaves(inputs, ())
    for position in positions:
        values[position] = inputs[position]
    return function, values


@over(DIFFERENTIABLE)
@given(seed=seeds())
def test_gradient_agrees_with_differences(case: Case, seed: int) -> None:
    function, values = as_function(case, make(case, seed))
    gradcheck(function, values, rtol=case.tolerance_gradient, seed=seed)


@over([case for case in DIFFERENTIABLE if case.higher_order])
def test_second_derivative_agrees_with_differences(case: Case) -> None:
    function, values = as_function(case, make(case))
    tolerance = max(SECOND_ORDER_TOLERANCE, case.tolerance_gradient)
    gradgradcheck(function, values, rtol=tolerance, max_elements=8)


@over(DIFFERENTIABLE)
def test_gradient_under_create_graph_agrees(case: Case) -> None:
    """The rule on Tensors, or the composite of a fused op, gives what it gives on arrays."""
    inputs = make(case)
    output, arguments, upstream = run(case, inputs)
    again = leaves(inputs, wanted(case, inputs))
    recorded = call(case, again)
    assert_close(recorded.array, output.array, case.tolerance)
    recorded.backward(Tensor(upstream), create_graph=True)
    pairs = zip(gradients(case, again), gradients(case, arguments), strict=True)
    for actual, desired in pairs:
        assert (actual is None) == (desired is None)
        if actual is not None and desired is not None:
            assert_close(actual, desired, COMPOSITE_TOLERANCE)
    for argument in again:  # the graph refers to these, and they to it: break the cycle
        if isinstance(argument, Tensor):
            argument.grad = None


@over([case for case in DIFFERENTIABLE if case.op is not None and case.op.composite is not None])
def test_composite_computes_the_same_value(case: Case) -> None:
    inputs = make(case)
    arguments = leaves(inputs, wanted(case, inputs))
    with spied(case) as calls:
        output = call(case, arguments)
    node = node_of(case, output)
    assert node.op.composite is not None
    values: list[Any] = [None] * len(node.edges)
    for entry, value in zip(node.op.saves, node.saved or (), strict=True):
        if entry != "y":
            values[int(entry)] = Tensor(value) if is_float(value) else value
    composed = first_tensor(node.op.composite(*values, **node.kwargs))
    result = calls[-1][2]
    value = np.asarray(result[0] if isinstance(result, tuple) else result)
    assert_close(composed.array, value, COMPOSITE_TOLERANCE)


@over([case for case in DIFFERENTIABLE if len(wanted(case, make(case))) > 1])
def test_each_mask_of_wanted_gradients(case: Case) -> None:
    """Whichever inputs require a gradient, theirs is right and no other input gets one."""
    inputs = make(case)
    positions = wanted(case, inputs)
    _, arguments, upstream = run(case, inputs)
    desired = {i: arguments[i].grad for i in positions}
    for mask in itertools.product((False, True), repeat=len(positions)):
        subset = [i for i, wanted_now in zip(positions, mask, strict=True) if wanted_now]
        if not subset:
            continue
        some = leaves(inputs, subset)
        call(case, some).backward(upstream)
        for i in positions:
            if i not in subset:
                assert some[i].grad is None
            elif desired[i] is not None:
                assert_close(some[i].grad.array, desired[i].array, COMPOSITE_TOLERANCE, str(mask))


# ------------------------------------------------------------------------------ memory


@over(DIFFERENTIABLE)
def test_nothing_given_is_changed(case: Case) -> None:
    inputs = make(case)
    before = [v.copy() if isinstance(v, np.ndarray) else v for v in inputs]
    arguments = leaves(inputs, wanted(case, inputs))
    output = call(case, arguments)
    value = output.array.copy()
    upstream = upstream_of(output)
    upstream_before = upstream.copy()
    output.backward(upstream, retain_graph=True)
    output.backward(upstream)
    for actual, copy in zip(inputs, before, strict=True):
        if isinstance(actual, np.ndarray):
            np.testing.assert_array_equal(actual, copy)
    np.testing.assert_array_equal(upstream, upstream_before)
    np.testing.assert_array_equal(output.array, value)


@over(DIFFERENTIABLE)
def test_twice_backward_doubles_the_gradient(case: Case) -> None:
    inputs = make(case)
    arguments = leaves(inputs, wanted(case, inputs))
    output = call(case, arguments)
    upstream = upstream_of(output)
    output.backward(upstream, retain_graph=True)
    once = [None if g is None else g.copy() for g in gradients(case, arguments)]
    output.backward(upstream)
    for gradient, single in zip(gradients(case, arguments), once, strict=True):
        if gradient is not None and single is not None:
            np.testing.assert_array_equal(gradient, 2.0 * single)


@over(DIFFERENTIABLE)
def test_gradients_share_no_memory(case: Case) -> None:
    inputs = make(case)
    output, arguments, upstream = run(case, inputs)
    found = [g for g in gradients(case, arguments) if g is not None]
    others = [v for v in inputs if isinstance(v, np.ndarray)]
    for gradient in found:
        assert gradient.flags.writeable
        for other in (*others, upstream, output.array):
            assert not np.shares_memory(gradient, other)
    for one, other in itertools.combinations(found, 2):
        assert not np.shares_memory(one, other)


@over([case for case in DIFFERENTIABLE if case.op is not None and case.op.fresh])
def test_fresh_gradients_are_fresh(case: Case) -> None:
    """What an op declares `fresh` shares no memory with anything that outlives its rule."""
    inputs = make(case)
    output = call(case, leaves(inputs, wanted(case, inputs)))
    node = node_of(case, output)
    upstream = upstream_of(Tensor(np.empty(node.shape, node.dtype)))
    results = node.op.backward(node, upstream, *node.saved or (), **node.kwargs)
    arrays = [r for r in results if isinstance(r, np.ndarray)]
    kept = [
        v
        for v in (*inputs, *(node.saved or ()), *(node.extra or ()), upstream, output.array)
        if isinstance(v, np.ndarray)
    ]
    for result in arrays:
        assert result.flags.writeable
        for other in kept:
            assert not np.shares_memory(result, other)
    for one, other in itertools.combinations(arrays, 2):
        assert not np.shares_memory(one, other)


# ------------------------------------------------------------------------------ worlds


@over([case for case in ALL_CASES if case.op is not None])
def test_arrays_in_arrays_out(case: Case) -> None:
    """On the arrays that the case calls its op with, `apply` returns arrays."""
    inputs = make(case)
    with spied(case) as calls:
        call(case, leaves(inputs, wanted(case, inputs)))
    arguments, kwargs, _ = calls[-1]
    assert case.op is not None
    result = apply(case.op, *arguments, **kwargs)
    fields = result if isinstance(result, tuple) else [result]
    assert not any(isinstance(value, Tensor) for value in fields)
    assert isinstance(fields[0], (np.ndarray, np.generic))


@over(DIFFERENTIABLE)
def test_nothing_is_recorded_under_no_grad(case: Case) -> None:
    inputs = make(case)
    with no_grad():
        output = call(case, leaves(inputs, wanted(case, inputs)))
    assert output.node is None
