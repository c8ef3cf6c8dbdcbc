"""Which results share memory with what they were made of, and what follows: docs/tensors.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import AutogradError
from minigrad.tensor import Tensor
from minigrad.typing import Array

View = Callable[[Tensor], Tensor]

VIEWS: dict[str, View] = {
    "transpose": lambda t: t.transpose(0, 1),
    "swapaxes": lambda t: t.swapaxes(0, -1),
    "swapdims": lambda t: t.swapdims(0, 1),
    "permute": lambda t: t.permute(1, 0),
    "movedim": lambda t: t.movedim(0, 1),
    "T": lambda t: t.T,
    "mT": lambda t: t.mT,
    "t": lambda t: t.t(),
    "squeeze": lambda t: t[:1].squeeze(),
    "unsqueeze": lambda t: t.unsqueeze(1),
    "integer": lambda t: t[1],
    "integers": lambda t: t[0, 1],
    "slice": lambda t: t[:, ::-2],
    "None": lambda t: t[..., None, 1:],
    "select": lambda t: t.select(1, 2),
    "narrow": lambda t: t.narrow(1, 1, 2),
    "split": lambda t: t.split(2, 1)[0],
    "chunk": lambda t: t.chunk(2, 1)[1],
    "tensor_split": lambda t: t.tensor_split(2, 1)[1],
    "hsplit": lambda t: t.hsplit(3)[1],
    "vsplit": lambda t: t.vsplit([1])[0],
    "dsplit": lambda t: t.unsqueeze(0).dsplit(3)[2],
    "unbind": lambda t: t.unbind(1)[2],
    "flip": lambda t: t.flip(0, 1),
    "fliplr": lambda t: t.fliplr(),
    "flipud": lambda t: t.flipud(),
    "rot90": lambda t: t.rot90(),
    "rot90, no turn": lambda t: t.rot90(4),
    "diagonal": lambda t: t.diagonal(1),
    "atleast_1d": lambda t: mg.atleast_1d(t),
    "atleast_2d": lambda t: mg.atleast_2d(t[0]),
    "atleast_3d": lambda t: mg.atleast_3d(t),
    "reshape": lambda t: t.reshape(3, 2),
    "view": lambda t: t.view(6),
    "view_as": lambda t: t.view_as(mg.zeros(6, 1)),
    "flatten": lambda t: t.flatten(),
    "ravel": lambda t: t.ravel(),
    "unflatten": lambda t: t.unflatten(1, (3, 1)),
}

READ_ONLY: dict[str, View] = {
    "expand": lambda t: t.expand(2, -1, -1),
    "expand_as": lambda t: t.expand_as(mg.zeros(2, 2, 3)),
    "broadcast_to": lambda t: t.broadcast_to((1, 2, 3)),
    "broadcast_tensors": lambda t: mg.broadcast_tensors(mg.zeros(2, 1, 1), t)[1],
    "meshgrid": lambda t: mg.meshgrid(t[0], t[1])[0],
}

ROWS = np.array([1, 0])

COPIES: dict[str, View] = {
    "clone": lambda t: t.clone(),
    "contiguous": lambda t: t.T.contiguous(),
    "to": lambda t: t.to(mg.float32),
    "float": lambda t: t.float(),
    "reshape": lambda t: t.T.reshape(-1),
    "ravel": lambda t: t.T.ravel(),
    "flatten": lambda t: t.flip(1).flatten(),
    "array": lambda t: t[ROWS],
    "list": lambda t: t[[0, 1]],
    "booleans": lambda t: t[t > -1],
    "take": lambda t: t.take(ROWS),
    "index_select": lambda t: t.index_select(0, ROWS),
    "gather": lambda t: t.gather(0, np.array([[0, 1, 0]])),
    "take_along_dim": lambda t: t.take_along_dim(np.array([[0], [1]]), 1),
    "masked_select": lambda t: t.masked_select(np.ones((2, 3), bool)),
    "diag": lambda t: t.diag(),
    "diag_embed": lambda t: t.diag_embed(),
    "diagflat": lambda t: t.diagflat(),
    "tril": lambda t: t.tril(5),
    "triu": lambda t: t.triu(-5),
    "cat": lambda t: mg.cat([t]),
    "stack": lambda t: mg.stack([t]),
    "hstack": lambda t: mg.hstack([t]),
    "vstack": lambda t: mg.vstack([t]),
    "dstack": lambda t: mg.dstack([t]),
    "column_stack": lambda t: mg.column_stack([t]),
    "tile": lambda t: t.tile(1),
    "repeat": lambda t: t.repeat(1, 1),
    "repeat_interleave": lambda t: t.repeat_interleave(1, 0),
    "roll": lambda t: t.roll(0, 0),
    "pad": lambda t: mg.pad(t, (0, 0)),
    "pad, reflect": lambda t: mg.pad(t, (0, 0), mode="reflect"),
    "sort": lambda t: t.sort().values,
    "topk": lambda t: t.topk(3).values,
}


def over(table: dict[str, View]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("view", table.values(), ids=table.keys())


def numbered() -> Tensor:
    """Return a leaf whose elements are their own places."""
    return Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)


def places(shown: Tensor) -> Array:
    """Return of which element of `numbered` each element is a copy, or a view."""
    return shown.array.astype(int)


@over(VIEWS | READ_ONLY)
def test_memory_and_versions_are_shared(view: View) -> None:
    base = numbered() * 1.0
    shown = view(base)
    assert np.shares_memory(shown.array, base.array)
    assert shown.counter is base.counter
    assert shown.requires_grad


@over(VIEWS)
def test_a_view_may_be_written_to(view: View) -> None:
    """Without recording; the base has the new values, and the other way round."""
    base = numbered() * 1.0
    shown = view(base)
    reached = np.isin(np.arange(6).reshape(2, 3), places(shown))
    with mg.no_grad():
        shown.add_(100.0)
    np.testing.assert_array_equal(base.array >= 100.0, reached)
    assert shown._version == base._version == 1
    with mg.no_grad():
        base.fill_(-1.0)
    assert (shown.array == -1.0).all()
    assert shown._version == base._version == 2


@over(READ_ONLY)
def test_a_read_only_view_may_not(view: View) -> None:
    base = numbered() * 1.0
    shown = view(base)
    before = base.array.copy()
    with mg.no_grad(), pytest.raises(AutogradError, match="read-only"):
        shown.add_(1.0)
    np.testing.assert_array_equal(base.array, before)
    assert base._version == 0


@over(VIEWS)
def test_backward_sees_a_change_through_the_view(view: View) -> None:
    base = numbered() * 1.0
    shown = view(base)
    squared = base * base
    with mg.no_grad():
        shown.add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        squared.sum().backward()


@over(VIEWS | READ_ONLY)
def test_backward_of_the_view_sees_a_change_of_the_base(view: View) -> None:
    base = numbered() * 1.0
    shown = view(base)
    squared = shown * shown
    with mg.no_grad():
        base.add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        squared.sum().backward()


@over(VIEWS)
def test_neither_changes_in_place_while_recording(view: View) -> None:
    base = numbered() * 1.0
    shown = view(base)
    before = base.array.copy()
    for tensor in (base, shown):
        with pytest.raises(AutogradError, match="shares memory with a view"):
            tensor.mul_(2.0)
    np.testing.assert_array_equal(base.array, before)
    assert base._version == 0


@over(VIEWS)
def test_the_base_changes_in_place_when_the_view_is_gone(view: View) -> None:
    leaf = numbered()
    base = leaf * 1.0
    total = view(base).sum()  # the view itself dies here
    base.mul_(3.0)
    (base.sum() + total).backward()
    reached = np.isin(np.arange(6).reshape(2, 3), places(view(numbered())))
    assert leaf.grad is not None
    np.testing.assert_array_equal(leaf.grad.array, 3.0 + reached)


@over(VIEWS | READ_ONLY)
def test_gradients_reach_the_elements_that_are_seen(view: View, rng: np.random.Generator) -> None:
    leaf = numbered()
    shown = view(leaf)
    upstream = rng.normal(size=shown.shape)
    shown.backward(upstream)
    expected = np.zeros(6)
    np.add.at(expected, places(shown).reshape(-1), upstream.reshape(-1))
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.array, expected.reshape(2, 3), rtol=1e-14)


@over(VIEWS | READ_ONLY)
def test_views_of_a_leaf_leave_it_a_leaf(view: View) -> None:
    leaf = numbered()
    shown = view(leaf)
    assert leaf.is_leaf
    assert not shown.is_leaf
    with pytest.raises(AutogradError, match="leaf that requires a gradient"):
        leaf.add_(1.0)


@over(COPIES)
def test_copies_share_nothing(view: View) -> None:
    base = numbered() * 1.0
    copy = view(base)
    before = copy.array.copy()
    assert not np.shares_memory(copy.array, base.array)
    assert copy.counter is not base.counter
    assert copy.array.flags.writeable
    base.mul_(5.0)  # while recording: nothing is alive that it would falsify
    np.testing.assert_array_equal(copy.array, before)
    copy.mul_(7.0)
    np.testing.assert_array_equal(base.array, 5.0 * np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("same", [Tensor.contiguous, Tensor.double, lambda t: t.to("float64")])
def test_nothing_to_change_is_the_tensor_itself(same: Callable[[Tensor], Tensor]) -> None:
    base = numbered()
    assert same(base) is base


def test_detach_is_a_view_without_a_history() -> None:
    base = numbered() * 1.0
    squared = base * base
    base.detach().zero_()
    assert (base.array == 0.0).all()
    with pytest.raises(AutogradError, match="changed in place"):
        squared.sum().backward()


def test_assigning_to_the_base_is_the_remedy() -> None:
    leaf = numbered()
    value = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    base = leaf * 2.0
    base[:, 1] = value * 3.0
    base.backward(np.arange(6.0).reshape(2, 3))
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [[0.0, 0.0, 4.0], [6.0, 0.0, 10.0]]
    assert value.grad is not None
    assert value.grad.tolist() == [3.0, 12.0]


def test_the_page_names_what_is_tested() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tensors.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:6]
    names = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    indexing = {"None", "integer", "integers", "slice", "array", "list", "booleans"}

    def tested(table: dict[str, Any]) -> set[str]:
        return {name.split(",")[0] for name in table} - indexing

    assert names[0] - {"None", "detach"} == tested(VIEWS) - names[1]
    assert names[1] <= tested(VIEWS)
    assert names[2] == tested(READ_ONLY)
    assert names[4] == tested(COPIES) - names[1] - names[3]
