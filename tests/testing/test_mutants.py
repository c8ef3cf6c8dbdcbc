"""The suite kills every mutant: whatever is planted, some check that we run finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.engine import Op
from minigrad.kernels import dispatch
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.ops.batch_norm import batch_norm_eval, batch_norm_train
from minigrad.ops.linalg import Linear, MatMul
from minigrad.random import Generator, manual_seed
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.examples import batch_norm_example
from minigrad.testing.identities import IDENTITIES, NUMERICS, check_identities
from minigrad.testing.implementations import (
    BatchNormImplementation,
    reference_implementation,
    tensor_implementation,
)
from minigrad.testing.mutants import (
    ALL,
    BATCH_NORM,
    HIGHER_ORDER,
    OPS,
    OPTIMIZERS,
    BatchNormMutant,
    Mutant,
    scaled_gradient,
    survivors,
)
from tests.cases import ALL_CASES, FLOAT64_TOLERANCE, Case, normals
from tests.optim.formulas import FORMULAS
from tests.optim.test_updates import CASES as OPTIMIZER_CASES

SEED = 5
SECOND_ORDER_TOLERANCE = 1e-5  # as in tests/test_ops.py
STEPS = 4
UPDATES = 1e-12  # a few float64 operations per step, on values near 1

EXAMPLES = [
    batch_norm_example((6, 3, 2, 2), seed=1),
    batch_norm_example((5, 2), scale=0.01, eps=1e-5, seed=2),
    batch_norm_example((4, 3, 2), dtype=np.float32, offset=3.0, seed=3),
]


# ------------------------------------------------------------------------------ BatchNorm


def identities(implementation: BatchNormImplementation) -> None:
    check_identities(implementation, *EXAMPLES, identities=IDENTITIES + NUMERICS)


def gradients_of_batch_norm() -> None:
    """Check both ops' gradients against differences."""
    for e in EXAMPLES[:2]:
        gradcheck(
            lambda x, gamma, beta, eps=e.eps: batch_norm_train(x, gamma, beta, eps=eps).y,
            [e.x, e.gamma, e.beta],
        )
        mean, var = Tensor(e.beta + 1.0), Tensor(e.gamma**2)
        gradcheck(
            lambda x, gamma, beta, eps=e.eps, mean=mean, var=var: batch_norm_eval(
                x, mean, var, gamma, beta, eps=eps
            ),
            [e.x, e.gamma, e.beta],
        )


def is_killed(check: Callable[[], Any]) -> bool:
    """Return whether the check fails; another error would be a mistake of the mutant's own."""
    try:
        check()
    except AssertionError:
        return True
    return False


def assert_killed(
    mutant: Mutant, check: Callable[[], Any], killer: str, record_property: Any
) -> None:
    """Run a check on the right code and on the mutant, and tell the summary what came of it."""
    record_property("mutant", mutant.name)
    check()
    with mutant.applied():
        killed = is_killed(check)
    record_property("killed by", [killer] if killed else [])
    assert killed, mutant.what


@pytest.mark.parametrize("mutant", BATCH_NORM, ids=lambda mutant: mutant.name)
def test_batch_norm_mutant_is_killed(mutant: BatchNormMutant, record_property: Any) -> None:
    """By the identities, both as an implementation and in the place of the kernels."""
    record_property("mutant", mutant.name)
    with mutant.applied():
        found = {
            "identities": is_killed(lambda: identities(tensor_implementation())),
            "gradcheck": is_killed(gradients_of_batch_norm),
        }
    record_property("killed by", [name for name, killed in found.items() if killed])
    assert is_killed(lambda: identities(mutant.implementation)), mutant.what
    assert found["identities"], mutant.what


def test_every_identity_is_broken_by_some_mutant() -> None:
    """None of them holds whatever is computed."""
    broken: set[str] = set()
    for mutant in BATCH_NORM:
        report = check_identities(
            mutant.implementation,
            *EXAMPLES,
            identities=IDENTITIES + NUMERICS,
            raise_exception=False,
        )
        broken |= {failure.identity for failure in report.failures}
    assert broken == {check.name for check in IDENTITIES + NUMERICS}


