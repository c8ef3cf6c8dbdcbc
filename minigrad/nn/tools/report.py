"""`bn_report`: what separates training from evaluation, layer by layer, and what to do about it."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.tools.diagnosis import BatchNormProblem, Statistics, diagnose
from minigrad.nn.tools.layers import Forward, batch_norm_layers, check_batches, tracks
from minigrad.nn.tools.measure import LayerMeasurement, measure
from minigrad.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BatchNormLayerReport", "BatchNormProblem", "BatchNormReport", "bn_report"]


def bn_report(
    net: Module,
    loader: Iterable[Any],
    *,
    num_batches: int | None = None,
    forward: Forward | None = None,
) -> BatchNormReport:
    """Compare training with evaluation in every batch normalisation layer, and say what is wrong.

    Parameters
    ----------
    net : Module
        With batch normalisation; not changed in any way.
    loader : iterable
        Batches as for `precise_batch_norm`, of the size that training has.
    num_batches : int, >= 1, optional
        At most so many; default: all that the loader has.
    forward : callable, optional
        ``forward(net, batch)`` runs a batch of any other kind through the net that it is given.

    Returns
    -------
    BatchNormReport
        ``print`` shows a table and the problems with a remedy for each.

    Raises
    ------
    ValueError
        If the net has no batch normalisation, or there are no batches.
    DTypeError
        If an argument is of the wrong type.

    Notes
    -----
    Each batch goes twice through a copy of the net: with batch normalisation in training and with
    all of it in evaluation. Dropout and everything else is in evaluation both times, so what
    differs is batch normalisation's. NaN and batches of one value are reported, not raised.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.BatchNorm1d(3))
    >>> report = mg.nn.bn_report(net, [mg.randn(64, 4), mg.randn(64, 4)])
    >>> [(problem.layer, problem.kind) for problem in report.problems]
    [('1', 'never trained')]
    """
    name = "bn_report"
    layers = batch_norm_layers(name, net)
    run = check_batches(name, loader, num_batches, forward)
    measured = measure(net, loader, num_batches, run)
    if not measured.batches:
        raise ValueError(f"{name}: expected a loader with at least one batch, got none")
    reports = [_of_layer(path, layers[path], one) for path, one in measured.layers.items()]
    return BatchNormReport(reports, measured.batches, measured.output_gap)


def _of_layer(path: str, layer: BatchNorm, measured: LayerMeasurement) -> BatchNormLayerReport:
    statistics = Statistics(layer, measured)
    counter = layer.num_batches_tracked
    return BatchNormLayerReport(
        path=path,
        kind=type(layer).__name__,
        channels=layer.num_features,
        frozen=layer.frozen,
        tracks=tracks(layer),
        momentum=layer.momentum,
        eps=layer.eps,
        num_batches_tracked=None if counter is None else int(counter.item()),
        num_batches_skipped=statistics.skipped,
        values_per_channel=measured.typical_n,
        gap=measured.gap,
        own_gap=measured.own_gap,
        mean_drift=statistics.mean_drift,
        var_ratio=statistics.var_ratio,
        constant_channels=statistics.constant,
        unscaled_channels=statistics.unscaled,
        channels_below_eps=statistics.below_eps,
        problems=diagnose(path, layer, measured, statistics),
    )


@dataclass(frozen=True, eq=False)
class BatchNormLayerReport:
    """What `bn_report` found in one layer.

    Attributes
    ----------
    path, kind : str
        Where the layer is in the net, and its class.
    channels : int
    frozen, tracks : bool
        Whether it is frozen; whether training moves its running statistics.
    momentum : float or None
    eps : float
    num_batches_tracked : int or None
        Batches that have entered the running statistics.
    num_batches_skipped : int
        Batches that were kept out of them because they were not finite.
    values_per_channel : float
        In the median batch; 0 if no batch reached the layer.
    gap : float
        Root mean square difference of the layer's outputs in evaluation and in training, in
        standard deviations of the latter; with what the layers before it add.
    own_gap : float
        The same if the layer is given the same input both times: its own part of the gap.
    mean_drift : ndarray, shape (channels,)
        ``|running_mean - mean| / std`` with mean and std of all values of all batches; NaN where
        there is nothing to compare.
    var_ratio : ndarray, shape (channels,)
        ``running_var / var``, both unbiased.
    constant_channels, unscaled_channels, channels_below_eps : tuple of int
        Whose values do not vary; whose weight is zero; whose variance is smaller than eps.
    problems : tuple of BatchNormProblem
    """

    path: str
    kind: str
    channels: int
    frozen: bool
    tracks: bool
    momentum: float | None
    eps: float
    num_batches_tracked: int | None
    num_batches_skipped: int
    values_per_channel: float
    gap: float
    own_gap: float
    mean_drift: Array = field(repr=False)
    var_ratio: Array = field(repr=False)
    constant_channels: tuple[int, ...]
    unscaled_channels: tuple[int, ...]
    channels_below_eps: tuple[int, ...]
    problems: tuple[BatchNormProblem, ...]

    @property
    def batches_remembered(self) -> float:
        """How many batches make up the running statistics: ``1 / momentum``; all, without one."""
        if self.momentum is None:
            return math.inf if self.num_batches_tracked is None else self.num_batches_tracked
        return 1.0 / self.momentum if self.momentum else math.inf

    @property
    def worst_mean_drift(self) -> float:
        """The largest of `mean_drift`; NaN if there is none."""
        known = self.mean_drift[~np.isnan(self.mean_drift)]
        return float(known.max()) if known.size else math.nan

    @property
    def median_mean_drift(self) -> float:
        """The median of `mean_drift`; NaN if there is none."""
        return _median(self.mean_drift)

    @property
    def worst_var_ratio(self) -> float:
        """The entry of `var_ratio` that is farthest from 1, as a factor; NaN if there is none."""
        known = self.var_ratio[~np.isnan(self.var_ratio)]
        if not known.size:
            return math.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(known[np.argmax(np.abs(np.log(known)))])

    @property
    def median_var_ratio(self) -> float:
        """The median of `var_ratio`; NaN if there is none."""
        return _median(self.var_ratio)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; None for what is NaN or infinite."""
        names = (
            "path", "kind", "channels", "frozen", "tracks", "momentum", "eps",
            "num_batches_tracked", "num_batches_skipped", "batches_remembered",
            "values_per_channel", "gap", "own_gap", "worst_mean_drift", "median_mean_drift",
            "worst_var_ratio", "median_var_ratio",
        )  # fmt: skip
        lists = ("constant_channels", "unscaled_channels", "channels_below_eps")
        return {
            **{name: _plain(getattr(self, name)) for name in names},
            **{name: list(getattr(self, name)) for name in lists},
            "mean_drift": [_plain(value) for value in self.mean_drift.tolist()],
            "var_ratio": [_plain(value) for value in self.var_ratio.tolist()],
            "problems": [problem.to_dict() for problem in self.problems],
        }


