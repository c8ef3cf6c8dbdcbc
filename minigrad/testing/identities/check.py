"""What an identity is, how it is checked, and what a failure says.

An identity is a function of an implementation and an example that returns claims: two arrays that
must be equal, and how far rounding may put them apart. The decorator `identity` makes a check of
it and adds it to `IDENTITIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minigrad.arguments import check_items, check_text
from minigrad.errors import DTypeError, MinigradError
from minigrad.testing.examples import BatchNormExample
from minigrad.testing.identities.facts import Claim
from minigrad.testing.implementations import BatchNormImplementation

__all__ = [
    "IDENTITIES",
    "NUMERICS",
    "Identity",
    "IdentityError",
    "IdentityFailure",
    "IdentityReport",
    "check_identities",
    "identity",
]


@dataclass(frozen=True)
class IdentityFailure:
    """One identity that an implementation breaks.

    Attributes
    ----------
    identity, formula : str
    implementation : str
    what : str
        The result that differs.
    deviation, allowed : float
        Of the element that is off the most, in units of what is allowed there.
    channel : int
    """

    identity: str
    formula: str
    implementation: str
    what: str
    deviation: float
    allowed: float
    channel: int

    def __str__(self) -> str:
        return (
            f"{self.implementation} breaks {self.identity}, {self.formula}: {self.what} is off by "
            f"{self.deviation:.3g} in channel {self.channel}, allowed is {self.allowed:.2g}"
        )


class IdentityError(MinigradError, AssertionError):
    """An implementation of BatchNorm breaks an identity.

    Attributes
    ----------
    failures : tuple of IdentityFailure
    """

    def __init__(self, failures: Sequence[IdentityFailure], message: str = "") -> None:
        super().__init__(message or "\n".join(str(failure) for failure in failures))
        self.failures = tuple(failures)


@dataclass(frozen=True)
class Identity:
    """An identity as a check: called with an implementation and an example, raises or returns.

    Attributes
    ----------
    name, formula : str
    claims : callable
        The function that was decorated.
    needs : tuple of str
        Optional functions of an implementation without which there is nothing to check.
    dtypes : tuple of dtype
        Of the examples that it applies to.
    """

    name: str
    formula: str
    claims: Callable[[BatchNormImplementation, BatchNormExample], Iterable[Claim]]
    needs: tuple[str, ...] = ()
    dtypes: tuple[type[np.floating], ...] = (np.float32, np.float64)

    def applies(self, implementation: BatchNormImplementation, example: BatchNormExample) -> bool:
        """Return whether there is something to check."""
        return example.x.dtype in self.dtypes and all(
            getattr(implementation, name) is not None for name in self.needs
        )

    def __call__(self, implementation: BatchNormImplementation, example: BatchNormExample) -> None:
        """Raise `IdentityError` if the implementation breaks the identity on the example."""
        arrays = {
            name: getattr(example, name).copy(order="K") for name in ("x", "dy", "gamma", "beta")
        }
        own = replace(example, **arrays)  # an implementation may write into what it is given
        failures = [
            failure
            for claim in self.claims(implementation, own)
            if (failure := self._failure(implementation.name, claim)) is not None
        ]
        if failures:
            raise IdentityError(failures)

    def _failure(self, implementation: str, claim: Claim) -> IdentityFailure | None:
        left, right = np.asarray(claim.left, np.longdouble), np.asarray(claim.right, np.longdouble)
        if left.shape != right.shape:
            raise IdentityError(
                (),
                f"{implementation}: {claim.what} must have shape {right.shape}, got {left.shape}",
            )
        allowed = np.broadcast_to(np.asarray(claim.allowed, np.longdouble), left.shape)
        with np.errstate(invalid="ignore"):
            deviation = np.abs(left - right)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        # A NaN on one side is as wrong as can be.
        deviation = np.where(same, 0.0, np.where(np.isnan(deviation), np.inf, deviation))
        wrong = deviation > allowed
        if not wrong.any():
            return None
        tiny = np.finfo(np.float64).tiny
        excess = np.where(wrong, deviation / np.maximum(allowed, tiny), 0.0)
        worst = np.unravel_index(int(np.argmax(excess)), left.shape)
        return IdentityFailure(
            self.name,
            self.formula,
            implementation,
            claim.what,
            float(deviation[worst]),
            float(allowed[worst]),
            int(worst[0] if left.ndim == 1 else worst[1]),
        )


IDENTITIES: list[Identity] = []
"""What holds of any BatchNorm, in the order of definition."""

NUMERICS: list[Identity] = []
"""What holds of a careful one: whose statistics are wider than float32, for instance."""


def identity(
    formula: str,
    *,
    needs: tuple[str, ...] = (),
    dtypes: tuple[type[np.floating], ...] = (np.float32, np.float64),
    into: list[Identity] = IDENTITIES,
) -> Callable[[Callable[..., Iterable[Claim]]], Identity]:
    """Make a check of a function that returns claims, and add it to a list.

    Parameters
    ----------
    formula : str
        For reports.
    needs : tuple of str
        Names of optional functions of `BatchNormImplementation` that it calls.
    dtypes : tuple of dtype
        Of examples that it applies to.
    into : list of Identity
        `IDENTITIES` or `NUMERICS`, or one of your own.

    Raises
    ------
    ValueError
        If an implementation has no function of a name in ``needs``.
    DTypeError
        If an argument is something else.
    """
    check_text("identity", "formula", formula)
    known = BatchNormImplementation.__dataclass_fields__.keys()
    for name in check_items("identity", "needs", needs):
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"identity: needs must be among {', '.join(known)}, got {name!r}")
    for dtype in check_items("identity", "dtypes", dtypes):
        if not (isinstance(dtype, type) and issubclass(dtype, np.floating)):
            raise DTypeError(f"identity: dtypes must be floating, as numpy.float32, got {dtype!r}")
    if not isinstance(into, list):
        raise DTypeError(f"identity: into must be a list, got {type(into).__name__}")
    for other in into:
        if not isinstance(other, Identity):
            raise DTypeError(f"identity: into must hold identities, got {type(other).__name__}")

    def decorate(function: Callable[..., Iterable[Claim]]) -> Identity:
        check = Identity(function.__name__, formula, function, needs, dtypes)
        object.__setattr__(check, "__doc__", function.__doc__)
        into.append(check)
        return check

    return decorate


@dataclass(frozen=True)
class IdentityReport:
    """What `check_identities` found; true if nothing is broken.

    Attributes
    ----------
    implementation : str
    held : dict of str to int
        Name of an identity -> on how many examples it held.
    not_applicable : tuple of str
        Identities that no example could be checked on: a function is missing, or a dtype.
    failures : tuple of IdentityFailure
        The worst of each identity that is broken.
    """

    implementation: str
    held: dict[str, int]
    not_applicable: tuple[str, ...] = ()
    failures: tuple[IdentityFailure, ...] = field(default=())

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        broken = {failure.identity for failure in self.failures}
        total = len(self.held) + len(broken - self.held.keys())
        lines = [f"{self.implementation}: {len(broken)} of {total} identities are broken"]
        if self.failures:
            rows = [("identity", "result", "channel", "off by", "allowed", "formula")]
            rows += [
                (
                    f.identity,
                    f.what,
                    f"{f.channel}",
                    f"{f.deviation:.2g}",
                    f"{f.allowed:.2g}",
                    f.formula,
                )
                for f in self.failures
            ]
            widths = [max(len(row[column]) for row in rows) for column in range(6)]
            lines += [
                "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                for row in rows
            ]
        if self.not_applicable:
            lines.append(f"not applicable: {', '.join(self.not_applicable)}")
        return "\n".join(lines)


def check_identities(
    implementation: BatchNormImplementation,
    *examples: BatchNormExample,
    identities: Sequence[Identity] | None = None,
    raise_exception: bool = True,
) -> IdentityReport:
    """Check every identity that applies on every example, and report all that are broken.

    Parameters
    ----------
    implementation : BatchNormImplementation
    *examples : BatchNormExample
        From `batch_norm_example`, or drawn by `strategies.batch_norm_examples`.
    identities : sequence of Identity, optional
        Default: `IDENTITIES`.
    raise_exception : bool
        Whether to raise if one is broken.

    Returns
    -------
    IdentityReport

    Raises
    ------
    IdentityError
        With the report as its message.
    ValueError
        If there is no example.
    DTypeError
        If an argument is something else.
    """
    __tracebackhide__ = True  # pytest: a failure is the report, not the code below
    if not examples:
        raise ValueError("check_identities needs at least one example; see batch_norm_example()")
    if not isinstance(implementation, BatchNormImplementation):
        raise DTypeError(
            "check_identities: implementation must be a BatchNormImplementation, got "
            f"{type(implementation).__name__}"
        )
    for example in examples:
        if not isinstance(example, BatchNormExample):
            raise DTypeError(
                f"check_identities: examples must be BatchNormExamples, got "
                f"{type(example).__name__}"
            )
    wanted = IDENTITIES if identities is None else identities
    for check in check_items("check_identities", "identities", wanted):
        if not isinstance(check, Identity):
            raise DTypeError(
                f"check_identities: identities must be Identity, got {type(check).__name__}"
            )
    held: dict[str, int] = {}
    absent: list[str] = []
    failures: dict[str, IdentityFailure] = {}
    for check in wanted:
        applicable = [e for e in examples if check.applies(implementation, e)]
        if not applicable:
            absent.append(check.name)
            continue
        held[check.name] = 0
        for example in applicable:
            try:
                check(implementation, example)
                held[check.name] += 1
            except IdentityError as error:
                if not error.failures:
                    raise  # of shape: nothing else could be compared
                found = max(error.failures, key=_excess)
                previous = failures.get(check.name)
                if previous is None or _excess(found) > _excess(previous):
                    failures[check.name] = found
            except Exception as error:  # the implementation's own, or what it returns is no triple
                error.add_note(
                    f"check_identities: raised by {implementation.name!r} in {check.name}, on an "
                    f"example of shape {example.x.shape}; forward must return (y, mean, var), "
                    "backward (dx, dgamma, dbeta)"
                )
                raise
    report = IdentityReport(implementation.name, held, tuple(absent), tuple(failures.values()))
    if raise_exception and not report:
        raise IdentityError(report.failures, str(report))
    return report


def _excess(failure: IdentityFailure) -> float:
    return failure.deviation / max(failure.allowed, float(np.finfo(np.float64).tiny))
