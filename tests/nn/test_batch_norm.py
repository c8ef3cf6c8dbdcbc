"""BatchNorm's semantics: which statistics normalise, what is updated, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing import gradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""A few roundings in float64."""
FLOAT32 = 2e-6
"""A few roundings of float32 in results of order 3; arithmetic is in float64."""


class Model:
    """BatchNorm's state, written once more in NumPy."""

    def __init__(self, channels: int, momentum: float | None = 0.1, eps: float = 1e-5) -> None:
        self.mean, self.var = np.zeros(channels), np.ones(channels)
        self.momentum, self.eps, self.batches = momentum, eps, 0

    def train(self, x: Array) -> Array:
        axes = (0, *range(2, x.ndim))
        n = x.size // x.shape[1]
        x = x.astype(np.float64)
        mean, var = x.mean(axes), x.var(axes)
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        self.mean += factor * (mean - self.mean)
        self.var += factor * (var * n / (n - 1) - self.var)
        return self.normalise(x, mean, var)

    def evaluate(self, x: Array) -> Array:
        return self.normalise(x, self.mean, self.var)

    def normalise(self, x: Array, mean: Array, var: Array) -> Array:
        shape = (1, -1, *[1] * (x.ndim - 2))
        return np.asarray((x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + self.eps))


LAYERS: list[tuple[type[nn.BatchNorm], tuple[int, ...]]] = [
    (nn.BatchNorm1d, (7, 3)),
    (nn.BatchNorm1d, (4, 3, 5)),
    (nn.BatchNorm2d, (3, 3, 2, 5)),
    (nn.BatchNorm3d, (2, 3, 2, 3, 2)),
]


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
@pytest.mark.parametrize(("layer_type", "shape"), LAYERS)
def test_several_batches_against_numpy(
    layer_type: type[nn.BatchNorm],
    shape: tuple[int, ...],
    momentum: float | None,
    rng: np.random.Generator,
) -> None:
    layer, model = layer_type(3, momentum=momentum), Model(3, momentum)
    for _ in range(4):
        x = (rng.normal(size=shape) * 2 + 1).astype(np.float32)
        np.testing.assert_allclose(
            np.asarray(layer(mg.tensor(x))), model.train(x), rtol=FLOAT32, atol=FLOAT32
        )
    np.testing.assert_allclose(layer.running_mean.array, model.mean, rtol=FLOAT64, atol=FLOAT64)  # type: ignore[union-attr]  # tracked
    np.testing.assert_allclose(layer.running_var.array, model.var, rtol=FLOAT64)  # type: ignore[union-attr]  # tracked
    assert layer.num_batches_tracked is not None
    assert layer.num_batches_tracked.item() == 4
    layer.eval()
    np.testing.assert_allclose(
        np.asarray(layer(mg.tensor(x))), model.evaluate(x), rtol=FLOAT32, atol=FLOAT32
    )
    assert layer.num_batches_tracked.item() == 4


