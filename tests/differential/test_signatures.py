"""Names, order and defaults of arguments: PyTorch's, but for the listed differences."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.optim import lr_scheduler
from tests.differential.differences import SIGNATURES, WITHOUT_COUNTERPART

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

# ---------------------------------------------------------- what is written in C++: from its docs

MEANINGLESS = {
    "copy", "device", "dtype", "force", "generator", "inputs", "layout", "memory_format",
    "driver", "non_blocking", "out", "out_dtype", "output_size", "pin_memory", "requires_grad",
    "sparse_grad",
    "weights_only",
}  # fmt: skip
"""PyTorch's arguments that minigrad may lack, all of them keywords or behind the others."""

OPERANDS = {
    "x": "input", "a": "input", "b": "other", "tup": "tensors", "array": "ndarray",
    "exponent": "other", "tensor": "other", "value": "other", "divisor": "other",
    "dividend": "input", "self": "input", "tensor2": "other", "src": "other", "y": "other",
    "sizes": "size", "shape": "size", "axis0": "dim0", "axis1": "dim1", "split_size":
    "split_size_or_sections", "operands": "tensors",
    "mat": "input", "mat1": "input", "batch1": "input", "mat2": "other", "batch2": "other",
    "vec": "other",
    "A": "input", "B": "other", "vec2": "other", "source": "other", "repeats": "size",
    "indices_or_sections": "split_size_or_sections",
}  # fmt: skip
"""Names of operands and sizes, which are positional, in one spelling."""

NO_TEXT = {
    "Tensor.arccosh": "()", "Tensor.detach": "()", "Tensor.log_softmax": "(dim, dtype=None)",
    "Tensor.relu": "()", "minigrad.manual_seed": "(seed)",
    "minigrad.multiply": "(input, other, *, out=None)", "minigrad.set_num_threads": "(n)",
    "Tensor.argsort": "(dim=-1, descending=False, *, stable=False)",
    "Tensor.index_copy": "(dim, index, source)", "Tensor.index_copy_": "(dim, index, source)",
    "Tensor.kthvalue": "(k, dim=-1, keepdim=False)", "Tensor.logit": "(eps=None)",
    "Tensor.masked_fill_": "(mask, value)", "Tensor.narrow": "(dim, start, length)",
    "Tensor.nonzero": "(*, as_tuple=False)",
    "Tensor.sort": "(dim=-1, descending=False, *, stable=False)", "Tensor.take": "(index)",
    "Tensor.topk": "(k, dim=-1, largest=True, sorted=True)",
    "linalg.matrix_power": "(A, n, *, out=None)", "linalg.multi_dot": "(tensors, *, out=None)",
    "minigrad.index_fill": "(input, dim, index, value)", "minigrad.is_anomaly_enabled": "()",
    "minigrad.kthvalue": "(input, k, dim=-1, keepdim=False)",
    "minigrad.lerp": "(input, end, weight)", "minigrad.masked_fill": "(input, mask, value)",
    "minigrad.logsumexp": "(input, dim, keepdim=False)",
    "minigrad.topk": "(input, k, dim=-1, largest=True, sorted=True)",
    "minigrad.split": "(tensor, split_size_or_sections, dim=0)",
}  # fmt: skip
"""Signatures that PyTorch's documentation does not state, or not as its functions take them."""

MANY_FORMS = {
    "Tensor.to", "minigrad.arange", "minigrad.randint", "minigrad.load", "minigrad.save",
    "minigrad.result_type", "minigrad.where", "Tensor.where", "minigrad.median",
}  # fmt: skip
"""Functions with forms that one signature does not say, or whose operands have names: the values
are compared, by position."""


class Argument(NamedTuple):
    name: str
    default: Any
    keyword_only: bool


def stated(owner: str, name: str, peer: Any) -> list[list[Argument]]:
    """Return the overloads that a function's documentation states."""
    if f"{owner}.{name}" in NO_TEXT:
        return [parsed(NO_TEXT[f"{owner}.{name}"])]
    pattern = rf"\s*(?:\.\. (?:function|method):: )?(?:linalg\.)?{re.escape(name)}(\(.*?\))\s*->"
    texts = [m[1] for m in map(re.compile(pattern).match, (peer.__doc__ or "").splitlines()) if m]
    if not texts and inspect.isfunction(peer):
        return [
            [
                Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY)
                for p in inspect.signature(peer).parameters.values()
                if p.name != "self"
            ]
        ]
    return [parsed(text) for text in texts]


def parsed(text: str) -> list[Argument]:
    """Parse ``(input, dim=None, *, out=None)``."""
    arguments: list[Argument] = []
    keyword_only = False
    for part in re.split(r",(?![^(\[]*[)\]])", text[1:-1].replace("\\*", "*")):
        name, _, default = (piece.strip() for piece in part.partition("="))
        name = name.partition(":")[0].strip()
        if name.startswith("*"):
            keyword_only = True
            if name != "*":
                arguments.append(Argument(name.strip("*"), inspect.Parameter.empty, False))
            continue
        if not name.isidentifier():
            continue  # a type with a comma inside
        try:
            value = ast.literal_eval(default) if default else inspect.Parameter.empty
        except (ValueError, SyntaxError):
            value = default
        arguments.append(Argument(name, value, keyword_only))
    return arguments


def ours_of(function: Callable[..., Any]) -> list[Argument]:
    return [
        Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY)
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def spelled(name: str) -> str:
    return OPERANDS.get(name, name)


