"""Population statistics after training: Algorithm 2 of the paper, and what is left alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.errors import DTypeError, ShapeError
from minigrad.testing.strategies import seeds
from minigrad.typing import Array

CLOSE = 1e-12
"""A few roundings of float64."""


def net(*, dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
    """Return a net with two BN layers, whose statistics and modes are nothing in particular."""
    mg.manual_seed(seed)
    layers = nn.Sequential(
        nn.Linear(4, 5, dtype=np.float64),
        nn.BatchNorm1d(5, dtype=np.float64, momentum=0.3),
        nn.Tanh(),
        nn.Dropout(dropout),
        nn.Linear(5, 3, dtype=np.float64),
        nn.BatchNorm1d(3, dtype=np.float64, eps=1e-3),
    )
    for layer in (layers[1], layers[5]):
        layer.running_mean.array[...] = 7.0
        layer.num_batches_tracked.array[...] = 11
        layer.weight.array[...] = np.linspace(-1.0, 2.0, layer.num_features)
        layer.bias.array[...] = np.linspace(1.0, 0.5, layer.num_features)
    return layers


def batches(rng: np.random.Generator, sizes: list[int]) -> list[mg.Tensor]:
    return [mg.Tensor(rng.normal(size=(n, 4)) * (1 + k) + k) for k, n in enumerate(sizes)]


def algorithm_2(
    layers: nn.Sequential, data: list[mg.Tensor], method: str
) -> list[tuple[Array, Array]]:
    """Return (mean, var) of both layers, written once more in NumPy."""
    seen: list[list[Array]] = [[], []]
    for x in data:
        value = x.array
        for k, start in enumerate((0, 4)):
            linear, bn = layers[start], layers[start + 1]
            value = value @ linear.weight.array.T + linear.bias.array
            seen[k].append(value)
            x_hat = (value - value.mean(0)) / np.sqrt(value.var(0) + bn.eps)
            value = np.tanh(bn.weight.array * x_hat + bn.bias.array)
    result = []
    for inputs in seen:
        together = np.concatenate(inputs)
        if method == "pooled":
            var = together.var(0, ddof=1)
        else:
            var = sum(len(x) * x.var(0, ddof=1) for x in inputs) / len(together)
        result.append((together.mean(0), np.asarray(var)))
    return result


@pytest.mark.parametrize("method", ["mean_of_var", "pooled"])
@given(seeds(), st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_algorithm_2(method: Any, seed: int, sizes: list[int]) -> None:
    """Later layers see what earlier ones make of the batch by the batch's own statistics."""
    layers, data = net(seed=seed), batches(np.random.default_rng(seed), sizes)
    precise = nn.precise_batch_norm(layers, data, method=method)
    for place, (mean, var) in zip((1, 5), algorithm_2(layers, data, method), strict=True):
        layer = precise.get_submodule(str(place))
        np.testing.assert_allclose(layer.running_mean.array, mean, rtol=CLOSE, atol=CLOSE)
        np.testing.assert_allclose(layer.running_var.array, var, rtol=1e-10)
        assert layer.num_batches_tracked.item() == len(sizes)


def test_a_cumulative_average_over_equal_batches_is_mean_of_var(rng: np.random.Generator) -> None:
    layers, data = net(), batches(rng, [6] * 5)
    precise = nn.precise_batch_norm(layers, data)
    for bn in (layers[1], layers[5]):
        bn.reset_running_stats()
        bn.momentum = None
    for x in data:
        layers(x)
    for place in (1, 5):
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            np.testing.assert_allclose(
                getattr(precise.get_submodule(str(place)), name).array,
                getattr(layers[place], name).array,
                rtol=CLOSE,
                atol=CLOSE,
            )


