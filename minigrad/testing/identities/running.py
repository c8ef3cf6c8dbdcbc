"""Identities of running statistics and of evaluation; notation as in `forward`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from minigrad.testing.examples import BatchNormExample
from minigrad.testing.identities.check import identity
from minigrad.testing.identities.facts import Claim, Facts, along
from minigrad.testing.identities.forward import forward
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.typing import Array

__all__ = [
    "cumulative_average",
    "duplicated_batch_running",
    "evaluation_by_batch_statistics",
    "evaluation_gradient",
    "evaluation_is_affine",
    "running_update",
]


def _running(example: BatchNormExample) -> tuple[Array, Array]:
    """Return running statistics, of the size of those of the batch but others."""
    facts = Facts(example)
    dtype = example.x.dtype
    mean = (facts.mean + 0.75 / facts.r).astype(dtype)
    return mean, (1.5 / (facts.r * facts.r)).astype(dtype)


@identity(
    "running <- (1 - m) running + m batch, running var by n / (n - 1)", needs=("update_running",)
)
def running_update(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Update: ``(1 - m) * running + m * batch``, the variance unbiased, ``var * n / (n - 1)``.

    Source: Ioffe & Szegedy 2015, Algorithm 2, step 10, for the factor; PyTorch's meaning of the
    momentum m. Tolerance: rounding of the statistics.
    """
    assert implementation.update_running is not None  # noqa: S101 - it applies
    facts = Facts(example)
    unbiased = facts.var * facts.n / (facts.n - 1)
    mean, var = _running(example)
    for momentum in (0.0, 0.125, 1.0):
        got_mean, got_var = implementation.update_running(
            mean.copy(), var.copy(), example.x, momentum
        )
        expected_mean = (1.0 - momentum) * np.asarray(mean, np.longdouble) + momentum * facts.mean
        expected_var = (1.0 - momentum) * np.asarray(var, np.longdouble) + momentum * unbiased
        what = f"for momentum {momentum:g}"
        yield Claim(f"running mean {what}", got_mean, expected_mean, 2.0 * facts.allowed_mean)
        yield Claim(f"running var {what}", got_var, expected_var, 4.0 * facts.allowed_var)


@identity(
    "momentum 1/t after K equal batches = (E[mean], n / (n - 1) E[var])",
    needs=("update_running",),
)
def cumulative_average(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """With momentum 1/t in step t, K batches of n values leave the averages of Algorithm 2.

    Source: Ioffe & Szegedy 2015, Algorithm 2, step 10. Tolerance: rounding of K updates.
    """
    assert implementation.update_running is not None  # noqa: S101 - it applies
    facts = Facts(example)
    batches = []
    for k in range(3):
        moved = (1.0 + k) * (example.x - along(facts.mean, example.x))
        center = along(facts.mean + k / facts.r, example.x)
        batches.append(replace(example, x=(moved + center).astype(example.x.dtype)))
    mean, var = np.full_like(example.beta, 7.0), np.full_like(example.beta, 9.0)
    for step, batch in enumerate(batches, start=1):
        mean, var = implementation.update_running(mean, var, batch.x, 1.0 / step)
    all_facts = [Facts(batch) for batch in batches]
    expected_mean = sum(f.mean for f in all_facts) / len(batches)
    expected_var = sum(f.var for f in all_facts) / len(batches) * facts.n / (facts.n - 1)
    yield Claim("mean", mean, expected_mean, 3.0 * all_facts[-1].allowed_mean)
    # The variances of a batch far from 0 are less certain than those of one that is spread out.
    allowed = 6.0 * sum(f.allowed_var for f in all_facts)
    yield Claim("var", var, expected_var, allowed)


@identity("running var of [x, x] = that of x times (2n - 2) / (2n - 1)", needs=("update_running",))
def duplicated_batch_running(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Duplicate a batch: the same running mean, a variance smaller by a known factor.

    Source: the factors n / (n - 1) of n and 2n values. Tolerance: rounding of the statistics.
    """
    assert implementation.update_running is not None  # noqa: S101 - it applies
    facts = Facts(example)
    zeros = np.zeros_like(example.beta)
    mean, var = implementation.update_running(zeros.copy(), zeros.copy(), example.x, 1.0)
    doubled = np.concatenate((example.x, example.x))
    mean2, var2 = implementation.update_running(zeros.copy(), zeros.copy(), doubled, 1.0)
    factor = (2.0 * facts.n - 2.0) / (2.0 * facts.n - 1.0)
    yield Claim("running mean", mean2, mean, 2.0 * facts.allowed_mean)
    yield Claim("running var", var2, factor * var, 4.0 * facts.allowed_var)


@identity("evaluation by the batch's own statistics = training", needs=("evaluate",))
def evaluation_by_batch_statistics(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Evaluate with the mean and the biased variance of the batch: that is training's y.

    Source: Ioffe & Szegedy 2015, Algorithm 2, step 11. Tolerance: twice that of y.
    """
    assert implementation.evaluate is not None  # noqa: S101 - it applies
    y, mean, var = forward(implementation, example)
    got = implementation.evaluate(example.x, mean, var, example.gamma, example.beta, example.eps)
    yield Claim("y", got, y, 2.0 * Facts(example).allowed_y)


@identity("evaluation: y = gamma (x - mean) / sqrt(var + eps) + beta", needs=("evaluate",))
def evaluation_is_affine(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta``, each sample on its own.

    Source: Ioffe & Szegedy 2015, Algorithm 2, step 11. Tolerance: twice that of y.
    """
    assert implementation.evaluate is not None  # noqa: S101 - it applies
    mean, var = _running(example)
    x, gamma, beta = example.x, example.gamma, example.beta
    y = implementation.evaluate(x, mean, var, gamma, beta, example.eps)
    r = 1.0 / np.sqrt(np.asarray(var, np.longdouble) + example.eps)
    expected = (x - along(np.asarray(mean, np.longdouble), x)) * along(gamma * r, x)
    allowed = 4.0 * Facts(example).allowed_y
    yield Claim("y", y, expected + along(beta, x), allowed)
    alone = implementation.evaluate(x[:1], mean, var, gamma, beta, example.eps)
    yield Claim("y of the first sample alone", alone, y[:1], allowed)


@identity(
    "evaluation: dx = gamma r dy, dgamma = sum(dy x_hat), dbeta = sum(dy)",
    needs=("evaluate_backward",),
)
def evaluation_gradient(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``dx = gamma * r * dy``; the statistics are constants.

    Source: the derivative of `evaluation_is_affine`. Tolerance: twice that of training's.
    """
    assert implementation.evaluate_backward is not None  # noqa: S101 - it applies
    mean, var = _running(example)
    x, dy, gamma, beta = example.x, example.dy, example.gamma, example.beta
    got = implementation.evaluate_backward(dy, x, mean, var, gamma, beta, example.eps)
    facts = Facts(example)
    r = 1.0 / np.sqrt(np.asarray(var, np.longdouble) + example.eps)
    x_hat = (x - along(np.asarray(mean, np.longdouble), x)) * along(r, x)
    expected = (dy * along(gamma * r, x), facts.sum(dy * x_hat), facts.sum(dy))
    yield from facts.claims_of_gradients(got, expected, 4.0)
