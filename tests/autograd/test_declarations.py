"""How ops are declared: what holds for every one of them."""

from __future__ import annotations

import inspect

import pytest

import minigrad as mg
from minigrad.engine import OPS
from minigrad.registry import FUNCTIONS

STATED = ("forward", "backward", "composite")
every_op = pytest.mark.parametrize("name", [name for name in OPS if name.startswith("minigrad.")])


@every_op
def test_functions_of_an_op_are_static_methods(name: str) -> None:
    """An op is a namespace: what it has to say does not depend on an object."""
    for function in STATED:
        found = inspect.getattr_static(OPS[name], function, None)
        assert found is None or isinstance(found, staticmethod), function


@every_op
def test_hyperparameters_are_keywords_of_all_functions(name: str) -> None:
    """And the inputs are not positional alone, so that signatures read alike."""
    stated = set()
    for function in STATED:
        found = getattr(OPS[name], function, None)
        if found is None:
            continue
        parameters = inspect.signature(found).parameters.values()
        assert not [p for p in parameters if p.kind is p.POSITIONAL_ONLY], function
        if not [p for p in parameters if p.kind is p.VAR_KEYWORD]:
            stated.add(frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY))
    assert len(stated) <= 1, f"{name} names different hyperparameters: {stated}"


@pytest.mark.parametrize("name", ["batch_norm_train", "batch_norm_eval"])
def test_batch_norm_is_announced_and_its_options_are_keywords(name: str) -> None:
    function = FUNCTIONS[name]
    assert function is getattr(mg, name)
    *inputs, relu, eps = inspect.signature(function).parameters.values()
    assert {p.kind for p in inputs} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    for option, stated in ((relu, "relu"), (eps, "eps")):
        assert (option.name, option.kind) == (stated, inspect.Parameter.KEYWORD_ONLY)
