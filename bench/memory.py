"""Peak memory of the training step of mlp_step, one process for each side."""

from __future__ import annotations

import argparse
import ctypes
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import peers
from bench.harness import Settings
from bench.mlp_step import BATCH, SIZES, minigrad_step, torch_step
from bench.records import Row
from bench.targets import ratio_at_most
from minigrad.kernels import memory
from minigrad.kernels.cpu.threads import set_num_threads

__all__ = ["run"]

BATCHES = (BATCH, 100 * BATCH)
"""The step itself, and one whose activations outweigh what the libraries themselves allocate."""

_WARM_UP = 5
_STEPS = 20
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # written to clear_refs: the peak becomes the present size; see proc(5)


def run(settings: Settings) -> list[Row]:
    """Run each side in a process of its own and compare the growth of their resident sizes."""
    if not _CLEAR_REFS.exists():
        nothing = float("nan")
        return [Row("memory", "not measured: needs Linux's /proc", "bytes", nothing)]
    return [_row(batch, settings) for batch in BATCHES]


def _row(batch: int, settings: Settings) -> Row:
    ours = _in_a_process("minigrad", batch, settings.threads)
    row = Row(
        "memory",
        f"{'-'.join(map(str, SIZES))}, batch {batch}",
        "bytes",
        ours,
        peer_name=peers.description(),
        target=ratio_at_most(1.10),
    )
    if peers.torch() is not None:
        row.peer = _in_a_process("torch", batch, settings.threads)
        row.ratio = ours / row.peer if row.peer else None
    return row


def _in_a_process(side: str, batch: int, threads: int) -> float:
    command = [sys.executable, "-m", "bench.memory", side, str(batch), str(threads)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def peak_growth(side: str, batch: int) -> int:
    """Return the bytes by which training steps exceed the size of the model, built and warm."""
    step, _ = (minigrad_step if side == "minigrad" else torch_step)(batch)
    for _ in range(_WARM_UP):
        step()
    _release()
    before = _resident("VmRSS")
    _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    for _ in range(_STEPS):
        step()
    return _resident("VmHWM") - before


def _release() -> None:
    """Return free memory to the system, so that what a step needs counts as growth again."""
    gc.collect()
    limit = memory.pool_info()["limit_bytes"]
    memory.set_pool_limit(0)
    memory.set_pool_limit(limit)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc
        libc.malloc_trim(0)


def _resident(name: str) -> int:
    """Return VmRSS, the resident size, or VmHWM, its peak, in bytes."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")


def main() -> int:
    """Measure one side, and print the bytes."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("side", choices=["minigrad", "torch"])
    parser.add_argument("batch", type=int)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    set_num_threads(options.threads)
    if options.side == "torch":
        torch: Any = peers.torch()
        torch.set_num_threads(options.threads)
    print(peak_growth(options.side, options.batch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
