"""How all tests run: Hypothesis profiles, seeds, threads and the ``gpu`` marker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import minigrad as mg
from minigrad.grad_mode import is_grad_enabled
from minigrad.random import manual_seed

# No deadlines: the first call of a kernel compiles it. Every run is derandomised but the nightly
# one, which looks for new counterexamples.
_SLOW_DATA = [HealthCheck.too_slow]
for _name, _examples, _derandomize in (
    ("dev", 20, True),
    ("ci", 100, True),
    ("nightly", 1000, False),
):
    settings.register_profile(
        _name,
        max_examples=_examples,
        derandomize=_derandomize,
        deadline=None,
        suppress_health_check=_SLOW_DATA,
        print_blob=True,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

SEED = 20150211  # the day the BatchNorm paper appeared


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "gpu: needs a CUDA device")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Give every test the same random streams, whatever ran before it."""
    np.random.seed(SEED)  # noqa: NPY002 - for code under test that uses the global stream
    manual_seed(SEED)


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator of the test's own."""
    return np.random.default_rng(SEED)


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
