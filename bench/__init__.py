"""Benchmarks: minigrad beside its peers, in ratios of one run. ``python -m bench --help``."""

import os

# On both sides, before either library loads OpenMP: its idle workers otherwise spin and starve
# the threads of the other side's matrix products (see the row "alternation" of mlp_step).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
