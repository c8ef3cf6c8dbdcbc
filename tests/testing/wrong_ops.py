"""Ops that break one promise each, and keep all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.engine import Node, Op, apply
from minigrad.errors import ShapeError
from minigrad.grad_mode import enable_grad
from minigrad.ops.elementwise import add, mul
from minigrad.ops.promotion import Cast
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["WRONG", "Wrong", "double", "times"]

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
Y = np.array([[1.0, 0.5, -0.5], [0.75, -1.5, 2.0]])


@dataclass(frozen=True)
class Wrong:
    """A function, what to check it on, and the property that it breaks."""

    breaks: str
    function: Callable[..., Any]
    inputs: Sequence[Any] = (X,)
    options: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """What cannot hold either, by the nature of the mistake."""


class Linear(Op):
    """``2 x``, done right: the others differ from it."""

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * 2.0

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy * 2.0,)


class Square(Op):
    """``x * x``, done right: the others differ from it."""

    saves = (0,)

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * x

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * (x * 2.0),)


class Times(Op):
    """``a * b``, done right."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Any:
        return a * b

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        return dy * b, dy * a


def function_of(op: type[Op]) -> Callable[..., Tensor]:
    def function(*inputs: Any) -> Tensor:
        result: Tensor = apply(op, *inputs)
        return result

    function.__name__ = op.__name__
    return function


double = function_of(Linear)
times = function_of(Times)


