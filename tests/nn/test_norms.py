"""Layer, group, instance and RMS normalisation, and per-activation batch normalisation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, DTypeError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array
from tests.nn.layers import as_function, buffers, gradients, randomised

FLOAT64 = 1e-12
"""A few roundings in float64."""
FLOAT32 = 2e-6
"""A few roundings of float32 in results of order 3; statistics are in float64."""

EPS = 1e-2
"""Large enough to show in the result: with 1e-5 a wrong eps could pass as rounding."""


def normalise(x: Array, axes: tuple[int, ...]) -> Array:
    deviation = x - x.mean(axes, keepdims=True)
    return np.asarray(deviation / np.sqrt((deviation**2).mean(axes, keepdims=True) + EPS))


def affine(x_hat: Array, layer: Any) -> Array:
    """Scale and shift elements, or channels where the parameters are shorter than a sample."""
    for name, act in (("weight", np.multiply), ("bias", np.add)):
        value = getattr(layer, name, None)
        if value is not None:
            array = value.array
            if array.shape != x_hat.shape[-array.ndim :]:
                array = array.reshape(-1, *[1] * (x_hat.ndim - 2))
            x_hat = act(x_hat, array)
    return x_hat


def over_last(count: int) -> Callable[[Array], Array]:
    return lambda x: normalise(x, tuple(range(-count, 0)))


def over_groups(groups: int) -> Callable[[Array], Array]:
    def formula(x: Array) -> Array:
        grouped = x.reshape(len(x), groups, -1)
        return normalise(grouped, (2,)).reshape(x.shape)

    return formula


def over_instances(x: Array) -> Array:
    return normalise(x, tuple(range(2, x.ndim)))


def over_samples(x: Array) -> Array:
    return normalise(x, (0,))


def root_mean_square(count: int) -> Callable[[Array], Array]:
    def formula(x: Array) -> Array:
        axes = tuple(range(-count, 0))
        return np.asarray(x / np.sqrt((x * x).mean(axes, keepdims=True) + EPS))

    return formula


CASES: list[tuple[Callable[[], Any], tuple[int, ...], Callable[[Array], Array]]] = [
    (lambda: nn.LayerNorm(5, EPS), (3, 5), over_last(1)),
    (lambda: nn.LayerNorm((2, 3), EPS), (4, 2, 3), over_last(2)),
    (lambda: nn.LayerNorm([4], EPS, bias=False), (4,), over_last(1)),
    (lambda: nn.LayerNorm(4, EPS, elementwise_affine=False), (2, 3, 4), over_last(1)),
    (lambda: nn.RMSNorm(5, EPS), (3, 5), root_mean_square(1)),
    (lambda: nn.RMSNorm((2, 3), EPS), (4, 2, 3), root_mean_square(2)),
    (lambda: nn.RMSNorm(4, EPS, elementwise_affine=False), (2, 4), root_mean_square(1)),
    (lambda: nn.GroupNorm(2, 6, EPS), (3, 6), over_groups(2)),
    (lambda: nn.GroupNorm(2, 4, EPS, bias=False), (2, 4, 3), over_groups(2)),
    (lambda: nn.GroupNorm(1, 3, EPS, affine=False), (2, 3, 2, 2), over_groups(1)),
    (lambda: nn.InstanceNorm1d(2, EPS), (3, 2, 4), over_instances),
    (lambda: nn.InstanceNorm2d(2, EPS, affine=True), (3, 2, 2, 3), over_instances),
    (lambda: nn.InstanceNorm3d(2, EPS, affine=True, bias=False), (2, 2, 2, 1, 3), over_instances),
    (lambda: nn.PerActivationBatchNorm(3, EPS), (5, 3), over_samples),
    (lambda: nn.PerActivationBatchNorm((2, 3), EPS), (5, 2, 3), over_samples),
    (lambda: nn.PerActivationBatchNorm((2, 1, 2), EPS, bias=False), (4, 2, 1, 2), over_samples),
    (lambda: nn.PerActivationBatchNorm((2,), EPS, affine=False), (4, 2), over_samples),
]
IDS = [repr(make()) for make, _, _ in CASES]
WITHOUT_RUNNING = [case for case, name in zip(CASES, IDS, strict=True) if "stats=True" not in name]


def every_case(function: Any) -> Any:
    return pytest.mark.parametrize(("make", "shape", "formula"), CASES, ids=IDS)(function)


# ---------------------------------------------------------------------------------- values


@every_case
def test_formulas(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    layer = randomised(make(), rng)
    x = (rng.normal(size=shape) * 2 + 1).astype(np.float32)
    expected = affine(formula(x.astype(np.float64)), layer)
    y = layer(mg.tensor(x))
    assert y.dtype == np.float32
    np.testing.assert_allclose(np.asarray(y.detach()), expected, rtol=FLOAT32, atol=FLOAT32)
    layer.double()
    wide = layer(mg.tensor(x.astype(np.float64)))
    assert wide.dtype == np.float64
    np.testing.assert_allclose(np.asarray(wide.detach()), expected, rtol=FLOAT64, atol=FLOAT64)


@every_case
def test_gradients(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    """Of the input and of the parameters, to the second order."""
    layer = randomised(make().double(), rng)
    function, parameters = as_function(layer)
    inputs = [rng.normal(size=shape) * 2 + 1, *parameters]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs, max_elements=8, projections=2)


@pytest.mark.parametrize("make", [
    lambda: nn.LayerNorm(4), lambda: nn.RMSNorm(4), lambda: nn.GroupNorm(2, 4),
    lambda: nn.PerActivationBatchNorm(4),
], ids=lambda make: repr(make()))  # fmt: skip
def test_third_order(make: Any, rng: np.random.Generator) -> None:
    function, parameters = as_function(randomised(make().double(), rng))
    inputs = [rng.normal(size=(3, 4)), *parameters]
    gradgradcheck(function, inputs, order=3, max_elements=4, projections=1)


@every_case
def test_gradients_in_float32(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    """They are float32, and within rounding of those in float64."""
    layer = randomised(make(), rng)
    x, dy = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    narrow = gradients(layer, x, dy)
    wide = gradients(copy.deepcopy(layer).double(), x.astype(np.float64), dy.astype(np.float64))
    for got, expected in zip(narrow, wide, strict=True):
        assert got.dtype == np.float32
        atol = 4 * FLOAT32 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(got, expected, rtol=FLOAT32, atol=atol)


@every_case
def test_any_strides(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    """Permuted, reversed and sliced memory gives what contiguous memory gives."""
    layer = randomised(make().double(), rng)
    x, dy = rng.normal(size=shape), rng.normal(size=shape)
    expected = gradients(layer, x, dy)
    doubled = np.repeat(x, 2, axis=-1)
    for other in (np.asfortranarray(x), np.ascontiguousarray(x[::-1])[::-1], doubled[..., ::2]):
        for got, want in zip(gradients(layer, other, dy), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
def test_data_far_from_zero(offset: float, rng: np.random.Generator) -> None:
    """Statistics in float64: 4 units in the last place of float32 (see docs/batch_norm.md)."""
    x = (rng.normal(size=(4, 6, 32)) + offset).astype(np.float32)
    exact = x.astype(np.longdouble)
    bound = 4 * float(np.finfo(np.float32).eps) * 4.0  # values of up to about 4
    for result, axes in (
        (F.layer_norm(x, 32, eps=EPS), (2,)),
        (F.group_norm(x, 6, eps=EPS), (2,)),
        (F.instance_norm(x, eps=EPS), (2,)),
        (F.layer_norm(x, (6, 32), eps=EPS), (1, 2)),
        (F.group_norm(x, 1, eps=EPS), (1, 2)),
    ):
        np.testing.assert_allclose(result.array, normalise(exact, axes), rtol=0, atol=bound)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_squares_of_float32_neither_overflow_nor_vanish(
    scale: float, rng: np.random.Generator
) -> None:
    x = (rng.normal(size=(3, 8)) * scale).astype(np.float32)
    wide = x.astype(np.float64)
    rms = np.sqrt((wide * wide).mean(1, keepdims=True))
    np.testing.assert_allclose(F.rms_norm(x, 8, eps=0.0).array, wide / rms, rtol=FLOAT32)
    expected = (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True)
    np.testing.assert_allclose(
        F.layer_norm(x, 8, eps=0.0).array, expected, rtol=FLOAT32, atol=FLOAT32
    )


def test_eps_is_by_default_that_of_pytorch() -> None:
    x = np.array([[1e-3, -1e-3]])
    expected = 1e-3 / np.sqrt(1e-6 + 1e-5)
    image = x.reshape(1, 1, 2)
    layers: list[Any] = [nn.LayerNorm(2), nn.GroupNorm(1, 2), nn.InstanceNorm1d(1)]
    layers += [nn.PerActivationBatchNorm(1)]
    for layer, values in zip(layers, (x, x, image, x.T), strict=True):
        y = layer.double()(mg.tensor(values)).detach().array.ravel()
        np.testing.assert_allclose(y, [expected, -expected], rtol=1e-9)
    for dtype in (np.float32, np.float64):
        tiny = x.astype(dtype) * np.sqrt(np.finfo(dtype).eps) * 1e3
        y = nn.RMSNorm(2).to(dtype)(mg.tensor(tiny)).detach().array
        np.testing.assert_allclose(y, [[0.5**0.5, -(0.5**0.5)]], rtol=FLOAT32)


def test_sets_of_one_value() -> None:
    """Zeros, as of a constant set, with gradients of zero; NaN stays NaN, and eps = 0 gives it."""
    dy = np.array([[2.0, -3.0]])
    for layer in (nn.GroupNorm(2, 2), nn.GroupNorm(2, 2).eval()):
        y, dx, dweight, dbias = gradients(layer.double(), np.array([[4.0, 5.0]]), dy)
        assert [v.tolist() for v in (y, dx, dweight, dbias)] == [
            [[0.0, 0.0]], [[0.0, 0.0]], [0.0, 0.0], [2.0, -3.0]
        ]  # fmt: skip
    x = np.array([[4.0], [np.nan], [np.inf]])
    with np.errstate(invalid="ignore"):
        y = F.layer_norm(x, 1).array
    np.testing.assert_array_equal(y, [[0.0], [np.nan], [np.nan]])
    assert np.all(np.isnan(F.layer_norm(np.ones((2, 1)), 1, eps=0.0).array))
    assert np.all(np.isnan(F.group_norm(np.ones((2, 2, 3)), 2, eps=0.0).array))
    gradgradcheck(lambda x: F.group_norm(x, 2), np.array([[4.0, 5.0]]))


def test_nan_stays_in_its_set() -> None:
    x = np.arange(12.0).reshape(2, 6)
    x[0, 1] = np.nan
    for y in (F.layer_norm(x, 6), F.rms_norm(x, 6)):
        assert np.isnan(y.array).tolist() == [[True] * 6, [False] * 6]
    y = F.group_norm(x, 3)
    assert np.isnan(y.array).tolist() == [[True] * 2 + [False] * 4, [False] * 6]
    y = F.instance_norm(x.reshape(2, 2, 3))
    assert np.isnan(y.array).tolist() == [[[True] * 3, [False] * 3], [[False] * 3] * 2]


@pytest.mark.parametrize(("make", "shape", "formula"), WITHOUT_RUNNING)
def test_evaluation_is_training(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    layer, x = make(), mg.tensor(rng.normal(size=shape), dtype=np.float32)
    np.testing.assert_array_equal(layer(x).detach().array, layer.eval()(x).detach().array)


@every_case
def test_empty_batches(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array]
) -> None:
    layer = make()
    if len(shape) == 1:
        shape = (1, *shape)
    before = buffers(layer)
    results = gradients(layer, *np.zeros((2, 0, *shape[1:]), np.float32))
    assert results[0].shape == results[1].shape == (0, *shape[1:])
    for gradient, parameter in zip(results[2:], layer.parameters(), strict=True):
        assert gradient.tolist() == np.zeros(parameter.shape).tolist()
    assert_same_state(buffers(layer), before)


def test_empty_sets() -> None:
    for y in (F.layer_norm(mg.zeros(2, 0), 0), F.rms_norm(mg.zeros(2, 3, 0), (3, 0))):
        assert y.array.size == 0
    assert F.group_norm(mg.zeros(2, 4, 0), 2).shape == (2, 4, 0)
    assert F.instance_norm(mg.zeros(2, 4, 0), mg.zeros(4), mg.ones(4)).shape == (2, 4, 0)


def assert_same_state(state: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(state) == list(expected)
    for name, value in state.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(expected[name]))


# ---------------------------------------------------------------------------- running statistics


class Running:
    """The state of instance and per-activation normalisation, written once more in NumPy."""

    def __init__(self, shape: tuple[int, ...], momentum: float | None) -> None:
        self.mean, self.var = np.zeros(shape), np.ones(shape)
        self.momentum, self.batches = momentum, 0

    def take(self, mean: Array, unbiased: Array) -> None:
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        self.mean = (1 - factor) * self.mean + factor * mean
        self.var = (1 - factor) * self.var + factor * unbiased


TRACKING: list[tuple[Any, tuple[int, ...]]] = [
    (lambda **given: nn.InstanceNorm1d(2, EPS, track_running_stats=True, **given), (3, 2, 4)),
    (lambda **given: nn.InstanceNorm2d(2, EPS, track_running_stats=True, **given), (3, 2, 2, 3)),
    (lambda **given: nn.PerActivationBatchNorm((2, 3), EPS, **given), (5, 2, 3)),
]


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
@pytest.mark.parametrize(("make", "shape"), TRACKING)
def test_running_statistics(
    make: Any, shape: tuple[int, ...], momentum: float | None, rng: np.random.Generator
) -> None:
    layer = make(momentum=momentum).double()
    model = Running(layer.running_mean.shape, momentum)
    instances = isinstance(layer, nn.InstanceNorm1d | nn.InstanceNorm2d)
    for _ in range(3):
        x = rng.normal(size=shape) * 2 + 1
        layer(mg.tensor(x))
        if instances:
            sets = x.reshape(3, 2, -1)
            model.take(sets.mean((0, 2)), sets.var(2, ddof=1).mean(0))
        else:
            model.take(x.mean(0), x.var(0, ddof=1))
    state = buffers(layer)
    np.testing.assert_allclose(state["running_mean"], model.mean, rtol=FLOAT64, atol=FLOAT64)
    np.testing.assert_allclose(state["running_var"], model.var, rtol=FLOAT64)
    assert state["num_batches_tracked"] == 3
    layer.eval()
    y = layer(mg.tensor(x)).detach().array
    wide = (2, *[1] * (len(shape) - 2)) if instances else model.mean.shape
    expected = (x - model.mean.reshape(wide)) / np.sqrt(model.var.reshape(wide) + EPS)
    np.testing.assert_allclose(y, expected, rtol=FLOAT64, atol=FLOAT64)
    assert_same_state(buffers(layer), state)


@pytest.mark.parametrize(("make", "shape"), TRACKING)
def test_evaluation_has_gradients(
    make: Any, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    layer = make(affine=True).double()
    layer(mg.tensor(rng.normal(size=shape)))
    function, parameters = as_function(randomised(layer.eval(), rng))
    inputs = [rng.normal(size=shape), *parameters]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs, max_elements=8, projections=2)


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [nn.InstanceNorm1d, nn.PerActivationBatchNorm])
def test_truth_table(
    kind: Any, training: bool, track: bool, present: bool, rng: np.random.Generator
) -> None:
    """That of BatchNorm, also for a flag that is changed after construction."""
    instances = kind is nn.InstanceNorm1d
    layer = kind(2 if instances else (2, 4), EPS, track_running_stats=present).train(training)
    layer.track_running_stats = track
    before = buffers(layer)
    x = (rng.normal(size=(3, 2, 4)) + 3).astype(np.float32)
    own = (over_instances if instances else over_samples)(x.astype(np.float64))
    expected = own if training or not present else x / np.sqrt(1 + EPS)
    y = np.asarray(layer(mg.tensor(x)).detach())
    np.testing.assert_allclose(y, expected, rtol=FLOAT32, atol=FLOAT32)
    changed = any(np.any(value != before[name]) for name, value in buffers(layer).items())
    assert changed == (training and track and present)


@pytest.mark.parametrize(("make", "shape"), TRACKING)
def test_a_checkpoint_counts_a_batch_once(
    make: Any, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    plain, again = make(), make()
    x = mg.tensor(rng.normal(size=shape), dtype=np.float32, requires_grad=True)
    plain(x)
    mg.checkpoint(again, x).sum().backward()
    assert_same_state(buffers(again), buffers(plain))


@pytest.mark.parametrize(("make", "shape"), TRACKING)
def test_a_failed_forward_changes_nothing(make: Any, shape: tuple[int, ...]) -> None:
    layer = make(affine=True)
    before = buffers(layer)
    versions = [buffer._version for buffer in layer.buffers()]
    with pytest.raises(DTypeError, match="float64"):
        layer(mg.zeros(*shape, dtype=np.float64))
    assert_same_state(buffers(layer), before)
    layer(mg.zeros(*shape))
    assert [buffer._version for buffer in layer.buffers()] == [v + 1 for v in versions]


def test_instances_without_a_batch(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4)).astype(np.float32)
    one, many = (nn.InstanceNorm1d(2, track_running_stats=True) for _ in range(2))
    y, expected = one(mg.tensor(x)), many(mg.tensor(x[None]))
    np.testing.assert_array_equal(y.array, expected.array[0])
    assert_same_state(buffers(one), buffers(many))


@pytest.mark.parametrize(
    ("make", "shape"), [*TRACKING, (lambda **given: nn.BatchRenorm(2, **given), (5, 2))]
)
def test_frozen_layers_are_in_evaluation(
    make: Any, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    layer = make(affine=True)
    x = mg.tensor(rng.normal(size=shape), dtype=np.float32)
    layer(x)
    before, text = buffers(layer), repr(layer)
    expected = copy.deepcopy(layer).eval()(x).detach().array
    assert np.any(layer(x).detach().array != expected)
    usual = {**layer.state_dict(), **before}
    layer.freeze(parameters=True).train()
    layer.load_state_dict(usual)  # which does not say whether it is frozen
    np.testing.assert_array_equal(layer(x).detach().array, expected)
    assert_same_state(buffers(layer), before)
    assert repr(layer) == text[:-1] + ", frozen=True)"
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    other = make(affine=True)
    other.load_state_dict(layer.state_dict())
    assert other.frozen
    other.unfreeze()
    assert repr(other) == text
    layer.unfreeze()(x)
    assert np.any(buffers(layer)["running_mean"] != before["running_mean"])


def test_what_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match=r"InstanceNorm1d\.freeze: the layer has no running"):
        nn.InstanceNorm1d(2).freeze()


# ---------------------------------------------------------------------------------- modules


@every_case
def test_state_repr_and_copies(
    make: Any, shape: tuple[int, ...], formula: Callable[[Array], Array], rng: np.random.Generator
) -> None:
    layer = randomised(make(), rng)
    x = mg.tensor(rng.normal(size=shape), dtype=np.float32)
    layer(x)
    other = make()
    other.load_state_dict(layer.state_dict())
    assert_same_state(other.state_dict(), layer.state_dict())
    twin = copy.deepcopy(layer)
    for one in (other, twin):
        np.testing.assert_array_equal(one(x).detach().array, layer(x).detach().array)
    assert repr(twin) == repr(layer)
    layer.double()
    assert {p.dtype for p in layer.parameters()} <= {np.dtype(np.float64)}
    layer.float()
    assert {p.dtype for p in layer.parameters()} <= {np.dtype(np.float32)}
    floating = [b for b in layer.buffers() if b.dtype.kind == "f"]
    assert {b.dtype for b in floating} <= {np.dtype(np.float64)}  # running statistics stay
    layer.reset_parameters()
    assert_same_state(layer.state_dict(), make().state_dict())
    assert_same_state(twin.state_dict(), other.state_dict())


def test_names_of_the_state() -> None:
    running = ["running_mean", "running_var", "num_batches_tracked"]
    for layer, names in (
        (nn.LayerNorm(2), ["weight", "bias"]),
        (nn.LayerNorm(2, bias=False), ["weight"]),
        (nn.LayerNorm(2, elementwise_affine=False), []),
        (nn.RMSNorm(2), ["weight"]),
        (nn.GroupNorm(1, 2), ["weight", "bias"]),
        (nn.GroupNorm(1, 2, affine=False), []),
        (nn.InstanceNorm1d(2), []),
        (nn.InstanceNorm2d(2, affine=True, track_running_stats=True), ["weight", "bias", *running]),
        (nn.PerActivationBatchNorm(2), ["weight", "bias", *running]),
    ):
        assert list(layer.state_dict()) == names
    old = nn.PerActivationBatchNorm(2)
    state = old.state_dict()
    del state["num_batches_tracked"]
    old.load_state_dict(state)  # strict, from a file that does not have it


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.LayerNorm((3, 4)), "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)"),
        (nn.RMSNorm(3), "RMSNorm((3,), eps=None, elementwise_affine=True)"),
        (
            nn.GroupNorm(2, 4, bias=False),
            "GroupNorm(2, 4, eps=1e-05, affine=True, bias=False)",
        ),
        (
            nn.InstanceNorm2d(3),
            "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, "
            "track_running_stats=False)",
        ),
        (
            nn.PerActivationBatchNorm([3, 4], momentum=None),
            "PerActivationBatchNorm((3, 4), eps=1e-05, momentum=None, affine=True, bias=True, "
            "track_running_stats=True)",
        ),
    ],
)
def test_repr(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text


# ---------------------------------------------------------------------------------- errors


def any_(value: Any) -> Any:
    """Hide from the type checker what is wrong on purpose."""
    return value


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.LayerNorm(()), ShapeError, "normalized_shape must be the lengths of one axis"),
        (lambda: nn.LayerNorm(-1), ShapeError, r"LayerNorm: .*got \(-1,\)"),
        (lambda: nn.LayerNorm(any_(2.0)), DTypeError, "LayerNorm: expected a shape of integers"),
        (lambda: nn.RMSNorm([2, True]), DTypeError, "RMSNorm: normalized_shape"),
        (lambda: nn.LayerNorm(2, eps=-1.0), ValueError, "LayerNorm: eps must be a finite number"),
        (lambda: nn.RMSNorm(2, eps=np.inf), ValueError, "RMSNorm: eps must be a finite number"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "multiple of num_groups, got 4 and 3"),
        (lambda: nn.GroupNorm(0, 4), ValueError, "num_groups must be >= 1, got 0"),
        (lambda: nn.GroupNorm(1, 4, np.nan), ValueError, "GroupNorm: eps"),
        (lambda: nn.InstanceNorm1d(-1), ValueError, "InstanceNorm1d: num_features must be >= 0"),
        (lambda: nn.InstanceNorm2d(1, momentum=2.0), ValueError, "InstanceNorm2d: momentum, the"),
        (lambda: nn.PerActivationBatchNorm((2, 0)), ValueError, "shape must be >= 1, got 0"),
        (lambda: nn.LayerNorm(2, device="cuda"), DeviceError, "cuda"),
        (lambda: nn.GroupNorm(1, 2, device="cuda", affine=False), DeviceError, "cuda"),
        (lambda: nn.RMSNorm(2, dtype=np.int64), DTypeError, "int64"),
        (lambda: nn.LayerNorm(3)(mg.zeros(2, 4)), ShapeError, r"\(3,\), got input .*\(2, 4\)"),
        (lambda: nn.LayerNorm((2, 3))(mg.zeros(3)), ShapeError, r"\(2, 3\), got input .*\(3,\)"),
        (lambda: nn.RMSNorm(3)(mg.zeros(())), ShapeError, r"rms_norm: .*got input of shape \(\)"),
        (lambda: nn.LayerNorm(2)(mg.zeros(2, 2, dtype=np.float64)), DTypeError, "weight must be"),
        (lambda: nn.LayerNorm(2)(mg.tensor([[1, 2]])), DTypeError, "layer_norm: input .* int64"),
        (lambda: nn.GroupNorm(2, 4)(mg.zeros(2, 6)), ShapeError, r"C = 4, got \(2, 6\)"),
        (lambda: nn.GroupNorm(2, 4)(mg.zeros(4)), ShapeError, r"C = 4, got \(4,\)"),
        (lambda: nn.InstanceNorm1d(3)(mg.zeros(2, 4, 5)), ShapeError, r"InstanceNorm1d: .* C = 3"),
        (lambda: nn.InstanceNorm1d(3)(mg.zeros(3)), ShapeError, r"\(C, L\).*got \(3,\)"),
        (lambda: nn.InstanceNorm2d(3)(mg.zeros(2, 3, 1, 1)), ShapeError, "more than one value"),
        (lambda: nn.InstanceNorm3d(3)(mg.zeros(3, 2)), ShapeError, r"\(N, C, D, H, W\) or"),
        (lambda: nn.PerActivationBatchNorm(3)(mg.zeros(2, 4)), ShapeError, r"got \(2, 4\)"),
        (lambda: nn.PerActivationBatchNorm(3)(mg.zeros(1, 3)), ShapeError, "drop_last=True"),
        (lambda: F.group_norm(mg.zeros(2, 4), 3), ShapeError, "4 is no multiple of num_groups"),
        (lambda: F.group_norm(mg.zeros(2), 1), ShapeError, r"\(N, C, \*S\), got \(2,\)"),
        (lambda: F.instance_norm(mg.zeros(2)), ShapeError, r"\(N, C, \*S\), got \(2,\)"),
        (
            lambda: F.instance_norm(mg.zeros(2, 3, 4), use_input_stats=False),
            ValueError,
            "running_mean is needed where use_input_stats is False",
        ),
        (
            lambda: F.instance_norm(mg.zeros(2, 3, 4), mg.zeros(3), None),
            ValueError,
            "running_var is needed .*got NoneType",
        ),
        (
            lambda: F.instance_norm(mg.zeros(2, 3, 4), mg.zeros(3), mg.ones(4)),
            ShapeError,
            r"running_var must have shape \(3,\)",
        ),
        (
            lambda: F.instance_norm(mg.zeros(2, 3, 4), mg.tensor([0, 0, 0]), mg.ones(3)),
            DTypeError,
            "running_mean must be float32 or float64, got int64",
        ),
        (
            lambda: F.instance_norm(mg.zeros(2, 3, 4), momentum=-0.5),
            ValueError,
            "between 0 and 1, got -0.5",
        ),
        (
            lambda: F.layer_norm(mg.zeros(2, 3), 3, mg.ones(2)),
            ShapeError,
            r"weight must have shape \(3,\), got \(2,\)",
        ),
        (lambda: F.layer_norm(mg.zeros(2, 1), 1, [1.0]), DTypeError, "must be a Tensor, got list"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_evaluation_takes_one_sample() -> None:
    nn.PerActivationBatchNorm(3).eval()(mg.zeros(1, 3))
    nn.InstanceNorm1d(3, track_running_stats=True).eval()(mg.zeros(2, 3, 1))
