"""Seconds that ``import minigrad`` takes beyond importing NumPy and Numba, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.harness import Settings
from bench.records import Row
from bench.targets import seconds_at_most

__all__ = ["run"]

_PROGRAM = """
from time import perf_counter
start = perf_counter()
import numpy, numba
middle = perf_counter()
import minigrad
print(middle - start, perf_counter() - middle)
"""


def run(settings: Settings) -> list[Row]:
    """Import in as many processes as there are rounds, at most nine."""
    for _ in range(2):  # writes the bytecode, and brings the files into memory
        _import()
    times = np.array([_import() for _ in range(min(settings.rounds, 9))])
    base, beyond = np.median(times, axis=0)
    return [
        Row(
            "import_time",
            "import minigrad, NumPy and Numba imported",
            "s",
            float(beyond),
            target=seconds_at_most(0.25),
            extra={"import numpy, numba": float(base)},
        )
    ]


def _import() -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    base, beyond = done.stdout.split()
    return float(base), float(beyond)