class RavelledInMemoryOrder(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Array:
        doubled: Array = (x * 2.0).ravel(order="A" if x.flags.f_contiguous else "C")
        return doubled.reshape(x.shape)


class UpstreamRavelledInMemoryOrder(Linear):
    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        if isinstance(dy, Tensor) or dy.flags.c_contiguous:
            return (dy * 2.0,)
        return (dy.ravel(order="K").reshape(dy.shape) * 2.0,)


class Widened(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * np.float64(2.0)

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (apply(Cast, dy * 2.0, dtype=ctx.dtype_of(0)),)


class HalfPrecision(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return (x.astype(np.float16) if x.dtype == np.float32 else x).astype(x.dtype) * 2.0


class HalfPrecisionGradient(Linear):
    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        if dy.dtype == np.float32 and not isinstance(dy, Tensor):
            dy = dy.astype(np.float16).astype(np.float32)
        return (dy * 2.0,)


class EmptyFails(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * (2.0 + 0.0 * x.max())


class EmptyOfAnotherShape(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * 2.0 if x.size else np.zeros((0,))


class NumberBecomesVector(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return np.atleast_1d(x) * 2.0


class WrongScale(Linear):
    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy * 2.5,)


class WrongSign(Linear):
    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy * -2.0,)


class SlightlyWrong(Linear):
    """By less than differences can see."""

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy * (2.0 + 1e-8),)


class ConstantAtSecondOrder(Square):
    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * (2.0 * np.asarray(x)),)


class CubeConstantAtThirdOrder(Op):
    """Its gradient is right, and so is the gradient of that; the next is missing."""

    saves = (0,)

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * x * x

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        return (dy * (apply(ConstantAtSecondOrder, x) * 3.0),)


class OffsetUnderCreateGraph(Square):
    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any) -> tuple[Any]:
        offset = 1.0 if isinstance(dy, Tensor) else 0.0
        return (dy * (x * 2.0) + offset,)


class CompositeOfAnotherFunction(Square):
    composite = staticmethod(lambda ctx, x: add(mul(x, x), 1.0))


class ForgetsTheOther(Times):
    """The second gradient is wrong where the first is not wanted."""

    @staticmethod
    def backward(ctx: Node, dy: Any, a: Any, b: Any) -> tuple[Any, Any]:
        return dy * b, dy * a if ctx.needs[0] else dy * b


class CountsItsCalls(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        if ctx is not None:
            ctx.extra = ([],)
        return x * 2.0

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        (calls,) = ctx.extra or ([],)
        calls.append(1)
        return (dy * (2.0 * len(calls)),)


class ChangesItsInput(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        y = x * 2.0
        if x.flags.writeable:
            x[...] = 0.0
        return y


class ChangesItsUpstream(Linear):
    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        dx = dy * 2.0
        if not isinstance(dy, Tensor):
            dy[...] = 0.0
        return (dx,)


class ChangesItsResult(Op):
    saves = (0, "y")

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x * x

    @staticmethod
    def backward(ctx: Node, dy: Any, x: Any, y: Any) -> tuple[Any]:
        if not isinstance(y, Tensor):
            y[...] = 0.0
        return (dy * (x * 2.0),)


class HandsOnItsUpstream(Op):
    """Whose gradient is not its own, though it says so."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return x.copy()

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any]:
        return (dy,)


class SharesBetweenInputs(Op):
    """Whose two gradients are one array, though it says that they are new."""

    fresh = True

    @staticmethod
    def forward(ctx: Node | None, a: Array, b: Array) -> Any:
        return a + b

    @staticmethod
    def backward(ctx: Node, dy: Any) -> tuple[Any, Any]:
        both = dy * 1.0
        return both, both


class ReturnsTensors(Linear):
    @staticmethod
    def forward(ctx: Node | None, x: Array) -> Any:
        return Tensor(x * 2.0)


def recorded_always(x: Tensor) -> Tensor:
    with enable_grad():
        return double(x)


def hands_on_inside(x: Tensor) -> Tensor:
    """No leaf sees it: the gradient that is not new goes to another op."""
    return function_of(HandsOnItsUpstream)(x * 1.0)


def not_abs(x: Tensor) -> Tensor:
    """Off by a constant, which no gradient shows; its reference is not analytic."""
    return mul(np.sign(x), x) + 1.0


def accepts_vectors(x: Tensor) -> Tensor:
    return double(x)


def refuses_with(error: Exception) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        if x.ndim != 2:
            raise error
        return double(x)

    return function


def changes_what_it_refuses(x: Tensor) -> Tensor:
    if x.ndim != 2:
        x.array[...] = 0.0
        raise ShapeError("expected a matrix")
    return double(x)


def bad() -> dict[str, Any]:
    return {"errors": [((np.ones(3),), ShapeError, "expected a matrix")]}


WRONG = [
    Wrong("value", not_abs, options={"reference": np.abs}),
    Wrong("strides", function_of(RavelledInMemoryOrder)),
    Wrong("strides", function_of(UpstreamRavelledInMemoryOrder)),
    Wrong("dtype", function_of(Widened)),
    Wrong("float32", function_of(HalfPrecision), [X / 3.0]),
    Wrong("float32", function_of(HalfPrecisionGradient)),
    Wrong("zero-size", function_of(EmptyFails), options={"empty": [np.zeros((0, 3))]}),
    Wrong(
        "zero-size",
        function_of(EmptyOfAnotherShape),
        options={"empty": [np.zeros((0, 3))], "reference": lambda x: x * 2.0},
    ),
    Wrong(
        "rank 0",
        function_of(NumberBecomesVector),
        options={"rank0": [np.array(0.5)], "reference": lambda x: x * 2.0},
    ),
    Wrong("errors", accepts_vectors, options=bad()),
    Wrong("errors", refuses_with(ShapeError("no")), options=bad()),
    Wrong("errors", refuses_with(KeyError("expected a matrix")), options=bad()),
    Wrong("errors", changes_what_it_refuses, options=bad()),
    Wrong("gradient", function_of(WrongScale)),
    Wrong("gradient", function_of(WrongSign)),
    Wrong("complex step", function_of(SlightlyWrong), options={"reference": lambda x: x * 2.0}),
    Wrong("order 2", function_of(ConstantAtSecondOrder), options={"order": 2}),
    Wrong("order 3", function_of(CubeConstantAtThirdOrder)),
    Wrong("create_graph", function_of(OffsetUnderCreateGraph)),
    Wrong("composite", function_of(CompositeOfAnotherFunction)),
    Wrong("masks", function_of(ForgetsTheOther), [X, Y]),
    Wrong("accumulation", function_of(CountsItsCalls)),
    Wrong("mutation", function_of(ChangesItsInput)),
    Wrong("mutation", function_of(ChangesItsUpstream)),
    Wrong("mutation", function_of(ChangesItsResult)),
    Wrong("memory", function_of(HandsOnItsUpstream)),
    Wrong("memory", hands_on_inside),
    # The engine adds in place to what an op says is new: here to both gradients at once.
    Wrong("memory", function_of(SharesBetweenInputs), [X, Y], also=("accumulation",)),
    Wrong("arrays", function_of(ReturnsTensors)),
    Wrong("no_grad", recorded_always),
]
