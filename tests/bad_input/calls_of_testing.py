"""What tests a BatchNorm: examples, identities, implementations and mutants."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.reference import batch_norm
from minigrad.ops.reduce import Sum
from minigrad.testing.examples import batch_norm_example
from minigrad.testing.identities import IDENTITIES, Claim, identity
from minigrad.testing.implementations import reference_implementation
from minigrad.testing.mutants import BATCH_NORM
from tests.bad_input.calls import SUBJECTS, Subject, add


def accepts(*arguments: Any) -> None:
    """Check nothing."""


def no_claims(*arguments: Any) -> list[Claim]:
    """Claim nothing, as an identity."""
    return []


def decorated(formula: Any, **keywords: Any) -> Any:
    """Decorate a function, as `identity` is used."""
    return identity(formula, **keywords)(no_claims)


for _owner in ("examples", "testing"):
    add(_owner, "batch_norm_example", lambda: ((4, 3),), offset=0.5, scale=2.0, eps=1e-3,
    dtype=np.dtype(np.float64), seed=0)  # fmt: skip
EXAMPLE = batch_norm_example((4, 3))
for _owner in ("identities", "testing"):
    add(_owner, "check_identities", lambda: (reference_implementation(), EXAMPLE),
    identities=IDENTITIES[:2], raise_exception=True)  # fmt: skip
add("testing", "batch_norm_ulps", lambda: (reference_implementation(), EXAMPLE))
SUBJECTS.append(
    Subject(
        "identities.identity",
        decorated,
        lambda: ("y = x",),
        {"needs": ("evaluate",), "dtypes": (np.float64,), "into": IDENTITIES[:1]},
    )
)
add("implementations", "kernel_implementation", lambda: ("reference", batch_norm))
add("mutants", "scaled_gradient", lambda: (Sum, -1.0))
add("mutants", "survivors", lambda: (accepts, BATCH_NORM[:2]), applied=False)
add("testing", "spread_values", lambda: ((2, 3), np.random.default_rng(0)), low=-1.5, high=1.5,
    kinks=(0.0,), dtype=np.dtype(np.float64))  # fmt: skip
add("testing", "relaid", lambda: (np.ones((2, 3)), (1, 0), (1, -2)))
add("testing", "ops_without_case", lambda: ("minigrad.ops.batch_norm", ()))
