"""Batch renormalisation: batch statistics, corrected towards the running ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minigrad import ops
from minigrad.arguments import check_integer, check_number
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.kernels import dispatch
from minigrad.nn.norm.running import RunningNorm
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Array, DTypeLike

__all__ = ["BatchRenorm", "LinearRamp"]


@dataclass(frozen=True)
class LinearRamp:
    """A number that goes from ``start`` to ``end`` along a line, and is constant outside of it.

    Parameters
    ----------
    start, end : float
    begin, finish : int
        Counts at which it leaves ``start`` and reaches ``end``; ``0 <= begin <= finish``.

    Raises
    ------
    DTypeError
        If a value is not a real number, or a count not an integer.
    ValueError
        If ``begin`` is negative or ``finish`` comes before it.

    Examples
    --------
    >>> ramp = LinearRamp(1.0, 3.0, 100, 200)
    >>> ramp(0), ramp(100), ramp(150), ramp(1000)
    (1.0, 1.0, 2.0, 3.0)
    """

    start: float
    end: float
    begin: int
    finish: int

    def __post_init__(self) -> None:
        check_number("LinearRamp", "start", self.start)
        check_number("LinearRamp", "end", self.end)
        check_integer("LinearRamp", "begin", self.begin, 0)
        check_integer("LinearRamp", "finish", self.finish, self.begin)

    def __call__(self, count: int) -> float:
        """Return the value at a count of batches."""
        if count >= self.finish:
            return float(self.end)
        if count <= self.begin:
            return float(self.start)
        way = (count - self.begin) / (self.finish - self.begin)
        return self.start + (self.end - self.start) * way


Bound: TypeAlias = float | Callable[[int], float]
"""A constant, or a function of the number of batches that the layer has seen."""

R_MAX = LinearRamp(1.0, 3.0, 5_000, 40_000)
"""The paper's bound of the ratio of standard deviations, of its experiments."""
D_MAX = LinearRamp(0.0, 5.0, 5_000, 25_000)
"""The paper's bound of the distance of means, of its experiments."""


