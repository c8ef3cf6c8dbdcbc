"""Batch normalisation over chunks of a batch.

A large batch is normalised as if it were several small ones, one after the other. In training the
chunks are consecutive samples, and each is one batch to the running statistics. All chunks of the
same size are normalised together: they lie along the channels of one call.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from minigrad import ops
from minigrad.arguments import check_integer
from minigrad.grad_mode import is_recomputing
from minigrad.kernels import dispatch
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.tensor import Tensor, as_tensor
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
    bias : bool
        False: learn a scale without a shift.

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
        If an argument is out of range.

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
    ) -> None:
        check_integer("GhostBatchNorm", "chunk_size", chunk_size, 1)
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.chunk_size = chunk_size

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``, and in training update the running statistics.

        Parameters
        ----------
        x : Tensor, shape (N, num_features, *S), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        shape = x.shape
        fits = len(shape) >= 2 and shape[1] == self.num_features
        if not self.training or not fits or x.array.size == 0:
            return super().forward(x)  # which also says what is wrong with a shape
        split = _split(shape, self.chunk_size)
        if split.chunks + (split.rest > 0) <= 1:
            return super().forward(x)
        return self._by_chunks(x, split)

    def _by_chunks(self, x: Tensor, split: _Split) -> Tensor:
        """Normalise the equal chunks together, then what is left over."""
        count, size, rest = split
        head = x[: count * size] if rest else x
        weight, bias = (
            v if v is None else v.expand((count, self.num_features)).reshape(-1)
            for v in (self.weight, self.bias)
        )
        axis = _channel_axis(x.array)
        y, mean, var = ops.batch_norm_train(_folded(head, count, axis), weight, bias, eps=self.eps)
        y = _unfolded(y, count, axis)
        per_sample = math.prod(x.shape[2:])
        statistics = [
            (chunk_mean, chunk_var, size * per_sample)
            for chunk_mean, chunk_var in zip(
                mean.reshape(count, -1), var.reshape(count, -1), strict=True
            )
        ]
        if rest:
            tail = ops.batch_norm_train(x[count * size :], self.weight, self.bias, eps=self.eps)
            y = ops.cat((y, tail.y))
            statistics.append((tail.mean, tail.var, rest * per_sample))
        if self.track_running_stats and not is_recomputing():
            self._update(statistics)
        return y

    def _update(self, statistics: list[tuple[Array, Array, int]]) -> None:
        """Move the running statistics towards the mean and variance of n values, one by one."""
        running_mean, running_var = self.running_mean, self.running_var
        if running_mean is None or running_var is None:
            return
        counter = self.num_batches_tracked
        for mean, var, n in statistics:
            factor = self.momentum
            if factor is None:
                factor = 1.0 if counter is None else 1.0 / (counter.item() + 1)
            dispatch.module("batch_norm").update_running(
                running_mean.array, running_var.array, mean, var, n=n, momentum=factor
            )
            if counter is not None:
                counter.array += 1
        for buffer in (running_mean, running_var, counter):
            if buffer is not None:
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
