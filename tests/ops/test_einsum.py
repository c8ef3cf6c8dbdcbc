"""Equations of any form against NumPy's, at every order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.engine import Node
from minigrad.errors import ShapeError
from minigrad.ops.contraction import Contract
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.testing.strategies import seeds
from minigrad.typing import Array, Shape

TOLERANCE = 1e-12


def normals(*shapes: Shape, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@st.composite
def equations(draw: st.DrawFn) -> tuple[str, list[Shape]]:
    """Draw an equation of one to four operands, with diagonals and axes that broadcast."""
    lengths = {letter: draw(st.integers(1, 3)) for letter in "abcD"}
    count = draw(st.integers(1, 4))
    terms = [draw(st.text("abcD", max_size=3)) for _ in range(count)]
    shapes: list[Shape] = []
    for term in terms:
        # Of an axis that broadcasts, NumPy takes no diagonal.
        ones = {c for c in term if term.count(c) == 1 and draw(st.booleans()) and count > 1}
        shapes.append(tuple(1 if c in ones else lengths[c] for c in term))
    if draw(st.booleans()):
        return ",".join(terms), shapes
    found = sorted(set("".join(terms)))
    output = draw(st.permutations(found))[: draw(st.integers(0, len(found)))]
    return f"{','.join(terms)}->{''.join(output)}", shapes


@given(equations(), seeds())
def test_random_equations(drawn: tuple[str, list[Shape]], seed: int) -> None:
    equation, shapes = drawn
    operands = normals(*shapes, seed=seed)
    result = mg.einsum(equation, *operands)
    desired = np.einsum(equation, *operands)
    assert result.shape == desired.shape
    np.testing.assert_allclose(result.array, desired, rtol=TOLERANCE, atol=TOLERANCE)
    gradcheck(lambda *xs: mg.einsum(equation, *xs), operands, max_elements=8)


@given(equations(), seeds())
def test_random_equations_at_third_order(drawn: tuple[str, list[Shape]], seed: int) -> None:
    equation, shapes = drawn
    operands = normals(*shapes, seed=seed)

    def cubed(*xs: Tensor) -> Tensor:
        return mg.einsum(equation, *xs) ** 3

    gradgradcheck(cubed, operands, order=3, max_elements=2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [("ij,jk->ik", ((2, 3), (3, 2))), ("ii,ij,kj->k", ((2, 2), (2, 3), (2, 3)))],
)
def test_every_order(equation: str, shapes: tuple[Shape, ...]) -> None:
    operands = normals(*shapes)
    for order in (2, 3):
        gradgradcheck(lambda *xs: mg.einsum(equation, *xs), operands, order=order, rtol=1e-5)


def test_integers_in_place_of_letters() -> None:
    a, b = (Tensor(x, requires_grad=True) for x in normals((2, 3), (2, 3, 4)))
    for function in (mg.einsum, np.einsum):
        product: Any = function(a, [0, 1], b, [0, 1, 2], [2, 0])
        np.testing.assert_allclose(
            product.array, np.einsum(a.array, [0, 1], b.array, [0, 1, 2], [2, 0]), rtol=TOLERANCE
        )
        assert product.requires_grad
    with_ellipsis = mg.einsum(a, [..., 1], a, [..., 1])
    np.testing.assert_allclose(with_ellipsis.array, np.sum(a.array**2, axis=1), rtol=TOLERANCE)


def test_numpys_arguments() -> None:
    a, b = (Tensor(x, requires_grad=True) for x in normals((2, 3), (3, 2)))
    for optimize in (False, True, "greedy"):
        product: Any = np.einsum("ij,jk", a, b, optimize=optimize)
        assert product.node is not None
        np.testing.assert_allclose(product.array, a.array @ b.array, rtol=TOLERANCE)
    mixed: Any = np.einsum("ij,jk", a.array, b)
    assert isinstance(mixed, Tensor)


def test_an_ellipsis_that_the_output_lacks_is_summed() -> None:
    (x,) = normals((2, 3, 4))
    np.testing.assert_allclose(mg.einsum("...i->i", x).array, x.sum((0, 1)), rtol=TOLERANCE)


def test_dtypes_are_promoted() -> None:
    a, b = mg.ones(2, 3), mg.arange(3)
    assert mg.einsum("ij,j->i", a, b).dtype == np.float32
    assert mg.einsum("ij,j->i", a.double(), a[0]).dtype == np.float64
    small = Tensor(np.array([[1, 2], [3, 4]], np.int32))
    assert mg.einsum("ij->j", small).dtype == np.int32
    assert mg.einsum("ij->j", small).tolist() == [4, 6]


def test_one_operand_and_no_sum_is_a_view() -> None:
    x = Tensor(np.zeros((3, 3)))
    for equation in ("ij->ji", "ii->i", "ij"):
        assert np.shares_memory(mg.einsum(equation, x).array, x.array)


def sizes(node: Node | None) -> list[int]:
    """Return the number of elements of each contraction behind a node."""
    if node is None:
        return []
    found = [int(np.prod(node.shape))] if node.op is Contract else []
    return found + [n for edge in node.edges if isinstance(edge, Node) for n in sizes(edge)]


def test_many_operands_are_contracted_in_a_good_order() -> None:
    """From the left, the product would have 100 x 100 elements on the way."""
    a, b, c = (Tensor(x, requires_grad=True) for x in normals((100, 2), (2, 100), (100, 3)))
    product = mg.einsum("ij,jk,kl->il", a, b, c)
    assert sorted(sizes(product.node)) == [6, 300]


def test_what_one_operand_alone_has_is_summed_first() -> None:
    a, b = (Tensor(x, requires_grad=True) for x in normals((2, 50), (2, 3)))
    product = mg.einsum("ij,ik->ik", a, b)
    assert sizes(product.node) == [6]
    product.sum().backward()
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.array, np.repeat(b.array.sum(1)[:, None], 50, axis=1))


def test_nothing_is_read_of_what_is_empty() -> None:
    product = mg.einsum("ij,jk,k->i", np.ones((2, 0)), np.ones((0, 3)), np.ones(3))
    np.testing.assert_array_equal(product.array, np.zeros(2))
    assert mg.einsum("ij,jk->ik", np.ones((0, 2)), np.ones((2, 3))).shape == (0, 3)


def test_more_axes_than_letters() -> None:
    many = np.ones((1,) * 30)
    with pytest.raises(ValueError, match="needs more than 52 letters"):
        mg.einsum("abcdefghijklmnopqrstuvwxyzABC...->...", np.ones((1,) * 60))
    with pytest.raises(ShapeError, match="operand 0 has 30 axes"):
        mg.einsum("i", many)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 3, 4))),
        ("...ij,...j->...i", ((2, 1, 3, 4), (5, 4))),
        ("ii", ((4, 4),)),
        ("bn,anm,bm->ba", ((2, 3), (5, 3, 4), (2, 4))),
        ("i,i", ((1,), (4,))),
        ("aB,Ba", ((2, 3), (3, 2))),
    ],
)
def test_pytorch_agrees(equation: str, shapes: tuple[Shape, ...]) -> None:
    torch = pytest.importorskip("torch")
    operands = normals(*shapes)
    ours = [Tensor(x, requires_grad=True) for x in operands]
    theirs = [torch.tensor(x, requires_grad=True) for x in operands]
    y, desired = mg.einsum(equation, *ours), torch.einsum(equation, *theirs)
    np.testing.assert_allclose(y.array, desired.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    (upstream,) = normals(y.shape, seed=1)
    y.backward(np.asarray(upstream))
    desired.backward(torch.tensor(upstream))
    for x, other in zip(ours, theirs, strict=True):
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.array, other.grad.numpy(), rtol=TOLERANCE, atol=TOLERANCE)
