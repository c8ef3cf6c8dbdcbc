"""Batch renormalisation: values, gradients through constants, schedules and state."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.nn.norm.batch_renorm import D_MAX, R_MAX
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array
from tests.nn.layers import as_function, buffers, gradients, randomised

FLOAT64 = 1e-12
"""A few roundings in float64."""
FLOAT32 = 4e-6
"""A few roundings of float32 in results of order 6; statistics are in float64."""

EPS = 1e-2
"""Large enough to show in the result: with 1e-5 a wrong eps could pass as rounding."""

SHAPES = [(7, 3), (4, 3, 5), (2, 3, 2, 3)]


def per_channel(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


class Model:
    """Algorithm 1 of the paper, in NumPy; ``eps`` is in every standard deviation."""

    def __init__(self, channels: int, momentum: float | None) -> None:
        self.mean, self.std = np.zeros(channels), np.ones(channels)
        self.momentum, self.batches = momentum, 0

    def train(self, x: Array, r_max: float, d_max: float) -> Array:
        axes = (0, *range(2, x.ndim))
        mean, std = x.mean(axes), np.sqrt(x.var(axes) + EPS)
        self.r = np.minimum(np.maximum(std / self.std, 1 / r_max), r_max)
        self.d = np.minimum(np.maximum((mean - self.mean) / self.std, -d_max), d_max)
        x_hat = (x - per_channel(mean, x)) / per_channel(std, x)
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        self.mean = self.mean + factor * (mean - self.mean)
        self.std = self.std + factor * (std - self.std)
        return np.asarray(x_hat * per_channel(self.r, x) + per_channel(self.d, x))

    def evaluate(self, x: Array) -> Array:
        return np.asarray((x - per_channel(self.mean, x)) / per_channel(self.std, x))


def batch(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return channels of which one has moved up, one down, one not; and a spread each."""
    x = rng.normal(size=shape)
    scale, shift = np.array([0.3, 1.0, 4.0]), np.array([-2.0, 0.1, 3.0])
    return np.asarray(x * per_channel(scale, x) + per_channel(shift, x))


@pytest.mark.parametrize("momentum", [0.01, 0.5, None])
@pytest.mark.parametrize(("r_max", "d_max"), [(1.0, 0.0), (1.5, 0.5), (3.0, 5.0), (np.inf, np.inf)])
@pytest.mark.parametrize("shape", SHAPES)
def test_several_batches_against_numpy(
    shape: tuple[int, ...],
    r_max: float,
    d_max: float,
    momentum: float | None,
    rng: np.random.Generator,
) -> None:
    layer = randomised(nn.BatchRenorm(3, r_max, d_max, EPS, momentum), rng)
    model = Model(3, momentum)
    for _ in range(3):
        x = batch(shape, rng).astype(np.float32)
        y = layer(mg.tensor(x)).detach().array
        assert y.dtype == np.float32
        expected = scaled(layer, model.train(x.astype(np.float64), r_max, d_max))
        np.testing.assert_allclose(y, expected, rtol=FLOAT32, atol=4 * FLOAT32)
    state = buffers(layer)
    np.testing.assert_allclose(state["running_mean"], model.mean, rtol=FLOAT64, atol=FLOAT64)
    np.testing.assert_allclose(state["running_std"], model.std, rtol=FLOAT64)
    assert state["num_batches_tracked"] == 3
    layer.eval()
    y = layer(mg.tensor(x)).detach().array
    expected = scaled(layer, model.evaluate(x.astype(np.float64)))
    np.testing.assert_allclose(y, expected, rtol=FLOAT32, atol=4 * FLOAT32)
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, state[name])


def scaled(layer: Any, x_hat: Array) -> Array:
    return x_hat * per_channel(layer.weight.array, x_hat) + per_channel(layer.bias.array, x_hat)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"affine": False}])
