"""Batch normalisation with a residual and rectification is their plain sequence, and keeps less."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import Node
from minigrad.typing import Array, Shape
from tests.kernels.layouts import LAYOUTS

EPS = 1e-3
SHAPES: list[Shape] = [(6, 3), (4, 3, 2, 5)]


def _inputs(shape: Shape, dtype: Any = np.float64, layout: str = "c") -> list[mg.Tensor]:
    """Return x, gamma, beta, residual."""
    rng = np.random.default_rng(0)
    arrays = [
        LAYOUTS[layout](rng.normal(size=shape).astype(dtype)),
        rng.uniform(0.5, 1.5, shape[1]).astype(dtype),
        rng.normal(size=shape[1]).astype(dtype),
        rng.normal(size=shape).astype(dtype),
    ]
    return [mg.Tensor(array, requires_grad=True) for array in arrays]


def _fused(inputs: list[mg.Tensor], evaluation: bool) -> Any:
    x, gamma, beta, residual = inputs
    if not evaluation:
        return mg.batch_norm_train(x, gamma, beta, residual, relu=True, eps=EPS).y
    statistics = np.linspace(-0.1, 0.1, x.shape[1]), np.linspace(0.5, 2.0, x.shape[1])
    return mg.batch_norm_eval(x, *statistics, gamma, beta, residual, relu=True, eps=EPS)


def _plain(inputs: list[mg.Tensor], evaluation: bool) -> mg.Tensor:
    x, gamma, beta, residual = inputs
    if not evaluation:
        y = mg.batch_norm_train(x, gamma, beta, eps=EPS).y
    else:
        statistics = np.linspace(-0.1, 0.1, x.shape[1]), np.linspace(0.5, 2.0, x.shape[1])
        y = mg.batch_norm_eval(x, *statistics, gamma, beta, eps=EPS)
    return mg.relu(y + residual)


def _upstream(shape: Shape, dtype: Any) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("evaluation", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fused_is_the_plain_sequence(
    shape: Shape, layout: str, dtype: Any, evaluation: bool
) -> None:
    dy = _upstream(shape, dtype)
    results = []
    for function in (_fused, _plain):
        inputs = _inputs(shape, dtype, layout)
        y = function(inputs, evaluation)
        results.append([y, *mg.grad(y, inputs, dy)])
    tolerance = 50 * np.finfo(dtype).eps
    for fused, plain in zip(*results, strict=True):
        assert fused.dtype == dtype
        np.testing.assert_allclose(fused, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("evaluation", [False, True])
@pytest.mark.parametrize("layout", ["c", "channels_last", "sliced"])
def test_second_derivatives_are_those_of_the_plain_sequence(layout: str, evaluation: bool) -> None:
    """Mixed ones of x, gamma, beta and the upstream gradient; through the residual's history."""
    shape = (4, 3, 2, 5)
    results = []
    for function in (_fused, _plain):
        x, gamma, beta, residual = inputs = _inputs(shape, layout=layout)
        dy = mg.Tensor(_upstream(shape, np.float64), requires_grad=True)
        y = function([x, gamma, beta, residual * x], evaluation)
        first = mg.grad(y, inputs, dy, create_graph=True)
        total = mg.zeros((), dtype=np.float64)
        for factor, gradient in enumerate(first, 1):
            total = total + (mg.sin(gradient) * factor).sum()
        wanted = [x, gamma, residual, dy]  # beta decides where, nothing else
        results.append([*first, *mg.grad(total, wanted)])
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-11, atol=1e-11)


def test_only_what_is_wanted() -> None:
    dy = _upstream((6, 3), np.float64)
    inputs = _inputs((6, 3))
    expected = mg.grad(_fused(inputs, False), inputs, dy)
    for index in range(4):
        inputs = _inputs((6, 3))
        for other, tensor in enumerate(inputs):
            tensor.requires_grad = other == index
        (got,) = mg.grad(_fused(inputs, False), inputs[index], dy)
        np.testing.assert_array_equal(got, expected[index])


@pytest.mark.parametrize("evaluation", [False, True])
def test_nothing_of_the_size_of_an_activation_is_kept_but_x(evaluation: bool) -> None:
    x, gamma, beta, residual = _inputs((64, 16, 8, 8), np.float32)
    y = _fused([x, gamma, beta, residual], evaluation)
    node = y.node
    assert isinstance(node, Node)
    kept = [value for value in [*(node.saved or ()), *(node.extra or ())] if value is not None]
    others = [value for value in kept if value is not x.array]
    assert len(others) < len(kept)
    bits = x.array.size // 8
    assert sum(value.nbytes for value in others) <= 2 * bits + 7 * 8 * gamma.array.size


def test_the_residual_may_go_and_the_result_may_change() -> None:
    """Neither is needed: one dies with its last user, the other may be written to."""
    x, gamma, beta, residual = _inputs((6, 3))
    added = mg.tensor(residual.array)
    y = _fused([x, gamma, beta, added], False)
    dy = _upstream((6, 3), np.float64)
    expected = mg.grad(y, x, dy, retain_graph=True)[0]
    watch = weakref.ref(added)
    with mg.no_grad():
        y.detach().mul_(2.0)
    del added
    assert watch() is None
    np.testing.assert_array_equal(mg.grad(y, x, dy)[0], expected)


def test_in_a_checkpoint() -> None:
    dy = _upstream((6, 3), np.float64)
    inputs = _inputs((6, 3))
    expected = mg.grad(_fused(inputs, False), inputs, dy)
    y = mg.checkpoint(lambda *values: _fused(list(values), False), *inputs)
    found = mg.grad(y, inputs, dy, create_graph=True)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-12, atol=1e-12)
    y = mg.checkpoint(lambda *values: _fused(list(values), False), *inputs)
    for got, want in zip(mg.grad(y, inputs, dy), expected, strict=True):
        np.testing.assert_array_equal(got, want)
