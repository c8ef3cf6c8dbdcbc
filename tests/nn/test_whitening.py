"""Whitening: covariances, identities, and what tells ZCA from other ways to whiten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import LinAlgError
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-11
"""Some hundred roundings in float64, times condition numbers below 100."""

KINDS = [nn.DecorrelatedBatchNorm, nn.IterNorm]
of_kinds = pytest.mark.parametrize("kind", KINDS)


def with_covariance(covariance: Any, n: int, rng: np.random.Generator) -> Array:
    """Return n values whose biased covariance is this one, to rounding, about a mean of 3."""
    d = len(covariance)
    x = rng.normal(size=(n, d))
    white = np.linalg.qr(x - x.mean(0))[0] * np.sqrt(n)  # columns stay orthogonal to ones
    return np.asarray(white @ np.linalg.cholesky(covariance).T + 3.0)


def with_spectrum(w: Any, n: int, rng: np.random.Generator) -> Array:
    q = np.linalg.qr(rng.normal(size=(len(w), len(w))))[0]
    return with_covariance((q * np.asarray(w)) @ q.T, n, rng)


def whitened(kind: Any, x: Array, *arguments: Any, **options: Any) -> Array:
    layer = kind(x.shape[1], *arguments, affine=False, **options)
    return np.asarray(layer(mg.tensor(x)))


def covariance(y: Array) -> Array:
    return np.asarray(np.cov(y.T.astype(np.float64), bias=True))


# ---------------------------------------------------------------------------------- covariances


def test_the_covariance_is_one_up_to_eps(rng: np.random.Generator) -> None:
    x = with_spectrum([0.01, 1.0, 1.0, 50.0], 40, rng)
    y = whitened(nn.DecorrelatedBatchNorm, x, eps=0.0)
    np.testing.assert_allclose(covariance(y), np.eye(4), rtol=0, atol=FLOAT64)
    np.testing.assert_allclose(y.mean(0), 0.0, atol=FLOAT64)
    s = covariance(x)  # S (S + eps)^-1: the same eigenvectors, eigenvalues w / (w + eps)
    y = whitened(nn.DecorrelatedBatchNorm, x, eps=0.5)
    expected = s @ np.linalg.inv(s + 0.5 * np.eye(4))
    np.testing.assert_allclose(covariance(y), expected, rtol=0, atol=FLOAT64)


@pytest.mark.parametrize("spread", [1e0, 1e3])
def test_float32_far_from_zero(spread: float, rng: np.random.Generator) -> None:
    """Half a unit in the last place of float32 for each value: the work is done in float64."""
    x = (with_spectrum([1.0, 2.0, spread**2], 64, rng) + 1e5).astype(np.float32)
    for kind, more in ((nn.DecorrelatedBatchNorm, {}), (nn.IterNorm, {"num_iterations": 60})):
        y = whitened(kind, x, **more)
        assert y.dtype == np.float32
        exact = whitened(kind, x.astype(np.float64), **more)
        np.testing.assert_allclose(y, exact, rtol=2.0**-23, atol=1e-12 * spread**2)
        # Rounding errors of 64 values of order 1 are all that is left of the covariance.
        np.testing.assert_allclose(covariance(y), np.eye(3), rtol=0, atol=2e-5)


def test_each_group_is_whitened_by_itself(rng: np.random.Generator) -> None:
    x = with_spectrum([0.5, 1.0, 2.0, 4.0], 30, rng)
    for kind in KINDS:
        y = whitened(kind, x, 2)
        parts = [whitened(kind, x[:, part]) for part in (slice(2), slice(2, 4))]
        np.testing.assert_array_equal(y, np.concatenate(parts, axis=1))
    y = whitened(nn.DecorrelatedBatchNorm, x, 2, eps=0.0)
    blocks = covariance(y).reshape(2, 2, 2, 2)
    np.testing.assert_allclose(blocks[0, :, 0], np.eye(2), rtol=0, atol=FLOAT64)
    np.testing.assert_allclose(blocks[1, :, 1], np.eye(2), rtol=0, atol=FLOAT64)
    assert np.abs(blocks[0, :, 1]).max() > 0.1


@of_kinds
def test_positions_are_samples(kind: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4, 2, 5))
    rows = np.moveaxis(x, 1, -1).reshape(-1, 4)
    y = np.moveaxis(whitened(kind, x, 2), 1, -1).reshape(-1, 4)
    np.testing.assert_allclose(y, whitened(kind, rows, 2), rtol=0, atol=FLOAT64)


# ---------------------------------------------------------------------------------- identities


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("kind", "options"),
    [(nn.DecorrelatedBatchNorm, {}), (nn.IterNorm, {}), (nn.IterNorm, {"num_iterations": 1})],
)
def test_one_channel_a_group_is_batch_norm(
    kind: Any, options: dict[str, Any], training: bool, rng: np.random.Generator
) -> None:
    ours, theirs = (
        kind(4, 4, dtype=np.float64, **options),
        nn.BatchNorm(4, dtype=np.float64),
    )
    for _ in range(2):
        x = rng.normal(size=(5, 4, 2)) * 3 + 1
        for layer in (ours, theirs):
            layer(mg.tensor(x))
    leaves = [mg.tensor(x, requires_grad=True) for _ in range(2)]
    upstream = mg.tensor(rng.normal(size=x.shape))
    results = [
        layer.train(training)(leaf) for layer, leaf in zip((ours, theirs), leaves, strict=True)
    ]
    for result in results:
        result.backward(upstream)
    for left, right in (results, [leaf.grad for leaf in leaves]):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=0, atol=FLOAT64)
    np.testing.assert_allclose(
        np.asarray(ours.running_covariance)[:, 0, 0], np.asarray(theirs.running_var), rtol=FLOAT64
    )


@pytest.mark.parametrize(
    ("kind", "options"), [(nn.DecorrelatedBatchNorm, {}), (nn.IterNorm, {"num_iterations": 30})]
)
def test_uncorrelated_channels_are_left_to_batch_norm(
    kind: Any, options: dict[str, Any], rng: np.random.Generator
) -> None:
    x = with_covariance(np.diag([0.1, 1.0, 1.0, 9.0]), 20, rng)
    expected = np.asarray(nn.BatchNorm(4, affine=False)(mg.tensor(x)))
    np.testing.assert_allclose(whitened(kind, x, **options), expected, rtol=0, atol=FLOAT64)


def test_the_iterations_converge_to_zca(rng: np.random.Generator) -> None:
    x = with_spectrum([0.01, 1.0, 1.0, 10.0], 40, rng)
    limit = whitened(nn.DecorrelatedBatchNorm, x)
    errors = [
        np.abs(whitened(nn.IterNorm, x, num_iterations=k) - limit).max()
        for k in (0, 2, 4, 6, 8, 10, 12, 14)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6
    # And stay there, although the paper's form of the iteration would lose digits in each.
    for condition in (1e3, 1e6):
        x = with_spectrum([1 / condition, 0.3, 1.0], 40, rng)
        limit = whitened(nn.DecorrelatedBatchNorm, x, eps=0.0)
        y = whitened(nn.IterNorm, x, eps=0.0, num_iterations=200)
        np.testing.assert_allclose(y, limit, rtol=0, atol=1e-14 * condition)


def test_iterations_start_with_a_common_scale(rng: np.random.Generator) -> None:
    """With none, all channels of a group are divided by the root of the trace."""
    x = with_spectrum([0.5, 1.0, 3.0], 20, rng)
    y = whitened(nn.IterNorm, x, eps=0.0, num_iterations=0)
    expected = (x - x.mean(0)) / np.sqrt(covariance(x).trace())
    np.testing.assert_allclose(y, expected, rtol=FLOAT64, atol=FLOAT64)


@of_kinds
def test_a_rotated_input_gives_the_rotated_output(kind: Any, rng: np.random.Generator) -> None:
    x = with_spectrum([0.5, 1.0, 3.0], 20, rng)
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    y = whitened(kind, x)
    np.testing.assert_allclose(whitened(kind, x @ q), y @ q, rtol=0, atol=FLOAT64)
    np.testing.assert_allclose(whitened(kind, 7 * x - 2, eps=49e-5), y, rtol=0, atol=FLOAT64)


def pca_whitened(x: Array) -> Array:
    w, v = np.linalg.eigh(covariance(x))
    return np.asarray((x - x.mean(0)) @ v / np.sqrt(w))


def test_no_other_whitening_is_closer_to_the_input(rng: np.random.Generator) -> None:
    x = with_spectrum([0.5, 1.0, 3.0], 20, rng)
    centred = x - x.mean(0)
    y = whitened(nn.DecorrelatedBatchNorm, x, eps=0.0)
    least = np.square(y - centred).sum()
    rotations = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(9)]
    for other in (pca_whitened(x), *(y @ rotation for rotation in rotations)):
        np.testing.assert_allclose(covariance(other), np.eye(3), rtol=0, atol=FLOAT64)
        assert np.square(other - centred).sum() > least + 0.1


def test_axes_are_not_exchanged(rng: np.random.Generator) -> None:
    """Two batches that nearly agree, in which another channel has the greater variance.

    PCA orders axes by variance, so its outputs exchange their channels; ZCA's nearly agree.
    """
    first = with_covariance(np.diag([1.0, 1.001]), 20, rng)
    second = first.copy()
    second[:, 0] = (second[:, 0] - 3.0) * 1.001 + 3.0  # now of variance 1.002
    assert np.abs(first - second).max() < 0.01
    assert np.abs(pca_whitened(first) - pca_whitened(second)).max() > 1.0
    zca = [whitened(nn.DecorrelatedBatchNorm, x) for x in (first, second)]
    assert np.abs(zca[0] - zca[1]).max() < 0.01


# ---------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("spectrum", [(1.0, 1.0, 1.0), (0.5, 2.0, 2.0), (1.0, 1.0 + 1e-9, 3.0)])
@of_kinds
def test_equal_eigenvalues(kind: Any, spectrum: Any, rng: np.random.Generator) -> None:
    """Where eigenvectors have no derivative, the whitening matrix has all of them."""
    x = with_spectrum(spectrum, 8, rng)
    layer = kind(3, affine=False)
    gradcheck(layer, x)
    gradgradcheck(layer, x, max_elements=8)
    leaf = mg.tensor(x, requires_grad=True)
    layer(leaf).backward(mg.tensor(1e3 * rng.normal(size=x.shape)))
    assert np.abs(np.asarray(leaf.grad)).max() < 1e4


def test_the_gradient_is_orthogonal_to_what_changes_nothing(rng: np.random.Generator) -> None:
    """Scaling all channels of a group alike, with eps 0, or shifting them leaves y as it is."""
    x = mg.tensor(with_spectrum([0.5, 1.0, 3.0], 12, rng), requires_grad=True)
    nn.DecorrelatedBatchNorm(3, eps=0.0, affine=False)(x).backward(
        mg.tensor(rng.normal(size=x.shape))
    )
    dx, centred = np.asarray(x.grad), x.array - x.array.mean(0)
    np.testing.assert_allclose(dx.sum(0), 0.0, atol=FLOAT64)
    np.testing.assert_allclose((dx * centred).sum(), 0.0, atol=FLOAT64)


# ---------------------------------------------------------------------------------- errors, text


def test_a_singular_covariance(rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 3))
    x[:, 2] = 1.0
    layer = nn.DecorrelatedBatchNorm(3, eps=0.0, dtype=np.float64)
    with pytest.raises(LinAlgError, match=r"\(1, 3, 3\) is singular .*eps=0.0.*larger eps, or sm"):
        layer(mg.tensor(x))
    np.testing.assert_array_equal(np.asarray(layer.num_batches_tracked), 0)
    assert np.abs(whitened(nn.DecorrelatedBatchNorm, x)[:, 2]).max() < 1e-9  # eps > 0: zeros
    x[:] = 1.0
    with pytest.raises(ValueError, match=r"trace .* group 0 must be .* got 0.0 .*use eps > 0"):
        nn.IterNorm(3, eps=0.0, dtype=np.float64)(mg.tensor(x))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@of_kinds
def test_what_is_not_finite(kind: Any, value: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 4))
    x[0, 3] = value
    layer = kind(4, 2, dtype=np.float64)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match=r"group 1 holds nan: x must be finite, .*\(9, 4\)"),
    ):
        layer(mg.tensor(x))
    np.testing.assert_array_equal(np.asarray(layer.running_mean), 0.0)
    np.testing.assert_array_equal(np.asarray(layer.num_batches_tracked), 0)


@of_kinds
def test_groups_that_do_not_divide(kind: Any) -> None:
    name = kind.__name__
    with pytest.raises(ValueError, match=f"{name}: num_groups must divide num_features, got 3 and"):
        kind(4, 3)
    with pytest.raises(ValueError, match="num_groups must be"):
        kind(4, 0)
    assert kind(0)(mg.zeros(3, 0)).shape == (3, 0)


def test_repr() -> None:
    assert repr(nn.DecorrelatedBatchNorm(4, 2)) == (
        "DecorrelatedBatchNorm(4, num_groups=2, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)"
    )
    assert repr(nn.IterNorm(4, num_iterations=7)) == (
        "IterNorm(4, num_groups=1, num_iterations=7, eps=1e-05, momentum=0.1, affine=True, "
        "bias=True, track_running_stats=True)"
    )
    with pytest.raises(ValueError, match="num_iterations must be"):
        nn.IterNorm(4, num_iterations=-1)
