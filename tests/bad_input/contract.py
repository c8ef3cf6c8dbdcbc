"""What must hold after a call with a spoiled argument."""

from __future__ import annotations

import linecache
import re
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.grad_mode import state
from minigrad.nn import Module
from minigrad.optim import Optimizer
from tests.bad_input.corruptions import Corruption

NUMPYS_INDEX_ERRORS = re.compile(
    r"index -?\d+ is out of bounds for axis \d+ with size \d+"
    r"|too many indices for array: array is \d+-dimensional, but \d+ were indexed"
    r"|boolean index did not match indexed array along axis \d+; size of axis is \d+"
)
"""What NumPy says of a wrong index; it says what was expected and what was received."""

__all__ = ["complaint", "state_of"]

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / folder) for folder in ("minigrad", "kernels", "models"))


def complaint(call: Callable[[], Any], corruption: Corruption, arguments: Any) -> str | None:
    """Make the call; return how it breaks the contract, or None.

    Parameters
    ----------
    call : callable
        The function with its arguments, one of them spoiled.
    corruption : Corruption
    arguments : tuple
        What the call is given, all of it and what it belongs to: nothing may change by an error.
    """
    before = state_of(arguments), modes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if corruption.extreme:  # numpy.errstate decides; see docs/architecture.md
            warnings.filterwarnings("ignore", category=RuntimeWarning)
        try:
            call()
        except Exception as error:
            found = _about_error(error, corruption, arguments)
        else:
            if corruption.nonsense:
                return "took what no function may take"
            return None if modes() == before[1] else "left a mode changed"
    if found is None and (state_of(arguments), modes()) != before:
        return "an error left something changed"
    return found


def modes() -> tuple[Any, ...]:
    """Return what this thread records and watches."""
    return state.recording, state.recomputing, state.observers, state.anomaly


def _about_error(error: Exception, corruption: Corruption, arguments: Any) -> str | None:
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, (MinigradError, TypeError, ValueError, LookupError, AttributeError)):
        return f"raised {text}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    numpys = isinstance(error, IndexError) and NUMPYS_INDEX_ERRORS.match(str(error))
    on_purpose = frame.filename.startswith(OURS) and line.startswith("raise ")
    if numpys:
        return None
    if not on_purpose:
        return f"raised {text!r} not on purpose, in {Path(frame.filename).name}: {line}"
    # Where two arguments do not fit together, a message may name the shape of the other one.
    received = _descriptions(corruption.value) | _shapes([*arguments[0], *arguments[1]])
    if corruption.value is None:
        received |= ABSENT
    if not any(_names(text, str(error)) for text in received):
        return f"does not say what it received: {text!r}"
    return None


ABSENT = {
    "int64",
    "needed",
    "needs",
    "give",
    "say along which",
    "got none",
    "got neither",
    "got 0 and 0",
}
"""How messages say that an argument is not there; int64 is what a dtype is then."""


def _names(received: str, message: str) -> bool:
    """Whether a message has a text that is not part of a longer word or number."""
    pattern = rf"(?<![\w.]){re.escape(received)}(?![\w])"
    return bool(received) and re.search(pattern, message) is not None


def _descriptions(value: Any, depth: int = 0) -> set[str]:
    """Return texts of which a message names at least one."""
    texts = {type(value).__name__}
    if isinstance(value, (mg.Tensor, np.ndarray)):
        array = np.asarray(value)
        texts |= _shapes(value) | {f"{array.ndim} axes", f"rank {array.ndim}"}
        texts |= {f"{array.size} elements", "no elements"} if array.size == 0 else set()
        if array.size and array.dtype.kind in "iufb":
            texts |= {repr(array.reshape(-1)[0].item()), str(array.reshape(-1)[0]), repr(value)}
    elif isinstance(value, (tuple, list)):
        texts |= {str(value), str(tuple(value)), str(list(value)), f"got {len(value)}"}
        texts |= {"regular"} if depth == 0 else set()
        texts |= {"got none"} if not value else set()
        for item in value if depth < 2 else ():
            texts |= _descriptions(item, depth + 1)
    elif isinstance(value, type):
        texts |= {value.__name__, repr(value)}
    else:
        texts |= {repr(value), str(value)}
        if isinstance(value, bool):
            texts.add(str(int(value)))
        elif isinstance(value, (int, float)):
            texts |= {"()", "int64" if isinstance(value, int) else "float32"}  # as arrays
        elif isinstance(value, str):
            texts.add(f"got {len(value)}")  # taken for a sequence
        else:
            texts.add("()")  # taken for an array of rank 0
    return texts


def _shapes(value: Any) -> set[str]:
    """Return the shapes and dtypes of arrays, also of those in sequences."""
    if isinstance(value, (mg.Tensor, np.ndarray)):
        lengths = [f"length {n}" for n in value.shape] + [f"{n}, the length" for n in value.shape]
        return {str(value.shape), str(value.dtype), f"{value.ndim} axes", *lengths}
    if isinstance(value, (tuple, list)):
        return set().union(*map(_shapes, value))
    return set()


def state_of(value: Any, depth: int = 0) -> Any:
    """Return everything that a failed call could have changed, in a form that compares."""
    if isinstance(value, mg.Tensor):
        grad = None if value.grad is None else state_of(value.grad)
        array = value.array
        content = array.tolist() if array.dtype.kind == "O" else array.tobytes()
        history = value.requires_grad, value.node is None, value.counter[0]
        return (array.shape, array.dtype, content, history, hooks_of(value), grad)
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype, str(value.tolist()))
    if isinstance(value, mg.Generator):
        return repr(value.numpy.bit_generator.state)
    if isinstance(value, Module):
        own = [(name, state_of(t)) for name, t in value.state_dict().items()]
        return own, [state_of(p) for p in value.parameters()], value.training, hooks_of(value)
    if isinstance(value, Optimizer):
        return [state_of(dict(group), depth + 1) for group in value.param_groups], [
            state_of(dict(s), depth + 1) for s in value.state.values()
        ]
    if isinstance(value, Mapping) and depth < 4:
        return [(str(key), state_of(item, depth + 1)) for key, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str) and depth < 4:
        return [state_of(item, depth + 1) for item in value]
    return repr(value) if isinstance(value, (bool, int, float, str, type(None))) else None


def hooks_of(value: mg.Tensor | Module) -> list[str]:
    """Return the tables of the hooks of a leaf or a module that have any."""
    hooks = getattr(value, "_hooks", None)
    tables = ("before", "after", "always", "backward_before", "backward")
    return [f"{name}: {sorted(table)}" for name in tables if (table := getattr(hooks, name, None))]
