"""Functions that both libraries have: how each is called, and on which inputs.

A public function that is neither in `ENTRIES` nor in `differences.WITHOUT_COUNTERPART` fails
``test_values.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing.strategies import seeds, shapes
from tests.differential.array_entries import array_functions
from tests.differential.array_inputs import padded
from tests.differential.compare import Call
from tests.differential.entry import Entry, same, torch, without_dim
from tests.differential.inputs import (
    HALVES,
    INTEGERS,
    NONZERO,
    OPEN,
    POSITIVE,
    REAL,
    ZERO,
    Domain,
    Inputs,
    arrays_only,
    binary,
    binary_targets,
    bounds_alike,
    chosen,
    clamped,
    classified,
    expanded,
    fixed,
    flattened,
    flipped,
    indexed,
    joined,
    looked_up,
    matrices,
    moved,
    nested,
    normalised,
    operands,
    paired,
    permuted,
    products,
    reduced,
    reshaped,
    split_up,
    unary,
    with_axes,
)
from tests.differential.linalg_entries import linear_algebra
from tests.differential.norm_entries import norm_functions

TF: Any = torch.nn.functional


# ---------------------------------------------------------------------------------- the table

# sinc: the other library loses digits of the gradient near 0 and of values near whole numbers.
UNARY: dict[str, Domain] = {
    "abs": ZERO, "absolute": ZERO, "acos": OPEN, "acosh": Domain(1.1, 3.0), "arccos": OPEN,
    "arccosh": Domain(1.1, 3.0), "arcsin": OPEN, "arcsinh": REAL, "arctan": REAL, "arctanh": OPEN,
    "asin": OPEN, "asinh": REAL, "atan": REAL, "atanh": OPEN, "ceil": INTEGERS, "clone": REAL,
    "cos": REAL, "cosh": REAL, "deg2rad": REAL, "erf": REAL, "exp": REAL, "exp2": REAL,
    "expm1": REAL, "floor": INTEGERS, "isfinite": REAL, "isinf": REAL, "isnan": REAL,
    "log": POSITIVE, "log10": POSITIVE, "log1p": Domain(-0.9, 2.0), "log2": POSITIVE,
    "logical_not": REAL, "logit": Domain(0.05, 0.95), "nan_to_num": REAL, "neg": REAL,
    "negative": REAL, "positive": REAL, "rad2deg": REAL, "reciprocal": NONZERO, "relu": ZERO,
    "round": HALVES, "rsqrt": POSITIVE, "sigmoid": REAL, "sign": ZERO, "sin": REAL,
    "sinc": Domain(0.3, 0.9), "sinh": REAL, "sqrt": POSITIVE, "square": REAL, "tan": OPEN,
    "tanh": REAL, "trunc": INTEGERS,
}  # fmt: skip

BINARY: dict[str, tuple[Domain, Domain]] = {
    "add": (REAL, REAL), "div": (REAL, NONZERO), "divide": (REAL, NONZERO),
    "fmod": (REAL, NONZERO), "mul": (REAL, REAL), "multiply": (REAL, REAL),
    "pow": (POSITIVE, REAL), "remainder": (REAL, NONZERO), "sub": (REAL, REAL),
    "subtract": (REAL, REAL), "true_divide": (REAL, NONZERO),
}  # fmt: skip

OF_TWO_TENSORS: dict[str, tuple[Domain, Domain]] = {
    "arctan2": (REAL, NONZERO), "atan2": (REAL, NONZERO), "copysign": (ZERO, ZERO),
    "fmax": (REAL, REAL), "fmin": (REAL, REAL), "hypot": (REAL, NONZERO),
    "logaddexp": (REAL, REAL), "maximum": (REAL, REAL), "minimum": (REAL, REAL),
    "xlogy": (REAL, POSITIVE),
}  # fmt: skip

COMPARISONS = (
    "eq", "ge", "greater", "greater_equal", "gt", "le", "less", "less_equal", "lt", "ne",
    "not_equal", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip


def all_axes(function: Callable[..., Any], axes: Any = ()) -> Callable[..., Any]:
    """Return PyTorch's reduction, with ``axes`` for None."""

    def call(x: Any, dim: Any = None, **keywords: Any) -> Any:
        return function(x, axes if dim is None else dim, **keywords)

    return call


