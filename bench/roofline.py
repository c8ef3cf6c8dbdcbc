"""A picture of rows with a footprint: bytes per second of both sides, below those of a copy."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.records import Row
from bench.units import quantity

__all__ = ["draw", "drawn"]

_MARKERS = {"channels first": "o", "channels last": "s", "(N, C)": "^"}
_DODGE = {"channels first": 0.92, "channels last": 1.09, "(N, C)": 1.0}
"""Times the footprint: shapes of one size do not cover each other."""
_ROWS = {"a": "(a) public functions", "b": "(b) kernels, memory used again"}
_OURS, _PEER, _COPY = "#1f5fa8", "#d9642b", "#6b6b6b"


def drawn(rows: Sequence[Row], threads: int) -> list[Row]:
    """Return the rows that belong into the picture: float32, with this number of threads."""
    wanted = {"dtype": "float32", "threads": threads}
    return [
        row
        for row in rows
        if row.copy_bytes_per_second is not None and wanted.items() <= row.facts.items()
    ]


def draw(path: Path, rows: Sequence[Row], where: dict[str, Any]) -> None:
    """Write the picture.

    Parameters
    ----------
    path : Path
        Its suffix says the format.
    rows : sequence of Row
        Others than those of `drawn` are left out.
    where : dict
        From `environment`.

    Raises
    ------
    ImportError
        If matplotlib, of the extra ``plot``, is not installed.
    ValueError
        If there is nothing to draw.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            "the picture needs matplotlib, which is not installed: "
            'pip install "minigrad-numba[plot]"'
        )
    from matplotlib.figure import Figure

    found = drawn(rows, where["threads"])
    if not found:
        raise ValueError("nothing to draw: the picture is of rows of batch_norm in float32")
    operations = list(dict.fromkeys(row.facts["operation"] for row in found))
    kinds = [kind for kind in _ROWS if any(row.facts["row"] == kind for row in found)]
    figure = Figure(
        figsize=(max(4.0 * len(operations), 8.0), 1.9 + 3.4 * len(kinds)), layout="constrained"
    )
    axes = figure.subplots(len(kinds), len(operations), sharex=True, sharey=True, squeeze=False)
    for line, kind in zip(axes, kinds, strict=True):
        for panel, operation in zip(line, operations, strict=True):
            of_panel = [
                row
                for row in found
                if (row.facts["row"], row.facts["operation"]) == (kind, operation)
            ]
            if not of_panel:
                panel.set_visible(False)
                continue
            _draw_panel(panel, of_panel)
            panel.set_title(f"{operation}\n{_ROWS[kind]}", fontsize=10, loc="left")
    for column in axes.T:
        lowest = [panel for panel in column if panel.get_visible()][-1]
        lowest.set_xlabel("memory touched")
        lowest.tick_params(labelbottom=True)
    for panel in axes[:, 0]:
        panel.set_ylabel("least traffic / time, GB/s")
    figure.suptitle(
        f"BatchNorm beside a copy of the same memory: float32, {where['threads']} threads, "
        f"{where['cpu']}\nminigrad {where['version']}, {where['peer']}",
        fontsize=11,
    )
    handles = _legend(found, where["peer"])
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.savefig(path, dpi=130)


def _draw_panel(panel: Any, rows: Sequence[Row]) -> None:
    """Draw one operation: the copy as a roof, and for each shape both sides, joined."""
    from matplotlib.ticker import FuncFormatter

    panel.set_xscale("log")
    panel.set_yscale("log")
    roof: dict[int, float] = {}
    for row in rows:
        footprint, copied = row.footprint or 0, (row.copy_bytes_per_second or 0.0) / 1e9
        roof[footprint] = max(copied, roof.get(footprint, 0.0))
    footprints = sorted(roof)
    heights = [roof[footprint] for footprint in footprints]
    panel.plot(footprints, heights, color=_COPY, linewidth=1.5, zorder=2)
    panel.fill_between(footprints, heights, color="#f3f3f3", zorder=0)
    for row in rows:
        ours, peer = row.bytes_per_second, row.peer_bytes_per_second
        layout = row.facts["layout"]
        x = (row.footprint or 0) * _DODGE[layout]
        if ours is not None and peer is not None:
            ends = [peer / 1e9, ours / 1e9]
            panel.plot([x, x], ends, color="#b8b8b8", linewidth=1.0, zorder=1)
        for value, color in ((peer, _PEER), (ours, _OURS)):
            if value is not None:
                panel.plot(
                    x, value / 1e9, _MARKERS[layout], color=color, markersize=7, zorder=3,
                    markeredgecolor="white", markeredgewidth=0.6,
                )  # fmt: skip
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value, "bytes")))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=9)


def _legend(rows: Sequence[Row], peer: str) -> list[Any]:
    """Return a line for the copy, a patch of colour for each side, a marker for each layout."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_COPY, linewidth=1.5, label="copy"),
        Line2D([], [], color=_OURS, marker="o", linestyle="", label="minigrad"),
    ]
    if any(row.peer is not None for row in rows):
        if any("unfused" in row.facts["operation"] for row in rows):
            peer = f"{peer}; beside unfused: minigrad's own ops"
        handles.append(Line2D([], [], color=_PEER, marker="o", linestyle="", label=peer))
    present = {row.facts["layout"] for row in rows}
    handles += [
        Line2D([], [], color="#333333", marker=marker, fillstyle="none", linestyle="", label=layout)
        for layout, marker in _MARKERS.items()
        if layout in present
    ]
    return handles
