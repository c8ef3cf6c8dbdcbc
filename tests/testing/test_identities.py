"""The BatchNorm identities: ours keep them, wrong implementations are told what they break."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.kernels.reference import batch_norm as reference
from minigrad.testing import implementations
from minigrad.testing.examples import BatchNormExample, batch_norm_example
from minigrad.testing.identities import (
    IDENTITIES,
    NUMERICS,
    Claim,
    Identity,
    IdentityError,
    check_identities,
    identity,
)
from minigrad.testing.implementations import (
    BatchNormImplementation,
    cpu_implementation,
    pytorch_implementation,
    reference_implementation,
    tensor_implementation,
)
from minigrad.testing.strategies import batch_norm_examples

OURS = [reference_implementation, cpu_implementation, tensor_implementation]
EXAMPLES = st.sampled_from([np.float64, np.float32]).flatmap(
    lambda dtype: batch_norm_examples(dtype=dtype)
)


@pytest.mark.parametrize("make", OURS)
@pytest.mark.parametrize("check", IDENTITIES + NUMERICS, ids=lambda check: check.name)
@given(example=EXAMPLES)
def test_ours_keep_every_identity(
    check: Identity, make: Callable[[], BatchNormImplementation], example: BatchNormExample
) -> None:
    implementation = make()
    if check.applies(implementation, example):
        check(implementation, example)


@pytest.mark.parametrize("check", IDENTITIES, ids=lambda check: check.name)
@given(example=batch_norm_examples())
def test_pytorch_keeps_every_identity_in_float64(
    check: Identity, example: BatchNormExample
) -> None:
    pytest.importorskip("torch")
    check(pytorch_implementation(), example)


@pytest.mark.parametrize("make", OURS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 2), (16, 5, 9, 7), (1, 2, 2)], ids=str)
def test_ours_on_larger_examples(
    shape: tuple[int, ...], dtype: Any, make: Callable[[], BatchNormImplementation]
) -> None:
    examples = [
        batch_norm_example(shape, dtype=dtype, seed=1),
        batch_norm_example(shape, dtype=dtype, offset=50.0, scale=0.1, eps=1e-5, seed=2),
    ]
    report = check_identities(make(), *examples)
    assert report
    assert set(report.held.values()) == {2}
    missing = {"gradient_is_the_derivative"} if dtype is np.float32 else set()
    assert set(report.not_applicable) == missing


@pytest.mark.parametrize("check", IDENTITIES + NUMERICS, ids=lambda check: check.name)
def test_each_says_where_it_comes_from_and_how_close_it_must_be(check: Identity) -> None:
    text = check.__doc__ or ""
    assert "Source: " in text
    assert "Tolerance:" in text
    assert check.formula


def _backward_without(term: str) -> BatchNormImplementation:
    right = reference_implementation()

    def backward(dy: Any, x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        dx, dgamma, dbeta = right.backward(dy, x, gamma, beta, eps)
        if term == "sign":
            dbeta = dbeta * np.array([1.0, -1.0, 1.0])
        return dx, dgamma, dbeta

    return replace(right, name="wrong", backward=backward)


def test_an_error_says_what_is_wrong_and_where() -> None:
    example = batch_norm_example((6, 3))
    check = next(check for check in IDENTITIES if check.name == "parameter_gradients")
    check(reference_implementation(), example)
    pattern = (
        r"wrong breaks parameter_gradients, dgamma = sum\(dy x_hat\), dbeta = sum\(dy\): dbeta is "
        r"off by \S+ in channel 1, allowed is \S+"
    )
    with pytest.raises(IdentityError, match=pattern) as caught:
        check(_backward_without("sign"), example)
    (failure,) = caught.value.failures
    largest = 2.0 * abs(example.dy[:, 1].sum())
    assert failure.deviation == pytest.approx(largest)
    assert failure.allowed < 1e-9


def test_the_report_lists_all_failures() -> None:
    example = batch_norm_example((6, 3))
    report = check_identities(_backward_without("sign"), example, raise_exception=False)
    assert not report
    assert {f.identity for f in report.failures} == {
        "gradient_is_the_derivative",
        "parameter_gradients",
    }
    lines = str(report).splitlines()
    assert lines[0] == f"wrong: 2 of {len(IDENTITIES)} identities are broken"
    assert len(lines) == 4
    with pytest.raises(IdentityError) as caught:
        check_identities(_backward_without("sign"), example)
    assert str(caught.value) == str(report)
    assert caught.value.failures == report.failures


def test_what_is_missing_is_not_applicable() -> None:
    full = reference_implementation()
    implementation = BatchNormImplementation("forward and backward", full.forward, full.backward)
    report = check_identities(implementation, batch_norm_example())
    assert report
    assert set(report.not_applicable) == {c.name for c in IDENTITIES if c.needs}
    assert f"not applicable: {report.not_applicable[0]}" in str(report)


def test_a_nan_is_a_failure() -> None:
    right = reference_implementation()

    def forward(*arguments: Any) -> Any:
        y, mean, var = right.forward(*arguments)
        return np.full_like(y, np.nan), mean, var

    with pytest.raises(IdentityError, match=r"normalised_output +mean\(x_hat\) +0 +inf "):
        check_identities(replace(right, forward=forward), batch_norm_example())


def test_a_wrong_shape_is_said_at_once() -> None:
    right = reference_implementation()

    def forward(*arguments: Any) -> Any:
        y, mean, var = right.forward(*arguments)
        return y, mean[None], var

    with pytest.raises(IdentityError, match=r"mean must have shape \(3,\), got \(1, 3\)"):
        check_identities(replace(right, forward=forward), batch_norm_example())


def test_examples_are_not_spoilt_by_an_implementation_that_writes_into_them() -> None:
    right = reference_implementation()

    def forward(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        result = right.forward(x, gamma, beta, eps)
        x[...] = result[0]
        return result

    example = batch_norm_example()
    before = example.x.copy()
    report = check_identities(replace(right, forward=forward), example, raise_exception=False)
    assert "arguments_unchanged" in {failure.identity for failure in report.failures}
    np.testing.assert_array_equal(example.x, before)


def test_no_examples() -> None:
    with pytest.raises(ValueError, match="at least one example"):
        check_identities(reference_implementation())


def test_an_error_of_the_implementation_says_where_it_was_raised() -> None:
    right = reference_implementation()

    def forward(*arguments: Any) -> Any:
        return right.forward(*arguments)[:2]

    pair = replace(right, name="pair", forward=forward)
    with pytest.raises(ValueError, match="expected 3, got 2") as caught:
        check_identities(pair, batch_norm_example((5, 2)))
    (note,) = caught.value.__notes__
    assert "by 'pair' in " in note
    assert "shape (5, 2); forward must return (y, mean, var)" in note


def test_one_function_adds_an_identity() -> None:
    own: list[Identity] = []

    @identity("y(x) = y(x)", into=own)
    def same(implementation: BatchNormImplementation, example: BatchNormExample) -> Any:
        y, _, _ = implementation.forward(example.x, example.gamma, example.beta, example.eps)
        yield Claim("y", y, y, 0.0)

    assert own == [same]
    report = check_identities(reference_implementation(), batch_norm_example(), identities=own)
    assert report.held == {"same": 1}


def test_pytorch_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs PyTorch, which is not installed"):
        implementations.pytorch_implementation()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_examples_without_hypothesis(dtype: Any) -> None:
    example = batch_norm_example((5, 2, 3), offset=10.0, scale=0.1, dtype=dtype)
    again = batch_norm_example((5, 2, 3), offset=10.0, scale=0.1, dtype=dtype)
    np.testing.assert_array_equal(example.x, again.x)
    assert {example.x.dtype, example.dy.dtype, example.gamma.dtype} == {np.dtype(dtype)}
    mean, var = reference.statistics(example.x)
    np.testing.assert_allclose(mean, 1.0, atol=0.02)
    np.testing.assert_allclose(var**0.5, 0.1, rtol=0.2)
