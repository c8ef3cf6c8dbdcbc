"""Derivatives of second and higher order against differences of the order below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.arguments import check_callable, check_integer
from minigrad.autograd import grad
from minigrad.grad_mode import enable_grad, is_grad_enabled
from minigrad.tensor import Tensor
from minigrad.testing.calls import as_inputs, floating_tensors, leaves_of
from minigrad.testing.gradcheck import NonSmoothPolicy, gradcheck
from minigrad.testing.reports import GradcheckReport

__all__ = ["gradgradcheck"]


def gradgradcheck(
    f: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 2,
    rtol: float | None = None,
    atol: float | None = None,
    step: float = 1e-4,
    max_elements: int = 64,
    projections: int = 8,
    nonsmooth: NonSmoothPolicy = "raise",
    seed: int = 0,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare derivatives of second or higher order with differences of the order below.

    The function that is checked is the gradient of ``f``, of its inputs and of the upstream
    gradient, so mixed derivatives are covered. The order below is computed with the plain rules
    (``create_graph=False``): where an op is fused, its kernel is held against its composite.

    Parameters
    ----------
    f, inputs, rtol, atol, step, max_elements, projections, nonsmooth, seed, raise_exception
        As `gradcheck`.
    order : int
        Of the derivatives that are checked; at least 2.

    Returns
    -------
    GradcheckReport
        Inputs are numbered as given; the upstream gradients follow them.

    Raises
    ------
    GradcheckError, NonSmoothError, DTypeError, AutogradError, ValueError
        As `gradcheck`.
    """
    __tracebackhide__ = True  # pytest: a failure is the report, not the code below
    check_callable("gradgradcheck", "f", f)
    if check_integer("gradgradcheck", "order", order) < 2:
        raise ValueError(f"order must be at least 2, got {order}; gradcheck checks order 1")
    check_integer("gradgradcheck", "seed", seed, 0)
    values = list(as_inputs(inputs)[0])
    for level in range(order - 1):
        f, values = _gradient_of(f, values, seed + 1 + level)
    return gradcheck(
        f,
        values,
        rtol=rtol,
        atol=atol,
        step=step,
        max_elements=max_elements,
        projections=projections,
        nonsmooth=nonsmooth,
        seed=seed,
        raise_exception=raise_exception,
    )


def _gradient_of(
    f: Callable[..., Any], values: list[Any], seed: int
) -> tuple[Callable[..., Any], list[Any]]:
    """Return the function that computes the gradient of ``f``, and its inputs.

    They are those of ``f``, followed by a random upstream gradient for each output.
    """
    _, wanted = as_inputs(values)
    rng = np.random.default_rng(seed)
    outputs = floating_tensors(f(*leaves_of(values, wanted)))
    upstream = [np.asarray(rng.standard_normal(output.shape)) for output in outputs]
    count = len(values)

    def gradient(*arguments: Any) -> tuple[Tensor, ...]:
        create_graph = is_grad_enabled()
        with enable_grad():
            results = floating_tensors(f(*arguments[:count]))
        recorded = [i for i, result in enumerate(results) if result.requires_grad]
        leaves = [arguments[position] for position in wanted]
        if not recorded:
            return tuple(Tensor(np.zeros_like(leaf.array)) for leaf in leaves)
        found = grad(
            [results[i] for i in recorded],
            leaves,
            [arguments[count + i] for i in recorded],
            create_graph=create_graph,
            allow_unused=True,
        )
        return tuple(
            Tensor(np.zeros_like(leaf.array)) if result is None else result
            for leaf, result in zip(leaves, found, strict=True)
        )

    return gradient, [*values, *upstream]
