"""Hypothesis strategies for the arguments of functions: arrays, axes, shapes, indices, targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.strategies import broadcastable_arrays, float_arrays, seeds, shapes
from minigrad.typing import Array
from tests.differential.compare import Call, Fixed


@dataclass(frozen=True)
class Domain:
    """Where the arguments of an elementwise function lie, and the kinks they keep away from."""

    low: float = -2.0
    high: float = 2.0
    kinks: tuple[float, ...] = ()


REAL, ZERO = Domain(), Domain(kinks=(0.0,))
POSITIVE = Domain(0.1, 3.0)
NONZERO = Domain(0.3, 2.0)
OPEN = Domain(-0.95, 0.95)
INTEGERS = Domain(-3.3, 3.4, (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0))
HALVES = Domain(-2.9, 2.9, (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5))

Inputs = st.SearchStrategy[Call]


def unary(domain: Domain, **keywords: st.SearchStrategy[Any]) -> Inputs:
    """Draw one array, and keywords."""
    arrays = float_arrays(shapes(min_side=0), low=domain.low, high=domain.high, kinks=domain.kinks)
    return st.builds(lambda x, k: Call((x,), k), arrays, st.fixed_dictionaries(keywords))


@st.composite
def binary(draw: st.DrawFn, first: Domain, second: Domain) -> Call:
    """Draw two arrays that broadcast, or one and a Python number on either side."""
    a, b = draw(broadcastable_arrays(2))
    a, b = (_into(x, domain) for x, domain in ((a, first), (b, second)))
    form = draw(st.sampled_from(["arrays", "arrays", "number last"]))
    return Call((a, float(b.ravel()[0])) if form == "number last" else (a, b))


def _into(x: Array, domain: Domain) -> Array:
    """Map values from [-2, 2] into a domain, away from its kinks."""
    y = domain.low + (x + 2.0) / 4.0 * (domain.high - domain.low)
    for kink in domain.kinks:
        near = np.abs(y - kink) < 0.05
        y = np.where(near, kink + 0.1, y)
    return np.asarray(y)


@st.composite
def operands(draw: st.DrawFn, *kinds: str, count: int = 2, low: int = -3) -> Call:
    """Draw arrays of few whole numbers, so that some are equal, of a dtype of these kinds."""
    arrays = draw(broadcastable_arrays(count))
    rng = np.random.default_rng(draw(seeds()))
    dtype = {"f": np.float64, "i": np.int64, "b": np.bool_}[draw(st.sampled_from(kinds))]
    return Call(tuple(rng.integers(low, 4, x.shape).astype(dtype) for x in arrays))


def dims(ndim: int, *, several: bool = True, absent: bool = True) -> st.SearchStrategy[Any]:
    """Draw an axis, several, or None for all."""
    choices: list[st.SearchStrategy[Any]] = [st.none()] if absent else []
    count = max(ndim, 1)  # rank 0 is taken for a vector
    one: st.SearchStrategy[Any] = st.integers(-count, count - 1)
    choices.append(one)
    if several:
        choices.append(st.lists(one, min_size=1, unique_by=lambda axis: axis % count).map(tuple))
    return st.one_of(choices)


@st.composite
def reduced(
    draw: st.DrawFn,
    *,
    several: bool = True,
    absent: bool = True,
    keepdim: bool = True,
    correction: bool = False,
    min_side: int = 1,
    ties: bool = False,
) -> Call:
    """Draw an array, the axes to reduce, and keepdim.

    All elements have one sign: a sum that cancels has no digits in float32, in either library.
    """
    x = draw(float_arrays(shapes(min_dims=0 if absent else 1, min_side=min_side), low=0.25))
    x = np.asarray(x * draw(st.sampled_from([1.0, -1.0])))
    if ties:
        x = np.asarray(np.round(x))
    axes = draw(dims(x.ndim, several=several, absent=absent))
    keywords: dict[str, Any] = {}
    if keepdim and (axes is not None or several):
        keywords["keepdim"] = draw(st.booleans())
    if correction:
        all_axes = axes is None or x.ndim == 0
        count = x.size if all_axes else np.prod([x.shape[a] for a in np.atleast_1d(axes)])
        keywords["correction"] = draw(st.sampled_from([0, 1] if count > 1 else [0]))
        if count == 1:
            x = np.repeat(x, 2, axis=0) if x.ndim else np.array([1.0, 2.0])
            axes = None if x.ndim == 1 else axes
    return Call((x, axes), keywords)


@st.composite
def with_axes(draw: st.DrawFn, count: int, *, extra: int = 0, min_dims: int = 1) -> Call:
    """Draw an array and ``count`` axes of it; ``extra``: of one with more axes."""
    x = draw(float_arrays(shapes(min_dims=min_dims, min_side=0)))
    last = max(x.ndim + extra, 1)
    return Call((x, *(draw(st.integers(-last, last - 1)) for _ in range(count))))


@st.composite
def reshaped(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=0)))
    factors = [int(n) for n in draw(st.permutations(x.shape))]
    merge, infer = draw(st.tuples(st.booleans(), st.booleans()))
    if len(factors) > 1 and merge:
        factors = [factors[0] * factors[1], *factors[2:]]
    if factors and infer:
        factors[draw(st.integers(0, len(factors) - 1))] = -1
    return Call((x, tuple(factors)))


@st.composite
def permuted(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_side=0)))
    axes = draw(st.permutations(range(x.ndim)))
    return Call((x, tuple(axis - draw(st.sampled_from([0, x.ndim])) for axis in axes)))


@st.composite
def moved(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1)))
    count = draw(st.integers(1, x.ndim))
    source, goal = (tuple(draw(st.permutations(range(x.ndim)))[:count]) for _ in range(2))
    if count == 1 and draw(st.booleans()):
        return Call((x, source[0], goal[0]))
    return Call((x, source, goal))


@st.composite
def expanded(draw: st.DrawFn, *, keep: bool = True) -> Call:
    x = draw(float_arrays(shapes(max_dims=3)))
    x = x[(..., *(slice(0, 1) if draw(st.booleans()) else slice(None) for _ in x.shape))]
    grown = [draw(st.integers(1, 3)) if n == 1 else n for n in x.shape]
    if keep:
        grown = [-1 if draw(st.booleans()) else n for n in grown]
    front = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 2)))]
    return Call((x, tuple(front + grown)))


@st.composite
def flattened(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_side=0)))
    if x.ndim == 0:
        return Call((x,))
    start = draw(st.integers(0, x.ndim - 1))
    return Call(
        (x, start, draw(st.integers(start, x.ndim - 1)) - draw(st.sampled_from([0, x.ndim])))
    )


@st.composite
def flipped(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes()))
    axes = draw(dims(x.ndim, absent=False))
    return Call((x, axes if isinstance(axes, tuple) else (axes,)))


@st.composite
def joined(draw: st.DrawFn, *, along: bool, axis: bool = True) -> Call:
    """Draw arrays of one shape, or of different lengths along the axis that joins them."""
    shape = list(draw(shapes(min_dims=1, max_dims=3, min_side=0)))
    dim = draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng(draw(seeds()))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        if along:
            shape[dim] = draw(st.integers(0, 3))
        parts.append(rng.standard_normal(shape))
    if not axis:
        return Call((parts,))
    last = len(shape) + (0 if along else 1)
    return Call((tuple(parts), dim if along else draw(st.integers(-last, last - 1))))


@st.composite
def split_up(draw: st.DrawFn, *, sections: bool) -> Call:
    x = draw(float_arrays(shapes(min_dims=1)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    length = x.shape[dim]
    first = draw(st.integers(0, length))
    if sections and draw(st.booleans()):
        return Call((x, (first, length - first), dim))
    return Call((x, draw(st.integers(1, length + 1)), dim))


@st.composite
def indexed(draw: st.DrawFn, form: str) -> Call:
    """Draw an array, an axis and indices along it."""
    x = draw(float_arrays(shapes(min_dims=1, max_dims=3)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    rng = np.random.default_rng(draw(seeds()))
    count = draw(st.integers(0, 4))
    if form == "take":
        return Call((x, rng.integers(-x.size, x.size, (count, 2))))
    if form == "index_select":
        return Call((x, dim, rng.integers(0, x.shape[dim], count)))
    lengths = list(x.shape)
    if form == "gather":  # the other axes may be shorter
        lengths = [draw(st.integers(1, n)) for n in lengths]
    lengths[dim] = count
    index = rng.integers(0, x.shape[dim], lengths)
    return Call((x, dim, index) + ((rng.standard_normal(lengths),) if form == "scatter" else ()))


@st.composite
def looked_up(draw: st.DrawFn, *, padding: bool = False) -> Call:
    rows, width = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(seeds()))
    indices = rng.integers(0, rows, draw(shapes(max_dims=2, min_side=0)))
    keywords = {"padding_idx": draw(st.integers(-rows, rows - 1))} if padding else {}
    return Call((indices, rng.standard_normal((rows, width))), keywords)


@st.composite
def chosen(draw: st.DrawFn) -> Call:
    a, b, c = draw(broadcastable_arrays(3))
    return Call((np.asarray(c > 0), a, float(b.ravel()[0]) if draw(st.booleans()) else b))


@st.composite
def clamped(draw: st.DrawFn) -> Call:
    """Draw an array and bounds: numbers, arrays or one of both; the middle stays free of them."""
    x, low, high = draw(broadcastable_arrays(3))
    bounds: tuple[Any, Any]
    x = np.array(np.broadcast_arrays(x, low, high)[0])  # PyTorch broadcasts bounds alone
    bounds = np.asarray(low * 0.4 - 0.5), np.asarray(high * 0.4 + 0.5)
    if draw(st.booleans()):
        bounds = float(bounds[0].ravel()[0]), float(bounds[1].ravel()[0])
    absent = draw(st.sampled_from(["none", "low", "high"]))
    return Call(
        (x, *(None if absent == n else b for n, b in zip(["low", "high"], bounds, strict=True)))
    )


@st.composite
def products(draw: st.DrawFn, form: str) -> Call:
    """Draw operands of a matrix product."""
    n, k, m = (draw(st.integers(0 if form == "matmul" else 1, 4)) for _ in range(3))
    rng = np.random.default_rng(draw(seeds()))
    if form == "dot":
        return Call((rng.standard_normal(k), rng.standard_normal(k)))
    if form == "linear":
        x = rng.standard_normal((*draw(shapes(max_dims=2)), k))
        bias = (rng.standard_normal(m),) if draw(st.booleans()) else ()
        return Call((x, rng.standard_normal((m, k)), *bias))
    batch_a, batch_b = draw(
        st.sampled_from([((), ()), ((2,), ()), ((), (3,)), ((2, 1), (3,)), ((2,), (2,))])
    )
    a, b = rng.standard_normal((*batch_a, n, k)), rng.standard_normal((*batch_b, k, m))
    vector = draw(st.sampled_from(["neither", "first", "second", "both"]))
    if vector in ("first", "both") and n:
        a = a[..., 0, :].reshape(-1)[:k]
    if vector in ("second", "both") and m:
        b = b[..., 0].reshape(-1)[:k]
    return Call((a, b))


@st.composite
def classified(draw: st.DrawFn, *, log: bool) -> Call:
    """Draw logits or log-probabilities, targets and the arguments of the loss."""
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    spatial = draw(shapes(max_dims=2, max_side=2))
    rng = np.random.default_rng(draw(seeds()))
    x = rng.standard_normal((n, k, *spatial))
    target: Array = rng.integers(0, k, (n, *spatial))
    keywords: dict[str, Any] = {"reduction": draw(st.sampled_from(["none", "sum", "mean"]))}
    if not log and draw(st.booleans()):
        target = np.exp(rng.standard_normal(x.shape))
        target /= target.sum(axis=1, keepdims=True)
    elif draw(st.booleans()) and not (target == target.ravel()[0]).all():
        keywords["ignore_index"] = int(target.ravel()[0])
    if not log:  # of one class, smoothed labels leave a gradient of 0, up to rounding
        keywords["label_smoothing"] = draw(st.sampled_from([0.0, 0.3] if k > 1 else [0.0]))
    weight = Fixed(np.exp(rng.standard_normal(k))) if draw(st.booleans()) else None
    return Call((x, target, weight), keywords)


@st.composite
def paired(draw: st.DrawFn, deltas: tuple[float, ...] = ()) -> Call:
    """Draw predictions and targets of one shape, and the reduction."""
    x = draw(float_arrays(shapes(), kinks=(0.0,)))
    target = np.asarray(np.where(np.abs(x) > 1.1, 0.0, -x) * 0.3)
    keywords: dict[str, Any] = {"reduction": draw(st.sampled_from(["none", "sum", "mean"]))}
    if deltas:
        keywords["delta"] = draw(st.sampled_from(deltas))
    return Call((x, target), keywords)


@st.composite
def binary_targets(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes(min_dims=1), kinks=(0.0,)))
    rng = np.random.default_rng(draw(seeds()))
    keywords: dict[str, Any] = {"reduction": draw(st.sampled_from(["none", "sum", "mean"]))}
    if draw(st.booleans()):
        keywords["pos_weight"] = Fixed(rng.uniform(0.5, 2.0, x.shape[-1:]))
    weight = (Fixed(rng.uniform(0.5, 2.0, x.shape)),) if draw(st.booleans()) else ()
    return Call((x, rng.uniform(0.0, 1.0, x.shape), *weight), keywords)


@st.composite
def normalised(draw: st.DrawFn) -> Call:
    """Draw the arguments of ``functional.batch_norm``, which updates running statistics."""
    channels = draw(st.integers(1, 3))
    shape = (draw(st.integers(4, 6)), channels, *draw(shapes(max_dims=2, max_side=3)))
    rng = np.random.default_rng(draw(seeds()))
    x = rng.standard_normal(shape) * 2.0 + 1.0
    affine: tuple[Any, ...] = (None, None)
    if draw(st.booleans()):
        affine = (rng.standard_normal(channels), rng.standard_normal(channels))
    training = draw(st.booleans())
    momentum, eps = draw(st.sampled_from([0.1, 0.0, 1.0])), draw(st.sampled_from([1e-5, 1e-3]))
    running = Fixed(rng.standard_normal(channels)), Fixed(rng.uniform(0.5, 2.0, channels))
    keywords = {"training": training, "momentum": momentum, "eps": eps}
    return Call((x, *running, *affine), keywords)


def fixed(call: Call) -> Call:
    """Return the call with arrays that get no gradient."""
    return Call(tuple(Fixed(x) if isinstance(x, np.ndarray) else x for x in call.arguments))


def arrays_only(call: Call) -> Call:
    """Return the call with an array in place of a number."""
    return Call(tuple(np.asarray(value) for value in call.arguments), call.keywords)


def bounds_alike(call: Call) -> bool:
    """Keep calls whose bounds PyTorch takes: both numbers or both Tensors."""
    kinds = {isinstance(b, float) for b in call.arguments[1:] if b is not None}
    return len(kinds) == 1


def nested() -> Inputs:
    """Draw Python data: numbers and lists of equal lengths."""
    data: Sequence[Any] = [3, 2.5, True, [], [1, 2], [1.0, 2], [[True], [False]], [[1, 2.5]]]
    return st.sampled_from(data).map(lambda value: Call((value,)))


@st.composite
def matrices(draw: st.DrawFn, *forms: str, extra: tuple[Any, ...] = ()) -> Call:
    """Draw operands of shapes such as "nk" and "km", each letter one length, or well-conditioned
    matrices: "square", or "positive" definite."""
    lengths = {letter: draw(st.integers(1, 4)) for letter in "bnkm"} | {"3": 3}
    rng = np.random.default_rng(draw(seeds()))
    operands = []
    for form in forms:
        if form in ("square", "positive"):
            n = lengths["n"]
            left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
            scaled = left * rng.uniform(1.0, 3.0, n)  # the condition number is at most 3
            x = scaled @ left.T
            operands.append((x + x.T) / 2.0 if form == "positive" else scaled @ right.T)
        else:
            operands.append(rng.standard_normal([lengths[letter] for letter in form]))
    return Call((*operands, *extra))
