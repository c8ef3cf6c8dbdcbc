"""BatchNorm with noise: what is drawn, from what, and when."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""Some roundings in float64."""

QUIET: dict[str, Any] = {"n_mu": 0.0, "n_sigma": 1.0, "r_mu": 0.0, "r_sigma": 0.0}
N, C = 2000, 300
"""Samples and channels, for moments: their errors are some 1/sqrt(C) and 1/sqrt(N)."""


def noise_of(seed: int = 0, steps: int = 1, **noise: Any) -> tuple[Array, Array]:
    """Return the factors and the shifts of samples and channels, of the last of some steps."""
    found = []
    for bias in (1.0, 0.0):
        layer = nn.NoisyBatchNorm(C, dtype=np.float64, generator=mg.Generator(seed), **noise)
        nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
        for _ in range(steps):
            y = layer(mg.zeros(N, C, dtype=np.float64))
        found.append(np.asarray(y))
    both, m = found  # s * 1 + m, and m
    return both - m, m


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_noise_it_is_batch_norm(dtype: Any, rng: np.random.Generator) -> None:
    quiet = nn.NoisyBatchNorm(3, dtype=dtype, generator=mg.Generator(0), **QUIET)
    plain = nn.BatchNorm(3, dtype=dtype)
    before = repr(quiet.generator.numpy.bit_generator.state)  # type: ignore[union-attr]
    for training in (True, True, False):
        x = mg.tensor(rng.normal(size=(6, 3, 2)).astype(dtype))
        y, expected = quiet.train(training)(x), plain.train(training)(x)
        np.testing.assert_array_equal(np.asarray(y), np.asarray(expected))
    for (key, value), (_, other) in zip(
        quiet.state_dict().items(), plain.state_dict().items(), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(value), np.asarray(other), err_msg=key)
    assert repr(quiet.generator.numpy.bit_generator.state) == before  # type: ignore[union-attr]


@pytest.mark.parametrize("option", QUIET)
def test_each_part_of_the_noise_alone_is_noise(option: str) -> None:
    loud = {**QUIET, option: 2.0}
    s, m = noise_of(**loud)
    changed = (np.ptp(s) > 0, np.ptp(m) > 0)
    assert changed == (option in ("n_sigma", "r_sigma"), option in ("n_mu", "r_mu"))


def test_moments_of_a_channel_are_drawn_uniformly() -> None:
    s, m = noise_of(r_mu=0.0, r_sigma=0.0)
    assert np.all(np.ptp(m, axis=0) == 0)  # the same for each sample
    assert np.all(np.ptp(s, axis=0) < FLOAT64)
    mu, sigma = m[0], s[0]
    assert mu.min() > -0.5
    assert mu.max() < 0.5
    assert sigma.min() > 1.0
    assert sigma.max() < 1.25
    # Quantiles of 300 uniform draws: within 4 / sqrt(12 * 300) of what they are, in units of range.
    quantiles = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(np.quantile(mu + 0.5, quantiles), quantiles, atol=0.067)
    np.testing.assert_allclose(np.quantile((sigma - 1) * 4, quantiles), quantiles, atol=0.067)


def test_samples_are_drawn_about_them() -> None:
    s, m = noise_of()
    mu, sigma = noise_of(r_mu=0.0, r_sigma=0.0)[1][0], noise_of(r_mu=0.0, r_sigma=0.0)[0][0]
    about_mu, about_sigma = m - mu, s - sigma  # the same draws of a channel come first
    assert np.abs(about_mu).max() < 0.1
    assert np.abs(about_mu).max() > 0.0999
    np.testing.assert_allclose(about_mu.std(0), 0.1 / np.sqrt(3), rtol=0.1)
    np.testing.assert_allclose(about_mu.mean(), 0.0, atol=3e-4)
    np.testing.assert_allclose(about_sigma.std(0), 0.1, rtol=0.1)
    np.testing.assert_allclose(about_sigma.mean(), 0.0, atol=6e-4)
    kurtosis = (about_sigma**4).mean() / (about_sigma**2).mean() ** 2
    np.testing.assert_allclose(kurtosis, 3.0, rtol=0.02)  # normal; of a uniform one: 1.8


def test_every_step_draws_anew() -> None:
    steps = [noise_of(steps=steps, r_mu=0.0, r_sigma=0.0) for steps in (1, 2)]
    for first, second in zip(*steps, strict=True):
        assert abs(np.corrcoef(first[0], second[0])[0, 1]) < 4 / np.sqrt(C)


