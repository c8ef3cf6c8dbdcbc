"""What the tools share: the batch normalisation layers of a net, its state, its batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arguments import check_callable, check_integer
from minigrad.errors import DTypeError
from minigrad.kernels import dispatch
from minigrad.nn.batch_statistics import select
from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.norm.statistics import ChannelStatistics
from minigrad.random import default_generator
from minigrad.tensor import Tensor, as_tensor

__all__ = [
    "Forward",
    "batch_norm_layers",
    "batch_statistics",
    "check_batches",
    "check_net",
    "limited",
    "only_batch_norm_trains",
    "plain_forward",
    "restored",
    "same_randomness",
    "tracks",
]

Forward = Callable[[Module, Any], Any]
"""From a net and a batch of the loader to the net's output."""


def check_net(name: str, net: Any) -> Module:
    """Return a net; DTypeError if it is none."""
    if not isinstance(net, Module):
        raise DTypeError(f"{name}: net must be a Module, got {net!r} ({type(net).__name__})")
    return net


def batch_norm_layers(name: str, net: Any) -> dict[str, BatchNorm]:
    """Return the batch normalisation layers by path, a shared one under its first.

    Raises
    ------
    DTypeError
        If ``net`` is not a Module.
    ValueError
        If it has none.
    """
    layers = {
        path: module
        for path, module in check_net(name, net).named_modules()
        if isinstance(module, BatchNorm)
    }
    if not layers:
        raise ValueError(
            f"{name}: expected a net with batch normalisation, got {type(net).__name__} without"
        )
    return layers


def tracks(layer: BatchNorm) -> bool:
    """Whether training moves running statistics of the layer."""
    present = layer.running_mean is not None and layer.running_var is not None
    return layer.track_running_stats and present and not layer.frozen


def check_batches(name: str, loader: Any, num_batches: Any, forward: Any) -> Forward:
    """Check the arguments by which a tool runs batches through a net; return its forward.

    Raises
    ------
    DTypeError, ValueError
        If one is wrong.
    """
    if isinstance(loader, (str, bytes, Tensor, np.ndarray)) or not isinstance(loader, Iterable):
        raise DTypeError(
            f"{name}: loader must be an iterable of batches, such as a DataLoader, got {loader!r} "
            f"({type(loader).__name__})"
        )
    if num_batches is not None:
        check_integer(name, "num_batches", num_batches, 1)
    return plain_forward if forward is None else check_callable(name, "forward", forward)


def limited(loader: Iterable[Any], num_batches: int | None) -> Iterator[tuple[int, Any]]:
    """Yield (position, batch), at most so many."""
    return enumerate(itertools.islice(loader, num_batches))


def plain_forward(net: Module, batch: Any) -> Any:
    """Return the net's output for a batch: a Tensor, or a tuple as data loaders make it.

    Of ``(input, ..., target)`` the net is given all but the last, as by `minigrad.train.fit`; of
    ``(input,)`` that one.

    Raises
    ------
    DTypeError
        If the batch is something else.
    """
    if isinstance(batch, (Tensor, np.ndarray)):
        return net(batch)
    if isinstance(batch, (tuple, list)) and batch:
        return net(*(batch[:-1] if len(batch) > 1 else batch))
    raise DTypeError(
        "expected batches x or (x, ..., target), got "
        f"{batch if isinstance(batch, (tuple, list)) else type(batch).__name__!r}; give "
        "forward=, a function from the net and a batch to the output"
    )


def batch_statistics(
    layer: BatchNorm, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ChannelStatistics:
    """Return the statistics by which a layer in training normalises what it is called with.

    Parameters
    ----------
    layer : BatchNorm
    args, kwargs : tuple, dict
        Of the call: x, and perhaps ``mask`` and ``sample_weight``, of shape (N,) or (N, *S).

    Returns
    -------
    ChannelStatistics
        ``n`` a number. With weights w it is ``sum(w)**2 / sum(w**2)``, the number of values of
        equal weight that tell as much (Kish, Survey Sampling, 1965, section 8.2).
    """
    nothing = ChannelStatistics(0, *np.zeros((2, layer.num_features)))
    x, axis = as_tensor(args[0] if args else kwargs.get("x")), layer.axis
    fits = -x.ndim <= axis < x.ndim > 1 and x.shape[axis] == layer.num_features
    if not fits or x.dtype.kind != "f":
        return nothing  # the layer will say what is wrong
    x = ops.movedim(x, axis, 1)
    given = (kwargs.get(name) for name in ("mask", "sample_weight"))
    mask, weights, _ = select(type(layer).__name__, x, *given) or (None, None, 0)
    values = x.array if mask is None else np.moveaxis(x.array, 1, -1)[mask]  # or (n, C)
    n = values.size // max(1, values.shape[1])
    if weights is None:
        return ChannelStatistics(n, *dispatch.module("batch_norm").statistics(values))
    if n == 0:
        return nothing
    rows = np.moveaxis(values, 1, -1).reshape(n, -1)
    w = weights.array.reshape(-1).astype(np.float64)
    rows, w = rows[w > 0.0].astype(np.float64), w[w > 0.0]
    w /= w.max()  # only ratios matter: squares of large or small weights would overflow
    start = rows[0]  # measured from one of its values, a constant channel has a variance of 0
    mean = start + w @ (rows - start) / w.sum()
    var = w @ np.square(rows - mean) / w.sum()
    return ChannelStatistics(float(w.sum() ** 2 / (w @ w)), mean, var)


@contextmanager
def restored(net: Module) -> Iterator[None]:
    """Give every module its mode and every buffer its values back after the block."""
    modes = [(module, module.training) for module in net.modules()]
    # With the values the version is what it was: nothing is recorded in between.
    buffers = [(buffer, buffer.array.copy(), buffer.counter[0]) for buffer in net.buffers()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, values, version in buffers:
            buffer.array[...] = values
            buffer.counter[0] = version


def only_batch_norm_trains(net: Module) -> None:
    """Set batch normalisation to training and everything else, such as dropout, to evaluation."""
    net.eval()
    for module in net.modules():
        if isinstance(module, BatchNorm):
            module.training = True


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave the default generator where it was before the block."""
    before = default_generator.get_state()
    try:
        yield
    finally:
        default_generator.set_state(before)
