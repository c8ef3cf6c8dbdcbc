"""Products of vectors, matrices and arrays: NumPy's spellings, orders, and chains."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import Node
from minigrad.ops.linalg import MatMul
from minigrad.ops.matrix_products import _best_splits
from minigrad.tensor import Tensor
from minigrad.testing import gradgradcheck
from minigrad.typing import Array, Shape

TOLERANCE = 1e-12


def normals(*shapes: Shape) -> list[Array]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda a, b: mg.tensordot(a, b, ([0], [1])), ((3, 2), (2, 3))),
        (mg.inner, ((2, 3), (2, 3))),
        (mg.kron, ((2, 2), (1, 2))),
        (mg.cross, ((2, 3), (1, 3))),
        (mg.linalg.vecdot, ((2, 3), (3,))),
        (lambda *chain: mg.linalg.multi_dot(chain), ((2, 3), (3, 1), (1, 2))),
        (lambda x, a, b: mg.addmm(x, a, b, beta=0.5, alpha=2.0), ((2,), (2, 3), (3, 2))),
    ],
)
def test_every_order(function: Callable[..., Any], shapes: tuple[Shape, ...], order: int) -> None:
    gradgradcheck(lambda *xs: function(*xs) ** 2, normals(*shapes), order=order, max_elements=4)


def test_numpys_spellings() -> None:
    a, b = normals((2, 3), (2, 3))
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    linalg: Any = np.linalg  # NumPy's types lack the axis of vecdot
    pairs: list[tuple[Any, Any]] = [
        (np.tensordot(x, y, axes=([0], [0])), np.tensordot(a, b, axes=([0], [0]))),
        (np.linalg.tensordot(x, y, axes=2), np.tensordot(a, b, axes=2)),
        (np.inner(x, b), np.inner(a, b)),
        (np.vdot(x, y), np.vdot(a, b)),
        (np.kron(a, y), np.kron(a, b)),
        (np.cross(x, y), np.cross(a, b)),
        (np.cross(x.T, y, axisa=0, axisc=0), np.cross(a.T, b, axisa=0, axisc=0)),
        (np.cross(x.T, y.T, axis=0), np.cross(a.T, b.T, axis=0)),
        (np.linalg.cross(x, y), np.linalg.cross(a, b)),
        (linalg.vecdot(x, y, axis=0), np.sum(a * b, axis=0)),
        (np.vecdot(x, b), np.sum(a * b, axis=1)),
        (np.linalg.multi_dot([x, y.T, x]), np.linalg.multi_dot([a, b.T, a])),
    ]
    for actual, desired in pairs:
        assert actual.requires_grad
        np.testing.assert_allclose(actual.array, desired, rtol=TOLERANCE, atol=TOLERANCE)


def test_methods() -> None:
    a, b = (Tensor(x) for x in normals((2, 3), (3, 2)))
    stack_a, stack_b = (Tensor(x) for x in normals((2, 2, 3), (2, 3, 2)))
    v, square = b[:, 0], a @ b
    pairs = [
        (a.mm(b), a.array @ b.array),
        (a.mv(v), a.array @ v.array),
        (stack_a.bmm(stack_b), stack_a.array @ stack_b.array),
        (square.addmm(a, b, beta=2, alpha=3), 5 * square.array),
        (square[0].addmv(a, v, alpha=2), square.array[0] + 2 * a.array @ v.array),
        (square.baddbmm(stack_a, stack_b, beta=0), stack_a.array @ stack_b.array),
        (a.inner(a), a.array @ a.array.T),
        (v.vdot(v), v.array @ v.array),
        (v.kron(v), np.kron(v.array, v.array)),
        (b.cross(b + 1.0, 0), np.cross(b.array, b.array + 1.0, axis=0)),
    ]
    for actual, desired in pairs:
        np.testing.assert_allclose(actual.array, desired, rtol=TOLERANCE)


def test_beta_of_zero_ignores_what_would_be_added() -> None:
    nan = mg.full((2, 2), np.nan)
    assert mg.addmm(nan, mg.ones(2, 3), mg.ones(3, 2), beta=0).tolist() == [[3.0, 3.0]] * 2


def test_dtypes_are_promoted() -> None:
    single, double = mg.ones(3), mg.ones(3).double()
    for function in (mg.inner, mg.vdot, mg.kron, mg.cross, mg.linalg.vecdot):
        assert function(single, double).dtype == np.float64
        assert function(single, mg.arange(3)).dtype == np.float32
        assert function(mg.arange(3), mg.arange(3)).dtype == np.int64


def test_a_chain_is_multiplied_in_the_best_order() -> None:
    """The example of Cormen et al., section 15.2, figure 15.5."""
    splits = _best_splits([30, 35, 15, 5, 10, 20, 25])
    assert (splits[0, 5], splits[0, 2], splits[3, 5]) == (2, 0, 4)


def test_a_chain_that_ends_in_a_vector_multiplies_vectors() -> None:
    a, b, c = (Tensor(x, requires_grad=True) for x in normals((50, 50), (50, 50), (50,)))
    pending = [mg.linalg.multi_dot([a, b, c]).node]
    sizes = []
    while pending:
        node = pending.pop()
        assert node is not None
        if node.op is MatMul:
            sizes.append(math.prod(node.shape))
        pending += [edge for edge in node.edges if isinstance(edge, Node)]
    assert sizes == [50, 50]


@pytest.mark.parametrize(
    ("name", "shapes", "kwargs"),
    [
        ("tensordot", ((2, 3, 4), (4, 3, 2)), {"dims": ([1, 2], [1, 0])}),
        ("tensordot", ((2, 3), (3, 4)), {"dims": 1}),
        ("inner", ((2, 3), (4, 3)), {}),
        ("kron", ((2, 3), (2,)), {}),
        ("addmm", ((2, 2), (2, 3), (3, 2)), {"beta": 0.3, "alpha": 1.7}),
        ("baddbmm", ((2, 1, 2), (2, 2, 3), (2, 3, 2)), {"beta": 0.3}),
        ("linalg.cross", ((2, 3), (2, 3)), {}),
        ("linalg.vecdot", ((2, 3), (2, 3)), {"dim": 0}),
    ],
)
def test_pytorch_agrees(name: str, shapes: tuple[Shape, ...], kwargs: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours: Any = mg
    theirs = torch
    for part in name.split("."):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    arrays = normals(*shapes)
    leaves = [Tensor(x, requires_grad=True) for x in arrays]
    others = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, desired = ours(*leaves, **kwargs), theirs(*others, **kwargs)
    np.testing.assert_allclose(y.array, desired.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    (y**2).sum().backward()
    (desired**2).sum().backward()
    for leaf, other in zip(leaves, others, strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(
            leaf.grad.array, other.grad.numpy(), rtol=TOLERANCE, atol=TOLERANCE
        )
