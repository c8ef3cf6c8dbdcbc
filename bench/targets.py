"""What a row should show, in a form that can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.units import quantity

__all__ = ["Target", "at_least_of_copy", "ratio_at_most", "seconds_at_most", "ulps_at_most"]


@dataclass(frozen=True)
class Target:
    """A bound on a figure of a row.

    Attributes
    ----------
    figure : str
        ``ours``, our value itself; ``ratio``, to the peer's; ``fraction`` of the copy bandwidth
        that is reached; or the name of a further figure.
    limit : float
        In base units.
    bound : {"at most", "at least"}
    text : str
        For reports.
    """

    figure: str
    limit: float
    bound: Literal["at most", "at least"]
    text: str

    def met_by(self, value: float | None) -> bool | None:
        """Tell whether a figure keeps to the bound; None if there is no figure."""
        if value is None:
            return None
        return value <= self.limit if self.bound == "at most" else value >= self.limit


def ratio_at_most(limit: float) -> Target:
    """Return a bound on our value over the peer's."""
    return Target("ratio", limit, "at most", f"ratio at most {limit:.2f}")


def at_least_of_copy(limit: float) -> Target:
    """Return a bound on the least traffic over our time, as a fraction of the copy's bandwidth."""
    return Target("fraction", limit, "at least", f"at least {limit:.2f} of copy")


def seconds_at_most(limit: float, figure: str = "ours") -> Target:
    """Return a bound on our time, or on a further figure."""
    name = "" if figure == "ours" else f"{figure} "
    return Target(figure, limit, "at most", f"{name}at most {quantity(limit, 's')}")


def ulps_at_most(limit: float) -> Target:
    """Return a bound on our error in units in the last place."""
    return Target("ours", limit, "at most", f"at most {limit:g}")
