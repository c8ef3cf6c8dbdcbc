"""Measuring two implementations side by side.

Each is first checked against a reference, then run until it is warm. After that come rounds: in
each, every side is timed once, in an order that alternates, so that a disturbance of the machine
meets all of them. The ratio of two sides is taken in each round, and the median and the quartiles
of these ratios are reported: on a shared machine ratios of one run mean something, times do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench import peers
from bench.records import Row
from bench.targets import Target
from bench.traffic import make_copies
from minigrad.typing import Array

__all__ = [
    "Comparison",
    "Settings",
    "ValidationError",
    "measure",
    "quartiles",
    "sample",
    "validate",
]

OURS = "minigrad"
_PEER = "peer"
_FEWEST_ROUNDS = 5
_FEW_CALLS = 3
_FEW_SECONDS = 0.5


@dataclass(frozen=True)
class Settings:
    """How long to measure.

    Attributes
    ----------
    rounds : int
        How often each side is timed.
    seconds : float
        Shortest duration of one timing: fast functions are called often enough to reach it.
    warm_up : int
        Calls of each side before the first timing.
    threads : int
        Of both sides.
    row_seconds : float
        Once a row has taken so long, rounds end: after the fifth at the earliest.
    """

    rounds: int = 31
    seconds: float = 0.005
    warm_up: int = 5
    threads: int = 1
    row_seconds: float = 5.0


@dataclass(frozen=True)
class Comparison:
    """What is measured in one row.

    Attributes
    ----------
    case : str
    ours : callable
        Called without arguments; returns the result: an array or a sequence of arrays.
    peer : callable or None
        The same of the peer.
    reference : callable or None
        Returns what both must return. None: nothing to compare, as for a copy.
    others : mapping of str to callable
        Further implementations, timed by a few calls before the rounds: for those that take many
        times as long.
    tolerance : float
        Largest difference to the reference, relative to the largest absolute value of each array.
    least_bytes : int or None
        Bytes that must be read and written at the least.
    footprint : int or None
        Bytes of memory that are touched, for the copy that is measured beside.
    gap : float
        Seconds of idleness before each timing, so that one side's threads are asleep when the
        other is timed.
    peer_name : str
        Default: PyTorch, or that it is not installed.
    target : Target or None
        What the row should show.
    facts : mapping of str to object
        What ``case`` says, by name.
    """

    case: str
    ours: Callable[[], Any]
    peer: Callable[[], Any] | None = None
    reference: Callable[[], Any] | None = None
    others: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    tolerance: float = 0.0
    least_bytes: int | None = None
    footprint: int | None = None
    gap: float = 0.0
    peer_name: str = ""
    target: Target | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class ValidationError(AssertionError):
    """An implementation does not compute what it should: its time would mean nothing."""


def measure(benchmark: str, comparison: Comparison, settings: Settings) -> Row:
    """Validate, warm up and time one comparison.

    Raises
    ------
    ValidationError
        If a side's result is not the reference's.
    """
    sides = {OURS: comparison.ours}
    if comparison.peer is not None:
        sides[_PEER] = comparison.peer
    errors: dict[str, float] = {}
    if comparison.reference is not None:
        expected = comparison.reference()
        for name, side in sides.items():
            where = f"{comparison.case}, {name}"
            errors[name] = validate(where, side(), expected, comparison.tolerance)
    extra = {name: _fewest_seconds(other) for name, other in comparison.others.items()}
    copies = make_copies(comparison.footprint, settings.threads) if comparison.footprint else {}
    times = sample(sides | copies, settings, comparison.gap)
    row = Row(
        benchmark,
        comparison.case,
        "s",
        float(np.median(times[OURS])),
        peer_name=comparison.peer_name or peers.description(),
        least_bytes=comparison.least_bytes,
        footprint=comparison.footprint,
        error=errors.get(OURS),
        peer_error=errors.get(_PEER),
        target=comparison.target,
        extra=extra,
        facts=dict(comparison.facts),
    )
    if _PEER in times:
        ratios = times[OURS] / times[_PEER]
        row.peer = float(np.median(times[_PEER]))
        row.ratio_low, row.ratio, row.ratio_high = quartiles(ratios)
    if comparison.least_bytes is not None:
        row.bytes_per_second = comparison.least_bytes / row.ours
    if comparison.footprint is not None:
        fastest = min(float(np.median(times[name])) for name in copies)
        row.copy_bytes_per_second = comparison.footprint / fastest
    return row


def sample(
    sides: Mapping[str, Callable[[], Any]], settings: Settings, gap: float = 0.0
) -> dict[str, Array]:
    """Return the seconds that one call of each side took, in each round.

    Parameters
    ----------
    sides : mapping of str to callable
    settings : Settings
    gap : float
        Seconds of idleness before each timing.

    Returns
    -------
    dict of str to ndarray, shape (rounds,)
        Fewer rounds if they take longer than ``settings.row_seconds``.
    """
    calls = {}
    for name, side in sides.items():
        time.sleep(gap)
        for _ in range(settings.warm_up):
            side()
        calls[name] = _calls_for(side, settings.seconds)
    times: dict[str, list[float]] = {name: [] for name in sides}
    start = time.perf_counter()
    for number in range(settings.rounds):
        if number >= _FEWEST_ROUNDS and time.perf_counter() - start > settings.row_seconds:
            break
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            time.sleep(gap)
            times[name].append(_seconds_of(sides[name], calls[name]) / calls[name])
    return {name: np.array(values) for name, values in times.items()}


def quartiles(ratios: Array) -> tuple[float, float, float]:
    """Return the first quartile, the median and the third quartile."""
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def _calls_for(side: Callable[[], Any], seconds: float) -> int:
    """Return how many calls take ``seconds``, at least 1."""
    calls = 1
    while (elapsed := _seconds_of(side, calls)) < seconds:
        calls = max(2 * calls, int(calls * seconds / max(elapsed, 1e-9)))
    return calls


def _fewest_seconds(side: Callable[[], Any]) -> float:
    """Return the shortest of a few calls; of one if that takes long."""
    shortest = _seconds_of(side, 1)
    if shortest < _FEW_SECONDS:
        shortest = min(shortest, *(_seconds_of(side, 1) for _ in range(_FEW_CALLS - 1)))
    return shortest


def _seconds_of(side: Callable[[], Any], calls: int) -> float:
    repeated = range(calls)
    start = time.perf_counter()
    for _ in repeated:
        side()
    return time.perf_counter() - start


def validate(name: str, result: Any, expected: Any, tolerance: float) -> float:
    """Raise unless every array of ``result`` is that of ``expected``, within the tolerance.

    Parameters
    ----------
    name : str
        For the message.
    result, expected : array, or sequence of arrays
        Anything that ``numpy.asarray`` takes.
    tolerance : float
        Relative to the largest absolute value of each array of ``expected``.

    Returns
    -------
    float
        The largest error, likewise relative.

    Raises
    ------
    ValidationError
        If a number of arrays, a shape or a value differs.
    """
    got, want = _arrays(result), _arrays(expected)
    if len(got) != len(want):
        raise ValidationError(f"{name}: expected {len(want)} arrays, got {len(got)}")
    worst = 0.0
    for number, (array, reference) in enumerate(zip(got, want, strict=True)):
        if array.shape != reference.shape:
            raise ValidationError(
                f"{name}: array {number} must have shape {reference.shape}, got {array.shape}"
            )
        wide = np.result_type(reference.dtype, np.float64)
        error = float(np.max(np.abs(array.astype(wide) - reference), initial=0.0))
        size = float(np.max(np.abs(reference), initial=0.0))
        if not error <= tolerance * size:
            raise ValidationError(
                f"{name}: array {number} differs from the reference by {error:.3g}, more than "
                f"{tolerance * size:.3g}"
            )
        worst = max(worst, error / size if size else 0.0)
    return worst


def _arrays(result: Any) -> list[Array]:
    values: Iterable[Any] = result if isinstance(result, (tuple, list)) else [result]
    return [_array(value) for value in values]


def _array(value: Any) -> Array:
    """Return the values of an array, or of a Tensor of either library."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)
