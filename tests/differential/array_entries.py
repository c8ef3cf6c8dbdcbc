"""Functions that order, cut, repeat, scatter or search arrays, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from tests.differential.array_inputs import (
    all_have_numbers,
    along,
    counted,
    cut,
    differences,
    interleaved,
    masked,
    nearly_equal,
    on_a_diagonal,
    padded,
    ranked,
    repeated,
    rolled,
    rotated,
    scattered,
    searched,
    several,
    sliced,
    taken_along,
    three,
    unflattened,
    vectors,
    with_nans,
    with_repetitions,
)
from tests.differential.compare import Call
from tests.differential.entry import Entry, same, torch, without_dim
from tests.differential.inputs import REAL, Domain, joined, operands, reduced, unary, with_axes


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of several Tensors as one of a list."""

    def call(tensors: Any, **keywords: Any) -> Any:
        return function(*tensors, **keywords)

    return call


def _of_several(name: str, inputs: Any) -> Entry:
    return Entry(f"minigrad.{name}", _each(getattr(mg, name)), _each(getattr(torch, name)), inputs)


def _optional_dim(name: str, inputs: Any) -> Entry:
    ours, theirs = without_dim(getattr(mg, name)), without_dim(getattr(torch, name))
    return Entry(f"minigrad.{name}", ours, theirs, inputs)


def _in_both_forms(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what the indices of ``nonzero`` say, in both forms."""

    def call(x: Any) -> Any:
        return (function(x), *function(x, as_tuple=True))

    return call


def array_functions() -> list[Entry]:
    """Return the entries of ``minigrad``."""
    offset = st.integers(-2, 2)
    return [
        # order
        *(same(n, along()) for n in ("argsort", "cumsum", "cumprod", "cummax", "cummin", "sort",
                                     "logcumsumexp")),
        same("sort", along().map(lambda c: Call(c.arguments, {"descending": True}))),
        same("argsort", along().map(lambda c: Call((c.arguments[0],), {"dim": c.arguments[1],
                                    "stable": True, "descending": True}))),
        same("msort", ranked(0, 4, min_side=1)),
        same("topk", along(count=True)),
        same("topk", along(count=True).map(lambda c: Call((*c.arguments, False)))),
        same("kthvalue", along(count=True)),
        _optional_dim("median", reduced(several=False)),
        same("searchsorted", searched()),
        same("unique", with_repetitions()),
        # reductions
        _optional_dim("prod", reduced(several=False)),
        *(
            same(n, reduced().map(with_nans).filter(all_have_numbers))
            for n in ("nansum", "nanmean")
        ),
        same("logsumexp", reduced(absent=False)),
        same("trace", ranked(2, 2)),
        same("bincount", counted()),
        same("argwhere", operands("f", "i", "b", count=1)),
        Entry("minigrad.nonzero", _in_both_forms(mg.nonzero), _in_both_forms(torch.nonzero),
              operands("f", "i", "b", count=1)),
        *(same(n, nearly_equal()) for n in ("isclose", "allclose")),
        same("equal", nearly_equal().map(lambda c: Call(c.arguments[:2]))),
        # elementwise, of three operands
        same("lerp", three()),
        same("lerp", three().map(lambda c: Call((*c.arguments[:2], 0.3)))),
        *(same(n, three(value=st.sampled_from([1, 2.5]))) for n in ("addcmul", "addcdiv")),
        same("masked_fill", masked(value=True)),
        same("masked_select", masked(value=False)),
        same("logit", unary(Domain(-0.5, 1.5, (0.1, 0.9)), eps=st.just(0.1))),
        same("nan_to_num", unary(REAL, nan=st.just(2.0), posinf=st.just(3.0)).map(with_nans)),
        # diagonals
        *(same(n, ranked(2, 4, offset)) for n in ("tril", "triu")),
        same("diag", ranked(1, 2, offset)),
        same("diagflat", ranked(0, 3, offset)),
        same("diagonal", on_a_diagonal()),
        same("diag_embed", on_a_diagonal(grows=1, min_dims=1)),
        same("diff", differences()),
        # cutting and joining
        same("tensor_split", cut()),
        same("hsplit", cut(axis=1)),
        same("vsplit", cut(axis=0, min_dims=2)),
        same("dsplit", cut(axis=2, min_dims=3)),
        *(same(n, joined(along=False, axis=False)) for n in ("column_stack", "dstack")),
        same("select", sliced("select")),
        same("narrow", sliced("narrow")),
        # shapes
        *(_of_several(f"atleast_{n}d", several()) for n in (1, 2, 3)),
        _of_several("broadcast_tensors", several(broadcast=True)),
        _of_several("meshgrid", several(max_dims=1).map(
            lambda c: Call(c.arguments, {"indexing": "ij"}))),
        _of_several("meshgrid", several(max_dims=1).map(
            lambda c: Call(c.arguments, {"indexing": "xy"}))),
        same("ravel", unary(REAL)),
        same("unflatten", unflattened()),
        same("swapdims", with_axes(2, min_dims=0)),
        same("fliplr", ranked(2, 4)),
        same("flipud", ranked(1, 4)),
        same("rot90", rotated()),
        same("roll", rolled()),
        same("roll", vectors(st.integers(-7, 7), st.just(-1))),
        Entry("minigrad.repeat", mg.repeat, torch.Tensor.repeat, repeated()),
        same("tile", repeated(fewer=True)),
        same("repeat_interleave", interleaved()),
        # indices
        same("scatter", scattered("scatter")),
        same("index_add", scattered("add")),
        same("index_copy", scattered("copy")),
        same("index_fill", scattered("fill")),
        same("take_along_dim", taken_along()),
        Entry("minigrad.pad", mg.pad, torch.nn.functional.pad, padded()),
        # of functions
        *_derivatives(),
        Entry(
            "minigrad.checkpoint",
            lambda x: mg.checkpoint(_smooth, x, use_reentrant=False),
            lambda x: _torch_checkpoint(_smooth, x, use_reentrant=False),
            unary(REAL),
        ),
    ]  # fmt: skip


def _smooth(x: Any) -> Any:
    return x.exp() * (x.sin() + 2.0).sum()  # of positive values: nothing cancels


def _torch_checkpoint(*arguments: Any, **keywords: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    return checkpoint(*arguments, **keywords)


def _derivatives() -> list[Entry]:
    """Return the entries of derivatives, which are differentiated once more."""

    def of(library: Any, name: str, scalar: bool) -> Callable[..., Any]:
        function = (lambda x: _smooth(x).sum()) if scalar else _smooth
        return lambda x, *v: getattr(library, name)(function, x, *v, create_graph=True)

    pair = vectors().map(lambda c: Call((c.arguments[0], np.cos(c.arguments[0]))))
    return [
        Entry(
            f"minigrad.{name}",
            of(mg, name, scalar),
            of(torch.autograd.functional, name, scalar),
            inputs,
        )
        for name, scalar, inputs in (
            ("jacobian", False, vectors()),
            ("hessian", True, vectors()),
            ("jvp", False, pair),
            ("vjp", False, pair),
            ("hvp", True, pair),
        )
    ]
