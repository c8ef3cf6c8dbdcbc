"""Anomaly mode: the first NaN or infinity raises, and says which op on which line made it."""

from __future__ import annotations

import linecache
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from minigrad.engine import Node, Op
from minigrad.errors import AutogradError
from minigrad.grad_mode import state
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]

_OURS = f"{Path(__file__).parent}{os.sep}"
"""The folder whose code is not the user's."""

_NAN, _INFINITY = "NaN", "infinity"
_TESTS: dict[str, Callable[[Any], Any]] = {_NAN: np.isnan, _INFINITY: np.isinf}


class _Origin(NamedTuple):
    """The line of the user's code that called an op."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        text = f'  File "{self.file}", line {self.line}, in {self.function}'
        return f"{text}\n    {source}" if source else text


_origins: WeakKeyDictionary[Node, _Origin] = WeakKeyDictionary()
"""Where each node was recorded, while the mode was on."""


class _Watch:
    """What anomaly mode is told by `minigrad.engine.apply` and the backward pass.

    Parameters
    ----------
    kinds : sequence of str
        What to look for: keys of ``_TESTS``.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = kinds
        self.current: Node | None = None  # whose gradient rule is running

    def enter(self, node: Node | None) -> Node | None:
        """Say whose gradient rule runs from here on, and return whose it was before."""
        before, self.current = self.current, node
        return before

    def __call__(
        self, op: type[Op], node: Node | None, inputs: Any, kwargs: dict[str, Any], y: Tensor
    ) -> None:
        """Check the result of an op on Tensors."""
        inside = self.current
        if node is not None:
            origin = _caller() if inside is None else _origins.get(inside)
            if origin is not None:
                _origins[node] = origin
        for kind in self.kinds:
            if _count(y.array, kind):
                source = _source(kind, [*inputs, *kwargs.values()])
                if kind == _INFINITY and source:
                    continue
                what = f"{op.__name__} gave {_described(y.array, kind)}{_from(source)}"
                if inside is None:
                    raise _error(what, _caller(), "Called here")
                raise _error(
                    f"in the gradient of {inside.op.__name__}, {what}", _origins.get(inside)
                )

    def run_rule(
        self,
        rule: Callable[[Node, Any, bool], Sequence[Any]],
        node: Node,
        dy: Any,
        create_graph: bool,
    ) -> Sequence[Any]:
        """Run a gradient rule, and check what it returns."""
        before = self.enter(node)
        try:
            results = rule(node, dy, create_graph)
        finally:
            self.enter(before)
        for index, gradient in enumerate(results):
            for kind in self.kinds:
                if gradient is None or not _count(_array(gradient), kind):
                    continue
                known = node.saved if isinstance(node.saved, list) else []
                source = _source(kind, [*known, *node.kwargs.values()])
                if _count(_array(dy), kind):
                    source = "the upstream gradient"
                if kind == _INFINITY and source:
                    continue
                raise _error(
                    f"the gradient of {node.op.__name__} with respect to its input {index} has "
                    f"{_described(_array(gradient), kind)}{_from(source)}",
                    _origins.get(node),
                )
        return results

    def check_total(self, edge: Node | Tensor, first: Any, second: Any, total: Any) -> None:
        """Check the sum of two gradients that meet."""
        for kind in self.kinds:
            if not _count(_array(total), kind) or _source(kind, [first, second]):
                continue
            is_node = isinstance(edge, Node)
            where = f"the result of {edge.op.__name__}" if isinstance(edge, Node) else "a leaf"
            raise _error(
                f"the sum of the gradients that reach {where} has "
                f"{_described(_array(total), kind)}; each of them has none",
                _origins.get(edge) if isinstance(edge, Node) else None,
                "The op was called here" if is_node else "",
            )


def _array(value: Any) -> Array:
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def _count(array: Array, kind: str) -> int:
    return int(np.count_nonzero(_TESTS[kind](array))) if array.dtype.kind == "f" else 0