@pytest.mark.parametrize("mutant", HIGHER_ORDER, ids=lambda mutant: mutant.name)
def test_mutant_of_higher_order_is_killed(mutant: Mutant, record_property: Any) -> None:
    cases = [case for case in cases_of(mutant.part) if case.higher_order]

    def second_order() -> None:
        for case in cases:
            function, values = as_function(case)
            gradgradcheck(function, values, rtol=SECOND_ORDER_TOLERANCE, max_elements=8)

    with mutant.applied():
        for case in cases:  # the plain rule does not use the composite
            gradcheck(*as_function(case), rtol=case.tolerance_gradient)
    assert_killed(mutant, second_order, "gradgradcheck", record_property)


# ------------------------------------------------------------------------------ other ops


SQUARE = [
    # With square matrices, shapes do not tell a matrix from its transpose.
    Case(
        Linear,
        mg.linear,
        normals((4, 3), (3, 3), (3,)),
        lambda x, weight, bias: x @ weight.T + bias,
    ),
    Case(MatMul, mg.matmul, normals((3, 3), (3, 3)), np.matmul),
    Case(
        mg.ops.shape.Permute,
        lambda x: mg.permute(x, (1, 2, 0)),
        normals((3, 3, 3)),
        lambda x: np.transpose(x, (1, 2, 0)),
    ),
]


def cases_of(part: str) -> list[Case]:
    """Return the cases of the op of this name."""
    found = [
        case for case in [*ALL_CASES, *SQUARE] if case.op is not None and case.op.__name__ == part
    ]
    assert found, f"no cases of {part}"
    return found


def as_function(case: Case) -> tuple[Callable[..., Any], list[Any]]:
    """Return the case as a function for gradcheck and its inputs; constants are Tensors."""

    def function(*arguments: Any) -> Any:
        result = case.function(*arguments, **case.kwargs)
        return result[0] if isinstance(result, tuple) else result

    values = list(case.inputs(np.random.default_rng(SEED)))
    for position, value in enumerate(values):
        constant = position in case.constants
        if isinstance(value, np.ndarray) and (constant or value.dtype.kind != "f"):
            values[position] = Tensor(value)
    return function, values


def check_cases(cases: Sequence[Case]) -> None:
    """Compare values with the reference, and gradients with differences."""
    for case in cases:
        function, values = as_function(case)
        output = function(*(Tensor(v) if isinstance(v, np.ndarray) else v for v in values))
        arrays = [v.array if isinstance(v, Tensor) else v for v in values]
        assert case.reference is not None
        expected = case.reference(*arrays, **case.kwargs)
        expected = np.asarray(expected[0] if isinstance(expected, tuple) else expected)
        finite = np.isfinite(expected)
        atol = case.tolerance * float(np.max(np.abs(expected[finite]), initial=0.0))
        np.testing.assert_allclose(output.array, expected, rtol=case.tolerance, atol=atol)
        if case.differentiable:
            gradcheck(function, values, rtol=case.tolerance_gradient)


def check_softmax() -> None:
    check_cases(cases_of("Softmax"))
    y = mg.softmax(Tensor(np.array([1000.0, 1000.0, -1000.0])), 0)
    np.testing.assert_array_equal(y.array, [0.5, 0.5, 0.0])


def check_amax() -> None:
    check_cases(cases_of("Amax"))
    x = Tensor(np.array([[2.0, 1.0, 2.0], [3.0, 0.0, 1.0]]), requires_grad=True)
    (dx,) = mg.grad(mg.amax(x, 1), x, np.array([1.0, 4.0]))
    assert dx is not None
    np.testing.assert_array_equal(dx.array, [[0.5, 0.0, 0.5], [4.0, 0.0, 0.0]])


