"""Tools for testing ops and models, yours as well as those of this library.

- `check_op`: every promise of an op in one call.
- `gradcheck`, `gradgradcheck`: gradients of any order against differences or complex steps.
- `check_identities`: what holds of every BatchNorm, for any implementation of it.
- `batch_norm_ulps`: how many units in the last place an implementation is off.
- `minigrad.testing.mutants`: wrong implementations, which a test should not let pass.
- `minigrad.testing.strategies`: Hypothesis strategies for arrays, layers and networks.
- `minigrad.testing.pytest_plugin`: an opt-in pytest plugin.

The last two need the extra ``test``; everything else here needs NumPy alone.
"""

from minigrad.testing.accuracy import BatchNormUlps, batch_norm_ulps
from minigrad.testing.arrays import relaid, spread_values
from minigrad.testing.check import CheckOpError, CheckReport, PropertyResult, check_case, check_op
from minigrad.testing.complex_step import NotAnalyticError
from minigrad.testing.examples import BatchNormExample, batch_norm_example
from minigrad.testing.gradcheck import ValueMismatchError, gradcheck
from minigrad.testing.higher_order import gradgradcheck
from minigrad.testing.identities import IdentityError, IdentityReport, check_identities
from minigrad.testing.implementations import BatchNormImplementation
from minigrad.testing.opcase import (
    FLOAT32_TOLERANCE,
    FLOAT64_TOLERANCE,
    BadInput,
    OpCase,
    ops_without_case,
)
from minigrad.testing.reports import (
    Comparison,
    GradcheckError,
    GradcheckReport,
    NonSmoothError,
    NonSmoothPoint,
)

__all__ = [
    "FLOAT32_TOLERANCE",
    "FLOAT64_TOLERANCE",
    "BadInput",
    "BatchNormExample",
    "BatchNormImplementation",
    "BatchNormUlps",
    "CheckOpError",
    "CheckReport",
    "Comparison",
    "GradcheckError",
    "GradcheckReport",
    "IdentityError",
    "IdentityReport",
    "NonSmoothError",
    "NonSmoothPoint",
    "NotAnalyticError",
    "OpCase",
    "PropertyResult",
    "ValueMismatchError",
    "batch_norm_example",
    "batch_norm_ulps",
    "check_case",
    "check_identities",
    "check_op",
    "gradcheck",
    "gradgradcheck",
    "ops_without_case",
    "relaid",
    "spread_values",
]