def _source(kind: str, values: Iterable[Any]) -> str:
    """Return which of the values already has what was found; empty if none has."""
    for index, value in enumerate(values):
        if isinstance(value, float):
            found = math.isnan(value) if kind == _NAN else math.isinf(value)
        else:
            is_array = isinstance(value, (Tensor, np.ndarray, np.generic))
            found = is_array and bool(_count(_array(value), kind))
        if found:
            return f"input {index}"
    return ""


def _from(source: str) -> str:
    return f", which {source} already had" if source else ", which none of its inputs had"


def _described(array: Array, kind: str) -> str:
    found = np.argwhere(_TESTS[kind](array))
    first = tuple(found[0].tolist())
    return (
        f"{kind} in {len(found)} of {array.size} values (shape {array.shape}, {array.dtype}; the "
        f"first at index {first})"
    )


def _error(
    what: str, origin: _Origin | None, where: str = "The op was called here"
) -> AutogradError:
    if not where:
        return AutogradError(what)
    if origin is None:
        return AutogradError(
            f"{what}. Where it was called is not known: run the forward pass in anomaly mode, too"
        )
    return AutogradError(f"{what}. {where}:\n{origin}")


def _caller() -> _Origin:
    """Return the innermost line that is not minigrad's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return _Origin(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def _switch(watch: _Watch | None) -> None:
    others = tuple(observe for observe in state.observers if not isinstance(observe, _Watch))
    state.observers = others if watch is None else (watch, *others)
    state.anomaly = watch


class detect_anomaly:  # noqa: N801 - PyTorch's name
    """Raise at the first NaN or infinity that an op or a gradient rule makes, inside the block.

    Parameters
    ----------
    check_nan : bool
        Look for NaN.
    check_inf : bool
        Look for infinities.

    Raises
    ------
    AutogradError
        Inside the block, as soon as one appears. It names the op, how many values of which shape,
        and the line of the program that called the op: of the forward pass, also if it appears in
        backward.

    Notes
    -----
    Everything runs slower inside the block, nothing outside. Warnings of NumPy stay as they are.

    An infinity that an op was given, as a mask of minus infinities is, is not held against it. A
    NaN that it was given and hands on is an error that says which input had it. To learn the line
    of an op that fails in backward, run forward inside the block, too. Per thread.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 0.0], requires_grad=True)
    >>> with mg.detect_anomaly(), np.errstate(divide="ignore"):
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
        ...
    minigrad.errors.AutogradError: the gradient of Sqrt with respect to its input 0 has infinity in
    1 of 2 values (shape (2,), float32; the first at index (1,)), which none of its inputs had. ...
    """

    def __init__(self, check_nan: bool = True, check_inf: bool = True) -> None:
        self._watch: _Watch | None = _watch(check_nan, check_inf)
        self._before: list[_Watch | None] = []

    def __enter__(self) -> None:
        self._before.append(state.anomaly)
        _switch(self._watch)

    def __exit__(self, *exception: object) -> None:
        _switch(self._before.pop())


class set_detect_anomaly(detect_anomaly):  # noqa: N801 - PyTorch's name
    """Switch anomaly mode on or off: from here on, or for a ``with`` block.

    Parameters
    ----------
    mode : bool
        Whether to look for anomalies at all.
    check_nan, check_inf : bool
        As in `detect_anomaly`.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.set_detect_anomaly(True)
    >>> mg.is_anomaly_enabled()
    True
    >>> _ = mg.set_detect_anomaly(False)
    """

    def __init__(self, mode: bool, check_nan: bool = True, check_inf: bool = True) -> None:
        super().__init__(check_nan, check_inf)
        self._before = [state.anomaly]  # until the end of a block
        if not mode:
            self._watch = None
        _switch(self._watch)

    def __enter__(self) -> None:
        """Leave the mode as it was set."""


def _watch(check_nan: bool, check_inf: bool) -> _Watch:
    kinds = [kind for kind, wanted in ((_NAN, check_nan), (_INFINITY, check_inf)) if wanted]
    if not kinds:
        raise ValueError("anomaly mode: expected check_nan or check_inf, both are False")
    return _Watch(kinds)


def is_anomaly_enabled() -> bool:
    """Whether this thread looks for NaN and infinities at present."""
    return state.anomaly is not None
