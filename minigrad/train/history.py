"""What a training run measured, epoch by epoch."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["EpochRecord", "History"]

EpochRecord: TypeAlias = dict[str, float]
"""``epoch`` (from 1), ``loss``, each metric, the same of the validation set under
``validation_<name>``, ``lr`` (of the first group, at the end of the epoch), ``samples`` and
``seconds`` (of training alone)."""


class History(list[EpochRecord]):
    """The records of all epochs, in order.

    Examples
    --------
    >>> from minigrad.train import History
    >>> history = History([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}])
    >>> history.column("loss")
    [2.0, 1.5]
    """

    def column(self, name: str) -> list[float]:
        """Return one measurement of every epoch.

        Raises
        ------
        KeyError
            If an epoch has none of that name; the message lists those it has.
        """
        for record in self:
            if name not in record:
                raise KeyError(f"the history has no {name!r}, only {', '.join(record)}")
        return [record[name] for record in self]
