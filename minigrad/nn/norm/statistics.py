"""Statistics of channels, and those of a union from those of its parts. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from minigrad.arguments import check_items
from minigrad.errors import DTypeError, ShapeError
from minigrad.typing import Array

__all__ = ["ChannelStatistics", "merge_statistics"]


class ChannelStatistics(NamedTuple):
    """How many values each channel has, their mean and their biased variance."""

    n: Any
    """Values of a channel: a number, or shape (C,) if channels differ; weights need not be whole.
    """
    mean: Any
    """Shape (C,). Where ``n`` is 0 it says nothing."""
    var: Any
    """Shape (C,), in squared units of the values: the mean square of the deviations from the
    mean, divided by ``n``. Where ``n`` is 0 it says nothing."""

    @property
    def m2(self) -> Any:
        """The sum of the squared deviations: ``n * var``."""
        return np.multiply(self.n, self.var)

    @classmethod
    def from_m2(cls, n: Any, mean: Any, m2: Any) -> ChannelStatistics:
        """Return statistics from the sum of the squared deviations; 0 where ``n`` is 0."""
        return cls(n, mean, np.divide(m2, np.where(np.equal(n, 0), 1, n)))

    @property
    def unbiased_var(self) -> Any:
        """The variance divided by ``n - 1``: an estimate of the population's, for ``n > 1``."""
        return self.var * (self.n / np.subtract(self.n, 1.0))


def merge_statistics(parts: Iterable[tuple[Any, Any, Any]]) -> ChannelStatistics:
    """Return the statistics of all values from those of disjoint parts.

    Parameters
    ----------
    parts : iterable of ChannelStatistics, or of tuples (n, mean, var)
        At least one. ``mean`` and ``var`` have shape (C,), the variance biased (divided by n);
        ``n`` is a number or has shape (C,). Parts may differ in size and be empty: with ``n`` 0,
        mean and variance are not looked at.

    Returns
    -------
    ChannelStatistics
        ``n`` a number if all are, else shape (C,); ``mean`` and ``var`` float64, NaN for a
        channel that has no values at all.

    Raises
    ------
    ShapeError
        If there are no parts, a part is not a triple, or shapes do not agree.
    DTypeError
        If an entry does not consist of real numbers.
    ValueError
        If ``n`` or a variance is negative, or ``n`` is not finite.

    Notes
    -----
    With d the distances of the parts' means from one of them and D their average, weighted by n::

        mean = start + D,    var = sum(n * (var + (d - D)**2)) / sum(n)

    which is formula (2.1) of Chan, Golub & LeVeque for any number of parts at once. Nothing
    cancels where means are large: only their distances are squared. Merging is associative, up to
    rounding; one part that has values comes back bit for bit. NaN and infinity propagate.

    References
    ----------
    .. [1] Chan, Golub & LeVeque, 1983, "Algorithms for Computing the Sample Variance: Analysis
       and Recommendations", The American Statistician 37(3).

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.nn import merge_statistics
    >>> n, mean, var = merge_statistics([(2, [1.0], [1.0]), (1, [4.0], [0.0])])  # 0, 2 and 4
    >>> n, float(mean[0]), round(float(var[0]), 4)
    (3, 2.0, 2.6667)
    """
    checked = [_checked(part) for part in check_items("merge_statistics", "parts", parts)]
    if not checked:
        raise ShapeError("merge_statistics: parts must hold at least one triple, got none")
    channels = checked[0].mean.shape
    for part in checked:
        if part.mean.shape != channels or part.n.shape not in ((), channels):
            raise ShapeError(
                f"merge_statistics: every mean must have shape {channels}, as the first, and n be "
                f"a number or of that shape; got {part.mean.shape}, and n of shape {part.n.shape}"
            )
    counts = np.stack([np.broadcast_to(part.n, channels) for part in checked])  # (K, C)
    total = sum((part.n for part in checked), np.zeros((), counts.dtype))
    present = counts > 0
    means = np.where(present, np.stack([part.mean for part in checked]), 0.0)
    variances = np.where(present, np.stack([part.var for part in checked]), 0.0)
    # Distances from one of the means, so that equal means are met exactly.
    first = np.argmax(present, axis=0)
    start = np.take_along_axis(means, first[None], axis=0)[0]
    start = np.where(np.isfinite(start), start, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        weights = counts / total  # of each part: no product of n and a variance overflows
        distances = np.where(present, means - start, 0.0)
        centre = np.sum(weights * distances, axis=0)
        squares = np.square(np.where(present, distances - centre, 0.0))
        mean = start + centre
        var = np.sum(weights * (variances + squares), axis=0)
    nothing = ~present.any(axis=0)
    mean[nothing] = var[nothing] = np.nan
    return ChannelStatistics(total if total.ndim else total.item(), mean, var)


def _checked(part: Any) -> ChannelStatistics:
    """Return one part as arrays: n integer or float64, mean and var float64 of one shape."""
    triple = check_items("merge_statistics", "each of parts", part)
    if len(triple) != 3:
        raise ShapeError(
            f"merge_statistics: each of parts must be a triple (n, mean, var), got {len(triple)} "
            "entries"
        )
    n, mean, var = (
        _numbers(name, value) for name, value in zip(("n", "mean", "var"), triple, strict=True)
    )
    if mean.ndim != 1 or mean.shape != var.shape:
        raise ShapeError(
            "merge_statistics: mean and var must have the same shape (C,), got "
            f"{mean.shape} and {var.shape}"
        )
    if not (np.isfinite(n).all() and (n >= 0).all()):
        raise ValueError(f"merge_statistics: n must be finite and >= 0, got {triple[0]!r}")
    if (var < 0.0).any():
        raise ValueError(
            f"merge_statistics: a variance is >= 0, got {var[var < 0.0][0]!r} "
            f"among those of shape {var.shape}"
        )
    return ChannelStatistics(n, mean, var)


def _numbers(name: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError):
        raise DTypeError(
            f"merge_statistics: {name} must be real numbers, got {value!r} "
            f"({getattr(value, 'dtype', type(value).__name__)})"
        ) from None
    return array if name == "n" and array.dtype.kind in "iu" else array.astype(np.float64)
