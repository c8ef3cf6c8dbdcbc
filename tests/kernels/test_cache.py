"""The disk cache of compiled kernels, and what is told of compilation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FunctionType

import llvmlite.binding
import numba
import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

from minigrad.kernels import notice
from minigrad.kernels.cpu import batch_norm, cache, jit

SOURCES = Path(cache.__file__).parent
NOWHERE = "/dev/null/minigrad"  # cannot be made, not even by root

_RUN = """
import sys, tempfile
import numpy as np
from minigrad.kernels import notice
if "nowhere" in sys.argv:
    tempfile.tempdir = "/dev/null/tmp"
records = []
notice.set_compile_listener(records.append)
from minigrad.kernels.cpu import elementwise, batch_norm_channel
one = np.ones(1)
assert abs(elementwise.erf(one)[0] - 0.8427) < 1e-4
batch_norm_channel.update_running(one, one.copy(), one, one, 0.1, 1.0)
assert [r.name for r in records] == [
    "elementwise._erf (serial)", "batch_norm_channel._update_running (serial)"
], records
assert all(r.seconds > 0 for r in records)
print(*[r.from_cache for r in records])
"""

needs_jit = pytest.mark.skipif(jit.DISABLED, reason="NUMBA_DISABLE_JIT=1: nothing is compiled")


def _run(*arguments: str, **environment: str) -> tuple[str, str]:
    """Run two kernels in a process of its own; return what it printed and what it told."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env={**os.environ, "MINIGRAD_QUIET": "0", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.strip()


def test_key_follows_every_source(tmp_path: Path) -> None:
    sources = shutil.copytree(SOURCES, tmp_path / "cpu", ignore=shutil.ignore_patterns("__py*"))
    key = cache.cache_key(sources)
    assert key == cache.cache_key(sources) == cache.cache_key()
    helpers = sources / "batch_norm_channel.py"
    text = helpers.read_text()
    helpers.write_text(text + "\n")
    assert cache.cache_key(sources) != key
    helpers.write_text(text)
    assert cache.cache_key(sources) == key
    (sources / "new.py").write_text("")
    assert cache.cache_key(sources) != key


@pytest.mark.parametrize("name", ["NUMBA_BOUNDSCHECK", "MINIGRAD_VECTOR_BITS", "NUMBA_CPU_NAME"])
def test_key_follows_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = cache.cache_key()
    monkeypatch.setenv(name, "other")
    assert cache.cache_key() != key


def test_key_follows_versions_and_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cache.cache_key()}
    monkeypatch.setattr(numba, "__version__", "0.0")
    keys.add(cache.cache_key())
    monkeypatch.setattr(np, "__version__", "0.0")
    keys.add(cache.cache_key())
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_name", lambda: "other")
    keys.add(cache.cache_key())
    assert len(keys) == 4


@needs_jit
def test_serial_and_parallel_builds_are_kept_apart() -> None:
    assert batch_norm.__name__  # whose kernels have two builds
    names = [kernel._cache._impl.filename_base for kernel in jit.kernels]
    assert len(names) == len(set(names)) > 1


