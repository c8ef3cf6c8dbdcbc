"""Identities of what BatchNorm computes in training: y, mean and variance.

In the formulas, per channel: n values x, their mean and biased variance var,
``r = (var + eps)**-0.5``, ``x_hat = (x - mean) * r``, ``q = var / (var + eps)`` and
``g = gamma * dy``. Tolerances: see `minigrad.testing.identities.facts.ROUNDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from minigrad.testing.examples import BatchNormExample
from minigrad.testing.identities.check import NUMERICS, identity
from minigrad.testing.identities.facts import Claim, Facts, along
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.typing import Array

__all__ = [
    "affine_in_parameters",
    "affine_invariance",
    "arguments_unchanged",
    "constant_channel",
    "duplicated_batch",
    "memory_order",
    "merge_of_parts",
    "non_finite_values_propagate",
    "normalised_output",
    "permutation_of_samples",
    "statistics_of_the_batch",
    "translation_far_away",
    "translation_in_float32",
    "undone_by_its_own_statistics",
]


def plain(example: BatchNormExample) -> BatchNormExample:
    """Return the example with scale 1 and shift 0, for which y is x_hat."""
    return replace(example, gamma=np.ones_like(example.gamma), beta=np.zeros_like(example.beta))


def forward(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> tuple[Array, Array, Array]:
    """Run the implementation's forward on an example."""
    return implementation.forward(example.x, example.gamma, example.beta, example.eps)


