"""What can be wrong with a batch normalisation layer, how to tell, and what helps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.norm.statistics import ChannelStatistics
from minigrad.nn.tools.measure import LayerMeasurement
from minigrad.typing import Array

__all__ = ["BatchNormProblem", "Statistics", "diagnose"]

SMALL_BATCH = 16
"""Values per channel below which the statistics of a batch are noise: its standard deviation is off
by 1/sqrt(2n), 18 % for 16 values. (Wu & He 2018, arXiv:1803.08494, figure 1: errors rise below.)"""
DISTANCE = 0.3
"""How far evaluation may be from the population, in standard deviations of the worst channel."""
TYPICAL_DISTANCE = 0.15
"""The same of all channels, as a root mean square; batches of 32 with momentum 0.1 have 0.05."""
CERTAIN = 3.0
"""Standard errors that the worst channel is allowed more; the population is estimated, too."""
SLOW = 0.01
"""A momentum below which a training of a few hundred batches does not suffice."""
NO_WEIGHT = 1e-6
"""A weight that switches a channel off."""
ROUNDINGS = 4.0
"""Spread, in roundings of the mean, of a channel that is constant."""


@dataclass(frozen=True)
class BatchNormProblem:
    """Something that is wrong with a layer.

    Attributes
    ----------
    layer : str
        Path of the layer.
    kind : str
        A few words, the same for all problems of the kind.
    finding : str
        What was seen, in numbers.
    remedy : str
        What helps.
    """

    layer: str
    kind: str
    finding: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        """Return the four texts by name."""
        return asdict(self)


class Statistics:
    """The running statistics of a layer beside those of the data that it was given.

    Parameters
    ----------
    layer : BatchNorm
    measured : LayerMeasurement

    Attributes
    ----------
    mean_drift, var_ratio : ndarray, shape (C,)
        ``|running_mean - mean| / std`` and ``running_var / var``; NaN where there is nothing to
        compare.
    distance : ndarray, shape (C,)
        Root mean square difference of evaluation and of normalising by the population, in
        standard deviations; 0 where there is nothing to compare.
    constant, unscaled, below_eps : tuple of int
        Channels whose values do not vary, whose weight is zero, whose variance is less than eps.
    skipped : int
        Batches that did not enter the running statistics.
    """

    def __init__(self, layer: BatchNorm, measured: LayerMeasurement) -> None:
        self.layer = layer
        self.mean_drift = self.var_ratio = np.full(layer.num_features, np.nan)
        self.distance = np.zeros(layer.num_features)
        self.constant: tuple[int, ...] = ()
        self.below_eps: tuple[int, ...] = ()
        weight = None if layer.weight is None else layer.weight.array
        self.unscaled = () if weight is None else _places(np.abs(weight) < NO_WEIGHT)
        self.skipped = layer.num_batches_skipped
        self.population = population = measured.population
        if population is not None:
            self._compare(population, measured.dtype)

    def _compare(self, population: ChannelStatistics, dtype: np.dtype[np.floating]) -> None:
        layer, mean, var = self.layer, population.mean, population.var
        rounding = ROUNDINGS * float(np.finfo(dtype).eps) * np.abs(mean)
        constant = np.sqrt(var) <= rounding
        self.constant = _places(constant)
        self.below_eps = _places(~constant & (var < layer.eps))
        if layer.running_mean is None or layer.running_var is None:
            return
        running = ChannelStatistics(population.n, layer.running_mean.array, layer.running_var.array)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            drift = np.abs(running.mean - mean) / np.sqrt(var)
            ratio = running.var / population.unbiased_var
            self.mean_drift = np.where(constant, np.nan, drift)
            self.var_ratio = np.where(constant, np.nan, ratio)
            self.distance = np.where(constant, 0.0, distance(running, population, layer.eps))


def distance(used: ChannelStatistics, true: ChannelStatistics, eps: float) -> Array:
    """Return how far x normalised by ``used`` is from x normalised by its ``true`` statistics.

    With ``s = sqrt((var_true + eps) / (var_used + eps))`` and the difference of the means d in
    ``sqrt(var_true + eps)``: the root of ``(s - 1)**2 + (s d)**2``.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spread = np.sqrt(true.var + eps)
        scale = spread / np.sqrt(used.var + eps)
        result: Array = np.hypot(scale - 1.0, scale * (used.mean - true.mean) / spread)
        return result