@dataclass(frozen=True, eq=False)
class BatchNormReport:
    """What `bn_report` found: ``print`` it, or `plot` it.

    Attributes
    ----------
    layers : list of BatchNormLayerReport
        In the order of the net.
    batches : int
        That were looked at.
    output_gap : float
        Root mean square difference of the net's outputs in evaluation and in training, in
        standard deviations of the latter; NaN if it returns no floating Tensor.
    """

    layers: list[BatchNormLayerReport]
    batches: int
    output_gap: float

    @property
    def problems(self) -> list[BatchNormProblem]:
        """The problems of all layers, in the order of the net."""
        return [problem for layer in self.layers for problem in layer.problems]

    def __str__(self) -> str:
        rows = [_HEADER, *(_row(layer) for layer in self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
        lines = [
            "  ".join(
                text.ljust(width) if i == 0 else text.rjust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        lines += ["", *_wrapped("", _LEGEND), ""]
        lines.append(
            f"whole net: evaluation is {_number(self.output_gap)} standard deviations from "
            f"training, over {self.batches} batches"
        )
        problems = self.problems
        if not problems:
            lines.append("no problems found")
        for number, problem in enumerate(problems, start=1):
            title = f"layer {problem.layer!r}: {problem.kind}"
            lines += _wrapped(f"{number}. ", f"{title}. {problem.finding}")
            lines += _wrapped("   -> ", problem.remedy)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; None for what is NaN or infinite."""
        return {
            "batches": self.batches,
            "output_gap": _plain(self.output_gap),
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the gap of each layer, and the drift of each channel.

        Parameters
        ----------
        path : path, optional
            Also save the picture there, in the format of the name's ending.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed: it is the extra ``plot``.
        """
        from minigrad.nn.tools.plot import plot_report  # here: it needs matplotlib

        return plot_report(self, path)


_WIDTH = 100
_LEGEND = (
    "gap: evaluation from training, in standard deviations of the output (own: for the same "
    "input); mean drift: |running - data| / std, of the worst channel; var ratio: running / data; "
    "memory: batches that the running statistics remember, 1 / momentum; n: values per channel of "
    "a batch"
)
_HEADER = (
    "layer", "gap", "own", "mean drift", "(median)", "var ratio", "(median)", "batches", "memory",
    "n", "notes",
)  # fmt: skip


def _row(layer: BatchNormLayerReport) -> tuple[str, ...]:
    notes = [
        *(["frozen"] if layer.frozen else [] if layer.tracks else ["no tracking"]),
        *([f"{len(layer.constant_channels)} constant"] if layer.constant_channels else []),
        *([f"{len(layer.unscaled_channels)} unscaled"] if layer.unscaled_channels else []),
        *([f"{len(layer.channels_below_eps)} below eps"] if layer.channels_below_eps else []),
        *([f"{layer.num_batches_skipped} skipped"] if layer.num_batches_skipped else []),
    ]
    batches = layer.num_batches_tracked
    return (
        f"{layer.path or '(net)'} ({layer.channels})",
        _number(layer.gap),
        _number(layer.own_gap),
        _number(layer.worst_mean_drift),
        _number(layer.median_mean_drift),
        _number(layer.worst_var_ratio),
        _number(layer.median_var_ratio),
        "-" if batches is None else str(batches),
        "all" if layer.momentum is None else f"{layer.batches_remembered:.0f}",
        _number(layer.values_per_channel),
        ", ".join(notes) or "ok" * (not layer.problems),
    )


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )  # fmt: skip


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _median(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else math.nan


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
