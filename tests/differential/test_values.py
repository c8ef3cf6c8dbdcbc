"""Values and gradients of every function that both libraries have."""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing.strategies import seeds
from minigrad.typing import Array
from tests.differential.compare import (
    TOLERANCES,
    Call,
    Fixed,
    Result,
    assert_agree,
    cast,
    relaid,
    run_ours,
    run_theirs,
    terms_of_gradients,
)
from tests.differential.differences import DTYPES, NOT_COMPARED, SPECIAL_VALUES, WITHOUT_COUNTERPART

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

from tests.differential.entries import ENTRIES  # noqa: E402
from tests.differential.entry import Entry  # noqa: E402
from tests.differential.methods import METHODS, OPERATORS  # noqa: E402

ALL = [*ENTRIES, *METHODS, *OPERATORS]
ELEMENTWISE = [entry for entry in ENTRIES if entry.elementwise]

name_of = operator.attrgetter("name")


def public_names() -> set[str]:
    """Return every public function and method that could have a counterpart."""
    functions = [n for n in mg.__all__ if inspect.isfunction(getattr(mg, n))]
    algebra = [n for n in mg.linalg.__all__ if inspect.isfunction(getattr(mg.linalg, n))]
    members = [n for n in dir(mg.Tensor) if not n.startswith("_")]
    return {
        *(f"minigrad.{n}" for n in functions),
        *(f"linalg.{n}" for n in algebra),
        *(f"nn.functional.{n}" for n in F.__all__),
        *(f"Tensor.{n}" for n in members),
    }


def test_every_public_function_is_compared() -> None:
    compared = {entry.name for entry in [*ENTRIES, *METHODS]}
    listed = WITHOUT_COUNTERPART.keys() | NOT_COMPARED.keys()
    missing = sorted(public_names() - compared - listed)
    assert not missing, (
        f"not compared with PyTorch: {missing}; add an Entry to tests/differential/entries.py (a "
        "method: methods.py), or the name with a reason to WITHOUT_COUNTERPART or NOT_COMPARED in "
        "tests/differential/differences.py"
    )
    unknown = sorted(({*compared} | listed) - public_names())
    assert not unknown, f"compared, or listed as not compared, but not public: {unknown}"
    assert not compared & listed, "compared and listed as not compared"


def test_what_has_no_counterpart_has_none() -> None:
    for name in WITHOUT_COUNTERPART:
        owner, _, attribute = name.rpartition(".")
        peers = [torch.Tensor] if owner == "Tensor" else [torch, torch.nn.functional]
        assert not any(hasattr(peer, attribute) for peer in peers), f"PyTorch has {name}"


@pytest.mark.parametrize("entry", ALL, ids=name_of)
@given(data=st.data())
def test_values_and_gradients(entry: Entry, data: st.DataObject) -> None:
    """The same results, and the same gradients under a random upstream gradient."""
    call = cast(data.draw(entry.inputs), data.draw(st.sampled_from([np.float32, np.float64])))
    seed = data.draw(seeds())
    ours = run_ours(entry.ours, data.draw(st.composite(relaid)(call)), seed)
    theirs = run_theirs(torch, entry.theirs, call, seed)
    assert_agree(ours, theirs, None, terms_of_gradients(torch, entry.theirs, call, seed, theirs))


# ---------------------------------------------------------------------------------- special values


def special_operands(count: int, dtype: Any) -> tuple[Array, ...]:
    """Return NaN, infinities, zeros, huge and tiny values, and ordinary ones; all pairs of them."""
    limits = np.finfo(dtype)
    positive = [np.nan, np.inf, 0.0, limits.max, limits.smallest_subnormal, limits.tiny, limits.eps]
    positive += [0.5, 1.0, 2.0, 3.0, 20.0, 100.0]
    values = np.array([sign * value for value in positive for sign in (1, -1)], dtype)
    if count == 1:
        return (values,)
    return tuple(np.array(x) for x in np.broadcast_arrays(values[:, None], values[None, :]))


