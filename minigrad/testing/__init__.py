"""Tools for testing ops and models."""

from minigrad.testing.arrays import relaid, spread_values
from minigrad.testing.check import CheckOpError, CheckReport, PropertyResult, check_op
from minigrad.testing.complex_step import NotAnalyticError
from minigrad.testing.gradcheck import ValueMismatchError, gradcheck
from minigrad.testing.higher_order import gradgradcheck
from minigrad.testing.opcase import FLOAT32_TOLERANCE, FLOAT64_TOLERANCE, BadInput, OpCase
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
    "CheckOpError",
    "CheckReport",
    "Comparison",
    "GradcheckError",
    "GradcheckReport",
    "NonSmoothError",
    "NonSmoothPoint",
    "NotAnalyticError",
    "OpCase",
    "PropertyResult",
    "ValueMismatchError",
    "check_op",
    "gradcheck",
    "gradgradcheck",
    "relaid",
    "spread_values",
]