def test_each_position_of_a_sample_has_its_own_noise() -> None:
    layer = nn.NoisyBatchNorm(2, affine=False, generator=mg.Generator(0))
    y = np.asarray(layer(mg.zeros(3, 2, 4, 5)))
    assert np.unique(y).size == y.size
    # All positions of a channel lie about one mean.
    assert np.all(np.ptp(y, axis=(0, 2, 3)) < 0.2)


def test_the_noise_is_a_constant_of_the_gradient(rng: np.random.Generator) -> None:
    layer = nn.NoisyBatchNorm(3, dtype=np.float64, generator=mg.Generator(0))
    x, weight, bias = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)

    def run(x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> Any:
        layer.generator.manual_seed(1)  # type: ignore[union-attr]
        layer.__dict__.update(weight=weight, bias=bias)  # around the registration
        return layer(x)

    gradcheck(run, [x, weight, bias])
    gradgradcheck(run, [x, weight, bias], max_elements=8)


def test_evaluation_has_no_noise(rng: np.random.Generator) -> None:
    noisy, plain = nn.NoisyBatchNorm(3), nn.BatchNorm(3)
    noisy(mg.tensor(rng.normal(size=(6, 3)).astype(np.float32)))
    plain.load_state_dict(noisy.state_dict())
    x = mg.tensor(rng.normal(size=(6, 3)).astype(np.float32))
    expected = np.asarray(plain.eval()(x))
    np.testing.assert_array_equal(np.asarray(noisy.eval()(x)), expected)
    np.testing.assert_array_equal(np.asarray(noisy.freeze().train()(x)), expected)
    assert np.any(np.asarray(noisy.unfreeze()(x)) != expected)


def test_seeds() -> None:
    x = mg.randn(6, 3, 2)
    results = []
    for _ in range(2):
        mg.manual_seed(3)
        results.append(np.asarray(nn.NoisyBatchNorm(3)(x)))
        own = nn.NoisyBatchNorm(3, generator=mg.Generator(3))
        results.append(np.asarray(own(x)))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    double = nn.NoisyBatchNorm(3, dtype=np.float64, generator=mg.Generator(3))
    np.testing.assert_allclose(np.asarray(double(x.double())), results[0], rtol=1e-6, atol=1e-6)


def test_a_checkpoint_draws_the_same_noise(rng: np.random.Generator) -> None:
    layer, upstream = nn.NoisyBatchNorm(3, dtype=np.float64), mg.tensor(rng.normal(size=(5, 3)))
    start, gradients = rng.normal(size=(5, 3)), []
    runs: list[Any] = [layer, lambda x: mg.checkpoint(layer, x)]
    for run in runs:
        x = mg.tensor(start, requires_grad=True)
        mg.manual_seed(0)
        run(x).backward(upstream)
        gradients.append(np.asarray(x.grad))
    np.testing.assert_array_equal(gradients[0], gradients[1])


def test_copies_and_text() -> None:
    layer = nn.NoisyBatchNorm(3, n_mu=0.25, generator=mg.Generator(0))
    twin = copy.deepcopy(layer)
    x = mg.randn(5, 3)
    np.testing.assert_array_equal(np.asarray(twin(x)), np.asarray(layer(x)))
    assert twin.generator is not layer.generator
    assert repr(layer).startswith("NoisyBatchNorm(3, eps=1e-05")
    assert repr(layer).endswith("n_mu=0.25, n_sigma=1.25, r_mu=0.1, r_sigma=0.1)")


def test_an_empty_batch() -> None:
    assert nn.NoisyBatchNorm(3)(mg.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(("option", "value"), [("n_mu", -1.0), ("n_sigma", 0.5), ("r_mu", -0.1),
                                               ("r_sigma", np.inf)])  # fmt: skip
def test_what_is_refused(option: str, value: Any) -> None:
    nothing: Any = None
    with pytest.raises(ValueError, match=rf"{option} must be a finite number >= \d, got {value}"):
        nn.NoisyBatchNorm(3, **{option: value})
    with pytest.raises(DTypeError, match=f"{option} must be a real number, got None"):
        nn.NoisyBatchNorm(3, **{option: nothing})
    with pytest.raises(DTypeError, match=r"must be a minigrad.Generator or None, got int"):
        nn.NoisyBatchNorm(3, generator=3)  # type: ignore[arg-type]
