"""What an op is tried on, and what a property says of itself."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing.opcase import OpCase
from minigrad.testing.properties import PROPERTIES


def test_case_without_a_reference_expects_nothing() -> None:
    case = OpCase(None, mg.exp, lambda rng: (rng.normal(size=3),), None)
    with pytest.raises(ValueError, match="this case has no reference"):
        case.expected([np.ones(3)])


def test_property_is_shown_by_its_name() -> None:
    assert repr(PROPERTIES[0]) == f"Property({PROPERTIES[0].name!r})"
