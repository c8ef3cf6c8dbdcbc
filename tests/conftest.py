"""How all tests run: with our own pytest plugin, and guards of what tests share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import minigrad as mg
from minigrad.grad_mode import is_grad_enabled

pytest_plugins = ["minigrad.testing.pytest_plugin", "pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "gpu: needs a CUDA device")


@pytest.fixture
def rng(minigrad_seed: int) -> np.random.Generator:
    """Return a generator of the test's own."""
    return np.random.default_rng(minigrad_seed)


@pytest.fixture(autouse=True)
def recording() -> Iterator[None]:
    """Fail a test that leaves recording switched off."""
    yield
    assert is_grad_enabled(), "the test left gradients disabled"


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Fail a test that leaves fewer kernel threads: tests of several would then be skipped."""
    threads = mg.get_num_threads()
    yield
    assert mg.get_num_threads() == threads, "the test left another number of threads"


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """Put the number of kernel threads back after the test."""
    threads = mg.get_num_threads()
    restore = mg.set_num_threads  # the test may have patched it, and be undone after this
    yield
    restore(threads)
