"""Freezing: a layer that normalises as in evaluation, whatever the mode of its net is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from minigrad.nn.module import Module
from minigrad.nn.state_dict import StateDictError
from minigrad.tensor import Tensor

__all__ = ["Freezable"]


class Freezable(Module):
    """Base of the layers that have running statistics to hold still.

    The state_dict has what `freeze` was asked for, and how many batches were skipped, in its
    extra state: a dictionary with those of the keys ``frozen`` (True), ``learned`` (which
    parameters were, before they were frozen, too) and ``num_batches_skipped`` (above 0) that
    there is something to say about.
    """

    running_mean: Tensor | None
    num_batches_skipped: int = 0

    _spread: ClassVar[str] = "running_var"
    """Name of the buffer that is the running measure of the spread."""

    _frozen: bool = False
    _learned: Mapping[str, bool] | None = None
    """Which parameters required a gradient before `freeze` took it from them."""

    @property
    def frozen(self) -> bool:
        """Whether the layer normalises by its running statistics and never updates them."""
        return self._frozen

    def freeze(self, parameters: bool = False) -> Self:
        """Normalise by the running statistics and leave them as they are, also in training.

        Parameters
        ----------
        parameters : bool
            Do not learn weight and bias either.

        Returns
        -------
        BatchNorm
            This layer.

        Raises
        ------
        ValueError
            If it has no running statistics.
        TypeError
            If ``parameters`` is neither True nor False.

        Notes
        -----
        It holds until `unfreeze`, whatever ``train()`` and ``eval()`` do; copies are frozen, too,
        and so is a layer that loads the state_dict of a frozen one. To freeze again adds the
        parameters if they are asked for, and takes nothing back.

        Examples
        --------
        >>> import minigrad as mg
        >>> layer = mg.nn.BatchNorm1d(3)
        >>> _ = layer(mg.randn(8, 3))
        >>> layer.freeze(parameters=True).train()
        BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, \
track_running_stats=True, frozen=True)
        """
        if not isinstance(parameters, bool):
            raise TypeError(f"freeze: parameters must be True or False, got {parameters!r}")
        self._check_can_freeze("freeze")
        self._frozen = True
        if parameters and self._learned is None:
            self._learned = {name: p.requires_grad for name, p in self._own_parameters().items()}
            for parameter in self._own_parameters().values():
                parameter.requires_grad = False
        return self

    def unfreeze(self) -> Self:
        """Take `freeze` back; parameters are learned again if they were before.

        Returns
        -------
        BatchNorm
            This layer.
        """
        self._frozen = False
        learned, self._learned = self._learned or {}, None
        for name, parameter in self._own_parameters().items():
            parameter.requires_grad = learned.get(name, parameter.requires_grad)
        return self

    def _own_parameters(self) -> dict[str, Any]:
        return dict(self.named_parameters(recurse=False))

    def _check_can_freeze(self, method: str) -> None:
        if self.running_mean is None or getattr(self, self._spread) is None:
            name = type(self).__name__
            raise ValueError(
                f"{name}.{method}: the layer has no running statistics to normalise by, got None; "
                "make it with track_running_stats=True, and train it or load some"
            )

    # -------------------------------------------------------------------------- state

    def get_extra_state(self) -> dict[str, Any] | None:
        """Return what is frozen and how many batches were skipped; None: nothing of both."""
        state: dict[str, Any] = {}
        if self._frozen:
            state["frozen"] = True
        if self._learned is not None:
            state["learned"] = dict(self._learned)
        if self.num_batches_skipped:
            state["num_batches_skipped"] = self.num_batches_skipped
        return state or None

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned.

        Parameters
        ----------
        state : dict or None

        Raises
        ------
        StateDictError
            If it is something else.
        ValueError
            If it is of a frozen layer, and this one has no running statistics.
        """
        name = type(self).__name__
        state = {} if state is None else state
        if not isinstance(state, Mapping) or not state.keys() <= _READERS.keys():
            raise StateDictError(
                f"{name}: expected an extra state with the keys {sorted(_READERS)}, got {state!r}"
            )
        for key, is_right in _READERS.items():
            if key in state and not is_right(state[key]):
                raise StateDictError(f"{name}: {key} of an extra state cannot be {state[key]!r}")
        frozen, learned = state.get("frozen", False), state.get("learned")
        if frozen:
            self._check_can_freeze("set_extra_state")
        self.unfreeze()
        self.num_batches_skipped = state.get("num_batches_skipped", 0)
        if frozen:
            self.freeze(parameters=learned is not None)
            self._learned = None if learned is None else dict(learned)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_flag, value.values()))


_READERS = {"frozen": _is_flag, "learned": _is_table, "num_batches_skipped": _is_count}
"""What the extra state may hold, and which values are right."""
