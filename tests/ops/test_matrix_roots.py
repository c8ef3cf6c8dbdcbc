"""The inverse square root where eigenvalues are equal or close, and what it is an inverse of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""Some hundred roundings in float64, for condition numbers of order 1."""

SPECTRA = {
    "all equal": (2.0, 2.0, 2.0),
    "two equal": (0.5, 3.0, 3.0),
    "nearly equal": (1.0, 1.0 + 1e-12, 1.0 + 1e-7),
    "far apart": (0.2, 1.0, 10.0),
}


def with_spectrum(w: tuple[float, ...], rng: np.random.Generator) -> Array:
    q = np.linalg.qr(rng.normal(size=(len(w), len(w))))[0]
    return np.asarray((q * np.asarray(w)) @ q.T)


def root(a: Any) -> Any:
    return mg.linalg.inverse_sqrt((a + np.swapaxes(a, -1, -2)) * 0.5)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_derivatives_where_eigenvectors_have_none(spectrum: str, rng: np.random.Generator) -> None:
    a = with_spectrum(SPECTRA[spectrum], rng)
    gradcheck(root, a)
    gradgradcheck(root, a)
    gradgradcheck(root, a, order=3)


def test_the_gradient_at_a_multiple_of_one(rng: np.random.Generator) -> None:
    """``d (c 1 + h)**-0.5 = -c**-1.5 h / 2``: exact, and symmetric."""
    a = mg.tensor(4.0 * np.eye(3), requires_grad=True)
    upstream = rng.normal(size=(3, 3))
    mg.linalg.inverse_sqrt(a).backward(mg.tensor(upstream))
    expected = -(upstream + upstream.T) / 2 / 16
    np.testing.assert_allclose(np.asarray(a.grad), expected, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_it_is_the_inverse_of_the_root(spectrum: str, rng: np.random.Generator) -> None:
    w = SPECTRA[spectrum]
    a = with_spectrum(w, rng)
    y = np.asarray(mg.linalg.inverse_sqrt(mg.tensor(a)))
    condition = max(w) / min(w)
    np.testing.assert_allclose(y @ a @ y, np.eye(3), rtol=0, atol=FLOAT64 * condition)
    np.testing.assert_allclose(y, y.T, rtol=FLOAT64 * condition, atol=FLOAT64 * condition)
    assert np.all(np.linalg.eigvalsh(y) > 0)


def test_only_the_lower_triangle_is_read() -> None:
    a = np.array([[2.0, np.nan], [0.5, 1.0]])
    full = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_array_equal(
        np.asarray(mg.linalg.inverse_sqrt(mg.tensor(a))),
        np.asarray(mg.linalg.inverse_sqrt(mg.tensor(full))),
    )


def test_what_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"inverse_sqrt: .*square matrices .*, got \(2, 3\)"):
        mg.linalg.inverse_sqrt(mg.ones(2, 3))
    with pytest.raises(DTypeError, match="inverse_sqrt of int64"):
        mg.linalg.inverse_sqrt(np.ones((2, 2), np.int64))
