"""Batch normalisation over chunks of a batch.

A large batch is normalised as if it were several small ones, one after the other. In training the
chunks are consecutive samples, and each is one batch to the running statistics. All chunks of the
same size are normalised together: they lie along the channels of one call.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from minigrad import ops
from minigrad.arguments import check_integer
from minigrad.nn import batch_statistics
from minigrad.nn.batch_statistics import Batch, NonFinite
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.tensor import Tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["GhostBatchNorm"]


class GhostBatchNorm(BatchNorm):
    """Normalise each chunk of a batch by its own statistics, in training.

    Evaluation, state and everything that is not said here are those of `BatchNorm`.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    chunk_size : int
        Samples in a chunk, the paper's "virtual batch". The samples that are left over are a chunk
        of their own.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root.
    momentum : float, 0 to 1, or None
        Weight of a **new** chunk in the running statistics. None: the average over all chunks.
    affine : bool
        Whether to learn a scale and a shift, which all chunks share.
    track_running_stats : bool
        Whether to keep running statistics. Without, evaluation normalises by the whole batch.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.
    bias, scale, axis, unbiased, single, nonfinite, detach_statistics
        As `BatchNorm`'s. What ``nonfinite`` says is asked of each chunk; with "raise" the running
        statistics take all chunks of a batch, or none.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
    running_mean, running_var : Tensor, shape (num_features,), float64, or None
        Buffers. Every chunk moves them, in the order of the samples, as a batch of `BatchNorm`.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: chunks that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input has another number of axes or channels, or one value per channel in all.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If an argument is out of range, or a mask or weights are given in training.

    Notes
    -----
    A chunk has at least two values per channel. Where a sample has one, chunks of one sample are
    chunks of two, and a single sample that is left over joins the last chunk. So a batch of two
    values per channel or more is never an error.

    A batch of at most ``chunk_size`` samples is one chunk, and treated by `BatchNorm` itself.

    The paper's formula of the running mean, ``(1 - m)**k * old + sum((1 - m)**i * m * mean_i)``
    over k chunks, is these k updates. Its running standard deviation is a variance here.

    References
    ----------
    .. [1] Hoffer, Hubara & Soudry, 2017, arXiv:1705.08741, Algorithm 1; chunks of 128 samples are
       those of its experiments.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.GhostBatchNorm(1, chunk_size=2, eps=0.0, affine=False)
    >>> layer(mg.tensor([[1.0], [3.0], [10.0], [30.0]])).reshape(2, 2)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    def __init__(
        self,
        num_features: int,
        chunk_size: int = 128,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
        scale: bool = True,
        axis: int = 1,
        unbiased: bool = True,
        single: Literal["raise", "eval"] = "raise",
        nonfinite: NonFinite = "propagate",
        detach_statistics: bool = False,
    ) -> None:
        check_integer("GhostBatchNorm", "chunk_size", chunk_size, 1)
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias,
            scale=scale, axis=axis, unbiased=unbiased, single=single, nonfinite=nonfinite,
            detach_statistics=detach_statistics,
        )  # fmt: skip
        self.chunk_size = chunk_size

    def _by_batch(self, x: Tensor, selection: batch_statistics.Selection | None) -> Tensor:
        """Normalise by the statistics of the chunks, and store them if that is to be."""
        if not self.training:
            return super()._by_batch(x, selection)
        if selection is not None:
            given = "mask" if selection.weights is None else "sample_weight"
            raise ValueError(
                f"GhostBatchNorm: chunks take neither mask nor sample_weight in training, got "
                f"{given} for x of shape {x.shape}; BatchNorm takes them"
            )
        split = _split(x.shape, self.chunk_size)
        if split.chunks + (split.rest > 0) <= 1:
            return super()._by_batch(x, selection)
        y, batches = self._by_chunks(x, split)
        if self.track_running_stats:
            self._store(batches)
        return y

    def _by_chunks(self, x: Tensor, split: _Split) -> tuple[Tensor, list[Batch]]:
        """Normalise the equal chunks together, then what is left over."""
        count, size, rest = split
        head = x[: count * size] if rest else x
        weight, bias = (
            v if v is None else v.expand((count, self.num_features)).reshape(-1)
            for v in (self.weight, self.bias)
        )
        axis = _channel_axis(x.array)
        together = self._normalised(_folded(head, count, axis), weight, bias)
        y = _unfolded(together.y, count, axis)
        batches = [
            together._replace(mean=mean, var=var)
            for mean, var in zip(
                together.mean.reshape(count, -1), together.var.reshape(count, -1), strict=True
            )
        ]
        if rest:
            batches.append(self._normalised(x[count * size :], self.weight, self.bias))
            y = ops.cat((y, batches[-1].y))
        return y, batches

    def _normalised(self, x: Tensor, weight: Any, bias: Any) -> Batch:
        return batch_statistics.normalise(
            x, weight, bias, self.eps, detach_statistics=self.detach_statistics
        )

    def _store(self, batches: list[Batch]) -> None:
        """Move the running statistics towards those of the chunks, one by one: all, or none."""
        running = self.running_mean, self.running_var
        if running[0] is None or running[1] is None:
            return
        mean, var = (Tensor(np.array(buffer.array)) for buffer in running if buffer is not None)
        counter = self.num_batches_tracked
        before = 0 if counter is None else int(counter.item())
        stored = skipped = 0
        for batch in batches:
            momentum = 1.0 / (before + stored + 1) if self.momentum is None else self.momentum
            outcome = batch_statistics.commit(
                "GhostBatchNorm", mean, var, batch, momentum=momentum, unbiased=self.unbiased,
                nonfinite=self.nonfinite,
            )  # fmt: skip
            stored += outcome == "stored"
            skipped += outcome == "skipped"
        self.num_batches_skipped += skipped
        if not stored:
            return
        for buffer, value in zip((*running, counter), (mean, var, before + stored), strict=True):
            if buffer is not None:
                buffer.array[...] = value.array if isinstance(value, Tensor) else value
                buffer.counter[0] += 1

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, chunk_size={self.chunk_size}"


