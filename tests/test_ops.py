"""The battery that every op passes: each property of `minigrad.testing`, over all cases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from minigrad.testing import ops_without_case
from minigrad.testing.properties import PROPERTIES, Property
from minigrad.testing.properties.base import leaves, recorded_nodes
from minigrad.testing.strategies import seeds
from tests.cases import ALL_CASES, Case

SEED = 11


def over(wanted: Callable[[Property], bool]) -> pytest.MarkDecorator:
    """Parametrise by each case and each property that applies to it."""
    return pytest.mark.parametrize(
        ("case", "promise"),
        [
            pytest.param(case, promise, id=f"{case.id}-{promise.name}")
            for promise in PROPERTIES
            if wanted(promise)
            for case in ALL_CASES
            if not promise.not_applicable(case)
        ],
    )


@over(lambda promise: not promise.repeats)
def test_property(case: Case, promise: Property) -> None:
    promise.check(case, SEED)


@over(lambda promise: promise.repeats)
def test_property_of_any_inputs(case: Case, promise: Property) -> None:
    # A function of its own for each: the settings of one that is parametrised form a chain, on
    # which Hypothesis recurses, a link for every item.
    @given(seed=seeds())
    def holds(seed: int) -> None:
        promise.check(case, seed)

    holds()


def test_every_registered_op_has_a_case() -> None:
    assert ops_without_case("minigrad.ops", ALL_CASES) == []


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id) for case in ALL_CASES if case.op is not None]
)
def test_case_runs_its_op(case: Case) -> None:
    """The case is about the op that it names: it appears in what is recorded."""
    inputs = case.draw(SEED)
    assert recorded_nodes(case, case.call(leaves(inputs, case.wanted(inputs))))
