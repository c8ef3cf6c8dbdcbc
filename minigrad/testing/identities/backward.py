"""Identities of the gradients of BatchNorm in training; notation as in `forward`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad.testing.differences import directional, random_direction, step_size
from minigrad.testing.examples import BatchNormExample
from minigrad.testing.identities.check import identity
from minigrad.testing.identities.facts import Claim, Facts, along
from minigrad.testing.identities.forward import backward
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.typing import Array

__all__ = [
    "gradient_along_the_output",
    "gradient_is_the_derivative",
    "gradient_norm",
    "gradient_sums_to_zero",
    "homogeneous_gradient",
    "linear_gradient",
    "parameter_gradients",
    "scale_of_weights",
    "symmetric_jacobian",
]

# Fourth-order differences at steps of 1e-4 of the spread reach 1e-7 of the norm (measured).
DIFFERENCES = 1e-6


@identity("sum(dx) = 0")
def gradient_sums_to_zero(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``sum(dx) = 0``, so the gradient of a bias before BatchNorm is zero.

    Source: ``y(x + b) = y(x)`` (Ioffe & Szegedy 2015, section 3.2), differentiated by b.
    Tolerance: n times that of dx.
    """
    dx, _, _ = backward(implementation, example)
    facts = Facts(example)
    yield Claim("sum(dx)", facts.sum(dx), 0.0 * facts.r, facts.n * facts.allowed_dx_channel)


