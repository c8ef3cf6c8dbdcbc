"""Without PyTorch the tests here are skipped, visibly.

Their tables cannot be imported then, so no doctests are looked for in them.
"""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["collect_ignore"]

_TABLES = ["array_entries.py", "entries.py", "entry.py", "linalg_entries.py", "methods.py"]
collect_ignore = [] if find_spec("torch") else _TABLES
