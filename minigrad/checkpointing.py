"""`checkpoint`: trade time for memory, by computing again what backward needs.

While a checkpointed function runs, ops are recorded but what they save is dropped; the graph keeps
a `_Dropped` in its place. The first gradient rule that asks for one makes the function run again,
and every rule is handed what the same op, counted in the order of recording, saved this time. So
whatever works without a checkpoint works with one: captured parameters, hooks, every order.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minigrad.arguments import check_callable
from minigrad.engine import Node, Op
from minigrad.errors import AutogradError
from minigrad.grad_mode import Observer, enable_grad, state
from minigrad.random import default_generator
from minigrad.tensor import Tensor
from minigrad.typing import Shape

__all__ = ["checkpoint"]


def checkpoint(
    function: Callable[..., Any],
    *inputs: Any,
    preserve_rng_state: bool = True,
    use_reentrant: bool = False,
    **kwargs: Any,
) -> Any:
    """Return ``function(*inputs, **kwargs)`` without keeping what its gradient needs.

    Parameters
    ----------
    function : callable
        Of Tensors and anything else; also a Module, or what captures parameters. It is called
        again, with the same arguments, when its gradient is computed, and must then do the same.
    *inputs
        Its arguments. They are kept.
    preserve_rng_state : bool
        Let the second run draw the same numbers from the default generator. Generators of your
        own that ``function`` draws from are not restored.
    use_reentrant : bool
        PyTorch's other way, which can do less; only False is accepted.
    **kwargs
        More arguments.

    Returns
    -------
    object
        What ``function`` returns.

    Raises
    ------
    AutogradError
        From backward: if an argument, or a Tensor that the function took from elsewhere, was
        changed in place since, or if the second run records other ops than the first.

    Notes
    -----
    The gradients are the same, bit for bit. Statistics of batch normalisation take each batch once:
    the second run leaves them alone, and so should what your own layers count, by asking
    `minigrad.is_recomputing`. What backward computes again is kept as long as it would have
    been without a checkpoint: until its gradient rule has run, or, with ``retain_graph=True``,
    as long as the graph.

    References
    ----------
    .. [1] Chen et al., 2016, arXiv:1604.06174.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([0.5, 1.0], requires_grad=True)
    >>> y = mg.checkpoint(lambda x: (x.sin() * x).tanh(), x)
    >>> y.sum().backward()
    >>> x.grad
    tensor([0.8674..., 0.7304...])
    """
    check_callable("checkpoint", "function", function)
    if use_reentrant:
        raise ValueError(
            f"checkpoint: use_reentrant must be False, got {use_reentrant!r}: there is no other "
            "way here"
        )
    if not state.recording:
        return function(*inputs, **kwargs)
    segment = _Segment(function, inputs, kwargs, preserve_rng_state)
    with _observed(segment.drop):
        result = function(*inputs, **kwargs)
    segment.close((*inputs, *kwargs.values()))
    return result


class _Arguments(Op):
    """No function: has saved the arguments of a checkpoint, for the one around it to drop."""


_Recorded: TypeAlias = tuple[type[Op], Shape, np.dtype[Any]]  # a node's op, shape and dtype


class _Version(NamedTuple):
    """The version that a Tensor had when it was first used."""

    counter: list[Any]
    version: int
    shape: Shape
    tensor: weakref.ref[Tensor]


@contextmanager
def _observed(observer: Observer) -> Iterator[None]:
    """Let ``observer`` see every op inside the block, instead of the checkpoint around this one."""
    before = state.observers
    state.observers = (*(other for other in before if not _is_segment(other)), observer)
    try:
        yield
    finally:
        state.observers = before


def _is_segment(observer: Any) -> bool:
    return isinstance(getattr(observer, "__self__", None), (_Segment, _SecondRun))


class _Segment:
    """What one call of `checkpoint` has to remember."""

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve_rng_state: bool,
    ) -> None:
        self.function = function
        self.random = default_generator.get_state() if preserve_rng_state else None
        self.recorded: list[_Recorded] = []
        self.outside: dict[int, _Version] = {}  # of what the function takes from elsewhere
        self.inside: dict[int, list[Any]] = {}  # counters of what it makes itself
        self.latest: Node | None = None
        self.is_open = True
        self.again: _SecondRun | None = None
        self.arguments = _arguments_node(inputs, kwargs)

    def drop(
        self, op: type[Op], node: Node | None, inputs: Any, kwargs: dict[str, Any], y: Tensor
    ) -> None:
        """Observe the first run: drop what the op before this one has saved.

        One op late, because an op in place copies what it is about to overwrite from the saved.
        """
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        if all(y.counter is not value.counter for value in tensors):  # not a view
            self.inside[id(y.counter)] = y.counter
        if node is not None:
            for value in tensors:
                self._remember(value)
            self._drop_latest()
            self.latest = node
            self.recorded.append((op, node.shape, node.dtype))

    def _remember(self, value: Tensor) -> None:
        """Note the version of a Tensor that was not made here, when it is first used."""
        counter = value.counter
        if id(counter) not in self.inside and id(counter) not in self.outside:
            version = _Version(counter, counter[0], value.shape, weakref.ref(value))
            self.outside[id(counter)] = version

    def _drop_latest(self) -> None:
        node, self.latest = self.latest, None
        if node is not None and (node.saved or node.extra):
            node.saved = _Dropped(self, node, len(self.recorded) - 1)
            node.extra = None

    def close(self, arguments: tuple[Any, ...]) -> None:
        """Drop what the last op has saved; the first run is over."""
        self._drop_latest()
        self.is_open = False
        for value in arguments:  # now, because running statistics are arguments that it changes
            if isinstance(value, Tensor):
                self._remember(value)
        self.inside.clear()
        # What is gone now was made by the function, though not by an op.
        for key in [key for key, seen in self.outside.items() if seen.tensor() is None]:
            del self.outside[key]

    def take(self, index: int) -> tuple[list[Any], tuple[Any, ...] | None]:
        """Return what op number ``index`` saves: computed at the first call, handed out once."""
        if self.again is None:
            self.again = self._run_again()
        return self.again.take(index)

    def _run_again(self) -> _SecondRun:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        for seen in self.outside.values():
            if seen.counter[0] != seen.version:
                raise AutogradError(
                    f"checkpoint: a Tensor of shape {seen.shape} that {name} used was changed in "
                    "place before its gradient was computed, so it cannot be run again; use the "
                    "out-of-place operator, or clone() before the change"
                )
        inputs, kwargs = self.arguments.saved or ((), {})
        run = _SecondRun()
        with enable_grad(), _observed(run.keep), _second_run(self.random):
            self.function(*inputs, **kwargs)
        run.close()
        run.check_same(name, self.recorded, complete=not self.is_open)
        return run


@contextmanager
def _second_run(random: dict[str, Any] | None) -> Iterator[None]:
    """Announce a second run, in which random numbers start from a state, if one is given."""
    recomputing, state.recomputing = state.recomputing, True
    anomaly, here = state.anomaly, default_generator.get_state()
    node = None if anomaly is None else anomaly.enter(None)  # no rule: the function's own lines
    if random is not None:
        default_generator.set_state(random)
    try:
        yield
    finally:
        state.recomputing = recomputing
        if anomaly is not None:
            anomaly.enter(node)
        if random is not None:
            default_generator.set_state(here)


def _arguments_node(inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
    """Keep the arguments in a node, which belongs to the checkpoint around this one if any."""
    node = Node(_Arguments, {}, [], [])
    node.shape, node.dtype = (), np.dtype(np.float64)
    node.saved = [inputs, kwargs]
    for observe in filter(_is_segment, state.observers):
        observe(_Arguments, node, (), {}, Tensor(0.0))
    return node


class _SecondRun:
    """What the ops of a checkpointed function save when it is run for its gradient."""

    def __init__(self) -> None:
        self.recorded: list[_Recorded] = []
        self.saved: list[Any] = []  # of each node: saved and extra; None once handed out
        self.latest: Node | None = None

    def keep(self, op: type[Op], node: Node | None, *_: Any) -> None:
        """Observe the second run: keep what each op saves, one op late, as `_Segment.drop`."""
        if node is not None:
            self.close()
            self.latest = node
            self.recorded.append((op, node.shape, node.dtype))
            self.saved.append((node.saved, node.extra))

    def close(self) -> None:
        """Take what an op in place has put in the place of what the latest op had saved."""
        node, self.latest = self.latest, None
        if node is not None:
            self.saved[-1] = (node.saved, node.extra)

    def check_same(self, name: str, before: list[_Recorded], *, complete: bool) -> None:
        """Raise if this run recorded other ops than the first, which may not be complete yet."""
        now = self.recorded if complete else self.recorded[: len(before)]
        for index, (was, found) in enumerate(itertools.zip_longest(before, now)):
            if was != found:
                raise AutogradError(
                    f"checkpoint: {name} did not do the same when it was run again for its "
                    f"gradient: op number {index} was {_described(was)} and is now "
                    f"{_described(found)}; what it computes must depend on its arguments alone"
                )

    def take(self, index: int) -> tuple[list[Any], tuple[Any, ...] | None]:
        """Hand out what op number ``index`` saved."""
        saved: tuple[list[Any], tuple[Any, ...] | None] = self.saved[index]
        self.saved[index] = None
        return saved


def _described(recorded: _Recorded | None) -> str:
    op, shape, dtype = recorded or (None, None, None)
    return "none" if op is None else f"{op.__name__}, {dtype}, of shape {shape}"


class _Dropped:
    """In the place of what a node has saved: computes it when it is iterated over."""

    def __init__(self, segment: _Segment, node: Node, index: int) -> None:
        self.segment = segment
        self.node = weakref.ref(node)
        self.index = index

    def __iter__(self) -> Iterator[Any]:
        node = self.node()
        assert node is not None  # noqa: S101 - it is the node that refers to this
        node.saved, node.extra = self.segment.take(self.index)
        return iter(node.saved)
