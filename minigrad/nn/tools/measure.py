"""Batches through a net in training and in evaluation, and what each layer makes of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from minigrad.grad_mode import no_grad
from minigrad.kernels import dispatch
from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.norm.statistics import ChannelStatistics, merge_statistics
from minigrad.nn.tools.flow import tensors_in
from minigrad.nn.tools.layers import (
    Forward,
    batch_norm_layers,
    batch_statistics,
    limited,
    only_batch_norm_trains,
    restored,
    same_randomness,
)
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["LayerMeasurement", "Measurement", "measure"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class _Difference:
    """How far outputs in evaluation are from those in training, in spreads of the latter."""

    def __init__(self) -> None:
        self._squares = 0.0
        self._parts: list[ChannelStatistics] = []

    def add(self, training: Array, evaluation: Array) -> None:
        """Enter a batch of outputs, shape (N, C, *S)."""
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.subtract(evaluation, training, dtype=np.float64)
            self._squares += float(np.sum(np.square(difference)))
        if training.size:
            mean, var = dispatch.module("batch_norm").statistics(training)
            n = training.size // training.shape[1]
            self._parts.append(ChannelStatistics(n, mean, var))

    @property
    def value(self) -> float:
        """The root of the sum of squared differences over that of squared deviations."""
        if not self._parts:
            return math.nan
        spread = float(np.sum(merge_statistics(self._parts).m2))
        return _ratio(self._squares, spread)


class LayerMeasurement:
    """What one layer was given, and what it made of that.

    Parameters
    ----------
    layer : BatchNorm

    Attributes
    ----------
    parts : list of ChannelStatistics
        Of each call in training.
    single : int
        Batches left out because they gave the layer one value per channel.
    dtype : dtype
        Of what it was given.
    """

    def __init__(self, layer: BatchNorm) -> None:
        self.layer = layer
        self.parts: list[ChannelStatistics] = []
        self.single = 0
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self._difference = _Difference()
        self._outputs: tuple[list[Array], list[Array]] = ([], [])  # in training, in evaluation

    @property
    def typical_n(self) -> float:
        """Values of a channel in the median call; 0 if there was none."""
        if not self.parts:
            return float(self.single > 0)
        return float(np.median([part.n for part in self.parts]))

    @property
    def population(self) -> ChannelStatistics | None:
        """Statistics of everything that the layer was given in training."""
        return merge_statistics(self.parts) if self.parts else None

    @property
    def gap(self) -> float:
        """Difference of the outputs, with what the layers before this one add."""
        return self._difference.value

    @property
    def own_gap(self) -> float:
        """Difference of what the layer makes of the same input in training and in evaluation.

        With r = 1/sqrt(var + eps) of the batch and R of the running statistics, the mean square
        of ``gamma (x - running_mean) R - gamma (x - mean) r`` is
        ``gamma^2 (var (R - r)^2 + (mean - running_mean)^2 R^2)``, that of training's output
        about its mean ``gamma^2 var r^2``.
        """
        layer = self.layer
        if not self.parts:
            return math.nan
        if layer.running_mean is None or layer.running_var is None or layer.frozen:
            return 0.0  # the same statistics in both modes
        gamma = 1.0 if layer.weight is None else np.asarray(layer.weight.detach(), np.float64)
        n = np.array([[part.n] for part in self.parts], np.float64)
        mean, var = (np.stack([part[i] for part in self.parts]) for i in (1, 2))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            batch = 1.0 / np.sqrt(var + layer.eps)
            running = 1.0 / np.sqrt(layer.running_var.array + layer.eps)
            moved = (mean - layer.running_mean.array) * running
            weight = n * np.square(gamma)
            squares = np.sum(weight * (var * np.square(running - batch) + np.square(moved)))
            return _ratio(float(squares), float(np.sum(weight * var * np.square(batch))))

    def keep(self, output: Any, evaluation: bool) -> None:
        """Note an output."""
        if isinstance(output, Tensor):
            self.dtype = output.dtype
            self._outputs[evaluation].append(np.moveaxis(output.array, self.layer.axis, 1))

    def compare(self) -> None:
        """Compare the outputs of the two runs of a batch, call by call, and forget them."""
        for training, evaluation in zip(*self._outputs, strict=False):
            self._difference.add(training, evaluation)
        self.forget()

    def forget(self) -> None:
        """Forget the outputs."""
        self._outputs = ([], [])


class Measurement:
    """What `measure` returns.

    Attributes
    ----------
    layers : dict of str to LayerMeasurement
        By path.
    batches : int
    output_gap : float
        Of the net's outputs; of the one that differs most, if there are several.
    """

    def __init__(self, layers: dict[str, LayerMeasurement]) -> None:
        self.layers = layers
        self.batches = 0
        self._outputs: dict[int, _Difference] = {}

    @property
    def output_gap(self) -> float:
        """Difference of the net's outputs in evaluation and in training."""
        values = [difference.value for difference in self._outputs.values()]
        return float(np.max(values)) if values else math.nan  # NaN if any is

    def compare(self, training: list[Array], evaluation: list[Array]) -> None:
        """Compare the outputs of the net for a batch."""
        for place, (before, after) in enumerate(zip(training, evaluation, strict=True)):
            self._outputs.setdefault(place, _Difference()).add(before, after)


