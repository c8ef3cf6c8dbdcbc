"""Population statistics of trained nets: Algorithm 2 of the paper on batch normalisation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np

from minigrad.errors import ShapeError
from minigrad.grad_mode import no_grad
from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.norm.statistics import ChannelStatistics, merge_statistics
from minigrad.nn.tools.layers import (
    Forward,
    batch_norm_layers,
    batch_statistics,
    check_batches,
    limited,
    only_batch_norm_trains,
    restored,
    same_randomness,
    tracks,
)
from minigrad.typing import Array

__all__ = ["precise_batch_norm"]

_METHODS = ("mean_of_var", "pooled")


def precise_batch_norm(
    net: Module,
    loader: Iterable[Any],
    *,
    num_batches: int | None = None,
    method: Literal["mean_of_var", "pooled"] = "mean_of_var",
    forward: Forward | None = None,
    inplace: bool = False,
    dropout: bool = False,
) -> Module:
    """Estimate the running statistics of a trained net anew, from batches of the data.

    Running averages lag behind weights that change, and forget all but the last batches. The
    statistics of this function are those of the net as it is now.

    Parameters
    ----------
    net : Module
        With batch normalisation. It is not changed, unless ``inplace``.
    loader : iterable
        Of batches: ``x``, ``(x,)`` or ``(x, ..., target)``, as a DataLoader of `minigrad.data`
        makes them; all but the target are given to the net.
    num_batches : int, >= 1, optional
        At most so many; default: all that the loader has.
    method : {"mean_of_var", "pooled"}
        How the variance is made of those of the batches. ``"mean_of_var"``: their average, as in
        the paper. ``"pooled"``: the variance of all values together, which also has the spread
        of the batches' means. They agree for batches that were drawn at random; where batches
        differ, by class for example, evaluation meets the pooled one.
    forward : callable, optional
        ``forward(net, batch)`` runs a batch of any other kind through the net that it is given.
    inplace : bool
        Change and return ``net`` itself.
    dropout : bool
        Let everything beside batch normalisation train, too. By default dropout is off, as it
        will be in evaluation: before a layer it would inflate the variance by a factor that
        evaluation does not have (Li et al. 2019, arXiv:1801.05134).

    Returns
    -------
    Module
        A copy with new running statistics, else as ``net`` is: mode of every module, momentum,
        parameters, other buffers. ``num_batches_tracked`` counts the batches that were used.

    Raises
    ------
    ValueError
        If the net has no batch normalisation, there are no batches or no values in them, or an
        input of a layer is NaN or infinite; the message names the layer and the batch.
    ShapeError
        If a batch has one value per channel; the message says which.
    DTypeError
        If an argument is of the wrong type.

    Notes
    -----
    With mean and biased variance of batch b, of n values per channel, and averages over the
    batches weighted by n::

        mean = E[mean_b]
        mean_of_var:  var = E[var_b * n / (n - 1)]
        pooled:       var = variance of the union * N / (N - 1),   N = sum(n)

    A layer that stores biased variances (``unbiased=False``) gets them without the last factors.
    Each layer sees what the layers before it make of the batch normalised by the *batch's*
    statistics, as in training. Frozen layers, layers without running statistics or with
    ``track_running_stats=False``, and layers that no batch reaches keep what they have. Nothing
    is recorded, and the default generator is left where it was; if an error is raised, ``net``
    is unchanged also with ``inplace``. With ``momentum=None``, training on K batches of one size
    with constant weights leaves the same statistics as ``"mean_of_var"``.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167, Algorithm 2, steps 8 to 10.
    .. [2] Wu & Johnson, 2021, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.BatchNorm1d(1)).eval()
    >>> batches = [mg.tensor([[0.0], [2.0]]), mg.tensor([[4.0], [6.0]])]
    >>> for method in ("mean_of_var", "pooled"):
    ...     layer = mg.nn.precise_batch_norm(net, batches, method=method)[0]
    ...     print(layer.running_mean.item(), round(layer.running_var.item(), 3))
    3.0 2.0
    3.0 6.667
    """
    name = "precise_batch_norm"
    batch_norm_layers(name, net)
    run = check_batches(name, loader, num_batches, forward)
    if method not in _METHODS:
        raise ValueError(f"{name}: method must be one of {_METHODS}, got {method!r}")
    target = net if inplace else copy.deepcopy(net)
    watched = {
        layer: _Watch(path, layer)
        for path, layer in batch_norm_layers(name, target).items()
        if tracks(layer)
    }
    count = 0
    with ExitStack() as ends:
        ends.enter_context(same_randomness())
        ends.enter_context(no_grad())
        ends.enter_context(restored(target))
        for layer, watch in watched.items():
            hook = layer.register_forward_pre_hook(watch.look, with_kwargs=True)
            ends.callback(hook.remove)
        only_batch_norm_trains(target)
        if dropout:
            target.train()
        for position, batch in limited(loader, num_batches):
            for watch in watched.values():
                watch.position = position
            run(target, batch)
            count += 1
    if not count:
        raise ValueError(f"{name}: expected a loader with at least one batch, got none")
    if watched and not any(watch.parts for watch in watched.values()):
        raise ValueError(
            f"{name}: no layer was given a value; got {count} batches that are empty, or a forward "
            "that does not run the net it is given"
        )
    for watch in watched.values():
        watch.store(method)
    return target


class _Watch:
    """The statistics of everything that one layer is called with."""

    def __init__(self, path: str, layer: BatchNorm) -> None:
        self.path = path
        self.layer = layer
        self.position = 0
        self.parts: list[ChannelStatistics] = []

    def look(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note the statistics of a call's input: a forward pre-hook."""
        part = batch_statistics(self.layer, args, kwargs)
        where = f"precise_batch_norm: batch {self.position} gives layer {self.path!r} "
        if part.n == 0:
            return
        if part.n <= 1:
            raise ShapeError(
                f"{where}one value per channel, which has no variance; use larger batches, or "
                "drop_last=True in the DataLoader"
            )
        wrong = ~(np.isfinite(part.mean) & np.isfinite(part.var))
        if wrong.any():
            channel = int(np.argmax(wrong))
            raise ValueError(
                f"{where}NaN or infinite values in {int(wrong.sum())} of {len(wrong)} channels, "
                f"got mean {part.mean[channel]} and variance {part.var[channel]} in channel "
                f"{channel}; look at the data, or at the weights before this layer"
            )
        self.parts.append(part)

    def store(self, method: str) -> None:
        """Make the running statistics of the layer those that were seen."""
        layer = self.layer
        if not self.parts or layer.running_mean is None or layer.running_var is None:
            return
        union = merge_statistics(self.parts)
        if method == "pooled":
            var = union.unbiased_var if layer.unbiased else union.var
        else:
            n = np.array([part.n for part in self.parts], np.float64)
            each = [part.unbiased_var if layer.unbiased else part.var for part in self.parts]
            var = (n / n.sum()) @ np.stack(each)
        for buffer, values in (
            (layer.running_mean, union.mean),
            (layer.running_var, var),
            (layer.num_batches_tracked, len(self.parts)),
        ):
            if buffer is not None:
                _write(buffer, values)


def _write(buffer: Any, values: Array | int) -> None:
    buffer.array[...] = values
    buffer.counter[0] += 1
