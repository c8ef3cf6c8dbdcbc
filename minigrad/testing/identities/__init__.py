"""What holds of every BatchNorm, as checks for any implementation.

An implementation is a forward and a backward of NumPy arrays, in a
`minigrad.testing.implementations.BatchNormImplementation`. `check_identities` asks all of
`IDENTITIES` of it and reports those that it breaks; each is also a function to be called alone.

To add one, write a function that yields claims and decorate it with `identity`. That is all:
reports, tests of our own implementations and the mutants find it in `IDENTITIES`.

Examples
--------
>>> from minigrad.testing.examples import batch_norm_example
>>> from minigrad.testing.implementations import reference_implementation
>>> print(check_identities(reference_implementation(), batch_norm_example()))
minigrad reference: 0 of ... identities are broken
"""

from minigrad.testing.identities import backward, forward, running
from minigrad.testing.identities.check import (
    IDENTITIES,
    NUMERICS,
    Identity,
    IdentityError,
    IdentityFailure,
    IdentityReport,
    check_identities,
    identity,
)
from minigrad.testing.identities.facts import Claim, Facts

__all__ = [
    "IDENTITIES",
    "NUMERICS",
    "Claim",
    "Facts",
    "Identity",
    "IdentityError",
    "IdentityFailure",
    "IdentityReport",
    "backward",
    "check_identities",
    "forward",
    "identity",
    "running",
]
