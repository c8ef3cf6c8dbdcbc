"""Padding, in PyTorch's and in NumPy's words."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.index import Index
from minigrad.ops.padding import Pad
from minigrad.typing import Array
from tests.cases import BadInput, Case, drawn

NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def reference_pad(x: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    """Pad with NumPy, then cut off what is negative."""
    if not x.ndim:  # NumPy takes no widths for no axes
        return x
    if mode == "circular":  # goes around what is left
        x = reference_pad(x, [min(width, 0) for width in pad])
        pad = [max(width, 0) for width in pad]
    widths = [(0, 0)] * x.ndim
    for position in range(len(pad) // 2):
        widths[-1 - position] = (pad[2 * position], pad[2 * position + 1])
    grown = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        y = np.pad(x, grown, constant_values=0.0 if value is None else value)
    else:
        y = np.pad(x, grown, NUMPY_MODES[mode])  # type: ignore[call-overload]  # a known mode
    kept = [slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, y.shape, strict=True)]
    result: Array = y[tuple(kept)]
    return result


def numpy_pad(*arguments: Any, **options: Any) -> Any:
    return lambda x: np.pad(x, *arguments, **options)


X = np.ones((2, 3))

CASES = [
    *(
        Case(Pad, mg.pad, drawn(shape), reference_pad, kwargs, id=f"{shape} {kwargs}")
        for shape, kwargs in (
            ((2, 3), {"pad": (1, 2)}),
            ((2, 3), {"pad": (1, 0, 0, 2), "value": -1.5}),
            ((2, 3), {"pad": (-1, 2, 1, -1), "value": 3}),
            ((2, 3), {"pad": ()}),
            ((), {"pad": ()}),
            ((2, 2, 2), {"pad": (0, 0, 1, 1, -2, 1)}),
        )
    ),
    Case(
        Pad,
        mg.pad,
        drawn((2, 3)),
        reference_pad,
        {"pad": (2, 1)},
        empty=(np.ones((0, 2)),),
        errors=[
            BadInput((X,), ShapeError, r"at most 2 axes, got \(1, 2, 3\)", {"pad": (1, 2, 3)}),
            BadInput((X,), ShapeError, "at most 2 axes", {"pad": (1,) * 6}),
            BadInput((X,), ShapeError, "take 2 and 2 elements.*length 3", {"pad": (-2, -2)}),
            BadInput((X,), DTypeError, "expected a shape of integers", {"pad": (1.5, 1)}),
            BadInput((X, (1, 1), "mirror"), ValueError, "one of constant, .* got 'mirror'", {}),
            BadInput((X, (1, 1), "reflect", 2.0), ValueError, "takes no value, got 2.0", {}),
            BadInput((X, (3, 0), "reflect"), ShapeError, "at most 2 .* length 3, got 3", {}),
            BadInput((X, (0, 4), "circular"), ShapeError, "at most 3 .* length 3, got 4", {}),
            BadInput((X[:, :0], (1, 0), "replicate"), ShapeError, "at most 0 .*length 0", {}),
            BadInput((np.ones(2, int), (1, 1), "constant", 0.5), DTypeError, "int64", {}),
            BadInput((X, (1, 1), "constant", X), ShapeError, "expected one value, got", {}),
        ],
    ),
    *(
        Case(
            Index,
            mg.pad,
            drawn(shape),
            reference_pad,
            {"pad": pad, "mode": mode},
            id=f"{mode} {shape} {pad}",
        )
        for mode in NUMPY_MODES
        for shape, pad in (((4,), (2, 1)), ((3, 4), (1, 2, 2, 0)), ((3, 3), (2, -1, -1, 1)))
    ),
    *(
        Case(
            op,
            numpy_pad(*arguments, **options),
            drawn((2, 3)),
            numpy_pad(*arguments, **options),
            id=f"numpy {arguments} {options}",
        )
        for op, arguments, options in (
            (Pad, (1,), {}),
            (Pad, ((1, 2),), {"constant_values": 2}),
            (Pad, (((1, 2), (0, 3)), "constant"), {"constant_values": ((1, 2), (3, 4))}),
            (Index, (4, "wrap"), {}),
            (Index, (((0, 0), (5, 1)), "reflect"), {}),
            (Index, (2, "edge"), {}),
            (Index, (3, "symmetric"), {}),
        )
    ),
]
