"""The command line: ``python -m bench [names ...] [--json FILE] [--plot FILE] [--list] ...``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import peers
from bench.harness import Settings
from bench.records import Row, environment, summary, table, write_json
from minigrad.kernels.cpu.threads import get_num_threads

__all__ = ["BENCHMARKS", "ON_REQUEST", "main"]

BENCHMARKS = {
    "engine_overhead": "engine_overhead",
    "batch_norm": "batch_norm.speed_targets",
    "batch_norm_numerics": "batch_norm.numerics",
    "batch_norm_layouts": "batch_norm.layouts",
    "batch_norm_threads": "batch_norm.scaling",
    "batch_norm_eval": "batch_norm.evaluation",
    "batch_norm_float64": "batch_norm.double",
    "batch_norm_fused": "batch_norm.fused",
    "mlp_step": "mlp_step",
    "memory": "memory",
    "import_time": "import_time",
    "higher_order": "higher_order",
}
"""Modules of this package by name; each has ``run(settings)``, which returns rows."""

ON_REQUEST = {
    "batch_norm_layouts",
    "batch_norm_threads",
    "batch_norm_eval",
    "batch_norm_float64",
    "batch_norm_fused",
}
"""Run only by name: minutes each."""

QUICK = Settings(rounds=3, seconds=0.0005, warm_up=1)
"""Settings that show that everything runs; their figures mean nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were named, or all, and print a table of each."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    if options.list:
        for name in BENCHMARKS:
            mark = "*" if name in ON_REQUEST else " "
            print(f"{name:20}{mark} {(_module(name).__doc__ or '').splitlines()[0]}")
        print("* by name only")
        return 0

    settings = _settings(parser, options)
    where = environment(settings.threads)
    print(
        f"minigrad {where['version']}, {where['peer']}, {settings.threads} threads, {where['cpu']}"
    )
    rows: list[Row] = []
    for name in options.names or [n for n in BENCHMARKS if n not in ON_REQUEST]:
        print(f"\n{name}", flush=True)
        found = _module(name).run(settings)
        print(table(found), flush=True)
        rows += found
    print(f"\n{summary(rows)}".rstrip())
    if options.json is not None:
        write_json(options.json, where, rows)
    if options.plot is not None:
        from bench import roofline  # imports matplotlib

        roofline.draw(options.plot, rows, where)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="what to run; see --list")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and exit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="also draw the rows of batch_norm* beside a copy"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of both sides")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each side is timed")
    parser.add_argument(
        "--row-seconds", type=float, metavar="S", help="rounds of a row end after S seconds"
    )
    parser.add_argument("--quick", action="store_true", help="a check that it runs, no figures")
    return parser


def _module(name: str) -> Any:
    return importlib.import_module(f"bench.{BENCHMARKS[name]}")


def _settings(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Settings:
    """Set the threads of both sides, and return the settings."""
    try:
        peers.set_threads(get_num_threads() if options.threads is None else options.threads)
    except ValueError as error:
        parser.error(str(error))
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.row_seconds is not None and not options.row_seconds >= 0:
        parser.error(f"--row-seconds must be at least 0, got {options.row_seconds}")
    settings = replace(QUICK if options.quick else Settings(), threads=get_num_threads())
    given = {"rounds": options.rounds, "row_seconds": options.row_seconds}
    return replace(settings, **{name: v for name, v in given.items() if v is not None})


if __name__ == "__main__":
    sys.exit(main())
