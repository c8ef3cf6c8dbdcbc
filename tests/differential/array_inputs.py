"""Hypothesis strategies for functions that order, cut, repeat, scatter or search arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.strategies import broadcastable_arrays, float_arrays, seeds, shapes
from tests.differential.compare import Call, Fixed
from tests.differential.inputs import Inputs


def vectors(*more: st.SearchStrategy[Any]) -> Inputs:
    """Draw a vector, and further arguments."""
    arrays = float_arrays(shapes(min_dims=1, max_dims=1))
    return st.builds(lambda x, rest: Call((x, *rest)), arrays, st.tuples(*more))


def ranked(low: int, high: int, *more: st.SearchStrategy[Any], min_side: int = 0) -> Inputs:
    """Draw an array of ``low`` to ``high`` axes, and further arguments."""
    arrays = float_arrays(shapes(min_dims=low, max_dims=high, min_side=min_side))
    return st.builds(lambda x, rest: Call((x, *rest)), arrays, st.tuples(*more))


@st.composite
def along(draw: st.DrawFn, *, count: bool = False, min_dims: int = 0) -> Call:
    """Draw an array and an axis; before the axis a number up to its length."""
    x = draw(float_arrays(shapes(min_dims=min_dims)))
    dim = draw(st.integers(-max(x.ndim, 1), max(x.ndim, 1) - 1))
    length = x.shape[dim] if x.ndim else 1
    return Call((x, *((draw(st.integers(1, length)),) if count else ()), dim))


def with_nans(call: Call) -> Call:
    """Return the call with NaN in every third place of the array."""
    x = np.array(call.arguments[0])
    x.ravel()[2::3] = np.nan
    return Call((x, *call.arguments[1:]), call.keywords)


def all_have_numbers(call: Call) -> bool:
    """Keep calls whose means are of one number or more: of none, the gradients differ."""
    x, axes = call.arguments[:2]
    return not np.isnan(x).all(axis=axes if x.ndim else None).any()


@st.composite
def three(draw: st.DrawFn, /, **keywords: st.SearchStrategy[Any]) -> Call:
    """Draw three arrays that broadcast, the last away from 0."""
    a, b, c = draw(broadcastable_arrays(3))
    return Call((a, b, np.asarray(c * 0.25 + 1.0)), draw(st.fixed_dictionaries(keywords)))


@st.composite
def masked(draw: st.DrawFn, *, value: bool) -> Call:
    """Draw an array and a mask; a value to put there."""
    x = draw(float_arrays(shapes()))
    mask = np.asarray(draw(float_arrays(x.shape)) > 0)
    return Call((x, mask, *((draw(st.sampled_from([0.0, 2.5])),) if value else ())))


@st.composite
def nearly_equal(draw: st.DrawFn) -> Call:
    """Draw an array, one that is equal, near or not, and tolerances."""
    x = draw(float_arrays(shapes()))
    step = draw(st.sampled_from([0.0, 1e-3, 0.3]))
    return Call((Fixed(x), Fixed(x * (1.0 + step)), 1e-2, draw(st.sampled_from([0.0, 0.1]))))


@st.composite
def on_a_diagonal(draw: st.DrawFn, *, grows: int = 0, min_dims: int = 2) -> Call:
    """Draw an array, an offset, and two axes of it or of one with one more."""
    x = draw(float_arrays(shapes(min_dims=min_dims, max_dims=3)))
    first, second = draw(st.permutations(range(x.ndim + grows)))[:2]
    negative = draw(st.sampled_from([0, x.ndim + grows]))
    return Call((x, draw(st.integers(-2, 2)), first - negative, second))


@st.composite
def differences(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    keywords = {n: np.take(x, [0], dim) * 2 for n in draw(st.sets(st.sampled_from(
        ["prepend", "append"])))}  # fmt: skip
    return Call((x, draw(st.integers(0, 2)), dim), keywords)


@st.composite
def cut(draw: st.DrawFn, *, axis: int | None = None, min_dims: int = 1) -> Call:
    """Draw an array and how to cut it: into so many parts, or at these places; the axis."""
    x = draw(float_arrays(shapes(min_dims=min_dims)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1)) if axis is None else axis if x.ndim > 1 else 0
    places = draw(st.lists(st.integers(0, x.shape[dim]), max_size=3).map(sorted))
    parts = draw(st.integers(1, 4)) if axis is None else x.shape[dim]  # which divides its length
    how = draw(st.sampled_from([parts, tuple(places)]))
    return Call((x, how, dim) if axis is None else (x, how))


@st.composite
def several(draw: st.DrawFn, *, broadcast: bool = False, max_dims: int = 4) -> Call:
    """Draw a list of arrays, of shapes that broadcast or any."""
    if broadcast:
        return Call((list(draw(broadcastable_arrays(3))),))
    arrays = float_arrays(shapes(max_dims=max_dims))
    return Call((draw(st.lists(arrays, min_size=1, max_size=3)),))


@st.composite
def rotated(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=2)))
    return Call((x, draw(st.integers(-5, 5)), tuple(draw(st.permutations(range(x.ndim)))[:2])))


@st.composite
def rolled(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1)))
    dims = tuple(draw(st.permutations(range(x.ndim)))[: draw(st.integers(0, 2))])
    if not dims:
        return Call((x, draw(st.integers(-7, 7))))
    return Call((x, tuple(draw(st.integers(-7, 7)) for _ in dims), dims))


@st.composite
def repeated(draw: st.DrawFn, *, fewer: bool = False) -> Call:
    """Draw an array and how often to repeat it along each axis, and new ones in front."""
    x = draw(float_arrays(shapes(max_dims=3)))
    least = 0 if fewer else x.ndim
    return Call((x, tuple(draw(st.lists(st.integers(0, 3), min_size=least, max_size=x.ndim + 1)))))


@st.composite
def interleaved(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
    dim = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    length = x.size if dim is None else x.shape[dim]
    each = np.random.default_rng(draw(seeds())).integers(0, 3, length)
    return Call((x, draw(st.sampled_from([2, each])), dim))


@st.composite
def unflattened(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[dim]
    sizes = draw(st.sampled_from([(n, 1), (1, n, 1), (-1, n), (n,)] + [(2, -1)] * (n % 2 == 0)))
    return Call((x, dim, sizes))


@st.composite
def sliced(draw: st.DrawFn, form: str) -> Call:
    """Draw an array, an axis, and a place along it or a start and a length."""
    x = draw(float_arrays(shapes(min_dims=1)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    length = x.shape[dim]
    start = draw(st.integers(-length, length - 1))
    if form == "select":
        return Call((x, dim, start))
    return Call((x, dim, start, draw(st.integers(0, -start if start < 0 else length - start))))


@st.composite
def scattered(draw: st.DrawFn, form: str) -> Call:
    """Draw an array, an axis, different places along it, and what goes there."""
    x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
    dim = draw(st.integers(0, x.ndim - 1))
    rng = np.random.default_rng(draw(seeds()))
    count = draw(st.integers(1, x.shape[dim]))
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :])
    order: Any = rng.permutation(x.shape[dim])[:count]
    if form == "scatter":
        order = np.take(np.argsort(rng.standard_normal(x.shape), axis=dim), range(count), dim)
    values = {"fill": 2.5}.get(form)
    source = rng.standard_normal(shape) if values is None else values
    if form == "add":  # where several may go to one place
        order = rng.integers(0, x.shape[dim], count)
        return Call((x, dim, order, source), {"alpha": draw(st.sampled_from([1, 2.5]))})
    return Call((x, dim - draw(st.sampled_from([0, x.ndim])), order, source))


@st.composite
def taken_along(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
    rng = np.random.default_rng(draw(seeds()))
    if draw(st.booleans()):
        return Call((x, rng.integers(0, x.size, 3)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    lengths = [draw(st.sampled_from([1, n])) for n in x.shape]  # the others broadcast
    lengths[dim] = draw(st.integers(1, 4))
    return Call((x, rng.integers(0, x.shape[dim], lengths), dim))


@st.composite
def padded(draw: st.DrawFn) -> Call:
    """Draw an array, padding and a mode with the number of axes that PyTorch takes."""
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    if mode == "constant":
        x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
        count = draw(st.integers(1, x.ndim))
        low = -1 if min(x.shape) > 2 else 0
    else:
        count = draw(st.integers(1, 2))
        x = draw(float_arrays(shapes(min_dims=count + 2, max_dims=count + 2, min_side=2)))
        low = 0
    pad = tuple(draw(st.integers(low, 1)) for _ in range(2 * count))
    more = (draw(st.sampled_from([None, 2.5])),) if mode == "constant" else ()
    return Call((x, pad, mode, *more))


@st.composite
def counted(draw: st.DrawFn) -> Call:
    rng = np.random.default_rng(draw(seeds()))
    x = rng.integers(0, 5, draw(st.integers(1, 6)))
    weights = draw(st.sampled_from([None, Fixed(rng.standard_normal(len(x)))]))
    return Call((x, weights, draw(st.integers(0, 8))))


@st.composite
def with_repetitions(draw: st.DrawFn, *, axis: bool = True) -> Call:
    """Draw whole numbers, some of them equal, what to return, and maybe an axis."""
    rng = np.random.default_rng(draw(seeds()))
    x = rng.integers(0, 2, draw(shapes(min_dims=1, max_dims=3))).astype(np.float64)
    dims = [None, *range(-x.ndim, x.ndim)]
    keywords = {"dim": draw(st.sampled_from(dims))} if axis else {}
    return Call((Fixed(x), True, draw(st.booleans()), draw(st.booleans())), keywords)


@st.composite
def searched(draw: st.DrawFn) -> Call:
    """Draw sorted sequences and values, some of which are in them."""
    shape = draw(shapes(min_dims=1, max_dims=3))
    rng = np.random.default_rng(draw(seeds()))
    rows = np.sort(rng.integers(-3, 4, shape), axis=-1).astype(np.float64)
    values = rng.integers(-4, 5, (*shape[:-1], 3)).astype(np.float64)
    how: dict[str, Any] = draw(
        st.sampled_from([{}, {"right": True}, {"side": "left"}, {"side": "right"}])
    )
    return Call((Fixed(rows), Fixed(values)), how)
