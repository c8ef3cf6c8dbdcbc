"""What is told of compilation: a line for the user, and a record of each kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["CompileRecord", "compiling", "ready", "set_compile_listener", "set_compile_notice"]


class CompileRecord(NamedTuple):
    """One kernel made ready for one signature."""

    name: str
    """Module and function, and whether it is the serial or the parallel build."""
    signature: str
    """Types of the arguments."""
    seconds: float
    """Time to compile it or to load it."""
    from_cache: bool
    """Whether it was loaded from disk."""


def _print(message: str) -> None:
    if os.environ.get("MINIGRAD_QUIET", "0") in ("", "0"):
        sys.stderr.write(message + "\n")
        sys.stderr.flush()


_callback: Callable[[str], None] | None = _print
_given = False


def set_compile_notice(
    callback: Callable[[str], None] | None,
) -> Callable[[str], None] | None:
    """Choose what is done with the notice that kernels are being compiled.

    By default it is a line on standard error, left out when the environment variable
    ``MINIGRAD_QUIET`` is set to 1.

    Parameters
    ----------
    callback : callable or None
        Called with the text, at most once per process, when the first kernel that is not in the
        cache has to be compiled. None: no notice.

    Returns
    -------
    callable or None
        The callback until now, to put it back later.
    """
    global _callback
    previous, _callback = _callback, callback
    return previous


def compiling(folder: str | None) -> None:
    """Give the notice, unless it was given before.

    Parameters
    ----------
    folder : str or None
        Where the machine code will be kept; None when nothing is writable.
    """
    global _given
    if _given:
        return
    _given = True
    if _callback is not None:
        _callback(
            f"minigrad: compiling kernels for this CPU (once; later runs load them from {folder})"
            if folder is not None
            else "minigrad: compiling kernels for this CPU (at every run: no folder to keep them "
            "in is writable; set NUMBA_CACHE_DIR to one)"
        )


_listener: Callable[[CompileRecord], None] | None = None


def set_compile_listener(
    listener: Callable[[CompileRecord], None] | None,
) -> Callable[[CompileRecord], None] | None:
    """Choose who is told of each kernel that becomes ready.

    Parameters
    ----------
    listener : callable or None
        Called with a record; None: nobody is told.

    Returns
    -------
    callable or None
        The listener until now, to put it back later.
    """
    global _listener
    previous, _listener = _listener, listener
    return previous


def ready(record: CompileRecord) -> None:
    """Tell the listener that a kernel is ready.

    Parameters
    ----------
    record : CompileRecord
        Which one.
    """
    if _listener is not None:
        _listener(record)
