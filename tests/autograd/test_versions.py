"""Changes in place of what a recorded gradient rule has used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import AutogradError
from minigrad.tensor import Tensor


@pytest.mark.parametrize(
    ("function", "changed"),
    [(lambda a, h: a * h, "input"), (lambda a, h: (a + h).exp(), "output")],
    ids=["input", "output"],
)
def test_change_after_a_recorded_backward_pass(
    function: Callable[[Tensor, Tensor], Tensor], changed: str, rng: np.random.Generator
) -> None:
    """The gradient ``g(u)`` has saved what its rule was handed; its derivative by u needs that."""
    a, u = (mg.tensor(rng.normal(size=(4, 2)), requires_grad=True) for _ in range(2))
    h = mg.tensor(rng.normal(size=(4, 2)), requires_grad=True) * 1.0
    y = function(a, h)
    (g,) = mg.grad(y, a, u, create_graph=True)
    assert g is not None
    with mg.no_grad():
        (h if changed == "input" else y).mul_(5.0)
    with pytest.raises(AutogradError, match="changed in place"):
        mg.grad(g.sum(), u)


def test_error_of_a_change_names_what_was_saved() -> None:
    x, k = mg.ones(2, 1, requires_grad=True), mg.ones(3, requires_grad=True)
    y = x * k
    k.detach().add_(1.0)
    with pytest.raises(AutogradError) as caught:
        y.sum().backward()
    assert str(caught.value) == (
        "a Tensor that Mul had saved for its gradient was changed in place afterwards (it saved "
        "input 0, input 1, of shape (2, 1), (3,)); use the out-of-place operator, or clone() "
        "before the change"
    )
