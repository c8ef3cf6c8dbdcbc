"""How mutants of ops are made: a function of the right result takes the place of a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.arguments import check_number
from minigrad.engine import Op
from minigrad.errors import DTypeError
from minigrad.testing.mutants.mutant import Mutant, Patch

__all__ = ["OPS", "Rule", "rule", "scaled_gradient", "value"]

OPS: list[Mutant] = []
"""Of ops other than BatchNorm, and of the engine that runs them."""

Rule = Callable[..., Any]


def rule(op: type[Op], name: str, what: str) -> Callable[[Rule], None]:
    """Add the mutant whose backward is the function's: ``(right, ctx, dy, *saved, **kwargs)``.

    ``right`` is the tuple of right gradients.
    """
    return _method(op, "backward", name, what)


def value(op: type[Op], name: str, what: str) -> Callable[[Rule], None]:
    """Add the mutant whose forward is the function's: ``(right, ctx, *inputs, **kwargs)``."""
    return _method(op, "forward", name, what)


def _method(op: type[Op], method: str, name: str, what: str) -> Callable[[Rule], None]:
    def add(function: Rule) -> None:
        def patches() -> list[Patch]:
            original = getattr(op, method)

            def wrong(*arguments: Any, **kwargs: Any) -> Any:
                return function(original(*arguments, **kwargs), *arguments, **kwargs)

            return [Patch(op, method, staticmethod(wrong))]

        OPS.append(Mutant(f"{op.__name__}: {name}", what, op.__name__, patches))

    return add


def scaled_gradient(op: type[Op], factor: float) -> Mutant:
    """Return the mutant of any op whose gradients are off by a factor.

    Parameters
    ----------
    op : type of Op
    factor : float
        -1 for a wrong sign.

    Returns
    -------
    Mutant
    """
    if not (isinstance(op, type) and issubclass(op, Op)):
        raise DTypeError(f"scaled_gradient: op must be a class of Op, got {op!r}")
    check_number("scaled_gradient", "factor", factor)

    def patches() -> list[Patch]:
        original = op.backward

        def wrong(*arguments: Any, **kwargs: Any) -> Any:
            return tuple(
                None if gradient is None else gradient * factor
                for gradient in original(*arguments, **kwargs)
            )

        return [Patch(op, "backward", staticmethod(wrong))]

    name = f"{op.__name__}: gradient times {factor:g}"
    return Mutant(name, f"every gradient is multiplied by {factor:g}", op.__name__, patches)