@identity("sum(dx x_hat) = r (1 - q) sum(g x_hat)")
def gradient_along_the_output(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``sum(dx * x_hat) = r * (1 - q) * sum(g * x_hat)``, which vanishes with eps.

    Source: the formula of dx with ``mean(x_hat**2) = q``. Tolerance: n times that of dx, times
    the largest x_hat.
    """
    dx, _, _ = backward(implementation, example)
    facts = Facts(example)
    expected = facts.r * (1.0 - facts.q) * facts.sum(facts.g * facts.x_hat)
    allowed = 2.0 * facts.n * facts.allowed_dx_channel * facts.largest(facts.x_hat)
    yield Claim("sum(dx x_hat)", facts.sum(dx * facts.x_hat), expected, allowed)


@identity("|dx|^2 = r^2 (|g|^2 - sum(g)^2 / n - (2 - q) sum(g x_hat)^2 / n)")
def gradient_norm(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``|dx|**2 = r**2 * (|g|**2 - sum(g)**2 / n - (2 - q) * sum(g * x_hat)**2 / n)``.

    Source: Santurkar et al. 2018, arXiv:1805.11604, Theorem 4.1, with the share of eps.
    Tolerance: twice that of dx, times its largest value, n times.
    """
    dx, _, _ = backward(implementation, example)
    facts = Facts(example)
    along_ones, along_x_hat = facts.sum(facts.g), facts.sum(facts.g * facts.x_hat)
    total = facts.sum(facts.g * facts.g) - along_ones**2 / facts.n
    expected = facts.r**2 * (total - (2.0 - facts.q) * along_x_hat**2 / facts.n)
    # An element of dx is at most g r (2 + n): but for rounding, the Jacobian projects.
    largest = facts.r * facts.largest(facts.g) * (2.0 + facts.largest(facts.x_hat))
    allowed = 2.0 * facts.n * facts.allowed_dx_channel * largest
    got = facts.sum(np.square(dx, dtype=np.longdouble))
    yield Claim("|dx|^2", got, expected, allowed)


@identity("u W -> u (a W), eps -> a^2 eps: du equal, dW / a, <w, dw> = (1 - q) sum(g x_hat)")
def scale_of_weights(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Scale what precedes, ``x = u W``: du stays as it is, dW is divided by the scale.

    And ``<w, dw> = (1 - q) * sum(g * x_hat)`` for each column w of W, zero without eps: weights
    before BatchNorm grow whatever the loss is.

    Source: Ioffe & Szegedy 2015, section 3.3; van Laarhoven 2017, arXiv:1706.05350, section 2.
    Tolerance: that of dx, summed over n values of u.
    """
    x, dy = (np.moveaxis(v, 1, -1).reshape(-1, v.shape[1]) for v in (example.x, example.dy))
    channels = x.shape[1]
    u = x.astype(np.float64)
    weights = np.eye(channels) + np.tri(channels, k=-1) / 4.0
    results = []
    for a in (1.0, 8.0):
        scaled = replace(example, x=(u @ (a * weights)).astype(x.dtype), dy=dy)
        scaled = replace(scaled, eps=a * a * example.eps)
        dx = np.asarray(backward(implementation, scaled)[0], np.float64)
        results.append((dx @ (a * weights).T, u.T @ dx))
    (du, dw), (du_scaled, dw_scaled) = results
    plain = replace(example, x=(u @ weights).astype(x.dtype), dy=dy)
    facts = Facts(plain)
    per_element = facts.allowed_dx_channel
    allowed = 2.0 * per_element @ np.abs(weights).T
    yield Claim("du", du_scaled, du, along(allowed, x))
    size = facts.n * np.abs(u).max(axis=0)[:, None] * per_element  # (inputs, channels)
    yield Claim("dW", 8.0 * dw_scaled, dw, 2.0 * size)
    expected = (1.0 - facts.q) * facts.sum(facts.g * facts.x_hat)
    inner = np.asarray(np.sum(weights * dw, axis=0, dtype=np.longdouble))
    allowed = 2.0 * np.sum(np.abs(weights) * size, axis=0)
    yield Claim("<w, dw>", inner, expected, allowed)


@identity("dx(c dy) = c dx(dy); dx(a x; a^2 eps) = dx(x; eps) / a")
def homogeneous_gradient(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Dx is of degree 1 in dy and of degree -1 in the scale of x (with eps scaled by its square).

    Source: the chain rule on `affine_invariance`. Tolerance: rounding; both scales are powers of
    two, so nothing else changes.
    """
    facts = Facts(example)
    dx, dgamma, dbeta = backward(implementation, example)
    scaled = backward(implementation, replace(example, dy=-4.0 * example.dy))
    expected = (-4.0 * dx, -4.0 * dgamma, -4.0 * dbeta)
    yield from facts.claims_of_gradients(scaled, expected, 8.0)
    moved = replace(example, x=8.0 * example.x, eps=64.0 * example.eps)
    expected = (0.125 * dx, dgamma, dbeta)
    yield from facts.claims_of_gradients(backward(implementation, moved), expected, 2.0)


@identity("gradient(dy + ones) = gradient(dy) + gradient(ones); dx(ones) = 0")
def linear_gradient(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Gradients are linear in dy, and a constant dy has a dx of zero.

    Source: the outputs of a channel add up to a constant, ``n * beta``. It is why a gradient
    check under a sum of outputs sees nothing. Tolerance: that of the two gradients.
    """
    ones = replace(example, dy=np.ones_like(example.dy))
    both = replace(example, dy=example.dy + ones.dy)
    facts = Facts(both)
    factor = 2.0 * (2.0 + float(np.max(np.abs(example.dy))))
    of_ones = backward(implementation, ones)
    expected = [a + b for a, b in zip(backward(implementation, example), of_ones, strict=True)]
    unit = Facts(ones)
    for name, got, want, most, least in zip(
        ("dx", "dgamma", "dbeta"),
        backward(implementation, both),
        expected,
        (facts.allowed_dx, facts.allowed_dgamma, facts.allowed_dbeta),
        (unit.allowed_dx, unit.allowed_dgamma, unit.allowed_dbeta),
        strict=True,
    ):
        yield Claim(name, got, want, 2.0 * most + factor * least)
    yield Claim("dx of ones", of_ones[0], np.zeros_like(of_ones[0]), unit.allowed_dx)


@identity("<u, dx(v)> = <v, dx(u)> with gamma = 1")
def symmetric_jacobian(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Swap u and v: the Jacobian of each channel is symmetric, ``<u, J v> = <v, J u>``.

    Source: ``J = r * (I - 11' / n - x_hat x_hat' / n)``. Tolerance: n times that of dx.
    """
    u = np.roll(example.dy[::-1], 1, axis=-1) + np.sign(example.dy)
    v = replace(example, gamma=np.ones_like(example.gamma))
    other = replace(v, dy=u.astype(example.dy.dtype))
    facts, facts_u = Facts(v), Facts(other)
    left = facts.sum(other.dy * np.asarray(backward(implementation, v)[0], np.longdouble))
    right = facts.sum(v.dy * np.asarray(backward(implementation, other)[0], np.longdouble))
    allowed = facts.allowed_dx_channel * facts.largest(other.dy)
    allowed = allowed + facts_u.allowed_dx_channel * facts.largest(v.dy)
    yield Claim("<u, dx(v)>", left, right, 2.0 * facts.n * allowed)


@identity("dgamma = sum(dy x_hat), dbeta = sum(dy)")
def parameter_gradients(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """``dgamma = sum(dy * x_hat)`` and ``dbeta = sum(dy)``.

    Source: Ioffe & Szegedy 2015, section 3. Tolerance: n times that of x_hat.
    """
    _, dgamma, dbeta = backward(implementation, example)
    facts = Facts(example)
    yield Claim("dgamma", dgamma, facts.sum(example.dy * facts.x_hat), facts.allowed_dgamma)
    yield Claim("dbeta", dbeta, facts.sum(example.dy), facts.allowed_dbeta)


@identity("<gradient, v> = d/dt <dy, y(. + t v)>", dtypes=(np.float64,))
def gradient_is_the_derivative(
    implementation: BatchNormImplementation, example: BatchNormExample
) -> Iterator[Claim]:
    """Compare the gradient along a direction with the derivative of forward along it.

    For x, gamma and beta, and each channel.

    Source: the definition; differences of fourth order in float64, dy being random.
    Tolerance: 1e-6 of the norm of the gradient, and the rounding of the differences.
    """
    arguments: list[Any] = [example.x, example.gamma, example.beta]
    rng = np.random.default_rng(0)

    def run(values: list[Any]) -> list[Array]:
        x, gamma, beta = values
        y, _, _ = implementation.forward(x, gamma, beta, example.eps)
        return [np.asarray(y)]

    facts = Facts(example)
    gradients = backward(implementation, example)
    # An input whose true gradient nearly vanishes still has terms that do not.
    sizes = [
        np.sqrt(facts.n) * facts.r * facts.largest(facts.g),
        facts.n * facts.largest(example.dy),
        facts.n * facts.largest(example.dy),
    ]
    for position, (name, gradient) in enumerate(
        zip(("dx", "dgamma", "dbeta"), gradients, strict=True)
    ):
        value = arguments[position]
        for channel in range(example.x.shape[1]):
            axis = 1 if value.ndim > 1 else 0
            one = [slice(None)] * value.ndim
            one[axis] = slice(channel, channel + 1)
            direction = np.zeros_like(value)
            direction[tuple(one)] = random_direction(value[tuple(one)].shape, rng)
            step = step_size(value[tuple(one)], 1e-4) / max(1.0, float(np.sqrt(facts.n)))
            numeric, noise = directional(run, arguments, position, direction, step, [example.dy])
            analytic = np.sum(gradient * direction, keepdims=True)
            allowed = DIFFERENCES * float(sizes[position][channel]) + noise
            yield Claim(
                f"{name} along a direction",
                analytic.reshape(1),
                np.array([numeric]),
                allowed,
            )
