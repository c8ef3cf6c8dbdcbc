"""Indices that repeat, masks, assignment, and what must not change afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AutogradError
from minigrad.ops.index import index_put
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

SUM_TOLERANCE = 1e-5
"""Of some hundred float32 values, added in another order."""


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


def gradient(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


# ------------------------------------------------------------------------------ any index


@st.composite
def indexed(draw: st.DrawFn) -> tuple[Array, Any]:
    """Draw an array of three axes and an index: all kinds of entries, also mixed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(3, 2, 4))
    length = draw(st.integers(0, 3))
    entries: list[Any] = []
    for size in x.shape[: draw(st.integers(0, 3))]:
        kind = draw(st.sampled_from(["int", "slice", "array", "column", "tensor"]))
        positions = rng.integers(-size, size, length)
        step = draw(st.sampled_from([None, 1, -1, 2, -2]))
        entries.append(
            {
                "int": int(rng.integers(-size, size)),
                "slice": slice(None, None, step),
                "array": positions,
                "column": positions[:, None],
                "tensor": Tensor(positions),
            }[kind]
        )
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), None)
    if draw(st.booleans()):
        entries.append(...)
    return x, tuple(entries)


def as_numpy(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([entry.array if isinstance(entry, Tensor) else entry for entry in key])


@given(indexed())
def test_any_index(drawn: tuple[Array, Any]) -> None:
    x, key = drawn
    expected = x[as_numpy(key)]
    t = Tensor(x, requires_grad=True)
    y = t[key]
    np.testing.assert_array_equal(y.array, expected)
    upstream = np.random.default_rng(0).normal(size=expected.shape)
    y.backward(upstream)
    added = np.zeros_like(x)
    np.add.at(added, as_numpy(key), upstream)
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.array, added, rtol=1e-12, atol=1e-12)


@given(indexed())
def test_assignment_at_any_index(drawn: tuple[Array, Any]) -> None:
    """Also where one element is assigned several times: the last value stays, and has dy."""
    x, key = drawn
    value = np.random.default_rng(0).normal(size=x[as_numpy(key)].shape)
    expected = x.copy()
    expected[as_numpy(key)] = value
    np.testing.assert_array_equal(index_put(x, key, value).array, expected)
    gradcheck(lambda a, b: index_put(a, key, b), (x, value), max_elements=12)


# ------------------------------------------------------------------------------ repeats


def test_a_repeated_index_adds_its_gradients() -> None:
    x = leaf([1.0, 2.0, 3.0])
    x[[0, 2, 0, -1]].backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    assert gradient(x) == [101.0, 0.0, 1010.0]


