"""Measuring a net on the samples of a loader."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from minigrad.errors import ShapeError
from minigrad.grad_mode import no_grad
from minigrad.nn import Module
from minigrad.tensor import Tensor, as_tensor

__all__ = ["Average", "Loss", "Metric", "Metrics", "accuracy", "evaluate", "split_batch"]

Loss: TypeAlias = Callable[[Any, Any], Tensor]
"""From output and target to the mean loss of the batch."""
Metric: TypeAlias = Callable[[Any, Any], float]
"""From output and target to the mean of the batch."""
Metrics: TypeAlias = Mapping[str, Metric]
"""Metrics by the names under which they are reported."""


def accuracy(logits: Any, target: Any) -> float:
    """Return the share of samples whose largest logit is that of the target.

    Parameters
    ----------
    logits : Tensor, shape (N, K)
        Or probabilities, or their logarithms.
    target : Tensor, shape (N,), integer

    Returns
    -------
    float
        From 0 to 1; NaN for an empty batch.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.train.accuracy(mg.tensor([[0.1, 2.0], [3.0, 1.0]]), mg.tensor([1, 1]))
    0.5
    """
    scores, classes = as_tensor(logits).array, as_tensor(target).array
    if scores.ndim != 2 or classes.shape != scores.shape[:1]:
        raise ShapeError(
            f"accuracy: expected logits (N, K) and target (N,), got {scores.shape} and "
            f"{classes.shape}"
        )
    if classes.size == 0:
        return math.nan
    return int(np.count_nonzero(np.argmax(scores, axis=1) == classes)) / classes.size


class Average:
    """The mean of values that stand for different numbers of samples."""

    def __init__(self) -> None:
        self.samples = 0
        self._sum = 0.0

    def add(self, value: float, samples: int) -> None:
        """Enter the mean ``value`` of ``samples`` samples."""
        self._sum += value * samples
        self.samples += samples

    @property
    def value(self) -> float:
        """The mean over all samples; NaN if there are none."""
        return self._sum / self.samples if self.samples else math.nan


def split_batch(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the inputs and the target of a batch.

    Raises
    ------
    ShapeError
        If the batch is not a tuple or list of at least two.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ShapeError(
            "expected batches (input, ..., target), got "
            + (f"{len(batch)} entry" if isinstance(batch, (tuple, list)) else type(batch).__name__)
        )
    return tuple(batch[:-1]), batch[-1]


def evaluate(
    net: Module, loader: Iterable[Any], *, loss: Loss | None = None, metrics: Metrics | None = None
) -> dict[str, float]:
    """Measure a net in evaluation mode, without recording.

    Parameters
    ----------
    net : Module
        Each of its modules has its mode back afterwards.
    loader : iterable
        Of batches ``(input, ..., target)``; the target's first axis counts the samples.
    loss : callable, optional
        From output and target to a mean loss, reported as ``loss``.
    metrics : mapping from str to callable, optional
        Each from output and target to the mean of a batch; default: `accuracy`, under that name.

    Returns
    -------
    dict from str to float
        Means over all samples.

    Raises
    ------
    ValueError
        If there are no samples.
    """
    metrics = {"accuracy": accuracy} if metrics is None else metrics
    functions: dict[str, Callable[[Any, Any], Any]] = {} if loss is None else {"loss": loss}
    functions.update(metrics)
    averages = {name: Average() for name in functions}
    modes = [(module, module.training) for module in net.modules()]
    samples = 0
    net.eval()
    try:
        with no_grad():
            for batch in loader:
                inputs, target = split_batch(batch)
                output = net(*inputs)
                samples += len(target)
                for name, function in functions.items():
                    averages[name].add(float(function(output, target)), len(target))
    finally:
        for module, mode in modes:
            module.training = mode
    if samples == 0:
        raise ValueError("evaluate: the loader has no samples")
    return {name: average.value for name, average in averages.items()}