def test_the_net_is_left_alone(rng: np.random.Generator) -> None:
    layers = net(dropout=0.5)
    layers[3].eval()
    (layers(mg.Tensor(rng.normal(size=(4, 4)))).sum()).backward()
    before = copy.deepcopy(layers)
    generator = mg.default_generator.get_state()
    precise = nn.precise_batch_norm(layers, batches(rng, [4, 5]))
    assert mg.default_generator.get_state() == generator
    for name, value in before.state_dict().items():
        np.testing.assert_array_equal(layers.state_dict()[name].array, value.array)
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_array_equal(precise.state_dict()[name].array, value.array)
    for one in (layers, precise):
        assert [m.training for m in one.modules()] == [m.training for m in before.modules()]
        assert one.get_submodule("1").momentum == 0.3
        assert all(
            m._hooks is None or not (m._hooks.before or m._hooks.after) for m in one.modules()
        )
    for parameter, old in zip(layers.parameters(), before.parameters(), strict=True):
        assert parameter.grad is not None
        assert old.grad is not None
        np.testing.assert_array_equal(parameter.grad.array, old.grad.array)


def test_in_place(rng: np.random.Generator) -> None:
    layers, data = net(), batches(rng, [4, 5])
    expected = nn.precise_batch_norm(layers, data)
    mean = layers[1].running_mean
    version = mean.counter[0]
    assert nn.precise_batch_norm(layers, data, inplace=True) is layers
    assert layers[1].running_mean is mean
    assert mean.counter[0] > version
    for name, value in expected.state_dict().items():
        np.testing.assert_array_equal(layers.state_dict()[name].array, value.array)


def test_dropout_is_off_unless_asked_for(rng: np.random.Generator) -> None:
    layers, data = net(dropout=0.5), batches(rng, [64, 64])
    without = nn.precise_batch_norm(layers, data)
    expected = algorithm_2(layers, data, "mean_of_var")
    np.testing.assert_allclose(without.get_submodule("5").running_var.array, expected[1][1])
    generator = mg.default_generator.get_state()
    dropped = nn.precise_batch_norm(layers, data, dropout=True)
    assert mg.default_generator.get_state() == generator
    np.testing.assert_allclose(dropped.get_submodule("1").running_var.array, expected[0][1])
    assert not np.allclose(dropped.get_submodule("5").running_var.array, expected[1][1], rtol=1e-3)


def test_what_a_loader_yields(rng: np.random.Generator) -> None:
    x, target = mg.Tensor(rng.normal(size=(10, 4))), mg.arange(10)
    layers = net()
    expected = nn.precise_batch_norm(layers, [x[:4], x[4:8], x[8:]]).state_dict()
    for loader in (
        DataLoader(TensorDataset(x, target), batch_size=4),
        DataLoader(TensorDataset(x), batch_size=4),
        [x.array[:4], x.array[4:8], x.array[8:]],
        (batch for batch in ([x[:4], 0], [x[4:8], 0], [x[8:], 0])),
    ):
        found = nn.precise_batch_norm(layers, loader).state_dict()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name].array, value.array)
    found = nn.precise_batch_norm(
        layers,
        [{"x": x[:4]}, {"x": x[4:8]}, {"x": x[8:]}],
        forward=lambda net, batch: net(batch["x"]),
    ).state_dict()
    np.testing.assert_array_equal(found["5.running_var"].array, expected["5.running_var"].array)