@given(st.integers(1, 40), st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_gradient_of_an_embedding(rows: int, count: int, seed: int) -> None:
    """The sorted sums are those of additions one by one, and the same on every run."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, rows, count)
    upstream = rng.normal(size=(count, 3)).astype(np.float32)
    results = []
    for _ in range(2):
        weight = mg.zeros(rows, 3, requires_grad=True)
        mg.embedding(indices, weight).backward(upstream)
        assert weight.grad is not None
        results.append(weight.grad.array)
    expected = np.zeros((rows, 3))
    np.add.at(expected, indices, upstream.astype(np.float64))
    np.testing.assert_allclose(results[0], expected, rtol=SUM_TOLERANCE, atol=SUM_TOLERANCE)
    np.testing.assert_array_equal(results[0], results[1])


def test_a_repeated_assignment_keeps_the_last() -> None:
    x, value = leaf([1.0, 2.0, 3.0]), leaf([10.0, 20.0, 30.0])
    y = index_put(x, [1, 0, 1], value)
    assert y.tolist() == [20.0, 30.0, 3.0]
    y.backward(np.array([1.0, 2.0, 4.0]))
    assert gradient(x) == [0.0, 0.0, 4.0]
    assert gradient(value) == [0.0, 1.0, 2.0]


# ------------------------------------------------------------------------------ masks


def test_masks() -> None:
    x = leaf([[1.0, -2.0], [-3.0, 4.0]])
    positive = x[x > 0]
    assert positive.tolist() == [1.0, 4.0]
    positive.backward(np.array([5.0, 6.0]))
    assert gradient(x) == [[5.0, 0.0], [0.0, 6.0]]


def test_a_mask_of_nothing() -> None:
    x = leaf([1.0, 2.0])
    y = x[x > 5.0]
    assert y.shape == (0,)
    y.sum().backward()
    assert gradient(x) == [0.0, 0.0]


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(IndexError, match="boolean index did not match"):
        leaf([1.0, 2.0])[np.array([True, False, True])]


# ------------------------------------------------------------------------------ assignment


def test_setitem_is_recorded() -> None:
    x, value = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf(5.0)
    y = x * 2.0
    y[:, 0] = value
    (y * y).sum().backward()
    assert y.tolist() == [[5.0, 4.0], [5.0, 8.0]]
    assert gradient(x) == [[0.0, 16.0], [0.0, 32.0]]
    assert gradient(value) == 20.0


def test_setitem_where_a_mask_holds() -> None:
    x = leaf([1.0, -2.0])
    y = x * 1.0
    y[y < 0] = 0.0
    y.sum().backward()
    assert gradient(x) == [1.0, 0.0]


def test_setitem_converts_the_value() -> None:
    x = mg.zeros(2)
    x[0] = np.float64(1.5)
    x[1] = 2
    assert x.dtype == np.float32
    assert x.tolist() == [1.5, 2.0]


def test_setitem_on_a_leaf_is_refused_before_it_changes() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(AutogradError, match="leaf"):
        x[0] = 5.0
    assert x.tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------ later changes


def test_an_index_that_changes_afterwards_does_not_matter() -> None:
    x = leaf([1.0, 2.0, 3.0])
    for position in (np.array([0, 0]), Tensor(np.array([0, 0]))):
        x.grad = None
        y = x[position]
        (position.array if isinstance(position, Tensor) else position).fill(2)
        y.sum().backward()
        assert gradient(x) == [2.0, 0.0, 0.0]


def test_a_gather_index_that_changes_afterwards_is_found() -> None:
    x, index = leaf([1.0, 2.0, 3.0]), Tensor(np.array([0, 0]))
    y = mg.gather(x, 0, index)
    index[0] = 2
    with pytest.raises(AutogradError, match="changed in place"):
        y.sum().backward()


# ------------------------------------------------------------------------------ orders


def test_every_order_through_index_and_gather() -> None:
    rng = np.random.default_rng(3)
    x, rows = rng.normal(size=(4, 3)), np.array([2, 0, 2])

    def function(t: Tensor) -> Tensor:
        picked = t[rows] * mg.gather(t, 1, np.array([[0, 0, 2]] * 4))[:3]
        return index_put(picked * picked, [0, 0], t[:2])

    def slope(t: Tensor) -> Tensor:
        (gradient,) = mg.grad(function(t).square().sum(), t, create_graph=True)
        assert gradient is not None
        return gradient

    gradgradcheck(function, x)
    gradgradcheck(slope, x, rtol=1e-5)


# ------------------------------------------------------------------------------ entries


def test_integers_of_every_kind() -> None:
    x = mg.tensor([10, 20, 30])
    for one in (1, np.int32(1), np.array(1), mg.tensor(1), -2, np.uint8(1)):
        assert x[one].item() == 20
    assert x[mg.tensor(1) :].tolist() == [20, 30]
    assert x[True].shape == (1, 3)
    assert x[np.False_].shape == (0, 3)
    assert x[range(2)].tolist() == [10, 20]
    assert x[()].shape == (3,)


def test_iteration_and_unpacking() -> None:
    x = leaf([1.0, 2.0])
    first, second = x
    (first * second).backward()
    assert gradient(x) == [2.0, 1.0]
