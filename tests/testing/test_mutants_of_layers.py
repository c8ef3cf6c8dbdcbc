"""The tests of BatchNorm's layers kill every mutant of what they do around the kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.testing.mutants import SEMANTICS, Mutant
from tests.nn import test_batch_norm_freezing as freezing
from tests.nn import test_batch_norm_masks as masks
from tests.nn import test_batch_norm_options as options


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def check_masks() -> None:
    for mode in ("train", "eval"):
        masks.test_masked_is_compacted((5, 3, 4), mode, np.float64, generator())


def check_weights() -> None:
    masks.test_weighted_statistics_against_numpy(generator())
    masks.test_weights_that_count_repetitions(np.float64, generator())


def check_nonfinite() -> None:
    for value in (np.nan, np.inf):
        options.test_nonfinite_batches_are_skipped_as_a_whole(value, 0.3, None, generator())
    options.test_what_overflows_in_the_dtype_of_the_running_statistics("skip")


def check_recompute() -> None:
    layer = nn.BatchNorm1d(3, momentum=0.5)
    x = mg.randn(4, 3, requires_grad=True)
    mg.checkpoint(layer, x).backward(mg.ones(4, 3))
    assert layer.running_mean is not None
    np.testing.assert_allclose(layer.running_mean.array, 0.5 * x.array.mean(0), rtol=1e-5)


def check_frozen() -> None:
    freezing.test_frozen_is_evaluation_in_any_mode(True)
    freezing.test_frozen_parameters_get_back_what_they_had([True, False])
    freezing.test_extra_state_only_where_there_is_something_to_say()


CHECKS: dict[str, Callable[[], Any]] = {
    "mask": check_masks,
    "weights": check_weights,
    "nonfinite": check_nonfinite,
    "recompute": check_recompute,
    "frozen": check_frozen,
    "detached": lambda: options.test_detached_statistics_are_constants_of_the_gradient(generator()),
}


@pytest.mark.parametrize("mutant", SEMANTICS, ids=lambda mutant: mutant.name)
def test_mutant_of_layers_is_killed(mutant: Mutant, record_property: Any) -> None:
    record_property("mutant", mutant.name)
    check = CHECKS[mutant.part]
    check()
    with mutant.applied():
        killed = False
        try:
            check()
        except AssertionError:  # another error would be a mistake of the mutant's own
            killed = True
    record_property("killed by", ["tests of layers"] if killed else [])
    assert killed, mutant.what