def fits(ours: list[Argument], theirs: list[Argument], owner: str) -> bool:
    """Whether a call by PyTorch's signature means the same here."""
    empty = inspect.Parameter.empty
    here, there = ([a for a in side if not a.keyword_only] for side in (ours, theirs))
    there_by_name = {spelled(a.name): a for a in theirs}
    for i, argument in enumerate(here):
        peer = there[i] if i < len(there) else None
        if peer is None or spelled(peer.name) != spelled(argument.name):
            first_operand = i == 0 and owner != "Tensor" and peer is not None
            if not (first_operand and peer is not None and peer.default is empty):
                return False
        elif empty not in (peer.default, argument.default) and peer.default != argument.default:
            return False
    for argument in ours:
        if argument.keyword_only and argument.name not in MEANINGLESS:
            peer = there_by_name.get(spelled(argument.name))
            if peer is None or peer.default not in (empty, argument.default):
                return False
    names = {spelled(a.name) for a in ours}
    missing = {spelled(a.name) for a in theirs[0 if owner == "Tensor" else 1 :]} - names
    return missing <= MEANINGLESS


def functions() -> list[str]:
    """Return the functions and methods that PyTorch has too, but for those of nn.functional."""
    names = [
        f"minigrad.{n}"
        for n in mg.__all__
        if inspect.isfunction(getattr(mg, n)) and hasattr(torch, n) and n not in F.__all__
    ]
    names += [f"linalg.{n}" for n in mg.linalg.__all__ if inspect.isfunction(vars(mg.linalg)[n])]
    names += [
        f"Tensor.{n}"
        for n in dir(mg.Tensor)
        if not n.startswith("_") and inspect.isfunction(inspect.getattr_static(mg.Tensor, n))
    ]
    return sorted(set(names) - WITHOUT_COUNTERPART.keys() - MANY_FORMS)


@pytest.mark.parametrize("name", functions())
def test_functions_take_what_pytorch_takes(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    here, there = {
        "minigrad": (mg, torch),
        "linalg": (mg.linalg, torch.linalg),
        "Tensor": (mg.Tensor, torch.Tensor),
    }[owner]
    ours, peer = ours_of(getattr(here, attribute)), getattr(there, attribute)
    overloads = stated(owner, attribute, peer)
    agree = any(fits(ours, theirs, owner) for theirs in overloads)
    listed = name in SIGNATURES
    assert agree != listed, (
        f"listed in SIGNATURES, but the arguments agree: {ours}"
        if listed
        else f"{name} takes {ours}, PyTorch's {overloads}; if meant, say why in SIGNATURES of "
        "tests/differential/differences.py"
    )


# ---------------------------------------------------------- what is written in Python

OMITTED = {
    "outer_jacobian_strategy",
    "strategy",
    "vectorize",
    "_freeze",
    "_stacklevel",
    "_weight",
    "max_norm",
    "norm_type",
    "scale_grad_by_freq",
    "sparse",
    "out",
}
"""PyTorch's arguments that minigrad does not have."""

KEYWORD_ONLY = {"dtype", "device"}
"""Arguments that stand after omitted ones, so that only their names agree."""

NOT_IN_OLDER_VERSIONS = {"bias", "weight"}
"""Arguments of losses and BatchNorm that recent versions of PyTorch added at the end."""


def arguments(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in OMITTED | KEYWORD_ONLY | {"self"}
        and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]


def same_signature(ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    expected = arguments(theirs)
    found = arguments(ours)
    assert found == expected[: len(found)]
    assert {name for name, _ in expected[len(found) :]} <= NOT_IN_OLDER_VERSIONS


# The others are written in C++ and have no signature to look at.
@pytest.mark.parametrize("name", sorted(set(F.__all__) - {"gelu", "linear", "one_hot", "softplus"}))
def test_functions_have_pytorchs_signatures(name: str) -> None:
    same_signature(getattr(F, name), getattr(torch.nn.functional, name))


@pytest.mark.parametrize("name", ["hessian", "hvp", "jacobian", "jvp", "vjp"])
def test_derivatives_have_pytorchs_signatures(name: str) -> None:
    same_signature(getattr(mg, name), getattr(torch.autograd.functional, name))


LAYERS = [
    name
    for name in nn.__all__
    if inspect.isclass(getattr(nn, name))
    and name in vars(torch.nn)
    and name not in {"Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"}
]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_pytorchs_signatures(name: str) -> None:
    same_signature(getattr(nn, name).__init__, getattr(torch.nn, name).__init__)


@pytest.mark.parametrize("name", nn.init.__all__)
def test_initialisers_have_pytorchs_signatures(name: str) -> None:
    same_signature(getattr(nn.init, name), getattr(torch.nn.init, name))


OPTIMIZERS = [n for n in optim.__all__ if hasattr(torch.optim, n) and n != "lr_scheduler"]
FOREIGN_TO_OPTIMIZERS = {"capturable", "differentiable", "foreach", "fused"}


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"Optimizer"}))
def test_optimizers_have_pytorchs_signatures(name: str) -> None:
    """Positional arguments in order; keywords of the implementation are left out."""
    ours = inspect.signature(getattr(optim, name)).parameters.values()
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    for parameter in ours:
        assert parameter.name in theirs
        assert parameter.default == theirs[parameter.name].default
    positional = [p.name for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    expected = [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [n for n in expected if n not in FOREIGN_TO_OPTIMIZERS][: len(positional)]


@pytest.mark.parametrize("name", lr_scheduler.__all__)
def test_schedulers_have_pytorchs_signatures(name: str) -> None:
    same_signature(
        getattr(lr_scheduler, name).__init__, getattr(torch.optim.lr_scheduler, name).__init__
    )
