"""Identities that tie the normalising layers together, to second derivatives and in their state.

Each is written as two functions of x, gamma and beta that must be the same. Those relatives that
are batch normalisation are also asked for everything that holds of any BatchNorm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing.examples import BatchNormExample, batch_norm_example
from minigrad.testing.identities import check_identities
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.testing.strategies import batch_norm_examples
from minigrad.typing import Array
from tests.nn.layers import buffers

Function = Callable[..., Any]
"""Of the Tensors x, gamma and beta, and of eps."""

ROUNDING = 1e-14
"""Of float64, for |mean|/std up to 100; relative to the sizes below, which are generous."""


# ---------------------------------------------------------------------------------- how to compare


def derivatives(run: Function, example: BatchNormExample) -> list[Array]:
    """Return y, the gradients of x, gamma and beta, and those of a function of these gradients."""
    values = (example.x, example.gamma, example.beta)
    leaves = [mg.tensor(value, requires_grad=True) for value in values]
    y = run(*leaves, example.eps)
    first = mg.grad(y, leaves, mg.tensor(example.dy), create_graph=True, allow_unused=True)
    rng = np.random.default_rng(1)
    along: Any = sum(
        (g * mg.tensor(rng.normal(size=g.shape))).sum() for g in first if g is not None
    )
    second: Any = [None, None]
    if along.requires_grad:
        second = mg.grad(along, leaves[:2], allow_unused=True)
    results = (y, *first, *second)
    shapes = [value.shape for value in (values[0], *values, *values[:2])]
    return [
        np.zeros(shape) if result is None else np.asarray(result.detach())
        for result, shape in zip(results, shapes, strict=True)
    ]


def assert_same_function(ours: Function, theirs: Function, example: BatchNormExample) -> None:
    """Compare values, gradients and second derivatives, relative to their natural sizes."""
    axes = (0, *range(2, example.x.ndim))
    r = 1.0 / np.sqrt(float(np.min(example.x.var(axes))) + example.eps)
    size = (1.0 + np.abs(example.x - example.x.mean(axes, keepdims=True)).max() * r) ** 2
    size = size * example.x.size * (1.0 + np.abs(example.dy).max()) * 4.0
    orders = (1.0, r, 1.0, 1.0, r * r, r)  # of y, dx, dgamma, dbeta, d2x, dx dgamma
    names = ("y", "dx", "dgamma", "dbeta", "d2x", "d2gamma")
    found, expected = derivatives(ours, example), derivatives(theirs, example)
    for name, order, got, want in zip(names, orders, found, expected, strict=True):
        allowed = ROUNDING * size * max(1.0, order)
        np.testing.assert_allclose(got, want, rtol=0.0, atol=allowed, err_msg=name)


def called(layer: nn.Module) -> Function:
    """Return a layer as a function of x, gamma and beta, which take the place of its own."""

    def run(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        layer.__dict__.update(weight=gamma, bias=beta, eps=eps)
        return layer(x)

    return run


def batch_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return F.batch_norm(x, None, None, gamma, beta, True, eps=eps)


def per_channel(values: Any, x: Any) -> Any:
    return values.reshape((1, -1, *[1] * (x.ndim - 2)))


def scaled(x_hat: Any, gamma: Any, beta: Any) -> Any:
    return x_hat * per_channel(gamma, x_hat) + per_channel(beta, x_hat)


def by_rows(x: Any, normalise: Callable[[Any], Any]) -> Any:
    """Return channels, normalised as rows: (N, C, *S) -> (C, N*prod(S)) and back."""
    first = x.movedim(1, 0)
    return normalise(first.reshape((x.shape[1], -1))).reshape(first.shape).movedim(0, 1)


# ------------------------------------------------------------- what is batch normalisation


def layer_norm_of_the_transpose(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    rows = by_rows(x, lambda rows: F.layer_norm(rows, rows.shape[1], eps=eps))
    return scaled(rows, gamma, beta)


def rms_norm_of_centred_rows(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    def normalise(rows: Any) -> Any:
        return F.rms_norm(rows - rows.mean(1, keepdim=True), rows.shape[1], eps=eps)

    return scaled(by_rows(x, normalise), gamma, beta)


def group_norm_of_one_sample(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    def normalise(rows: Any) -> Any:  # (C, n) -> (1, C, n): channels are groups of a sample
        return F.group_norm(rows.unsqueeze(0), rows.shape[0], gamma, beta, eps).squeeze(0)

    return by_rows(x, normalise)


def instance_norm_of_one_sample(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    def normalise(rows: Any) -> Any:
        return F.instance_norm(rows.unsqueeze(0), None, None, gamma, beta, eps=eps).squeeze(0)

    return by_rows(x, normalise)


def ghost_of_one_chunk(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return called(nn.GhostBatchNorm(x.shape[1], chunk_size=x.shape[0]))(x, gamma, beta, eps)


def renorm_at_one_and_zero(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return called(nn.BatchRenorm(x.shape[1], 1.0, 0.0))(x, gamma, beta, eps)


def per_activation_of_columns(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    layer = called(nn.PerActivationBatchNorm(x.shape[1]))
    return by_rows(x, lambda rows: layer(rows.T, gamma, beta, eps).T)


RELATIVES = [
    layer_norm_of_the_transpose,
    rms_norm_of_centred_rows,
    group_norm_of_one_sample,
    instance_norm_of_one_sample,
    ghost_of_one_chunk,
    renorm_at_one_and_zero,
    per_activation_of_columns,
]


@pytest.mark.parametrize("relative", RELATIVES)
@given(example=batch_norm_examples())
def test_relatives_are_batch_norm(relative: Function, example: BatchNormExample) -> None:
    assert_same_function(relative, batch_norm, example)


def implementation(run: Function) -> BatchNormImplementation:
    """Return a function of x, gamma, beta and eps as an implementation of training BatchNorm."""

    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
        axes = (0, *range(2, x.ndim))
        y = run(*map(mg.Tensor, (x, gamma, beta)), eps)
        wide = x.astype(np.float64)  # relatives have no statistics of a batch to return
        return y.array, wide.mean(axes), wide.var(axes)

    def backward(dy: Array, x: Array, gamma: Array, beta: Array, eps: float) -> Any:
        leaves = [mg.Tensor(value, requires_grad=True) for value in (x, gamma, beta)]
        gradients = mg.grad(run(*leaves, eps), leaves, mg.Tensor(dy))
        return tuple(np.asarray(gradient) for gradient in gradients)

    return BatchNormImplementation(run.__name__, forward, backward)


@pytest.mark.parametrize("relative", RELATIVES)
def test_relatives_keep_every_identity_of_batch_norm(relative: Function) -> None:
    """Affine invariance, norms of gradients, symmetry: all of `minigrad.testing.identities`."""
    examples = [
        batch_norm_example((6, 3), dtype=np.float64),
        batch_norm_example((3, 2, 2, 3), offset=100.0, scale=0.1),
    ]
    assert len(check_identities(implementation(relative), *examples).held) > 10


# ---------------------------------------------------------------------------------- pairs of layers


def has_space(example: BatchNormExample) -> bool:
    return math.prod(example.x.shape[2:]) > 1


def instance_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return F.instance_norm(x, None, None, gamma, beta, eps=eps)


@given(example=batch_norm_examples().filter(has_space))
def test_group_norm_with_a_group_per_channel_is_instance_norm(example: BatchNormExample) -> None:
    channels = example.x.shape[1]
    assert_same_function(called(nn.GroupNorm(channels, channels)), instance_norm, example)


@given(example=batch_norm_examples())
def test_group_norm_with_one_group_is_layer_norm_of_samples(example: BatchNormExample) -> None:
    """Up to scale and shift, which group norm has for channels and layer norm for elements."""

    def layer_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        weight, bias = (
            per_channel(v, x).expand((1, *x.shape[1:])).squeeze(0) for v in (gamma, beta)
        )
        return F.layer_norm(x, x.shape[1:], weight, bias, eps)

    one_group = called(nn.GroupNorm(1, example.x.shape[1]))
    assert_same_function(one_group, layer_norm, example)


@given(example=batch_norm_examples(max_spatial_dims=1))
def test_group_norm_is_layer_norm_of_groups(example: BatchNormExample) -> None:
    """Channels of (N, C, L) in groups of L: of (N, C*L) with C groups."""

    def group_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        flat = x.reshape((x.shape[0], -1))
        return scaled(F.group_norm(flat, x.shape[1], eps=eps).reshape(x.shape), gamma, beta)

    def layer_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        rows = x.reshape((*x.shape[:2], -1))
        return scaled(F.layer_norm(rows, rows.shape[2], eps=eps).reshape(x.shape), gamma, beta)

    assert_same_function(group_norm, layer_norm, example)


@given(example=batch_norm_examples().filter(has_space))
def test_ghost_with_chunks_of_one_image_is_instance_norm(example: BatchNormExample) -> None:
    ghost = called(nn.GhostBatchNorm(example.x.shape[1], chunk_size=1))
    assert_same_function(ghost, instance_norm, example)


@given(example=batch_norm_examples(max_samples=7))
def test_ghost_is_batch_norm_of_each_chunk(example: BatchNormExample) -> None:
    chunk = 3
    samples = example.x.shape[0]
    starts = [*range(0, samples, chunk), samples]
    if len(starts) > 2 and (starts[-1] - starts[-2]) * math.prod(example.x.shape[2:]) == 1:
        del starts[-2]

    def each(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        chunks = [x[a:b] for a, b in pairwise(starts)]
        return mg.cat([batch_norm(part, gamma, beta, eps) for part in chunks])

    ghost = called(nn.GhostBatchNorm(example.x.shape[1], chunk_size=chunk))
    assert_same_function(ghost, each, example)


@given(example=batch_norm_examples())
def test_renorm_without_bounds_is_an_affine_map_in_value_alone(example: BatchNormExample) -> None:
    """``(x - running_mean) / running_std``; the gradient is still that of the batch, times r."""
    x, channels = example.x, example.x.shape[1]
    axes = (0, *range(2, x.ndim))
    mean, std = x.mean(axes) + 0.5, 2.0 * np.sqrt(x.var(axes) + example.eps)
    layer = nn.BatchRenorm(channels, np.inf, np.inf, momentum=0.0)
    layer.running_mean.copy_(mg.tensor(mean))  # type: ignore[union-attr]  # always there
    layer.running_std.copy_(mg.tensor(std))  # type: ignore[union-attr]  # always there

    def constant_corrections(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
        half, d = mg.full(channels, 0.5, dtype=np.float64), mg.tensor(-0.5 / std)
        return batch_norm(x, gamma * half, beta + gamma * d, eps)

    assert_same_function(called(layer), constant_corrections, example)
    y = derivatives(called(layer), example)[0]
    wide = [v.reshape(1, -1, *[1] * (x.ndim - 2)) for v in (mean, std, example.gamma, example.beta)]
    np.testing.assert_allclose(y, (x - wide[0]) / wide[1] * wide[2] + wide[3], rtol=1e-9, atol=1e-9)


@given(example=batch_norm_examples(max_spatial_dims=0))
def test_rms_norm_of_rows_of_mean_zero_is_layer_norm(example: BatchNormExample) -> None:
    rows = example.x.T - example.x.T.mean(1, keepdims=True)
    expected = F.layer_norm(rows, rows.shape[1], eps=example.eps).array
    y = F.rms_norm(rows, rows.shape[1], eps=example.eps).array
    np.testing.assert_allclose(y, expected, rtol=0.0, atol=1e-12)  # rows are centred up to 1e-14


# ---------------------------------------------------------------------------------- bits and state


def run_batches(layer: Any, batches: list[Array]) -> tuple[list[Array], dict[str, Array]]:
    """Return outputs and gradients of some batches in training, and the state after them."""
    results = []
    for batch in batches:
        x = mg.tensor(batch, requires_grad=True)
        y = layer(x)
        y.backward(mg.tensor(np.sin(batch)))
        results += [y.detach().array, np.asarray(x.grad)]
    results += [np.asarray(parameter.grad) for parameter in layer.parameters()]
    return results, buffers(layer)


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda **given: nn.GhostBatchNorm(3, 6, **given), (6, 3)),
        (lambda **given: nn.GhostBatchNorm(3, 5, **given), (6, 3)),
        (lambda **given: nn.GhostBatchNorm(3, 9, **given), (6, 3, 2, 2)),
        (lambda **given: nn.PerActivationBatchNorm(3, **given), (6, 3)),
        (lambda **given: nn.PerActivationBatchNorm((3, 1, 1), **given), (6, 3, 1, 1)),
        (
            lambda **given: nn.InstanceNorm2d(3, affine=True, track_running_stats=True, **given),
            (1, 3, 4, 5),
        ),
    ],
)
def test_the_same_bits_and_state_as_batch_norm(
    make: Any, shape: tuple[int, ...], dtype: Any, momentum: float | None, rng: np.random.Generator
) -> None:
    batches = [(rng.normal(size=shape) * 2 + 1).astype(dtype) for _ in range(3)]
    layer, plain = (one(momentum=momentum, dtype=dtype) for one in (make, batch_norm_layer))
    found, state = run_batches(layer, batches)
    expected, expected_state = run_batches(plain, batches)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got.reshape(want.shape), want)
    for name, value in state.items():
        np.testing.assert_array_equal(value.ravel(), expected_state[name].ravel())
    x = mg.tensor(batches[0])
    y, z = layer.eval()(x), plain.eval()(x)
    np.testing.assert_array_equal(y.detach().array, z.detach().array)


def batch_norm_layer(**given: Any) -> nn.BatchNorm:
    return nn.BatchNorm(3, **given)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_renorm_at_one_and_zero_has_the_bits_of_batch_norm(
    dtype: Any, rng: np.random.Generator
) -> None:
    """Its state is the mean of BatchNorm and, of constant batches, the root of its variance."""
    x = (rng.normal(size=(6, 3, 2)) * 2 + 1).astype(dtype)
    renorm = nn.BatchRenorm(3, 1.0, 0.0, momentum=1.0, dtype=dtype)
    plain = nn.BatchNorm(3, momentum=1.0, dtype=dtype)
    found, state = run_batches(renorm, [x, x])
    expected, expected_state = run_batches(plain, [x, x])
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(state["running_mean"], expected_state["running_mean"])
    biased = expected_state["running_var"] * (12 - 1) / 12
    np.testing.assert_allclose(state["running_std"], np.sqrt(biased + 1e-5), rtol=1e-14)