class BatchRenorm(RunningNorm):
    """Normalise each channel by the batch, corrected so that evaluation computes nearly the same.

    In training, with the mean and standard deviation of the batch and the running ones::

        x_hat = (x - mean) / std * r + d,    y = weight * x_hat + bias
        r = clip(std / running_std, 1 / r_max, r_max)
        d = clip((mean - running_mean) / running_std, -d_max, d_max)

    and r and d are constants of the gradient. Where nothing is clipped, ``x_hat`` is
    ``(x - running_mean) / running_std``, which is what evaluation computes. With ``r_max`` 1 and
    ``d_max`` 0 it is batch normalisation.

    Parameters
    ----------
    num_features : int
        Channels: the length of axis 1.
    r_max : float >= 1, or callable
        Bound of r and 1/r. A callable is given the number of batches that came before, which is
        ``num_batches_tracked``, and so goes on where it was when a state_dict is loaded. Default:
        the paper's, from 1 to 3 between batches 5000 and 40 000.
    d_max : float >= 0, in standard deviations, or callable
        Bound of the absolute value of d. Default: from 0 to 5 between batches 5000 and 25 000.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root; part of every standard deviation here.
    momentum : float, 0 to 1, or None
        Weight of the **new** value in the running statistics. The paper has 0.01: they are part of
        the training, and should not jump. None: the average over all batches.
    affine : bool
        Whether to learn a scale and a shift.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.
    bias : bool
        False: learn a scale without a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Scale and shift; start at 1 and 0.
    running_mean, running_std : Tensor, shape (num_features,), float64
        Buffers; start at 0 and 1. The standard deviation is that of the paper, whose variance is
        the biased one and includes eps; `BatchNorm` keeps an unbiased variance without eps.
    num_batches_tracked : Tensor, shape (), int64
        Buffer: batches that have entered the running statistics.

    Raises
    ------
    ShapeError
        If the input has another number of channels, or one value per channel in training.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If an argument is out of range, or what a callable returned.
    AutogradError
        If `minigrad.checkpoint` runs the layer again in training.

    Notes
    -----
    r and d are those before the update by the batch itself. Start with bounds of 1 and 0, as the
    defaults do, until the running statistics mean something.

    A second run under `minigrad.checkpoint` would meet running statistics that have moved, and
    compute something else. Leave the layer outside of what is checkpointed.

    References
    ----------
    .. [1] Ioffe, 2017, arXiv:1702.03275, Algorithm 1; schedules and momentum are those of its
       experiments (section 4).

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.BatchRenorm(2, r_max=2.0, d_max=1.0)
    >>> layer(mg.randn(8, 2)).shape
    (8, 2)
    """

    _spread = "running_std"

    running_std: Tensor | None

    def __init__(
        self,
        num_features: int,
        r_max: Bound = R_MAX,
        d_max: Bound = D_MAX,
        eps: float = 1e-5,
        momentum: float | None = 0.01,
        affine: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        check_integer("BatchRenorm", "num_features", num_features, 0)
        for name, bound, least in (("r_max", r_max, 1.0), ("d_max", d_max, 0.0)):
            if not callable(bound):
                _check_bound(name, bound, least)
        super().__init__((num_features,), eps, momentum, affine, True, bias, device, dtype)
        self.num_features = num_features
        self.r_max = r_max
        self.d_max = d_max

    def bounds(self) -> tuple[float, float]:
        """Return ``r_max`` and ``d_max`` of the next batch in training.

        Raises
        ------
        DTypeError
            If a callable returned something else than a real number.
        ValueError
            If it is out of range.
        """
        _, _, counter = self._state()
        count = int(counter.item())
        r_max = self.r_max(count) if callable(self.r_max) else self.r_max
        d_max = self.d_max(count) if callable(self.d_max) else self.d_max
        return _check_bound("r_max", r_max, 1.0), _check_bound("d_max", d_max, 0.0)

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
        if len(shape) < 2 or shape[1] != self.num_features:
            raise ShapeError(
                f"BatchRenorm: expected x of shape (N, C, *S) with C = {self.num_features}, got "
                f"{shape}"
            )
        running_mean, running_std, _ = self._state()
        if not self._learns():
            # running_std includes eps
            var = running_std.array * running_std.array
            return ops.batch_norm_eval(x, running_mean, var, self.weight, self.bias, eps=0.0)
        if x.array.size == 0:
            y: Tensor = ops.batch_norm_train(x, self.weight, self.bias, eps=self.eps).y
            return y
        if x.array.size == shape[1]:
            raise ShapeError(
                "BatchRenorm: expected more than one value per channel when training, got x of "
                f"shape {shape}, whose variance is zero; use larger batches (drop_last=True in the "
                "DataLoader), or eval()"
            )
        if is_recomputing():
            raise AutogradError(
                "BatchRenorm: cannot be run again for its gradient, because its running "
                "statistics have moved since; leave it outside of checkpoint()"
            )
        return self._train(x, running_mean, running_std)

    def _train(self, x: Tensor, running_mean: Tensor, running_std: Tensor) -> Tensor:
        weight: Tensor | None = self.weight
        bias: Tensor | None = self.bias
        if weight is not None and weight.dtype != x.dtype:  # r and d would hide it
            raise DTypeError(
                f"BatchRenorm: x must be {weight.dtype}, as the weight is, got {x.dtype}"
            )
        r_max, d_max = self.bounds()
        if r_max > 1.0 or d_max > 0.0:
            # Scale and shift take up r and d: the op is that of batch normalisation.
            statistics = dispatch.module("batch_norm").statistics(x.array)
            r, d = (
                Tensor(np.asarray(v, x.dtype)) for v in self._corrections(*statistics, r_max, d_max)
            )
            shift = d if weight is None else weight * d
            weight = r if weight is None else weight * r
            bias = shift if bias is None else bias + shift
        y, mean, var = ops.batch_norm_train(x, weight, bias, eps=self.eps)
        std = np.sqrt(var + self.eps)
        dispatch.module("batch_norm").update_running(
            running_mean.array,
            running_std.array,
            mean,
            std,
            n=x.array.size // self.num_features,
            momentum=self._weight_of_next(),
            unbiased=False,
        )
        running_mean.counter[0] += 1
        running_std.counter[0] += 1
        self._count()
        result: Tensor = y
        return result

    def _corrections(
        self, mean: Array, var: Array, r_max: float, d_max: float
    ) -> tuple[Array, Array]:
        """Return r and d of each channel."""
        running_mean, running_std, _ = self._state()
        std = np.sqrt(var + self.eps)
        r = np.clip(std / running_std.array, 1.0 / r_max, r_max)
        d = np.clip((mean - running_mean.array) / running_std.array, -d_max, d_max)
        return r, d

    def _check_can_freeze(self, method: str) -> None:
        self._state()  # always there

    def _state(self) -> _State:
        """Return the buffers, which this layer always has."""
        if self.running_mean is None or self.running_std is None:
            raise ValueError("BatchRenorm: needs its running statistics, got None")
        if self.num_batches_tracked is None:
            raise ValueError("BatchRenorm: needs num_batches_tracked, got None")
        return _State(self.running_mean, self.running_std, self.num_batches_tracked)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, r_max={self.r_max}, d_max={self.d_max}, eps={self.eps}, "
            f"momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}"
            f"{', frozen=True' if self.frozen else ''}"
        )


class _State(NamedTuple):
    running_mean: Tensor
    running_std: Tensor
    num_batches_tracked: Tensor


def _check_bound(name: str, value: Any, least: float) -> float:
    check_number("BatchRenorm", name, value)
    if not value >= least:
        raise ValueError(f"BatchRenorm: {name} must be >= {least:g}, got {value!r}")
    return float(value)
