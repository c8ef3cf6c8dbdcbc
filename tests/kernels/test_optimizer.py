"""Optimiser updates on the CPU against the reference, and the reference against formulas."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels.cpu import optimizer as cpu
from minigrad.kernels.cpu import threads
from minigrad.kernels.reference import optimizer as reference
from minigrad.kernels.types import OptimizerKernels
from minigrad.typing import Array
from tests.kernels.layouts import LAYOUTS

DTYPES = (np.float32, np.float64)
STEPS = 10
# Ten steps of a few operations; a division by a small root magnifies their rounding.
ULPS = 200


class Rule:
    """One optimiser with its options and the number of state arrays."""

    def __init__(self, name: str, n_states: int, absent: tuple[int, ...] = (), **options: Any):
        self.name = name
        self.n_states = n_states
        self.absent = absent
        self.options = options

    def __repr__(self) -> str:
        on = [key for key, value in self.options.items() if value is True]
        return "-".join([self.name, *on, *[f"without{i}" for i in self.absent]])

    def run(
        self,
        module: Any,
        param: Array,
        grads: Array,
        *,
        make: Callable[[Array], Array] = np.copy,
    ) -> list[Array]:
        """Return the parameter and the state after a step with each gradient."""
        param = make(param.copy())
        # Not zeros: what the first step does with its state must be seen too.
        states: list[Array | None] = [
            None if i in self.absent else make(np.full_like(param, 0.5))
            for i in range(self.n_states)
        ]
        for step, grad in enumerate(grads, 1):
            options = dict(self.options)
            if self.name == "sgd":
                options["first_step"] = step == 1
            if self.name in ("adam", "adagrad"):
                options["step"] = step
            getattr(module, self.name)(param, make(grad), *states, **options)
        return [param, *[state for state in states if state is not None]]


def _sgd(absent: tuple[int, ...] = (), **options: Any) -> Rule:
    defaults: dict[str, Any] = {
        "lr": 0.1, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0,
        "nesterov": False, "maximize": False,
    }  # fmt: skip
    return Rule("sgd", 1, absent, **{**defaults, **options})


def _adam(absent: tuple[int, ...] = (2,), **options: Any) -> Rule:
    defaults: dict[str, Any] = {
        "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0,
        "decoupled": False, "maximize": False,
    }  # fmt: skip
    return Rule("adam", 3, absent, **{**defaults, **options})


def _rmsprop(absent: tuple[int, ...] = (1, 2), **options: Any) -> Rule:
    defaults: dict[str, Any] = {
        "lr": 0.01, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.9,
        "maximize": False,
    }  # fmt: skip
    return Rule("rmsprop", 3, absent, **{**defaults, **options})


def _adagrad(**options: Any) -> Rule:
    defaults: dict[str, Any] = {
        "lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.0, "eps": 1e-10, "maximize": False,
    }  # fmt: skip
    return Rule("adagrad", 1, (), **{**defaults, **options})


RULES = [
    _sgd(absent=(0,)),
    _sgd(absent=(0,), weight_decay=0.1, maximize=True),
    _sgd(dampening=0.3, weight_decay=0.1),
    _sgd(nesterov=True, weight_decay=0.1),
    _sgd(nesterov=True, maximize=True),
    _adam(weight_decay=0.1),
    _adam(weight_decay=0.1, decoupled=True),
    _adam(absent=()),
    _adam(absent=(), decoupled=True, weight_decay=0.1, maximize=True),
    _rmsprop(),
    _rmsprop(absent=(1,), weight_decay=0.1),
    _rmsprop(absent=(2,), maximize=True),
    _rmsprop(absent=(), weight_decay=0.1),
    _adagrad(),
    _adagrad(weight_decay=0.1, maximize=True),
]


def _draw(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, steps: int = STEPS
) -> tuple[Array, Array]:
    param = rng.standard_normal(shape).astype(dtype)
    # Gradients away from 0, with the variance that a centred RMSprop needs.
    sizes = rng.uniform(0.5, 2.0, (steps, *shape))
    return param, (sizes * rng.choice([-1.0, 1.0], sizes.shape)).astype(dtype)


def _assert_close(actual: list[Array], expected: list[Array]) -> None:
    for a, b in zip(actual, expected, strict=True):
        tolerance = ULPS * np.finfo(a.dtype).eps
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("module", [cpu, reference])
def test_module_has_the_functions_of_the_protocol(module: ModuleType) -> None:
    for name, declared in inspect.getmembers(OptimizerKernels, inspect.isfunction):
        if name.startswith("_"):
            continue
        expected = list(inspect.signature(declared).parameters.values())[1:]  # without self
        found = list(inspect.signature(getattr(module, name)).parameters.values())
        assert [(p.name, p.kind) for p in found] == [(p.name, p.kind) for p in expected]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3, 7), (53,)], ids=str)
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_agrees_with_the_reference(
    rule: Rule, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator
) -> None:
    param, grads = _draw(rng, shape, dtype)
    _assert_close(rule.run(cpu, param, grads), rule.run(reference, param, grads))


@given(
    rule=st.sampled_from(RULES),
    shape=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    layout=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_and_memory_order(
    rule: Rule, shape: tuple[int, ...], layout: str, seed: int
) -> None:
    param, grads = _draw(np.random.default_rng(seed), shape, np.float64, steps=3)
    make = LAYOUTS[layout] if len(shape) > 1 else np.copy
    _assert_close(rule.run(cpu, param, grads, make=make), rule.run(reference, param, grads))


def test_views_are_updated_in_place_and_their_surroundings_are_not() -> None:
    for view in (np.s_[1:3, 2:5], np.s_[:, ::2], np.s_[::-1, 1:]):
        whole = np.zeros((4, 6), np.float32)
        part = whole[view]
        options = dict(_sgd().options, first_step=True)
        grad = np.broadcast_to(np.float32(2.0), part.shape)
        cpu.sgd(part, grad, np.zeros_like(part), **options)
        np.testing.assert_array_equal(whole[view], np.float32(-0.1) * 2)
        assert np.count_nonzero(whole) == part.size


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_writes_only_its_arrays(rule: Rule, rng: np.random.Generator) -> None:
    margin = 64
    for size in (1, 15, 16, 17, 40):
        made: list[Array] = []

        def inside(x: Array, made: list[Array] = made) -> Array:
            larger = np.full(x.size + 2 * margin, 777.0, x.dtype)
            made.append(larger)
            larger[margin:-margin] = x
            return larger[margin:-margin]

        param, grads = _draw(rng, (size,), np.float32, steps=2)
        rule.run(cpu, param, grads, make=inside)
        for larger in made:
            assert (larger[:margin] == 777.0).all()
            assert (larger[-margin:] == 777.0).all()


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_bits_do_not_depend_on_threads(
    rule: Rule, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads.get_num_threads() < 2:
        pytest.skip("one thread only")
    param, grads = _draw(rng, (3 * 4096 + 5,), np.float32, steps=2)
    monkeypatch.setattr(cpu, "PARALLEL_MIN_SIZE", param.size + 1)
    serial = rule.run(cpu, param, grads)
    monkeypatch.setattr(cpu, "PARALLEL_MIN_SIZE", 0)
    for a, b in zip(rule.run(cpu, param, grads), serial, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("module", [cpu, reference])
def test_sgd_by_hand(module: Any) -> None:
    param, buffer = np.array([1.0]), np.array([np.nan])
    options: dict[str, Any] = {
        "lr": 0.5, "momentum": 0.5, "dampening": 0.25, "weight_decay": 0.1, "maximize": False,
    }  # fmt: skip
    grad = np.array([2.0])
    module.sgd(param, grad, buffer, nesterov=False, first_step=True, **options)
    assert buffer[0] == pytest.approx(2.1)  # no dampening, and the NaN is not looked at
    assert param[0] == pytest.approx(-0.05)
    module.sgd(param, grad, buffer, nesterov=True, first_step=False, **options)
    direction = 2.0 + 0.1 * -0.05
    expected = 0.5 * 2.1 + 0.75 * direction
    assert buffer[0] == pytest.approx(expected)
    assert param[0] == pytest.approx(-0.05 - 0.5 * (direction + 0.5 * expected))
    np.testing.assert_array_equal(grad, 2.0)


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_by_the_paper(module: Any, decoupled: bool, amsgrad: bool) -> None:
    theta, m, v, largest = 1.0, 0.0, 0.0, 0.0
    param, first, second, most = np.array([[1.0], [0.0], [0.0], [0.0]])
    for t in range(1, STEPS + 1):
        g = math.sin(3.0 * t) + 0.5
        module.adam(
            param,
            np.array([g]),
            first,
            second,
            most if amsgrad else None,
            step=t,
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            eps=1e-3,
            weight_decay=0.05,
            decoupled=decoupled,
            maximize=False,
        )
        if decoupled:
            theta -= 0.1 * 0.05 * theta
        else:
            g += 0.05 * theta
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        largest = max(largest, v) if amsgrad else v
        m_hat = m / (1.0 - 0.9**t)
        v_hat = largest / (1.0 - 0.99**t)
        theta -= 0.1 * m_hat / (math.sqrt(v_hat) + 1e-3)
    # Ten steps in float64.
    assert param[0] == pytest.approx(theta, rel=1e-13)
    assert first[0] == pytest.approx(m, rel=1e-13)
    assert second[0] == pytest.approx(v, rel=1e-13)


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_by_hand(module: Any, centered: bool) -> None:
    theta, square, average, velocity = 1.0, 0.0, 0.0, 0.0
    param, squares, averages, buffer = np.array([[1.0], [0.0], [0.0], [0.0]])
    for t in range(1, STEPS + 1):
        g = math.sin(3.0 * t) + 0.5
        module.rmsprop(
            param,
            np.array([g]),
            squares,
            averages if centered else None,
            buffer,
            lr=0.01,
            alpha=0.9,
            eps=1e-3,
            weight_decay=0.05,
            momentum=0.8,
            maximize=False,
        )
        g += 0.05 * theta
        square = 0.9 * square + 0.1 * g * g
        average = 0.9 * average + 0.1 * g
        spread = square - average**2 if centered else square
        velocity = 0.8 * velocity + g / (math.sqrt(spread) + 1e-3)
        theta -= 0.01 * velocity
    assert param[0] == pytest.approx(theta, rel=1e-12)  # ten steps in float64


@pytest.mark.parametrize("module", [cpu, reference])
def test_adagrad_by_hand(module: Any) -> None:
    theta, total = 1.0, 0.25
    param, state = np.array([1.0]), np.array([0.25])
    for t in range(1, STEPS + 1):
        g = math.sin(3.0 * t) + 0.5
        module.adagrad(
            param,
            np.array([g]),
            state,
            step=t,
            lr=0.1,
            lr_decay=0.2,
            weight_decay=0.05,
            eps=1e-3,
            maximize=False,
        )
        g += 0.05 * theta
        total += g * g
        theta -= 0.1 / (1.0 + 0.2 * (t - 1)) * g / (math.sqrt(total) + 1e-3)
    assert param[0] == pytest.approx(theta, rel=1e-13)  # ten steps in float64


@pytest.mark.parametrize("module", [cpu, reference])
def test_non_finite_gradients_propagate(module: Any) -> None:
    for rule in RULES:
        param = np.zeros(20, np.float32)
        grads = np.ones((1, 20), np.float32)
        grads[0, 3] = np.nan
        after = rule.run(module, param, grads)[0]
        assert np.isnan(after[3])
        assert np.isfinite(np.delete(after, 3)).all()


def test_refuses_what_does_not_fit() -> None:
    options = dict(_sgd().options, first_step=True)
    param = np.zeros(3, np.float32)
    with pytest.raises(ShapeError, match=r"shape of param, \(3,\), got \(4,\)"):
        cpu.sgd(param, np.zeros(4, np.float32), None, **options)
    with pytest.raises(DTypeError, match="dtype of param, float32, got float64"):
        cpu.sgd(param, param, np.zeros(3), **options)
    with pytest.raises(DTypeError, match="param must be float32 or float64, got int64"):
        cpu.sgd(np.zeros(3, np.int64), np.zeros(3, np.int64), None, **options)
    np.testing.assert_array_equal(param, 0.0)