def test_the_cumulative_average_is_the_mean_of_the_batches(rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = rng.normal(size=(5, 6, 2))
    layer.double()
    for batch in batches:
        layer(mg.tensor(batch))
    np.testing.assert_allclose(values(layer)["running_mean"], batches.mean((0, 1)), rtol=FLOAT64)
    # Algorithm 2 of the paper: the mean of the unbiased variances.
    expected = batches.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(values(layer)["running_var"], expected, rtol=FLOAT64)


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_truth_table(training: bool, track: bool, present: bool, rng: np.random.Generator) -> None:
    layer, model = nn.BatchNorm1d(2, track_running_stats=present), Model(2)
    x = rng.normal(size=(6, 2)).astype(np.float32) + 3
    layer(mg.tensor(x))
    model.train(x)
    layer.train(training).track_running_stats = track  # after construction: the same rule holds
    before = values(layer)
    result = np.asarray(layer(mg.tensor(x)))
    by_batch, by_running = Model(2).train(x), model.evaluate(x)
    expected = by_batch if training or not present else by_running
    np.testing.assert_allclose(result, expected, rtol=FLOAT32, atol=FLOAT32)
    changed = any(np.any(values(layer)[name] != before[name]) for name in before)
    assert changed == (training and track and present)


def values(layer: nn.Module) -> dict[str, Array]:
    return {name: np.array(buffer) for name, buffer in layer.named_buffers()}


def test_statistics_are_kept_in_float64() -> None:
    layer = nn.BatchNorm1d(1, momentum=1.0)
    x = np.array([[1e8], [1e8 + 1], [1e8 + 2]])  # float32 has steps of 8 there
    layer.double()(mg.tensor(x))
    assert values(layer)["running_mean"] == 1e8 + 1
    assert values(layer)["running_var"] == 1.0
    layer.float()
    assert layer.weight is not None
    assert layer.weight.dtype == np.float32
    for name in ("running_mean", "running_var"):
        assert values(layer)[name].dtype == np.float64
    assert values(layer)["running_mean"] == 1e8 + 1


def test_bessels_correction_is_exact_and_eps_is_not_stored() -> None:
    """Of 1, 2, 3, 4 the variance is 5/3: with n / (n - 1 - eps) and a large eps it would not be."""
    layer = nn.BatchNorm1d(1, eps=0.5, momentum=1.0)
    layer(mg.tensor([[[1.0, 2.0], [3.0, 4.0]]]).reshape(2, 1, 2))
    np.testing.assert_allclose(values(layer)["running_var"], 5.0 / 3.0, rtol=FLOAT64)


def test_buffers_are_not_parameters(rng: np.random.Generator) -> None:
    """No optimiser sees them; the state_dict and copies have them, each copy its own."""
    layer = nn.BatchNorm1d(2)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert not any(buffer.requires_grad for buffer in layer.buffers())
    optimizer = mg.optim.SGD(mg.optim.no_decay_groups(layer, 0.1), lr=0.1, weight_decay=0.1)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0]
    before = values(layer)
    twin = copy.deepcopy(layer)
    layer(mg.tensor(rng.normal(size=(4, 2)).astype(np.float32))).sum().backward()
    after = values(layer)
    optimizer.step()
    for name, value in values(layer).items():
        np.testing.assert_array_equal(value, after[name])
        np.testing.assert_array_equal(values(twin)[name], before[name])
        np.testing.assert_array_equal(np.asarray(layer.state_dict()[name]), value)


def test_the_statistics_of_a_batch_can_be_read(rng: np.random.Generator) -> None:
    """Those of the layer right after the forward, those of the op beside its result."""
    x = rng.normal(size=(4, 2)) + 2.0
    layer = nn.BatchNorm1d(2, momentum=1.0, dtype=np.float64)
    with mg.no_grad():
        layer(mg.tensor(x))
    np.testing.assert_allclose(values(layer)["running_mean"], x.mean(0), rtol=FLOAT64)
    _, mean, var = mg.batch_norm_train(mg.tensor(x))
    np.testing.assert_allclose(mean, x.mean(0), rtol=FLOAT64)
    np.testing.assert_allclose(var, x.var(0), rtol=FLOAT64)


def test_micro_batches_are_not_a_large_batch(rng: np.random.Generator) -> None:
    """The running statistics move once for each of them, by its own statistics."""
    x = rng.normal(size=(8, 2)) + np.repeat([[0.0], [5.0]], 4, axis=0)
    layer, model = nn.BatchNorm1d(2, momentum=0.5, dtype=np.float64), Model(2, 0.5)
    small = np.concatenate([np.asarray(layer(mg.tensor(part)).detach()) for part in (x[:4], x[4:])])
    for part in (x[:4], x[4:]):
        model.train(part)
    assert values(layer)["num_batches_tracked"] == 2
    np.testing.assert_allclose(values(layer)["running_mean"], model.mean, rtol=FLOAT64)
    whole = nn.BatchNorm1d(2, momentum=0.5, dtype=np.float64)
    assert np.max(np.abs(small - np.asarray(whole(mg.tensor(x)).detach()))) > 0.5
    # The same memory of past steps: 1 - (1 - m)^(1/k) for k micro-batches.
    again = nn.BatchNorm1d(2, momentum=1.0 - (1.0 - 0.5) ** 0.5, dtype=np.float64)
    for part in (x[:4], x[:4]):
        again(mg.tensor(part))
    np.testing.assert_allclose(values(again)["running_mean"], 0.5 * x[:4].mean(0), rtol=FLOAT64)


