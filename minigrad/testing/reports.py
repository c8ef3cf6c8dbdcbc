"""What a gradient check reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigrad.errors import MinigradError

__all__ = [
    "Comparison",
    "GradcheckError",
    "GradcheckReport",
    "NonSmoothError",
    "NonSmoothPoint",
]

_SHOWN = 10  # lines of one kind that a report prints
_ALIKE = 3  # derivatives that are off by the same factor are no accident
_CLEARLY = 10.0  # times what is allowed

_REMEDY = """\
Where a function has a kink, a jump or the edge of its domain, its gradient is a convention that
differences cannot check. Move the inputs away from such points, by more than the step (for
random inputs: minigrad.testing.spread_values(..., kinks=...)), or leave these derivatives out
with nonsmooth="skip" and test the convention by its value."""


class GradcheckError(MinigradError, AssertionError):
    """A gradient is not what it was compared with.

    Attributes
    ----------
    report : GradcheckReport
    """

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(str(report))
        self.report = report


class NonSmoothError(MinigradError, AssertionError):
    """The function is not smooth at the inputs: there is no derivative to compare with.

    Attributes
    ----------
    report : GradcheckReport
        No derivative of it is wrong.
    """

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(str(report))
        self.report = report


def _where(position: int, index: tuple[int, ...] | None, projection: int | None) -> str:
    place = f"projection {projection}" if index is None else f"index {index}"
    return f"input {position}, {place}"


@dataclass(frozen=True)
class Comparison:
    """One derivative, twice.

    Attributes
    ----------
    input : int
        Position of the input in ``inputs``.
    index : tuple of int or None
        The element; None if ``projection`` says along which random direction the derivative is.
    projection : int or None
    analytic, numeric : float
        What backward says, and what it is compared with.
    allowed : float
        The largest difference that passes.
    """

    input: int
    index: tuple[int, ...] | None
    projection: int | None
    analytic: float
    numeric: float
    allowed: float

    @property
    def difference(self) -> float:
        """``analytic - numeric``."""
        return self.analytic - self.numeric

    @property
    def ulp(self) -> float:
        """The difference in units in the last place of the larger value."""
        largest = max(abs(self.analytic), abs(self.numeric))
        return abs(self.difference) / float(np.spacing(largest))

    @property
    def agrees(self) -> bool:
        """Whether the difference is allowed; that to a NaN is not."""
        return abs(self.difference) <= self.allowed

    def __str__(self) -> str:
        return (
            f"{_where(self.input, self.index, self.projection)}: "
            f"analytic {self.analytic:.10g}, numeric {self.numeric:.10g}, "
            f"difference {self.difference:.3g} ({self.ulp:.2g} ulp; allowed {self.allowed:.2g})"
        )


@dataclass(frozen=True)
class NonSmoothPoint:
    """A derivative that does not exist: the function has a kink or a jump inside the step.

    Attributes
    ----------
    input, index, projection
        As in `Comparison`.
    analytic : float
        What backward says.
    left, right : float
        Slopes on either side. They differ by the height of a kink; across a jump they are huge
        (its height over the step); beyond the domain they are NaN. They may also agree where the
        kink is inside the step, but beside the point.
    step : float
    """

    input: int
    index: tuple[int, ...] | None
    projection: int | None
    analytic: float
    left: float
    right: float
    step: float

    def __str__(self) -> str:
        return (
            f"{_where(self.input, self.index, self.projection)}: "
            f"slope {self.left:.10g} on the left, {self.right:.10g} on the right "
            f"(within {2.0 * self.step:.2g}), analytic {self.analytic:.10g}"
        )


@dataclass(frozen=True)
class GradcheckReport:
    """What a gradient check found; true if nothing is wrong.

    Attributes
    ----------
    checked : int
        Derivatives that were compared.
    mismatches : tuple of Comparison
        The wrong ones, in the order of the inputs.
    nonsmooth : tuple of NonSmoothPoint
        Where there was no derivative to compare with.
    largest : Comparison or None
        Of those that agree, the one with the largest part of the difference that is allowed.
    source : str
        What the gradient was compared with.
    skips_nonsmooth : bool
        Whether points that are not smooth were to be left out.
    """

    checked: int
    mismatches: tuple[Comparison, ...]
    nonsmooth: tuple[NonSmoothPoint, ...] = ()
    largest: Comparison | None = None
    source: str = "finite differences"
    skips_nonsmooth: bool = False

    def __bool__(self) -> bool:
        if self.nonsmooth and not (self.skips_nonsmooth and self.checked):
            return False
        return not self.mismatches

    def __str__(self) -> str:
        lines = []
        if self.mismatches:
            lines.append(f"{len(self.mismatches)} of {self.checked} derivatives are wrong:")
            lines += _factors(self.mismatches)
            lines += _listed(self.mismatches)
        if self.nonsmooth:
            done = "were skipped" if self.skips_nonsmooth else "could not be checked"
            count = f"{len(self.nonsmooth)} of {self.checked + len(self.nonsmooth)} derivatives"
            lines.append(f"{count} {done}: the function is not smooth at")
            lines += _listed(self.nonsmooth)
            if not self:
                lines.append(_REMEDY)
        if not self.mismatches and (self.checked or not self.nonsmooth):
            lines.append(f"{self.checked} derivatives agree with {self.source}")
            if self.largest is not None:
                lines.append(f"  largest error: {self.largest}")
        return "\n".join(lines)

    def raise_if_wrong(self) -> None:
        """Raise `GradcheckError` or `NonSmoothError` unless all is right."""
        __tracebackhide__ = True  # pytest: a failure is the report
        if self.mismatches:
            raise GradcheckError(self)
        if not self:
            raise NonSmoothError(self)


def _factors(entries: tuple[Comparison, ...]) -> list[str]:
    """Return a line for each input all of whose wrong derivatives are off by one factor."""
    lines = []
    for position in sorted({entry.input for entry in entries}):
        own = [entry for entry in entries if entry.input == position]
        square = sum(entry.numeric * entry.numeric for entry in own)
        if len(own) < _ALIKE or square == 0.0:
            continue
        factor = sum(entry.analytic * entry.numeric for entry in own) / square
        # Clearly wrong, and clearly by this factor; with a NaN nothing is.
        wrong = max(abs(entry.difference) / (entry.allowed or 1.0) for entry in own)
        explained = all(abs(e.analytic - factor * e.numeric) <= e.allowed for e in own)
        if explained and wrong >= _CLEARLY:
            lines.append(
                f"  those of input {position} are all {round(factor, 6) + 0.0:g} times what they "
                "should be"
            )
    return lines


def _listed(entries: tuple[Comparison, ...] | tuple[NonSmoothPoint, ...]) -> list[str]:
    lines = [f"  {entry}" for entry in entries[:_SHOWN]]
    if len(entries) > _SHOWN:
        lines.append(f"  and {len(entries) - _SHOWN} more")
    return lines