class Sum(nn.Module):
    """Two inputs, normalised together."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(4, dtype=np.float64)

    def forward(self, x: Any, y: Any) -> Any:
        return self.bn(x + y)


def test_all_but_the_target_are_inputs(rng: np.random.Generator) -> None:
    x, y = mg.Tensor(rng.normal(size=(6, 4))), mg.Tensor(rng.normal(size=(6, 4)))
    loader = DataLoader(TensorDataset(x, y, mg.arange(6)), batch_size=6)
    found = nn.precise_batch_norm(Sum(), loader)
    np.testing.assert_allclose(found.bn.running_mean.array, (x.array + y.array).mean(0), rtol=CLOSE)


def test_nothing_is_recorded(rng: np.random.Generator) -> None:
    def forward(layers: nn.Module, x: Any) -> Any:
        assert not mg.is_grad_enabled()
        return layers(x)

    nn.precise_batch_norm(net(), batches(rng, [4]), forward=forward)
    nn.bn_report(net(), batches(rng, [32]), forward=forward)


def test_the_number_of_batches_is_a_limit(rng: np.random.Generator) -> None:
    layers, data = net(), batches(rng, [4, 5, 6])
    expected = nn.precise_batch_norm(layers, data[:2]).state_dict()
    endless = iter([*data[:2], "never taken"])
    for loader in (data, endless):
        found = nn.precise_batch_norm(layers, loader, num_batches=2).state_dict()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name].array, value.array)
    whole = nn.precise_batch_norm(layers, data, num_batches=9).get_submodule("1")
    assert whole.num_batches_tracked.item() == 3


def test_empty_batches_count_for_nothing(rng: np.random.Generator) -> None:
    layers, data = net(), batches(rng, [4, 0, 5])
    found = nn.precise_batch_norm(layers, data).state_dict()
    expected = nn.precise_batch_norm(layers, [data[0], data[2]]).state_dict()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].array, value.array)


def test_spatial_values_count(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 2, 3, 2)) * 3 + 1
    layer = nn.BatchNorm2d(2, dtype=np.float64)
    found = nn.precise_batch_norm(layer, [mg.Tensor(x[:1]), mg.Tensor(x[1:])], method="pooled")
    np.testing.assert_allclose(found.running_mean.array, x.mean((0, 2, 3)), rtol=CLOSE)
    np.testing.assert_allclose(
        found.running_var.array, np.moveaxis(x, 1, -1).reshape(-1, 2).var(0, ddof=1), rtol=CLOSE
    )


def test_digits_far_from_zero_are_kept(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 3)) + 1e6
    layer = nn.BatchNorm1d(3, dtype=np.float64)
    data = [mg.Tensor(x[:10]), mg.Tensor(x[10:])]
    found = nn.precise_batch_norm(layer, data, method="pooled")
    np.testing.assert_allclose(found.running_var.array, x.var(0, ddof=1), rtol=1e-8)


class Twice(nn.Module):
    """One layer, called on x and on 3x + 1."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(2, dtype=np.float64)
        self.unused = nn.BatchNorm1d(2, dtype=np.float64)

    def forward(self, x: Any) -> Any:
        return self.bn(x) + self.bn(3.0 * x + 1.0)


def test_a_layer_that_is_called_twice_and_one_that_is_not(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 2))
    found = nn.precise_batch_norm(Twice(), [mg.Tensor(x)], method="pooled")
    both = np.concatenate([x, 3.0 * x + 1.0])
    np.testing.assert_allclose(found.bn.running_mean.array, both.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.bn.running_var.array, both.var(0, ddof=1), rtol=1e-10)
    assert found.unused.num_batches_tracked.item() == 0
    np.testing.assert_array_equal(found.unused.running_var.array, 1.0)


def test_layers_that_do_not_track_are_left_alone(rng: np.random.Generator) -> None:
    layers = net()
    layers[1].track_running_stats = False
    absent = nn.BatchNorm1d(3, dtype=np.float64, track_running_stats=False)
    layers.append(absent)
    data = batches(rng, [4, 5])
    found = nn.precise_batch_norm(layers, data)
    np.testing.assert_array_equal(found.get_submodule("1").running_mean.array, 7.0)
    mean, var = algorithm_2(layers, data, "mean_of_var")[1]
    np.testing.assert_allclose(found.get_submodule("5").running_mean.array, mean, rtol=1e-10)
    np.testing.assert_allclose(found.get_submodule("5").running_var.array, var, rtol=1e-10)
    assert found.get_submodule("6").running_mean is None