def test_a_bias_before_the_layer_has_no_gradient(rng: np.random.Generator) -> None:
    linear = nn.Linear(3, 2, dtype=np.float64)
    y = nn.BatchNorm1d(2, dtype=np.float64)(linear(mg.tensor(rng.normal(size=(5, 3)))))
    y.backward(mg.tensor(rng.normal(size=(5, 2))))
    assert linear.bias is not None
    np.testing.assert_allclose(np.asarray(linear.bias.grad), 0.0, atol=FLOAT64)
    assert np.max(np.abs(np.asarray(linear.weight.grad))) > 0.1


def test_momentum_one_forgets_a_nan() -> None:
    layer = nn.BatchNorm1d(1, momentum=1.0)
    layer(mg.tensor([[np.nan], [1.0]]))
    assert np.isnan(values(layer)["running_mean"])  # it propagates
    layer(mg.tensor([[0.0], [2.0]]))
    assert values(layer)["running_mean"] == 1.0


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_scale_and_shift(affine: bool, bias: bool, rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(3, affine=affine, bias=bias, dtype=np.float64)
    x = rng.normal(size=(5, 3))
    expected = Model(3).train(x)
    if affine:
        layer.weight = nn.Parameter(np.array([1.0, 2.0, -3.0]))
        expected = expected * layer.weight.array
    else:
        assert layer.weight is None
    if affine and bias:
        layer.bias = nn.Parameter(np.array([1.0, 0.0, 5.0]))
        expected = expected + layer.bias.array
    else:
        assert layer.bias is None
    np.testing.assert_allclose(np.asarray(layer(mg.tensor(x))), expected, rtol=FLOAT64)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("layer_type", "shape"), LAYERS)