def check_dropout() -> None:
    x = np.random.default_rng(SEED).normal(size=(4, 5))

    def run(x: Tensor) -> Tensor:
        manual_seed(SEED)
        return F.dropout(x, 0.3)

    keep = Generator(SEED).numpy.random(x.shape, dtype=np.float32) >= 0.3
    np.testing.assert_allclose(
        run(Tensor(x)).array, np.where(keep, x / 0.7, 0.0), rtol=1e-6
    )  # 1 / (1 - p) is rounded to the dtype of the mask
    gradcheck(run, [x])


def check_unbroadcast() -> None:
    for shapes in (((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1))):
        rng = np.random.default_rng(SEED)
        gradcheck(mg.mul, [rng.normal(size=shape) for shape in shapes])


CHECKS: dict[str, Callable[[], None]] = {
    "Amax": check_amax,
    "Softmax": check_softmax,
    "dropout": check_dropout,
    "unbroadcast": check_unbroadcast,
}


def check_of(part: str) -> Callable[[], None]:
    return CHECKS.get(part) or (lambda: check_cases(cases_of(part)))


@pytest.mark.parametrize("mutant", OPS, ids=lambda mutant: mutant.name)
def test_op_mutant_is_killed(mutant: Mutant, record_property: Any) -> None:
    assert_killed(mutant, check_of(mutant.part), "cases", record_property)


def ops_with_a_gradient() -> list[type[Op]]:
    """Return the ops whose gradient is not zero everywhere."""
    zero = {"PiecewiseConstant", "FloorDivide"}
    found = {case.op for case in ALL_CASES if case.op is not None and case.differentiable}
    return sorted((op for op in found if op.__name__ not in zero), key=lambda op: op.__name__)


@pytest.mark.parametrize("factor", [-1.0, 1.001])
@pytest.mark.parametrize("op", ops_with_a_gradient(), ids=lambda op: op.__name__)
def test_a_scaled_gradient_of_any_op_is_found(
    op: type[Op], factor: float, record_property: Any
) -> None:
    mutant = scaled_gradient(op, factor)
    cases = [case for case in cases_of(op.__name__) if case.differentiable]
    assert_killed(mutant, lambda: check_cases(cases), "cases", record_property)


# ------------------------------------------------------------------------------ optimisers

OPTIMIZERS_OF = {
    "sgd": ("SGD",),
    "adam": ("Adam", "AdamW"),
    "rmsprop": ("RMSprop",),
    "adagrad": ("Adagrad",),
}


def check_optimizers(names: tuple[str, ...]) -> None:
    """Compare a few steps with the formulas, for every option that has a case."""
    rng = np.random.default_rng(SEED)
    start = rng.standard_normal((3, 2))
    grads = [rng.uniform(0.5, 1.5, (3, 2)) * rng.choice([-1, 1], (3, 2)) for _ in range(STEPS)]
    for name, kwargs in OPTIMIZER_CASES:
        if name not in names:
            continue
        param = Tensor(start.copy(), requires_grad=True)
        optimizer = getattr(optim, name)([param], **kwargs)
        for grad, expected in zip(grads, FORMULAS[name](start, grads, **kwargs), strict=True):
            param.grad = Tensor(grad.copy())
            optimizer.step()
            np.testing.assert_allclose(param.array, expected, rtol=UPDATES, atol=UPDATES)


@pytest.mark.parametrize("mutant", OPTIMIZERS, ids=lambda mutant: mutant.name)
def test_optimizer_mutant_is_killed(mutant: Mutant, record_property: Any) -> None:
    names = OPTIMIZERS_OF[mutant.part]
    assert_killed(mutant, lambda: check_optimizers(names), "formulas", record_property)


# ------------------------------------------------------------------------------ the catalogue


def test_names_are_unique_and_say_what_is_wrong() -> None:
    names = [mutant.name for mutant in ALL]
    assert len(names) == len(set(names))
    assert all(mutant.what for mutant in ALL)