def test_the_convention_of_the_layer(rng: np.random.Generator) -> None:
    """A layer that stores biased variances gets those."""
    x = rng.normal(size=(7, 3))
    layer = nn.BatchNorm1d(3, dtype=np.float64, unbiased=False)
    data = [mg.Tensor(x[:3]), mg.Tensor(x[3:])]
    pooled = nn.precise_batch_norm(layer, data, method="pooled")
    np.testing.assert_allclose(pooled.running_var.array, x.var(0), rtol=CLOSE)
    mean = nn.precise_batch_norm(layer, data)
    expected = (3 * x[:3].var(0) + 4 * x[3:].var(0)) / 7
    np.testing.assert_allclose(mean.running_var.array, expected, rtol=CLOSE)


def test_channels_on_another_axis(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 5, 3)) + 1.0
    layer = nn.BatchNorm1d(3, axis=-1, dtype=np.float64)
    found = nn.precise_batch_norm(layer, [mg.Tensor(x[:1]), mg.Tensor(x[1:])], method="pooled")
    np.testing.assert_allclose(found.running_mean.array, x.mean((0, 1)), rtol=CLOSE)
    rows = x.reshape(-1, 3)
    np.testing.assert_allclose(found.running_var.array, rows.var(0, ddof=1), rtol=CLOSE)