def functions() -> list[Entry]:
    """Return the entries of ``minigrad``."""
    return [
        *(same(name, unary(domain), elementwise=1) for name, domain in UNARY.items()),
        *(same(name, binary(*both), elementwise=2) for name, both in BINARY.items()),
        *(
            same(name, binary(*both).map(arrays_only), elementwise=2)
            for name, both in OF_TWO_TENSORS.items()
        ),
        *(
            same(name, binary(REAL, NONZERO).map(arrays_only).map(fixed), elementwise=2)
            for name in ("floor_divide", "heaviside")
        ),
        *(same(name, operands("f", "i", "b"), elementwise=2) for name in COMPARISONS),
        *(
            same(name, operands("i", "b"))
            for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
        ),
        same("bitwise_not", operands("i", "b", count=1)),
        # reductions
        same("sum", reduced(min_side=0)),
        same("mean", reduced()),
        *(
            Entry(f"minigrad.{n}", getattr(mg, n), all_axes(getattr(torch, n)), reduced())
            for n in ("amax", "amin")
        ),
        same("var", reduced(correction=True)),
        same("std", reduced(correction=True)),
        *(
            Entry(
                f"minigrad.{n}",
                without_dim(getattr(mg, n)),
                without_dim(getattr(torch, n)),
                reduced(several=False),
            )
            for n in ("max", "min", "argmax", "argmin")
        ),
        same("all", reduced(ties=True, min_side=0)),
        same("any", reduced(ties=True, min_side=0)),
        same("count_nonzero", reduced(ties=True, keepdim=False, min_side=0)),
        # shapes
        same("reshape", reshaped()),
        same("flatten", flattened()),
        same("squeeze", with_axes(1, min_dims=0)),
        Entry("minigrad.squeeze", mg.squeeze, torch.squeeze, unary(REAL)),
        same("unsqueeze", with_axes(1, extra=1, min_dims=0)),
        same("permute", permuted()),
        same("transpose", with_axes(2, min_dims=0)),
        same("swapaxes", with_axes(2, min_dims=0)),
        same("movedim", moved()),
        Entry("minigrad.expand", mg.expand, torch.Tensor.expand, expanded()),
        same("broadcast_to", expanded(keep=False)),
        Entry("minigrad.contiguous", mg.contiguous, torch.Tensor.contiguous, unary(REAL)),
        same("flip", flipped()),
        same("cat", joined(along=True)),
        same("concatenate", joined(along=True)),
        same("stack", joined(along=False)),
        same("hstack", joined(along=False, axis=False)),
        same("vstack", joined(along=False, axis=False)),
        same("split", split_up(sections=True)),
        same("chunk", split_up(sections=False)),
        same("unbind", with_axes(1)),
        # indexing
        same("gather", indexed("gather")),
        same("scatter_add", indexed("scatter")),
        same("index_select", indexed("index_select")),
        same("take", indexed("take")),
        Entry("minigrad.embedding", mg.embedding, TF.embedding, looked_up()),
        same("where", chosen()),
        same("clamp", clamped().filter(bounds_alike)),
        same("clip", clamped().filter(bounds_alike)),
        # linear algebra
        same("dot", products("dot")),
        same("matmul", products("matmul")),
        same("mm", matrices("nk", "km")),
        same("bmm", matrices("bnk", "bkm")),
        same("mv", matrices("nk", "k")),
        same("vdot", matrices("k", "k")),
        same("inner", matrices("nk", "mk")),
        same("outer", matrices("n", "k")),
        same("kron", matrices("nk", "km")),
        same("cross", matrices("n3", "n3", extra=(-1,))),
        same("addmm", matrices("nm", "nk", "km")),
        same("addmv", matrices("n", "nk", "k")),
        same("baddbmm", matrices("bnm", "bnk", "bkm")),
        same("tensordot", matrices("nkm", "kmb", extra=(2,))),
        Entry(
            "minigrad.einsum",
            lambda a, b: mg.einsum("nk,km->mn", a, b),
            lambda a, b: torch.einsum("nk,km->mn", a, b),
            matrices("nk", "km"),
        ),
        same("inverse", matrices("square")),
        same("det", matrices("square")),
        same("logdet", matrices("positive")),
        same("slogdet", matrices("square")),
        same("matrix_power", matrices("square", extra=(3,))),
        same("matrix_power", matrices("square", extra=(-2,))),
        Entry(
            "minigrad.cholesky",
            mg.cholesky,
            lambda a: torch.linalg.cholesky(a),
            matrices("positive"),
        ),
        same("norm", matrices("nk", extra=(2.5, 1, True))),
        same("norm", matrices("nk")),
        Entry("minigrad.linear", mg.linear, TF.linear, products("linear")),
        # activations and losses, whose hyperparameters are keywords
        same("softmax", reduced(several=False, absent=False, keepdim=False)),
        same("log_softmax", reduced(several=False, absent=False, keepdim=False)),
        *(
            Entry(f"minigrad.{n}", getattr(mg, n), getattr(TF, n), inputs, elementwise=1)
            for n, inputs in ACTIVATIONS.items()
            if n not in ("relu", "sigmoid", "tanh")
        ),
        *(
            Entry(f"minigrad.{n}", getattr(mg, n), getattr(TF, n), inputs)
            for n, inputs in LOSSES.items()
        ),
        Entry(
            "minigrad.dropout",
            mg.dropout,
            TF.dropout,
            unary(REAL, p=st.just(0.5), training=st.just(False))
            | unary(REAL, p=st.sampled_from([0.0, 1.0]), training=st.just(True)),
        ),
        # dtypes and creation
        same("result_type", operands("f", "i", "b")),
        *(same(n, unary(REAL)) for n in ("zeros_like", "ones_like")),
        same("full_like", unary(REAL).map(lambda call: Call((*call.arguments, 2.5)))),
        *(same(n, shapes(min_side=0).map(lambda shape: Call((shape,)))) for n in ("zeros", "ones")),
        same("full", st.builds(lambda s, v: Call((s, v)), shapes(), st.sampled_from(
            [True, 3, 2.5]))),
        Entry(
            "minigrad.full",
            partial(mg.full, dtype=mg.float64),
            partial(torch.full, dtype=torch.float64),
            st.builds(lambda s, v: Call((s, v)), shapes(), st.sampled_from([True, 3, 0.1])),
        ),
        same("eye", st.builds(lambda *n: Call(n), st.integers(0, 4), st.integers(0, 4))),
        same("arange", st.builds(lambda *n: Call(n), st.integers(-5, 5), st.integers(5, 9),
                                 st.sampled_from([1, 2, 3, 1.0, 0.5]))),
        same("linspace", st.builds(lambda *n: Call(n), st.floats(-2, 2), st.floats(-2, 2),
                                   st.integers(0, 6))),
        *(same(n, nested()) for n in ("tensor", "as_tensor")),
        Entry("minigrad.from_numpy", lambda x: mg.from_numpy(np.asarray(x.detach())) * 2,
              lambda x: torch.from_numpy(x.detach().numpy()) * 2, unary(REAL)),
    ]  # fmt: skip


