"""Gradient rules keep to what means the same for arrays and for Tensors.

A rule (``Op.backward``) runs on arrays in a plain backward pass and on Tensors under
``create_graph=True``. NumPy functions, operators and indexing mean the same for both; methods do
not (``t.max`` returns values and indices, ``t.size()`` is a method), and an array made from
nothing would be an array even where Tensors are recorded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

OPS = Path(__file__).parents[1] / "minigrad" / "ops"

SAME_ON_BOTH = {"shape", "dtype", "ndim"}
"""The attributes of an array that a Tensor has with the same meaning."""

ARRAY_ATTRIBUTES = {name for name in dir(np.ndarray) if name[0] != "_"} - SAME_ON_BOTH
"""``astype``, ``sum``, ``reshape``, ``T``, ``size`` and so on: a rule says ``np.sum(x)``."""

FROM_NOTHING = {"arange", "empty", "eye", "full", "identity", "linspace", "ones", "tri", "zeros"}
"""NumPy functions that make an array of no array: they need ``like=``."""

UNRECORDED = {"array", "asanyarray", "asarray", "ascontiguousarray", "copyto", "random"}
"""NumPy names that leave the graph, or change an array in place."""

EXEMPT = {
    ("CrossEntropy.composite", "np.asarray"),  # of class indices: integers carry no gradient
}
"""Where a word is right after all: the rule, and the word."""

RULES = ("backward", "composite")


def ops(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Yield the classes that derive from ``Op``, directly or through others of the same file."""
    known = {"Op"}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and known & {_name(base) for base in node.bases}:
            known.add(node.name)
            yield node


def _name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def rules(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the rules of each op, with the functions of the same file that they call."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for definition in ops(tree):
        pending: list[ast.AST] = [node for node in definition.body if _defines_rule(node)]
        seen: set[str] = set()
        while pending:
            node = pending.pop()
            if isinstance(node, ast.FunctionDef):
                yield definition.name, node
            used = _called(node) - seen
            seen |= used
            pending += [functions[name] for name in used & functions.keys()]


def _called(node: ast.AST) -> set[str]:
    """Return the names that a rule calls, or, in ``composite = staticmethod(name)``, is."""
    if isinstance(node, ast.Assign):
        return {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _defines_rule(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in RULES
    if isinstance(node, ast.Assign):
        return any(isinstance(name, ast.Name) and name.id in RULES for name in node.targets)
    return False


def violations(source: str) -> list[str]:
    """Return what the rules of one file say that is not in the vocabulary, a line each."""
    tree = ast.parse(source)
    modules = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    found = set()
    for op, rule in rules(tree):
        for node in ast.walk(rule):
            problem = _problem(node, modules)
            if problem and (f"{op}.{rule.name}", ast.unparse(node)) not in EXEMPT:
                found.add(f"{op}.{rule.name}, line {getattr(node, 'lineno', 0)}: {problem}")
    return sorted(found)


def _problem(node: ast.AST, modules: set[str]) -> str | None:
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func)
        name = function.removeprefix("np.")
        if name != function and name in FROM_NOTHING:
            if not any(keyword.arg == "like" for keyword in node.keywords):
                return f"{function}() makes an array of nothing: use {function}_like or like="
            return None
    if not isinstance(node, ast.Attribute):
        return None
    owner = ast.unparse(node.value)
    if owner == "np":
        return f"np.{node.attr} leaves the graph" if node.attr in UNRECORDED else None
    if owner in modules or owner.endswith(".dtype"):
        return None
    if node.attr in ARRAY_ATTRIBUTES:
        return f".{node.attr} is not the same on arrays and Tensors: use the NumPy function"
    return None


def test_rules_keep_to_the_vocabulary() -> None:
    files = sorted(OPS.glob("*.py"))
    assert any(True for path in files for _ in rules(ast.parse(path.read_text("utf-8"))))
    found = [
        f"{path.name}: {text}" for path in files for text in violations(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def _op(body: str, extra: str = "") -> str:
    return f"""
import math
import numpy as np
{extra}
class Some(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx, x):
        return x.sum() * np.zeros(3)  # forward sees arrays only

    @staticmethod
    def backward(ctx, dy, x):
        return ({body},)
"""


@pytest.mark.parametrize(
    "body",
    [
        "dy.sum()",
        "dy.astype(x.dtype)",
        "dy * x.mean(axis=0)",
        "np.sum(dy).reshape(x.shape)",
        "dy @ x.T",
        "dy / x.size",
        "dy * np.zeros(x.shape)",
        "dy * np.arange(x.shape[0])",
        "np.asarray(dy)",
        "dy * np.random.rand()",
        "helper(dy)",
    ],
)
def test_a_wrong_word_is_found(body: str) -> None:
    helper = "def helper(dy):\n    return dy.copy()\n"
    assert len(violations(_op(body, helper))) == 1


def test_a_wrong_word_in_a_derived_op_is_found() -> None:
    base = "class Unary(Op):\n    pass\n"
    source = _op("dy.sum()", base).replace("class Some(Op)", "class Some(Unary)")
    assert len(violations(source)) == 1


def test_a_wrong_word_in_a_composite_is_found() -> None:
    composite = "def composed(x):\n    return x.max()\n"
    source = _op("dy", composite).replace("saves = (0,)", "composite = staticmethod(composed)")
    assert len(violations(source)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "np.sum(dy, axis=0) * x",
        "dy * np.zeros_like(x)",
        "dy * np.zeros((2, *x.shape), like=x)",
        "np.reshape(dy, x.shape) / math.prod(x.shape)",
        "apply(Cast, dy, dtype=ctx.dtype_of(0))",
        "dy[ctx.extra[0]] * x.dtype.itemsize * x.ndim",
    ],
)
def test_a_right_word_is_not(body: str) -> None:
    assert violations(_op(body)) == []
