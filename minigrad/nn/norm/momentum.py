"""Momentum as this library means it, from the other convention."""

from __future__ import annotations

from minigrad.arguments import check_number

__all__ = ["momentum_from_decay"]


def momentum_from_decay(decay: float) -> float:
    """Return the momentum of this library for the weight of the **old** value.

    Parameters
    ----------
    decay : float, 0 to 1
        What Keras and Flax call momentum.

    Returns
    -------
    float
        ``1 - decay``.

    Raises
    ------
    ValueError
        If ``decay`` is not between 0 and 1.
    """
    check_number("momentum_from_decay", "decay", decay)
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"momentum_from_decay: decay must be between 0 and 1, got {decay!r}")
    return 1.0 - decay
