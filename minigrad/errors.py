"""The exceptions that minigrad raises.

Each one derives from the built-in exception that a NumPy or PyTorch user would expect, so
``except ValueError`` keeps working. Messages say what was expected, what was received and,
where it is not obvious, what to do.
"""

import numpy as np

__all__ = [
    "AutogradError",
    "CheckpointError",
    "DTypeError",
    "DeviceError",
    "FormatError",
    "LinAlgError",
    "MinigradError",
    "NonFiniteError",
    "ShapeError",
]


class MinigradError(Exception):
    """Base of every exception that minigrad raises on purpose."""


class ShapeError(MinigradError, ValueError):
    """A shape, axis or number of elements does not fit."""


class DTypeError(MinigradError, TypeError):
    """A dtype is not supported here, or dtypes do not agree."""


class DeviceError(MinigradError, RuntimeError):
    """A device is absent, or arrays live on different devices."""


class AutogradError(MinigradError, RuntimeError):
    """The graph cannot be recorded or differentiated as asked."""


class LinAlgError(MinigradError, np.linalg.LinAlgError):
    """A matrix is singular, not positive definite, or beyond what an iteration can do.

    It is also NumPy's error of this name, which is a ValueError.
    """


class NonFiniteError(MinigradError, FloatingPointError):
    """A result that must be finite is NaN or infinite."""


class FormatError(MinigradError, ValueError):
    """A file is not what its name or its caller says it is."""


class CheckpointError(FormatError):
    """A checkpoint or model file is foreign, truncated or of another version."""