def test_scale_and_shift(options: dict[str, Any], rng: np.random.Generator) -> None:
    layer: Any = nn.BatchRenorm(3, 2.0, 1.0, EPS, dtype=np.float64, **options)
    randomised(layer, rng)
    x = batch((6, 3), rng)
    expected = Model(3, 0.01).train(x, 2.0, 1.0)
    expected = expected if layer.weight is None else expected * layer.weight.array
    expected = expected if layer.bias is None else expected + layer.bias.array
    np.testing.assert_allclose(layer(mg.tensor(x)).detach().array, expected, rtol=FLOAT64)


def test_where_nothing_is_clipped_training_is_evaluation(rng: np.random.Generator) -> None:
    """What batch renormalisation is for."""
    layer = nn.BatchRenorm(3, 1e3, 1e3, dtype=np.float64)
    x = mg.tensor(batch((6, 3), rng))
    evaluation = copy.deepcopy(layer).eval()(x).detach().array
    training = layer(x).detach().array
    np.testing.assert_allclose(training, evaluation, rtol=FLOAT64)


# ---------------------------------------------------------------------------------- gradients


def with_constants(layer: Any, x: Array) -> Any:
    """Return the layer as primitive ops, with r and d of this batch as numbers."""
    axes = (0, *range(2, x.ndim))
    mean, std = x.mean(axes), np.sqrt(x.var(axes) + EPS)
    running_mean, running_std = layer.running_mean.array, layer.running_std.array
    r = np.clip(std / running_std, 1 / layer.r_max, layer.r_max)
    d = np.clip((mean - running_mean) / running_std, -layer.d_max, layer.d_max)
    r, d = per_channel(r, x), per_channel(d, x)

    def run(x: Any, weight: Any, bias: Any) -> Any:
        deviation = x - x.mean(axes, keepdim=True)
        std = ((deviation * deviation).mean(axes, keepdim=True) + EPS).sqrt()
        wide = (1, -1, *[1] * (x.ndim - 2))
        return (deviation / std * r + d) * weight.reshape(wide) + bias.reshape(wide)

    return run