def test_gradients(
    layer_type: type[nn.BatchNorm], shape: tuple[int, ...], training: bool, rng: np.random.Generator
) -> None:
    layer = layer_type(3, dtype=np.float64)
    layer(mg.tensor(rng.normal(size=shape)))
    layer.train(training)
    weight, bias = rng.normal(size=(2, 3))

    def run(x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> Any:
        mean, var = copy.deepcopy(layer.running_mean), copy.deepcopy(layer.running_var)
        return F.batch_norm(x, mean, var, weight, bias, layer.training)

    gradcheck(run, [rng.normal(size=shape), weight, bias])


def test_gradients_of_a_small_net(rng: np.random.Generator) -> None:
    """End to end through a net: loss, linear layers, BatchNorm and its parameters."""
    net = nn.Sequential(
        nn.Linear(3, 4, bias=False),
        nn.BatchNorm1d(4),
        nn.Tanh(),
        nn.Linear(4, 2),
        nn.BatchNorm1d(2, affine=False),
    ).double()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    labels = mg.tensor([0, 1, 1, 0, 1])
    names = [name for name, _ in net.named_parameters()]

    def run(x: mg.Tensor, *parameters: mg.Tensor) -> Any:
        for name, parameter in zip(names, parameters, strict=True):
            path, _, own = name.rpartition(".")
            # Around the registration, which would make leaves of them.
            net.get_submodule(path).__dict__[own] = parameter
        return loss(net(x), labels)

    start = [np.array(parameter) for parameter in net.parameters()]
    gradcheck(run, [rng.normal(size=(5, 3)), *start])


def test_backward_uses_what_forward_used() -> None:
    layer = nn.BatchNorm1d(2)
    x = mg.randn(4, 2, requires_grad=True)
    y = layer(x)
    layer.eval()
    layer(x)
    y.backward(mg.ones(4, 2))
    assert x.grad is not None
    # In training a constant upstream gives zero; in evaluation it would give about one.
    np.testing.assert_allclose(np.asarray(x.grad), 0.0, atol=FLOAT32)


@pytest.mark.parametrize("training", [True, False])
def test_two_forwards_before_one_backward(training: bool, rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(2, dtype=np.float64)
    first, second = (rng.normal(size=(4, 2)) for _ in range(2))
    upstream = mg.tensor(rng.normal(size=(4, 2)))
    x = mg.tensor(first, requires_grad=True)
    layer(mg.tensor(second))
    layer.train(training)
    alone = mg.tensor(first, requires_grad=True)
    copy.deepcopy(layer)(alone).backward(upstream)
    y = layer(x)
    layer.train()
    layer(mg.tensor(second))  # moves the running statistics, which y must not notice
    y.backward(upstream)
    np.testing.assert_array_equal(np.asarray(x.grad), np.asarray(alone.grad))


def test_updates_are_seen_by_the_version_of_the_buffers() -> None:
    layer = nn.BatchNorm1d(2)
    buffers = list(layer.buffers())
    before = [buffer._version for buffer in buffers]
    layer(mg.randn(3, 2))
    assert [buffer._version for buffer in buffers] == [version + 1 for version in before]
    assert list(layer.buffers()) == buffers


def test_an_empty_batch_changes_nothing() -> None:
    layer = nn.BatchNorm2d(3)
    before = values(layer)
    x = mg.zeros(0, 3, 2, 2, requires_grad=True)
    y = layer(x)
    assert y.shape == (0, 3, 2, 2)
    y.sum().backward()
    for name, value in values(layer).items():
        np.testing.assert_array_equal(value, before[name])
    for parameter in layer.parameters():
        assert np.asarray(parameter.grad).tolist() == [0.0] * 3


def test_one_value_per_channel_in_training() -> None:
    layer = nn.BatchNorm1d(3)
    layer(mg.randn(4, 3))
    before = values(layer)
    remedies = r"drop_last=True.*eval\(\).*freeze\(\).*single='eval'"
    with pytest.raises(ShapeError, match=rf"when training.*\(1, 3\).*{remedies}"):
        layer(mg.zeros(1, 3))
    for name, value in values(layer).items():
        np.testing.assert_array_equal(value, before[name])
    layer.eval()(mg.zeros(1, 3))
    nn.BatchNorm1d(3)(mg.zeros(1, 3, 2))  # one sample, two values per channel


def test_one_value_per_channel_in_evaluation_without_statistics() -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False).eval()
    with pytest.raises(ShapeError, match="track_running_stats=False") as caught:
        layer(mg.zeros(1, 3))
    assert "when training" not in str(caught.value)


def test_a_failed_forward_changes_nothing() -> None:
    layer = nn.BatchNorm1d(2)
    before = values(layer)
    with pytest.raises(DTypeError, match="float64"):
        layer(mg.zeros(4, 2, dtype=np.float64))
    for name, value in values(layer).items():
        np.testing.assert_array_equal(value, before[name])


def test_constant_channels() -> None:
    x = mg.full((4, 1), 5.0, requires_grad=True)
    layer = nn.BatchNorm1d(1)
    y = layer(x)
    assert y.tolist() == [[0.0]] * 4
    y.backward(mg.tensor([[1.0], [2.0], [3.0], [4.0]]))
    assert np.all(np.isfinite(np.asarray(x.grad)))
    assert np.all(np.isnan(np.asarray(nn.BatchNorm1d(1, eps=0.0)(x))))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(3), (3,)),
        (nn.BatchNorm1d(3), (4, 3, 2, 2)),
        (nn.BatchNorm2d(3), (4, 3)),
        (nn.BatchNorm3d(3), (4, 3, 2, 2)),
        (nn.BatchNorm1d(3), (4, 2)),
        (nn.BatchNorm1d(3, affine=False, track_running_stats=False), (4, 2)),
    ],
)
def test_wrong_input_shapes(layer: nn.Module, shape: tuple[int, ...]) -> None:
    name = type(layer).__name__
    with pytest.raises(ShapeError, match=rf"{name}: expected x of shape .*C = 3, got"):
        layer(mg.zeros(*shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eps": -1e-5}, "eps must be a finite number >= 0"),
        ({"eps": float("nan")}, "eps"),
        ({"momentum": 1.1}, "momentum, the weight of the new value"),
        ({"momentum": -0.1}, "momentum"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"BatchNorm2d: {message}"):
        nn.BatchNorm2d(3, **arguments)
    with pytest.raises(ValueError, match="num_features must be >= 0"):
        nn.BatchNorm1d(-1)


def test_reset() -> None:
    layer = nn.BatchNorm1d(2)
    fresh = {name: np.array(value) for name, value in layer.state_dict().items()}
    layer(mg.randn(4, 2))
    with mg.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(9.0)
    layer.reset_parameters()
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), fresh[name])


