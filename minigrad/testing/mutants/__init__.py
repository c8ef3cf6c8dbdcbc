"""Wrong versions of minigrad's code, to find out what a test would let pass.

`BATCH_NORM` has mutants of BatchNorm, each also as an implementation for checks of your own;
`SEMANTICS` those of its layers: masks, weights, policies, frozen layers;
`OPS` those of other ops and of the engine, `OPTIMIZERS` of update rules, `HIGHER_ORDER` of
derivatives above the first. `survivors` runs a check on all of a list.

To add one, write a function beside its like and decorate it with what is wrong. That is all: the
tests that every mutant must fail find it in the list.
"""

from minigrad.testing.mutants import arrangement, functions, matrices, ops
from minigrad.testing.mutants.batch_norm_forward import FORWARD
from minigrad.testing.mutants.batch_norm_gradients import GRADIENTS
from minigrad.testing.mutants.batch_norm_running import EVALUATION, RUNNING
from minigrad.testing.mutants.batch_norm_semantics import SEMANTICS
from minigrad.testing.mutants.higher_order import HIGHER_ORDER
from minigrad.testing.mutants.mutant import BatchNormMutant, Mutant, Patch, survivors
from minigrad.testing.mutants.optimizers import OPTIMIZERS
from minigrad.testing.mutants.rules import OPS, scaled_gradient

__all__ = [
    "ALL",
    "BATCH_NORM",
    "HIGHER_ORDER",
    "OPS",
    "OPTIMIZERS",
    "SEMANTICS",
    "BatchNormMutant",
    "Mutant",
    "Patch",
    "arrangement",
    "functions",
    "matrices",
    "ops",
    "scaled_gradient",
    "survivors",
]

BATCH_NORM: list[BatchNormMutant] = [*GRADIENTS, *FORWARD, *EVALUATION, *RUNNING]
"""Mutants of the BatchNorm kernels: gradients, forwards and running statistics."""

ALL: list[Mutant] = [*BATCH_NORM, *SEMANTICS, *HIGHER_ORDER, *OPS, *OPTIMIZERS]
"""All mutants."""
