"""Tools for testing ops and models: gradients against finite differences.

`minigrad.testing.strategies` holds Hypothesis strategies and needs the extra ``test``; everything
else here needs NumPy alone.
"""

from minigrad.testing.gradcheck import (
    GradcheckError,
    GradcheckReport,
    Mismatch,
    gradcheck,
    gradgradcheck,
)

__all__ = ["GradcheckError", "GradcheckReport", "Mismatch", "gradcheck", "gradgradcheck"]
