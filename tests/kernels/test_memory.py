"""The output pool and the layout of arrays."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.kernels import memory
from minigrad.kernels.layout import Slab, slab_of, strides_like
from tests.kernels.layouts import LAYOUTS, WITHOUT_GAPS

LARGE = (1000, 300)  # of float32: larger than MIN_POOLED_BYTES
BYTES = 1200128  # the same in whole pages, plus none
FLOAT32 = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def empty_pool() -> Iterator[None]:
    """Start each test with nothing kept, and put the limit back."""
    gc.collect()
    limit = memory.set_pool_limit(0)
    memory.set_pool_limit(1 << 30)
    yield
    memory.set_pool_limit(limit)


def _kept() -> int:
    return memory.pool_info()["free_bytes"]


def _address(x: np.ndarray) -> int:
    return int(x.__array_interface__["data"][0])


def test_block_is_used_again_after_its_last_view() -> None:
    x = memory.empty(LARGE, FLOAT32)
    address = _address(x)
    view = x[1:].T[::2].reshape(-1)[3:].view(np.int32)
    assert np.shares_memory(x, x[1:].T)
    part = x[1:].T[::2]
    del view, x
    assert _kept() == 0
    other = memory.empty(LARGE, FLOAT32)
    assert _address(other) != address
    del part
    assert _kept() >= np.prod(LARGE) * 4
    again = memory.empty(LARGE, FLOAT32)
    assert _address(again) == address
    assert _kept() == 0


def test_arrays_alive_never_share_memory() -> None:
    arrays = [memory.empty(LARGE, FLOAT32) for _ in range(5)]
    for i, x in enumerate(arrays):
        x[...] = i
    del arrays[2]
    arrays.append(memory.empty(LARGE, FLOAT32))
    arrays[-1][...] = 9.0
    assert [float(x[0, 0]) for x in arrays] == [0.0, 1.0, 3.0, 4.0, 9.0]
    assert all((x == x[0, 0]).all() for x in arrays)


@pytest.mark.parametrize("shape", [(3, 5), LARGE], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_empty(shape: tuple[int, ...], dtype: type) -> None:
    x = memory.empty(shape, dtype)
    assert type(x) is np.ndarray
    assert (x.shape, x.dtype) == (shape, np.dtype(dtype))
    assert x.flags.carray
    if x.nbytes >= memory.MIN_POOLED_BYTES:
        assert _address(x) % 64 == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(3, 4, 5), (20, 30, 40, 5)], ids=str)
def test_empty_like_keeps_the_memory_order(layout: str, shape: tuple[int, ...]) -> None:
    x = LAYOUTS[layout](np.ones(shape, np.float32))
    y = memory.empty_like(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert y.strides == np.empty_like(x).strides
    y[...] = 1.0  # inside its block, or the next test dies
    assert y.flags.writeable


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple),
    data=st.data(),
)
def test_strides_like_are_those_of_numpy(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(len(shape))))
    steps = data.draw(st.tuples(*[st.sampled_from([1, 2, -1])] * len(shape)))
    x = np.zeros([2 * n for n in shape]).transpose(axes)
    x = x[tuple(slice(None, None, step) for step in steps)]
    assert strides_like(x) == np.empty_like(x).strides


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple),
    data=st.data(),
)
def test_slab_finds_each_element(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(len(shape))))
    x = np.arange(float(np.prod(shape))).reshape(shape).transpose(axes)
    slab = slab_of(x)
    assert slab is not None
    flat = x.ravel("K")
    assert np.shares_memory(flat, x)
    channels = flat.reshape(slab)
    for c in range(x.shape[1]):
        np.testing.assert_array_equal(np.sort(channels[:, c].ravel()), np.sort(x[:, c].ravel()))


def test_slab_of_named_layouts() -> None:
    x = np.zeros((2, 3, 4, 5), np.float32)
    slabs = {name: slab_of(layout(x)) for name, layout in LAYOUTS.items()}
    assert slabs == {
        "c": Slab(2, 3, 20),
        "fortran": Slab(20, 3, 2),
        "channels_last": Slab(40, 3, 1),
        "permuted": Slab(1, 3, 40),
        "sliced": None,
        "reversed": None,
        "unaligned": None,
    }
    assert slab_of(np.broadcast_to(np.float32(1), (2, 3))) is None
    assert set(WITHOUT_GAPS) == {name for name, slab in slabs.items() if slab is not None}


def test_small_arrays_and_a_pool_switched_off() -> None:
    del (small := [memory.empty((10, 10), FLOAT32)])[0]
    assert small == []
    assert _kept() == 0
    assert memory.set_pool_limit(0) == 1 << 30
    before = memory.pool_info()
    del (large := [memory.empty(LARGE, FLOAT32)])[0]
    assert large == []
    assert memory.pool_info() == before
    with pytest.raises(ValueError, match="must be >= 0 bytes, got -1"):
        memory.set_pool_limit(-1)


def test_bounded_and_oldest_size_goes_first() -> None:
    size = 1 << 20
    memory.set_pool_limit(3 * size)
    blocks = [memory.empty((size + 4096 * i,), np.uint8) for i in range(4)]
    addresses = [_address(x) for x in blocks]
    while blocks:
        del blocks[0]
        assert _kept() <= 3 * size
    assert _kept() > size
    # The last one to return is there; the first one is not.
    assert _address(memory.empty((size + 4096 * 3,), np.uint8)) == addresses[3]
    misses = memory.pool_info()["misses"]
    memory.empty((size,), np.uint8)
    assert memory.pool_info()["misses"] == misses + 1
    # Larger than the limit: never kept.
    del (large := [memory.empty((4 * size,), np.uint8)])[0]
    assert large == []
    assert _kept() <= 3 * size


def test_threads() -> None:
    errors = []

    def work(value: int) -> None:
        for _ in range(200):
            x = memory.empty((70_000,), np.float32)
            x[...] = value
            if not (x == value).all():
                errors.append(value)

    workers = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    # All loans have ended. Each thread had two blocks at most: the new one and the one before.
    assert 0 < _kept() <= 4 * 2 * (70_000 * 4 + 4096)


def test_memory_is_let_go_where_the_pool_is_busy() -> None:
    """The garbage collector may end a loan in the thread that holds the lock: no waiting."""
    x = memory.empty(LARGE, FLOAT32)
    with memory._pool._lock:
        del x
    assert _kept() == 0
    memory.empty(LARGE, FLOAT32)
    assert _kept() > 0


def test_nothing_is_kept_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    x = memory.empty(LARGE, FLOAT32)
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    del x
    assert _kept() == 0


def test_a_forked_process_has_a_lock_of_its_own() -> None:
    pool = memory._Pool(limit=1 << 30)
    pool._lock.acquire()  # by a thread that the child does not have
    pool.renew_lock()
    assert not pool._lock.locked()
    pool.take_back(pool.take(memory.MIN_POOLED_BYTES))
    assert pool.free_bytes == memory.MIN_POOLED_BYTES


_AT_EXIT = """
import os, sys
import numpy as np
from minigrad.kernels import memory

kept = memory.empty((1 << 20,), np.float32)
del (free := [memory.empty((1 << 20,), np.float32)])[0]
memory._pool._lock.acquire()  # as if another thread had it when this one forks
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        x = memory.empty((1 << 20,), np.float32)
        x[...] = 1.0
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
memory._pool._lock.release()
cycle = [memory.empty((1 << 20,), np.float32)]
cycle.append(cycle)
"""


def test_fork_and_exit_are_quiet() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _AT_EXIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_switched_off_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_POOL", "0")
    done = subprocess.run(
        [sys.executable, "-c", "from minigrad.kernels.memory import pool_info as i; print(i())"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "'limit_bytes': 0" in done.stdout
