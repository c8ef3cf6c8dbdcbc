"""Nets, and how each is trained on the data that ship."""

if __name__ != "minigrad.models":
    # From the root of the source tree `import models` would load a second copy of every module
    # here, whose classes the rest of the package does not know.
    raise ImportError(
        f"this folder was imported as {__name__!r}, which makes a second copy of it: "
        "write `import minigrad.models` instead"
    )

from minigrad.models.mlp import MLP
from minigrad.models.registry import MODELS, Architecture, build

__all__ = ["MLP", "MODELS", "Architecture", "build"]
