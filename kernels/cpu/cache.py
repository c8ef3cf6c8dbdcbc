"""Where compiled kernels are kept on disk.

Numba's own cache notices an edit of the file of a kernel, but not of the helpers that the kernel
calls in other files: it would go on running the old machine code. So the folder's name is a hash
of every source in ``kernels/cpu``, of the versions and of the CPU, and an edit starts a new folder.

The folder is ``$NUMBA_CACHE_DIR`` if that is set, else the user's cache folder, else one in the
folder for temporary files; where none can be written, kernels are compiled in every process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    NullCache,
    _CacheLocator,
)

from minigrad.kernels import notice
from minigrad.kernels.notice import CompileRecord

__all__ = ["cache_folder", "cache_key", "cache_of"]

_DAYS_KEPT = 30
_FOLDER_NAME = re.compile(r"kernels-[0-9a-f]{16}")
_SETTINGS = (
    "MINIGRAD_VECTOR_BITS",
    "NUMBA_BOUNDSCHECK",
    "NUMBA_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "NUMBA_OPT",
)
"""Environment variables that change the machine code."""


def cache_key(sources: Path | None = None) -> str:
    """Return a hash of all that decides which machine code is right.

    Parameters
    ----------
    sources : Path, optional
        Folder whose ``*.py`` files are the sources; by default that of this file.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    sources = sources or Path(__file__).parent
    digest = hashlib.sha256()

    def add(text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        digest.update(len(data).to_bytes(8, "little") + data)

    for path in sorted(sources.rglob("*.py")):
        add(path.relative_to(sources).as_posix())
        add(path.read_bytes())
    for version in (numba.__version__, llvmlite.__version__, np.__version__, sys.version):
        add(version)
    add(f"{sys.implementation.name} {platform.machine()} {getattr(sys, 'abiflags', '')}")
    add(llvmlite.binding.get_host_cpu_name())
    add(llvmlite.binding.get_host_cpu_features().flatten())
    for name in _SETTINGS:
        add(f"{name}={os.environ.get(name, '')}")
    return digest.hexdigest()[:16]


def _user_cache_folder() -> Path:
    """Return the folder for caches of this user's programs on this platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) if base else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) if base else Path.home() / ".cache"


def _candidates() -> Iterator[Path]:
    """Yield the folders to try, best first."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen) / "minigrad"
    else:
        with contextlib.suppress(RuntimeError):  # this user has no home
            yield _user_cache_folder() / "minigrad"
    with contextlib.suppress(OSError):  # there is no folder for temporary files either
        user = str(os.getuid()) if hasattr(os, "getuid") else "user"
        yield Path(tempfile.gettempdir()) / f"minigrad-{user}"


def _usable(folder: Path) -> bool:
    """Make the folder; tell whether it is writable and safe to load machine code from."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.parent.name == f"minigrad-{os.getuid()}":
            # Anyone may make a folder in /tmp: take only one that nobody else can write to.
            folder.parent.chmod(0o700)
            if folder.parent.stat().st_uid != os.getuid():
                return False
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)  # in use: other versions may not prune it
    except OSError:
        return False
    return True


def _prune(root: Path, keep: str) -> None:
    """Remove the folders of other keys that nobody used for a month."""
    oldest = time.time() - _DAYS_KEPT * 86400
    try:
        others = [
            path
            for path in root.iterdir()
            if _FOLDER_NAME.fullmatch(path.name) and path.name != keep
        ]
        for path in others:
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # another process was faster, or the folder is not ours: it does no harm


@functools.cache
def cache_folder() -> str | None:
    """Return the folder with the machine code of this version on this CPU.

    Returns
    -------
    str or None
        None when no folder is writable.
    """
    name = f"kernels-{cache_key()}"
    for root in _candidates():
        if _usable(root / name):
            _prune(root, name)
            return str(root / name)
    return None


class _Locator(_CacheLocator):
    """Says that a kernel is kept in our folder."""

    def __init__(self, function: FunctionType, folder: str) -> None:
        self._py_file = function.__code__.co_filename
        self._folder = folder

    def get_cache_path(self) -> str:
        return self._folder

    def get_source_stamp(self) -> str:
        return self._folder  # its name is the hash of the sources

    def get_disambiguator(self) -> str:
        return ""  # the names of the files are made in _CacheImpl


class _CacheImpl(CompileResultCacheImpl):
    """Names the files: the serial and the parallel build of a function are two kernels."""

    def __init__(self, function: FunctionType, variant: str, folder: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, folder)
        module = function.__module__.rpartition(".")[2]
        self._filename_base = f"{module}.{function.__qualname__}-{variant}"


class _Watch:
    """Tells the notice and the listener what happens in the cache of one kernel."""

    def __init__(self, function: FunctionType, variant: str, folder: str | None) -> None:
        self._label = f"{function.__module__.rpartition('.')[2]}.{function.__name__} ({variant})"
        self._folder = folder
        self._started = 0.0

    def start(self) -> None:
        self._started = time.perf_counter()

    def missed(self) -> None:
        notice.compiling(self._folder)

    def ready(self, signature: Any, *, from_cache: bool) -> None:
        seconds = time.perf_counter() - self._started
        notice.ready(CompileRecord(self._label, str(signature), seconds, from_cache))


class _DiskCache(FunctionCache):
    """Numba's cache of one function, in our folder, where trouble means compiling anew."""

    def __init__(self, function: FunctionType, variant: str, folder: str) -> None:
        self._name = repr(function)
        self._py_func = function
        self._impl = _CacheImpl(function, variant, folder)
        self._cache_path = folder
        self._cache_file = IndexDataCacheFile(
            cache_path=folder,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )
        self._watch = _Watch(function, variant, folder)
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        self._watch.start()
        try:
            loaded = super().load_overload(sig, target_context)
        except Exception:  # a truncated or foreign file fails in too many ways to list
            loaded = None
        if loaded is None:
            self._watch.missed()
        else:
            self._watch.ready(sig, from_cache=True)
        return loaded

    def save_overload(self, sig: Any, data: Any) -> None:
        # The disk is full or has become read-only: the kernel runs all the same.
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
        self._watch.ready(sig, from_cache=False)


class _NoCache(NullCache):
    """Keeps nothing, but tells."""

    def __init__(self, function: FunctionType, variant: str) -> None:
        self._watch = _Watch(function, variant, None)

    def load_overload(self, sig: Any, target_context: Any) -> None:
        self._watch.start()
        self._watch.missed()

    def save_overload(self, sig: Any, cres: Any) -> None:
        self._watch.ready(sig, from_cache=False)


def cache_of(function: FunctionType, variant: str) -> Any:
    """Return the cache for a kernel.

    Parameters
    ----------
    function : function
        The Python function.
    variant : str
        How it is compiled: two builds of one function are kept apart by it.

    Returns
    -------
    numba.core.caching._Cache
        For the attribute ``_cache`` of Numba's dispatcher.
    """
    folder = cache_folder()
    return _NoCache(function, variant) if folder is None else _DiskCache(function, variant, folder)
