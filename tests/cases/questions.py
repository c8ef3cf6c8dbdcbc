"""Where, how many, how close."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.typing import Array
from tests.cases import BadInput, Case

X = np.ones((2, 3))
NUMBERS = np.array([2, 0, 2, 5])


def signs(rng: np.random.Generator) -> tuple[Array]:
    return (rng.integers(-1, 2, size=(3, 4)),)


CASES = [
    Case(
        None,
        mg.isclose,
        lambda rng: (rng.integers(0, 2, size=(2, 3)), rng.integers(0, 2, size=3)),
        lambda a, b: np.isclose(a, b),
        differentiable=False,
        errors=[((X, np.ones(2)), ShapeError, r"\(2, 3\) and \(2,\) do not broadcast")],
        empty=(np.ones(0), 1.0),
    ),
    Case(
        None,
        mg.isclose,
        lambda rng: (np.array([1.0, 1.0, np.nan]), np.array([1.05, 1.2, np.nan])),
        lambda a, b, **kwargs: np.isclose(a, b, **kwargs),
        {"rtol": 0.1, "atol": 0.0, "equal_nan": True},
        differentiable=False,
        id="tolerances",
    ),
    *(
        Case(None, function, signs, lambda x: np.argwhere(x), differentiable=False)
        for function in (mg.nonzero, mg.argwhere)
    ),
    Case(
        None,
        mg.nonzero,
        signs,
        lambda x, as_tuple: np.nonzero(x),
        {"as_tuple": True},
        differentiable=False,
        id="tuple",
    ),
    *(
        Case(
            None,
            mg.searchsorted,
            lambda rng: (np.sort(rng.integers(0, 5, size=6)), rng.integers(0, 5, size=(2, 3))),
            lambda a, v, side=side, **kwargs: np.searchsorted(a, v, side),
            kwargs,
            differentiable=False,
            id=f"{kwargs}",
            errors=[
                BadInput((X, X[0]), ShapeError, r"leading axes of shape \(2, 3\), got \(3,\)", {}),
                BadInput((np.ones(()), X), ShapeError, "expected a vector", {}),
                BadInput((X[0], X), ValueError, "left or right, got 'up'", {"side": "up"}),
                BadInput(
                    (X[0], X), ValueError, "got 'left', right=True", {"side": "left", "right": True}
                ),
            ],
        )
        for kwargs, side in (({}, "left"), ({"right": True}, "right"), ({"side": "right"}, "right"))
    ),
    Case(
        None,
        mg.searchsorted,
        lambda rng: (np.sort(rng.normal(size=(2, 4)), -1), rng.normal(size=(2, 3))),
        lambda a, v: np.stack([np.searchsorted(*rows) for rows in zip(a, v, strict=True)]),
        differentiable=False,
        id="rows",
    ),
    *(
        Case(
            None,
            mg.unique,
            signs,
            lambda x, dim=None: np.unique(x, axis=dim),
            kwargs,
            differentiable=False,
            errors=[BadInput((X, True, False, False, 2), ShapeError, "unique: dim must be", {})],
        )
        for kwargs in ({}, {"dim": 1})
    ),
    Case(
        None,
        mg.bincount,
        lambda rng: (NUMBERS,),
        lambda x, **kwargs: np.bincount(x, **kwargs),
        {"minlength": 8},
        differentiable=False,
        errors=[
            BadInput((X[0],), DTypeError, "expected integers, got float64", {}),
            BadInput((np.ones((2, 2), int),), ShapeError, r"a vector, got shape \(2, 2\)", {}),
            BadInput((-NUMBERS,), ValueError, "0 or more, got -5", {}),
            BadInput((NUMBERS, None, -1), ValueError, "minlength must be >= 0, got -1", {}),
            BadInput((NUMBERS, X[0]), ShapeError, r"weights must have shape \(4,\), got", {}),
        ],
        empty=(np.zeros(0, int),),
    ),
]


def question(function: Any) -> Any:
    """Return a function whose answer is a Python bool as one that returns a Tensor."""

    def call(*arguments: Any, **kwargs: Any) -> Any:
        answer = function(*arguments, **kwargs)
        assert type(answer) is bool
        return mg.tensor(answer)

    call.__name__ = function.__name__
    return call


CASES += [
    Case(None, question(function), draw, reference, differentiable=False, errors=errors)
    for function, reference, errors in (
        (
            mg.allclose,
            lambda a, b: np.allclose(a, b),
            [((X, np.ones(2)), ShapeError, "do not broadcast")],
        ),
        (mg.equal, lambda a, b: np.array_equal(a, b), ()),
    )
    for draw in (
        lambda rng: (X, X + 1e-12),
        lambda rng: (X, X.copy()),
        lambda rng: (X, np.ones(3)),
        lambda rng: (X, X + 1e-3),
    )
]
