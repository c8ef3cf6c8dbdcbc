"""An opt-in pytest plugin: a suite that uses minigrad and Hypothesis does not flake.

A project switches it on in its top ``conftest.py``::

    pytest_plugins = ["minigrad.testing.pytest_plugin"]

It is never loaded by itself. It

- registers the Hypothesis profiles ``minigrad-dev``, ``minigrad-ci`` and ``minigrad-nightly``, and
  loads one (`PROFILES`). None has a deadline: the first call of a kernel compiles it;
- compiles every kernel, or loads it from disk, before the first test;
- gives every test, and every example that Hypothesis draws, the same random streams.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.notice import set_compile_notice
from minigrad.random import default_generator, manual_seed
from minigrad.runtime import warmup

try:
    import pytest
    from hypothesis import HealthCheck, register_random, settings
except ImportError as error:
    raise ImportError(
        f"minigrad.testing.pytest_plugin needs {error.name}, which is not installed; "
        'pip install "minigrad-numba[test]"'
    ) from error

__all__ = ["PROFILES", "SEED", "Profile"]

SEED = 20150211  # the day the BatchNorm paper appeared
"""Of every test's random streams."""

ENVIRONMENT_VARIABLE = "MINIGRAD_PROFILE"


class Profile(NamedTuple):
    """What a Hypothesis profile of minigrad sets."""

    max_examples: int
    derandomize: bool
    """The same examples at every run; otherwise each run looks for new counterexamples.

    A seed, the option ``--hypothesis-seed``, asks for the examples of that seed instead.
    """


PROFILES = {
    "minigrad-dev": Profile(20, derandomize=True),
    "minigrad-ci": Profile(100, derandomize=True),
    "minigrad-nightly": Profile(1000, derandomize=False),
}
"""The option ``--minigrad-profile`` chooses, else the environment variable ``MINIGRAD_PROFILE``,
else it is ``minigrad-ci`` where ``CI`` is set and ``minigrad-dev`` elsewhere. Hypothesis's own
option, ``--hypothesis-profile``, comes before all of these."""

for _name, _profile in PROFILES.items():
    settings.register_profile(
        _name,
        max_examples=_profile.max_examples,
        derandomize=_profile.derandomize,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )


class _Stream:
    """The default generator as Hypothesis handles sources of random numbers."""

    def seed(self, seed: int) -> None:
        """Start the stream of an example."""
        manual_seed(seed)

    def getstate(self) -> dict[str, Any]:
        """Return where the stream is."""
        return default_generator.get_state()

    def setstate(self, state: dict[str, Any]) -> None:
        """Continue from there."""
        default_generator.set_state(state)


_STREAM = _Stream()  # Hypothesis keeps a weak reference
register_random(_STREAM)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the profile."""
    parser.getgroup("minigrad").addoption(
        "--minigrad-profile",
        choices=[*PROFILES, *(name.removeprefix("minigrad-") for name in PROFILES)],
        help="Hypothesis profile: minigrad-dev (20 examples), minigrad-ci (100), "
        f"minigrad-nightly (1000, new ones at every run); default: {ENVIRONMENT_VARIABLE}, "
        "or minigrad-ci where CI is set, else minigrad-dev",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile."""
    if config.getoption("--hypothesis-profile", default=None):
        return
    name = config.getoption("--minigrad-profile") or os.environ.get(ENVIRONMENT_VARIABLE)
    name = name or ("minigrad-ci" if os.environ.get("CI") else "minigrad-dev")
    name = name if name.startswith("minigrad-") else f"minigrad-{name}"
    if name not in PROFILES:
        raise pytest.UsageError(
            f"{ENVIRONMENT_VARIABLE} must be one of {', '.join(PROFILES)}, got {name!r}"
        )
    if config.getoption("--hypothesis-seed", default=None) is not None:
        # Hypothesis does not look at the seed while examples are derandomised.
        profile = settings.get_profile(name)
        name = f"{name}-seeded"
        settings.register_profile(name, profile, derandomize=False)
    settings.load_profile(name)


@pytest.fixture(scope="session", autouse=True)
def minigrad_kernels() -> None:
    """Compile every kernel, or load it from disk, so that no test pays for it."""
    previous = set_compile_notice(None)
    try:
        warmup()
    finally:
        set_compile_notice(previous)


@pytest.fixture(autouse=True)
def minigrad_seed() -> int:
    """Start the default generator, and NumPy's global one, anew for each test."""
    np.random.seed(SEED)  # noqa: NPY002 - for code under test that uses the global stream
    manual_seed(SEED)
    return SEED