def test_the_right_code_is_back_after_a_mutant() -> None:
    watched = [
        (owner, name, vars(owner)[name])
        for mutant in ALL
        for patch in mutant.patches()
        for owner, name in [(patch.owner, patch.name)]
        if not isinstance(owner, dict)
    ]
    assert len(watched) >= len(ALL)
    for mutant in ALL:
        with mutant.applied():
            changed = [vars(owner)[name] is not value for owner, name, value in watched]
            assert any(changed), mutant.name
        assert all(vars(owner)[name] is value for owner, name, value in watched), mutant.name


def test_the_right_code_is_back_after_a_failure() -> None:
    kernels = dispatch.module("batch_norm")
    before = kernels.backward_train
    with pytest.raises(ZeroDivisionError), BATCH_NORM[0].applied():
        1 / (kernels.backward_train is before)
    assert kernels.backward_train is before


def test_a_sum_of_outputs_does_not_see_a_zero_dx() -> None:
    """Why upstream gradients are random: the outputs of a channel sum to a constant."""

    def under_a_sum() -> None:
        x, gamma, beta = (
            Tensor(v, requires_grad=True)
            for v in (EXAMPLES[0].x, EXAMPLES[0].gamma, EXAMPLES[0].beta)
        )
        y = batch_norm_train(x, gamma, beta).y
        dx, dgamma, dbeta = mg.grad(mg.sum(y), (x, gamma, beta))
        assert dx is not None
        assert dgamma is not None
        assert dbeta is not None
        np.testing.assert_allclose(dx.array, 0.0, atol=FLOAT64_TOLERANCE)
        np.testing.assert_allclose(dgamma.array, 0.0, atol=FLOAT64_TOLERANCE * 24)
        np.testing.assert_allclose(dbeta.array, 24.0, rtol=FLOAT64_TOLERANCE)

    gradients = [mutant for mutant in BATCH_NORM if mutant.part == "backward_train"]
    alive = {mutant.name for mutant in survivors(under_a_sum, gradients, applied=True)}
    assert {"zero dx", "no variance term", "no gamma in dx", "sign of dx"} <= alive
    assert "swapped dgamma and dbeta" not in alive


def test_survivors_by_implementation() -> None:
    def only_y(implementation: BatchNormImplementation) -> None:
        e = EXAMPLES[0]
        expected = reference_implementation().forward(e.x, e.gamma, e.beta, e.eps)[0]
        got = implementation.forward(e.x.copy(), e.gamma, e.beta, e.eps)[0]
        np.testing.assert_allclose(got, expected, atol=FLOAT64_TOLERANCE)

    alive = survivors(only_y, BATCH_NORM)
    assert {mutant.part for mutant in alive} >= {"backward_train", "update_running"}
    names = {mutant.name for mutant in alive}
    assert "forward: eps in the returned variance" in names
    assert "forward: no gamma" not in names


def test_a_check_that_rejects_the_right_code_is_refused() -> None:
    def rejects_all(*arguments: Any) -> None:
        raise AssertionError("never right")

    for mutants in (BATCH_NORM[:2], OPS[:2]):
        with pytest.raises(AssertionError, match="never right") as caught:
            survivors(rejects_all, mutants)
        assert caught.value.__notes__ == [
            "survivors: the check refuses the right code, before any mutant"
        ]


def test_a_check_with_other_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match=r"one argument, a BatchNormImplementation.*applied=True"):
        survivors(lambda: None, BATCH_NORM[:2])
    with pytest.raises(TypeError, match=r"without arguments, while.*'implementation'"):
        survivors(lambda implementation: None, OPS[:2])
    with pytest.raises(TypeError, match=r"without arguments, while.*'implementation'"):
        survivors(lambda implementation: None, BATCH_NORM[:2], applied=True)
    with pytest.raises(ZeroDivisionError):  # the check's own, not of how it is called
        survivors(lambda: 1 / 0, OPS[:2])


def test_a_mutant_is_shown_without_its_code() -> None:
    assert repr(OPS[0]).count("function") == repr(BATCH_NORM[0]).count("function") == 0
    assert "zero dx" in repr(BATCH_NORM[0])
