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
from typing import Any

import numba
import numpy as np

from bench import peers
from bench.targets import Target
from bench.units import Unit, gigabytes, quantity
from minigrad import __version__

__all__ = ["Row", "environment", "summary", "table", "write_json"]


@dataclass
class Row:
    """One line of a report.

    Attributes
    ----------
    benchmark, case : str
        The entry, and what of it was measured.
    unit : {"s", "bytes", "error", "factor", "ulp"}
        Of ``ours`` and ``peer``: a time, memory, a relative error, a multiple, or units in the
        last place.
    ours : float
        Median over the rounds.
    peer : float or None
        The same of the peer; None if it is not there.
    peer_name : str
        The peer, or why there is none.
    ratio, ratio_low, ratio_high : float or None
        Median and quartiles of ``ours / peer`` over the rounds; below 1 is better than the peer.
    least_bytes : int or None
        Bytes that must be read and written at the least.
    footprint : int or None
        Bytes of memory that are touched.
    bytes_per_second, copy_bytes_per_second : float or None
        ``least_bytes`` over our time, and a copy of the same footprint in the same rounds.
    error, peer_error : float or None
        Largest difference to the reference, relative to the largest value of each result.
    target : Target or None
        What should hold.
    note : str
        What the figures are, where the columns do not say it.
    extra : dict
        Further figures by name, in base units.
    facts : dict
        What ``case`` says, by name: shape, layout, dtype and so on.
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
    least_bytes: int | None = None
    footprint: int | None = None
    bytes_per_second: float | None = None
    copy_bytes_per_second: float | None = None
    error: float | None = None
    peer_error: float | None = None
    target: Target | None = None
    note: str = ""
    extra: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def fraction(self) -> float | None:
        """Our bytes per second over those of the copy."""
        if self.bytes_per_second is None or self.copy_bytes_per_second is None:
            return None
        return self.bytes_per_second / self.copy_bytes_per_second

    @property
    def peer_bytes_per_second(self) -> float | None:
        """The least traffic over the peer's time."""
        if self.least_bytes is None or self.peer is None:
            return None
        return self.least_bytes / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target, or without its figure."""
        return None if self.target is None else self.target.met_by(self.figure)

    @property
    def figure(self) -> float | None:
        """What the target bounds; None without a target, or where it was not measured."""
        if self.target is None:
            return None
        figures = {"ours": self.ours, "ratio": self.ratio, "fraction": self.fraction, **self.extra}
        return figures[self.target.figure]


_HEADER = (
    "case", "minigrad", "peer", "", "ratio", "quartiles", "moved", "GB/s", "copy GB/s", "of copy",
    "error", "peer's", "target", "note",
)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a plain table, without the columns that are empty."""
    cells = [_cells(row) for row in rows]
    used = [n for n in range(len(_HEADER)) if n < 2 or any(line[n] for line in cells)]
    lines = [[line[n] for n in used] for line in (_HEADER, *cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    quartiles = "" if row.ratio_low is None else f"{row.ratio_low:.2f}-{row.ratio_high:.2f}"
    notes = [row.note] if row.note else []
    notes += [f"{name} {quantity(value, row.unit)}" for name, value in row.extra.items()]
    return (
        row.case,
        quantity(row.ours, row.unit),
        quantity(row.peer, row.unit),
        row.peer_name,
        "" if row.ratio is None else f"{row.ratio:.2f}",
        quartiles,
        quantity(row.least_bytes, "bytes"),
        gigabytes(row.bytes_per_second),
        gigabytes(row.copy_bytes_per_second),
        "" if row.fraction is None else f"{row.fraction:.2f}",
        quantity(row.error, "error"),
        quantity(row.peer_error, "error"),
        _verdict(row),
        "; ".join(notes),
    )


def _verdict(row: Row) -> str:
    if row.target is None:
        return ""
    verdict = {True: "met", False: "MISSED", None: "not measured"}[row.met]
    return f"{row.target.text}: {verdict}"


def summary(rows: Sequence[Row]) -> str:
    """Return how many targets are met, and a line for each that is not; empty without targets."""
    aimed = [row for row in rows if row.target is not None]
    if not aimed:
        return ""
    missed = [row for row in aimed if row.met is False]
    met = sum(row.met is True for row in aimed)
    others = len(aimed) - met - len(missed)
    counts = f"targets: {met} met, {len(missed)} missed, {others} not measured"
    return "\n".join([counts, *(f"  {r.benchmark}: {r.case}: {_verdict(r)}" for r in missed)])


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
    """Write the environment and the rows as one JSON object; null is what is not finite."""
    report = {**where, "rows": [_record(row) for row in rows]}
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _record(row: Row) -> dict[str, Any]:
    target = None if row.target is None else row.target.text
    record = {**dataclasses.asdict(row), "target": target, "met": row.met}
    record |= {"fraction": row.fraction, "peer_bytes_per_second": row.peer_bytes_per_second}
    finite: dict[str, Any] = _finite(record)
    return finite


def _finite(value: Any) -> Any:
    """Return the value with None for each number that JSON has no word for."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
