"""Padding, repeating and writing: dtypes, digits, memory, and what is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - as everyone calls it
from minigrad.tensor import Tensor
from minigrad.testing.strategies import shapes

MODES = st.sampled_from(["constant", "reflect", "replicate", "circular"])
NUMPY_MODES: dict[str, Any] = {
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


ONE: Any = 1.0  # not an integer, although it could be one


@given(shapes(min_dims=1, max_dims=3), MODES, st.data())
def test_padding_is_numpys(shape: tuple[int, ...], mode: str, data: st.DataObject) -> None:
    x = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    most = [{"reflect": n - 1, "circular": n}.get(mode, 3) for n in shape]
    widths = [(data.draw(st.integers(0, m)), data.draw(st.integers(0, m))) for m in most]
    flat = [width for pair in widths[::-1] for width in pair]
    expected = np.pad(x, widths, NUMPY_MODES[mode])
    np.testing.assert_array_equal(F.pad(x, flat, mode).array, expected)
    t: Any = Tensor(x, requires_grad=True)
    padded: Any = np.pad(t, widths, NUMPY_MODES[mode])
    assert padded.requires_grad
    np.testing.assert_array_equal(padded.array, expected)


@given(shapes(min_dims=1, max_dims=3), st.data())
def test_padding_and_its_opposite(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    flat = [data.draw(st.integers(0, 3)) for _ in range(2 * len(shape))]
    grown = mg.pad(x, flat)
    np.testing.assert_array_equal(mg.pad(grown, [-width for width in flat]).array, x)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8, np.float32])
def test_padding_keeps_the_dtype(dtype: Any) -> None:
    x = np.ones((1, 2), dtype)
    for mode in NUMPY_MODES:
        assert mg.pad(x, (1, 1), mode).dtype == dtype
    assert mg.pad(x, (1, 0)).tolist() == [[0, 1, 1]]


def test_padding_value_has_all_digits() -> None:
    assert mg.pad(np.ones(1), (1, 0), value=0.1).tolist() == [0.1, 1.0]
    assert mg.pad(np.ones(1, int), (1, 0), value=2.0).tolist() == [2, 1]
    assert mg.pad(np.ones(1), (1, 0), value=np.inf).tolist() == [np.inf, 1.0]


@pytest.mark.parametrize(
    ("widths", "options", "error", "message"),
    [
        (-1, {}, ValueError, "must be 0 or more"),
        (1.5, {}, DTypeError, "a width must be an integer, got .*float"),
        (((1, 2, 3),), {}, ShapeError, "a pair for each of 2 axes"),
        (1, {"mode": "linear_ramp"}, ValueError, "got 'linear_ramp'"),
        (1, {"mode": "reflect", "reflect_type": "odd"}, DTypeError, "reflect_type="),
    ],
)
def test_what_numpys_pad_refuses(
    widths: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    x: Any = mg.zeros(2, 3)
    with pytest.raises(error, match=message):
        np.pad(x, widths, **options)
    with pytest.raises(ShapeError, match="nothing to repeat"):
        np.pad(mg.zeros(0), 1, "edge")


def test_a_padding_value_has_no_gradient() -> None:
    value: Any = mg.tensor(1.0, requires_grad=True)
    x: Any = mg.zeros(2)
    with pytest.raises(AutogradError, match="got a Tensor that requires a gradient"):
        mg.pad(x, (1, 1), value=value)
    with pytest.raises(AutogradError, match="constant_values requires a gradient"):
        np.pad(x, 1, constant_values=value)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda x: mg.diff(x, ONE), "diff: n"),
        (lambda x: mg.topk(x, ONE), "topk: k"),
        (lambda x: mg.kthvalue(x, ONE), "kthvalue: k"),
        (lambda x: mg.narrow(x, 0, ONE, 1), "narrow: start"),
        (lambda x: mg.narrow(x, 0, 0, ONE), "narrow: length"),
        (lambda x: mg.select(x, 0, ONE), "select: index"),
        (lambda x: mg.rot90(x, ONE), "rot90: k"),
        (lambda x: mg.tensor_split(x, ONE), "tensor_split: indices_or_sections"),
        (lambda x: mg.tensor_split(x, [ONE]), "tensor_split: a place"),
        (lambda x: mg.hsplit(x, ONE), "hsplit: parts"),
        (lambda x: mg.diagonal(x, ONE), "diagonal: offset"),
        (lambda x: mg.diag(x, ONE), "diag: diagonal"),
        (lambda x: mg.diag_embed(x, ONE), "diag_embed: offset"),
        (lambda x: mg.tril(x, ONE), "tril: diagonal"),
        (lambda x: mg.triu(x, ONE), "triu: diagonal"),
        (lambda x: mg.bincount([1, 2], minlength=ONE), "bincount: minlength"),
    ],
)
def test_what_counts_is_an_integer(call: Callable[[Tensor], Any], argument: str) -> None:
    with pytest.raises(DTypeError, match=f"{argument} must be an integer, got .*float"):
        call(mg.ones(2, 2))


def test_widths_by_axis() -> None:
    """As NumPy takes them from version 2.2 on."""
    x: Any = mg.ones(1, 2)
    assert np.pad(x, {-1: (1, 0)}).tolist() == [[0.0, 1.0, 1.0]]
    widths: Any = {0: 1, 1: (0, 1)}
    assert np.pad(x, widths).tolist() == [[0.0] * 3, [1.0, 1.0, 0.0], [0.0] * 3]


def test_written_numbers_have_all_digits() -> None:
    """A Python float becomes float32 alone, but not on its way to float64."""
    x = mg.zeros(3, dtype=np.float64)
    x[0] = 0.1
    assert x.tolist() == [0.1, 0.0, 0.0]
    assert mg.full_like(x, 0.1).tolist() == [0.1] * 3
    assert x.clone().fill_(0.1).tolist() == [0.1] * 3
    places = np.array([0])
    assert mg.index_fill(x, 0, places, 0.3).tolist() == [0.3, 0.0, 0.0]
    assert mg.index_copy(x, 0, places, [0.3]).tolist() == [0.3, 0.0, 0.0]
    assert mg.scatter(x, 0, places, 0.3).tolist() == [0.3, 0.0, 0.0]
    assert mg.masked_fill(x, x > 0, 0.3).tolist() == [0.3, 0.0, 0.0]
    assert mg.masked_fill(x.float(), x > 0, 0.3).dtype == np.float32
    assert mg.nan_to_num(x * np.nan, nan=0.3).tolist() == [0.3] * 3


def test_what_is_overwritten_has_no_gradient() -> None:
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    upstream = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mg.scatter(x, 1, np.array([[1], [0]]), 9.0).backward(upstream)
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 0.0, 3.0], [0.0, 5.0, 6.0]]


def test_one_value_filled_twice_counts_once() -> None:
    value = Tensor(np.array(2.0), requires_grad=True)
    filled = mg.index_fill(mg.zeros(3, dtype=np.float64), 0, np.array([2, -1, 2]), value)
    assert filled.tolist() == [0.0, 0.0, 2.0]
    filled.backward(np.array([1.0, 2.0, 4.0]))
    assert value.grad is not None
    assert value.grad.item() == 4.0


def test_nothing_shares_memory_with_the_index() -> None:
    """An index that is changed afterwards does not change the gradient."""
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    places = np.array([0, 2])
    src = Tensor(np.ones((2, 2)), requires_grad=True)
    y = mg.index_add(x, 1, places, src) + mg.index_copy(x, 1, places, src)
    z = mg.scatter(x, 1, places.reshape(1, 2), 1.0)
    upstream = np.arange(6.0).reshape(2, 3)
    places[:] = 1
    (y + z).backward(upstream)
    assert src.grad is not None
    assert src.grad.tolist() == [[0.0, 4.0], [6.0, 10.0]]
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 3.0, 2.0], [6.0, 12.0, 10.0]]


@pytest.mark.parametrize("function", [mg.tril, mg.triu])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_triangles_keep_the_dtype(function: Any, dtype: Any) -> None:
    assert function(np.ones((2, 2), dtype)).dtype == dtype


def test_what_a_triangle_leaves_out_has_no_gradient() -> None:
    x = Tensor(np.array([[1.0, np.nan], [2.0, np.inf]]), requires_grad=True)
    y = mg.tril(x)
    assert y.tolist() == [[1.0, 0.0], [2.0, np.inf]]
    y.backward(np.array([[1.0, np.nan], [3.0, 4.0]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 0.0], [3.0, 4.0]]


def test_a_diagonal_may_be_written_to() -> None:
    x = mg.zeros(2, 2)
    x.diagonal().fill_(3.0)
    assert x.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    wide = mg.ones(1, 2).expand(2, 2).diagonal()
    assert not wide.array.flags.writeable


@given(st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_parts_differ_by_one_at_most(length: int, sections: int, numpy: bool) -> None:
    x: Any = mg.arange(length)
    parts = np.array_split(x, sections) if numpy else mg.tensor_split(x, sections)
    lengths = [len(part) for part in parts]
    assert len(lengths) == sections
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)
    np.testing.assert_array_equal(mg.cat(parts).array, np.arange(length))


def test_repeats_are_copied() -> None:
    counts = np.array([1, 2])
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = mg.repeat_interleave(x, counts)
    counts[:] = 0
    y.backward(np.array([1.0, 2.0, 4.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 6.0]


def test_numpys_meshgrid_copies() -> None:
    x: Any = mg.tensor([1.0, 2.0], requires_grad=True)
    grids = np.meshgrid(x, np.arange(3.0))
    assert grids[0].shape == (3, 2)
    assert grids[0].requires_grad
    assert grids[0].array.flags.writeable
    with pytest.raises(DTypeError, match="sparse=True"):
        np.meshgrid(x, x, sparse=True)