ACTIVATIONS: dict[str, Inputs] = {
    "relu": unary(ZERO),
    "leaky_relu": unary(ZERO) | unary(ZERO, negative_slope=st.sampled_from([0.3, 0.0, -1.5])),
    "elu": unary(ZERO) | unary(ZERO, alpha=st.sampled_from([0.5, 2.0])),
    "silu": unary(REAL),
    "gelu": unary(REAL) | unary(REAL, approximate=st.sampled_from(["none", "tanh"])),
    "softplus": unary(REAL)
    | unary(Domain(kinks=(0.5,)), beta=st.just(2.0), threshold=st.just(1.0)),
    "sigmoid": unary(REAL),
    "tanh": unary(REAL),
}

LOSSES: dict[str, Inputs] = {
    "mse_loss": paired(),
    "l1_loss": paired(),
    "huber_loss": paired((1.0, 0.25)),
    "binary_cross_entropy_with_logits": binary_targets(),
    "cross_entropy": classified(log=False),
    "nll_loss": classified(log=True),
}


def _batch_norm(function: Callable[..., Any], copy: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(x: Any, mean: Any, var: Any, *affine: Any, **keywords: Any) -> tuple[Any, ...]:
        running = copy(mean), copy(var)
        return (function(x, *running, *affine, **keywords), *running)

    return call


def functional() -> list[Entry]:
    """Return the entries of ``nn.functional``, whose calls are PyTorch's word for word."""
    inputs = {
        **ACTIVATIONS,
        **LOSSES,
        "linear": products("linear"),
        "pad": padded(),
        "embedding": looked_up() | looked_up(padding=True),
        "softmax": reduced(several=False, absent=False, keepdim=False),
        "log_softmax": reduced(several=False, absent=False, keepdim=False),
        "one_hot": st.builds(
            lambda seed, n: Call((np.random.default_rng(seed).integers(0, 4, (n, 2)), 4)),
            seeds(),
            st.integers(0, 3),
        ),
        "dropout": unary(REAL, p=st.just(0.5), training=st.just(False)),
    }
    entries = [
        Entry(
            f"nn.functional.{name}",
            getattr(F, name),
            getattr(TF, name),
            calls,
            elementwise=int(name in ACTIVATIONS),
        )
        for name, calls in inputs.items()
    ]
    ours = _batch_norm(F.batch_norm, lambda t: t.detach().clone())
    theirs = _batch_norm(TF.batch_norm, lambda t: t.detach().clone())
    return [*entries, Entry("nn.functional.batch_norm", ours, theirs, normalised())]


ENTRIES = [*functions(), *array_functions(), *linear_algebra(), *functional(), *norm_functions()]