def backward(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> tuple[Array, Array, Array]:
    """Run the implementation's backward on an example."""
    e = example
    return implementation.backward(e.dy, e.x, e.gamma, e.beta, e.eps)


@identity("mean = sum(x) / n, var = sum((x - mean)^2) / n")
def statistics_of_the_batch(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``mean = sum(x) / n`` and ``var = sum((x - mean)**2) / n``.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1, lines 1 and 2. Tolerance: the
    rounding of x, and for the variance twice that of its deviations.
    """
    _, mean, var = forward(implementation, example)
    facts = Facts(example)
    yield Claim("mean", mean, facts.mean, facts.allowed_mean)
    yield Claim("var", var, facts.var, facts.allowed_var)


@identity("mean(x_hat) = 0, mean(x_hat^2) = q")
def normalised_output(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``mean(x_hat) = 0`` and ``mean(x_hat**2) = q = var / (var + eps)``, which is below 1.

    Source: Ioffe & Szegedy 2015, section 3, "as long as we neglect eps"; exact with q.
    Tolerance: that of x_hat, times its largest value for the square.
    """
    facts = Facts(example)
    x_hat, _, _ = forward(implementation, plain(example))
    yield Claim("mean(x_hat)", facts.sum(x_hat) / facts.n, 0.0 * facts.q, facts.allowed_x_hat)
    square = facts.sum(np.square(x_hat, dtype=np.longdouble)) / facts.n
    allowed = 2.0 * facts.allowed_x_hat * (1.0 + facts.largest(facts.x_hat))
    yield Claim("mean(x_hat^2)", square, facts.q, allowed)


@identity("y(gamma, beta) = gamma y(1, 0) + beta")
def affine_in_parameters(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``y(gamma, beta) = gamma * y(1, 0) + beta``.

    Source: Ioffe & Szegedy 2015, Algorithm 1, line 4. Tolerance: that of y, twice.
    """
    x_hat, _, _ = forward(implementation, plain(example))
    y, _, _ = forward(implementation, example)
    x = example.x
    expected = x_hat * np.longdouble(1.0) * along(example.gamma, x) + along(example.beta, x)
    yield Claim("y", y, expected, 2.0 * Facts(example).allowed_y)


@identity("x_hat(a x + b; a^2 eps) = sign(a) x_hat(x; eps)")
def affine_invariance(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``x_hat(a * x + b) = sign(a) * x_hat(x)`` when eps is scaled by ``a**2``.

    Source: Ioffe & Szegedy 2015, section 3.3, with the share of eps. Tolerance: that of x_hat for
    x and for ``a * x + b``, whose rounding counts, too.
    """
    facts = Facts(example)
    x_hat, _, _ = forward(implementation, plain(example))
    shift = example.x.dtype.type(np.max(facts.var) ** 0.5)
    for a in (4.0, -0.5, 3.0):
        b = shift * np.arange(1, example.x.shape[1] + 1, dtype=example.x.dtype)
        x = (a * example.x + along(b, example.x)).astype(example.x.dtype)
        moved = replace(plain(example), x=x, eps=a * a * example.eps)
        got, _, _ = forward(implementation, moved)
        allowed = 2.0 * (facts.allowed_x_hat + Facts(moved).allowed_x_hat)
        yield Claim(f"x_hat for a = {a:g}", got, np.sign(a) * x_hat, along(allowed, x))


@identity("BN(P x) = P BN(x), and the same of dx")
def permutation_of_samples(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Normalising permuted samples is permuting normalised samples; gradients permute, too.

    Source: the sums of Algorithm 1 do not depend on an order. Tolerance: rounding of two orders
    of summation.
    """
    order = np.roll(np.arange(example.x.shape[0])[::-1], 1)
    permuted = replace(example, x=example.x[order], dy=example.dy[order])
    facts = Facts(example)
    y, mean, var = forward(implementation, example)
    y_permuted, mean_permuted, var_permuted = forward(implementation, permuted)
    yield Claim("y", y_permuted, y[order], 2.0 * facts.allowed_y)
    yield Claim("mean", mean_permuted, mean, 2.0 * facts.allowed_mean)
    yield Claim("var", var_permuted, var, 2.0 * facts.allowed_var)
    dx, dgamma, dbeta = backward(implementation, example)
    got = backward(implementation, permuted)
    yield from facts.claims_of_gradients(got, (dx[order], dgamma, dbeta), 2.0)


@identity("gamma = sqrt(var + eps), beta = mean: y = x")
def undone_by_its_own_statistics(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """With ``gamma = sqrt(var + eps)`` and ``beta = mean``, y is x.

    Source: Ioffe & Szegedy 2015, section 3: "the transformation inserted in the network can
    represent the identity transform". Tolerance: that of y with these parameters.
    """
    _, mean, var = forward(implementation, example)
    dtype = example.x.dtype
    undoing = replace(
        example,
        gamma=np.sqrt(np.asarray(var, np.float64) + example.eps).astype(dtype),
        beta=np.asarray(mean).astype(dtype),
    )
    y, _, _ = forward(implementation, undoing)
    yield Claim("y", y, example.x, 2.0 * Facts(undoing).allowed_y)


@identity("BN(parts) = BN by the Chan merge of the parts' (n, mean, n var)")
def merge_of_parts(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Statistics of a concatenation are the merge of its parts', and normalise it.

    Source: Chan, Golub & LeVeque 1979, Updating formulae and a pairwise algorithm, equation 2.1;
    what synchronised BatchNorm has to do. Tolerance: that of the whole, twice.
    """
    second = replace(example, x=_twice_the_spread(example))
    parts = [forward(implementation, part) for part in (example, second)]
    n = Facts(example).n
    (mean_a, var_a), (mean_b, var_b) = (
        (np.asarray(mean, np.longdouble), np.asarray(var, np.longdouble)) for _, mean, var in parts
    )
    delta = mean_b - mean_a
    mean = mean_a + 0.5 * delta
    var = (n * var_a + n * var_b + delta * delta * n / 2.0) / (2.0 * n)
    whole = replace(
        example,
        x=np.concatenate((example.x, second.x)),
        dy=np.concatenate((example.dy, example.dy)),
    )
    facts = Facts(whole)
    y, mean_whole, var_whole = forward(implementation, whole)
    yield Claim("mean", mean_whole, mean, 2.0 * facts.allowed_mean)
    yield Claim("var", var_whole, var, 2.0 * facts.allowed_var)
    scale = example.gamma / np.sqrt(var + example.eps)
    expected = (whole.x - along(mean, whole.x)) * along(scale, whole.x)
    yield Claim("y", y, expected + along(example.beta, whole.x), 4.0 * facts.allowed_y)


def _twice_the_spread(example: BatchNormExample) -> Array:
    """Return x with another mean and spread in each channel, of the same order of magnitude."""
    facts = Facts(example)
    moved = example.x - along(facts.mean, example.x)
    x: Array = (2.0 * moved + along(facts.mean + 0.5 / facts.r, example.x)).astype(example.x.dtype)
    return x


@identity("BN([x, x]) = [BN(x), BN(x)], same mean and var, dx too, dgamma and dbeta doubled")
def duplicated_batch(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Duplicate a batch: each copy is normalised as it was alone, by the same statistics.

    With dy twice over, dx is the same twice over, and dgamma and dbeta double.

    Source: every mean of Algorithm 1 and of the gradients of section 3 is that of one copy.
    Tolerance: rounding of two sums.
    """
    doubled = replace(
        example,
        x=np.concatenate((example.x, example.x)),
        dy=np.concatenate((example.dy, example.dy)),
    )
    facts = Facts(doubled)
    y, mean, var = forward(implementation, example)
    y_doubled, mean_doubled, var_doubled = forward(implementation, doubled)
    yield Claim("y", y_doubled, np.concatenate((y, y)), 2.0 * facts.allowed_y)
    yield Claim("mean", mean_doubled, mean, 2.0 * facts.allowed_mean)
    yield Claim("var", var_doubled, var, 2.0 * facts.allowed_var)
    dx, dgamma, dbeta = backward(implementation, example)
    expected = (np.concatenate((dx, dx)), 2.0 * dgamma, 2.0 * dbeta)
    yield from facts.claims_of_gradients(backward(implementation, doubled), expected, 2.0)


@identity("BN of (N, C, *S) in any memory order = BN of its rows (N*prod(S), C)")
def memory_order(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Store x first axis first or last, channels last, reversed, or as rows: the same numbers.

    Source: the sums of Algorithm 2 of section 3.2 run over all values of a channel, samples and
    positions alike. Tolerance: rounding of two orders of summation.
    """
    facts = Facts(example)
    y, _, _ = forward(implementation, example)
    gradients = backward(implementation, example)
    for name, layout in _LAYOUTS.items():
        other = replace(example, x=layout(example.x), dy=layout(example.dy))
        got, _, _ = forward(implementation, other)
        yield Claim(f"y, {name}", got, y, 2.0 * facts.allowed_y)
        yield from facts.claims_of_gradients(backward(implementation, other), gradients, 2.0)
    rows = replace(example, x=_as_rows(example.x), dy=_as_rows(example.dy))
    facts = Facts(rows)
    got, _, _ = forward(implementation, rows)
    yield Claim("y, rows", got, _as_rows(y), 2.0 * facts.allowed_y)
    expected = (_as_rows(gradients[0]), *gradients[1:])
    yield from facts.claims_of_gradients(backward(implementation, rows), expected, 2.0)


def _as_rows(x: Array) -> Array:
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])  # (N, C, *S) -> (N*prod(S), C)


def _channels_last(x: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def _reversed(x: Array) -> Array:
    """Return x in memory that holds samples and channels backwards, with gaps."""
    memory = np.zeros((2 * x.shape[0], *x.shape[1:]), x.dtype)
    view = memory[::-2, ::-1]
    view[...] = x
    return view


_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "channels last": _channels_last,
    "axes in reverse": np.asfortranarray,
    "elements in reverse": _reversed,
}


@identity("constant x: y = beta, dx = gamma (dy - mean(dy)) / sqrt(eps)")
def constant_channel(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Make every channel constant: y is beta, and dx finite, ``gamma * (dy - mean(dy)) * r``.

    Source: Algorithm 1 with var = 0, so that ``r = eps**-0.5`` and x_hat is zero. Tolerance:
    that of y and dx, of which eps is the whole variance.
    """
    channels = np.arange(1, example.x.shape[1] + 1, dtype=example.x.dtype)
    x = np.broadcast_to(along(channels, example.x), example.x.shape).copy()
    constant = replace(example, x=x)
    facts = Facts(constant)
    y, _, _ = forward(implementation, constant)
    expected = np.broadcast_to(along(example.beta, x), x.shape)
    yield Claim("y", y, expected, facts.allowed_y)
    centred = facts.g - along(facts.sum(facts.g) / facts.n, x)
    dx, _, _ = backward(implementation, constant)
    yield Claim("dx", dx, centred * along(facts.r, x), facts.allowed_dx)


@identity("forward and backward leave their arguments as they are")
def arguments_unchanged(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Compare what is passed to forward and backward before and after.

    Source: an argument that changes makes every later use of it wrong. Tolerance: none.
    """
    names = ("x", "dy", "gamma", "beta")
    before = {name: getattr(example, name).copy() for name in names}
    forward(implementation, example)
    backward(implementation, example)
    for name in names:
        yield Claim(name, getattr(example, name), before[name], 0.0)


@identity("NaN or infinity in a channel: y is NaN there, other channels do not notice")
def non_finite_values_propagate(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Put a NaN in a channel: y, statistics and dx are NaN there, and only there.

    Source: IEEE 754 arithmetic of Algorithm 1. Tolerance: none.
    """
    x = example.x.copy()
    channel = x.shape[1] - 1
    x[(0, channel, *(0,) * (x.ndim - 2))] = np.nan
    broken = replace(example, x=x)
    with np.errstate(invalid="ignore"):
        y, mean, var = forward(implementation, example)
        got, got_mean, got_var = forward(implementation, broken)
        dx, got_dx = backward(implementation, example)[0], backward(implementation, broken)[0]
    facts = Facts(example)
    results = (
        ("y", got, y, facts.allowed_y),
        ("mean", got_mean, mean, facts.allowed_mean),
        ("var", got_var, var, facts.allowed_var),
        ("dx", got_dx, dx, facts.allowed_dx),
    )
    for name, found, clean, allowed in results:
        expected = np.array(clean)
        expected[(slice(None),) * (expected.ndim > 1) + (channel,)] = np.nan
        yield Claim(name, found, expected, allowed)


@identity("x_hat(x + b) = x_hat(x) for b of 4096 std")
def translation_far_away(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``x_hat(x + b) = x_hat(x)`` for b much larger than the spread, and x + b exact.

    The variance as ``mean(x**2) - mean(x)**2`` loses its digits twice as fast as the data do.

    Source: Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance, section 1.
    Tolerance: b / std units in the last place, what two passes in the dtype of x can do.
    """
    near, far = _translated(example)
    x_hat, _, _ = forward(implementation, near)
    got, _, _ = forward(implementation, far)
    yield Claim("x_hat", got, x_hat, along(2.0 * Facts(far).allowed_x_hat, far.x))


@identity(
    "float32: x_hat(x + b) = x_hat(x) for b of 4096 std, to 4 ulp",
    dtypes=(np.float32,),
    into=NUMERICS,
)
def translation_in_float32(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Do as `translation_far_away` does, to 4 units in the last place of float32.

    It holds if mean and variance are wider than float32 and the mean is subtracted in full; not
    if y is formed as ``x * scale + shift``.

    Source: the bound that `batch_norm_train` promises. Tolerance: 4 units of ``1 + |x_hat|`` on
    each side.
    """
    near, far = _translated(example)
    x_hat, _, _ = forward(implementation, near)
    got, _, _ = forward(implementation, far)
    unit = float(np.finfo(np.float32).eps)
    yield Claim("x_hat", got, x_hat, 8.0 * unit * (1.0 + np.abs(x_hat)))


def _translated(example: BatchNormExample) -> tuple[BatchNormExample, BatchNormExample]:
    """Return x_hat of the example on a grid of 1/512, and the same moved by 4096, both exact."""
    x = (np.round(Facts(example).x_hat * 512.0) / 512.0).astype(example.x.dtype)
    near = replace(plain(example), x=x, eps=1e-3)
    return near, replace(near, x=x + x.dtype.type(4096.0))
