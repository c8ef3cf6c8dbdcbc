"""What a benchmark reports, and how that is printed and written."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np

from bench import peers
from minigrad import __version__

__all__ = ["Row", "environment", "table", "write_json"]

Unit = Literal["s", "bytes", "error", "factor"]


@dataclass
class Row:
    """One line of a report.

    Attributes
    ----------
    benchmark, case : str
        The entry, and what of it was measured.
    unit : {"s", "bytes", "error", "factor"}
        Of ``ours`` and ``peer``: a time, memory, a relative error or a multiple.
    ours : float
        Median over the rounds.
    peer : float or None
        The same of the peer; None if it is not there.
    peer_name : str
        The peer, or why there is none.
    ratio, ratio_low, ratio_high : float or None
        Median and quartiles of ``ours / peer`` over the rounds; below 1 is better than the peer.
    bytes_per_second, copy_bytes_per_second : float or None
        The least traffic over our time, and a copy of the same footprint in the same rounds.
    target : str
        What should hold, if anything.
    extra : dict
        Further figures by name, in base units.
    """

    benchmark: str
    case: str
    unit: Unit
    ours: float
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    bytes_per_second: float | None = None
    copy_bytes_per_second: float | None = None
    target: str = ""
    extra: dict[str, float] = field(default_factory=dict)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a plain table."""
    header = ["case", "minigrad", "peer", "", "ratio", "quartiles", "GB/s", "copy GB/s", "note"]
    lines = [header, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> list[str]:
    quartiles = "" if row.ratio_low is None else f"{row.ratio_low:.2f}-{row.ratio_high:.2f}"
    notes = [row.target] if row.target else []
    notes += [f"{name} {_quantity(value, row.unit)}" for name, value in row.extra.items()]
    return [
        row.case,
        _quantity(row.ours, row.unit),
        "" if row.peer is None else _quantity(row.peer, row.unit),
        row.peer_name,
        "" if row.ratio is None else f"{row.ratio:.2f}",
        quartiles,
        _gigabytes(row.bytes_per_second),
        _gigabytes(row.copy_bytes_per_second),
        "; ".join(notes),
    ]


def _quantity(value: float, unit: Unit) -> str:
    """Return seconds or bytes with three digits and a fitting prefix, or a number."""
    if math.isnan(value):
        return "nan"
    if unit == "error":
        return f"{value:.1e}"
    if unit == "factor":
        return f"{value:.3g} x"
    scales = [("s", 1.0), ("ms", 1e-3), ("us", 1e-6)] if unit == "s" else []
    scales = scales or [("MB", 1e6), ("kB", 1e3), ("B", 1.0)]
    name, scale = next((s for s in scales if abs(value) >= s[1]), scales[-1])
    return f"{value / scale:.3g} {name}"


def _gigabytes(value: float | None) -> str:
    return "" if value is None else f"{value / 1e9:.1f}"


def environment(threads: int) -> dict[str, Any]:
    """Return what a figure depends on: versions, commit, machine and threads."""
    return {
        "version": __version__,
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "peer": peers.description(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT"),
    }


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None outside a repository or without git."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write_json(path: Path, where: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write the environment and the rows as one JSON object."""
    report = {**where, "rows": [dataclasses.asdict(row) for row in rows]}
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
