"""Functions of ``minigrad.linalg`` beside those of ``torch.linalg``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing.strategies import float_arrays, seeds, shapes
from minigrad.typing import Array
from tests.differential.compare import Call
from tests.differential.entry import Entry, torch
from tests.differential.inputs import Inputs, dims, matrices, products


def _orthogonal(rng: np.random.Generator, n: int) -> Array:
    """Return an orthogonal matrix: the first factor of a random one."""
    return np.asarray(np.linalg.qr(rng.standard_normal((n, n)))[0])


@st.composite
def with_spectrum(draw: st.DrawFn, /, *, symmetric: bool = False, **keywords: Any) -> Call:
    """Draw matrices whose singular values, or eigenvalues, lie apart: 1, 2, 3..."""
    rng = np.random.default_rng(draw(seeds()))
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    m = n if symmetric else m
    k = min(n, m)
    left = _orthogonal(rng, n)
    right = left if symmetric else _orthogonal(rng, m)
    x = (left[:, :k] * np.arange(1.0, k + 1.0)) @ right[:, :k].T
    return Call((x,), draw(st.fixed_dictionaries(keywords)))


def _with_options(inputs: Inputs, **keywords: Any) -> Inputs:
    given = st.fixed_dictionaries({n: st.sampled_from(v) for n, v in keywords.items()})
    return st.builds(lambda call, k: Call(call.arguments, k), inputs, given)


@st.composite
def of_axes(draw: st.DrawFn, orders: tuple[Any, ...], max_dims: int = 4) -> Call:
    """Draw an array, the order of a norm, axes and keepdim."""
    x = draw(float_arrays(shapes(min_dims=1, max_dims=max_dims), kinks=(0.0,)))
    axes = draw(dims(x.ndim))
    return Call((x, draw(st.sampled_from(orders)), axes, draw(st.booleans())))


def same(name: str, inputs: Inputs) -> Entry:
    return Entry(f"linalg.{name}", getattr(mg.linalg, name), getattr(torch.linalg, name), inputs)


def _without_signs(library: Any, name: str, **keywords: Any) -> Callable[..., Any]:
    """Return a decomposition with squares of vectors, whose signs nothing fixes."""

    def call(a: Any) -> Any:
        parts = getattr(library.linalg, name)(a, **keywords)
        return [part * part for part in parts]

    return call


def linear_algebra() -> list[Entry]:
    """Return the entries of ``minigrad.linalg``."""
    square, pair = matrices("square"), matrices("square", "nk")
    triangular = _with_options(pair, upper=[True, False], unitriangular=[True, False])
    decompositions = [
        Entry(
            f"linalg.{name}",
            _without_signs(mg, name, **keywords),
            _without_signs(torch, name, **keywords),
            inputs,
        )
        for name, keywords, inputs in (
            ("eigh", {}, with_spectrum(symmetric=True)),
            ("eigh", {"UPLO": "U"}, with_spectrum(symmetric=True)),
            ("svd", {"full_matrices": False}, with_spectrum()),
        )
    ]
    return [
        *(same(n, square) for n in ("det", "slogdet", "inv")),
        *(same("matrix_power", matrices("square", extra=(n,))) for n in (0, 3, -2)),
        same("cholesky", _with_options(matrices("positive"), upper=[True, False])),
        same("solve", pair),
        same("solve", _with_options(matrices("square", "kn"), left=[False])),
        same("solve_triangular", triangular),
        same("multi_dot", matrices("nk", "km", "mb").map(lambda c: Call((c.arguments,)))),
        same("matmul", products("matmul")),
        same("cross", matrices("n3", "n3")),
        same("vecdot", matrices("nk", "nk")),
        same("eigvalsh", with_spectrum(symmetric=True)),
        same("svdvals", with_spectrum()),
        *decompositions,
        same("vector_norm", of_axes((2, 1, np.inf, -np.inf, 3, 0.5, 0))),
        same("matrix_norm", with_spectrum(
            ord=st.sampled_from(["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]))),
        same("norm", of_axes((None,), max_dims=2).map(
            lambda c: Call((c.arguments[0], None, *c.arguments[2:])))),
        same("norm", with_spectrum(ord=st.sampled_from(["fro", "nuc", 1, 2, np.inf]))),
    ]  # fmt: skip