def diagnose(
    path: str, layer: BatchNorm, measured: LayerMeasurement, statistics: Statistics
) -> tuple[BatchNormProblem, ...]:
    """Return everything that is wrong with a layer, the worst first."""
    found: list[tuple[str, str, str]] = []
    found += _of_numbers(layer, statistics)
    if not measured.parts and not measured.single:
        found.append(
            (
                "not reached",
                "No batch reached this layer.",
                "call it in forward(), or remove it: its running statistics are never used",
            )
        )
    elif "NaN" not in [kind for kind, _, _ in found]:
        found += _of_running(layer, measured, statistics)
    found += _of_batches(layer, measured)
    found += _of_channels(layer, statistics)
    return tuple(BatchNormProblem(path, *texts) for texts in found)


def _of_numbers(layer: BatchNorm, statistics: Statistics) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong where numbers are not finite."""
    tensors = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    state = [tensor.array for tensor in tensors if tensor is not None]
    wrong = np.zeros(layer.num_features, bool)
    for values in state:
        wrong |= ~np.isfinite(values)
    if wrong.any():
        yield (
            "NaN",
            f"Running statistics or parameters of {_channels(wrong)} are NaN or infinite.",
            "find where the first one came from with minigrad.detect_anomaly(); "
            "reset_running_stats(), or precise_batch_norm if the weights are sound; "
            "nonfinite='skip' keeps the next such batch out",
        )
    population = statistics.population
    if population is not None:
        wrong = ~(np.isfinite(population.mean) & np.isfinite(population.var))
        if wrong.any():
            yield (
                "NaN",
                f"What the layer is given is NaN or infinite in {_channels(wrong)}.",
                "look at the data and at the weights before this layer, with "
                "minigrad.detect_anomaly()",
            )
    if statistics.skipped:
        yield (
            "skipped batches",
            f"Batches that were NaN or infinite and did not enter the running statistics: "
            f"{statistics.skipped}.",
            "they were no use to the weights either: look at the data, lower the learning rate, "
            "or clip gradients",
        )


def _of_running(
    layer: BatchNorm, measured: LayerMeasurement, statistics: Statistics
) -> Iterator[tuple[str, str, str]]:
    """Yield why the running statistics are not those of the data, if they are not."""
    mean, var, counter = layer.running_mean, layer.running_var, layer.num_batches_tracked
    if mean is None or var is None:
        return
    seen = None if counter is None else int(counter.item())
    if seen == 0 and not mean.array.any() and (var.array == 1.0).all():
        yield (
            "never trained",
            "The running statistics are still 0 and 1: no batch has entered them.",
            "train the net in train() mode, load a state_dict that has them, or estimate them with "
            "precise_batch_norm",
        )
        return
    population = statistics.population
    if population is None:
        return
    worst = float(np.max(statistics.distance, initial=0.0))
    typical = float(np.sqrt(np.mean(np.square(statistics.distance))))
    error = CERTAIN * math.sqrt(1.5 / max(1.0, float(population.n)))
    if worst <= DISTANCE + error and typical <= TYPICAL_DISTANCE + error / CERTAIN:
        return
    channel = int(np.argmax(statistics.distance))
    off = (
        f"Evaluation is {worst:.2g} standard deviations from what the data ask for (channel "
        f"{channel}: running mean {mean.array[channel]:.3g}, mean {population.mean[channel]:.3g}; "
        f"running var {var.array[channel]:.3g}, var {population.var[channel]:.3g})"
    )
    if layer.frozen:
        yield (
            "frozen, other data",
            f"{off}, and the layer is frozen.",
            "if these data are what the net is for: unfreeze_batch_norm, then train or "
            "precise_batch_norm, and freeze again",
        )
        return
    momentum = layer.momentum
    start = 0.0 if momentum is None or not seen else (1.0 - momentum) ** seen
    # The population's statistics, if the running ones had met nothing else from the start.
    expected = ChannelStatistics(
        population.n, (1.0 - start) * population.mean, (1.0 - start) * population.var + start
    )
    if distance(expected, population, layer.eps)[channel] > 0.5 * worst and momentum is not None:
        weight = f"after {seen} batches with momentum {momentum:g} the starting values 0 and 1"
        finding = f"{off}: {weight} still have a weight of {start:.2g}."
        if momentum < SLOW:
            yield (
                "momentum too small",
                finding,
                "a larger momentum (0.1 remembers 10 batches; it is the weight of the new batch, "
                "where Keras and Flax state that of the old), momentum=None for the average of "
                "all, or precise_batch_norm",
            )
        else:
            yield ("too few batches", finding, "train longer, or precise_batch_norm")
        return
    noise = _noise(layer, measured, statistics, population, seen)  # of channels that vary
    varying = np.delete(statistics.distance, statistics.constant)
    if float(np.sqrt(np.mean(np.square(varying)))) <= CERTAIN * noise:
        yield (
            "momentum too large",
            f"{off}. The batches differ, and momentum "
            f"{'None' if momentum is None else format(momentum, 'g')} averages so few of them that "
            f"{noise:.2g} is to be expected.",
            "a smaller momentum, momentum=None for the average of all batches, larger batches "
            "(shuffled), or precise_batch_norm",
        )
        return
    yield (
        "data shifted",
        f"{off}, more than the spread between batches explains ({noise:.2g}): these are other "
        "data than those of the last training batches, or the weights have moved since.",
        "precise_batch_norm on data like these; if they should be the same, compare how both are "
        "prepared",
    )


def _noise(
    layer: BatchNorm,
    measured: LayerMeasurement,
    statistics: Statistics,
    population: ChannelStatistics,
    seen: int | None,
) -> float:
    """Return the distance that running averages of such batches have by chance, in expectation.

    It is that of the channels that vary, of which there is at least one.

    A running average with momentum m of independent values has m / (2 - m) of their variance, an
    average of t values 1 / t.
    """
    squares = [np.square(distance(part, population, layer.eps)) for part in measured.parts]
    batch = float(np.mean(np.delete(np.stack(squares), statistics.constant, axis=1)))
    # A single batch is no distance from itself: what chance would give then, for normal values.
    batch = max(batch, 1.5 / max(1.0, measured.typical_n))
    momentum = layer.momentum
    factor = 1.0 / max(1, seen or 1) if momentum is None else momentum / (2.0 - momentum)
    return math.sqrt(batch * factor)


def _of_batches(layer: BatchNorm, measured: LayerMeasurement) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the size of batches, unless they do not matter."""
    if layer.frozen:
        return
    remedy = (
        "larger batches (drop_last=True in the DataLoader for a last one that is small), or a "
        "GroupNorm or LayerNorm, which do not depend on the batch"
    )
    n = measured.typical_n
    if measured.single:
        yield (
            "batch too small",
            f"Batches of one value per channel, by which training cannot normalise: "
            f"{measured.single}.",
            remedy,
        )
    elif 0 < n < SMALL_BATCH:
        yield (
            "batch too small",
            f"With {n:g} values per channel the standard deviation of a batch is off by "
            f"{1.0 / math.sqrt(2.0 * n):.0%} by chance.",
            remedy,
        )


