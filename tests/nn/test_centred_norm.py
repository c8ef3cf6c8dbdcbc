"""What holds of every layer that keeps a running mean and a running spread: modes and state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.norm.centred_norm import CentredNorm
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-11
"""Some roundings in float64, times condition numbers below 100."""
FLOAT32 = 1e-6
"""A rounding to float32 of results of order 3; arithmetic is in float64."""

C, EPS = 4, 1e-2


def grouped(rows: Array, groups: int) -> Array:
    return rows.reshape(groups, -1, rows.shape[1])


def square_norm(p: float) -> Callable[[Array], Array]:
    def of(deviation: Array) -> Array:
        norms = {1: np.abs(deviation).mean(1), np.inf: np.abs(deviation).max(1)}
        return np.asarray(deviation.var(1) if p == 2 else norms[p] ** 2)

    return of


def covariances(groups: int) -> Callable[[Array], Array]:
    return lambda deviation: np.stack([np.cov(g, bias=True) for g in grouped(deviation, groups)])


def by_norm(deviation: Array, spread: Array) -> Array:
    return np.asarray(deviation / np.sqrt(spread + EPS)[:, None])


def by_eigenvalues(deviation: Array, spread: Array) -> Array:
    parts = []
    for group, covariance in zip(grouped(deviation, len(spread)), spread, strict=True):
        w, v = np.linalg.eigh(covariance + EPS * np.eye(len(covariance)))
        parts.append(v @ np.diag(w**-0.5) @ v.T @ group)
    return np.concatenate(parts)


def by_newton(deviation: Array, spread: Array) -> Array:
    """Iterate as the paper writes it."""
    parts = []
    for group, covariance in zip(grouped(deviation, len(spread)), spread, strict=True):
        a = covariance + EPS * np.eye(len(covariance))
        p = np.eye(len(a))
        for _ in range(5):
            p = (3 * p - np.linalg.matrix_power(p, 3) @ a / np.trace(a)) / 2
        parts.append(p @ group / np.sqrt(np.trace(a)))
    return np.concatenate(parts)


class Model:
    """The same in NumPy: statistics of a batch, their averages, and how values are normalised."""

    def __init__(
        self, spread: Callable[[Array], Array], normalised: Callable[[Array, Array], Array],
        unbiased: bool, start: Array,
    ) -> None:  # fmt: skip
        self.spread_of, self.normalised, self.unbiased = spread, normalised, unbiased
        self.mean, self.spread, self.batches = np.zeros(C), start, 0

    def train(self, x: Array, momentum: float | None = 0.1) -> Array:
        rows = np.moveaxis(x.astype(np.float64), 1, 0).reshape(C, -1)
        mean, n = rows.mean(1), rows.shape[1]
        spread = self.spread_of(rows - mean[:, None])
        self.batches += 1
        factor = 1 / self.batches if momentum is None else momentum
        self.mean = self.mean + factor * (mean - self.mean)
        kept = spread * n / (n - 1) if self.unbiased else spread
        self.spread = self.spread + factor * (kept - self.spread)
        return self.shaped(self.normalised(rows - mean[:, None], spread), x)

    def evaluate(self, x: Array) -> Array:
        rows = np.moveaxis(x.astype(np.float64), 1, 0).reshape(C, -1)
        return self.shaped(self.normalised(rows - self.mean[:, None], self.spread), x)

    def shaped(self, rows: Array, x: Array) -> Array:
        return np.moveaxis(rows.reshape(C, len(x), *x.shape[2:]), 0, 1)


def lp(p: float) -> Any:
    return (
        lambda **options: nn.LpBatchNorm(C, p, EPS, **options),
        lambda: Model(square_norm(p), by_norm, p == 2, np.ones(C)),
    )


def whitening(kind: Any, groups: int, normalised: Any) -> Any:
    size = C // groups
    return (
        lambda **options: kind(C, groups, EPS, **options),
        lambda: Model(covariances(groups), normalised, True, np.stack([np.eye(size)] * groups)),
    )


LAYERS: dict[str, tuple[Callable[..., CentredNorm], Callable[[], Model]]] = {
    "l1": lp(1),
    "l2": lp(2),
    "linf": lp(np.inf),
    "decorrelated": whitening(nn.DecorrelatedBatchNorm, 1, by_eigenvalues),
    "decorrelated groups": whitening(nn.DecorrelatedBatchNorm, 2, by_eigenvalues),
    "iterated": whitening(nn.IterNorm, 1, by_newton),
    "iterated groups": whitening(nn.IterNorm, 2, by_newton),
}
SHAPES = ((9, C), (5, C, 3), (3, C, 2, 2))
of_layers = pytest.mark.parametrize("name", LAYERS)


def make(name: str, **options: Any) -> CentredNorm:
    return LAYERS[name][0](**options)


def values(layer: nn.Module) -> dict[str, Array]:
    return {name: np.array(buffer) for name, buffer in layer.named_buffers()}


def batch(rng: np.random.Generator, shape: tuple[int, ...] = (9, C)) -> Array:
    """Return values of different scales, far from zero, whose channels are correlated."""
    spatial = [1] * (len(shape) - 2)
    common = rng.normal(size=(shape[0], 1, *spatial))
    scales = np.linspace(0.5, 2.0, C).reshape(1, C, *spatial)
    return np.asarray((rng.normal(size=shape) + 0.5 * common) * scales + 3.0)


def smooth_batch(rng: np.random.Generator) -> Array:
    """Return values that are not at their mean, where |v| has a kink, and do not tie for max|v|."""
    while True:
        x = batch(rng, (6, C))
        magnitude = np.sort(np.abs(x - x.mean(0)), axis=0)
        if magnitude[0].min() > 0.02 and (magnitude[-1] - magnitude[-2]).min() > 0.02:
            return x


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@of_layers
def test_several_batches_against_numpy(
    name: str, shape: tuple[int, ...], dtype: Any, momentum: float | None, rng: np.random.Generator
) -> None:
    layer, model = make(name, momentum=momentum, dtype=dtype), LAYERS[name][1]()
    tolerance = FLOAT32 if dtype == np.float32 else FLOAT64
    for _ in range(3):
        x = batch(rng, shape).astype(dtype)
        y = layer(mg.tensor(x))
        assert y.dtype == dtype
        expected = model.train(x, momentum)
        np.testing.assert_allclose(np.asarray(y), expected, rtol=tolerance, atol=tolerance)
    found = values(layer)
    assert all(v.dtype == np.float64 for n, v in found.items() if n != "num_batches_tracked")
    np.testing.assert_allclose(found["running_mean"], model.mean, rtol=FLOAT64, atol=FLOAT64)
    np.testing.assert_allclose(found[layer._spread], model.spread, rtol=FLOAT64, atol=FLOAT64)
    assert found["num_batches_tracked"] == 3
    layer.eval()
    np.testing.assert_allclose(
        np.asarray(layer(mg.tensor(x))), model.evaluate(x), rtol=tolerance, atol=tolerance
    )
    assert values(layer)["num_batches_tracked"] == 3


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("training", [True, False])
@of_layers
def test_truth_table(
    name: str, training: bool, track: bool, present: bool, rng: np.random.Generator
) -> None:
    layer = make(name, track_running_stats=present, dtype=np.float64).train(training)
    layer.track_running_stats = track  # after construction: the same rule holds
    before, x = values(layer), batch(rng)
    y = np.asarray(layer(mg.tensor(x)))
    by_batch, by_running = LAYERS[name][1]().train(x), LAYERS[name][1]().evaluate(x)
    expected = by_batch if training or not present else by_running
    np.testing.assert_allclose(y, expected, rtol=FLOAT64, atol=FLOAT64)
    changed = any(np.any(values(layer)[key] != before[key]) for key in before)
    assert changed == (training and track and present)


@pytest.mark.parametrize("training", [True, False])
@of_layers
def test_gradients_of_every_order(name: str, training: bool, rng: np.random.Generator) -> None:
    layer = make(name, dtype=np.float64)
    layer(mg.tensor(batch(rng)))
    layer.train(training)

    def run(x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> Any:
        layer.__dict__.update(weight=weight, bias=bias)  # around the registration
        return layer(x)

    inputs = [smooth_batch(rng), rng.normal(size=C), rng.normal(size=C)]
    gradcheck(run, inputs)
    gradgradcheck(run, inputs, max_elements=8)
    gradgradcheck(run, inputs, order=3, max_elements=4, projections=2)


@of_layers
def test_gradients_in_float32_are_those_in_float64(name: str, rng: np.random.Generator) -> None:
    x, upstream = batch(rng).astype(np.float32), rng.normal(size=(9, C)).astype(np.float32)
    gradients = []
    for dtype in (np.float32, np.float64):
        leaf = mg.tensor(x.astype(dtype), requires_grad=True)
        make(name, dtype=dtype)(leaf).backward(mg.tensor(upstream.astype(dtype)))
        assert leaf.grad is not None
        assert leaf.grad.dtype == dtype
        gradients.append(np.asarray(leaf.grad))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=FLOAT32, atol=FLOAT32)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@of_layers
def test_scale_and_shift(name: str, affine: bool, bias: bool, rng: np.random.Generator) -> None:
    layer, x = make(name, affine=affine, bias=bias, dtype=np.float64), batch(rng)
    expected = LAYERS[name][1]().train(x)
    assert (layer.weight is None) == (not affine)
    assert (layer.bias is None) == (not (affine and bias))
    if affine:
        layer.weight = nn.Parameter(np.array([1.0, 2.0, -3.0, 0.5]))
        expected = expected * layer.weight.array
    if affine and bias:
        layer.bias = nn.Parameter(np.array([1.0, 0.0, 5.0, -2.0]))
        expected = expected + layer.bias.array
    y = np.asarray(layer(mg.tensor(x)))
    np.testing.assert_allclose(y, expected, rtol=FLOAT64, atol=FLOAT64)


@of_layers
def test_the_mean_of_the_gradient_is_zero(name: str, rng: np.random.Generator) -> None:
    """A constant added to a channel changes nothing, so a bias before the layer has gradient 0."""
    layer, x = make(name, dtype=np.float64), mg.tensor(batch(rng), requires_grad=True)
    y = layer(x)
    shifted = layer(x + mg.tensor(np.arange(C) * 10.0))
    np.testing.assert_allclose(np.asarray(shifted), np.asarray(y), rtol=FLOAT64, atol=FLOAT64)
    y.backward(mg.tensor(rng.normal(size=y.shape)))
    np.testing.assert_allclose(np.asarray(x.grad).sum(0), 0.0, atol=FLOAT64)


@pytest.mark.parametrize("training", [True, False])
@of_layers
def test_two_forwards_before_one_backward(
    name: str, training: bool, rng: np.random.Generator
) -> None:
    layer = make(name, dtype=np.float64)
    layer(mg.tensor(batch(rng)))
    first, upstream = batch(rng), mg.tensor(rng.normal(size=(9, C)))
    layer.train(training)
    x, alone = (mg.tensor(first, requires_grad=True) for _ in range(2))
    copy.deepcopy(layer)(alone).backward(upstream)
    y = layer(x)
    layer.train(not training)
    layer(mg.tensor(batch(rng)))
    layer.train()
    layer(mg.tensor(batch(rng)))  # moves the running statistics, which y must not notice
    y.backward(upstream)
    np.testing.assert_array_equal(np.asarray(x.grad), np.asarray(alone.grad))


@of_layers
def test_a_checkpoint_counts_a_batch_once(name: str, rng: np.random.Generator) -> None:
    layer, x = make(name, dtype=np.float64), mg.tensor(batch(rng), requires_grad=True)
    plain, upstream = copy.deepcopy(layer), mg.tensor(rng.normal(size=(9, C)))
    plain_x = x.detach().requires_grad_()
    plain(plain_x).backward(upstream)
    mg.checkpoint(layer, x).backward(upstream)
    np.testing.assert_array_equal(np.asarray(x.grad), np.asarray(plain_x.grad))
    for key, value in values(layer).items():
        np.testing.assert_array_equal(value, values(plain)[key])


@of_layers
def test_an_empty_batch_changes_nothing(name: str) -> None:
    layer = make(name)
    before = values(layer)
    x = mg.zeros(0, C, 2, requires_grad=True)
    y = layer(x)
    assert y.shape == (0, C, 2)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (0, C, 2)
    for key, value in values(layer).items():
        np.testing.assert_array_equal(value, before[key])


@of_layers
def test_too_few_values(name: str, rng: np.random.Generator) -> None:
    layer = make(name, dtype=np.float64)
    groups = getattr(layer, "num_groups", C)
    least = C // groups + 1  # centred values span one dimension less than there are
    before = values(layer)
    few, enough = (mg.tensor(batch(rng, (n, C))) for n in (least - 1, least))
    pattern = rf"at least {least} values per channel, got {least - 1} from .*\({least - 1}, 4\)"
    with pytest.raises(ShapeError, match=f"{pattern}; use larger batches"):
        layer(few)
    np.testing.assert_array_equal(values(layer)["num_batches_tracked"], 0)
    np.testing.assert_array_equal(values(layer)["running_mean"], before["running_mean"])
    layer(enough)
    layer.eval()(few)  # by the running statistics
    with pytest.raises(ShapeError, match=f"{pattern}; without running statistics"):
        make(name, track_running_stats=False, dtype=np.float64).eval()(few)


@of_layers
def test_state_dict_round_trip(name: str, rng: np.random.Generator) -> None:
    layer, other = make(name, dtype=np.float64), make(name, dtype=np.float64)
    layer(mg.tensor(batch(rng)))
    assert list(layer.state_dict()) == [
        "weight", "bias", "running_mean", layer._spread, "num_batches_tracked",
    ]  # fmt: skip
    other.load_state_dict(copy.deepcopy(layer.state_dict()))
    x = mg.tensor(batch(rng))
    np.testing.assert_array_equal(np.asarray(layer.eval()(x)), np.asarray(other.eval()(x)))
    state = layer.state_dict()
    del state["num_batches_tracked"]  # as in an old file
    layer.load_state_dict(state)
    assert values(layer)["num_batches_tracked"] == 1
    layer.reset_running_stats()
    for key, value in values(make(name)).items():
        np.testing.assert_array_equal(values(layer)[key], value)


@of_layers
def test_a_frozen_layer_evaluates_whatever_its_mode(name: str, rng: np.random.Generator) -> None:
    layer = make(name, dtype=np.float64)
    layer(mg.tensor(batch(rng)))
    model, x, before = LAYERS[name][1](), batch(rng), values(layer)
    model.mean, model.spread = before["running_mean"], before[layer._spread]
    for mode in (True, False):
        y = layer.freeze().train(mode)(mg.tensor(x))
        np.testing.assert_allclose(np.asarray(y), model.evaluate(x), rtol=FLOAT64, atol=FLOAT64)
    for key, value in values(layer).items():
        np.testing.assert_array_equal(value, before[key])
    assert "frozen=True" in repr(layer)
    other = make(name, dtype=np.float64)
    other.load_state_dict(layer.state_dict())
    assert other.frozen
    layer.unfreeze().train()(mg.tensor(x))
    assert values(layer)["num_batches_tracked"] == 2
    with pytest.raises(ValueError, match="no running statistics"):
        make(name, track_running_stats=False).freeze()


@of_layers
def test_copies_are_apart(name: str, rng: np.random.Generator) -> None:
    layer = make(name, dtype=np.float64)
    twin = copy.deepcopy(layer)
    twin(mg.tensor(batch(rng)))
    assert values(layer)["num_batches_tracked"] == 0
    np.testing.assert_array_equal(values(layer)["running_mean"], 0.0)
    assert repr(twin) == repr(layer)


@of_layers
def test_running_statistics_stay_float64(name: str) -> None:
    layer = make(name).double().float()
    assert layer.weight is not None
    assert layer.weight.dtype == np.float32
    assert values(layer)["running_mean"].dtype == np.float64
    assert values(layer)[layer._spread].dtype == np.float64


@of_layers
def test_updates_are_seen_by_the_version_of_the_buffers(
    name: str, rng: np.random.Generator
) -> None:
    layer = make(name, dtype=np.float64)
    before = [buffer._version for buffer in layer.buffers()]
    layer(mg.tensor(batch(rng)))
    assert [buffer._version for buffer in layer.buffers()] == [v + 1 for v in before]


@of_layers
def test_what_is_refused(name: str) -> None:
    layer = make(name)
    kind = type(layer).__name__
    with pytest.raises(ShapeError, match=rf"{kind}: expected x .* with C = 4, got \(6, 3\)"):
        layer(mg.zeros(6, 3))
    with pytest.raises(ShapeError, match=r"got \(4,\)"):
        layer(mg.zeros(4))
    with pytest.raises(DTypeError, match="must be float32 or float64, got int64"):
        layer(np.zeros((6, 4), np.int64))
    with pytest.raises(DTypeError, match=r"must be float32, as the weight is, got float64"):
        layer(np.zeros((6, 4)))
    for options, text in (
        ({"momentum": 1.5}, "momentum, the weight of the new value, .* got 1.5"),
        ({"momentum": "x"}, "momentum must be a real number"),
        ({"device": "tpu"}, "tpu"),
    ):
        with pytest.raises((ValueError, TypeError, RuntimeError), match=text):
            make(name, **options)
    for kind_of in (nn.LpBatchNorm, nn.DecorrelatedBatchNorm, nn.IterNorm):
        with pytest.raises(ValueError, match="eps must be a finite number >= 0, got -1"):
            kind_of(4, eps=-1.0)
        with pytest.raises(ValueError, match="num_features must be"):
            kind_of(-1)


def test_momentum_one_forgets_a_nan() -> None:
    layer = nn.LpBatchNorm(1, momentum=1.0)
    layer(mg.tensor([[np.nan], [1.0]]))
    assert np.isnan(values(layer)["running_mean"])  # it propagates
    layer(mg.tensor([[0.0], [2.0]]))
    assert values(layer)["running_mean"] == 1.0
    assert values(layer)["running_square"] == 1.0