@pytest.mark.parametrize(("r_max", "d_max"), [(1.0, 0.0), (1.5, 0.5), (1e3, 1e3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_r_and_d_are_constants_of_the_gradient(
    shape: tuple[int, ...], r_max: float, d_max: float, rng: np.random.Generator
) -> None:
    """First and second derivatives are those of primitive ops in which r and d are numbers."""
    layer = randomised(nn.BatchRenorm(3, r_max, d_max, EPS, dtype=np.float64), rng)
    function, parameters = as_function(layer)
    x, dy, direction = batch(shape, rng), rng.normal(size=shape), rng.normal(size=shape)
    composed = with_constants(layer, x)

    def derivatives(run: Any) -> list[Array]:
        leaves = [mg.tensor(value, requires_grad=True) for value in (x, *parameters)]
        first: Any = mg.grad(run(*leaves), leaves, mg.tensor(dy), create_graph=True)
        along = (first[0] * mg.tensor(direction)).sum() + (first[1] * first[1]).sum()
        second: Any = mg.grad(along, leaves[:2])
        return [np.asarray(v.detach()) for v in (*first, *second)]

    found, expected = derivatives(function), derivatives(composed)
    assert len(found) == 5
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max())
    layer_dx = gradients(layer, x, dy)[1]
    np.testing.assert_allclose(layer_dx, expected[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("r_max", "d_max"), [(1.0, 0.0), (1.05, 0.05)])
def test_gradients_against_differences(
    r_max: float, d_max: float, rng: np.random.Generator
) -> None:
    """Where all is clipped, r and d do not move with x, and differences see the same."""
    layer = randomised(nn.BatchRenorm(3, r_max, d_max, EPS, dtype=np.float64), rng)
    layer.running_std.fill_(20.0)
    layer.running_mean.fill_(-5.0)
    function, parameters = as_function(layer)
    inputs = [batch((5, 3), rng), *parameters]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs, max_elements=8, projections=2)
    gradgradcheck(function, inputs, order=3, max_elements=4, projections=1)


def test_gradients_in_evaluation(rng: np.random.Generator) -> None:
    layer = randomised(nn.BatchRenorm(3, 2.0, 1.0, EPS, 0.5, dtype=np.float64), rng)
    layer(mg.tensor(batch((6, 3), rng)))
    function, parameters = as_function(layer.eval())
    inputs = [batch((4, 3), rng), *parameters]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs, max_elements=8, projections=2)


def test_backward_uses_what_forward_used(rng: np.random.Generator) -> None:
    layer = nn.BatchRenorm(3, 2.0, 1.0, EPS, 0.5, dtype=np.float64)
    x, dy = batch((6, 3), rng), rng.normal(size=(6, 3))
    expected = gradients(copy.deepcopy(layer), x, dy)
    leaf = mg.tensor(x, requires_grad=True)
    y = layer(leaf)
    layer(leaf * 3.0)  # moves r and d of what follows
    layer.eval()
    y.backward(mg.tensor(dy))
    np.testing.assert_array_equal(np.asarray(leaf.grad), expected[1])


# ---------------------------------------------------------------------------------- schedules


def test_a_ramp() -> None:
    ramp = nn.LinearRamp(1.0, 3.0, 2, 6)
    assert [ramp(t) for t in range(9)] == [1.0, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0]
    step = nn.LinearRamp(0, 5, 3, 3)
    assert [step(t) for t in range(5)] == [0.0, 0.0, 0.0, 5.0, 5.0]
    assert ramp == nn.LinearRamp(1.0, 3.0, 2, 6)


def test_defaults_are_the_papers() -> None:
    layer = nn.BatchRenorm(3)
    assert (layer.r_max, layer.d_max, layer.momentum) == (R_MAX, D_MAX, 0.01)
    counts = (0, 5_000, 22_500, 25_000, 40_000, 10**6)
    assert [R_MAX(t) for t in counts] == pytest.approx([1, 1, 2, 1 + 8 / 7, 3, 3])
    assert [D_MAX(t) for t in counts] == pytest.approx([0, 0, 4.375, 5, 5, 5])


def test_schedules_advance_with_the_batches(rng: np.random.Generator) -> None:
    """At each batch the bounds are those of the number of batches before it."""
    r_max, d_max = nn.LinearRamp(1.0, 3.0, 1, 5), nn.LinearRamp(0.0, 5.0, 2, 4)
    layer = nn.BatchRenorm(3, r_max, d_max, EPS, momentum=0.0, dtype=np.float64)
    model = Model(3, 0.0)
    x = batch((6, 3), rng) * 10.0  # so that the bounds are reached
    outputs = []
    for count in range(8):
        assert layer.bounds() == (r_max(count), d_max(count))
        outputs.append(layer(mg.tensor(x)).detach().array)
        expected = model.train(x, r_max(count), d_max(count))
        np.testing.assert_allclose(outputs[-1], expected, rtol=FLOAT64, atol=FLOAT64)
    # Frozen schedules would give the same each time: the batch is the same.
    changes = [bool(np.any(a != b)) for a, b in pairwise(outputs)]
    assert changes == [False, True, True, True, True, False, False]


def test_schedules_stand_still_in_evaluation_and_for_empty_batches() -> None:
    layer = nn.BatchRenorm(2, nn.LinearRamp(1.0, 3.0, 0, 4), 1.0)
    layer(mg.randn(4, 2))
    before = layer.bounds()
    layer(mg.zeros(0, 2))
    layer.eval()(mg.randn(4, 2))
    assert layer.train().bounds() == before == (1.5, 1.0)


def test_a_resumed_run_goes_on_where_it_was(rng: np.random.Generator) -> None:
    def new() -> nn.BatchRenorm:
        ramps = nn.LinearRamp(1.0, 3.0, 1, 6), nn.LinearRamp(0.0, 5.0, 1, 6)
        return nn.BatchRenorm(3, *ramps, EPS, 0.3)

    batches = [mg.tensor(batch((6, 3), rng), dtype=np.float32) for _ in range(6)]
    straight, first, second = new(), new(), new()
    for x in batches:
        expected = straight(x).detach().array
    for x in batches[:3]:
        first(x)
    second.load_state_dict(first.state_dict())
    assert second.bounds() == first.bounds() != new().bounds()
    for x in batches[3:]:
        y = second(x).detach().array
    np.testing.assert_array_equal(y, expected)
    for name, value in buffers(straight).items():
        np.testing.assert_array_equal(value, buffers(second)[name])


def test_a_schedule_can_be_any_function() -> None:
    seen: list[int] = []

    def r_max(count: int) -> float:
        seen.append(count)
        return 1.0 + count

    layer = nn.BatchRenorm(2, r_max, lambda count: 0.0)
    for _ in range(3):
        layer(mg.randn(4, 2))
    assert seen == [0, 1, 2]
    assert all(type(count) is int for count in seen)


@pytest.mark.parametrize(
    ("value", "error"), [(0.5, ValueError), (float("nan"), ValueError), ("3", DTypeError)]
)
def test_what_a_schedule_returns_is_checked(value: Any, error: type[Exception]) -> None:
    layer = nn.BatchRenorm(2, lambda count: value, 1.0)
    before = buffers(layer)
    with pytest.raises(error, match="BatchRenorm: r_max must be"):
        layer(mg.randn(4, 2))
    for name, state in buffers(layer).items():
        np.testing.assert_array_equal(state, before[name])


# ---------------------------------------------------------------------------------- the rest


def test_any_strides(rng: np.random.Generator) -> None:
    layer = randomised(nn.BatchRenorm(3, 2.0, 1.0, dtype=np.float64), rng)
    x, dy = batch((4, 3, 2, 5), rng), rng.normal(size=(4, 3, 2, 5))
    expected = gradients(copy.deepcopy(layer), x, dy)
    for other in (np.asfortranarray(x), np.ascontiguousarray(x[::-1])[::-1]):
        found = gradients(copy.deepcopy(layer), other, dy)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=FLOAT64, atol=FLOAT64)


