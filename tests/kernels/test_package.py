"""Dispatch, threads, warm-up, information, and what importing the package costs."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import _dispatcher

from minigrad.errors import DeviceError, MinigradError
from minigrad.kernels import dispatch, info, notice, warmup
from minigrad.kernels.cpu import batch_norm, elementwise, jit, optimizer, threads


def test_dispatch() -> None:
    assert dispatch.module("batch_norm") is batch_norm
    assert dispatch.module("batch_norm", "cpu") is batch_norm
    assert dispatch.module("optimizer") is optimizer
    assert dispatch.module("elementwise") is elementwise
    with pytest.raises(DeviceError, match=r"no batch_norm kernels for device 'cuda'.*: cpu"):
        dispatch.module("batch_norm", "cuda")
    unknown: Any = "fft"
    with pytest.raises(LookupError, match="'fft'; the families are batch_norm, elem") as caught:
        dispatch.module(unknown)
    assert isinstance(caught.value, MinigradError)


def test_importing_the_package_is_cheap() -> None:
    script = (
        "import sys, minigrad.kernels, minigrad.kernels.types, minigrad.kernels.dispatch, "
        "minigrad.kernels.memory, minigrad.kernels.warmup, minigrad.kernels.info, "
        "minigrad.kernels.reference.batch_norm\n"
        "kernels = [name for name in sys.modules if name.startswith('minigrad.kernels.cpu')]\n"
        "print(kernels)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_second_copy_is_refused() -> None:
    path = Path(dispatch.__file__).with_name("__init__.py")
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImportError, match="imported as 'kernels'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_threads() -> None:
    before = threads.get_num_threads()
    most = threads.available_threads()
    assert 1 <= before <= most
    try:
        threads.set_num_threads(1)
        assert threads.get_num_threads() == 1
        threads.set_num_threads(np.int64(most))
        assert threads.get_num_threads() == (1 if jit.DISABLED else most)
        for wrong in (0, -1, most + 1, 1.0, "2", True, None):
            with pytest.raises(ValueError, match=f"integer from 1 to {most}, got {wrong!r}"):
                threads.set_num_threads(wrong)  # type: ignore[arg-type]
    finally:
        threads.set_num_threads(before)


def test_blas_threads_follow() -> None:
    if not threads.blas_threads_settable():
        pytest.skip("NumPy's BLAS is not its own OpenBLAS")
    library = threads._blas_setter()
    assert library is not None
    name = library.__name__.replace("set_num", "get_num")
    path, *_ = threads._blas_libraries()
    getter = getattr(ctypes.CDLL(str(path)), name)
    before = threads.get_num_threads()
    try:
        for n in range(1, threads.available_threads() + 1):
            threads.set_num_threads(n)
            assert getter() == n
    finally:
        threads.set_num_threads(before)


@pytest.mark.parametrize("library", [__file__, _dispatcher.__file__, None])
def test_another_blas_is_left_alone(
    library: str | None, monkeypatch: pytest.MonkeyPatch, restored_threads: None
) -> None:
    """What is no library, one that has no such function, and no library at all."""
    found = [] if library is None else [Path(library)]
    monkeypatch.setattr(threads, "_blas_libraries", lambda: iter(found))
    monkeypatch.setattr(threads, "_blas_setter", threads._blas_setter.__wrapped__)
    assert not threads.blas_threads_settable()
    threads.set_num_threads(1)
    assert threads.get_num_threads() == 1


def test_threading_layer_before_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_initialised() -> str:
        raise ValueError("Threading layer is not initialized.")

    monkeypatch.setattr(numba, "threading_layer", not_initialised)
    assert threads.threading_layer() == "not started"


def test_idle_workers_do_not_spin() -> None:
    assert "GOMP_SPINCOUNT" in os.environ


def test_info() -> None:
    found = info.kernel_info()
    assert set(found) == {
        "cpu",
        "vector_bits",
        "lanes",
        "threads",
        "threads_available",
        "threading_layer",
        "blas_threads_settable",
        "jit",
        "cache_folder",
        "pool",
    }
    assert found["lanes"] * 32 == found["vector_bits"]
    assert found["jit"] is not jit.DISABLED


def test_warmup_shows_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the kernels of one family is compiled, for both dtypes; others are ready."""
    monkeypatch.setattr(jit, "DISABLED", False)
    monkeypatch.setattr(warmup, "_batch_norm", lambda dtype: None)
    monkeypatch.setattr(warmup, "_optimizer", lambda dtype: None)
    monkeypatch.setattr(
        warmup,
        "_elementwise",
        lambda dtype: notice.ready(notice.CompileRecord(dtype.__name__, "()", 1.0, False)),
    )
    seen: list[notice.CompileRecord] = []
    records = warmup.warmup(seen.append)
    assert [record.name for record in records] == ["float32", "float64"]
    assert seen == records
    notice.ready(records[0])
    assert len(seen) == len(records) == 2  # it no longer listens


def test_warmup_makes_every_kernel_ready() -> None:
    seen: list[str] = []
    records = warmup.warmup(lambda record: seen.append(record.name))
    assert seen == [record.name for record in records]
    if jit.DISABLED:
        assert records == []
        return
    for kernel in jit.kernels:
        parallel = bool(kernel.targetoptions.get("parallel"))
        if parallel and threads.get_num_threads() == 1:
            continue
        dtypes = {str(signature[0].dtype) for signature in kernel.signatures}
        assert dtypes >= {"float32", "float64"}, kernel
    assert warmup.warmup() == []  # all are ready now
