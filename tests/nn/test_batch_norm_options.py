"""BatchNorm's options: scale and shift apart, any axis, conventions, policies, ablation."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import NonFiniteError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.typing import Array

FLOAT64 = 1e-12
"""A few roundings in float64."""


def draw(rng: np.random.Generator, *shape: int) -> mg.Tensor:
    return mg.tensor(rng.normal(size=shape) * 2.0 + 5.0)


def state_of(layer: nn.Module) -> dict[str, Array]:
    return {name: np.array(value) for name, value in layer.named_buffers()}


def same_state(layer: nn.Module, state: dict[str, Array]) -> bool:
    return all(np.array_equal(value, state[name]) for name, value in state_of(layer).items())


def trained(rng: np.random.Generator, **options: Any) -> nn.BatchNorm:
    """Return a layer that has seen one batch."""
    layer = nn.BatchNorm(3, dtype=np.float64, **options)
    layer(draw(rng, 7, 3))
    return layer


# ---------------------------------------------------------------------------------- scale, shift


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_weight_and_bias_are_independent(
    scale: bool, bias: bool, affine: bool, rng: np.random.Generator
) -> None:
    """What is absent is None, not a parameter of size zero, and stays so by conversion."""
    layer = nn.BatchNorm1d(3, affine=affine, scale=scale, bias=bias, dtype=np.float64)
    assert (layer.weight is not None) == (affine and scale)
    assert (layer.bias is not None) == (affine and bias)
    x = draw(rng, 5, 3)
    expected = (x.array - x.array.mean(0)) / np.sqrt(x.array.var(0) + layer.eps)
    for parameter, change in ((layer.weight, np.multiply), (layer.bias, np.add)):
        if parameter is not None:
            values = rng.uniform(0.5, 2.0, 3)
            parameter.array[...] = values
            expected = change(expected, values)
    np.testing.assert_allclose(layer(x).detach().array, expected, rtol=FLOAT64, atol=FLOAT64)
    y = layer.float()(x.float())
    assert y.dtype == np.float32
    assert len(list(layer.parameters())) == int(affine and scale) + int(affine and bias)
    twin = nn.BatchNorm1d(3, affine=affine, scale=scale, bias=bias)
    twin.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(np.asarray(twin(x.float()).detach()), np.asarray(y.detach()))


# ---------------------------------------------------------------------------------- axis


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -2, -4])
def test_channels_on_any_axis(
    axis: int, shape: tuple[int, ...], training: bool, rng: np.random.Generator
) -> None:
    """The layer with channels elsewhere is the layer on x with its axis moved."""
    if not -len(shape) <= axis < len(shape):
        return
    plain = trained(rng).train(training)
    layer = nn.BatchNorm(3, dtype=np.float64, axis=axis).train(training)
    layer.load_state_dict(plain.state_dict())
    x = draw(rng, *shape)
    dy = rng.normal(size=shape)
    mask = mg.tensor(rng.random((shape[0], *shape[2:])) < 0.7)
    for arguments in ({}, {"mask": mask}):
        first = mg.tensor(x.array, requires_grad=True)
        moved = mg.tensor(np.moveaxis(x.array, 1, axis).copy(), requires_grad=True)
        y, z = plain(first, **arguments), layer(moved, **arguments)
        (dx,), (dz,) = mg.grad(y, [first], dy), mg.grad(z, [moved], np.moveaxis(dy, 1, axis))
        assert dx is not None
        assert dz is not None
        for got, want in ((z.detach(), y.detach()), (dz, dx)):
            want_moved = np.moveaxis(np.asarray(want), 1, axis)
            np.testing.assert_allclose(np.asarray(got), want_moved, rtol=FLOAT64, atol=FLOAT64)
    for name, value in state_of(plain).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)


def test_channels_last_are_neither_copied_nor_permuted(rng: np.random.Generator) -> None:
    """The kernel sees the memory as it is, and the result has that of x."""
    layer = nn.BatchNorm2d(3, axis=-1, dtype=np.float64)
    x = mg.tensor(rng.normal(size=(2, 4, 5, 3)), requires_grad=True)
    y = layer(x)
    assert y.is_contiguous()
    assert y.shape == x.shape
    (dx,) = mg.grad(y, x, rng.normal(size=x.shape))
    assert dx is not None
    assert dx.is_contiguous()
    assert mg.graph_of(y).counts == {"Permute": 2, "BatchNormTrain": 1}


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm1d(3, axis=-1), (4, 3, 5), r"C = 3 moved to axis -1, got \(4, 3, 5\)"),
        (nn.BatchNorm1d(3, axis=2), (4, 3), r"moved to axis 2, got \(4, 3\)"),
        (nn.BatchNorm2d(3, axis=-1), (4, 5, 3), r"BatchNorm2d: expected x of shape \(N, C, H, W\)"),
        (nn.BatchNorm(3, axis=-5), (4, 3, 3), r"moved to axis -5, got \(4, 3, 3\)"),
    ],
)
def test_wrong_shapes_with_channels_elsewhere(
    layer: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        layer(mg.zeros(*shape))


# ---------------------------------------------------------------------------------- conventions


def test_biased_running_variance_of_keras_and_flax(rng: np.random.Generator) -> None:
    """``unbiased=False`` stores what normalises: 5 values of variance 2 give 2 and not 2.5."""
    x = mg.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]], dtype=np.float64)
    decay = 0.9
    for unbiased, stored in ((True, 2.5), (False, 2.0)):
        layer = nn.BatchNorm1d(
            1, momentum=nn.momentum_from_decay(decay), unbiased=unbiased, dtype=np.float64
        )
        y = layer(x)
        np.testing.assert_allclose(y.detach().array.var(), 2.0 / (2.0 + 1e-5), rtol=FLOAT64)
        np.testing.assert_allclose(
            state_of(layer)["running_var"], decay * 1.0 + (1.0 - decay) * stored, rtol=FLOAT64
        )
        var = mg.ones(1, dtype=np.float64)
        F.batch_norm(x, mg.zeros(1), var, training=True, momentum=1.0 - decay, unbiased=unbiased)
        np.testing.assert_array_equal(var.array, state_of(layer)["running_var"])


def test_no_dtype_but_their_own_for_running_statistics(rng: np.random.Generator) -> None:
    layer = trained(rng)
    before = state_of(layer)
    for dtype in (np.float16, np.float32, np.float64):
        layer.to(dtype)
        assert same_state(layer, before)
        assert layer.running_var is not None
        assert layer.running_var.dtype == np.float64


# ---------------------------------------------------------------------------------- single


def test_a_single_value_is_normalised_by_the_running_statistics(rng: np.random.Generator) -> None:
    """Forward and backward as in evaluation; nothing moves, the counter neither."""
    layer = trained(rng, single="eval")
    evaluation = copy.deepcopy(layer).eval()
    before = state_of(layer)
    x = mg.tensor(rng.normal(size=(1, 3)), requires_grad=True)
    dy = rng.normal(size=(1, 3))
    y, z = layer(x), evaluation(x)
    np.testing.assert_array_equal(np.asarray(y.detach()), np.asarray(z.detach()))
    (dx,), (dz,) = mg.grad(y, [x], dy), mg.grad(z, [x], dy)
    np.testing.assert_array_equal(np.asarray(dx), np.asarray(dz))
    assert same_state(layer, before)
    assert layer.training
    layer(draw(rng, 2, 3))  # larger batches as ever
    assert not same_state(layer, before)


def test_a_single_value_counts_values_and_not_samples(rng: np.random.Generator) -> None:
    layer = trained(rng, single="eval")
    before = state_of(layer)
    layer(draw(rng, 1, 3, 2))  # one sample with two values per channel
    assert not same_state(layer, before)


def test_a_single_value_is_refused_where_nothing_else_normalises() -> None:
    with pytest.raises(ValueError, match=r"single='eval' needs running.*got track_.*=False"):
        nn.BatchNorm1d(3, single="eval", track_running_stats=False)
    layer = nn.BatchNorm1d(3, single="eval")
    layer.running_mean = layer.running_var = None
    with pytest.raises(ShapeError, match="more than one value per channel when training"):
        layer(mg.zeros(1, 3))


# ---------------------------------------------------------------------------------- nonfinite

NAN, INF = float("nan"), float("inf")


def spoiled(rng: np.random.Generator, value: float) -> mg.Tensor:
    x = draw(rng, 4, 3)
    x.array[1, 1] = value
    return x


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("weights", [None, np.ones(4)])
def test_nonfinite_propagates(
    value: float, momentum: float | None, weights: Any, rng: np.random.Generator
) -> None:
    layer = trained(rng, momentum=momentum)
    y = layer(spoiled(rng, value), sample_weight=weights)
    finite = [True, False, True]
    np.testing.assert_array_equal(np.isfinite(y.detach().array).all(0), finite)
    for name in ("running_mean", "running_var"):
        np.testing.assert_array_equal(np.isfinite(state_of(layer)[name]), finite)
    assert state_of(layer)["num_batches_tracked"] == 2
    assert layer.num_batches_skipped == 0


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("momentum", [0.3, 1.0, None])
@pytest.mark.parametrize("weights", [None, np.ones(4)])
def test_nonfinite_batches_are_skipped_as_a_whole(
    value: float, momentum: float | None, weights: Any, rng: np.random.Generator
) -> None:
    """Neither statistic of any channel moves, nor the counter; y is what arithmetic gives."""
    layer = trained(rng, nonfinite="skip", momentum=momentum)
    before, plain = state_of(layer), copy.deepcopy(layer)
    plain.nonfinite = "propagate"
    x = spoiled(rng, value)
    y = layer(x, sample_weight=weights)
    np.testing.assert_array_equal(np.asarray(y), np.asarray(plain(x, sample_weight=weights)))
    assert same_state(layer, before)
    assert layer.num_batches_skipped == 1
    assert plain.num_batches_skipped == 0

    good, other = draw(rng, 4, 3), trained(np.random.default_rng(0), momentum=momentum)
    other.load_state_dict({name: v for name, v in layer.state_dict().items() if name[0] != "_"})
    layer(good)
    other(good)  # the batch after is weighted as if the skipped one had not been
    assert same_state(layer, state_of(other))
    layer.reset_running_stats()
    assert layer.num_batches_skipped == 0


@pytest.mark.parametrize("weights", [None, np.ones(4)])
def test_nonfinite_raises_before_anything_changes(weights: Any, rng: np.random.Generator) -> None:
    layer = trained(rng, nonfinite="raise")
    before = state_of(layer)
    versions = [buffer._version for buffer in layer.buffers()]
    with pytest.raises(FloatingPointError, match=r"BatchNorm: .*\(channel 1: mean nan, variance"):
        layer(spoiled(rng, NAN), sample_weight=weights)
    with pytest.raises(NonFiniteError, match=r"channel 2: mean nan, variance nan; 2 more\)"):
        nn.BatchNorm1d(5, nonfinite="raise")(mg.full((2, 5), NAN))
    assert same_state(layer, before)
    assert [buffer._version for buffer in layer.buffers()] == versions
    assert layer.num_batches_skipped == 0
    layer(draw(rng, 4, 3))
    layer.eval()(spoiled(rng, NAN))  # nothing is stored, so there is nothing to protect


@pytest.mark.parametrize("policy", ["skip", "raise"])
def test_what_overflows_in_the_dtype_of_the_running_statistics(policy: Any) -> None:
    """The variance of 1e30 is finite in float64, and not in a float32 buffer."""
    x = mg.tensor([[1e30], [-1e30]])
    mean, var = mg.zeros(1), mg.ones(1)
    arguments: dict[str, Any] = {"training": True, "nonfinite": policy}
    if policy == "raise":
        with pytest.raises(NonFiniteError, match="variance 1"):
            F.batch_norm(x, mean, var, **arguments)
    else:
        F.batch_norm(x, mean, var, **arguments)
    assert (mean.item(), var.item()) == (0.0, 1.0)
    assert mean._version == var._version == 0
    F.batch_norm(x, mean.double(), wide := var.double(), **arguments)
    assert wide.item() > 1e58


def test_a_skipped_batch_counts_once_under_a_checkpoint(rng: np.random.Generator) -> None:
    layer = trained(rng, nonfinite="skip")
    x = mg.tensor(spoiled(rng, NAN).array, requires_grad=True)
    mg.checkpoint(layer, x).backward(mg.ones(4, 3, dtype=np.float64))
    assert layer.num_batches_skipped == 1


@pytest.mark.parametrize("nonfinite", ["skip", "raise"])
def test_empty_batches_are_not_skipped(nonfinite: Any) -> None:
    layer = nn.BatchNorm1d(3, nonfinite=nonfinite)
    layer(mg.zeros(0, 3))
    assert layer.num_batches_skipped == 0


# ---------------------------------------------------------------------------------- ablation


def test_detached_statistics_are_constants_of_the_gradient(rng: np.random.Generator) -> None:
    """At the first and the second order; forward and running statistics as ever."""
    layer, plain = trained(rng, detach_statistics=True), trained(rng)
    plain.load_state_dict(layer.state_dict())
    values, dy, u = (rng.normal(size=(5, 3, 2)) for _ in range(3))
    x = mg.tensor(values, requires_grad=True)
    y = layer(x)
    np.testing.assert_allclose(
        y.detach().array, plain(x).detach().array, rtol=FLOAT64, atol=FLOAT64
    )
    for name, value in state_of(plain).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)

    mean, var = values.mean((0, 2)), values.var((0, 2))
    z = mg.batch_norm_eval(x, mean, var, layer.weight, layer.bias, eps=layer.eps)
    assert layer.weight is not None
    leaves = [x, layer.weight]
    found: list[mg.Tensor | None] = []
    expected: list[mg.Tensor | None] = []
    for result, gradients in ((y, found), (z, expected)):
        # The exponential is not linear, so that there is a second order.
        first = mg.grad(mg.exp(result), leaves, dy, create_graph=True)
        assert first[0] is not None
        gradients += [*first, *mg.grad(first[0], leaves, u)]
    for got, want in zip(found, expected, strict=True):
        assert got is not None
        assert want is not None
        np.testing.assert_allclose(
            np.asarray(got.detach()), np.asarray(want.detach()), rtol=1e-10, atol=1e-10
        )
    # Not the gradient of the function: that sums to zero in each channel, this one does not.
    (dx,) = mg.grad(layer(x), [x], np.ones((5, 3, 2)))
    assert np.min(np.abs(np.asarray(dx))) > 0.1


# ---------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"single": "skip"}, ValueError, "single must be 'raise' or 'eval', got 'skip'"),
        ({"nonfinite": "ignore"}, ValueError, "nonfinite must be one of .*got 'ignore'"),
        ({"axis": 1.0}, TypeError, "axis must be an integer, got 1.0"),
    ],
)
def test_wrong_options(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"BatchNorm2d: {message}"):
        nn.BatchNorm2d(3, **arguments)
    if "nonfinite" in arguments:
        with pytest.raises(error, match=f"batch_norm: {message}"):
            F.batch_norm(mg.zeros(2, 3), None, None, training=True, **arguments)


def test_repr_shows_what_is_unusual() -> None:
    usual = repr(nn.BatchNorm1d(3))
    assert usual == (
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    )
    layer = nn.BatchNorm1d(
        3, scale=False, axis=-1, unbiased=False, single="eval", nonfinite="skip",
        detach_statistics=True,
    )  # fmt: skip
    assert repr(layer.freeze()) == usual[:-1] + (
        ", scale=False, axis=-1, unbiased=False, single='eval', nonfinite='skip', "
        "detach_statistics=True, frozen=True)"
    )
