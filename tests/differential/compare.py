"""One call of both libraries, and what must agree: structure, dtype, shape, values, gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import unbroadcast
from minigrad.testing.strategies import layouts
from minigrad.typing import Array

TOLERANCES = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 2e-5}
"""Relative to the largest value: sums in another order, functions that are rounded otherwise."""


class Call(NamedTuple):
    """Arguments of a function: arrays become Tensors, and floating ones get a gradient."""

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = {}


class Fixed(NamedTuple):
    """An array that gets no gradient: PyTorch has none, or it is a constant by definition."""

    array: Array


class Result(NamedTuple):
    """What one library made of a call, as arrays; None where there is no gradient."""

    outputs: list[Any]
    gradients: list[Array | None]


def run_ours(function: Callable[..., Any], call: Call, upstream: int | None) -> Result:
    """Call ``function`` with minigrad's Tensors; ``upstream`` is the seed of the gradients."""
    leaves: list[mg.Tensor] = []

    def leaf(value: Array | Fixed) -> mg.Tensor:
        if isinstance(value, Fixed):
            return mg.Tensor(value.array)
        tensor = mg.Tensor(value, requires_grad=value.dtype.kind == "f" and upstream is not None)
        leaves.append(tensor)
        return tensor

    outputs = _outputs(function(*_mapped(call.arguments, leaf), **_mapped(call.keywords, leaf)))
    recorded = [t for t in outputs if isinstance(t, mg.Tensor) and t.requires_grad]
    if recorded:
        mg.backward(recorded, [mg.Tensor(dy) for dy in _upstream(outputs, upstream)])
    gradients = [None if t.grad is None else np.asarray(t.grad) for t in leaves]
    return Result([_plain(value) for value in outputs], gradients)


def run_theirs(
    torch: Any, function: Callable[..., Any], call: Call, upstream: int | None
) -> Result:
    """Call ``function`` with PyTorch's Tensors."""
    leaves: list[Any] = []

    def leaf(value: Array | Fixed) -> Any:
        if isinstance(value, Fixed):
            return torch.tensor(value.array)
        tensor = torch.tensor(np.ascontiguousarray(value).reshape(value.shape))
        tensor.requires_grad_(value.dtype.kind == "f" and upstream is not None)
        leaves.append(tensor)
        return tensor

    outputs = _outputs(function(*_mapped(call.arguments, leaf), **_mapped(call.keywords, leaf)))
    recorded = [t for t in outputs if isinstance(t, torch.Tensor) and t.requires_grad]
    if recorded:
        torch.autograd.backward(recorded, [torch.tensor(dy) for dy in _upstream(outputs, upstream)])
    gradients = [None if t.grad is None else t.grad.numpy() for t in leaves]
    return Result([_plain(value) for value in outputs], gradients)


def _mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return ``value`` with its arrays replaced."""
    if isinstance(value, (np.ndarray, Fixed)):
        return leaf(value)
    if type(value) in (tuple, list):
        return type(value)(_mapped(item, leaf) for item in value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, leaf) for name, item in value.items()}
    return value


def _outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _plain(value: Any) -> Any:
    """Return a Tensor of either library as an array, a dtype of either as NumPy's."""
    if hasattr(value, "detach"):
        return np.asarray(value.detach())
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return np.dtype(str(value).removeprefix("torch."))
    return value


def _upstream(outputs: Sequence[Any], seed: int | None) -> list[Array]:
    """Return gradients of the recorded outputs: others may be recorded in the other library.

    Each is a stream of its own, and none is that of inputs drawn from the same seed: a gradient
    that is parallel to an input would cancel where other gradients do not.
    """
    return [
        np.asarray(
            np.random.default_rng([0 if seed is None else seed, place]).standard_normal(
                tuple(t.shape)
            ),
            dtype=str(t.dtype).removeprefix("torch."),
        )
        for place, t in enumerate(outputs, 1)
        if getattr(t, "requires_grad", False)
    ]


def cast(call: Call, dtype: Any) -> Call:
    """Return ``call`` with its floating arrays in ``dtype``."""

    def convert(entry: Array | Fixed) -> Any:
        if isinstance(entry, Fixed):
            return Fixed(convert(entry.array))
        return entry.astype(dtype) if entry.dtype.kind == "f" else entry

    return Call(*_mapped(tuple(call), convert))


