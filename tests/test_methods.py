"""Methods that `Tensor` inherits from `minigrad.methods`: each hands on what it is given."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.methods import TensorMethods
from minigrad.tensor import Tensor

INDEX = np.array([[2, 0], [1, 1]])
ROWS = np.array([1, 0, 1])
MASK = np.array([[True, False, True], [False, False, True]])
SRC = np.array([[5.0, 6.0], [7.0, 8.0]])

Row = tuple[str, tuple[Any, ...], dict[str, Any]]

CALLS: list[Row] = [
    ("cumsum", (1,), {"dtype": np.float32}),
    ("cumprod", (-1,), {"dtype": np.float32}),
    ("logcumsumexp", (0,), {}),
    ("cummax", (1,), {}),
    ("cummin", (0,), {}),
    ("diff", (2, 1), {}),
    ("diff", (), {"dim": 0, "prepend": np.ones((1, 3)), "append": np.zeros((2, 3))}),
    ("prod", (1, True), {"dtype": np.float32}),
    ("logsumexp", ((0, 1), True), {}),
    ("nansum", (0, True), {"dtype": np.float32}),
    ("nanmean", (1, True), {"dtype": np.float32}),
    ("median", (), {}),
    ("median", (1, True), {}),
    ("kthvalue", (2, 0, True), {}),
    ("sort", (0, True), {"stable": True}),
    ("argsort", (0,), {"descending": True}),
    ("msort", (), {}),
    ("topk", (1, 0, False, True), {}),
    ("repeat", (2, 1, 2), {}),
    ("tile", (2, 3), {}),
    ("repeat_interleave", (2, 1), {}),
    ("roll", ((1, 2), (0, 1)), {}),
    ("select", (1, 2), {}),
    ("narrow", (1, 1, 2), {}),
    ("tensor_split", (2, 1), {}),
    ("hsplit", (3,), {}),
    ("vsplit", (2,), {}),
    ("diagonal", (1,), {}),
    ("diagonal", (), {"offset": 0, "dim1": 1, "dim2": 0}),
    ("diag", (1,), {}),
    ("diag_embed", (1, 0, 2), {}),
    ("diagflat", (-1,), {}),
    ("trace", (), {}),
    ("tril", (1,), {}),
    ("triu", (1,), {}),
    ("ravel", (), {}),
    ("unflatten", (1, (3, 1)), {}),
    ("swapaxes", (0, 1), {}),
    ("swapdims", (0, 1), {}),
    ("movedim", (0, 1), {}),
    ("broadcast_to", ((4, 2, 3),), {}),
    ("fliplr", (), {}),
    ("flipud", (), {}),
    ("rot90", (1, (1, 0)), {}),
    ("scatter", (1, INDEX, SRC), {}),
    ("scatter_add", (1, INDEX, SRC), {}),
    ("index_add", (0, ROWS, np.ones((3, 3))), {"alpha": 2.0}),
    ("index_copy", (0, ROWS, np.ones((3, 3))), {}),
    ("index_fill", (1, ROWS, 9.0), {}),
    ("masked_select", (MASK,), {}),
    ("masked_fill", (MASK, 9.0), {}),
    ("take_along_dim", (INDEX, 1), {}),
    ("take", (INDEX,), {}),
    ("heaviside", (SRC[:, :1],), {}),
    ("lerp", (SRC[:, :1], 0.25), {}),
    ("addcmul", (SRC[:, :1], SRC[:, 1:]), {"value": 3.0}),
    ("addcdiv", (SRC[:, :1], SRC[:, 1:]), {"value": 3.0}),
    ("nan_to_num", (1.0, 2.0, 3.0), {}),
    ("logit", (0.1,), {}),
    ("xlogy", (SRC[:, :1],), {}),
    ("sinc", (), {}),
    ("copysign", (-SRC[:, :1],), {}),
    ("isclose", (SRC[:, :1], 0.0, 5.5, True), {}),
    ("nonzero", (), {}),
    ("nonzero", (), {"as_tuple": True}),
    ("argwhere", (), {}),
    ("count_nonzero", (1,), {}),
    ("unique", (True, True, True, 1), {}),
]
"""For a matrix; those for Tensors of other shapes and those that return a bool are below."""

OTHERS = {"dsplit", "outer", "bincount", "allclose", "equal"}


def same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, tuple):
        for one, other in zip(a, b, strict=True):
            same(one, other)
        return
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a.array, b.array)


@pytest.mark.parametrize(("name", "arguments", "options"), CALLS)
def test_method_is_the_function(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], rng: np.random.Generator
) -> None:
    x = Tensor(rng.uniform(0.1, 0.9, size=(2, 3)))
    function: Callable[..., Any] = getattr(mg, name)
    given = (arguments,) if name in ("repeat", "tile") else arguments
    same(getattr(x, name)(*arguments, **options), function(x, *given, **options))


IN_PLACE = {row[0] for row in CALLS if hasattr(Tensor, f"{row[0]}_")}


@pytest.mark.parametrize(
    ("name", "arguments", "options"), [row for row in CALLS if row[0] in IN_PLACE]
)
def test_method_in_place(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], rng: np.random.Generator
) -> None:
    values = rng.uniform(0.1, 0.9, size=(2, 3))
    upstream = rng.normal(size=(2, 3))
    leaves = [Tensor(values.copy(), requires_grad=True) for _ in range(2)]
    expected = getattr(leaves[0] * leaves[0], name)(*arguments, **options)
    changed = leaves[1] * leaves[1]
    assert getattr(changed, f"{name}_")(*arguments, **options) is changed
    np.testing.assert_array_equal(changed.array, expected.array)
    assert changed._version == 1
    for result in (expected, changed):
        result.backward(upstream)
    gradients = [leaf.grad for leaf in leaves]
    assert gradients[0] is not None
    assert gradients[1] is not None
    np.testing.assert_array_equal(gradients[1].array, gradients[0].array)


def test_the_other_methods() -> None:
    x = mg.tensor([1.0, 2.0])
    assert x.outer(x).tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert x.reshape(1, 1, 2).dsplit(2)[1].tolist() == [[[2.0]]]
    assert mg.tensor([0, 2]).bincount(mg.tensor([1.0, 3.0]), 4).tolist() == [1.0, 0.0, 3.0, 0.0]
    assert x.allclose(x + 1.0) is False
    assert x.allclose(x + 1.0, 0.0, 1.0) is True
    assert (x * np.nan).allclose(x * np.nan, equal_nan=True) is True
    assert x.equal(x.clone()) is True
    assert x.equal(x[:1]) is False
    assert x.repeat((2, 1)).shape == x.tile((2, 1)).shape == (2, 2)


def test_every_method_is_tried() -> None:
    methods = {name for name in vars(TensorMethods) if name[0] != "_"}
    assert methods == {row[0] for row in CALLS} | OTHERS | {f"{name}_" for name in IN_PLACE}
    assert len(IN_PLACE) == 6


def test_signatures_are_those_of_the_functions() -> None:
    """Names, order and defaults; but for `self`, and for sizes one by one."""
    for name in {row[0] for row in CALLS} | OTHERS - {"repeat", "tile"}:
        if name in ("repeat", "tile"):
            continue
        method = list(inspect.signature(getattr(TensorMethods, name)).parameters.values())[1:]
        function = list(inspect.signature(getattr(mg, name)).parameters.values())[1:]
        for one, other in zip(method, function, strict=True):
            known = {"b": "other", "y": "other"}.get(other.name, other.name)
            assert (one.name, one.kind) == (known, other.kind), name
            if not (name == "logsumexp" and one.name == "dim"):  # required, as in PyTorch
                assert one.default == other.default, name


def test_documented_in_one_line() -> None:
    for name, method in vars(TensorMethods).items():
        if name[0] != "_":
            verb = "(Write|Add|Replace|Set)" if name[-1] == "_" else "Return"
            assert re.fullmatch(rf"{verb} .*\.", method.__doc__ or ""), name


def test_numpy_names_of_what_has_another_name_in_pytorch() -> None:
    x = mg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert np.cumprod(x).tolist() == [1.0, 2.0, 6.0, 24.0, 120.0, 720.0]  # of all, flattened
    assert np.cumprod(x, 0).tolist() == [[1.0, 2.0, 3.0], [4.0, 10.0, 18.0]]
    first, second = np.array_split(x, 2, axis=1)
    assert first.tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert second.tolist() == [[3.0], [6.0]]
    wide, tall = np.broadcast_arrays(mg.ones(2, 1), mg.zeros(3))
    assert wide.tolist() == [[1.0] * 3] * 2
    assert tall.tolist() == [[0.0] * 3] * 2
    with pytest.raises(DTypeError, match="does not take copy=False"):
        np.nan_to_num(x, copy=False)
    take_along_axis: Any = np.take_along_axis
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(3, 1\) do not broadcast but for axis 1"):
        take_along_axis(x, mg.tensor([[0], [1], [2]]), 1)
