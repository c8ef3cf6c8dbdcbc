"""The picture of a `BatchNormReport`. Needs matplotlib: ``pip install "minigrad-numba[plot]"``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minigrad.nn.tools.report import BatchNormLayerReport, BatchNormReport

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "the plot of a report needs matplotlib, which is not installed; "
        'pip install "minigrad-numba[plot]"'
    ) from error

__all__ = ["plot_report"]

_INK, _MUTED, _GRID = "#1f2933", "#6b7785", "#dde3e9"
_GAP, _OWN, _CHANNEL, _PROBLEM = "#9fb8d6", "#2b6cb0", "#2b6cb0", "#c2410c"
_ROW = 0.42  # inches
_RATIO_LIMIT = 1e4
"""Ratios beyond are drawn at the edge."""


def plot_report(report: BatchNormReport, path: str | os.PathLike[str] | None) -> Figure:
    """Draw a report: a row for each layer, the first on top; and save it if there is a path."""
    layers = report.layers
    rows = np.arange(len(layers))
    figure = Figure(figsize=(12.0, 2.4 + _ROW * max(2, len(layers))), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(wspace=0.06)
    gaps, drifts, ratios = figure.subplots(1, 3, sharey=True, width_ratios=[1.2, 1.0, 1.0])
    _draw_gaps(gaps, layers, rows)
    drifts.axvline(0.0, color=_MUTED, linewidth=1.0)
    _draw_channels(drifts, [layer.mean_drift for layer in layers], rows)
    _scale_drifts(drifts)
    drifts.set_title("drift of the running mean\n|running − data| / std, a dot per channel")
    ratios.axvline(1.0, color=_MUTED, linewidth=1.0)
    clipped = [np.clip(layer.var_ratio, 1.0 / _RATIO_LIMIT, _RATIO_LIMIT) for layer in layers]
    _draw_channels(ratios, clipped, rows)
    _scale_ratios(ratios, clipped)
    ratios.set_title("drift of the running variance\nrunning / data, a dot per channel")
    gaps.set_yticks(rows, [_label(layer) for layer in layers])
    gaps.set_ylim(max(1.5, len(layers) - 0.5), -0.5)  # the first layer on top
    for axes in (gaps, drifts, ratios):
        axes.grid(axis="x", color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_MUTED, labelsize=9, length=0)
        axes.set_title(axes.get_title(), fontsize=10, color=_INK, loc="left")
        axes.set_title("")
        for side in axes.spines.values():
            side.set_visible(False)
    for tick, layer in zip(gaps.get_yticklabels(), layers, strict=True):
        tick.set_color(_PROBLEM if layer.problems else _INK)
    sick = sum(bool(layer.problems) for layer in layers)
    figure.suptitle(
        f"Batch normalisation: training against evaluation. Whole net: {report.output_gap:.3g} "
        f"standard deviations; {sick} of {len(layers)} layers have a problem",
        fontsize=12, color=_INK, x=0.01, ha="left",
    )  # fmt: skip
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _draw_gaps(axes: Any, layers: list[BatchNormLayerReport], rows: Any) -> None:
    """Draw the gap of each layer as a bar, and its own part as a thinner one in front."""
    gaps = np.nan_to_num([layer.gap for layer in layers])
    own = np.nan_to_num([layer.own_gap for layer in layers])
    axes.barh(rows, gaps, height=0.62, color=_GAP, label="with the layers before it")
    axes.barh(rows, own, height=0.24, color=_OWN, label="its own")
    for row, layer in enumerate(layers):
        text = f" {layer.gap:.3g}" if np.isfinite(layer.gap) else " not finite"
        axes.text(
            max(gaps[row], own[row]), row, text, va="center", fontsize=9,
            color=_PROBLEM if layer.problems else _INK,
        )  # fmt: skip
    axes.set_xlim(0.0, 1.2 * max(0.1, float(np.max(np.maximum(gaps, own), initial=0.0))))
    axes.set_title("gap between evaluation and training\nin standard deviations of the output")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.08), ncols=2, frameon=False, fontsize=9)


def _draw_channels(axes: Any, values: list[Any], rows: Any) -> None:
    """Draw a dot for each channel, spread over the height of its row, and a bar at the median."""
    for row, of_channels in zip(rows, values, strict=True):
        known = of_channels[np.isfinite(of_channels)]
        if not known.size:
            continue
        # Evenly spaced by golden ratio: no two neighbours on one line, the same in every run.
        heights = (np.arange(known.size) * 0.61803398875) % 1.0 - 0.5
        alpha = float(np.clip(30.0 / known.size, 0.15, 0.8))
        axes.scatter(known, row + 0.5 * heights, s=14, color=_CHANNEL, alpha=alpha, linewidths=0)
        axes.plot([np.median(known)] * 2, [row - 0.33, row + 0.33], color=_INK, linewidth=2.0)


def _scale_drifts(axes: Any) -> None:
    """Show 0 to at least 1; decades beyond 3."""
    largest = max(1.0, axes.dataLim.x1)
    if largest > 3.0:
        axes.set_xscale("symlog", linthresh=1.0)
        steps = [1.0, 2.0, 5.0] if largest < 100.0 else [1.0]
        ticks = np.outer(10.0 ** np.arange(0, np.floor(np.log10(largest)) + 1), steps).ravel()
        _set_ticks(axes, [0.0, *(tick for tick in ticks.tolist() if tick <= 1.1 * largest)])
    axes.set_xlim(-0.03 * min(largest, 3.0), 1.1 * largest)


def _scale_ratios(axes: Any, values: list[Any]) -> None:
    """Show at least a factor of 2 on both sides of 1."""
    finite = [one[np.isfinite(one) & (one > 0.0)] for one in values]
    known = np.concatenate([*finite, [0.5, 2.0]])
    least, most = float(known.min()) / 1.2, float(known.max()) * 1.2
    steps = [1.0, 2.0, 5.0] if most / least < 300.0 else [1.0]
    ticks = np.outer(10.0 ** np.arange(-4, 5), steps).ravel()
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    _set_ticks(axes, [tick for tick in ticks.tolist() if least <= tick <= most])


def _set_ticks(axes: Any, ticks: list[float]) -> None:
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _label(layer: BatchNormLayerReport) -> str:
    name = layer.path or layer.kind
    kinds = ", ".join(dict.fromkeys(problem.kind for problem in layer.problems))
    return f"{name}: {kinds}" if kinds else name