def disagreement(a: Array, b: Array, what: str) -> Array:
    """Return where two results differ by more than rounding or an underflow."""
    if b.dtype.kind != "f":
        return np.asarray(a != b)
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= TOLERANCES[b.dtype] * np.abs(b) + np.finfo(b.dtype).tiny
    same = (a == b) | (np.isnan(a) & np.isnan(b)) | (near & np.isfinite(a) & np.isfinite(b))
    if what == "value":  # a zero has a sign; that of a gradient means nothing
        same &= ~((a == 0) & (b == 0)) | (np.signbit(a) == np.signbit(b))
    if what == "value":
        same &= (a == 0) == (b == 0)
    return np.asarray(~same)


def known(entry: Entry, what: str) -> list[Any]:
    """Return the masks of operands on which a result is known to differ."""
    name = entry.name.rpartition(".")[2]
    found = [row.special for row in SPECIAL_VALUES if name in row.names]
    return [special.where for special in found if special is not None and special.what == what]


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=name_of)
def test_special_values(entry: Entry) -> None:
    """On special values too, but for the known differences; these do differ."""
    unseen = {(what, i) for what in ("value", "gradient") for i in range(len(known(entry, what)))}
    for dtype in (np.float32, np.float64):
        operands = special_operands(entry.elementwise, dtype)
        fixed = entry.name.endswith(("floor_divide", "heaviside"))  # no gradient in PyTorch
        call = Call(tuple(Fixed(x) for x in operands) if fixed else operands)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = run_ours(entry.ours, call, 5)
            theirs = run_theirs(torch, entry.theirs, call, 5)
            masks = {
                what: [np.asarray(where(*operands)) for where in known(entry, what)]
                for what in ("value", "gradient")
            }
        pairs = [("value", *ours.outputs, *theirs.outputs)]
        both = zip(ours.gradients, theirs.gradients, strict=True)
        pairs += [("gradient", a, b) for a, b in both if b is not None]
        for what, a, b in pairs:
            differs = disagreement(a, b, what)
            for i, mask in enumerate(masks[what]):
                if (differs & mask).any():
                    unseen.discard((what, i))
                differs &= ~mask
            example = [
                (*(x[place] for x in operands), a[place], b[place])
                for place in map(tuple, np.argwhere(differs)[:3])
            ]
            assert not example, f"{what}: operands, minigrad, PyTorch: {example}"
    assert not unseen, f"listed in tests/differential/differences.py, but equal: {unseen}"


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=name_of)
def test_integers_and_booleans(entry: Entry) -> None:
    """The same dtypes and values, or errors on both sides, but for the known differences."""
    differ = []
    for dtype in (np.int64, np.int32, np.uint8, np.bool_):
        values = np.array([0, 1, 2, 3] if dtype in (np.uint8, np.bool_) else [-2, -1, 0, 3], dtype)
        operands: tuple[Array, ...] = (values,)
        if entry.elementwise == 2:
            both = np.broadcast_arrays(values[:, None], values[None, :])
            operands = tuple(np.array(x) for x in both)
        call = Call(operands)
        with np.errstate(all="ignore"):
            ours = result_or_error(partial(run_ours, entry.ours, call, None))
            theirs = result_or_error(partial(run_theirs, torch, entry.theirs, call, None))
        try:
            if isinstance(ours, Result) and isinstance(theirs, Result):
                assert_agree(ours, theirs)
            else:
                assert ours == theirs
        except AssertionError as error:
            differ.append(f"{np.dtype(dtype)}: {error}")
    name = entry.name.rpartition(".")[2]
    if any(name in row.names for row in DTYPES):
        assert differ, f"{name} is listed in tests/differential/differences.py, but agrees"
    else:
        assert not differ, "\n".join(differ)


def result_or_error(function: Callable[[], Any]) -> Any:
    """Return a result, or "an error" if the call is refused."""
    try:
        return function()
    except (TypeError, ValueError, RuntimeError):
        return "an error"
