"""The command line: ``python -m bench [names ...] [--json FILE] [--threads N] [--list]``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import peers
from bench.harness import Settings
from bench.records import Row, environment, table, write_json
from minigrad.kernels.cpu.threads import get_num_threads, set_num_threads

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS = (
    "engine_overhead",
    "batch_norm",
    "mlp_step",
    "memory",
    "import_time",
    "higher_order",
)
"""Modules of this package; each has ``run(settings)``, which returns rows."""

QUICK = Settings(rounds=3, seconds=0.0005, warm_up=1)
"""Settings that show that everything runs; their figures mean nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were named, or all, and print a table of each."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="what to run; default: all")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and exit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of both sides")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each side is timed")
    parser.add_argument("--quick", action="store_true", help="a check that it runs, no figures")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    modules = {name: importlib.import_module(f"bench.{name}") for name in BENCHMARKS}
    if options.list:
        for name, module in modules.items():
            print(f"{name:16} {(module.__doc__ or '').splitlines()[0]}")
        return 0

    settings = _settings(parser, options)
    where = environment(settings.threads)
    print(
        f"minigrad {where['version']}, {where['peer']}, {settings.threads} threads, {where['cpu']}"
    )
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        print(f"\n{name}", flush=True)
        found = modules[name].run(settings)
        print(table(found), flush=True)
        rows += found
    if options.json is not None:
        write_json(options.json, where, rows)
    return 0


def _settings(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Settings:
    """Set the threads of both sides, and return the settings."""
    if options.threads is not None:
        try:
            set_num_threads(options.threads)
        except ValueError as error:
            parser.error(str(error))
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    threads = get_num_threads()
    torch = peers.torch()
    if torch is not None:
        torch.set_num_threads(threads)
    settings = replace(QUICK if options.quick else Settings(), threads=threads)
    return settings if options.rounds is None else replace(settings, rounds=options.rounds)


if __name__ == "__main__":
    sys.exit(main())