class _SingleValue(Exception):  # noqa: N818 - no error: it ends a run that training would refuse
    """A layer was given one value per channel."""


def measure(
    net: Module, loader: Iterable[Any], num_batches: int | None, forward: Forward
) -> Measurement:
    """Run batches through a copy of a net, in training and in evaluation."""
    net = copy.deepcopy(net)
    measured = Measurement(
        {path: LayerMeasurement(layer) for path, layer in batch_norm_layers("", net).items()}
    )
    mode = [False]  # whether the run is one of evaluation
    with ExitStack() as ends:
        ends.enter_context(same_randomness())
        ends.enter_context(no_grad())
        # What is not finite is found in the statistics, and reported.
        ends.enter_context(np.errstate(all="ignore"))
        for one in measured.layers.values():
            # What these would say is in the report.
            one.layer.nonfinite, one.layer._warned_untrained = "propagate", True
            for hook in _watch(one, mode):
                ends.callback(hook.remove)
        for _, batch in limited(loader, num_batches):
            measured.batches += 1
            mode[0] = False
            try:
                with restored(net):
                    only_batch_norm_trains(net)
                    training = _outputs(forward(net, batch))
            except _SingleValue:
                for one in measured.layers.values():
                    one.forget()
                continue
            mode[0] = True
            evaluation = _outputs(forward(net.eval(), batch))
            for one in measured.layers.values():
                one.compare()
            measured.compare(training, evaluation)
    return measured


def _watch(one: LayerMeasurement, mode: list[bool]) -> Iterator[Any]:
    layer = one.layer

    def before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if mode[0]:
            return
        part = batch_statistics(layer, args, kwargs)
        if 0 < part.n <= 1 and not layer.frozen:
            one.single += 1
            if layer.single == "raise":
                raise _SingleValue
            return
        if part.n:
            one.parts.append(part)

    def after(module: Module, args: tuple[Any, ...], output: Any) -> None:
        one.keep(output, mode[0])

    yield layer.register_forward_pre_hook(before, with_kwargs=True)
    yield layer.register_forward_hook(after)


def _outputs(value: Any) -> list[Array]:
    """Return the floating Tensors in what a net returned, as arrays of one channel."""
    return [t.array.reshape(-1, 1) for t in tensors_in(value) if t.dtype in _FLOATS]


def _ratio(squares: float, spread: float) -> float:
    """Return the root of a ratio; 0 for nothing of nothing, NaN where nothing is the unit."""
    if spread == 0.0:
        return 0.0 if squares == 0.0 else math.nan
    return math.sqrt(squares / spread)
