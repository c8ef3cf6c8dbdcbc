"""Wrong layers on right kernels: what counts, what is stored, and what is frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.nn import batch_statistics
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.norm.freezing import Freezable
from minigrad.ops import weighted_batch_norm
from minigrad.testing.mutants.mutant import Mutant, Patch

__all__ = ["SEMANTICS"]

SEMANTICS: list[Mutant] = []
"""Of masks, weights, policies, frozen layers and recomputation."""


def _instead(
    part: str, owner: Any, function: str, name: str, what: str
) -> Callable[[Callable[..., Any]], None]:
    """Add the mutant that calls ``wrong(right, *arguments)`` in the place of a function."""
    right = getattr(owner, function)

    def add(wrong: Callable[..., Any]) -> None:
        def call(*arguments: Any, **keywords: Any) -> Any:
            return wrong(right, *arguments, **keywords)

        SEMANTICS.append(
            Mutant(f"{part}: {name}", what, part, lambda: [Patch(owner, function, call)])
        )

    return add


def _selected(part: str, name: str, what: str) -> Callable[[Callable[..., Any]], None]:
    """Add the mutant whose selection is what the function makes of the right one."""

    def add(change: Callable[..., Any]) -> None:
        @_instead(part, batch_statistics, "select", name, what)
        def _(right: Any, *arguments: Any) -> Any:
            selection = right(*arguments)
            return None if selection is None else change(selection)

    return add


@_selected("mask", "inverted", "True means that a value does not count")
def _(s: Any) -> Any:
    return s if s.mask is None else s._replace(mask=~s.mask, n=s.mask.size - s.n)


@_selected("mask", "dropped", "all values count")
def _(s: Any) -> Any:
    return s if s.mask is None else s._replace(mask=None, n=s.mask.size)


@_selected("mask", "n of all values", "Bessel's correction counts what is masked")
def _(s: Any) -> Any:
    return s if s.mask is None else s._replace(n=s.mask.size)


@_instead("mask", batch_statistics, "evaluate", "ignored in evaluation", "y is not zero there")
def _(right: Any, *arguments: Any) -> Any:
    return right(*arguments[:6])


@_selected("weights", "dropped", "all values count alike")
def _(s: Any) -> Any:
    return s._replace(weights=None)


@_selected("weights", "squared", "w^2 in the place of w")
def _(s: Any) -> Any:
    return s if s.weights is None else s._replace(weights=s.weights * s.weights)


@_instead(
    "weights", weighted_batch_norm, "_bessel", "n / (n - 1)", "n is the number of values, not n_eff"
)
def _(right: Any, w: Any) -> Any:
    return w.size / (w.size - 1.0)


@_instead(
    "weights", weighted_batch_norm, "_bessel", "W / (W - 1)", "n_eff is the sum of the weights"
)
def _(right: Any, w: Any) -> Any:
    return np.sum(w) / (np.sum(w) - 1.0)


@_instead("weights", weighted_batch_norm, "_bessel", "no correction", "the variance stays biased")
def _(right: Any, w: Any) -> Any:
    return 1.0


@_instead("nonfinite", batch_statistics, "_fits", "never found", "all statistics pass as finite")
def _(right: Any, statistic: Any, running: Any) -> Any:
    return np.ones(statistic.shape, dtype=np.bool_)


@_instead("nonfinite", batch_statistics, "_fits", "NaN alone", "infinity passes")
def _(right: Any, statistic: Any, running: Any) -> Any:
    return ~np.isnan(statistic)


@_instead("nonfinite", batch_statistics, "commit", "channel by channel", "finite ones are stored")
def _(right: Any, name: Any, mean: Any, var: Any, batch: Any, **options: Any) -> Any:
    fine = np.isfinite(batch.mean + batch.var)
    if options["nonfinite"] != "skip" or fine.all():
        return right(name, mean, var, batch, **options)
    kept = mean.array.copy(), var.array.copy()
    right(name, mean, var, batch, **options | {"nonfinite": "propagate"})
    for tensor, old in zip((mean, var), kept, strict=True):
        tensor.array[~fine] = old[~fine]
    return "skipped"


@_instead("nonfinite", batch_statistics, "commit", "counted", "a batch that is left out counts")
def _(right: Any, *arguments: Any, **options: Any) -> Any:
    outcome = right(*arguments, **options)
    return "stored" if outcome == "skipped" else outcome


@_instead("nonfinite", batch_statistics, "commit", "uncounted", "batches left out are not counted")
def _(right: Any, *arguments: Any, **options: Any) -> Any:
    outcome = right(*arguments, **options)
    return "nothing" if outcome == "skipped" else outcome


@_instead("recompute", batch_statistics, "is_recomputing", "committed again", "each run is a batch")
def _(right: Any) -> bool:
    return False


@_instead(
    "frozen", BatchNorm, "_normalises_by_batch", "thaws in training", "train() is all that counts"
)
def _(right: Any, layer: Any, *arguments: Any, **options: Any) -> Any:
    frozen, layer._frozen = layer._frozen, False
    try:
        return right(layer, *arguments, **options)
    finally:
        layer._frozen = frozen


@_instead("frozen", Freezable, "freeze", "parameters are learned", "freeze(True) is freeze()")
def _(right: Any, layer: Any, parameters: bool = False) -> Any:
    return right(layer)


@_instead("frozen", Freezable, "unfreeze", "parameters stay frozen", "only the statistics thaw")
def _(right: Any, layer: Any) -> Any:
    layer._learned = None
    return right(layer)


@_instead("frozen", Freezable, "get_extra_state", "not saved", "the state_dict says nothing of it")
def _(right: Any, layer: Any) -> Any:
    return None


@_instead("detached", batch_statistics, "normalise", "not at all", "the statistics depend on x")
def _(right: Any, *arguments: Any) -> Any:
    return right(*arguments[:5])