def test_momentum_from_decay() -> None:
    assert nn.momentum_from_decay(0.75) == 0.25
    with pytest.raises(ValueError, match="decay must be between 0 and 1"):
        nn.momentum_from_decay(1.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functional_updates_either_precision(dtype: type, rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 2)).astype(np.float32)
    mean, var = mg.zeros(2, dtype=dtype), mg.ones(2, dtype=dtype)
    model = Model(2, 0.3)
    result = F.batch_norm(mg.tensor(x), mean, var, training=True, momentum=0.3)
    np.testing.assert_allclose(np.asarray(result), model.train(x), rtol=FLOAT32, atol=FLOAT32)
    assert mean.dtype == dtype
    np.testing.assert_allclose(mean.array, model.mean, rtol=FLOAT32, atol=FLOAT32)
    np.testing.assert_allclose(var.array, model.var, rtol=FLOAT32)
    assert mean._version == var._version == 1
    result = F.batch_norm(mg.tensor(x), mean, var)
    np.testing.assert_allclose(np.asarray(result), model.evaluate(x), rtol=FLOAT32, atol=FLOAT32)


def test_permuted_inputs_and_running_statistics_in_views(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 5, 6, 3))  # channels last
    state = mg.tensor(np.stack([np.zeros(3), np.ones(3)], axis=1))
    mean, var = state[:, 0], state[:, 1]
    model = Model(3)
    y = F.batch_norm(mg.tensor(x).permute(0, 3, 1, 2), mean, var, training=True)
    expected = model.train(x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(np.asarray(y), expected, rtol=FLOAT64, atol=FLOAT64)
    np.testing.assert_allclose(
        state.array, np.stack([model.mean, model.var], axis=1), rtol=FLOAT64, atol=FLOAT64
    )


def test_functional_needs_no_running_statistics_in_training(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 2))
    result = F.batch_norm(mg.tensor(x), None, None, training=True)
    np.testing.assert_allclose(np.asarray(result), Model(2).train(x), rtol=FLOAT64)


@pytest.mark.parametrize(
    ("mean", "var", "momentum", "error", "message"),
    [
        (mg.zeros(3), mg.ones(2), 0.1, ShapeError, r"running_mean must have shape \(2,\)"),
        (mg.zeros(2), mg.ones(2, 1), 0.1, ShapeError, r"running_var must have shape \(2,\)"),
        (mg.tensor([0, 0]), mg.ones(2), 0.1, DTypeError, "running_mean must be float32 or"),
        (np.zeros(2), mg.ones(2), 0.1, TypeError, "running_mean must be a Tensor, .* ndarray"),
        (mg.zeros(2), None, 0.1, TypeError, "running_var must be a Tensor, .* NoneType"),
        (mg.zeros(2), mg.ones(2), 1.5, ValueError, "between 0 and 1, got 1.5"),
        (mg.zeros(2), mg.ones(2), None, ValueError, "between 0 and 1, got None"),
    ],
)
def test_functional_errors(
    mean: Any, var: Any, momentum: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        F.batch_norm(mg.zeros(4, 2), mean, var, training=True, momentum=momentum)


def test_functional_evaluation_needs_running_statistics() -> None:
    with pytest.raises(ValueError, match="needed where training is False"):
        F.batch_norm(mg.zeros(4, 2), None, None)