class Padded(nn.Module):
    """Hands a mask, or weights, on to the layer."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(2, dtype=np.float64, **options)

    def forward(self, x: Any, **chosen: Any) -> Any:
        return self.bn(x, **chosen)


@pytest.mark.parametrize("kind", ["mask", "sample_weight", "both"])
@pytest.mark.parametrize("whole_samples", [False, True])
def test_masks_and_weights(kind: str, whole_samples: bool, rng: np.random.Generator) -> None:
    """The same statistics as the layer stores when it trains."""
    x = rng.normal(size=(6, 2, 4)) + 100.0
    shape = (6,) if whole_samples else (6, 4)
    chosen: dict[str, Any] = {}
    if kind != "sample_weight":
        mask = rng.integers(0, 2, shape).astype(bool)
        mask[:2] = True
        chosen["mask"] = mg.Tensor(mask)
    if kind != "mask":
        chosen["sample_weight"] = mg.Tensor(rng.uniform(0.5, 2.0, shape))
    if kind == "mask" and not whole_samples:
        x[~np.broadcast_to(mask[:, None], x.shape)] = np.nan  # what is masked may be anything
    net = Padded(momentum=1.0)
    found = nn.precise_batch_norm(net, [x], forward=lambda net, x: net(mg.Tensor(x), **chosen))
    net(mg.Tensor(x), **chosen)
    for name in ("running_mean", "running_var"):
        np.testing.assert_allclose(
            getattr(found.bn, name).array, getattr(net.bn, name).array, rtol=1e-10
        )


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_only_ratios_of_weights_matter(factor: float, rng: np.random.Generator) -> None:
    x, weights = rng.normal(size=(6, 2)), rng.uniform(0.5, 2.0, 6)

    def statistics(weights: Array) -> Any:
        def forward(net: Any, x: Any) -> Any:
            return net(x, sample_weight=weights)

        return nn.precise_batch_norm(Padded(), [x, x[::-1]], forward=forward).bn

    found, same = statistics(factor * weights), statistics(weights)
    for name in ("running_mean", "running_var"):
        got, want = getattr(found, name).array, getattr(same, name).array
        np.testing.assert_allclose(got, want, rtol=CLOSE)


def test_a_constant_channel_with_weights_has_no_variance(rng: np.random.Generator) -> None:
    values, w = rng.normal(size=50), rng.uniform(0.5, 2.0, 7)
    layer = nn.precise_batch_norm(
        nn.BatchNorm1d(50, dtype=np.float64),
        [mg.Tensor(np.tile(values, (7, 1)))],
        forward=lambda net, x: net(x, sample_weight=w),
    )
    np.testing.assert_array_equal(layer.running_mean.array, values)
    np.testing.assert_array_equal(layer.running_var.array, 0.0)


@pytest.mark.parametrize("shape", [(5,), (6, 2)])
def test_a_mask_that_does_not_fit_is_refused_as_by_the_layer(shape: tuple[int, ...]) -> None:
    x, mask = mg.zeros(6, 2, dtype=np.float64), np.ones(shape, bool)
    with pytest.raises(ShapeError, match="mask must have shape"):
        nn.precise_batch_norm(Padded(), [x], forward=lambda net, x: net(x, mask=mask))


def test_a_batch_that_is_masked_altogether_counts_for_nothing(rng: np.random.Generator) -> None:
    x = mg.Tensor(rng.normal(size=(6, 2)))
    found = nn.precise_batch_norm(
        Padded(), [True, False], forward=lambda net, on: net(x, mask=mg.Tensor(np.full(6, on)))
    )
    assert found.bn.num_batches_tracked.item() == 1
    np.testing.assert_allclose(found.bn.running_mean.array, x.array.mean(0), rtol=CLOSE)


@pytest.mark.parametrize("policy", ["skip", "raise"])
def test_a_policy_for_nan_does_not_hide_it(policy: Any, rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(4, dtype=np.float64, nonfinite=policy)
    data = batches(rng, [4, 4])
    data[1].array[0, 3] = np.nan
    refused(ValueError, "batch 1 gives layer '' NaN .* channel 3", layer, data)


def refused(error: type[Exception], match: str, layers: Any, loader: Any, **options: Any) -> None:
    """Check an error, and that it leaves the net as it was, in place too."""
    for inplace in (False, True):
        before = None if not isinstance(layers, nn.Module) else copy.deepcopy(layers)
        versions = [] if before is None else [b.counter[0] for b in layers.buffers()]
        with pytest.raises(error, match=match):
            nn.precise_batch_norm(layers, loader, inplace=inplace, **options)
        if before is not None:
            for name, value in before.state_dict().items():
                np.testing.assert_array_equal(layers.state_dict()[name].array, value.array)
            assert [b.counter[0] for b in layers.buffers()] == versions
            assert [m.training for m in before.modules()] == [m.training for m in layers.modules()]
            assert all(not m._hooks or not m._hooks.before for m in layers.modules())


def test_one_value_per_channel_names_the_batch(rng: np.random.Generator) -> None:
    data = batches(rng, [4, 4, 1])
    match = r"batch 2 gives layer '1' one value per channel.*drop_last=True"
    refused(ShapeError, match, net(), data)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_name_layer_and_batch(
    rng: np.random.Generator, value: float
) -> None:
    layers, data = net(), batches(rng, [4, 4])
    layers[4].weight.array[1, 2] = value
    with np.errstate(invalid="ignore"):
        refused(ValueError, "batch 0 gives layer '5' NaN .* 1 of 3 .* in channel 1", layers, data)
    data[1].array[2, 0] = np.nan
    refused(ValueError, "batch 1 gives layer '1' NaN or infinite", net(), data)


def test_what_is_refused(rng: np.random.Generator) -> None:
    data = batches(rng, [4])
    refused(ValueError, "at least one batch, got none", net(), [])
    refused(ValueError, "got 1 batches that are empty", net(), batches(rng, [0]))
    refused(ValueError, "batch normalisation, got Linear without", nn.Linear(4, 4), data)
    refused(DTypeError, "net must be a Module, got 3", 3, data)
    refused(DTypeError, "loader must be an iterable of batches.*got 3", net(), 3)
    refused(DTypeError, "loader must be an iterable", net(), data[0])
    refused(DTypeError, "expected batches .* got 'dict'; give forward=", net(), [{}])
    refused(DTypeError, r"expected batches .* got \(\)", net(), [()])
    refused(ValueError, "method must be one of .*, got 'union'", net(), data, method="union")
    refused(ValueError, "num_batches must be >= 1, got 0", net(), data, num_batches=0)
    refused(DTypeError, "forward must be callable, got 3", net(), data, forward=3)
    refused(ShapeError, "in_features = 4", net(), [mg.ones(2, 3, dtype=np.float64)])
    refused(ShapeError, "expected x of shape", nn.BatchNorm1d(3), [mg.ones(2)])
