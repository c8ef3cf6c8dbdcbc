"""Statistics of a union are those of its parts, merged."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import ChannelStatistics, merge_statistics
from minigrad.testing.strategies import seeds
from minigrad.typing import Array

EPS = float(np.finfo(np.float64).eps)


def of(x: Array) -> ChannelStatistics:
    """Return the statistics of the rows of x, shape (n, C), in extended precision, rounded once."""
    if not len(x):
        return ChannelStatistics(0, np.full(x.shape[1], 7.0), np.full(x.shape[1], np.nan))
    wide = x.astype(np.longdouble)
    mean = wide.mean(axis=0)
    var = np.square(wide - mean).mean(axis=0)
    return ChannelStatistics(len(x), mean.astype(np.float64), var.astype(np.float64))


def assert_close(found: ChannelStatistics, x: Array) -> None:
    """Compare with the statistics of x, up to what rounding the parts' means costs.

    A mean is rounded to ``EPS * |mean|``, which moves the squares of the distances between parts,
    of order std, by twice the product.
    """
    expected, size = of(x), np.abs(x).max(axis=0)
    np.testing.assert_array_equal(found.n, expected.n)
    assert (np.abs(found.mean - expected.mean) <= 4.0 * EPS * size).all()
    allowed = 8.0 * EPS * (expected.var + size * np.sqrt(expected.var) + EPS * np.square(size))
    assert (np.abs(found.var - expected.var) <= allowed).all()


@st.composite
def chunked(draw: st.DrawFn) -> list[Array]:
    """Draw chunks of data, uneven and empty ones among them, with |mean|/std up to 1e6."""
    sizes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
    channels = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(seeds()))
    offset = draw(st.sampled_from([0.0, 1.0, -1e3, 1e6]))
    scale = draw(st.sampled_from([1.0, 1e-15, 1e15]))
    spread = rng.uniform(0.5, 2.0, channels) * draw(st.sampled_from([1.0, 0.0]))
    return [
        (rng.normal(size=(size, channels)) * spread + rng.normal(size=channels) + offset) * scale
        for size in sizes
    ]


@given(chunked())
def test_chunks_have_the_statistics_of_their_concatenation(chunks: list[Array]) -> None:
    assert_close(merge_statistics([of(chunk) for chunk in chunks]), np.concatenate(chunks))


@given(chunked(), st.integers(0, 6))
def test_merging_is_associative(chunks: list[Array], place: int) -> None:
    parts = [of(chunk) for chunk in chunks]
    halves = [merge_statistics(half) for half in (parts[:place], parts[place:]) if half]
    assert_close(merge_statistics(halves), np.concatenate(chunks))
    assert_close(merge_statistics(reversed(parts)), np.concatenate(chunks))


@given(chunked())
def test_a_part_alone_comes_back_bit_for_bit(chunks: list[Array]) -> None:
    part = of(np.concatenate(chunks))
    empty = of(chunks[0][:0])
    for parts in ([part], [empty, part], [part, empty, empty]):
        for found, given_ in zip(merge_statistics(parts), part, strict=True):
            np.testing.assert_array_equal(found, given_)


def test_two_parts_against_exact_fractions() -> None:
    """The formula of Chan, Golub & LeVeque, on integers far from zero."""
    first, second = [10**9 + k for k in (1, 2, 6)], [10**9 + k for k in (-4, 11)]
    together = [Fraction(value) for value in first + second]
    mean = sum(together) / len(together)
    var = sum((value - mean) ** 2 for value in together) / len(together)
    found = merge_statistics([of(np.array(part, np.float64)[:, None]) for part in (first, second)])
    assert found.n == 5
    assert abs(float(Fraction(float(found.mean[0])) - mean)) <= EPS * 1e9
    assert abs(float(Fraction(float(found.var[0])) - var)) <= 1e-6  # means are rounded to 1e-7
    assert math.isclose(float(found.m2[0]), float(5 * var), rel_tol=1e-6)


def test_equal_means_are_met_exactly() -> None:
    """They are measured from one of them, not from that of a part without values."""
    value = 1e6 + 1.0 / 3.0
    parts = [(0, [0.0], [0.0]), *((n, [value], [0.0]) for n in (3, 4, 7))]
    _, mean, var = merge_statistics(parts)
    assert (mean.item(), var.item()) == (value, 0.0)


def test_channels_may_differ_in_size() -> None:
    x = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0], [9.0, 90.0]])
    parts = [
        ChannelStatistics(np.array([3, 0]), np.array([3.0, np.nan]), x[:3].var(0) * [1, np.nan]),
        ChannelStatistics(np.array([1, 2]), np.array([9.0, 75.0]), np.array([0.0, 225.0])),
    ]
    n, mean, var = merge_statistics(parts)
    np.testing.assert_array_equal(n, [4, 2])
    np.testing.assert_allclose(mean, [4.5, 75.0], rtol=4 * EPS)
    np.testing.assert_allclose(var, [x[:, 0].var(), 225.0], rtol=4 * EPS)


def test_weights_need_not_be_whole() -> None:
    n, mean, var = merge_statistics([(0.5, [1.0], [0.0]), (1.5, [3.0], [0.0])])
    assert (n, mean.item(), var.item()) == (2.0, 2.5, 0.75)


def test_no_values_at_all() -> None:
    n, mean, var = merge_statistics([(0, [1.0, 2.0], [0.0, 1.0])] * 2)
    assert n == 0
    assert np.isnan(mean).all()
    assert np.isnan(var).all()
    n, mean, var = merge_statistics([(np.array([0, 2]), [5.0, 2.0], [5.0, 1.0])])
    np.testing.assert_array_equal(mean, [np.nan, 2.0])
    np.testing.assert_array_equal(var, [np.nan, 1.0])


def test_values_that_are_not_finite_propagate() -> None:
    parts = [(2, [np.nan, np.inf, 1.0], [1.0, np.nan, 1.0]), (2, [1.0, 1.0, 1.0], [1.0] * 3)]
    for order in (parts, parts[::-1]):
        _, mean, var = merge_statistics(order)
        np.testing.assert_array_equal(mean, [np.nan, np.inf, 1.0])
        np.testing.assert_array_equal(var, [np.nan, np.nan, 1.0])


def test_nothing_overflows_before_the_variance_does() -> None:
    _, mean, var = merge_statistics([(10**6, [1e150], [1e303]), (10**6, [-1e150], [1e303])])
    assert mean.item() == 0.0
    np.testing.assert_allclose(var, 1e303 + 1e300, rtol=4 * EPS)


def test_forms_of_statistics() -> None:
    part = ChannelStatistics(4, np.array([1.0]), np.array([3.0]))
    np.testing.assert_array_equal(part.m2, [12.0])
    np.testing.assert_array_equal(part.unbiased_var, [4.0])
    np.testing.assert_array_equal(ChannelStatistics.from_m2(*part[:2], part.m2).var, part.var)
    np.testing.assert_array_equal(ChannelStatistics.from_m2(0, [1.0], [0.0]).var, [0.0])


@pytest.mark.parametrize(
    ("parts", "error", "match"),
    [
        ([], ShapeError, "at least one triple, got none"),
        ([(1, [0.0])], ShapeError, r"triple \(n, mean, var\), got 2"),
        ([(1, [0.0], [0.0, 0.0])], ShapeError, r"same shape \(C,\), got \(1,\) and \(2,\)"),
        ([(1, 0.0, 0.0)], ShapeError, r"got \(\) and \(\)"),
        ([(1, [0.0], [0.0]), (1, [0.0] * 2, [0.0] * 2)], ShapeError, r"\(1,\).*got \(2,\)"),
        ([([1, 1], [0.0], [0.0])], ShapeError, r"n of shape \(2,\)"),
        ([(-1, [0.0], [0.0])], ValueError, "finite and >= 0, got -1"),
        ([(np.inf, [0.0], [0.0])], ValueError, "finite and >= 0, got inf"),
        ([(2, [0.0], [-1.0])], ValueError, "a variance is >= 0, got .*-1.0"),
        ([(2, ["a"], [1.0])], DTypeError, "mean must be real numbers"),
        ([(2, [1.0], [1j])], DTypeError, "var must be real numbers"),
        (3, DTypeError, "parts must be a sequence"),
    ],
)
def test_what_is_refused(parts: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        merge_statistics(parts)
