"""Methods of Tensor that PyTorch has too, and the functions whose entries they share."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing.strategies import float_arrays, shapes
from tests.differential.array_inputs import masked, scattered
from tests.differential.compare import Call, Fixed
from tests.differential.entries import ENTRIES
from tests.differential.entry import Entry, torch
from tests.differential.inputs import (
    NONZERO,
    REAL,
    Inputs,
    binary,
    clamped,
    dims,
    expanded,
    matrices,
    operands,
    reshaped,
    unary,
    with_axes,
)

__all__ = ["METHODS", "OPERATORS"]

NOT_ALIKE = {"where", "nonzero"}
"""Functions that the method is not, or whose first argument is not its Tensor."""


def method(name: str) -> Callable[..., Any]:
    """Return the method ``name`` of either library as a function."""

    def call(x: Any, *arguments: Any, **keywords: Any) -> Any:
        return getattr(x, name)(*arguments, **keywords)

    return call


def shared() -> list[Entry]:
    """Return the entries of methods that have a function of the same name and arguments."""
    entries = []
    for entry in ENTRIES:
        name = entry.name.removeprefix("minigrad.")
        if "." in name or name in NOT_ALIKE or not hasattr(mg.Tensor, name):
            continue
        theirs = entry.theirs
        if theirs is getattr(torch, name, None):  # not wrapped: the method takes the same
            theirs = method(name)
        wrapped = entry.ours is not getattr(mg, name)
        entries.append(
            replace(
                entry,
                name=f"Tensor.{name}",
                ours=_without_absent_dim(name) if wrapped else method(name),
                theirs=theirs,
                elementwise=0,  # the function has been tried on special values
            )
        )
    return entries


def _without_absent_dim(name: str) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, **keywords: Any) -> Any:
        return method(name)(x, *(() if dim is None else (dim,)), **keywords)

    return call


def own(name: str, inputs: Inputs) -> Entry:
    return Entry(f"Tensor.{name}", method(name), method(name), inputs)


def in_place(name: str) -> Callable[..., Any]:
    """Return the in-place method, called on what is no leaf, and what it returns and leaves."""

    def call(x: Any, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        y = x * 1
        result = getattr(y, name)(*arguments, **keywords)
        return result, y

    return call


def changes(name: str, inputs: Inputs) -> Entry:
    return Entry(f"Tensor.{name}", in_place(name), in_place(name), inputs)


@st.composite
def filled(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes()))
    mask = draw(float_arrays(x.shape))
    return Call((x, np.asarray(mask > 0), draw(st.sampled_from([0.0, 2.5]))))


@st.composite
def with_another(draw: st.DrawFn) -> Call:
    """Draw an array and one of the same shape or number of elements."""
    x = draw(float_arrays(shapes()))
    return Call((x, Fixed(np.zeros(x.shape, np.int32))))


@st.composite
def maybe_with_axis(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes()))
    axis = draw(dims(x.ndim, several=False)) if x.ndim else None
    return Call((x,) if axis is None else (x, axis))


@st.composite
def same_shape(draw: st.DrawFn) -> Call:
    x = draw(float_arrays(shapes()))
    other = draw(float_arrays(x.shape, low=0.5, high=2.0))
    return Call((x, draw(st.sampled_from([other, 1.5]))))


def attribute(name: str) -> Callable[..., Any]:
    return operator.attrgetter(name)


def in_both_orders(name: str) -> Callable[..., Any]:
    """Return the method called on a Tensor in C order and on its transpose."""

    def call(x: Any) -> tuple[Any, ...]:
        x = x.contiguous()
        return getattr(x, name)(), getattr(x.t(), name)()

    return call


def _hooked(x: Any) -> Any:
    """Return a value whose gradient a hook has changed on its way."""
    y = x * 3
    y.register_hook(lambda dy: dy * 2)
    return y * y


def _hooked_at_the_end(x: Any) -> Any:
    """Return a value; a hook of a leaf doubles the gradient when it has been added up."""

    def double(leaf: Any) -> None:
        leaf.grad = leaf.grad * 2

    x.register_post_accumulate_grad_hook(double)
    return x * x


MATRICES = float_arrays(shapes(max_dims=2)).map(lambda x: Call((x,)))
CONVERSIONS = ("float", "double", "long", "int", "bool")

OWN = [
    *(own(name, unary(REAL)) for name in CONVERSIONS),
    *(own(name, operands("f", "i", "b", count=1)) for name in CONVERSIONS),
    own("to", unary(REAL).map(lambda call: Call((*call.arguments, Fixed(np.zeros(1)))))),
    Entry(
        "Tensor.where",
        method("where"),
        method("where"),
        filled().map(lambda c: Call((c.arguments[0], c.arguments[1], c.arguments[0] * 2))),
    ),
    own("t", MATRICES),
    Entry("Tensor.T", attribute("T"), attribute("T"), MATRICES.filter(lambda c: c[0][0].ndim == 2)),
    Entry("Tensor.mT", attribute("mT"), attribute("mT"), with_axes(0, min_dims=2)),
    Entry(
        "Tensor.view",
        lambda x, shape: (x * 1).contiguous().view(shape),
        lambda x, shape: (x * 1).contiguous().view(shape),
        reshaped(),
    ),
    own("view_as", with_another()),
    own("expand_as", expanded(keep=False).map(
        lambda c: Call((c.arguments[0], Fixed(np.zeros(c.arguments[1])))))),
    own("type_as", with_another()),
    own("size", maybe_with_axis()),
    *(own(n, unary(REAL)) for n in ("dim", "numel", "element_size", "is_floating_point", "cpu",
                                    "tolist", "detach")),
    Entry("Tensor.item", method("item"), method("item"), float_arrays((1, 1)).map(
        lambda x: Call((x,)))),
    *(Entry(f"Tensor.{n}", in_both_orders(n), in_both_orders(n),
            float_arrays(shapes(max_dims=2, min_side=2)).map(lambda x: Call((x,))))
      for n in ("stride", "is_contiguous")),
    *(Entry(f"Tensor.{n}", attribute(n), attribute(n), unary(REAL))
      for n in ("shape", "ndim", "dtype", "requires_grad", "is_leaf", "nbytes", "data")),
    Entry("Tensor.numpy", lambda x: x.detach().numpy(), lambda x: x.detach().numpy(), unary(REAL)),
    Entry("Tensor.requires_grad_", lambda x: x.detach().requires_grad_().requires_grad,
          lambda x: x.detach().requires_grad_().requires_grad, unary(REAL)),
    Entry("Tensor.add", lambda a, b: a.add(b, alpha=3), lambda a, b: a.add(b, alpha=3),
          binary(REAL, REAL)),
    Entry("Tensor.sub", lambda a, b: a.sub(b, alpha=0.5), lambda a, b: a.sub(b, alpha=0.5),
          binary(REAL, REAL)),
    *(changes(f"{n}_", same_shape()) for n in ("add", "sub", "mul", "div")),
    own("nonzero", operands("f", "i", "b", count=1)),
    own("outer", matrices("n", "k")),
    Entry("Tensor.register_hook", _hooked, _hooked, unary(REAL)),
    Entry("Tensor.register_post_accumulate_grad_hook", _hooked_at_the_end, _hooked_at_the_end,
          unary(REAL)),
    changes("masked_fill_", masked(value=True)),
    *(changes(name, scattered(form)) for name, form in (
        ("scatter_", "scatter"), ("scatter_add_", "scatter"), ("index_add_", "add"),
        ("index_copy_", "copy"), ("index_fill_", "fill"))),
    changes("clamp_", clamped().filter(lambda c: isinstance(c.arguments[1], float))),
    changes("zero_", unary(REAL)),
    changes("fill_", unary(REAL).map(lambda c: Call((*c.arguments, 2.5)))),
    changes("copy_", same_shape().filter(lambda c: isinstance(c.arguments[1], np.ndarray))),
]  # fmt: skip

METHODS = [*shared(), *OWN]


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(b, a)


def _operators() -> list[Entry]:
    two = {"add": REAL, "sub": REAL, "mul": REAL, "truediv": NONZERO, "mod": NONZERO, "pow": REAL}
    first = {"pow": NONZERO}
    entries = [
        Entry(
            f"operator.{name}",
            getattr(operator, name),
            getattr(operator, name),
            binary(first.get(name, REAL), domain),
        )
        for name, domain in two.items()
    ]
    entries += [
        Entry(
            f"operator.{name}, reflected",
            _reflected(getattr(operator, name)),
            _reflected(getattr(operator, name)),
            binary(domain, NONZERO).filter(lambda c: isinstance(c.arguments[1], float)),
        )
        for name, domain in {**two, "truediv": NONZERO}.items()
        if name != "mod"  # of a number and a Tensor: PyTorch has no derivative
    ]
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        function = getattr(operator, name)
        entries.append(Entry(f"operator.{name}", function, function, operands("f", "i")))
    for name in ("and_", "or_", "xor"):
        function = getattr(operator, name)
        entries.append(Entry(f"operator.{name}", function, function, operands("i", "b")))
    for name in ("neg", "pos", "abs"):
        function = getattr(operator, name)
        entries.append(Entry(f"operator.{name}", function, function, unary(NONZERO)))
    return entries


OPERATORS = _operators()
