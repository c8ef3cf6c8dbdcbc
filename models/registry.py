"""Nets by name, so that a file can say which one it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from minigrad.errors import FormatError
from minigrad.models.mlp import MLP
from minigrad.nn import Module

__all__ = ["MODELS", "Architecture", "build"]

MODELS: dict[str, Callable[..., Module]] = {"mlp": MLP}
"""What builds the net of each name."""


class Architecture(TypedDict):
    """How to build a net, as plain values."""

    name: str
    """A key of `MODELS`."""
    arguments: dict[str, Any]
    """Keyword arguments."""


def build(architecture: Any) -> Module:
    """Build a net from its description.

    Parameters
    ----------
    architecture : Architecture
        Perhaps from a file.

    Returns
    -------
    Module
        With fresh parameters, drawn from the default generator.

    Raises
    ------
    FormatError
        If it is no such description, or of a net that is unknown here.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.models.build({"name": "mlp", "arguments": {"sizes": [2, 3]}})
    >>> net(mg.zeros(1, 2)).shape
    (1, 3)
    """
    try:
        name, arguments = architecture["name"], dict(architecture["arguments"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"expected an architecture, with a name and arguments, got {architecture!r}"
        ) from error
    if name not in MODELS:
        raise FormatError(f"unknown model {name!r}; known: {', '.join(sorted(MODELS))}")
    try:
        return MODELS[name](**arguments)
    except (TypeError, ValueError) as error:
        raise FormatError(f"model {name!r} cannot be built from {arguments!r}: {error}") from error