def _of_channels(layer: BatchNorm, statistics: Statistics) -> Iterator[tuple[str, str, str]]:
    """Yield which channels do nothing."""
    total = layer.num_features
    if statistics.constant:
        yield (
            "dead channels",
            f"Channels that do not vary, so that their output is their bias: "
            f"{len(statistics.constant)} of {total} ({_listed(statistics.constant)}).",
            "the units before have died or the input has constant features: a lower learning rate, "
            "another initialisation, normalise before the ReLU; or remove these channels",
        )
    if statistics.unscaled:
        yield (
            "dead channels",
            f"Channels whose weight is 0: {len(statistics.unscaled)} of {total} "
            f"({_listed(statistics.unscaled)}).",
            "no weight decay on weight and bias of normalisation (optim.no_decay_groups); or "
            "remove these channels. A weight that starts at 0 on purpose has not been trained yet",
        )
    if statistics.below_eps:
        yield (
            "eps dominates",
            f"Channels whose variance is below eps = {layer.eps:g}, so that their spread comes out "
            f"as less than 0.71 of weight: {len(statistics.below_eps)} of {total} "
            f"({_listed(statistics.below_eps)}).",
            "a smaller eps, or inputs and weights of a larger scale",
        )


def _places(chosen: Array) -> tuple[int, ...]:
    return tuple(np.flatnonzero(chosen).tolist())


def _channels(chosen: Array) -> str:
    return f"{int(chosen.sum())} of {chosen.size} channels ({_listed(_places(chosen))})"


def _listed(places: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, places[:8]))
    return (
        f"channel {shown}"
        if len(places) == 1
        else f"channels {shown}" + ", ..." * (len(places) > 8)
    )
