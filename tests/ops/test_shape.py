"""Shapes and splitting; views and their memory are in ``test_views.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AutogradError, ShapeError
from minigrad.ops.index import index
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck
from minigrad.testing.strategies import float_arrays, layouts


def matrix() -> Tensor:
    return Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)


def test_expanded_memory_is_read_only() -> None:
    wide = mg.ones(1, 3).expand(2, 3)
    with pytest.raises(ValueError, match="read-only"):
        wide.array[0, 0] = 2.0
    with pytest.raises(AutogradError, match="read-only"):
        wide.mul_(2.0)


def test_contiguous_keeps_what_is() -> None:
    x = mg.ones(2, 3)
    assert x.contiguous() is x
    copy = x.T.contiguous()
    assert copy.is_contiguous()
    assert copy.shape == (3, 2)


def test_reshape_of_rank_0_and_of_nothing() -> None:
    assert mg.reshape(mg.tensor(1.0), (1, 1)).shape == (1, 1)
    assert mg.flatten(mg.tensor(1.0)).shape == (1,)
    assert mg.reshape(mg.zeros(0, 3), (0, 5)).shape == (0, 5)
    assert mg.squeeze(mg.zeros(1, 1)).shape == ()
    assert mg.squeeze(mg.zeros(2, 1), 0).shape == (2, 1)
    assert mg.permute(mg.tensor(1.0), ()).shape == ()


@given(float_arrays(low=-1.0), st.data())
def test_layouts_do_not_matter(values: Any, data: st.DataObject) -> None:
    """Strides of any order and sign: a view of them and its gradient are as NumPy says."""
    x = data.draw(layouts(values))
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    np.testing.assert_array_equal(mg.permute(x, order).array, values.transpose(order))
    flat = mg.reshape(mg.permute(x, order), -1)
    np.testing.assert_array_equal(flat.array, values.transpose(order).reshape(-1))
    gradcheck(lambda t: mg.reshape(mg.permute(t, order), -1), x, max_elements=8)


@given(st.integers(0, 7), st.integers(1, 9))
def test_parts_make_up_the_whole(length: int, size: int) -> None:
    x = np.arange(2.0 * length).reshape(2, length)
    for parts in (mg.split(x, size, 1), mg.chunk(x, size, 1)):
        np.testing.assert_array_equal(mg.cat(parts, 1).array, x)
    assert len(mg.chunk(x, size, 1)) <= size
    assert [part.shape for part in mg.unbind(x, 1)] == [(2,)] * length


def test_chunks_are_as_many_as_in_pytorch() -> None:
    """Six elements in four chunks have length two: the fourth would be empty."""
    assert [part.shape[0] for part in mg.chunk(mg.zeros(6), 4)] == [2, 2, 2]
    assert [part.shape[0] for part in mg.chunk(mg.zeros(5), 2)] == [3, 2]


def test_cat_promotes() -> None:
    single = Tensor(np.ones(1, np.float32), requires_grad=True)
    double = Tensor(np.ones(2), requires_grad=True)
    joined = mg.cat([single, double, np.arange(2)])
    assert joined.dtype == np.float64
    joined.backward(np.arange(5.0))
    assert single.grad is not None
    assert single.grad.dtype == np.float32
    assert double.grad is not None
    assert double.grad.tolist() == [1.0, 2.0]


def test_numpys_names() -> None:
    x: Any = matrix()  # NumPy's types know arrays only
    a = x.array
    for ours, numpys in (
        (np.reshape(x, (3, -1)), np.reshape(a, (3, -1))),
        (np.ravel(x), np.ravel(a)),
        (np.transpose(x), a.T),
        (np.matrix_transpose(x), a.T),
        (np.swapaxes(x, 0, -1), a.T),
        (np.moveaxis(x, 0, -1), a.T),
        (np.squeeze(x[:1], axis=0), a[0]),
        (np.expand_dims(x, (0, -1)), a[None, :, :, None]),
        (np.broadcast_to(x, (2, 2, 3)), np.broadcast_to(a, (2, 2, 3))),
        (np.concatenate([x, x], axis=1), np.concatenate([a, a], axis=1)),
        (np.concatenate([x, x], axis=None), np.concatenate([a, a], axis=None)),
        (np.concatenate([x, a]), np.concatenate([a, a])),
        (np.stack([x, x], axis=-1), np.stack([a, a], axis=-1)),
        (np.vstack([x, x[0]]), np.vstack([a, a[0]])),
        (np.hstack([x, x]), np.hstack([a, a])),
        (np.split(x, 3, axis=1)[2], np.split(a, 3, axis=1)[2]),
        (np.split(x, [1, 2], axis=-1)[1], np.split(a, [1, 2], axis=-1)[1]),
        (np.flip(x), np.flip(a)),
        (np.flip(x, 1), np.flip(a, 1)),
        (np.atleast_1d(x.sum()), np.atleast_1d(a.sum())),
        (np.atleast_2d(x[0]), np.atleast_2d(a[0])),
    ):
        assert isinstance(ours, Tensor)
        assert ours.requires_grad
        np.testing.assert_array_equal(ours.array, numpys)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: np.reshape(t, 6, order="F"), ValueError, "order='C' only, got 'F'"),
        (lambda t: np.squeeze(t, axis=0), ShapeError, "not of length 1"),
        (lambda t: np.split(t, 2, axis=1), ShapeError, "2 equal parts.*length 3"),
    ],
)
def test_numpys_names_with_what_has_no_meaning(
    call: Callable[[Tensor], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(matrix())


def test_index_of_a_list_of_a_view() -> None:
    """The gradient of a view of a view reaches the leaf, where it belongs."""
    x = matrix()
    index(x.T[1:], [1, 1]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0, 2.0], [0.0, 0.0, 2.0]]
