"""Whether operations are recorded, and who is told: one switch per thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

__all__ = [
    "Observer",
    "enable_grad",
    "is_grad_enabled",
    "is_recomputing",
    "no_grad",
    "set_grad_enabled",
    "state",
]

Observer: TypeAlias = Callable[[Any, Any, tuple[Any, ...], dict[str, Any], Any], None]
"""Called with an op, its node or None, its inputs and hyperparameters, and the resulting Tensor."""

P = ParamSpec("P")
T = TypeVar("T")


class _State(threading.local):
    """What each thread has of its own."""

    recording: bool = True
    recomputing: bool = False
    """A checkpointed function is being run for the second time."""
    observers: tuple[Observer, ...] = ()
    """What is told of every op on Tensors: checkpoints, and anomaly mode."""
    anomaly: Any = None
    """What is told of every gradient rule, or None; see `minigrad.anomaly`."""


state = _State()


class _Block:
    """Record ops, or do not, inside a ``with`` block or a decorated function."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(state.recording)
        state.recording = self.mode

    def __exit__(self, *exception: object) -> None:
        state.recording = self._previous.pop()

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` as it runs inside this block; each call has a block of its own."""
        mode = self.mode

        @functools.wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> T:
            with _Block(mode):
                return function(*args, **kwargs)

        return decorated


class set_grad_enabled(_Block):  # noqa: N801 - PyTorch's name
    """Record ops, or do not: from here on, inside a ``with`` block, or a decorated function.

    Parameters
    ----------
    mode : bool
        Whether ops on Tensors that require a gradient are recorded. Per thread. As in PyTorch,
        it holds from the call on; the end of a block, or decorating, restores what was before.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.set_grad_enabled(False)
    >>> mg.is_grad_enabled()
    False
    >>> _ = mg.set_grad_enabled(True)
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._before: bool | None = state.recording  # until a block has taken it over
        state.recording = self.mode

    def __enter__(self) -> None:
        if self._before is not None:
            state.recording, self._before = self._before, None
        super().__enter__()

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` as it runs with this mode, which holds nowhere else."""
        if self._before is not None:
            state.recording, self._before = self._before, None
        return super().__call__(function)


class no_grad(_Block):  # noqa: N801 - PyTorch's name
    """Record nothing inside the block: results do not require a gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.ones(2, requires_grad=True)
    >>> with mg.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Block):  # noqa: N801 - PyTorch's name
    """Record inside the block, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


def is_grad_enabled() -> bool:
    """Whether this thread records ops at present."""
    return state.recording


def is_recomputing() -> bool:
    """Whether a checkpointed function is being run for the second time, for its gradient.

    What a layer counts or averages over batches it must leave alone then; see
    `minigrad.checkpoint`.
    """
    return state.recomputing
