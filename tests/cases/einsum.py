"""Einstein's summation, and the ops that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.contraction import Contract, PutDiagonal, TakeDiagonal
from minigrad.tensor import Tensor
from minigrad.typing import Array, Shape
from tests.cases import BadInput, Case


def normals(equation: str, *shapes: Shape) -> Any:
    """Return a drawer of an equation and arrays."""
    return lambda rng: (equation, *[rng.normal(size=shape) for shape in shapes])


CONTRACTIONS: tuple[tuple[str, Shape, Shape], ...] = (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("Ab,bA->bA", (2, 3), (3, 2)),
    ("ij,j", (2, 3), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("bi,bi->b", (3, 2), (3, 2)),
    ("bij,bj->ib", (3, 2, 4), (3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 2, 3), (2, 2, 2, 3)),
    ("ijk,jkl->li", (2, 3, 2), (3, 2, 2)),
    ("ij,ij->ji", (2, 3), (2, 3)),
    (",i->i", (), (3,)),
    (",", (), ()),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (2, 3, 2)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("...,...", (2, 3), (3,)),
    ("ij,jk->ik", (2, 1), (3, 2)),  # the axis of length one broadcasts
    ("ij,jk->ijk", (1, 3), (1, 2)),
    (" i j , j ", (2, 3), (3,)),
    ("iij,jkk->ik", (2, 2, 3), (3, 2, 2)),
)

MANY: tuple[tuple[str, tuple[Shape, ...]], ...] = (
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
    ("ia,ja,ka->ijk", ((2, 2), (2, 2), (3, 2))),
    ("i,j,k", ((2,), (2,), (2,))),
    ("ij,ij,ij->", ((2, 3), (2, 3), (2, 3))),
    (",ij,jk", ((), (2, 3), (3, 2))),
    ("abc,ad,be,cf->def", ((2, 2, 2), (2, 3), (2, 2), (2, 1))),
    ("bi,oij,bj->bo", ((2, 3), (2, 3, 2), (2, 2))),
)

SINGLE: tuple[tuple[str, Shape], ...] = (
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iji->ji", (2, 3, 2)),
    ("iiji->j", (2, 2, 3, 2)),
    ("...ii->...", (2, 3, 3)),
)


def reference_contract(a: Array, b: Array, *, left: str, right: str, output: str) -> Any:
    return np.einsum(f"{left},{right}->{output}", a, b)


def contract(a: Tensor, b: Tensor, **letters: str) -> Any:
    return apply(Contract, a, b, **letters)


def diagonal_embed(x: Tensor, **kwargs: Any) -> Any:
    return apply(PutDiagonal, x, **kwargs)


def reference_diagonal_embed(x: Array, *, letters: str, output: str, shape: Shape) -> Array:
    y = np.zeros(shape)
    for i in range(shape[0]):
        y[i, :, i] = x[i]
    return y


CASES = [
    Case(
        Contract,
        mg.einsum,
        normals("ij,jk->ik", (2, 3), (3, 2)),
        np.einsum,
        empty=("ij,jk->ik", np.ones((2, 0)), np.ones((0, 3))),
        errors=[
            BadInput(
                ("ij,jk", np.ones((2, 3)), np.ones((4, 2))),
                ShapeError,
                r"'j' of 'ij,jk' has length 3 in operand 0, of shape \(2, 3\), and 4 in operand 1",
            ),
            BadInput(
                ("i,j,ij", np.ones(1), np.ones(3), np.ones((2, 4))),
                ShapeError,
                "'j' of 'i,j,ij' has length 3 in operand 1.* and 4 in operand 2",
            ),
            BadInput(
                ("...i,...i", np.ones((2, 3)), np.ones((4, 3))),
                ShapeError,
                r"an axis of '\.\.\.' of .* has length 2 in operand 0.* and 4 in operand 1",
            ),
            BadInput(
                ("ij,j", np.ones(3), np.ones(3)),
                ShapeError,
                "operand 0 has 1 axes, but 'ij' of 'ij,j' names 2",
            ),
            BadInput(
                ("j,i", np.ones(3), np.ones((3, 3))), ShapeError, "operand 1 has 2 axes.* names 1"
            ),
            BadInput(
                ("i...,i", np.ones(()), np.ones(3)), ShapeError, "operand 0 has 0 axes.* names 1"
            ),
            BadInput(
                ("ii", np.ones((1, 3))), ShapeError, r"'i' of 'ii' is twice in operand 0.*\[1, 3\]"
            ),
            BadInput(("ij->k", np.ones((2, 3))), ValueError, "'k' in the output.* of no operand"),
            BadInput(("ij->ii", np.ones((2, 3))), ValueError, "'i' in the output.* there twice"),
            BadInput(("i$", np.ones((2, 3))), ValueError, r"'\$' in 'i\$'; expected letters"),
            BadInput(("i->j->i", np.ones(2)), ValueError, "'-' in 'i->j->i'; expected letters"),
            BadInput(("....", np.ones(2)), ValueError, r"'\.' in '\.\.\.\.'; expected letters"),
            BadInput(("i,j", np.ones(2)), ValueError, "each of the 2 terms of 'i,j', got 1"),
            BadInput(("",), ValueError, "each of the 1 terms of '', got 0"),
            BadInput((np.ones(2), ["i"]), ValueError, r"lists of integers from 0 to 51.*\['i'\]"),
            BadInput((np.ones(2), [52]), ValueError, r"lists of integers from 0 to 51.*\[52\]"),
            BadInput(("i", np.ones(2, bool)), DTypeError, "einsum of booleans: expected numbers"),
        ],
    ),
    *(
        Case(Contract, mg.einsum, normals(equation, a, b), np.einsum, id=f"{equation} {a} {b}")
        for equation, a, b in CONTRACTIONS
    ),
    *(
        Case(Contract, mg.einsum, normals(equation, *shapes), np.einsum, id=equation)
        for equation, shapes in MANY
    ),
    *(
        Case(TakeDiagonal, mg.einsum, normals(equation, shape), np.einsum, id=equation)
        for equation, shape in SINGLE
    ),
    *(
        Case(None, mg.einsum, normals(equation, (2, 3)), np.einsum, id=equation)
        for equation in ("ij->ji", "ba", "ij->", "ij->i", "...->...", "i...->...")
    ),
    Case(
        None,
        mg.einsum,
        lambda rng: ("ij,jk,j->k", *[rng.integers(-5, 5, size=s) for s in ((2, 3), (3, 2), (3,))]),
        np.einsum,
        id="integers",
        differentiable=False,
    ),
    Case(
        Contract,
        contract,
        lambda rng: (rng.normal(size=(2, 3, 2)), rng.normal(size=(3, 2))),
        reference_contract,
        {"left": "abc", "right": "bc", "output": "ca"},
        id="as an op",
    ),
    Case(
        PutDiagonal,
        diagonal_embed,
        lambda rng: (rng.normal(size=(2, 3)),),
        reference_diagonal_embed,
        {"letters": "iji", "output": "ij", "shape": (2, 3, 2)},
    ),
]
