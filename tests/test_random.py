"""Seeded streams: reproducible, restorable, and of the right distribution."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minigrad import creation
from minigrad.errors import FormatError
from minigrad.random import Generator, default_generator, manual_seed


def test_the_same_seed_gives_the_same_stream() -> None:
    a, b = Generator(7), Generator(7)
    assert creation.rand(5, generator=a).tolist() == creation.rand(5, generator=b).tolist()
    assert (
        creation.rand(5, generator=a).tolist() != creation.rand(5, generator=Generator(8)).tolist()
    )


def test_manual_seed_restarts_the_default_stream() -> None:
    manual_seed(3)
    first = creation.randn(4).tolist()
    assert creation.randn(4).tolist() != first
    assert manual_seed(3) is default_generator
    assert creation.randn(4).tolist() == first
    assert default_generator.initial_seed() == 3


def test_a_fresh_seed_differs_every_time() -> None:
    assert Generator().initial_seed() != Generator().initial_seed()


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_bad_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match="non-negative integer"):
        Generator(seed)


def test_state_survives_json() -> None:
    generator = Generator(1)
    creation.rand(3, generator=generator)
    state = json.loads(json.dumps(generator.get_state()))
    expected = creation.randn(5, generator=generator).tolist()
    other = Generator(99)
    other.set_state(state)
    assert creation.randn(5, generator=other).tolist() == expected
    assert other.initial_seed() == 1


@pytest.mark.parametrize("state", [{}, {"seed": 1, "stream": {}}, None, {"seed": "x"}])
def test_a_bad_state_changes_nothing(state: Any) -> None:
    generator, twin = Generator(1), Generator(1)
    with pytest.raises(FormatError, match="expected the state of a minigrad"):
        generator.set_state(state)
    assert (
        creation.rand(2, generator=generator).tolist() == creation.rand(2, generator=twin).tolist()
    )


def test_distributions() -> None:
    generator = Generator(0)
    uniform = creation.rand(20_000, generator=generator).array
    assert uniform.dtype == np.float32
    assert 0.0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1.0
    assert abs(uniform.mean() - 0.5) < 0.01  # five standard errors
    normal = creation.randn(20_000, generator=generator).array
    assert abs(normal.mean()) < 0.04
    assert abs(normal.std() - 1.0) < 0.03
    integers = creation.randint(2, 5, (3000,), generator=generator).array
    assert sorted(set(integers.tolist())) == [2, 3, 4]
    assert creation.randint(3, size=(2, 2)).shape == (2, 2)
    assert sorted(creation.randperm(6, generator=generator).tolist()) == list(range(6))
