"""The pytest plugin, in a project of a user: opt-in, and what it promises."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import minigrad
from minigrad.testing.pytest_plugin import PROFILES, SEED

ROOT = Path(minigrad.__file__).parents[1]

CONFTEST = 'pytest_plugins = ["minigrad.testing.pytest_plugin"]\n'


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return an empty project, in an environment that says nothing about profiles."""
    for name in ("CI", "MINIGRAD_PROFILE", "HYPOTHESIS_PROFILE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # pytester gives programs another home, where no kernel is kept: point them to those of this.
    folder = minigrad.info()["cache_folder"]
    if folder is not None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(Path(folder).parents[1]))
    return pytester


def passes(project: pytest.Pytester, *arguments: str, count: int = 1) -> pytest.RunResult:
    result = project.runpytest_subprocess("-q", *arguments)
    result.assert_outcomes(passed=count)
    return result


SHOW_PROFILE = """
    from hypothesis import settings

    def test_profile():
        profile = settings()
        print(f"profile: {profile.max_examples} {profile.derandomize} {profile.deadline}")
"""


def profile_of(project: pytest.Pytester, *arguments: str) -> str:
    project.makepyfile(SHOW_PROFILE)
    result = passes(project, "-s", *arguments)
    (line,) = (line for line in result.outlines if line.startswith("profile: "))
    return line.removeprefix("profile: ")


# ------------------------------------------------------------------------------ opt-in


def test_it_is_not_loaded_by_itself(project: pytest.Pytester) -> None:
    """Nor by importing what it belongs to."""
    project.makepyfile(
        """
        import sys

        import minigrad
        import minigrad.testing
        import minigrad.testing.strategies
        from hypothesis import settings

        def test_nothing_is_changed(request):
            assert "minigrad.testing.pytest_plugin" not in sys.modules
            assert settings().deadline is not None
            assert "minigrad_seed" not in request.fixturenames
        """
    )
    passes(project)


def test_no_entry_point_loads_it() -> None:
    names = [entry.value for entry in entry_points(group="pytest11")]
    assert not [name for name in names if name.startswith("minigrad")]
    assert "pytest11" not in (ROOT / "pyproject.toml").read_text("utf-8")


def test_it_says_what_it_needs() -> None:
    program = "import sys; sys.modules['hypothesis'] = None; import minigrad.testing.pytest_plugin"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "needs hypothesis, which is not installed; pip install" in result.stderr


# ------------------------------------------------------------------------------ profiles


def test_profiles_are_the_documented_ones() -> None:
    assert {name: tuple(profile) for name, profile in PROFILES.items()} == {
        "minigrad-dev": (20, True),
        "minigrad-ci": (100, True),
        "minigrad-nightly": (1000, False),
    }


@pytest.mark.parametrize(
    ("environment", "arguments", "profile"),
    [
        ({}, [], "20 True None"),
        ({"CI": "true"}, [], "100 True None"),
        ({"CI": "true", "MINIGRAD_PROFILE": "minigrad-nightly"}, [], "1000 False None"),
        ({"MINIGRAD_PROFILE": "nightly"}, ["--minigrad-profile=ci"], "100 True None"),
        ({"CI": "true"}, ["--hypothesis-profile=minigrad-dev"], "20 True None"),
        ({"CI": "true", "MINIGRAD_PROFILE": "dev"}, ["--hypothesis-seed=0"], "20 False None"),
    ],
)
def test_profile_is_chosen(
    project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    arguments: list[str],
    profile: str,
) -> None:
    project.makeconftest(CONFTEST)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert profile_of(project, *arguments) == profile


@pytest.mark.parametrize("profile", ["dev", "nightly"])
def test_examples_are_those_of_the_seed(project: pytest.Pytester, profile: str) -> None:
    """Not those of a derandomised profile, nor failures that were found with another seed."""
    project.makeconftest(
        CONFTEST
        + """
import minigrad.testing.pytest_plugin as plugin

plugin.warmup = list  # no kernel is needed
"""
    )
    project.makepyfile(
        """
        from hypothesis import given, strategies as st

        drawn = []

        @given(st.integers())
        def test_drawn(n):
            drawn.append(n)
            assert abs(n) < 1000

        def test_print():
            print(f"\\ndrawn: {drawn}")
        """
    )

    def drawn(seed: int) -> str:
        options = (f"--minigrad-profile={profile}", f"--hypothesis-seed={seed}")
        output = project.runpytest_subprocess("-s", *options).outlines
        (line,) = (line for line in output if line.startswith("drawn: "))
        return line

    first = drawn(1)
    assert drawn(2) != first
    assert drawn(1) == first


def test_unknown_profile_is_refused(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makeconftest(CONFTEST)
    monkeypatch.setenv("MINIGRAD_PROFILE", "slow")
    result = project.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*MINIGRAD_PROFILE must be one of minigrad-dev, *'minigrad-slow'"])


# ------------------------------------------------------------------------------ kernels, seeds


def test_kernels_are_warm_once_and_quietly(project: pytest.Pytester) -> None:
    """A stand-in for the compiler speaks up as that does."""
    project.makeconftest(
        CONFTEST
        + """
import minigrad.testing.pytest_plugin as plugin
from minigrad.kernels import notice

calls = []

def warmup():
    calls.append(notice.compiling("a folder"))

plugin.warmup = warmup
"""
    )
    project.makepyfile(
        """
        from conftest import calls

        def test_one():
            assert len(calls) == 1

        def test_two():
            assert len(calls) == 1
        """
    )
    result = passes(project, "-s", count=2)
    assert "compiling" not in result.stderr.str() + result.stdout.str()


def test_kernels_are_warm_and_streams_start_anew(project: pytest.Pytester) -> None:
    project.makeconftest(CONFTEST)
    project.makepyfile(
        f"""
        import numpy as np
        import pytest
        from hypothesis import given, strategies as st

        import minigrad as mg
        from minigrad.nn import functional as F

        SEEN = []

        def test_kernels_are_warm():
            assert mg.warmup() == []

        @pytest.mark.parametrize("run", range(3))
        def test_streams(run, minigrad_seed):
            assert minigrad_seed == mg.default_generator.initial_seed() == {SEED}
            SEEN.append((mg.rand(3).tolist(), np.random.rand()))
            assert SEEN == SEEN[:1] * len(SEEN)

        DRAWN = set()

        @given(st.integers(0, 1000))
        def test_every_example_starts_the_same(n):
            DRAWN.add(tuple(F.dropout(mg.ones(20), 0.5).tolist()))
            assert len(DRAWN) == 1

        def test_hypothesis_puts_the_stream_back(minigrad_seed):
            first = mg.rand(3).tolist()

            @given(st.integers())
            def draws(n):
                mg.rand(5)

            draws()
            after = mg.rand(3).tolist()
            mg.manual_seed(minigrad_seed)
            assert [mg.rand(3).tolist(), mg.rand(3).tolist()] == [first, after]
        """
    )
    passes(project, count=6)


def test_a_failing_random_test_is_reproduced(project: pytest.Pytester) -> None:
    """Hypothesis runs a failure again to shrink it: it must fail again, not be called flaky."""
    project.makeconftest(CONFTEST)
    project.makepyfile(
        """
        from hypothesis import given, strategies as st

        import minigrad as mg

        @given(st.integers(0, 10))
        def test_random(n):
            draws = mg.rand(8)
            assert float(draws.sum()) * n < 0.9
        """
    )
    result = project.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "Flaky" not in text
    assert "n=1" in text