def test_gradients_in_float32(rng: np.random.Generator) -> None:
    layer = randomised(nn.BatchRenorm(3, 2.0, 1.0, EPS), rng)
    x, dy = (v.astype(np.float32) for v in (batch((8, 3), rng), rng.normal(size=(8, 3))))
    wide = copy.deepcopy(layer).double()
    expected = gradients(wide, x.astype(np.float64), dy.astype(np.float64))
    for got, want in zip(gradients(layer, x, dy), expected, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=FLOAT32, atol=4 * FLOAT32 * np.abs(want).max())


def test_empty_batches() -> None:
    layer = nn.BatchRenorm(2, 3.0, 5.0)
    before = buffers(layer)
    for shape in ((0, 2), (3, 2, 0)):
        zeros = np.zeros(shape, np.float32)
        y, dx, dweight, dbias = gradients(layer, zeros, zeros)
        assert y.shape == dx.shape == shape
        assert dweight.tolist() == dbias.tolist() == [0.0, 0.0]
    assert layer.eval()(mg.zeros(0, 2)).shape == (0, 2)
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])


def test_nan_propagates_within_its_channel() -> None:
    layer = nn.BatchRenorm(2, 3.0, 5.0)
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    x[1, 0] = np.nan
    y = layer(mg.tensor(x)).detach().array
    assert np.isnan(y).all(axis=0).tolist() == [True, False]
    assert np.isnan(buffers(layer)["running_mean"]).tolist() == [True, False]


def test_data_far_from_zero(rng: np.random.Generator) -> None:
    """The running mean is float64: evaluation and training agree at |mean|/std of 1e5."""
    layer = nn.BatchRenorm(3, 1e9, 1e9, EPS, momentum=1.0)
    x = mg.tensor(rng.normal(size=(64, 3)) + 1e5, dtype=np.float32)
    layer(x)
    y = layer(x).detach().array
    np.testing.assert_allclose(y, layer.eval()(x).detach().array, rtol=0, atol=2e-6)


def test_versions_of_the_buffers() -> None:
    layer = nn.BatchRenorm(2, 3.0, 5.0)
    before = [buffer._version for buffer in layer.buffers()]
    layer(mg.randn(3, 2))
    assert [buffer._version for buffer in layer.buffers()] == [version + 1 for version in before]


