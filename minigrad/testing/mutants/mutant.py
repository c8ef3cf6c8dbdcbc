"""What a mutant is, how it takes the place of the right code, and who lets it pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from minigrad.arguments import check_callable, check_items
from minigrad.errors import DTypeError
from minigrad.kernels import dispatch
from minigrad.kernels.reference import batch_norm as reference
from minigrad.testing.implementations import (
    KERNELS,
    BatchNormImplementation,
    kernel_implementation,
    reference_implementation,
)

__all__ = ["BatchNormMutant", "Mutant", "Patch", "survivors"]


@dataclass(frozen=True)
class Patch:
    """One attribute of a module or class, or entry of a dictionary, and its wrong value."""

    owner: Any
    name: str
    value: Any

    def swap(self) -> Patch:
        """Set the value, and return the patch that undoes it."""
        if isinstance(self.owner, dict):
            previous = self.owner[self.name]
            self.owner[self.name] = self.value
        else:
            previous = vars(self.owner)[self.name]  # a static method as such, not its function
            setattr(self.owner, self.name, self.value)
        return Patch(self.owner, self.name, previous)


@dataclass(frozen=True)
class Mutant:
    """A wrong version of something in minigrad.

    Attributes
    ----------
    name : str
        Unique in its list.
    what : str
        What is wrong.
    part : str
        What it is a version of: ``"Linear"``, ``"forward_train"``.
    patches : callable
        Returns what to replace by what; called anew each time, so that a mutant with a memory
        starts without any.
    """

    name: str
    what: str
    part: str
    patches: Callable[[], Sequence[Patch]] = field(repr=False)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the mutant in the place of the right code; always put that back.

        Not for several threads: the whole process runs the mutant.
        """
        undo: list[Patch] = []
        try:
            for patch in self.patches():
                undo.append(patch.swap())  # noqa: PERF401 - those before a failure are undone
            yield
        finally:
            for patch in reversed(undo):
                patch.swap()


@dataclass(frozen=True)
class BatchNormMutant(Mutant):
    """A wrong version of one function of the BatchNorm kernels.

    Attributes
    ----------
    functions : callable
        Returns name -> function for the functions of
        `minigrad.kernels.types.BatchNormKernels` that are wrong.
    """

    functions: Callable[[], Mapping[str, Callable[..., Any]]] = field(repr=False)

    @property
    def implementation(self) -> BatchNormImplementation:
        """The reference with the wrong functions in it, for a check of implementations."""
        functions = {name: getattr(reference, name) for name in KERNELS}
        return kernel_implementation(
            f"mutant {self.name!r}", SimpleNamespace(**functions | dict(self.functions()))
        )

    @classmethod
    def of(
        cls, name: str, what: str, part: str, functions: Callable[[], Mapping[str, Any]]
    ) -> BatchNormMutant:
        """Return the mutant that replaces these functions of the kernels."""

        def patches() -> list[Patch]:
            kernels = dispatch.module("batch_norm")
            return [Patch(kernels, key, value) for key, value in functions().items()]

        return cls(name, what, part, patches, functions)


def survivors(
    check: Callable[..., Any], mutants: Sequence[Mutant], *, applied: bool = False
) -> list[Mutant]:
    """Return the mutants that a check accepts; a good check leaves none.

    Parameters
    ----------
    check : callable
        Raises on what is wrong. It is called with the `BatchNormImplementation` of each mutant
        if all mutants are BatchNorm's, else without arguments while the mutant is in the place
        of the right code, so that it should use minigrad as it always does.
    mutants : sequence of Mutant
    applied : bool
        Call the check without arguments also for mutants of BatchNorm.

    Returns
    -------
    list of Mutant

    Raises
    ------
    DTypeError
        If ``check`` cannot be called, or not so, or ``mutants`` are none.
    Exception
        What the check raises on the right code: it would kill every mutant for no reason.

    Examples
    --------
    A check under a loss that sums the outputs does not see that dx is zero:

    >>> import numpy as np
    >>> from minigrad.testing.mutants import BATCH_NORM
    >>> def check(implementation):
    ...     x = np.arange(12.0).reshape(4, 3) ** 2
    ...     ones = np.ones(3)
    ...     dx, _, _ = implementation.backward(np.ones_like(x), x, ones, ones, 1e-5)
    ...     assert np.allclose(dx, 0.0)  # which is right
    >>> "zero dx" in [mutant.name for mutant in survivors(check, BATCH_NORM)]
    True
    """
    check_callable("survivors", "check", check)
    mutants = check_items("survivors", "mutants", mutants)
    for mutant in mutants:
        if not isinstance(mutant, Mutant):
            raise DTypeError(f"survivors: mutants must be Mutants, got {type(mutant).__name__}")
    by_argument = not applied and all(isinstance(m, BatchNormMutant) for m in mutants)
    right = (reference_implementation(),) if by_argument else ()
    _check_call(check, right)
    try:
        check(*right)
    except Exception as error:
        error.add_note("survivors: the check refuses the right code, before any mutant")
        raise
    alive = []
    for mutant in mutants:
        if isinstance(mutant, BatchNormMutant) and by_argument:
            accepted = _accepts(check, mutant.implementation)
        else:
            with mutant.applied():
                accepted = _accepts(check)
        if accepted:
            alive.append(mutant)
    return alive


def _check_call(check: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Refuse a check that takes other arguments, which would look like one that fails."""
    try:
        signature = inspect.signature(check)
    except ValueError:  # a function of C that does not tell
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        expected = (
            "with one argument, a BatchNormImplementation, for mutants of BatchNorm alone; for a "
            "check without arguments pass applied=True"
            if arguments
            else "without arguments, while each mutant is in the place of the right code"
        )
        raise DTypeError(f"survivors: the check is called {expected}; {error}") from None


def _accepts(check: Callable[..., Any], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except Exception:
        return False  # to crash on a mutant is to notice it
    return True