class _Split(NamedTuple):
    """How a batch is split: ``chunks`` of ``size`` samples, then one of ``rest``."""

    chunks: int
    size: int
    rest: int


def _split(shape: Shape, chunk_size: int) -> _Split:
    """Split a batch of shape (N, C, *S) into chunks of at least two values per channel."""
    per_sample = math.prod(shape[2:])
    size = max(2, chunk_size) if per_sample == 1 else chunk_size
    count, rest = divmod(shape[0], size)
    if rest * per_sample == 1 and count:
        count, rest = count - 1, size + 1
    return _Split(count, size, rest)


def _channel_axis(x: Array) -> int:
    """Return where to keep the channels: last if they are last in memory, so that y is like x."""
    last_in_memory = x.ndim > 2 and x.strides[1] == x.itemsize and x.shape[1] > 1
    return x.ndim - 1 if last_in_memory else 1


def _folded(x: Tensor, count: int, axis: int) -> Tensor:
    """Lay chunks along the channels: (count*n, C, *S) -> (n, count*C, *S)."""
    x = x.movedim(1, axis)
    samples, *lengths = x.shape
    x = x.reshape((count, samples // count, *lengths)).movedim(0, axis)
    lengths[axis - 1] *= count
    return x.reshape((samples // count, *lengths)).movedim(axis, 1)


def _unfolded(y: Tensor, count: int, axis: int) -> Tensor:
    """Undo `_folded`: (n, count*C, *S) -> (count*n, C, *S)."""
    y = y.movedim(1, axis)
    size, *lengths = y.shape
    lengths[axis - 1] //= count
    y = y.reshape((size, *lengths[: axis - 1], count, *lengths[axis - 1 :])).movedim(axis, 0)
    return y.reshape((count * size, *lengths)).movedim(axis, 1)