def test_a_checkpoint_is_refused() -> None:
    layer = nn.BatchRenorm(2)
    y = mg.checkpoint(layer, mg.randn(3, 2, requires_grad=True))
    with pytest.raises(AutogradError, match="leave it outside of checkpoint"):
        y.sum().backward()


def test_state_repr_and_copies(rng: np.random.Generator) -> None:
    layer = randomised(nn.BatchRenorm(2, 3.0, nn.LinearRamp(0.0, 5.0, 1, 3), bias=False), rng)
    layer(mg.randn(4, 2))
    names = ["weight", "running_mean", "running_std", "num_batches_tracked"]
    assert list(layer.state_dict()) == names
    assert repr(layer) == (
        "BatchRenorm(2, r_max=3.0, d_max=LinearRamp(start=0.0, end=5.0, begin=1, finish=3), "
        "eps=1e-05, momentum=0.01, affine=True, bias=False)"
    )
    twin = copy.deepcopy(layer)
    layer(mg.randn(4, 2))
    assert twin.bounds() != layer.bounds()
    layer.double().float()
    assert {b.dtype for b in layer.buffers()} == {np.dtype(np.float64), np.dtype(np.int64)}
    state = layer.state_dict()
    del state["num_batches_tracked"]
    twin.load_state_dict(state)  # strict; the counter stays as it is
    assert twin.num_batches_tracked is not None
    assert twin.num_batches_tracked.item() == 1
    layer.reset_parameters()
    fresh = nn.BatchRenorm(2, bias=False).state_dict()
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(fresh[name]))


def any_(value: Any) -> Any:
    """Hide from the type checker what is wrong on purpose."""
    return value


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.BatchRenorm(2, 0.9), ValueError, "r_max must be >= 1, got 0.9"),
        (lambda: nn.BatchRenorm(2, 3.0, -0.1), ValueError, "d_max must be >= 0, got -0.1"),
        (lambda: nn.BatchRenorm(2, any_("3")), DTypeError, "r_max must be a real number"),
        (lambda: nn.BatchRenorm(2, eps=-1.0), ValueError, "BatchRenorm: eps must be"),
        (lambda: nn.BatchRenorm(2, momentum=1.5), ValueError, "BatchRenorm: momentum, the"),
        (lambda: nn.BatchRenorm(-1), ValueError, "num_features must be >= 0"),
        (lambda: nn.LinearRamp(1.0, 2.0, 5, 4), ValueError, "finish must be >= 5, got 4"),
        (lambda: nn.LinearRamp(1.0, 2.0, -1, 4), ValueError, "begin must be >= 0"),
        (lambda: nn.LinearRamp(any_("1"), 2.0, 0, 4), DTypeError, "start must be a real number"),
        (lambda: nn.BatchRenorm(2)(mg.zeros(4, 3)), ShapeError, r"C = 2, got \(4, 3\)"),
        (lambda: nn.BatchRenorm(2)(mg.zeros(2)), ShapeError, r"C = 2, got \(2,\)"),
        (lambda: nn.BatchRenorm(2)(mg.zeros(1, 2)), ShapeError, "BatchRenorm: .*drop_last"),
        (
            lambda: nn.BatchRenorm(2, 3.0, 5.0)(mg.zeros(4, 2, dtype=np.float64)),
            DTypeError,
            "x must be float32, as the weight is, got float64",
        ),
        (
            lambda: nn.BatchRenorm(2, 3.0, 5.0)(mg.tensor([[1, 2], [3, 4]])),
            DTypeError,
            "as the weight is, got int64",
        ),
        (
            lambda: nn.BatchRenorm(2, 3.0, 5.0, affine=False)(mg.tensor([[1, 2], [3, 4]])),
            DTypeError,
            "float32 or float64, got int64",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_failed_forward_changes_nothing() -> None:
    layer = nn.BatchRenorm(2, 3.0, 5.0)
    before = buffers(layer)
    with pytest.raises(DTypeError, match="float64"):
        layer(mg.zeros(4, 2, dtype=np.float64))
    for name, value in buffers(layer).items():
        np.testing.assert_array_equal(value, before[name])
    layer.eval()(mg.zeros(1, 2))