def relaid(draw: st.DrawFn, call: Call) -> Call:
    """Return ``call`` with its arrays in memory of other orders and steps."""
    return Call(*_mapped(tuple(call), lambda x: x if isinstance(x, Fixed) else draw(layouts(x))))


def terms_of_gradients(
    torch: Any, function: Callable[..., Any], call: Call, upstream: int, theirs: Result
) -> list[float]:
    """Return, for each gradient, the largest sum of the magnitudes of what it adds up.

    The gradient of an input that was broadcast is a sum, which may nearly cancel: then rounding is
    to be measured by its terms. They are what each element gets when the inputs are expanded
    beforehand. Where that is not the same function, or nothing was broadcast, 0.
    """
    arrays = [value for value in call.arguments if isinstance(value, np.ndarray)]
    nothing = [0.0] * len(theirs.gradients)
    shapes = {array.shape for array in arrays}
    floating = all(array.dtype.kind == "f" for array in arrays)
    if not floating or len(arrays) != len(theirs.gradients) or len(shapes) < 2:
        return nothing
    try:
        shape = np.broadcast_shapes(*shapes)
        expanded = Call(
            tuple(
                np.broadcast_to(value, shape).copy() if isinstance(value, np.ndarray) else value
                for value in call.arguments
            ),
            call.keywords,
        )
        full = run_theirs(torch, function, expanded, upstream)
    except (ValueError, RuntimeError):
        return nothing
    if not all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(full.outputs, theirs.outputs, strict=True)
        if isinstance(b, np.ndarray)
    ):
        return nothing
    sizes = []
    for array, gradient in zip(arrays, full.gradients, strict=True):
        size = 0.0
        if gradient is not None:
            total = unbroadcast(np.abs(gradient), array.shape)
            size = float(np.max(total, initial=0.0, where=np.isfinite(total)))
        sizes.append(size)
    return sizes


def assert_agree(
    ours: Result, theirs: Result, tolerance: float | None = None, terms: Sequence[float] = ()
) -> None:
    """Assert that structure, dtypes, shapes, values and gradients agree.

    ``terms``: of `terms_of_gradients`.
    """
    assert len(ours.outputs) == len(theirs.outputs), "the number of results differs"
    for i, (a, b) in enumerate(zip(ours.outputs, theirs.outputs, strict=True)):
        assert_same(a, b, tolerance, f"result {i}")
    for i, (da, db) in enumerate(zip(ours.gradients, theirs.gradients, strict=True)):
        size = terms[i] if terms else 0.0
        assert_same(_or_zero(da, db), _or_zero(db, da), tolerance, f"gradient {i}", size)


def _or_zero(gradient: Array | None, other: Array | None) -> Array | None:
    """Return zeros for an absent gradient: nothing flows, which both say in either way."""
    return np.zeros_like(other) if gradient is None and other is not None else gradient


def assert_same(
    a: Any, b: Any, tolerance: float | None, what: str, least_size: float = 0.0
) -> None:
    """Assert that two results agree: relative to the largest of ``b``, special values exactly.

    ``least_size``: what ``b`` is taken to be at least, as it is a sum of such terms.
    """
    if not isinstance(b, np.ndarray):
        assert a == b or (a != a and b != b), f"{what}: {a!r} in minigrad, {b!r} in PyTorch"
        return
    assert isinstance(a, np.ndarray), f"{what} is {type(a).__name__} in minigrad"
    assert a.dtype == b.dtype, f"{what}: dtype {a.dtype} in minigrad, {b.dtype} in PyTorch"
    assert a.shape == b.shape, f"{what}: shape {a.shape} in minigrad, {b.shape} in PyTorch"
    if b.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    bound = TOLERANCES[b.dtype] if tolerance is None else tolerance
    finite = np.abs(b[np.isfinite(b)])
    atol = bound * float(np.max(finite, initial=least_size))
    np.testing.assert_allclose(a, b, rtol=bound, atol=atol, err_msg=what)
