"""Each sickness of a batch normalisation layer is found, and a healthy net has none."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.errors import DTypeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.nn.tools.report import BatchNormReport

CLOSE = 1e-10
"""Roundings of float64 in sums over a batch."""


def data(seed: int = 0, samples: int = 256, shift: float = 0.0) -> mg.Tensor:
    """Return inputs of four features with different means and spreads."""
    rng = np.random.default_rng(seed)
    return mg.Tensor(rng.normal(size=(samples, 4)) * [1.0, 3.0, 0.5, 2.0] + [1.0, -4.0, 2.0, shift])


def loader(x: mg.Tensor, batch_size: int = 32) -> list[mg.Tensor]:
    return [x[start : start + batch_size] for start in range(0, len(x), batch_size)]


def net() -> nn.Sequential:
    mg.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(4, dtype=np.float64),
        nn.Linear(4, 6, dtype=np.float64),
        nn.BatchNorm1d(6, dtype=np.float64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(6, 2, dtype=np.float64),
    )


def trained(layers: nn.Sequential, batches: int = 80, batch_size: int = 32) -> nn.Sequential:
    """Let batches of new data pass in training, without learning."""
    with mg.no_grad():
        for k in range(batches):
            layers.train()(data(100 + k, batch_size))
    return layers


def problems(report: BatchNormReport) -> list[tuple[str, str]]:
    return [(problem.layer, problem.kind) for problem in report.problems]


def remedy(report: BatchNormReport, layer: str, kind: str) -> str:
    """Return the remedy for a problem that must be the only one of the layer."""
    (problem,) = [p for p in report.problems if p.layer == layer]
    assert problem.kind == kind, report
    text = " ".join(str(report).split())
    assert f"layer {problem.layer!r}: {problem.kind}. {problem.finding}" in text
    assert f"-> {problem.remedy}" in text
    return problem.remedy


def test_a_healthy_net_has_no_problems() -> None:
    report = nn.bn_report(trained(net()), loader(data()))
    assert problems(report) == []
    assert "no problems found" in str(report)
    assert report.output_gap < 0.3
    assert all(layer.gap < 0.3 for layer in report.layers)


def test_a_net_that_learns_is_healthy() -> None:
    rng = np.random.default_rng(0)
    x = mg.Tensor(rng.normal(size=(512, 4)) * [1.0, 3.0, 0.5, 2.0] + 1.0)
    target = mg.Tensor((x.array[:, 0] * x.array[:, 2] > 1.0).astype(np.int64))
    batches = DataLoader(TensorDataset(x, target), batch_size=64, shuffle=True)
    layers = net()
    optimizer = mg.optim.SGD(layers.parameters(), lr=0.05)
    mg.train.fit(layers, batches, loss=F.cross_entropy, optimizer=optimizer, epochs=10)
    assert problems(nn.bn_report(layers, batches)) == []


# ---------------------------------------------------------------------------------- numbers


def test_the_numbers_of_a_layer() -> None:
    """Gap, drift and ratio, once more in NumPy."""
    layer = trained(nn.Sequential(nn.BatchNorm1d(4, dtype=np.float64, eps=1e-3)), 3)[0]
    rng = np.random.default_rng(0)
    layer.weight.array[...] = rng.normal(size=4)
    layer.bias.array[...] = rng.normal(size=4)
    x, batches = data().array, [16, 240]
    (found,) = nn.bn_report(layer, [mg.Tensor(x[:16]), mg.Tensor(x[16:])]).layers
    mean, var = layer.running_mean.array, layer.running_var.array
    evaluation = layer.weight.array * (x - mean) / np.sqrt(var + 1e-3) + layer.bias.array
    training = np.concatenate(
        [
            layer.weight.array * (b - b.mean(0)) / np.sqrt(b.var(0) + 1e-3) + layer.bias.array
            for b in np.split(x, [16])
        ]
    )
    gap = np.sqrt(np.sum((evaluation - training) ** 2) / np.sum(training.var(0) * len(x)))
    np.testing.assert_allclose([found.gap, found.own_gap], gap, rtol=CLOSE)
    drift = np.abs(mean - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(found.mean_drift, drift, rtol=CLOSE)
    np.testing.assert_allclose(found.var_ratio, var / x.var(0, ddof=1), rtol=CLOSE)
    assert found.worst_mean_drift == found.mean_drift.max()
    assert found.median_mean_drift == np.median(found.mean_drift)
    worst = np.argmax(np.abs(np.log(found.var_ratio)))  # 3.2, as the smallest is 1 / 2.8
    assert found.worst_var_ratio == found.var_ratio[worst] != found.var_ratio.min()
    assert found.median_var_ratio == np.median(found.var_ratio)
    assert found.values_per_channel == np.median(batches)
    assert (found.num_batches_tracked, found.batches_remembered) == (3, 10.0)
    assert (found.path, found.kind, found.channels) == ("", "BatchNorm1d", 4)


def test_the_gap_of_the_net_and_of_layers_behind_others() -> None:
    layers = trained(net())
    layers[0].running_mean.array[...] += 5.0
    x = data()
    report = nn.bn_report(layers, [x])
    first, second = report.layers
    assert first.gap == pytest.approx(first.own_gap, rel=CLOSE)
    assert second.own_gap < 0.3 < second.gap  # what the first one has done
    copied = copy.deepcopy(layers)
    evaluation = copied.eval()(x).array
    for place in (0, 2):
        copied[place].train()  # dropout stays off
    training = copied(x).array
    expected = np.sqrt(np.mean((evaluation - training) ** 2) / training.var())
    assert report.output_gap == pytest.approx(expected, rel=CLOSE)


def test_the_momentum_in_batches() -> None:
    layers = nn.Sequential(
        *(nn.BatchNorm1d(4, dtype=np.float64, momentum=m) for m in (0.05, None, 0.0))
    )
    report = nn.bn_report(trained(layers, 3), loader(data()))
    assert [layer.batches_remembered for layer in report.layers] == [20.0, 3, np.inf]


def test_spatial_layers_and_several_outputs(rng: np.random.Generator) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm2d(3, momentum=1.0)

        def forward(self, x: Any) -> Any:
            y = self.bn(x)
            return {"small": 0.01 * y, "rest": [y, mg.arange(3)]}

    x = mg.Tensor((rng.normal(size=(4, 3, 5, 2)) + 3.0).astype(np.float32))
    two = Two()
    two(x)
    (layer,) = (report := nn.bn_report(two, [x, x])).layers
    assert layer.values_per_channel == 40.0
    assert layer.gap == pytest.approx(1 - np.sqrt(39 / 40), rel=1e-3)  # Bessel's factor alone
    assert report.output_gap == pytest.approx(layer.gap, rel=1e-3)
    assert problems(report) == []


def test_a_layer_called_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm1d(4, dtype=np.float64)

        def forward(self, x: Any) -> Any:
            return self.bn(x) + self.bn(2.0 * x)

    x = data().array
    (layer,) = nn.bn_report(Twice(), [mg.Tensor(x)]).layers
    both = np.concatenate([x, 2.0 * x])
    np.testing.assert_allclose(layer.mean_drift, np.abs(both.mean(0)) / both.std(0), rtol=CLOSE)


# ---------------------------------------------------------------------------------- sicknesses


def test_never_trained() -> None:
    report = nn.bn_report(net(), loader(data()))
    assert "precise_batch_norm" in remedy(report, "0", "never trained")
    assert "train() mode" in remedy(report, "2", "never trained")


def test_too_few_batches() -> None:
    report = nn.bn_report(trained(net(), 5), loader(data()))
    text = remedy(report, "0", "too few batches")
    assert "train longer" in text
    assert "precise_batch_norm" in text
    finding = "after 5 batches with momentum 0.1 the starting values 0 and 1 still have a weight of"
    assert f"{finding} 0.59." in report.problems[0].finding


def test_a_small_variance_needs_many_batches() -> None:
    """The starting value 1 has a weight of 2e-4 after 80 batches: a lot beside 1e-6."""
    layers = nn.Sequential(nn.BatchNorm1d(4, dtype=np.float64, eps=1e-9))
    for k in range(80):
        layers(1e-3 * data(k, 32))
    report = nn.bn_report(layers, [1e-3 * data()])
    assert "train longer" in remedy(report, "0", "too few batches")


@pytest.mark.parametrize("momentum", [0.001, 0.0])
def test_momentum_too_small(momentum: float) -> None:
    layers = net()
    layers[0].momentum = momentum
    report = nn.bn_report(trained(layers), loader(data()))
    text = remedy(report, "0", "momentum too small")
    assert "Keras" in text
    assert "momentum=None" in text


def test_momentum_too_large() -> None:
    layers = net()
    layers[0].momentum = 1.0
    report = nn.bn_report(trained(layers, batch_size=16), loader(data(samples=4096), 16))
    text = remedy(report, "0", "momentum too large")
    assert "a smaller momentum, momentum=None" in text
    assert "precise_batch_norm" in text


def test_batch_too_small() -> None:
    layers = trained(net(), 300, batch_size=4)
    layers[0].momentum = layers[2].momentum = 0.01
    trained(layers, 500, batch_size=4)
    report = nn.bn_report(layers, loader(data(), 4))
    assert "GroupNorm" in remedy(report, "0", "batch too small")
    assert "larger batches" in remedy(report, "2", "batch too small")
    finding = report.problems[0].finding
    assert finding == (
        "With 4 values per channel the standard deviation of a batch is off by 35% by chance."
    )


def test_a_batch_of_one() -> None:
    report = nn.bn_report(trained(net()), [*loader(data()), data(1, 1)])
    assert "drop_last=True" in remedy(report, "0", "batch too small")
    assert report.batches == 9
    assert report.problems[0].finding.endswith("training cannot normalise: 1.")


def test_nothing_but_batches_of_one() -> None:
    report = nn.bn_report(trained(net()), [data(1, 1)])
    assert problems(report)[0] == ("0", "batch too small")
    assert np.isnan([report.output_gap, report.layers[0].gap, report.layers[0].own_gap]).all()
    assert "-" in str(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_batch_of_one_that_the_layer_lets_pass() -> None:
    layer = nn.BatchNorm1d(4, single="eval", dtype=np.float64)
    layer(data())
    report = nn.bn_report(nn.Sequential(layer), [data(1, 1)])
    assert problems(report) == [("0", "batch too small")]
    assert report.layers[0].gap == report.output_gap == 0.0  # evaluated both times


def test_outputs_before_a_layer_that_refuses_a_batch_are_no_part_of_the_next() -> None:
    """The first layer has four values per channel of a batch of which the second has one."""
    layers = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.BatchNorm1d(4))
    single, whole = mg.randn(1, 1, 2, 2), mg.randn(32, 1, 2, 2)
    report = nn.bn_report(layers, [single, whole])
    assert ("2", "batch too small") in problems(report)
    alone = nn.bn_report(layers, [whole])
    assert [layer.gap for layer in report.layers] == [layer.gap for layer in alone.layers]


def test_few_data_are_no_shift() -> None:
    """The population is estimated from 32 samples, and is off itself."""
    layers = trained(net(), 200)
    for seed in range(10):
        assert problems(nn.bn_report(layers, [data(seed, 32)])) == []


def test_data_shifted() -> None:
    report = nn.bn_report(trained(net()), loader(data(shift=8.0)))
    text = remedy(report, "0", "data shifted")
    assert "precise_batch_norm on data like these" in text
    assert "channel 3" in report.problems[0].finding
    fixed = nn.precise_batch_norm(trained(net()), loader(data(shift=8.0)))
    assert problems(nn.bn_report(fixed, loader(data(shift=8.0)))) == []


def test_a_small_shift() -> None:
    """A third of a standard deviation: less than a batch of 32 may be off, or a single channel."""
    x = data()
    report = nn.bn_report(trained(net(), 200), loader(x + mg.Tensor(0.33 * x.array.std(0))))
    assert "precise_batch_norm" in remedy(report, "0", "data shifted")


@pytest.mark.parametrize("dead", [0, 12, 15])
def test_a_shift_is_a_shift_beside_channels_that_are_dead(
    dead: int, rng: np.random.Generator
) -> None:
    """What momentum 0.9 leaves to chance is 0.28; most channels having none does not hide more."""
    lives = np.arange(16) >= dead
    layer = nn.BatchNorm1d(16, momentum=0.9, dtype=np.float64)

    def batch(shift: float) -> mg.Tensor:
        return mg.Tensor((rng.normal(size=(16, 16)) + shift) * lives)

    for _ in range(50):
        layer(batch(0.0))
    for shift, kind in ((0.6, "momentum too large"), (1.5, "data shifted")):
        found = problems(nn.bn_report(layer, [batch(shift) for _ in range(20)]))
        assert ("", kind) in found


def test_data_of_another_spread() -> None:
    wider = mg.Tensor(data().array * 3.0 - 2.0 * data().array.mean(0))
    report = nn.bn_report(trained(net()), loader(wider))
    assert "precise_batch_norm" in remedy(report, "0", "data shifted")


def test_frozen_on_other_data() -> None:
    layers = trained(net())
    layers[0].freeze()
    report = nn.bn_report(layers, loader(data(shift=8.0)))
    assert "unfreeze_batch_norm" in remedy(report, "0", "frozen, other data")
    first = report.layers[0]
    assert (first.frozen, first.tracks, first.own_gap) == (True, False, 0.0)
    assert "frozen" in str(report)
    assert problems(nn.bn_report(layers, loader(data(), 1))) == [("2", "batch too small")]


def test_dead_channels() -> None:
    layers = trained(net())
    layers[1].weight.array[2] = 0.0
    trained(layers)
    report = nn.bn_report(layers, loader(data()))
    assert "another initialisation" in remedy(report, "2", "dead channels")
    second = report.layers[1]
    assert second.constant_channels == (2,)
    assert np.isnan(second.mean_drift[2])
    assert np.isfinite(second.worst_mean_drift)
    assert "1 constant" in str(report)


def test_a_channel_that_is_rounding_alone(rng: np.random.Generator) -> None:
    x = rng.normal(size=(64, 3)).astype(np.float32)
    x[:, 1] = np.float32(1000.1) + rng.integers(-1, 2, 64) * np.spacing(np.float32(1000.1))
    layer = nn.BatchNorm1d(3, momentum=1.0)
    layer(mg.tensor(x))
    report = nn.bn_report(layer, [mg.tensor(x)])
    assert report.layers[0].constant_channels == (1,)
    assert problems(report) == [("", "dead channels")]


def test_channels_without_weight() -> None:
    layers = trained(net())
    layers[2].weight.array[[1, 4]] = 0.0
    report = nn.bn_report(layers, loader(data()))
    assert "no_decay_groups" in remedy(report, "2", "dead channels")
    assert report.layers[1].unscaled_channels == (1, 4)
    assert "2 unscaled" in str(report)


def test_eps_dominates() -> None:
    layers = net()
    layers[1].weight.array[3] *= 1e-4
    layers[1].bias.array[3] = 0.0
    report = nn.bn_report(trained(layers, 200), loader(data()))
    assert "a smaller eps" in remedy(report, "2", "eps dominates")
    assert report.layers[1].channels_below_eps == (3,)


def test_nan_in_the_running_statistics() -> None:
    layers = trained(net())
    layers[0].running_mean.array[1] = np.nan
    report = nn.bn_report(layers, loader(data()))
    text = remedy(report, "0", "NaN")
    assert "reset_running_stats()" in text
    assert "detect_anomaly" in text
    assert "1 of 4 channels (channel 1)" in report.problems[0].finding
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_the_data(value: float) -> None:
    x = data()
    x.array[40, 2] = value
    layers = trained(net())
    report = nn.bn_report(layers, loader(x))
    assert "look at the data" in remedy(report, "0", "NaN")
    assert np.isfinite(layers[0].running_mean.array).all()
    layers[0].nonfinite = "raise"
    assert problems(nn.bn_report(layers, loader(x))) == problems(report)


def test_skipped_batches() -> None:
    layers = trained(net())
    layers[0].nonfinite = "skip"
    x = data()
    x.array[0, 0] = np.nan
    for _ in range(3):
        layers(x)
    report = nn.bn_report(nn.Sequential(layers[0]), loader(data()))
    assert "lower the learning rate" in remedy(report, "0", "skipped batches")
    assert report.layers[0].num_batches_skipped == 3
    assert "3 skipped" in str(report)
    elsewhere = nn.bn_report(nn.Sequential(layers[0]), loader(data(shift=8.0)))
    assert problems(elsewhere) == [("0", "skipped batches"), ("0", "data shifted")]


def first_six(layers: Any, x: mg.Tensor) -> Any:
    return layers[:6](x)


def test_a_layer_that_is_not_reached() -> None:
    layers = trained(net())
    layers.add_module("unused", nn.BatchNorm1d(9))
    report = nn.bn_report(layers, loader(data()), forward=first_six)
    assert "call it in forward()" in remedy(report, "unused", "not reached")


def test_a_layer_without_running_statistics() -> None:
    layer = nn.BatchNorm1d(4, dtype=np.float64, track_running_stats=False)
    report = nn.bn_report(layer, loader(data()))
    assert problems(report) == []
    assert (report.layers[0].gap, report.layers[0].own_gap) == (0.0, 0.0)
    assert "no tracking" in str(report)
    assert report.layers[0].num_batches_tracked is None


# ---------------------------------------------------------------------------------- the rest


def test_the_net_is_left_alone() -> None:
    layers = trained(net(), 7)
    layers[4].eval()
    layers(data()).sum().backward()
    before = copy.deepcopy(layers)
    generator = mg.default_generator.get_state()
    x = data()
    nn.bn_report(layers, loader(x))
    assert mg.default_generator.get_state() == generator
    for name, value in before.state_dict().items():
        np.testing.assert_array_equal(layers.state_dict()[name].array, value.array)
    assert [m.training for m in layers.modules()] == [m.training for m in before.modules()]
    for parameter, old in zip(layers.parameters(), before.parameters(), strict=True):
        assert parameter.grad is not None
        assert old.grad is not None
        np.testing.assert_array_equal(parameter.grad.array, old.grad.array)
    assert all(m._hooks is None or not m._hooks.before for m in layers.modules())
    np.testing.assert_array_equal(x.array, data().array)


def test_the_number_of_batches() -> None:
    report = nn.bn_report(trained(net()), iter([*loader(data()), None]), num_batches=8)
    assert report.batches == 8


def test_the_table() -> None:
    lines = str(nn.bn_report(trained(net(), 5), loader(data()))).splitlines()
    assert lines[0].split()[:3] == ["layer", "gap", "own"]
    assert set(lines[1]) == {"-"}
    assert lines[2].startswith("0 (4) ")
    assert lines[3].startswith("2 (6) ")
    assert max(map(len, lines)) <= 100
    assert "over 8 batches" in lines[9]


def test_plain_values() -> None:
    report = nn.bn_report(net(), loader(data()))
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    first = values["layers"][0]
    assert first["problems"][0]["kind"] == "never trained"
    assert first["gap"] == report.layers[0].gap
    assert first["mean_drift"] == report.layers[0].mean_drift.tolist()
    assert values["output_gap"] == report.output_gap


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one batch, got none"):
        nn.bn_report(net(), [])
    with pytest.raises(ValueError, match="batch normalisation, got Tanh without"):
        nn.bn_report(nn.Tanh(), [data()])
    with pytest.raises(DTypeError, match="loader must be an iterable of batches"):
        nn.bn_report(net(), data())
    with pytest.raises(ValueError, match="num_batches must be >= 1"):
        nn.bn_report(net(), [data()], num_batches=0)


# ---------------------------------------------------------------------------------- picture


def test_the_picture(tmp_path: Path) -> None:
    report = nn.bn_report(net(), loader(data()))
    figure = report.plot(tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    gaps, drifts, ratios = figure.axes
    patches: Any = gaps.patches
    bars = [patch.get_width() for patch in patches]
    assert bars == [layer.gap for layer in report.layers] + [
        layer.own_gap for layer in report.layers
    ]
    assert [tick.get_text() for tick in gaps.get_yticklabels()] == [
        "0: never trained",
        "2: never trained",
    ]
    dots = [np.asarray(dots.get_offsets())[:, 0] for dots in drifts.collections]
    assert [values.tolist() for values in dots] == [
        layer.mean_drift.tolist() for layer in report.layers
    ]
    assert len(ratios.collections) == 2


def test_the_picture_of_nothing_finite() -> None:
    layers = net()
    for layer in (layers[0], layers[2]):
        layer.running_var.array[...] = np.nan
    figure = nn.bn_report(layers, [data(), data(1, 1)]).plot()
    assert "not finite" in {text.get_text().strip() for text in figure.axes[0].texts}


def test_without_matplotlib_the_picture_names_the_extra() -> None:
    program = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.figure"] = None
import minigrad as mg
report = mg.nn.bn_report(mg.nn.BatchNorm1d(2), [mg.randn(32, 2)])
try:
    report.plot()
except ImportError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'pip install "minigrad-numba[plot]"' in result.stdout