@needs_jit
def test_compiled_once_told_once_and_repaired(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    told = "minigrad: compiling kernels for this CPU (once; later runs load them from "
    printed, stderr = _run(**environment)
    assert printed == "False False"
    assert stderr.startswith(told + str(tmp_path / "minigrad" / "kernels-"))
    assert len(stderr.splitlines()) == 1

    assert _run(**environment) == ("True True", "")

    for machine_code in tmp_path.rglob("_erf*.nbc"):
        raise AssertionError(f"named without its module: {machine_code}")
    damaged = list(tmp_path.rglob("elementwise._erf-serial*.nbc"))
    assert len(damaged) == 1
    damaged[0].write_bytes(damaged[0].read_bytes()[:100])
    printed, stderr = _run(**environment, MINIGRAD_QUIET="1")
    assert (printed, stderr) == ("False True", "")


@needs_jit
def test_runs_where_nothing_is_writable() -> None:
    printed, stderr = _run("nowhere", NUMBA_CACHE_DIR=NOWHERE)
    assert printed == "False False"
    assert "at every run: no folder" in stderr
    assert len(stderr.splitlines()) == 1


def test_folder_for_temporary_files_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", NOWHERE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = cache.cache_folder.__wrapped__()
    assert folder is not None
    root = Path(folder).parent
    assert root.parent == tmp_path
    if hasattr(os, "getuid"):
        assert root.stat().st_mode & 0o777 == 0o700
        # Made by someone else: machine code from there is not run.
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        os.rename(root, tmp_path / "minigrad-12345")
        assert cache.cache_folder.__wrapped__() is None


def test_nowhere_to_keep_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setenv("NUMBA_CACHE_DIR", NOWHERE)
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert cache.cache_folder.__wrapped__() is None


def test_places_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert next(cache._candidates()) == tmp_path / "minigrad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert next(cache._candidates()) == tmp_path / ".cache" / "minigrad"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert next(cache._candidates()) == tmp_path / "Library" / "Caches" / "minigrad"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert next(cache._candidates()) == tmp_path / "local" / "minigrad"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert next(cache._candidates()) == tmp_path / "chosen" / "minigrad"


def test_old_folders_are_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    root = tmp_path / "minigrad"
    month_ago = time.time() - 31 * 86400
    for name, old in (
        ("kernels-0123456789abcdef", True),
        ("kernels-fedcba9876543210", False),
        ("something-else", True),
        (f"kernels-{cache.cache_key()}", True),
    ):
        (root / name).mkdir(parents=True)
        (root / name / "x.nbc").write_text("")
        if old:
            os.utime(root / name, (month_ago, month_ago))
    folder = cache.cache_folder.__wrapped__()
    assert folder is not None
    assert {path.name for path in root.iterdir()} == {
        "kernels-fedcba9876543210",
        "something-else",
        Path(folder).name,
    }


def test_notice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(notice, "_given", False)
    monkeypatch.setattr(notice, "_callback", notice._print)
    monkeypatch.setenv("MINIGRAD_QUIET", "1")
    notice.compiling("folder")
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(notice, "_given", False)
    monkeypatch.setenv("MINIGRAD_QUIET", "0")
    notice.compiling("folder")
    line = "minigrad: compiling kernels for this CPU (once; later runs load them from folder)\n"
    assert capsys.readouterr() == ("", line)

    told: list[str] = []
    assert notice.set_compile_notice(told.append) is notice._print
    monkeypatch.setattr(notice, "_given", False)
    notice.compiling("folder")
    notice.compiling("folder")
    assert len(told) == 1
    assert "folder" in told[0]

    notice.set_compile_notice(None)
    monkeypatch.setattr(notice, "_given", False)
    notice.compiling(None)
    assert len(told) == 1
    assert capsys.readouterr() == ("", "")


def _twice(x: float) -> float:
    return 2.0 * x


def _ready(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Make a kernel and run it; return, if it was told of, whether it came from the cache."""
    monkeypatch.setattr(cache, "cache_folder", lambda: folder)
    records: list[notice.CompileRecord] = []
    previous = notice.set_compile_listener(records.append)
    try:
        kernel = numba.njit(_twice)
        assert isinstance(_twice, FunctionType)
        kernel._cache = cache.cache_of(_twice, "serial")
        assert kernel(3.0) == 6.0
    finally:
        notice.set_compile_listener(previous)
    for record in records:
        assert record.name == "test_cache._twice (serial)"
        assert record.signature == "(float64,)"
        assert record.seconds > 0.0
    return [record.from_cache for record in records]


@needs_jit
def test_kernel_is_kept_repaired_and_does_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    previous = notice.set_compile_notice(told.append)
    try:
        for folder, from_cache in ((str(tmp_path), False), (str(tmp_path), True), (None, False)):
            monkeypatch.setattr(notice, "_given", False)
            assert _ready(folder, monkeypatch) == [from_cache]
            assert len(told) == (not from_cache)
            told.clear()

        (machine_code,) = tmp_path.glob("*.nbc")
        machine_code.write_bytes(b"not machine code")
        assert _ready(str(tmp_path), monkeypatch) == [False]
        assert _ready(str(tmp_path), monkeypatch) == [True]

        # The disk is full.
        machine_code.write_bytes(b"not machine code")
        with monkeypatch.context() as patch:
            patch.setattr(IndexDataCacheFile, "save", _no_space)
            assert _ready(str(tmp_path), monkeypatch) == [False]
            assert machine_code.read_bytes() == b"not machine code"
    finally:
        notice.set_compile_notice(previous)


def _no_space(*arguments: object) -> None:
    raise OSError("no space left on device")


def test_nobody_has_to_listen() -> None:
    previous = notice.set_compile_listener(None)
    try:
        notice.ready(notice.CompileRecord("name", "(float64,)", 1.0, False))
    finally:
        notice.set_compile_listener(previous)


def test_pruning_does_no_harm_where_it_may_not(tmp_path: Path) -> None:
    cache._prune(tmp_path / "removed by another process", "kernels-0123456789abcdef")
